"""What the downtime desk writes into its book: decided facts, one line each. Pure.

Invariants:
- A line says who, when and what; it is never changed. What was wrong is said by a later line.
- Lines are exported as they are; reconciling makes entries of the journal of them.
"""

from __future__ import annotations

from datetime import datetime
from typing import TypeAlias

import msgspec

from tourniquet.kernel.errors import IntegrityError


class Line(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="line"):
    """What every line says: who wrote it, and when."""

    at: datetime
    who: str


class DeskUnlocked(Line, frozen=True, tag="desk.unlocked"):
    """The desk was unlocked by these people together."""

    people: tuple[str, ...]
    data_as_of: datetime | None = None


class RecordOpened(Line, frozen=True, tag="record.opened"):
    """Somebody opened a patient's record, or took it away on paper or in a bundle."""

    patient: str
    why: str
    what: str = "record"


AnyLine: TypeAlias = DeskUnlocked | RecordOpened
_encoder = msgspec.json.Encoder(order="sorted")
_decoder: msgspec.json.Decoder[AnyLine] = msgspec.json.Decoder(AnyLine)


def encode_line(line: Line) -> bytes:
    """A line as it is kept."""
    return _encoder.encode(line)


def decode_line(content: bytes) -> AnyLine:
    """A line as it was kept. Raises: IntegrityError when this release does not know it."""
    try:
        return _decoder.decode(content)
    except msgspec.MsgspecError:
        raise IntegrityError(
            "A line of the desk's book is not known to this release.",
            remedy="Use the release that wrote it, or a later one.",
        ) from None
