"""What the downtime desk writes into its book: decided facts, one line each. Pure.

Invariants:
- A line says who, when and what; it is never changed. What was wrong is said by a later line.
- Lines are exported as they are; reconciling makes entries of the journal of them.
"""

from __future__ import annotations

from datetime import date, datetime
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


class DeskBegun(Line, frozen=True, tag="desk.begun"):
    """The first line: eight signs, drawn at random, by which this desk is known for ever."""

    desk: str


class NumbersIssued(Line, frozen=True, tag="numbers.issued"):
    """Forms and labels with these numbers may be printed from now on."""

    code: str
    first: int
    last: int
    note: str = ""


class NumbersUnused(Line, frozen=True, tag="numbers.unused"):
    """Forms with these numbers were counted, and are blank."""

    code: str
    first: int
    last: int


class NumberVoided(Line, frozen=True, tag="number.voided"):
    """A form was spoiled, lost, or its test will never be done."""

    number: str
    why: str


class PersonWritten(msgspec.Struct, frozen=True, omit_defaults=True):
    """Who a form says that it is about, as written, where the desk knows nobody so."""

    family_name: str = ""
    given_names: str = ""
    birth_date: date | None = None
    nhs_number: str = ""
    other: str = ""


class KeyedValue(msgspec.Struct, frozen=True, omit_defaults=True):
    """One value of a result, keyed twice.

    `critical` is what who keyed it said where no limit could be held against it; None: not asked.
    """

    code: str
    name: str
    value: str
    unit: str = ""
    critical: bool | None = None


class ResultKeyed(Line, frozen=True, tag="result.keyed"):
    """A result that came on paper or by telephone, for a form's number.

    `patient` is "" where the desk knows nobody so; `written` says then who it is. `corrects` is the
    line whose result this one takes the place of.
    """

    number: str
    test: str
    test_name: str
    values: tuple[KeyedValue, ...]
    patient: str = ""
    written: PersonWritten = PersonWritten()
    collected_at: datetime | None = None
    reported_by: str = ""
    note: str = ""
    corrects: int = 0


class CallMade(Line, frozen=True, tag="call.made"):
    """A value was phoned to a named person, who read it back."""

    result: int
    code: str
    told: str
    comment: str = ""


AnyLine: TypeAlias = (
    DeskUnlocked
    | RecordOpened
    | DeskBegun
    | NumbersIssued
    | NumbersUnused
    | NumberVoided
    | ResultKeyed
    | CallMade
)
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
