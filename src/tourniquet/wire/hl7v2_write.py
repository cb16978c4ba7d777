"""Write HL7 v2: plain values in, escaped bytes out.

Invariants:
- What `write` wrote, `parse` reads back as the same values, whatever delimiters, line breaks or
  letters they hold; a header's `character_set` decides the bytes.
- What cannot be written (NUL, a letter outside the character set) is refused, never replaced.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from tourniquet.kernel.errors import SenderError
from tourniquet.wire.hl7v2_text import (
    DEFAULT_DELIMITERS,
    NULL_TEXT,
    Delimiters,
    escaper,
    find_encoding,
)

SEGMENT_END = "\r"


class Null:
    """HL7's null, which tells the receiver to delete what it has."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "NULL"


NULL: Final = Null()

Leaf: TypeAlias = "str | Null"
Component: TypeAlias = "Leaf | tuple[Leaf, ...]"
Repeated: TypeAlias = "Leaf | tuple[Component, ...]"
# A field: text; a tuple of components (a tuple in it: subcomponents); a list of repetitions.
Value: TypeAlias = "Repeated | list[Repeated]"
# A segment: its name, then its fields from the first on.
Row: TypeAlias = "Sequence[Value]"


@dataclass(frozen=True, slots=True)
class Header:
    """MSH. Components of a field go in a tuple, as everywhere here."""

    message_type: Repeated
    control_id: str
    sending_application: Repeated = ""
    sending_facility: Repeated = ""
    receiving_application: Repeated = ""
    receiving_facility: Repeated = ""
    timestamp: str = ""
    processing_id: Repeated = "P"
    version: Repeated = "2.5.1"
    accept_ack: str = ""
    application_ack: str = ""
    country: str = ""
    character_set: str = "UNICODE UTF-8"


def sparse(name: str, fields: Mapping[int, Value]) -> Row:
    """A row from numbered fields: `sparse("OBR", {1: "1", 4: ("FBC", "Full blood count")})`."""
    last = max(fields, default=0)
    return [name, *(fields.get(number, "") for number in range(1, last + 1))]


def write(
    header: Header, rows: Iterable[Row], *, delimiters: Delimiters = DEFAULT_DELIMITERS
) -> bytes:
    """Write one message, each segment ended by CR, without MLLP framing.

    Raises: SenderError when a value cannot be written in the header's character set or at all.
    """
    escape = escaper(delimiters)
    lines = [_header_line(header, delimiters, escape)]
    lines.extend(_line(row, delimiters, escape) for row in rows)
    lines.append("")
    encoding = find_encoding(header.character_set) or "ascii"
    try:
        return SEGMENT_END.join(lines).encode(encoding)
    except UnicodeEncodeError:
        raise SenderError(
            "A value holds a letter outside the message's character set.",
            where="MSH-18",
            remedy="Write UNICODE UTF-8.",
        ) from None


def _header_line(header: Header, delimiters: Delimiters, escape: Callable[[str], str]) -> str:
    row: list[Value] = [
        "MSH",
        "",
        header.sending_application,
        header.sending_facility,
        header.receiving_application,
        header.receiving_facility,
        header.timestamp,
        "",
        header.message_type,
        header.control_id,
        header.processing_id,
        header.version,
        "",
        "",
        header.accept_ack,
        header.application_ack,
        header.country,
    ]
    rest = _line(row, delimiters, escape)[4:]
    # Not escaped: UNICODE UTF-8 and 8859/1 hold none of the usual delimiters.
    characters = delimiters.encoding_characters()
    return delimiters.field.join(("MSH", characters + rest, header.character_set))


def _line(row: Row, delimiters: Delimiters, escape: Callable[[str], str]) -> str:
    texts: list[str] = []
    for value in row:
        if type(value) is str:
            # Most values are plain words and digits; asking that is the cheapest test.
            texts.append(value if not value or value.isalnum() else escape(value))
        else:
            texts.append(_field(value, delimiters, escape))
    return delimiters.field.join(texts)


def _field(value: Value, delimiters: Delimiters, escape: Callable[[str], str]) -> str:
    if isinstance(value, list):
        repetitions = [_repetition(item, delimiters, escape) for item in value]
        return delimiters.repetition.join(repetitions)
    return _repetition(value, delimiters, escape)


def _repetition(value: Repeated, delimiters: Delimiters, escape: Callable[[str], str]) -> str:
    if not isinstance(value, tuple):
        return _leaf(value, escape)
    texts: list[str] = []
    for part in value:
        if type(part) is str:
            texts.append(part if not part or part.isalnum() else escape(part))
        elif isinstance(part, tuple):
            texts.append(delimiters.subcomponent.join([_leaf(leaf, escape) for leaf in part]))
        else:
            texts.append(_leaf(part, escape))
    return delimiters.component.join(texts)


def _leaf(value: Leaf, escape: Callable[[str], str]) -> str:
    return NULL_TEXT if isinstance(value, Null) else escape(value)
