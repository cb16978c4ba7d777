"""Fragments of text: pages, mails, logs, values of markup.

1. One pass finds where somebody may be (breach.anchors); the rest costs nothing.
2. Lines of a log or listing are read each for itself; anything else as a whole.
3. Values are found (breach.finds, breach.spoken) and told apart by person (breach.people_in_text).
4. A group that names somebody is a fragment, with the words around it as its narrative.

Invariants:
- The same line gives the same fragments, wherever its log was cut into blocks.
- A field's place is the characters in the passage's whole text, or what part of a mail's head.
- A form that nobody filled in and a template give nothing: there is nobody in them.
"""

from __future__ import annotations

import re
from bisect import bisect
from collections.abc import Iterator

from tourniquet.breach import canonical
from tourniquet.breach.anchors import has_anchor, lines_with_anchors
from tourniquet.breach.draft import IDENTITY, VALUE_CHARACTERS_MOST, Draft
from tourniquet.breach.exposure import is_negated, sensitive_words
from tourniquet.breach.finds import TEXT_CHARACTERS_MOST, Find, Role, find_values
from tourniquet.breach.fragments import Field, FieldKind, Mark
from tourniquet.breach.lookup import Lookup
from tourniquet.breach.markup import markup_drafts
from tourniquet.breach.names import is_test_patient, read_name
from tourniquet.breach.people_in_text import Person, group
from tourniquet.breach.pieces import Passage, Shape
from tourniquet.breach.spoken import find_local_beside, find_names, find_tests, has_known_name
from tourniquet.breach.wires import hl7_line_drafts

NARRATIVE_WORDS_LEAST = 4  # in lower case, in a line that is more than labels and values
LINE_CHARACTERS_MOST = 16 * 1024
_QUOTED = re.compile(r"(?m)^[ \t]*(?:>[ \t]*)+")
_LINE = re.compile(r"[^\n]+")
_DISPLAY_NAME = re.compile(r"\s*\"?([^\"<@]*)\"?\s*<")


def passage_drafts(piece: Passage, lookup: Lookup, hints: tuple[str, ...]) -> Iterator[Draft]:
    """The fragments of one passage, in order."""
    text = piece.text[:TEXT_CHARACTERS_MOST]
    if piece.shape == Shape.LINES:
        yield from _of_lines(piece, text, lookup, hints)
    elif piece.shape == Shape.MARKUP:
        drafts = list(markup_drafts(piece, text, lookup, hints))
        yield from drafts
        if not drafts and has_anchor(text):
            yield from _of_text(piece, text, lookup, hints)
    elif piece.shape == Shape.MAIL:
        yield from _of_mail(piece, text, lookup, hints)
    elif has_anchor(text) or has_known_name(text, lookup):
        yield from _of_text(piece, text, lookup, hints)


def _of_lines(piece: Passage, text: str, lookup: Lookup, hints: tuple[str, ...]) -> Iterator[Draft]:
    prefix = f"{piece.place} line " if piece.place else "line "
    for number, start, end in lines_with_anchors(text, lookup):
        line = text[start : min(end, start + LINE_CHARACTERS_MOST)].rstrip("\r")
        place = f"{prefix}{piece.first_line + number}"
        if "PID|" in line:
            yield from hl7_line_drafts(place, line, lookup, hints)
            continue
        for person, shared in _people(line, lookup):
            if not _is_worth_telling(person, lookup, is_line=True):
                continue
            extra = _line_narrative(line)
            fields = _fields(line, [*person.finds, *shared], 0, lookup, hints) + extra
            yield Draft(place, piece.shape.value, fields, _marks(fields, line))


def _line_narrative(line: str) -> tuple[Field, ...]:
    """A line's own words, where they say something sensitive."""
    if not sensitive_words(line):
        return ()
    value = line.strip()[:VALUE_CHARACTERS_MOST]
    return (Field(FieldKind.NARRATIVE, value, value, f"0-{len(line)}"),)


def _people(text: str, lookup: Lookup) -> list[tuple[Person, list[Find]]]:
    taken = find_values(text, lookup)
    find_names(text, lookup, taken)
    find_local_beside(text, lookup, taken)
    find_tests(text, lookup, taken)
    grouped = group(text, taken.finds)
    return [(one, grouped.shared) for one in grouped.people]


def _is_worth_telling(person: Person, lookup: Lookup, *, is_line: bool = False) -> bool:
    """Whether a group names somebody.

    A number in a log that nobody labelled counts with a name or a date beside it, or where the
    index has it; a given name alone is nobody.
    """
    kinds = {kind for one in person.finds for kind, _ in one.parts}
    if not kinds & IDENTITY:
        return False
    for one in person.finds:
        if one.key == "nhs" and not one.is_labelled and len(kinds & IDENTITY) == 1:
            return not is_line or lookup.knows_number(one.parts[0][1])
    return True


def _fields(
    text: str, finds: list[Find], offset: int, lookup: Lookup, hints: tuple[str, ...]
) -> tuple[Field, ...]:
    near = [value for one in finds for kind, value in one.parts if kind == FieldKind.ORGANISATION]
    fields = []
    for one in sorted(finds, key=lambda find: find.start):
        raw = text[one.start : one.end]
        at = f"{offset + one.start}-{offset + one.end}"
        for kind, value in one.parts:
            told = value
            if kind == FieldKind.LOCAL_NUMBER and value.startswith(":"):
                told = f"{lookup.local_owner(value[1:], (*near, *hints))}{value}"
            fields.append(Field(kind, told, raw, at))
    return tuple(fields)


def _marks(fields: tuple[Field, ...], text: str, *, is_relative: bool = False) -> tuple[Mark, ...]:
    marks = []
    named = [one.raw for one in fields if one.kind in {FieldKind.NAME, FieldKind.FAMILY_NAME}]
    if any(is_test_patient(one) for one in named):
        marks.append(Mark.TEST_PATIENT)
    if not is_relative and sensitive_words(text) and is_negated(text):
        marks.append(Mark.NEGATED)
    return tuple(marks)


def _of_text(
    piece: Passage,
    text: str,
    lookup: Lookup,
    hints: tuple[str, ...],
    extra: tuple[Field, ...] = (),
) -> Iterator[Draft]:
    offset = piece.begins_at
    people = [one for one in _people(text, lookup) if _is_worth_telling(one[0], lookup)]
    firsts = sorted(_first(one) for one, _ in people if not one.is_relative)
    for person, shared in people:
        narrative = () if person.is_relative else _narrative(text, person, firsts, offset)
        fields = _fields(text, [*person.finds, *shared], offset, lookup, hints)
        place = piece.place or f"characters {offset + _first(person)}-{offset + len(text)}"
        said = " ".join(one.value for one in narrative)
        marks = _marks(fields, said, is_relative=person.is_relative)
        yield Draft(place, piece.shape.value, (*fields, *narrative, *extra), marks)


def _first(person: Person) -> int:
    return min(one.start for one in person.finds)


def _narrative(text: str, person: Person, firsts: list[int], offset: int) -> tuple[Field, ...]:
    """The lines with sentences that are this person's.

    From their first find to another's, and where they stand again. firsts: where people's first
    finds are, sorted. What stands before everybody is the first one's.
    """
    mine = _first(person)
    start, end = 0, len(text)
    if firsts and mine > firsts[0]:
        start = text.rfind("\n", 0, mine) + 1
    if (later := bisect(firsts, mine)) < len(firsts):
        before = text.rfind("\n", 0, firsts[later]) + 1
        end = before if before > mine else firsts[later]
    spans = [
        (start + match.start(), start + match.end())
        for match in _LINE.finditer(text[start:end])
        if _is_sentence(match[0])
    ]
    for find in person.finds:
        if find.start >= end:
            low = text.rfind("\n", 0, find.start) + 1
            high = text.find("\n", find.start)
            span = (low, high if high >= 0 else len(text))
            if span not in spans[-1:] and _is_sentence(text[span[0] : span[1]]):
                spans.append(span)
    if not spans:
        return ()
    value = "\n".join(text[low:high].strip() for low, high in spans)[:VALUE_CHARACTERS_MOST]
    at = f"{offset + spans[0][0]}-{offset + spans[-1][1]}"
    return (Field(FieldKind.NARRATIVE, value, value, at),)


def _is_sentence(line: str) -> bool:
    words = [word for word in line.split() if word[:1].isalpha()]
    if sum(word.islower() for word in words) >= NARRATIVE_WORDS_LEAST:
        return True
    return bool(sensitive_words(line))


def _of_mail(piece: Passage, text: str, lookup: Lookup, hints: tuple[str, ...]) -> Iterator[Draft]:
    """Head and body. Quotation marks of replies are blanks, so that lines read as they were."""
    head = {name.lower(): value for name, value in (piece.head or {}).items()}
    body = _QUOTED.sub(lambda match: " " * len(match[0]), text)
    subject = head.get("subject", "").replace("\n", " ")
    organisations, senders = _correspondents(head, lookup)
    is_read = has_anchor(subject) or has_anchor(body)
    if not is_read and not has_known_name(f"{subject}\n{body}", lookup):
        if senders:
            yield from _only_sender(piece, body, senders, organisations)
        return
    whole = f"{subject}\n{body}" if subject else body
    moved = Passage(
        piece.place, piece.shape, whole, piece.begins_at - (len(subject) + 1 if subject else 0)
    )
    drafts = list(_of_text(moved, whole, lookup, hints, organisations))
    if senders and len(drafts) == 1:
        first = drafts[0]
        yield Draft(first.place, first.shape, _with(first.fields, senders), first.marks)
        return
    yield from drafts
    if senders and not drafts:
        yield from _only_sender(piece, body, senders, organisations)


def _with(fields: tuple[Field, ...], senders: tuple[Field, ...]) -> tuple[Field, ...]:
    """A private sender's address beside the one person of a mail; not their name: it may differ."""
    return (*fields, *(one for one in senders if one.kind == FieldKind.EMAIL))


def _correspondents(
    head: dict[str, str], lookup: Lookup
) -> tuple[tuple[Field, ...], tuple[Field, ...]]:
    """The sender's organisation, and private people who sent, as fields."""
    organisations: list[Field] = []
    private: list[Field] = []
    text = head.get("from", "")
    for match in re.finditer(r"[\w.+'\-]+@[\w.\-]+", text):
        owner = lookup.organisation(match[0])
        if owner is not None:
            organisations.append(Field(FieldKind.ORGANISATION, owner.code, match[0], "from"))
        elif (value := canonical.email(match[0])) and _is_private(value):
            private.append(Field(FieldKind.EMAIL, value, match[0], "from"))
            named = _DISPLAY_NAME.match(text)
            parts = read_name(named[1], lookup).parts if named else ()
            private += [
                Field(kind, told, named[1] if named else "", "from") for kind, told in parts
            ]
    return tuple(organisations), tuple(private)


_OFFICES = re.compile(
    r"^(?:no-?reply|enquir|info|admin|reception|office|postmaster|support|help|alerts?|system)"
)
_OFFICIAL = (".nhs.uk", "nhs.net", ".gov.uk", ".police.uk", ".ac.uk", ".gp.example")


def _is_private(address: str) -> bool:
    """Whether an address is a person's own rather than an office's."""
    return not _OFFICES.match(address) and not address.endswith(_OFFICIAL)


def _only_sender(
    piece: Passage, body: str, senders: tuple[Field, ...], organisations: tuple[Field, ...]
) -> Iterator[Draft]:
    """A mail that names nobody but its private sender."""
    whole = Person([Find(0, max(1, len(body)), "name", (), Role.PATIENT)])
    narrative = _narrative(body, whole, [], piece.begins_at)
    if narrative and sensitive_words(narrative[0].value):
        yield Draft(
            piece.place, piece.shape.value, (*senders, *narrative, *organisations), _marks((), body)
        )
