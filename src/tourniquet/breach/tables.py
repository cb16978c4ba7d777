"""Fragments of tables: rows cut into tables, each with its headings, each row about somebody.

1. Rows of one table are put together into blocks of BLOCK_ROWS, however the reader cut them.
2. A block is cut where headings stand, at the top or in the middle, and at blank rows behind which
   other columns are filled. What stands above headings is the table's title.
3. Tables that stand side by side are cut where a heading comes again behind an empty column.
4. Columns are decided (breach.columns), cells are read (breach.cells), rows become fragments.

Invariants:
- The same rows give the same fragments, wherever the reader cut them into pieces.
- A row gives one fragment, and one more for each relative that has columns of their own.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, zip_longest

from tourniquet.breach.cells import Fields, read_column
from tourniquet.breach.columns import Column, decide
from tourniquet.breach.controllers import path_hints
from tourniquet.breach.draft import Draft, is_about_somebody
from tourniquet.breach.exposure import is_negated, sensitive_words
from tourniquet.breach.fragments import Field, FieldKind, Mark
from tourniquet.breach.headers import Heading, Meaning, find_heading, find_headings
from tourniquet.breach.lookup import Lookup
from tourniquet.breach.names import is_test_patient
from tourniquet.breach.pieces import Rows

BLOCK_ROWS = 20_000
TITLE_CHARACTERS_MOST = 500
_OF_PATIENTS = frozenset(
    {
        Meaning.NHS_NUMBER,
        Meaning.LOCAL_NUMBER,
        Meaning.BIRTH_DATE,
        Meaning.TEST,
        Meaning.RESULT,
        Meaning.POSTCODE,
    }
)
FEW_FIELDS = 3
ALIKE_MOST = 5_000  # fields of a column that are looked at to tell its kind
WIDE_COLUMNS = 4  # in a table so wide, a row with a single cell is a title or a total
_DIGITS = re.compile(r"\d\d\d")
_TOTALS = frozenset({"TOTAL", "TOTALS", "GRAND TOTAL", "SUBTOTAL", "SUM", "COUNT", "END OF REPORT"})
_ONCE = frozenset({Meaning.NHS_NUMBER, Meaning.FAMILY_NAME, Meaning.NAME, Meaning.BIRTH_DATE})
SHAPE = "row"


@dataclass(frozen=True)
class _Headings:
    """The row of headings of a table, and the titles above it."""

    texts: tuple[str, ...]
    found: tuple[Heading | None, ...]
    title: str = ""


@dataclass(frozen=True)
class _Part:
    """Consecutive rows under the same headings. first: the number of the first in the table."""

    first: int
    rows: list[list[str]]
    headings: _Headings


_NO_HEADINGS = _Headings((), ())


class TableReader:
    """Takes the rows of one table, in order, and gives fragments a block at a time."""

    def __init__(self, lookup: Lookup, hints: Sequence[str] = ()) -> None:
        self._lookup = lookup
        self._hints = tuple(hints)
        self._rows: list[list[str]] = []
        self._head: Rows | None = None
        self._headings = _NO_HEADINGS
        self._first = 1

    def continues(self, piece: Rows) -> bool:
        """Whether a piece is more of the table at hand."""
        head = self._head
        return (
            head is not None
            and (piece.table, piece.columns, piece.is_hidden)
            == (head.table, head.columns, head.is_hidden)
            and piece.first == self._first + len(self._rows)
        )

    def add(self, piece: Rows) -> Iterator[Draft]:
        """Take a piece; another table ends the one at hand."""
        if not self.continues(piece):
            yield from self.end()
            self._head, self._first, self._headings = piece, piece.first, _NO_HEADINGS
            if piece.columns is not None:
                texts = tuple(piece.columns)
                self._headings = _Headings(texts, _found(texts))
        self._rows += piece.rows
        while len(self._rows) >= BLOCK_ROWS:
            rows, self._rows = self._rows[:BLOCK_ROWS], self._rows[BLOCK_ROWS:]
            yield from self._block(rows)

    def end(self) -> Iterator[Draft]:
        """What is left of the table at hand."""
        if self._rows:
            rows, self._rows = self._rows, []
            yield from self._block(rows)

    def _block(self, rows: list[list[str]]) -> Iterator[Draft]:
        assert self._head is not None  # add() sets it before there are rows
        for part in _parts(rows, self._first, self._headings):
            self._headings = part.headings
            yield from _fragments(part, self._head, self._lookup, self._hints)
        self._first += len(rows)


def _found(texts: Sequence[str]) -> tuple[Heading | None, ...]:
    return tuple(find_heading(one) for one in texts)


def _parts(rows: list[list[str]], first: int, headings: _Headings) -> Iterator[_Part]:
    """Cut a block where headings stand, and at blank rows behind which the table is another."""
    start = 0
    after_blank = False
    for at, row in enumerate(rows):
        text = "".join(row)
        if not text or text.isspace():
            after_blank = True
            continue
        is_other = after_blank and at > start and _is_other_table(rows, start, at, headings)
        after_blank = False
        if is_other:
            yield _Part(first + start, rows[start:at], headings)
            start, headings = at, _NO_HEADINGS
        if _DIGITS.search(text):
            continue
        if (found := find_headings(row)) is None:
            continue
        title_at = _title_start(rows, start, at)
        if title_at > start:
            yield _Part(first + start, rows[start:title_at], headings)
        title = " ".join(" ".join(filter(None, one)) for one in rows[title_at:at])
        headings = _Headings(tuple(row), tuple(found), title[:TITLE_CHARACTERS_MOST].strip())
        start = at + 1
    if start < len(rows):
        yield _Part(first + start, rows[start:], headings)


def _title_start(rows: list[list[str]], start: int, at: int) -> int:
    """Where the titles above the headings at `at` begin: rows with one or two cells, or none."""
    while at > start and sum(1 for cell in rows[at - 1] if cell.strip()) <= 2:
        at -= 1
    return at


def _filled(row: Sequence[str]) -> set[int]:
    return {at for at, cell in enumerate(row) if cell.strip()}


def _is_other_table(rows: list[list[str]], start: int, at: int, headings: _Headings) -> bool:
    """Whether the row behind blank rows fills other columns than the table before them."""
    here = _filled(rows[at])
    before = _filled(headings.texts) or _filled(rows[start])
    return len(here) >= 2 and not here <= before and len(here & before) * 2 < len(here)


def _groups(headings: _Headings, width: int) -> list[tuple[int, int]]:
    """The columns of tables that stand side by side: from, to."""
    starts = [0]
    seen: set[tuple[Meaning, str]] = set()
    empty = 0
    for at, heading in enumerate(headings.found):
        if not headings.texts[at].strip():
            empty = at + 1
            continue
        if heading is None or heading.meaning not in _ONCE:
            continue
        key = (heading.meaning, heading.whose)
        if key in seen and empty > starts[-1]:
            starts.append(empty)
            seen = set()
        seen.add(key)
    return list(zip(starts, [*starts[1:], width], strict=True))


def _fragments(part: _Part, head: Rows, lookup: Lookup, hints: tuple[str, ...]) -> Iterator[Draft]:
    columns = list(zip_longest(*part.rows, fillvalue=""))
    texts = part.headings.texts + ("",) * (len(columns) - len(part.headings.texts))
    found = part.headings.found + (None,) * (len(columns) - len(part.headings.found))
    per_group = []
    for start, end in _groups(part.headings, len(columns)):
        values = columns[start:end]
        different = [dict.fromkeys(cells) for cells in values]
        decided = decide(texts[start:end], found[start:end], different, lookup, offset=start)
        title = _title_fields(head.table, part.headings.title, texts[start:end])
        if not any(column.meaning == Meaning.ORGANISATION for column in decided):
            title += _owner_fields(f"{head.table}/{part.headings.title}", lookup)
        marks = (Mark.HIDDEN,) if head.is_hidden else ()
        if _is_of_staff(decided):
            marks = (*marks, Mark.STAFF)
        table = _table_name(texts[start:end], decided)
        group = _Group(values, different, decided, title, marks, table)
        per_group.append(_rows_of(group, lookup, hints))
    prefix = f"{head.table}!R" if head.table else "row "
    for number, several in enumerate(zip(*per_group, strict=True), part.first):
        for found_here in several:
            for fields, marks, table in found_here:
                yield Draft(f"{prefix}{number}", SHAPE, fields, marks, table)


@dataclass(frozen=True)
class _Group:
    """A table that stands alone in its columns."""

    values: Sequence[Sequence[str]]
    different: Sequence[dict[str, None]]
    columns: Sequence[Column]
    title: Fields
    marks: tuple[Mark, ...]
    table: str


def _is_of_staff(columns: Sequence[Column]) -> bool:
    """Whether a table lists staff: it says what they do, and nothing that patients have."""
    meanings = {column.meaning for column in columns}
    return Meaning.STAFF in meanings and not meanings & _OF_PATIENTS


def _title_fields(table: str, title: str, headings: Sequence[str]) -> Fields:
    """What the table's name, title and headings say that is sensitive; nothing else of them."""
    text = " ".join(filter(None, (table, title, *headings)))[:TITLE_CHARACTERS_MOST]
    return (Field(FieldKind.NARRATIVE, text, text, "title"),) if sensitive_words(text) else ()


def _owner_fields(text: str, lookup: Lookup) -> Fields:
    """The one organisation that the table's name or title names."""
    codes = path_hints(text, lookup)
    return (Field(FieldKind.ORGANISATION, codes[0], text, "title"),) if len(codes) == 1 else ()


def _table_name(texts: Sequence[str], columns: Sequence[Column]) -> str:
    """Equal for tables with the same headings, or with the same meanings where there are none."""
    shape = [text.strip().upper() for text in texts]
    if not any(shape):
        shape = [column.meaning.value for column in columns]
    return hashlib.blake2b("\x1f".join(shape).encode("utf-8", "replace"), digest_size=8).hexdigest()


_Row = Sequence[tuple[Fields, tuple[Mark, ...], str]]


def _rows_of(group: _Group, lookup: Lookup, hints: tuple[str, ...]) -> Iterator[_Row]:
    """For each row what it says of whom: the patient first, then relatives."""
    of_whom: dict[str, list[list[Fields | None]]] = {"": []}
    special: list[tuple[dict[str, Mark], Sequence[str]]] = []
    for column, cells, different in zip(group.columns, group.values, group.different, strict=True):
        read = _settled(column, read_column(column, different, lookup), group, lookup, hints)
        if not read:
            continue
        of_whom.setdefault(column.whose, []).append(list(map(read.get, cells)))
        if found := _special(column.meaning, read):
            special.append((found, cells))
    width = sum(1 for cells in group.values if any(cells))
    height = len(group.values[0]) if group.values else 0
    rows = {whose: _joined(cells, height, group.title) for whose, cells in of_whom.items()}
    patient = rows.pop("")
    title_fields = len(group.title)
    for at, fields in enumerate(patient):
        extra = _marks(group.marks, special, at) if special else group.marks
        row = []
        if fields:
            few = width >= WIDE_COLUMNS and len(fields) - title_fields <= FEW_FIELDS
            if not (few and _is_title_row(group.values, at, fields)):
                row.append((fields, extra, group.table))
        for whose, theirs in rows.items():
            if theirs[at]:
                row.append((theirs[at], extra, f"{group.table}:{whose}"))
        yield row


def _joined(cells: list[list[Fields | None]], height: int, title: Fields) -> list[Fields]:
    """The fields of each row; none where it is about nobody."""
    if not cells:
        return [()] * height
    naming = [column for column in cells if _names_somebody(column)]
    if not naming:
        return [()] * height
    return [
        (*chain.from_iterable(filter(None, row)), *title) if any(about) else ()
        for row, about in zip(zip(*cells, strict=True), zip(*naming, strict=True), strict=True)
    ]


def _names_somebody(column: list[Fields | None]) -> bool:
    """Whether a column's fields are of a kind that names somebody; all of a column are alike."""
    return any(is_about_somebody(fields) for fields in set(filter(None, column[:ALIKE_MOST])))


def _special(meaning: Meaning, fields: dict[str, Fields]) -> dict[str, Mark]:
    """The values of a column that mark their row."""
    if meaning in {Meaning.NAME, Meaning.FAMILY_NAME, Meaning.GIVEN_NAMES}:
        return {text: Mark.TEST_PATIENT for text in fields if is_test_patient(text)}
    if meaning in {Meaning.TEST, Meaning.RESULT, Meaning.NARRATIVE}:
        return {text: Mark.NEGATED for text in fields if is_negated(text)}
    return {}


def _marks(
    marks: tuple[Mark, ...], special: list[tuple[dict[str, Mark], Sequence[str]]], at: int
) -> tuple[Mark, ...]:
    found = {mark for marked, cells in special if (mark := marked.get(cells[at])) is not None}
    return (*marks, *sorted(found)) if found else marks


def _is_title_row(values: Sequence[Sequence[str]], at: int, fields: Fields) -> bool:
    """Whether a row with few fields is a title or a total, and only looks like a name."""
    filled = [cell for column in values if (cell := column[at].strip())]
    if filled and filled[0].upper().strip(" :") in _TOTALS:
        return True
    return len(filled) == 1 and all(
        one.kind not in {FieldKind.NHS_NUMBER, FieldKind.LOCAL_NUMBER} for one in fields
    )


def _settled(
    column: Column,
    read: dict[str, Fields],
    group: _Group,
    lookup: Lookup,
    hints: tuple[str, ...],
) -> dict[str, Fields]:
    """Local numbers of which only the path says whose they are.

    Not the row's requester: a practice sends in a hospital's numbers, and the other way round.
    """
    if column.meaning != Meaning.LOCAL_NUMBER:
        return read
    codes = (*_codes_of(group, lookup), *hints)
    return {
        text: tuple(
            Field(
                one.kind, f"{lookup.local_owner(one.value[1:], codes)}{one.value}", one.raw, one.at
            )
            if one.value[0] == ":"
            else one
            for one in fields
        )
        for text, fields in read.items()
    }


def _codes_of(group: _Group, lookup: Lookup) -> list[str]:
    """The only organisation that a table names, if it names one."""
    codes = {
        owner.code
        for column, different in zip(group.columns, group.different, strict=True)
        if column.meaning == Meaning.ORGANISATION
        for text in list(different)[:ALIKE_MOST]
        if (owner := lookup.organisation(text)) is not None
    }
    return list(codes) if len(codes) == 1 else []
