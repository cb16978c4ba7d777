"""Rows as FHIR R4 resources. Pure: rows in, plain values out, ready for JSON.

Invariants:
- What is not known is left out; an Observation without a value says so (dataAbsentReason).
- Text is kept but for what FHIR's types forbid (control characters, blanks around codes).
- A number goes out with the digits with which it came in.
- A doubtful identifier is not given out; a merged patient points at the one that stands.

Source: FHIR R4 4.0.1; docs of this project for identifiers and categories.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, TypeAlias

import orjson

from tourniquet.edge.fhir import systems
from tourniquet.kernel.clock import LONDON
from tourniquet.kernel.errors import SenderError
from tourniquet.pathology.models import DiagnosticReport, Observation, ServiceRequest, Specimen
from tourniquet.patients.models import Identifier, Patient
from tourniquet.wire.hl7v2_time import Precision, parse_timestamp

Json: TypeAlias = dict[str, Any]  # Any: the shapes are FHIR's, checked against fhir.resources

_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f]")
_BLANKS = re.compile(r"\s+")
_NUMBER = re.compile(r"-?(0|[1-9][0-9]{0,16})(\.[0-9]{1,16})?\Z")
_RANGE = re.compile(r"\s*(-?[0-9]+(?:\.[0-9]+)?)\s*(?:-|\u2013|to)\s*(-?[0-9]+(?:\.[0-9]+)?)\s*\Z")
_ONE_SIDED = re.compile(r"\s*(<=?|>=?)\s*(-?[0-9]+(?:\.[0-9]+)?)\s*\Z")
_FLAGS = re.compile(r"[~;,\s]+")
_COMPARATORS = frozenset({"<", "<=", ">=", ">"})
_TEXT_CHARACTERS_MAX = 1024 * 1024  # FHIR's own limit of a string
_GENDERS = {"m": "male", "f": "female", "o": "other", "a": "other"}

_REQUEST_STATUS = frozenset(
    {"draft", "active", "on-hold", "revoked", "completed", "entered-in-error", "unknown"}
)
_PRIORITY = frozenset({"routine", "urgent", "asap", "stat"})
_REPORT_STATUS = frozenset(
    {
        "registered",
        "partial",
        "preliminary",
        "final",
        "amended",
        "corrected",
        "appended",
        "cancelled",
        "entered-in-error",
        "unknown",
    }
)
_OBSERVATION_STATUS = _REPORT_STATUS - {"partial", "appended"}
_SPECIMEN_STATUS = {
    "available": "available",
    "unavailable": "unavailable",
    "unsatisfactory": "unsatisfactory",
    "entered-in-error": "entered-in-error",
    "rejected": "unsatisfactory",
    "discarded": "unavailable",
    "lost": "unavailable",
}
_PRECISE_DAY = frozenset({"year", "month", "day"})


# Data types -------------------------------------------------------------------------------------


def text_of(value: str) -> str:
    """A string as FHIR allows it; "" where nothing is left."""
    return _FORBIDDEN.sub(" ", value)[:_TEXT_CHARACTERS_MAX].strip()


def code_of(value: str) -> str:
    """A code as FHIR allows it: no blanks around it, single ones inside."""
    return _BLANKS.sub(" ", text_of(value))


def instant(moment: datetime) -> str:
    """A moment, to the millisecond, in UTC."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


def _when(moment: datetime, precision: str = "") -> str:
    """A moment with the precision that is known: a day is London's."""
    if precision in _PRECISE_DAY:
        day = moment.astimezone(LONDON)
        return day.strftime({"year": "%Y", "month": "%Y-%m"}.get(precision, "%Y-%m-%d"))
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _pruned(resource: Json) -> Json:
    """Without what is empty."""
    return {key: value for key, value in resource.items() if value not in ("", None, [], {})}


def _coding(code: str, system: str, display: str) -> Json:
    return _pruned({"system": system, "code": code_of(code), "display": text_of(display)})


def _concept(code: str, system: str, display: str) -> Json:
    coding = _coding(code, systems.code_system(code_of(system)), display) if code_of(code) else {}
    return _pruned({"coding": [coding] if coding else [], "text": text_of(display)}) or {
        "text": "Not known"
    }


def _identifier(value: str, authority: str = "", kind: str = "") -> Json:
    types = {
        "PLAC": "Placer Identifier",
        "FILL": "Filler Identifier",
        "ACSN": "Accession ID",
    }
    return _pruned(
        {
            "type": {"coding": [{"system": systems.V2_0203, "code": kind, "display": types[kind]}]}
            if kind
            else {},
            "system": systems.authority_system(code_of(authority)),
            "value": text_of(value),
        }
    )


def _numbers(placer: str, filler: str, authorities: tuple[str, str] = ("", "")) -> list[Json]:
    found = []
    if text_of(placer):
        found.append(_identifier(placer, authorities[0], "PLAC"))
    if text_of(filler):
        found.append(_identifier(filler, authorities[1], "FILL"))
    return found


def _reference(kind: str, id_: str | None) -> Json:
    return {"reference": f"{kind}/{id_}"} if id_ else {}


def _organisation(code: str) -> Json:
    if not text_of(code):
        return {}
    return {"type": "Organization", "identifier": {"system": systems.ODS, "value": text_of(code)}}


def _meta(position: int, updated_at: datetime) -> Json:
    return {"versionId": str(position), "lastUpdated": instant(updated_at)}


def _known(status: str, allowed: frozenset[str]) -> str:
    return status if status in allowed else "unknown"


# Resources --------------------------------------------------------------------------------------


def patient(row: Patient, identifiers: Sequence[Identifier]) -> Json:
    """A Patient. Where contact is unsafe, no telephone or e-mail is given out."""
    tags = [{"system": systems.PATIENT_STATE, "code": row.state}]
    if row.unsafe_contact:
        tags.append({"system": systems.PATIENT_STATE, "code": "unsafe-contact"})
    meta = _meta(row.position, row.updated_at) | {"tag": tags}
    if row.sensitive:
        meta["security"] = [{"system": systems.CONFIDENTIALITY, "code": "R"}]
    name = _pruned(
        {
            "use": "official",
            "family": text_of(row.family_name),
            "given": [part for part in text_of(row.given_names).split() if part],
            "prefix": [text_of(row.title)] if text_of(row.title) else [],
        }
    )
    telecom = [] if row.unsafe_contact else _telecom(row)
    resource = {
        "resourceType": "Patient",
        "id": row.id,
        "meta": meta,
        "identifier": [_patient_identifier(one) for one in identifiers if text_of(one.value)],
        "active": row.state != "merged",
        "name": [name] if len(name) > 1 else [],
        "telecom": telecom,
        "gender": _GENDERS.get(row.sex.strip().lower()[:1], "unknown"),
        "birthDate": row.birth_date.isoformat() if row.birth_date else "",
        "address": _address(row),
        "generalPractitioner": [_organisation(row.registered_organisation)]
        if text_of(row.registered_organisation)
        else [],
        "link": [{"other": _reference("Patient", row.merged_into), "type": "replaced-by"}]
        if row.merged_into
        else [],
    }
    if row.died_on is not None:
        resource["deceasedDateTime"] = row.died_on.isoformat()
    elif row.recorded_dead:
        resource["deceasedBoolean"] = True
    return _pruned(resource)


def _patient_identifier(row: Identifier) -> Json:
    kind = code_of(row.kind)
    found = {
        "use": "old"
        if row.state == "superseded"
        else "official"
        if row.system == "NHS"
        else "usual",
        "type": {"coding": [{"system": systems.V2_0203, "code": kind}]} if kind else {},
        "system": systems.patient_system(code_of(row.system)),
        "value": text_of(row.value),
    }
    return _pruned(found)


def _telecom(row: Patient) -> list[Json]:
    found = []
    if text_of(row.phone):
        found.append({"system": "phone", "value": text_of(row.phone)})
    if text_of(row.email):
        found.append({"system": "email", "value": text_of(row.email)})
    return found


def _address(row: Patient) -> list[Json]:
    found = _pruned({"text": text_of(row.address), "postalCode": text_of(row.postcode)})
    return [found] if found else []


def service_request(row: ServiceRequest, specimens: Sequence[str]) -> Json:
    """A ServiceRequest: one test asked for."""
    return _pruned(
        {
            "resourceType": "ServiceRequest",
            "id": row.id,
            "meta": _meta(row.position, row.updated_at),
            "identifier": _numbers(
                row.placer_number,
                row.filler_number,
                (row.placer_authority, row.filler_authority),
            ),
            "requisition": {"value": text_of(row.requisition)} if text_of(row.requisition) else {},
            "status": _known(row.status, _REQUEST_STATUS),
            "intent": "order",
            "category": [
                {
                    "coding": [
                        _coding(systems.REQUEST_CATEGORY, systems.SNOMED, "Laboratory procedure")
                    ]
                }
            ],
            "priority": row.priority if row.priority in _PRIORITY else "",
            "code": _concept(row.code, row.code_system, row.code_display),
            "subject": _reference("Patient", row.patient_id),
            "occurrenceDateTime": row.wanted_on.isoformat() if row.wanted_on else "",
            "authoredOn": _when(row.authored_at) if row.authored_at else "",
            "requester": _requester(row),
            "performer": [_organisation(row.performing_organisation)]
            if text_of(row.performing_organisation)
            else [],
            "reasonCode": _reasons(row),
            "specimen": [_reference("Specimen", one) for one in specimens],
            "note": [{"text": text_of(row.note)}] if text_of(row.note) else [],
        }
    )


def _requester(row: ServiceRequest) -> Json:
    found = _organisation(row.requesting_organisation)
    if text_of(row.requester):
        found["display"] = text_of(row.requester)
    return found


def _reasons(row: ServiceRequest) -> list[Json]:
    found: list[Json] = []
    if code_of(row.indication):
        found.append({"coding": [{"system": systems.INDICATION, "code": code_of(row.indication)}]})
    if text_of(row.reason):
        found.append({"text": text_of(row.reason)})
    return found


def specimen(row: Specimen, requests: Sequence[str]) -> Json:
    """A Specimen."""
    numbers = []
    if text_of(row.accession):
        numbers.append(_identifier(row.accession, kind="ACSN"))
    if text_of(row.placer_number) and row.placer_number != row.accession:
        numbers.append(_identifier(row.placer_number, kind="PLAC"))
    collected = _when(row.collected_at, row.collected_precision) if row.collected_at else ""
    return _pruned(
        {
            "resourceType": "Specimen",
            "id": row.id,
            "meta": _meta(row.position, row.updated_at),
            "identifier": numbers,
            "accessionIdentifier": {"value": text_of(row.accession)}
            if text_of(row.accession)
            else {},
            "status": _SPECIMEN_STATUS.get(row.status, "available"),
            "type": _concept(row.type_code, "", row.type_display)
            if code_of(row.type_code) or text_of(row.type_display)
            else {},
            "subject": _reference("Patient", row.patient_id),
            "receivedTime": _when(row.received_at) if row.received_at else "",
            "request": [_reference("ServiceRequest", one) for one in requests],
            "collection": {"collectedDateTime": collected} if collected else {},
            "container": [{"description": text_of(row.container)}]
            if text_of(row.container)
            else [],
            "note": [{"text": text_of(row.condition)}] if text_of(row.condition) else [],
        }
    )


def diagnostic_report(
    row: DiagnosticReport, lines: Sequence[int], authorities: tuple[str, str] = ("", "")
) -> Json:
    """A DiagnosticReport in its newest version."""
    code: Json = {
        "coding": [_coding(systems.REPORT_CODE, systems.SNOMED, "Diagnostic studies report")]
    }
    local = _concept(row.code, row.code_system, row.code_display)
    code["coding"] += local.get("coding", [])
    if text_of(row.code_display):
        code |= {"text": text_of(row.code_display)}
    return _pruned(
        {
            "resourceType": "DiagnosticReport",
            "id": row.id,
            "meta": _meta(row.position, row.updated_at),
            "identifier": _numbers(row.placer_number, row.filler_number, authorities),
            "basedOn": [_reference("ServiceRequest", row.service_request_id)]
            if row.service_request_id
            else [],
            "status": _known(row.status, _REPORT_STATUS),
            "category": [
                {"coding": [{"system": systems.V2_0074, "code": "LAB", "display": "Laboratory"}]}
            ],
            "code": code,
            "subject": _reference("Patient", row.patient_id),
            "effectiveDateTime": _when(row.effective_at) if row.effective_at else "",
            "issued": instant(row.issued_at) if row.issued_at else "",
            "performer": [_organisation(row.performing_organisation)]
            if text_of(row.performing_organisation)
            else [],
            "specimen": [_reference("Specimen", row.specimen_id)] if row.specimen_id else [],
            "result": [_reference("Observation", f"{row.id}-{line}") for line in lines],
            "conclusion": text_of(row.conclusion),
        }
    )


def observation(
    row: Observation, report: DiagnosticReport, authorities: tuple[str, str] = ("", "")
) -> Json:
    """An Observation: one result line of a report's newest version."""
    effective = row.effective_at or report.effective_at
    notes = [{"text": text_of(row.note)}] if text_of(row.note) else []
    return _pruned(
        {
            "resourceType": "Observation",
            "id": f"{row.report_id}-{row.sequence}",
            "meta": _meta(report.position, report.updated_at),
            "identifier": _numbers(report.placer_number, report.filler_number, authorities),
            "basedOn": [_reference("ServiceRequest", report.service_request_id)]
            if report.service_request_id
            else [],
            "status": _known(row.status, _OBSERVATION_STATUS),
            "category": [
                {
                    "coding": [
                        _coding("laboratory", systems.OBSERVATION_CATEGORY, "Laboratory"),
                    ]
                }
            ],
            "code": _concept(row.code, row.code_system, row.code_display),
            "subject": _reference("Patient", row.patient_id),
            "effectiveDateTime": _when(effective) if effective else "",
            "issued": instant(report.issued_at) if report.issued_at else "",
            "performer": [_organisation(report.performing_organisation)]
            if text_of(report.performing_organisation)
            else [],
            "interpretation": _interpretation(row.flags),
            "note": notes,
            "specimen": _reference("Specimen", report.specimen_id),
            "referenceRange": _reference_range(row),
        }
        | _value(row)
    )


# Values -----------------------------------------------------------------------------------------


def _value(row: Observation) -> Json:
    """The value in the shape that its type asks for, else why there is none."""
    text = text_of(row.value_text)
    if row.value_number is not None:
        return {"valueQuantity": _quantity(row, text)}
    if not text:
        return {
            "dataAbsentReason": {"coding": [{"system": systems.ABSENT_REASON, "code": "unknown"}]}
        }
    if row.value_type in ("CE", "CWE", "CNE", "IS", "ID"):
        return {"valueCodeableConcept": {"text": text}}
    if row.value_type in ("DT", "TS", "DTM"):
        found = _date_time(text)
        if found:
            return {"valueDateTime": found}
    return {"valueString": text}


def _quantity(row: Observation, text: str) -> Json:
    """The number with the digits as sent where the text is that number."""
    assert row.value_number is not None
    number = text.lstrip("<>= ")
    same = bool(_NUMBER.match(number)) and float(number) == row.value_number
    unit = text_of(row.unit)
    ucum = systems.ucum_code(unit)
    return _pruned(
        {
            "value": orjson.Fragment(number) if same else row.value_number,
            "comparator": row.comparator if row.comparator in _COMPARATORS else "",
            "unit": unit,
            "system": systems.UCUM if ucum else "",
            "code": ucum,
        }
    )


def _date_time(text: str) -> str:
    try:
        found = parse_timestamp(text)
    except SenderError:
        return ""
    if found.precision is Precision.HOUR:
        return _when(found.instant)
    return _when(found.instant, found.precision.value)


def _interpretation(flags: str) -> list[Json]:
    found: list[Json] = []
    for flag in _FLAGS.split(flags.strip()):
        if flag in systems.INTERPRETATIONS:
            coding = _coding(flag, systems.INTERPRETATION, systems.INTERPRETATIONS[flag])
            found.append({"coding": [coding]})
        elif text_of(flag):
            found.append({"text": text_of(flag)})
    return found


def _reference_range(row: Observation) -> list[Json]:
    text = text_of(row.reference_range)
    if not text:
        return []
    found: Json = {}
    both, one = _RANGE.match(text), _ONE_SIDED.match(text)
    if both:
        found = {"low": _bound(both[1], row.unit), "high": _bound(both[2], row.unit)}
    elif one:
        found = {"high" if one[1][0] == "<" else "low": _bound(one[2], row.unit)}
    return [found | {"text": text}]


def _bound(number: str, unit: str) -> Json:
    ucum = systems.ucum_code(unit)
    value = orjson.Fragment(number) if _NUMBER.match(number) else float(number)
    return _pruned(
        {
            "value": value,
            "unit": text_of(unit),
            "system": systems.UCUM if ucum else "",
            "code": ucum,
        }
    )


def authorities_of(row: DiagnosticReport, known: Mapping[str, tuple[str, str]]) -> tuple[str, str]:
    """Who gave the numbers of a report: its request says."""
    return known.get(row.service_request_id or "", ("", ""))
