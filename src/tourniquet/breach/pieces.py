"""What a reader gives of a content: tables, passages, messages, members, and how it ended.

A reader runs in a child process and sends these, one after the other, as msgpack; the parent makes
fragments of them. Places are written as INTERFACES says: `sheet!R12`, `page 3`, `message 7`,
`bytes 4096-4310`.

Invariants:
- A piece is bounded: CELLS_MOST cells, TEXT_CHARACTERS_MOST characters. Readers cut what is longer.
- Cells are text as a person would read it: a date as ISO 8601, whole numbers without exponent or
  `.0`. What was lost before (a leading zero) stays lost: columns tell.
- The last thing that a reader sends is `Ended`. Without it, it did not end well.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TypeAlias

from msgspec import Struct

CELLS_MOST = 50_000
ROWS_MOST = 5_000
TEXT_CHARACTERS_MOST = 256 * 1024
MESSAGE_BYTES_MOST = 16 * 1024 * 1024


class Shape(StrEnum):
    """What kind of writing a passage is."""

    PAGE = "page"  # of a letter, a form or a report
    MAIL = "mail"  # head and body of one mail
    LINES = "lines"  # a log, a listing: each line for itself
    TEXT = "text"  # running text without pages
    MARKUP = "markup"  # values of XML, JSON or HTML with the names around them, one to a line
    IMAGE = "image"  # words read from a picture


class Syntax(StrEnum):
    """How a message is written."""

    HL7 = "hl7"
    EDIFACT = "edifact"
    FHIR = "fhir"


class State(StrEnum):
    """How far a content was read, as `files.csv` says it."""

    PARSED = "parsed"
    SWEPT = "swept"
    OCR = "ocr"
    UNREADABLE = "unreadable"


class Rows(Struct, frozen=True, tag="rows"):
    """Consecutive rows of one table; `first` is the number of the first, counted from 1.

    `columns` names the columns where the format itself does (a database, a SQL dump); else the
    names are in one of the rows, or nowhere. The place of row N is `{table}!R{N}`, and
    `row N` where `table` is empty. Where rows are found by something better than counting (a dump,
    a page of HTML), `places` has the place of each row.
    """

    table: str
    first: int
    rows: list[list[str]]
    columns: list[str] | None = None
    is_hidden: bool = False
    places: list[str] | None = None

    def place(self, index: int) -> str:
        """The place of the row at an index of `rows`."""
        if self.places is not None:
            return self.places[index]
        number = self.first + index
        return f"{self.table}!R{number}" if self.table else f"row {number}"


class Passage(Struct, frozen=True, tag="passage"):
    """Text in one place. `begins_at`: at which character of the place's whole text it begins.

    `lines` are each for themselves; their place is `line N`, counted from `first_line`.
    """

    place: str
    shape: Shape
    text: str
    begins_at: int = 0
    first_line: int = 1
    head: dict[str, str] | None = None  # of a mail: from, to, cc, subject, date


class Wire(Struct, frozen=True, tag="wire"):
    """One message, or what is left of one that begins or ends in the middle.

    An EDIFACT message has its interchange's UNA and UNB before it; a FHIR one is one resource.
    """

    place: str
    syntax: Syntax
    raw: bytes
    is_whole: bool = True


class Inner(Struct, frozen=True, tag="inner"):
    """A member: its bytes lie in this file in the scratch folder, and are the parent's to remove.

    `name` as it is written in the container, `/` between folders; never used as a path.
    """

    name: str
    file: str
    size: int
    note: str = ""  # what is wrong with it: it was cut short, its check sum does not agree
    beside: str = ""  # the place of what it came with: `message 7` for an attachment


class Shut(Struct, frozen=True, tag="shut"):
    """A member that is listed and could not be taken out: encrypted, damaged, beyond a limit."""

    name: str
    size: int  # as the container says it
    state: State
    why: str


class Ended(Struct, frozen=True, tag="ended"):
    """How it ended. `why` is empty where all was read; it never quotes the content."""

    state: State
    reader: str
    why: str = ""


Piece: TypeAlias = Rows | Passage | Wire | Inner | Shut | Ended
