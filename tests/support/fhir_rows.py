"""Rows for tests of reading, written as they stand and not through the journal."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

MOMENT = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)


def number(index: int) -> str:
    """An id that sorts by its number."""
    return f"01{index:024d}"


def _create(model: Any, row: dict[str, Any]) -> Any:
    """A row; columns that these tests do not care for are filled in."""
    from django.db import models

    for one in model._meta.concrete_fields:
        if one.attname not in row and not one.null:
            row[one.attname] = "" if isinstance(one, models.CharField | models.TextField) else 1
    return model.objects.create(**row)


def add_patient(index: int, **values: Any) -> Any:
    """A patient."""
    from tourniquet.patients.models import Patient

    row = {
        "id": number(index),
        "state": "active",
        "merged_into": None,
        "family_name": "JONES",
        "given_names": "Mary Ann",
        "title": "Mrs",
        "family_key": "JONES",
        "birth_date": date(1945, 7, 14),
        "birth_text": "19450714",
        "sex": "F",
        "address": "1 High Street",
        "postcode": "SE1 7EH",
        "phone": "020 7946 0000",
        "email": "",
        "language": "",
        "registered_organisation": "G85001",
        "died_on": None,
        "recorded_dead": False,
        "sensitive": False,
        "unsafe_contact": False,
        "why_provisional": "",
        "registered_at": MOMENT,
        "updated_at": MOMENT,
        "position": index,
    }
    return _create(Patient, row | values)


def add_identifier(patient: str, value: str, *, system: str = "NHS", state: str = "current") -> Any:
    """An identifier of a patient."""
    from tourniquet.patients.models import Identifier

    return Identifier.objects.create(
        system=system,
        value=value,
        patient_id=patient,
        kind="NH" if system == "NHS" else "MR",
        state=state,
        position=1,
    )


def _scoped(index: int, patient: str) -> dict[str, Any]:
    return {
        "id": number(index),
        "patient_id": patient,
        "requesting_organisation": "G85001",
        "performing_organisation": "RJ121",
        "registered_organisation": "G85001",
        "updated_at": MOMENT,
        "position": index,
    }


def add_request(index: int, patient: str, **values: Any) -> Any:
    """A ServiceRequest."""
    from tourniquet.pathology.models import ServiceRequest

    row = _scoped(index, patient) | {
        "requisition": "REQ1",
        "placer_number": f"P{index}",
        "placer_authority": "G85001",
        "filler_number": f"F{index}",
        "filler_authority": "",
        "sender": "GP|G85001",
        "code": "FBC",
        "code_system": "",
        "code_display": "Full blood count",
        "status": "active",
        "priority": "routine",
        "indication": "SYMP",
        "authored_at": MOMENT,
        "wanted_on": date(2026, 3, 5),
        "requester": "Dr A Smith",
        "reason": "Tired",
        "note": "",
    }
    return _create(ServiceRequest, row | values)


def add_specimen(index: int, patient: str, requests: list[str], **values: Any) -> Any:
    """A Specimen and the requests that it serves."""
    from tourniquet.pathology.models import Specimen, SpecimenRequest

    row = _scoped(index, patient) | {
        "accession": f"A{index}",
        "placer_number": "",
        "requisition": "REQ1",
        "type_code": "BLD",
        "type_display": "Whole blood",
        "container": "EDTA",
        "status": "available",
        "collected_at": MOMENT,
        "collected_precision": "minute",
        "received_at": MOMENT,
        "condition": "",
    }
    found = _create(Specimen, row | values)
    for request in requests:
        SpecimenRequest.objects.create(specimen_id=found.id, service_request_id=request)
    return found


def add_report(index: int, patient: str, **values: Any) -> Any:
    """A DiagnosticReport."""
    from tourniquet.pathology.models import DiagnosticReport

    row = _scoped(index, patient) | {
        "version": 1,
        "service_request_id": None,
        "specimen_id": None,
        "requisition": "REQ1",
        "placer_number": f"P{index}",
        "filler_number": f"F{index}",
        "sender": "LAB|RJ121",
        "code": "FBC",
        "code_system": "WinPath",
        "code_display": "Full blood count",
        "status": "final",
        "effective_at": MOMENT,
        "issued_at": MOMENT,
        "conclusion": "",
    }
    return _create(DiagnosticReport, row | values)


def add_observation(report: Any, sequence: int, **values: Any) -> Any:
    """A result line of a report."""
    from tourniquet.pathology.models import Observation

    row = {
        "report_id": report.id,
        "version": report.version,
        "sequence": sequence,
        "patient_id": report.patient_id,
        "code": "718-7",
        "code_system": "LN",
        "code_display": "Haemoglobin",
        "sub_id": "",
        "value_type": "NM",
        "value_text": "131.50",
        "value_number": 131.5,
        "comparator": "",
        "unit": "g/L",
        "reference_range": "115-165",
        "flags": "",
        "status": "final",
        "effective_at": None,
        "note": "",
    }
    return _create(Observation, row | values)
