"""The desk's book, carried back: one encrypted file, which the restored system takes in.

The form: `first line ‖ salt (16) ‖ AES-256-GCM ciphertext`, its key derived from the root key
and the salt. What is encrypted is `DeskExport` as MessagePack, packed by zstd.

The root key is on both sides, so nobody in between reads or changes it.

Invariants:
- The file holds every line from the first: taking it in again changes nothing, and a longer one
  adds what is new.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence

import msgspec
import zstandard
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from tourniquet.flows.desk_work import desk_signs
from tourniquet.flows.downtime_desk import EXPORT_KEY, DowntimeDesk
from tourniquet.kernel.errors import IntegrityError
from tourniquet.pathology.desk_lines import AnyLine, decode_line
from tourniquet.record.bodies import derive

FIRST = b"tourniquet desk export v1\n"
EXPORT_BYTES_MOST = 512 * 1024 * 1024
_LABEL = b"tourniquet desk export file v1\x00"
_NONCE, _SALT_BYTES = bytes(12), 16


class DeskExport(msgspec.Struct, frozen=True):
    """What a desk carries back: which desk, of which record, and every line of its book."""

    desk: str
    name: str
    record: str
    lines: list[bytes]

    def decoded(self) -> list[AnyLine]:
        """The lines. Raises: IntegrityError when this release does not know one."""
        return [decode_line(line) for line in self.lines]


def digest_of(lines: Sequence[bytes]) -> str:
    """A digest over lines in order: the same beginning has the same."""
    found = hashlib.sha256()
    for line in lines:
        found.update(len(line).to_bytes(4, "big") + line)
    return found.hexdigest()


def export_book(desk: DowntimeDesk) -> bytes:
    """The book of an unlocked desk, encrypted."""
    signs = desk_signs(desk)
    export = DeskExport(signs, desk.places.folder.name, desk.key.name, list(desk.demand().book))
    salt = os.urandom(_SALT_BYTES)
    packed = zstandard.ZstdCompressor().compress(msgspec.msgpack.encode(export))
    return (
        FIRST + salt + AESGCM(_key(desk.demand().export_key, salt)).encrypt(_NONCE, packed, FIRST)
    )


def open_export(content: bytes, root: bytes) -> DeskExport:
    """What was exported. Raises: IntegrityError when it is not as it was written."""
    salt = content[len(FIRST) : len(FIRST) + _SALT_BYTES]
    key = _key(derive(root, EXPORT_KEY), salt)
    sealed = content[len(FIRST) + _SALT_BYTES :]
    try:
        packed = AESGCM(key).decrypt(_NONCE, sealed, content[: len(FIRST)])
        unpacked = zstandard.ZstdDecompressor().decompress(packed, EXPORT_BYTES_MOST)
        return msgspec.msgpack.decode(unpacked, type=DeskExport)
    except (InvalidTag, zstandard.ZstdError, msgspec.MsgspecError):
        raise IntegrityError(
            "This is no export of a desk of this record, or it was changed.",
            remedy="Export it again at the desk; use the root key of the same record.",
        ) from None


def _key(export_key: bytes, salt: bytes) -> bytes:
    return derive(export_key, _LABEL + salt)
