"""A leaf of the vault's tree: what binds an entry of the journal, and says nothing of it. Pure.

Invariants:
- A leaf holds no identifier, no account, no kind and no time; its commitments are salted.
- It says where the body lies and what its hash is, so no index is trusted, or needed.

The form, byte for byte: docs/reference/vault.md.
"""

from __future__ import annotations

import struct

import msgspec

from tourniquet.kernel.errors import IntegrityError

VERSION = 1
SEGMENT_BYTES_MOST = 64 * 1024 * 1024
SEGMENTS_MOST = 10**9  # nine digits in the name
_HEAD = struct.Struct(">BQ32s32s")
_REST = struct.Struct(">32sIII")
LEAF_BYTES = _HEAD.size + _REST.size


class Place(msgspec.Struct, frozen=True):
    """Where a body lies: segment, offset in it, length, in bytes."""

    segment: int
    offset: int
    length: int

    @property
    def end(self) -> int:
        """The offset behind it."""
        return self.offset + self.length


class Leaf(msgspec.Struct, frozen=True):
    """A leaf as read. Position p is leaf p - 1 of the tree."""

    position: int
    header_commitment: bytes
    content_commitment: bytes
    body_hash: bytes
    place: Place

    @property
    def head(self) -> bytes:
        """The part that the body is bound to: the associated data of its ciphertexts."""
        return pack_head(self.position, self.header_commitment, self.content_commitment)


def pack_head(position: int, header_commitment: bytes, content_commitment: bytes) -> bytes:
    """The first bytes of a leaf."""
    return _HEAD.pack(VERSION, position, header_commitment, content_commitment)


def pack_leaf(head: bytes, body_hash: bytes, place: Place) -> bytes:
    """A leaf, as it is hashed and kept."""
    return head + _REST.pack(body_hash, place.segment, place.offset, place.length)


def parse_leaf(content: bytes, position: int) -> Leaf:
    """The leaf of a position.

    Raises: IntegrityError when it is of another form, a newer one, or of another position.
    """
    where = f"position {position}"
    if content[:1] != bytes([VERSION]):
        raise IntegrityError(
            "The leaf is of a form that this release does not know.",
            where=where,
            remedy="Use the release that wrote the vault, or a later one.",
        )
    if len(content) != LEAF_BYTES:
        raise IntegrityError(f"The leaf has {len(content)} bytes, not {LEAF_BYTES}.", where=where)
    _, found, header, commitment = _HEAD.unpack_from(content)
    body_hash, segment, offset, length = _REST.unpack_from(content, _HEAD.size)
    if found != position:
        raise IntegrityError(f"The leaf is that of position {found}.", where=where)
    place = Place(segment, offset, length)
    if place.end > SEGMENT_BYTES_MOST or not length or segment >= SEGMENTS_MOST:
        raise IntegrityError("The leaf names a place that no segment has.", where=where)
    return Leaf(position, header, commitment, body_hash, place)


def segment_path(number: int) -> str:
    """The file of a segment."""
    return f"body/{number:09d}"


def follows(place: Place, before: Place | None) -> bool:
    """Whether a body lies right behind the one before: no gap, nothing twice."""
    if before is None:
        return place.segment == place.offset == 0
    if place.segment == before.segment:
        return place.offset == before.end
    return place.segment == before.segment + 1 and place.offset == 0


def next_place(before: Place | None, length: int) -> Place:
    """Where a body of this length goes."""
    if before is None:
        return Place(0, 0, length)
    if before.end + length <= SEGMENT_BYTES_MOST:
        return Place(before.segment, before.end, length)
    return Place(before.segment + 1, 0, length)
