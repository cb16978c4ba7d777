"""People in FHIR JSON: Patient resources, and what others say of them; whole, in lines, or cut.

1. Read the JSON; of what is cut, each resource that is whole.
2. Each Patient is a person, by its references; RelatedPerson too.
3. Other resources go to whom `subject` or `patient` names, by reference or by identifier; without
   one, to the only Patient.

Invariants:
- RESOURCES_MOST and DEPTH_MOST bound the reading; nothing raises on any bytes.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeAlias

import msgspec

from tourniquet.breach import canonical
from tourniquet.breach.fragments import FieldKind
from tourniquet.breach.lookup import Lookup
from tourniquet.breach.wire_fields import WirePerson

RESOURCES_MOST = 50_000
DEPTH_MOST = 40
_NHS_SYSTEM = "nhs-number"
_ODS_SYSTEM = "ods-organization-code"
_PEOPLE = frozenset({"Patient", "RelatedPerson"})
_STAFF = frozenset({"Practitioner", "PractitionerRole"})
Json: TypeAlias = "dict[str, Json] | list[Json] | str | int | float | bool | None"


def fhir_people(raw: bytes, lookup: Lookup) -> Iterator[WirePerson]:
    """The people of a bundle or a resource, in order."""
    resources = list(_resources(_parse(raw)))[:RESOURCES_MOST]
    people: dict[str, WirePerson] = {}
    order: list[WirePerson] = []
    for name, one in resources:
        if _text(one, "resourceType") in _PEOPLE:
            person = WirePerson()
            _read_patient(one, person)
            order.append(person)
            for reference in (name, f"Patient/{_text(one, 'id')}"):
                people.setdefault(reference, person)
    only = order[0] if len(order) == 1 else None
    for _, one in resources:
        kind = _text(one, "resourceType")
        if kind in _PEOPLE or kind in _STAFF or kind in {"Bundle", "Organization", "Location", ""}:
            continue
        subject = _subject(one)
        person = people.get(_text(subject, "reference")) or only or WirePerson()
        if not person.found and subject:
            _read_identifiers(_list(subject, "identifier"), person, "subject")
            order.append(person)
            people[_text(subject, "reference") or f"subject {len(order)}"] = person
        _read_resource(kind, one, person, lookup)
    yield from order


def _parse(raw: bytes) -> list[Json]:
    """Values in the bytes: one, one to a line, or the whole resources of what is cut."""
    try:
        return [msgspec.json.decode(raw)]
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        pass
    found: list[Json] = []
    start = raw.find(b'{"resourceType"')
    while start >= 0 and len(found) < RESOURCES_MOST:
        after = raw.find(b'{"resourceType"', start + 1)
        text = raw[start : after if after >= 0 else len(raw)]
        found += _whole(text)
        start = after
    return found


def _whole(text: bytes) -> list[Json]:
    """The object with which a text begins, if it ends in it."""
    depth = 0
    in_text = escaped = False
    for at, sign in enumerate(text):
        if in_text:
            escaped = sign == 0x5C and not escaped
            in_text = sign != 0x22 or (at > 0 and text[at - 1] == 0x5C)
        elif sign == 0x22:
            in_text = True
        elif sign == 0x7B:
            depth += 1
        elif sign == 0x7D:
            depth -= 1
            if depth == 0:
                try:
                    return [msgspec.json.decode(text[: at + 1])]
                except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
                    return []
    return []


def _resources(values: list[Json], depth: int = 0) -> Iterator[tuple[str, dict[str, Json]]]:
    """Every resource in these, with the full URL it has in its bundle."""
    for value in values:
        if not isinstance(value, dict) or depth > DEPTH_MOST:
            continue
        if "resourceType" in value:
            yield "", value
        for entry in _list(value, "entry"):
            inner = _dict(entry, "resource")
            if inner:
                url = _text(entry, "fullUrl")
                yield url, inner
                yield from _resources(_list(inner, "contained"), depth + 1)
                if "entry" in inner:
                    yield from list(_resources([inner], depth + 1))[1:]
        yield from _resources(_list(value, "contained"), depth + 1)


def _text(value: Json, key: str) -> str:
    found = value.get(key) if isinstance(value, dict) else None
    return str(found) if isinstance(found, (str, int, float)) else ""


def _dict(value: Json, key: str) -> dict[str, Json]:
    found = value.get(key) if isinstance(value, dict) else None
    return found if isinstance(found, dict) else {}


def _list(value: Json, key: str) -> list[Json]:
    found = value.get(key) if isinstance(value, dict) else None
    if isinstance(found, dict):
        return [found]
    return found if isinstance(found, list) else []


def _subject(one: dict[str, Json]) -> dict[str, Json]:
    return _dict(one, "subject") or _dict(one, "patient") or _dict(one, "for")


def _read_identifiers(values: list[Json], person: WirePerson, at: str) -> None:
    for one in values:
        value, system = _text(one, "value"), _text(one, "system")
        if _NHS_SYSTEM in system:
            person.nhs(value, at, is_certain=True)
        elif value:
            assigner = _dict(_dict(one, "assigner"), "identifier")
            person.local(value, _text(assigner, "value"), at)


def _read_patient(one: dict[str, Json], person: WirePerson) -> None:
    _read_identifiers(_list(one, "identifier"), person, "Patient.identifier")
    for name in _list(one, "name"):
        given = [str(part) for part in _list(name, "given")]
        last = _text(name, "family")
        if last or given:
            person.name(last, " ".join(given), "Patient.name")
        elif whole := _text(name, "text"):
            person.add(FieldKind.NAME, " ".join(canonical.name_words(whole)), whole, "Patient.name")
    person.birth(_text(one, "birthDate"), "Patient.birthDate")
    person.sex(_text(one, "gender"), "Patient.gender")
    for address in _list(one, "address"):
        lines = [str(line) for line in _list(address, "line")] + [_text(address, "city")]
        lines = [line for line in lines if line] or [_text(address, "text")]
        person.address(", ".join(lines), _text(address, "postalCode"), "Patient.address")
    for contact in _list(one, "telecom"):
        person.contact(_text(contact, "value"), "Patient.telecom")
    for gp in _list(one, "generalPractitioner"):
        person.practice(_text(_dict(gp, "identifier"), "value"), "Patient.generalPractitioner")


def _read_resource(kind: str, one: dict[str, Json], person: WirePerson, lookup: Lookup) -> None:
    for key in ("code", "orderDetail"):
        for concept in _list(one, key):
            _read_code(concept, person, lookup, f"{kind}.{key}")
    _read_value(one, person, kind)
    for component in _list(one, "component"):
        _read_code(_dict(component, "code"), person, lookup, f"{kind}.component")
        _read_value(component, person, f"{kind}.component")
    for key in ("performer", "requester", "author", "custodian", "organization", "serviceProvider"):
        for who in _list(one, key):
            person.organisation(_text(_dict(who, "identifier"), "value"), f"{kind}.{key}", lookup)
    for note in _list(one, "note"):
        person.text(FieldKind.NARRATIVE, _text(note, "text"), f"{kind}.note")
    for key in ("conclusion", "description", "patientInstruction"):
        person.text(FieldKind.NARRATIVE, _text(one, key), f"{kind}.{key}")
    for reason in _list(one, "reasonCode"):
        person.text(FieldKind.NARRATIVE, _text(reason, "text"), f"{kind}.reasonCode")


def _read_code(concept: Json, person: WirePerson, lookup: Lookup, at: str) -> None:
    codings = _list(concept, "coding")
    for coding in codings:
        person.test(_text(coding, "code"), _text(coding, "display"), at, lookup)
    if not codings:
        person.test("", _text(concept, "text"), at, lookup)


def _read_value(one: Json, person: WirePerson, at: str) -> None:
    quantity = _dict(one, "valueQuantity")
    value = " ".join(filter(None, (_text(quantity, "value"), _text(quantity, "unit"))))
    value = value or _text(one, "valueString") or _text(one, "valueInteger")
    concept = _dict(one, "valueCodeableConcept")
    if not value and concept:
        codings = _list(concept, "coding")
        value = _text(concept, "text") or (_text(codings[0], "display") if codings else "")
    person.text(FieldKind.RESULT, value, f"{at}.value")
