"""An entry of a vault opened with its keys: read by position, checked against its leaf."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from tourniquet.kernel.errors import IntegrityError
from tourniquet.record import sealing
from tourniquet.record.bodies import Content, Header, has_content, open_content, open_header
from tourniquet.record.leaves import Leaf
from tourniquet.record.ring import KeyRing
from tourniquet.record.vault import VaultReader

_decoder = msgspec.json.Decoder(sealing.Header)


@dataclass(frozen=True)
class OpenedEntry:
    """An entry with its leaf. `content` is None where it was erased."""

    leaf: Leaf
    packed: bytes
    header: Header
    fields: sealing.Header
    content: Content | None


def open_entry(reader: VaultReader, ring: KeyRing, position: int) -> OpenedEntry:
    """Open the entry of a position.

    Raises: IntegrityError when a key, the body or its form does not fit the leaf.
    """
    packed = reader.packed(position)
    leaf = reader.leaf(position)
    sealed = reader.body(leaf)
    header = open_header(leaf, sealed, ring.site.key)
    key = ring.find_key(header.key_id) if has_content(sealed) else None
    content = None if key is None else open_content(leaf, sealed, key)
    try:
        fields = _decoder.decode(header.content)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        raise IntegrityError(
            "The header is not in its form.", where=f"position {position}"
        ) from None
    if fields.position != position:
        raise IntegrityError(
            f"The header is that of position {fields.position}.", where=f"position {position}"
        )
    return OpenedEntry(leaf, packed, header, fields, content)
