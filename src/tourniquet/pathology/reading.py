"""Read reports (ORU) into frozen drafts. Pure.

Invariants:
- One report draft for each OBR; result lines keep the order in which they were sent.
- A value is kept as sent; a number is added only where the text is one.
- A time that cannot be read is not known. It is never guessed.
- A value longer than its column is refused, never cut.

Source: HL7 v2.5.1 chapters 4 and 7; status maps after the HL7 v2-to-FHIR guide (tables 0085, 0123).
"""

from __future__ import annotations

import hashlib
import math
import re
from datetime import datetime
from functools import lru_cache
from typing import NamedTuple

import msgspec

from tourniquet.kernel.errors import SenderError
from tourniquet.kernel.identifiers import OdsCode
from tourniquet.pathology.entries import ObservationFact
from tourniquet.patients.reading import PersonDraft, fit, read_person
from tourniquet.wire.hl7v2 import Delimiters, Message, Segment
from tourniquet.wire.hl7v2_time import parse_timestamp

REPORTS_MAX = 500  # OBR in one message
LINES_MAX = 20_000  # OBX in one message
_NUMBER = re.compile(r"\s*(<=|>=|<|>)?\s*([+-]?[0-9]{1,18}(?:\.[0-9]{1,18})?)\s*\Z")
_COMPARATORS = frozenset({"<", ">", "<=", ">="})
_BASE64_END = re.compile(r"=\s*\Z")

_LINE_STATUS = {
    "A": "amended",
    "B": "amended",
    "C": "corrected",
    "D": "entered-in-error",
    "F": "final",
    "I": "registered",
    "N": "unknown",
    "O": "registered",
    "P": "preliminary",
    "R": "preliminary",
    "S": "preliminary",
    "U": "final",
    "V": "final",
    "W": "entered-in-error",
    "X": "cancelled",
}
_REPORT_STATUS = {
    "A": "partial",
    "C": "corrected",
    "F": "final",
    "I": "registered",
    "M": "corrected",
    "O": "registered",
    "P": "preliminary",
    "R": "preliminary",
    "S": "registered",
    "W": "entered-in-error",
    "X": "cancelled",
    "Z": "final",
}
_STATUS_LETTERS_OF_ALL = (
    ("entered-in-error", {"entered-in-error"}),
    ("cancelled", {"cancelled", "entered-in-error"}),
    ("registered", {"registered"}),
)


class Code(msgspec.Struct, frozen=True):
    """A coded field: code, words, coding system, and the alternate code."""

    code: str
    display: str
    system: str
    alternate: str = ""


class SpecimenDraft(msgspec.Struct, frozen=True, kw_only=True):
    """A specimen as SPM names it."""

    placer_number: str = ""
    accession: str = ""
    type_code: str = ""
    type_display: str = ""
    container: str = ""
    collected_at: datetime | None = None
    collected_precision: str = ""
    received_at: datetime | None = None
    condition: str = ""
    rejected: str = ""


class ReportDraft(msgspec.Struct, frozen=True, kw_only=True):
    """One OBR with what follows it."""

    code: Code
    placer_number: str
    placer_authority: str
    filler_number: str
    requisition: str
    ordinal: int
    status: str
    effective_at: datetime | None
    issued_at: datetime | None
    conclusion: str
    requesting: str
    performing: str
    content: str
    observations: tuple[ObservationFact, ...]
    specimens: tuple[SpecimenDraft, ...] = ()


class PatientReports(msgspec.Struct, frozen=True):
    """The reports about one person in a message."""

    person: PersonDraft
    reports: tuple[ReportDraft, ...]


def read_reports(message: Message) -> tuple[PatientReports, ...]:
    """The reports of an ORU, by person, in the order sent.

    Raises: SenderError where nobody is named, nothing is reported, or a value is too long.
    """
    facility = message.sending_facility.strip() or message.sending_application.strip()
    out: list[PatientReports] = []
    for run in split_by_person(message):
        person = read_person(run.pid, run.pd1, facility=facility)
        groups = _cut(run.segments)
        seen: dict[tuple[str, str, str], int] = {}
        reports = []
        for group in groups:
            draft = _report(group, message, facility)
            key = (draft.placer_number, draft.filler_number, draft.code.code)
            seen[key] = seen.get(key, 0) + 1
            if seen[key] > 1:
                draft = msgspec.structs.replace(draft, ordinal=seen[key])
            reports.append(draft)
        if reports:
            out.append(PatientReports(person, tuple(reports)))
    if not out:
        raise SenderError(
            "The message reports nothing: it has no OBR.", remedy="Send OBR and OBX segments."
        )
    return tuple(out)


class PersonRun(msgspec.Struct, frozen=True):
    """The segments from one PID to the next."""

    pid: Segment
    pd1: Segment | None
    segments: list[Segment]


def split_by_person(message: Message) -> list[PersonRun]:
    """Cut a message at each PID. Raises: SenderError where there is none, or results before it."""
    runs: list[PersonRun] = []
    pid: Segment | None = None
    pd1: Segment | None = None
    current: list[Segment] = []
    for segment in message.segments:
        name = segment.name
        if name == "PID":
            if pid is not None:
                runs.append(PersonRun(pid, pd1, current))
            pid, pd1, current = segment, None, []
        elif pid is None:
            if name in ("OBR", "OBX"):
                raise SenderError(
                    "A result stands before the patient it belongs to.",
                    where=segment.where(),
                    remedy="Send PID first.",
                )
        else:
            if name == "PD1":
                pd1 = segment
            current.append(segment)
    if pid is None:
        raise SenderError("The message names no patient.", where="PID", remedy="Send PID.")
    runs.append(PersonRun(pid, pd1, current))
    return runs


class Group:
    """The segments of one OBR while a message is cut."""

    __slots__ = ("lines", "notes", "obr", "orc", "specimens", "texts")

    def __init__(self, orc: Segment | None, obr: Segment) -> None:
        self.orc = orc
        self.obr = obr
        self.lines: list[tuple[Segment, list[Segment]]] = []
        self.notes: list[Segment] = []
        self.specimens: list[Segment] = []
        self.texts: list[str] = []


def _cut(segments: list[Segment]) -> list[Group]:
    groups: list[Group] = []
    orc: Segment | None = None
    group: Group | None = None
    last_notes: list[Segment] | None = None
    for segment in segments:
        name = segment.name
        if name == "OBX":
            if group is None:
                raise SenderError(
                    "A result line stands before its OBR.",
                    where=segment.where(),
                    remedy="Send OBR first.",
                )
            last_notes = []
            group.lines.append((segment, last_notes))
            group.texts.append(segment.line)
        elif name == "NTE":
            if last_notes is not None and group is not None:
                last_notes.append(segment)
                group.texts.append(segment.line)
        elif name == "OBR":
            group = Group(orc, segment)
            groups.append(group)
            last_notes, orc = group.notes, None
        elif name == "ORC":
            orc, last_notes = segment, None
        elif name == "SPM" and group is not None:
            group.specimens.append(segment)
            last_notes = None
    if len(groups) > REPORTS_MAX or sum(len(g.lines) for g in groups) > LINES_MAX:
        raise SenderError(
            f"A message has more than {REPORTS_MAX} reports or {LINES_MAX} result lines.",
            remedy="Send it in parts.",
        )
    return groups


def _report(group: Group, message: Message, facility: str) -> ReportDraft:
    obr, orc = group.obr, group.orc
    code = read_code(obr, 4)
    placer = fit(obr.value(2) or (orc.value(2) if orc else ""), 200, obr.where(2))
    filler = fit(obr.value(3) or (orc.value(3) if orc else ""), 200, obr.where(3))
    collected = read_instant(obr.value(7))
    letter = obr.value(25).strip().upper()
    lines = _lines(group, message.delimiters, collected, letter, code)
    status = _REPORT_STATUS.get(letter, "")
    statuses = {line.status for line in lines}
    if letter and not status:
        status = "unknown"
    if not status:
        status = _status_of_lines(statuses)
    elif lines and statuses == {"entered-in-error"}:
        status = "entered-in-error"
    performing = ""
    if group.lines:
        first = group.lines[0][0]
        performing = find_ods(first.value(23, 10)) or find_ods(first.value(15))
    digest = hashlib.sha256(
        "\r".join((obr.raw(4), obr.raw(7), letter, *group.texts, *_texts(group.notes))).encode()
    ).hexdigest()
    return ReportDraft(
        code=code,
        placer_number=placer,
        placer_authority=obr.value(2, 2) or (orc.value(2, 2) if orc else ""),
        filler_number=filler,
        requisition=fit(orc.value(4), 200, orc.where(4)) if orc else "",
        ordinal=1,
        status=status,
        effective_at=collected,
        issued_at=read_instant(obr.value(22)) or read_instant(message.timestamp),
        conclusion=read_notes(group.notes),
        requesting=read_requesting(orc),
        performing=performing or find_ods(facility),
        content=digest,
        observations=lines,
        specimens=tuple([read_specimen(spm) for spm in group.specimens]),
    )


def _texts(segments: list[Segment]) -> list[str]:
    return [segment.line for segment in segments]


def _status_of_lines(statuses: set[str]) -> str:
    if not statuses:
        return "unknown"
    for status, allowed in _STATUS_LETTERS_OF_ALL:
        if statuses <= allowed:
            return status
    for status in ("preliminary", "corrected", "amended"):
        if status in statuses:
            return status
    return "partial" if "registered" in statuses else "final"


# Result lines -------------------------------------------------------------------------------------


def _lines(
    group: Group, delimiters: Delimiters, collected: datetime | None, letter: str, test: Code
) -> tuple[ObservationFact, ...]:
    out: list[ObservationFact] = []
    default = {"P": "preliminary", "X": "cancelled", "C": "corrected"}.get(letter, "final")
    for segment, notes in group.lines:
        place = _Place(collected, default, len(out) + 1, test)
        line = _line(segment, notes, delimiters, place)
        if line.value_type == "ED" and out and _continues(out[-1], line):
            joined = out[-1].value_text + line.value_text.partition(",")[2]
            out[-1] = msgspec.structs.replace(out[-1], value_text=joined)
            continue
        out.append(line)
    return tuple(out)


def _continues(before: ObservationFact, line: ObservationFact) -> bool:
    """Whether a line goes on with the file that the one before began."""
    if before.value_type != "ED" or before.code != line.code:
        return False
    head, _, data = line.value_text.partition(",")
    earlier_head, _, earlier = before.value_text.partition(",")
    if not head.endswith(";base64") or not earlier_head.endswith(";base64"):
        return False
    return not _BASE64_END.search(earlier) and (not data[:5] or data[:5] != earlier[:5])


class _Place(NamedTuple):
    """What a line takes from its report: time and status where it has none, number, test."""

    collected: datetime | None
    status: str
    sequence: int
    test: Code


def _line(
    segment: Segment, notes: list[Segment], delimiters: Delimiters, place: _Place
) -> ObservationFact:
    line = segment.line
    if (
        delimiters.escape in line
        or delimiters.repetition in line
        or delimiters.subcomponent in line
        or '""' in line
    ):
        return _line_slowly(segment, notes, place)
    fields = line.split(delimiters.field)
    count = len(fields)
    if count < 15:
        fields += [""] * (15 - count)
    component = delimiters.component
    kind = fields[2].strip()
    if (
        kind not in _PLAIN_TYPES
        or not fields[3]
        or component in fields[5]
        or component in fields[6]
    ):
        return _line_slowly(segment, notes, place)
    code, display, system, _ = _code(fields[3], component, segment)
    text = fields[5]
    comparator, number = read_number(text) if kind in ("NM", "ST") else ("", None)
    status = fields[11].strip()
    moment = fields[14]
    if len(fields[6]) > 60 or len(fields[7]) > 200 or len(fields[8]) > 60 or len(fields[4]) > 40:
        return _line_slowly(segment, notes, place)
    return ObservationFact(
        sequence=place.sequence,
        code=code,
        code_system=system,
        code_display=display,
        sub_id=fields[4],
        value_type=kind,
        value_text=text,
        value_number=number,
        comparator=comparator,
        unit=fields[6],
        reference_range=fields[7],
        flags=fields[8],
        status=_LINE_STATUS.get(status, "unknown") if status else place.status,
        effective_at=read_instant(moment) if moment else place.collected,
        note=read_notes(notes) if notes else "",
    )


_PLAIN_TYPES = frozenset({"NM", "ST", "TX", "FT"})
_TEXT_TYPES = frozenset({"TX", "FT", "ST"})


def _line_slowly(segment: Segment, notes: list[Segment], place: _Place) -> ObservationFact:
    where = segment.where
    kind = fit(segment.value(2), 4, where(2))
    # A line of text without a name belongs to the text of the whole report.
    unnamed = kind in _TEXT_TYPES and not segment.raw(3)
    code = place.test if unnamed else read_code(segment, 3)
    text, comparator, number = _value(segment, kind)
    status = segment.value(11).strip().upper()[:1]
    flags = " ".join(flag.value(1).strip() for flag in segment.repetitions(8)).strip()
    return ObservationFact(
        sequence=place.sequence,
        code=code.code,
        code_system=code.system,
        code_display=code.display,
        sub_id=fit(segment.text(4), 40, where(4)),
        value_type=kind,
        value_text=text,
        value_number=number,
        comparator=comparator,
        unit=fit(segment.value(6) or segment.value(6, 2), 60, where(6)),
        reference_range=fit(segment.text(7), 200, where(7)),
        flags=fit(flags, 60, where(8)),
        status=_LINE_STATUS.get(status, "unknown") if status else place.status,
        effective_at=read_instant(segment.value(14)) or place.collected,
        note=read_notes(notes),
    )


def _value(segment: Segment, kind: str) -> tuple[str, str, float | None]:
    """A value as text, its comparator, and the number where it is one."""
    if kind in ("NM", "ST", ""):
        text = segment.text(5)
        return (text, *read_number(text))
    if kind == "SN":
        return _structured_number(segment)
    if kind in ("CE", "CWE", "CNE", "CF", "ID", "IS", "CX"):
        coded = [r.value(2) or r.value(9) or r.value(1) for r in segment.repetitions(5)]
        return "; ".join(word for word in coded if word), "", None
    if kind == "ED":
        return _file(segment), "", None
    return segment.text(5), "", None


def _structured_number(segment: Segment) -> tuple[str, str, float | None]:
    """SN: comparator, first number, separator, second number."""
    comparator, one, separator, other = (segment.value(5, n).strip() for n in (1, 2, 3, 4))
    text = f"{comparator}{one}{separator}{other}"
    if separator or other or (comparator and comparator not in _COMPARATORS):
        return text, "", None
    return (text, *read_number(text))


# Table 0191's short names.
_MEDIA = {"ap": "application", "au": "audio", "ft": "text", "im": "image", "si": "image"}


def _file(segment: Segment) -> str:
    """ED as a data address: type, encoding and data."""
    main = segment.value(5, 2).strip().lower() or "application"
    kind = segment.value(5, 3).strip().lower() or "octet-stream"
    encoding = segment.value(5, 4).strip().lower()
    data = segment.value(5, 5)
    mark = ";base64" if encoding == "base64" else ""
    main = "application" if kind == "pdf" else _MEDIA.get(main, main)
    media = kind if "/" in kind else f"{main}/{kind}"
    if mark:
        data = "".join(data.split())
    return f"data:{media}{mark},{data}"


@lru_cache(maxsize=50_000)
def read_number(text: str) -> tuple[str, float | None]:
    """The comparator and the number that a text is, with nothing else in it."""
    match = _NUMBER.match(text)
    if match is None:
        return "", None
    number = float(match[2])
    return (match[1] or "", number) if math.isfinite(number) else ("", None)


# Parts that orders have too -----------------------------------------------------------------------


@lru_cache(maxsize=20_000)
def _read_code_text(raw: str, component: str) -> tuple[str, str, str, str] | None:
    parts = raw.split(component)
    parts += [""] * (6 - len(parts))
    code, display, system = parts[0].strip(), parts[1].strip(), parts[2].strip()
    if not code:
        code, display, system = parts[3].strip(), display or parts[4].strip(), parts[5].strip()
    code = code or display
    if not code or len(code) > 100 or len(display) > 400 or len(system) > 100:
        return None
    return code, display or code, system, parts[3].strip()


def _code(raw: str, component: str, segment: Segment) -> tuple[str, str, str, str]:
    found = _read_code_text(raw, component)
    if found is None:
        code = read_code(segment, 3)
        return code.code, code.display, code.system, code.alternate
    return found


def read_code(segment: Segment, field: int) -> Code:
    """A coded field. Raises: SenderError where it is empty or too long."""
    where = segment.where(field)
    values = [segment.value(field, n).strip() for n in (1, 2, 3, 4, 5, 6)]
    code, display, system = values[:3]
    if not code:
        code, display, system = values[3], display or values[4], values[5]
    code = code or display
    if not code:
        raise SenderError(
            "The test or result is not named.", where=where, remedy="Send a code or a name."
        )
    return Code(
        fit(code, 100, where),
        fit(display or code, 400, where),
        fit(system, 100, where),
        values[3][:100],
    )


@lru_cache(maxsize=20_000)
def read_instant(text: str) -> datetime | None:
    """A moment in UTC, or None where the text is none."""
    if not text:
        return None
    try:
        return parse_timestamp(text).instant
    except SenderError:
        return None


@lru_cache(maxsize=20_000)
def read_precision(text: str) -> str:
    """The smallest part of a timestamp that was sent; "" where it cannot be read."""
    try:
        return parse_timestamp(text).precision.value if text else ""
    except SenderError:
        return ""


@lru_cache(maxsize=5_000)
def find_ods(text: str) -> str:
    """An organisation's code, or "" where the text is none."""
    try:
        return OdsCode.parse(text).code if text else ""
    except SenderError:
        return ""


def read_requesting(orc: Segment | None) -> str:
    """Who asks: ORC-21 (ordering facility), else ORC-17 (entering organisation)."""
    if orc is None or orc.field_count < 17:
        return ""
    for field, component in ((21, 10), (21, 3), (21, 1), (17, 1)):
        found = find_ods(orc.value(field, component))
        if found:
            return found
    return ""


def read_notes(notes: list[Segment]) -> str:
    """NTE-3 of each note, a line each."""
    return "\n".join([note.text(3) for note in notes]) if notes else ""


def read_specimen(spm: Segment) -> SpecimenDraft:
    """SPM: numbers, kind, times, condition. SPM-2.2 is the accession, else SPM-2.1."""
    where = spm.where
    collected = spm.value(17).strip()
    return SpecimenDraft(
        placer_number=fit(spm.value(2, 1), 200, where(2)),
        accession=fit(spm.value(2, 2) or spm.value(2, 1), 200, where(2)),
        type_code=fit(spm.value(4) or spm.value(4, 2), 100, where(4)),
        type_display=fit(spm.value(4, 2) or spm.value(4), 200, where(4)),
        container=fit(spm.value(27, 2) or spm.value(27), 100, where(27)),
        collected_at=read_instant(collected),
        collected_precision=read_precision(collected),
        received_at=read_instant(spm.value(18)),
        condition=" ".join(filter(None, (spm.value(24, 2) or spm.value(24), spm.value(14)))),
        rejected=spm.value(21, 2) or spm.value(21),
    )
