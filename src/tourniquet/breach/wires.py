"""Fragments of messages: HL7 v2, NHS EDIFACT and FHIR.

1. HL7: segments by name; each PID begins a person, who has the requests, results and notes behind
   it until the next. NK1 is a relative, PV1 and OBR-16 name staff. A message that begins in the
   middle, or whose header is broken, is read with `|^~\\&`.
2. EDIFACT: segments by tag, with UNA's signs where there are some; each S01, or UNH, begins anew.
3. FHIR: each Patient, or `subject` with an identifier, is a person; resources go to whom they name.

Invariants:
- What is left of a message gives what is left: nothing is refused for being cut.
- Nothing raises on any bytes; a bounded part is read: SEGMENTS_MOST, RESOURCES_MOST, DEPTH_MOST.
- A field's place is the segment and its field, `PID-5`; the element's path in FHIR.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from tourniquet.breach import canonical
from tourniquet.breach.draft import Draft
from tourniquet.breach.edifact import edifact_people
from tourniquet.breach.exposure import is_negated
from tourniquet.breach.fhir import fhir_people
from tourniquet.breach.fragments import Field, FieldKind, Mark
from tourniquet.breach.lookup import Lookup
from tourniquet.breach.names import is_test_patient
from tourniquet.breach.pieces import Syntax, Wire
from tourniquet.breach.wire_fields import WirePerson
from tourniquet.kernel.errors import SenderError
from tourniquet.wire.hl7v2 import DEFAULT_DELIMITERS, DEFAULT_LIMITS, Segment
from tourniquet.wire.hl7v2_segments import Reading
from tourniquet.wire.hl7v2_text import Delimiters, decode, read_delimiters, unescaper

SEGMENTS_MOST = 50_000
_LINE_END = re.compile(r"[\r\n\x0b\x1c]+")
_NAME = re.compile(r"(?:MSH|[A-Z][A-Z0-9]{2})$")
_NHS_TYPES = frozenset({"NHS", "NH", "NHSNMBR", "NHSNO"})


def wire_drafts(piece: Wire, lookup: Lookup, hints: tuple[str, ...]) -> Iterator[Draft]:
    """The fragments of one message, in order."""
    if piece.syntax == Syntax.HL7:
        people = _hl7_people(piece.raw, lookup)
    elif piece.syntax == Syntax.EDIFACT:
        people = edifact_people(piece.raw, lookup)
    else:
        people = fhir_people(piece.raw, lookup)
    for person in people:
        fields = person.fields(lookup, hints)
        if not person.names_somebody():
            continue
        marks = [] if piece.is_whole else [Mark.CUT]
        if any(one.kind == FieldKind.FAMILY_NAME and is_test_patient(one.raw) for one in fields):
            marks.append(Mark.TEST_PATIENT)
        if any(_is_negated(one) for one in fields):
            marks.append(Mark.NEGATED)
        yield Draft(piece.place, piece.syntax.value, fields, tuple(marks))


def _is_negated(one: Field) -> bool:
    kinds = {FieldKind.RESULT, FieldKind.NARRATIVE}
    return one.kind in kinds and is_negated(one.value)


def hl7_line_drafts(
    place: str, line: str, lookup: Lookup, hints: tuple[str, ...]
) -> Iterator[Draft]:
    """A line of a log in which a PID segment stands."""
    yield from wire_drafts(
        Wire(place, Syntax.HL7, line.encode("utf-8", "replace"), is_whole=False), lookup, hints
    )


def _segments(raw: bytes) -> Iterator[Segment]:
    """The segments of what is left of a message; a line that is none continues the one before."""
    text = decode(raw, "").text
    delimiters = DEFAULT_DELIMITERS
    found = re.search(r"MSH([^\w\s])([^\w\s]{3,4})", text)
    if found is not None:
        delimiters = _delimiters(text[found.start() :], delimiters)
    reading = Reading(delimiters, "utf-8", DEFAULT_LIMITS, unescaper(delimiters, "utf-8"))
    start = (
        re.search(r"(?:MSH|PID|NK1|OBR|OBX|NTE|ORC|PV1|MRG)\|", text) if found is None else found
    )
    lines = _LINE_END.split(text[start.start() :] if start else text)[:SEGMENTS_MOST]
    counts: dict[str, int] = {}
    for index, line in enumerate(lines):
        name = line[:3]
        if _NAME.fullmatch(name) and line[3:4] == delimiters.field:
            counts[name] = counts.get(name, 0) + 1
            yield Segment(name, line, reading, index, counts[name])


def _delimiters(text: str, default: Delimiters) -> Delimiters:
    try:
        return read_delimiters(text.split("\r", maxsplit=1)[0].split("\n", maxsplit=1)[0])
    except SenderError:
        return default


def _hl7_people(raw: bytes, lookup: Lookup) -> Iterator[WirePerson]:
    person = WirePerson()
    relatives: list[WirePerson] = []
    header: list[tuple[FieldKind, str, str]] = []
    try:
        for segment in _segments(raw):
            if segment.name == "MSH":
                facility = [(segment.value(number), f"MSH-{number}") for number in (4, 6)]
                header = [(FieldKind.ORGANISATION, code, at) for code, at in facility[:1] if code]
            elif segment.name == "PID":
                if person.names_somebody():
                    yield _with(person, header)
                    yield from relatives
                    person, relatives = WirePerson(), []
                _read_pid(segment, person, lookup)
            elif segment.name == "NK1":
                relative = WirePerson()
                _read_relative(segment, relative)
                relatives.append(relative)
            else:
                _read_other(segment, person, lookup)
    except SenderError:
        pass  # a limit of the message: what was read until then counts
    yield _with(person, header)
    yield from relatives


def _with(person: WirePerson, header: list[tuple[FieldKind, str, str]]) -> WirePerson:
    """The sender counts where nobody is named who asked: it may be the laboratory."""
    if not any(one.kind == FieldKind.ORGANISATION for one in person.found):
        for kind, value, at in header:
            person.add(kind, value, value, at)
    return person


def _read_pid(segment: Segment, person: WirePerson, lookup: Lookup) -> None:
    for number in (2, 3, 4, 18):
        for one in segment.repetitions(number):
            kind = {one.value(4).upper(), one.value(5).upper()}
            _read_identifier(person, one.value(1), kind, one.value(4), f"PID-{number}")
    person.nhs(segment.value(19), "PID-19", is_certain=False)
    for one in segment.repetitions(5):
        person.name(one.value(1), f"{one.value(2)} {one.value(3)}", "PID-5")
    for one in segment.repetitions(9):
        person.name(one.value(1), f"{one.value(2)} {one.value(3)}", "PID-9")
    person.birth(segment.value(7), "PID-7")
    person.sex(segment.value(8), "PID-8")
    _read_address(segment, 11, person)
    for number in (13, 14):
        for one in segment.repetitions(number):
            person.contact(one.value(1) or one.value(12), f"PID-{number}")
            person.contact(one.value(4), f"PID-{number}")
    del lookup


def _read_identifier(
    person: WirePerson, value: str, kinds: set[str], authority: str, at: str
) -> None:
    if not value or value == '""':
        return
    if kinds & _NHS_TYPES:
        person.nhs(value, at, is_certain=True)
    elif canonical.nhs_number(value):
        person.nhs(value, at, is_certain=False)
    else:
        person.local(value, authority, at)


def _read_address(segment: Segment, number: int, person: WirePerson) -> None:
    for one in segment.repetitions(number):
        lines = [one.value(part) for part in (1, 2, 3, 4)]
        person.address(
            ", ".join(line for line in lines if line), one.value(5), f"{segment.name}-{number}"
        )


def _read_relative(segment: Segment, person: WirePerson) -> None:
    for one in segment.repetitions(2):
        person.name(one.value(1), f"{one.value(2)} {one.value(3)}", "NK1-2")
    _read_address(segment, 4, person)
    for number in (5, 6):
        for one in segment.repetitions(number):
            person.contact(one.value(1), f"NK1-{number}")


def _read_other(segment: Segment, person: WirePerson, lookup: Lookup) -> None:
    name = segment.name
    if name == "OBR":
        person.test(segment.value(4, 1), segment.value(4, 2), "OBR-4", lookup)
        person.organisation(segment.value(16), "OBR-16", lookup)
        person.text(FieldKind.NARRATIVE, segment.text(13), "OBR-13")
        person.text(FieldKind.NARRATIVE, segment.value(31, 2), "OBR-31")
    elif name == "OBX":
        if segment.value(2) not in {"ED", "RP"}:
            person.test(segment.value(3, 1), segment.value(3, 2), "OBX-3", lookup)
            value = " ".join(filter(None, (segment.text(5), segment.value(6))))
            person.text(FieldKind.RESULT, value, "OBX-5")
    elif name == "NTE":
        person.text(FieldKind.NARRATIVE, segment.text(3), "NTE-3")
    elif name in {"DG1", "AL1"}:
        person.text(FieldKind.NARRATIVE, segment.text(4) or segment.text(3), f"{name}-4")
    elif name == "ORC":
        person.organisation(segment.value(21, 10) or segment.value(21, 3), "ORC-21", lookup)
    elif name == "PD1":
        person.practice(segment.value(3, 3), "PD1-3")
    elif name == "MRG":
        for one in segment.repetitions(1):
            kinds = {one.value(4).upper(), one.value(5).upper()}
            _read_identifier(person, one.value(1), kinds, one.value(4), "MRG-1")
