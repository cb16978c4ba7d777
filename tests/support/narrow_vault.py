"""Vaults in which a handful of entries does what else takes hundreds.

Tiles four hashes wide instead of 256 and segments of a few bodies: a dozen entries fill tiles on
three levels, clear partial ones and go over to new segments, all by the code of the record. And a
signature that is one hash: a simulation opens thousands of vaults, and tries disks, not Ed25519.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from unittest.mock import patch

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tourniquet.record import leaves, log, tiles, tree, vault, verification
from tourniquet.record.notes import LOG_KEY, Signer, VerifierKey

BITS = 2
SEGMENT_BYTES = 400
_READ_TILES = (tree, tiles, log, vault, verification)


@contextmanager
def narrow(*, bits: int = BITS, segment_bytes: int = SEGMENT_BYTES) -> Iterator[None]:
    """Narrow tiles and small segments, in every module of the record that reads their size."""
    with ExitStack() as patches:
        patches.enter_context(patch.object(leaves, "SEGMENT_BYTES_MOST", segment_bytes))
        for module in _READ_TILES:
            for name, value in (("TILE_BITS", bits), ("TILE_WIDTH", 1 << bits)):
                if hasattr(module, name):
                    patches.enter_context(patch.object(module, name, value))
        yield


class QuickKey(VerifierKey):
    """A verifier key whose signature is a hash over key and content."""

    def fits(self, value: bytes, signed: bytes) -> bool:
        """See `VerifierKey`."""
        return value == hashlib.sha512(self.public + signed).digest()


class QuickSigner(Signer):
    """Signs for `QUICK_KEY`, as anybody could."""

    @property
    def verifier(self) -> QuickKey:
        """See `Signer`."""
        return QUICK_KEY

    def sign(self, content: bytes) -> bytes:
        """See `Signer`."""
        return hashlib.sha512(QUICK_KEY.public + content).digest()


QUICK_KEY = QuickKey("log.example", LOG_KEY, b"Q" * 32)
QUICK_SIGNER = QuickSigner(QUICK_KEY.name, LOG_KEY, Ed25519PrivateKey.from_private_bytes(b"U" * 32))
