"""People in NHS EDIFACT messages (NHS002, NHS003 …), whole or cut at either end.

Invariants:
- UNA's signs are used where they stand; else those of the NHS: `+`, `:`, `'`, `?`.
- Unknown segments say nothing; nothing raises on any bytes.

Source: NHS EDIFACT pathology messages, guides of MEDRPT and MEDREQ, read November 2026.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from tourniquet.breach import canonical
from tourniquet.breach.fragments import FieldKind
from tourniquet.breach.lookup import Lookup
from tourniquet.breach.wire_fields import WirePerson

SEGMENTS_MOST = 50_000
_TAG = re.compile(r"[A-Z]{3}|S\d\d")
_BIRTH, _PRACTICE_PARTIES = "329", frozenset({"GP", "FGP"})
_REQUESTERS = frozenset({"PO", "SLA", "MR", "RQ"})
Segment = list[list[str]]


def edifact_people(raw: bytes, lookup: Lookup) -> Iterator[WirePerson]:
    """The people of a message or of an interchange, in order."""
    person = WirePerson()
    parties: list[tuple[str, str]] = []
    role = "PAT"
    for segment in _segments(raw):
        tag = segment[0][0]
        if tag in {"UNH", "S01"}:
            if person.names_somebody():
                yield _with(person, parties, lookup)
            person = WirePerson()
            role = "PAT"
            if tag == "UNH":
                parties = []
        elif tag == "NAD":
            role = _value(segment, 1)
            if role == "PAT":
                _read_address(segment, person)
            elif role in _REQUESTERS:
                parties.append((_value(segment, 2), f"NAD+{role}"))
            elif role in _PRACTICE_PARTIES:
                person.practice(_value(segment, 2), f"NAD+{role}")
        else:
            role = _value(segment, 1) if tag == "PNA" else role
            _read(tag, segment, person, lookup, role)
    yield _with(person, parties, lookup)


def _with(person: WirePerson, parties: list[tuple[str, str]], lookup: Lookup) -> WirePerson:
    """The requester first: a report's sender is the laboratory."""
    asked = [one for one in parties if one[1] == "NAD+PO"] or parties
    for code, at in asked:
        person.organisation(code, at, lookup)
    return person


def _segments(raw: bytes) -> Iterator[Segment]:
    text = raw.decode("utf-8", "replace") if b"\xc3" in raw else raw.decode("latin-1")
    component, element, release, end = ":", "+", "?", "'"
    at = text.find("UNA")
    if at >= 0 and len(text) >= at + 9:
        component, element, release, end = text[at + 3], text[at + 4], text[at + 6], text[at + 8]
        text = text[:at] + text[at + 9 :]
    parts = _split(text, end, release)
    for part in parts[:SEGMENTS_MOST]:
        elements = _split(part.strip(), element, release)
        if elements and _TAG.fullmatch(elements[0].strip()):
            elements[0] = elements[0].strip()
            yield [
                [_released(one, release) for one in _split(text_of, component, release)]
                for text_of in elements
            ]


def _split(text: str, sign: str, release: str) -> list[str]:
    """Split where a sign stands that is not released."""
    if release not in text:
        return text.split(sign)
    pattern = re.compile(
        f"(?:{re.escape(release)}.|[^{re.escape(sign + release)}])+|{re.escape(sign)}", re.DOTALL
    )
    out = [""]
    for match in pattern.finditer(text):
        if match[0] == sign:
            out.append("")
        else:
            out[-1] += match[0]
    return out


def _released(text: str, release: str) -> str:
    return re.sub(re.escape(release) + "(.)", r"\1", text) if release in text else text


def _value(segment: Segment, element: int, component: int = 1) -> str:
    if element < len(segment) and component <= len(segment[element]):
        return segment[element][component - 1].strip()
    return ""


def _read(tag: str, segment: Segment, person: WirePerson, lookup: Lookup, role: str) -> None:
    if tag == "PNA" and role == "PAT":
        _read_patient(segment, person)
    elif tag == "RFF" and _value(segment, 1) in {"NHS", "NHN"}:
        person.nhs(_value(segment, 1, 2), "RFF", is_certain=True)
    elif tag == "RFF" and _value(segment, 1) in {"HSP", "CRN"}:
        person.local(_value(segment, 1, 2), "", "RFF")
    elif tag == "DTM" and _value(segment, 1) == _BIRTH:
        person.birth(_value(segment, 1, 2), "DTM+329")
    elif tag == "PDI":
        person.sex(_value(segment, 1), "PDI")
    elif tag in {"INV", "GIS"} and tag == "INV":
        person.test(_value(segment, 2), _value(segment, 2, 4), "INV", lookup)
    elif tag == "RSL":
        unit = _value(segment, 4) or _value(segment, 4, 4)
        value = " ".join(filter(None, (_value(segment, 2), unit)))
        person.text(FieldKind.RESULT, value, "RSL")
    elif tag == "FTX":
        text = " ".join(filter(None, (_value(segment, 4, part) for part in range(1, 6))))
        person.text(FieldKind.NARRATIVE, text, "FTX")
    elif tag == "COM":
        person.contact(_value(segment, 1), "COM")


def _read_patient(segment: Segment, person: WirePerson) -> None:
    kind = _value(segment, 2, 2)
    number = _value(segment, 2)
    if kind == "OPI" or canonical.nhs_number(number):
        person.nhs(number, "PNA", is_certain=kind == "OPI")
    elif number:
        person.local(number, "", "PNA")
    last, first = "", []
    for element in segment[3:]:
        code = element[0].strip() if element else ""
        value = element[1].strip() if len(element) > 1 else ""
        if code == "SU":
            last = value
        elif code in {"FO", "MI", "FS"}:
            first.append(value)
    person.name(last, " ".join(first), "PNA")


def _read_address(segment: Segment, person: WirePerson) -> None:
    lines = [one.strip() for element in segment[3:5] for one in element if one.strip()]
    lines = (
        lines or [one.strip() for one in segment[5] if one.strip()] if len(segment) > 5 else lines
    )
    codes = [one for element in segment[4:] for one in element if canonical.postcode(one)]
    person.address(", ".join(lines), codes[0] if codes else "", "NAD+PAT")
