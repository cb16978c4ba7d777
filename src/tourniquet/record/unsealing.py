"""Single entries opened from a verified vault, for whoever reads some and not all.

Invariants:
- Both commitments are compared before anything is believed (record.bodies). The chain is not
  followed: the tree already binds each entry to its position.
- An entry whose key was erased, or that was erased before it was sealed, is None.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

import msgspec

from tourniquet.kernel.errors import IntegrityError, NotFound
from tourniquet.record import bodies, sealing
from tourniquet.record.leaves import Leaf
from tourniquet.record.registry import Entry, Kind, get_kind
from tourniquet.record.ring import NO_SUCH_KEY, KeyRing

_decoder = msgspec.json.Decoder(sealing.Header)


class Leaves(Protocol):
    """Leaves and bodies by position, verified."""

    def leaf(self, position: int) -> Leaf:
        """The leaf of a position. Raises: IntegrityError."""

    def body(self, leaf: Leaf) -> bytes:
        """The body of a leaf. Raises: IntegrityError."""


class KeyNotHere(NotFound):
    """The copy of the key ring is older than the entry: its key has not come yet."""


@dataclass(frozen=True)
class Unsealed:
    """An entry whose header was opened."""

    leaf: Leaf
    sealed: bytes
    header: sealing.Header
    key_id: bytes

    @property
    def recorded_at(self) -> datetime:
        """When it was recorded."""
        return self.header.recorded_at


def open_header(leaves: Leaves, position: int, site_key: bytes) -> Unsealed:
    """Open the header of an entry. Raises: IntegrityError."""
    leaf = leaves.leaf(position)
    return open_sealed(leaf, leaves.body(leaf), site_key)


def open_sealed(leaf: Leaf, sealed: bytes, site_key: bytes) -> Unsealed:
    """Open the header of a body that was read. Raises: IntegrityError."""
    opened = bodies.open_header(leaf, sealed, site_key)
    try:
        header = _decoder.decode(opened.content)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        raise IntegrityError(
            "The header is not in its form.", where=f"position {leaf.position}"
        ) from None
    return Unsealed(leaf, sealed, header, opened.key_id)


def open_entry(unsealed: Unsealed, ring: KeyRing) -> tuple[Kind, Entry[Any]] | None:
    """Open the content of an entry; None where it was erased.

    Raises: KeyNotHere when the ring does not know the key yet; IntegrityError.
    """
    if not bodies.has_content(unsealed.sealed):
        return None
    key = find_key(ring, unsealed.key_id)
    if key is None:
        return None
    content = bodies.open_content(unsealed.leaf, unsealed.sealed, key)
    header = unsealed.header
    kind = get_kind(header.kind, header.kind_version)
    entry = Entry(
        position=header.position,
        recorded_at=header.recorded_at,
        happened_at=header.happened_at,
        actor=header.actor,
        organisation=header.organisation,
        cause=header.cause,
        subject=content.subject,
        body=kind.decoder.decode(content.body),
    )
    return kind, entry


def find_key(ring: KeyRing, key_id: bytes) -> bytes | None:
    """A key; None where it was erased. Raises: KeyNotHere when this copy of the ring has none."""
    try:
        return ring.find_key(key_id)
    except IntegrityError as error:
        if error.what != NO_SUCH_KEY:
            raise
        raise KeyNotHere(
            "The key of an entry has not come yet.",
            where=key_id.hex(),
            remedy="Bring the newest copy of the key ring.",
        ) from error
