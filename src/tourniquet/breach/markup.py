"""Fragments of markup: values with the names around them, one `name: value` to a line.

Records are told apart where a name comes again that one record has once, or at a blank line; each
is a table of one row whose headings are the names.

Invariants:
- A value is read as a cell under its name (breach.cells); names that are unknown say nothing, but
  for NHS numbers of the index.
- Markup in which no name means anything is read as text (breach.passages).
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from tourniquet.breach import canonical
from tourniquet.breach.cells import read_column
from tourniquet.breach.columns import Column
from tourniquet.breach.draft import Draft, is_about_somebody
from tourniquet.breach.exposure import is_negated
from tourniquet.breach.fragments import Field, FieldKind, Mark
from tourniquet.breach.headers import Heading, Meaning, find_heading
from tourniquet.breach.lookup import Lookup
from tourniquet.breach.names import is_test_patient
from tourniquet.breach.pieces import Passage

_LINE = re.compile(r"[ \t]*([^:\n]{1,200}?):[ \t]*([^\n]*)")
_STEPS = re.compile(r"[./\[\]>@]+")
_ONCE = frozenset({Meaning.NHS_NUMBER, Meaning.FAMILY_NAME, Meaning.BIRTH_DATE, Meaning.NAME})
_VAGUE = frozenset({Meaning.OTHER, Meaning.RESULT, Meaning.LOCAL_NUMBER})  # `id`, `value`
Cell = tuple[Heading, str, str]  # what it means, its value, where it stands


def markup_drafts(
    piece: Passage, text: str, lookup: Lookup, hints: tuple[str, ...]
) -> Iterator[Draft]:
    """The fragments of one passage of markup, in order."""
    record: list[Cell] = []
    seen: set[tuple[Meaning, str, str]] = set()
    at = 0
    for line in text.split("\n"):
        start, at = at, at + len(line) + 1
        match = _LINE.match(line)
        if match is None:
            if not line.strip() and record:
                yield from _of_record(piece, record, lookup, hints)
                record, seen = [], set()
            continue
        heading = _heading(match[1])
        if (heading is None or heading.meaning in _VAGUE) and _is_known(match[2], lookup):
            heading = Heading(Meaning.NHS_NUMBER)
        if heading is None or not match[2].strip():
            continue
        key = (heading.meaning, heading.whose, match[1].strip())
        if key in seen and heading.meaning in _ONCE:
            yield from _of_record(piece, record, lookup, hints)
            record, seen = [], set()
        seen.add(key)
        low = piece.begins_at + start + match.start(2)
        record.append((heading, match[2].strip(), f"{low}-{low + len(match[2])}"))
    yield from _of_record(piece, record, lookup, hints)


def _is_known(value: str, lookup: Lookup) -> bool:
    """Whether a value is an NHS number of the index, under whatever name."""
    digits = canonical.nhs_number(value.strip("\"' "))
    return bool(digits) and lookup.knows_number(digits)


def _heading(name: str) -> Heading | None:
    """What a name means: the whole of it, or its last step that means something."""
    steps = [step for step in _STEPS.split(name) if step and not step.isdigit()]
    for step in reversed(steps):
        if (found := find_heading(step)) is not None:
            return found
    return None


def _of_record(
    piece: Passage, record: list[Cell], lookup: Lookup, hints: tuple[str, ...]
) -> Iterator[Draft]:
    of_whom: dict[str, list[Field]] = {}
    for heading, value, at in record:
        column = Column(at, heading.meaning, heading.whose)
        for fields in read_column(column, {value: None}, lookup).values():
            of_whom.setdefault(heading.whose, []).extend(fields)
    codes = [one.value for one in of_whom.get("", []) if one.kind == FieldKind.ORGANISATION]
    for found in of_whom.values():
        fields = tuple(_settled(one, lookup, (*codes, *hints)) for one in found)
        if not is_about_somebody(fields):
            continue
        place = piece.place or f"characters {fields[0].at}"
        yield Draft(place, piece.shape.value, fields, _marks(fields))


def _settled(one: Field, lookup: Lookup, hints: tuple[str, ...]) -> Field:
    if one.kind != FieldKind.LOCAL_NUMBER or not one.value.startswith(":"):
        return one
    return Field(
        one.kind, f"{lookup.local_owner(one.value[1:], hints)}{one.value}", one.raw, one.at
    )


def _marks(fields: tuple[Field, ...]) -> tuple[Mark, ...]:
    marks = []
    for one in fields:
        if one.kind in {FieldKind.NAME, FieldKind.FAMILY_NAME} and is_test_patient(one.raw):
            marks.append(Mark.TEST_PATIENT)
        if one.kind in {FieldKind.RESULT, FieldKind.NARRATIVE, FieldKind.TEST} and is_negated(
            one.raw
        ):
            marks.append(Mark.NEGATED)
    return tuple(dict.fromkeys(marks))
