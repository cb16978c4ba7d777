"""Bounded reads of pathology, for people.

Invariants:
- Every function takes a viewer and demands that it may see clinical records.
- A viewer of an organisation sees rows that name it as requesting, performing or registered.
- Pages run by key: `after` is the last row's key of the page before; newest first means by id.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from django.db.models import Exists, OuterRef, Q, QuerySet

from tourniquet.directory.roles import Task, Viewer
from tourniquet.kernel.errors import NotFound
from tourniquet.pathology.models import (
    CallAttempt,
    CriticalCall,
    DiagnosticReport,
    Observation,
    ReportVersion,
    ServiceRequest,
    Specimen,
    SpecimenEvent,
)

MOST = 500
Row = TypeVar("Row", ServiceRequest, Specimen, DiagnosticReport, CriticalCall)


def _scope(viewer: Viewer) -> Q:
    viewer.demand(Task.SEE_CLINICAL)
    code = viewer.organisation
    if not code:
        return Q()
    return (
        Q(requesting_organisation=code)
        | Q(performing_organisation=code)
        | Q(registered_organisation=code)
    )


def named_patients(viewer: Viewer) -> Q:
    """Patients, by their id, of whom a clinical row names the viewer's organisation."""
    scope = _scope(viewer)
    rows = Q()
    for model in (ServiceRequest, DiagnosticReport, Specimen):
        rows |= Q(Exists(model.objects.filter(scope, patient_id=OuterRef("id"))))
    return rows


def _of_patient(model: type[Row], patient_id: str, viewer: Viewer, before: str) -> QuerySet[Row]:
    rows = model.objects.filter(_scope(viewer), patient_id=patient_id)
    return rows.filter(id__lt=before) if before else rows


def list_requests(
    patient_id: str, *, viewer: Viewer, before: str = "", limit: int = 50
) -> list[ServiceRequest]:
    """What was asked for, newest first."""
    rows = _of_patient(ServiceRequest, patient_id, viewer, before)
    return list(rows.order_by("-id")[: min(limit, MOST)])


@dataclass(frozen=True)
class SpecimenPath:
    """A specimen and what happened to it, oldest first."""

    specimen: Specimen
    events: tuple[SpecimenEvent, ...]


def list_specimens(
    patient_id: str, *, viewer: Viewer, before: str = "", limit: int = 50
) -> list[SpecimenPath]:
    """Where the patient's samples are, newest first."""
    rows = list(
        _of_patient(Specimen, patient_id, viewer, before).order_by("-id")[: min(limit, MOST)]
    )
    return _paths(rows)


def find_specimens(accession: str, *, viewer: Viewer) -> list[SpecimenPath]:
    """Where the samples with that number are."""
    rows = Specimen.objects.filter(
        _scope(viewer), Q(accession=accession) | Q(placer_number=accession)
    )
    return _paths(list(rows.order_by("-id")[:MOST]))


def _paths(specimens: Sequence[Specimen]) -> list[SpecimenPath]:
    events: dict[str, list[SpecimenEvent]] = {}
    found = SpecimenEvent.objects.filter(specimen_id__in=[s.pk for s in specimens])
    for event in found.order_by("at", "position", "kind"):
        events.setdefault(event.specimen_id, []).append(event)
    return [SpecimenPath(s, tuple(events.get(s.pk, ()))) for s in specimens]


@dataclass(frozen=True)
class ReportPage:
    """A report with the lines of its current version."""

    report: DiagnosticReport
    lines: tuple[Observation, ...]


def list_reports(
    patient_id: str, *, viewer: Viewer, before: str = "", limit: int = 50
) -> list[ReportPage]:
    """Results of a patient, newest first, each in its current version."""
    reports = list(
        _of_patient(DiagnosticReport, patient_id, viewer, before).order_by("-id")[
            : min(limit, MOST)
        ]
    )
    versions = {report.pk: report.version for report in reports}
    lines: dict[str, list[Observation]] = {}
    found = Observation.objects.filter(report_id__in=list(versions)).order_by("sequence")
    for line in found:
        if versions[line.report_id] == line.version:
            lines.setdefault(line.report_id, []).append(line)
    return [ReportPage(report, tuple(lines.get(report.pk, ()))) for report in reports]


@dataclass(frozen=True)
class VersionPage:
    """One version of a report with its lines."""

    version: ReportVersion
    lines: tuple[Observation, ...]


def list_versions(report_id: str, *, viewer: Viewer) -> list[VersionPage]:
    """Every version of a report, newest first. Raises: NotFound."""
    if not DiagnosticReport.objects.filter(_scope(viewer), id=report_id).exists():
        raise NotFound("There is no such report, or none that you may see.")
    lines: dict[int, list[Observation]] = {}
    for line in Observation.objects.filter(report_id=report_id).order_by("version", "sequence"):
        lines.setdefault(line.version, []).append(line)
    versions = ReportVersion.objects.filter(report_id=report_id).order_by("-version")[:MOST]
    return [VersionPage(v, tuple(lines.get(v.version, ()))) for v in versions]


def get_call(call_id: str, *, viewer: Viewer) -> CriticalCall:
    """One critical call. Raises: NotFound."""
    found = CriticalCall.objects.filter(_scope(viewer), id=call_id).first()
    if found is None:
        raise NotFound("There is no such call, or none that you may see.")
    return found


def list_open_calls(*, viewer: Viewer, after: str = "", limit: int = 50) -> list[CriticalCall]:
    """Critical values that nobody has been told of, the oldest first."""
    rows = CriticalCall.objects.filter(_scope(viewer), state="open", id__gt=after)
    return list(rows.order_by("id")[: min(limit, MOST)])


def count_open_calls(*, viewer: Viewer) -> int:
    """How many critical values wait to be phoned."""
    return CriticalCall.objects.filter(_scope(viewer), state="open").count()


def list_attempts(call_ids: Sequence[str], *, viewer: Viewer) -> dict[str, list[CallAttempt]]:
    """Attempts of each call, oldest first. The caller was shown the calls."""
    viewer.demand(Task.SEE_CLINICAL)
    out: dict[str, list[CallAttempt]] = {}
    found = CallAttempt.objects.filter(call_id__in=list(call_ids)[:MOST])
    for attempt in found.order_by("call_id", "position"):
        out.setdefault(attempt.call_id, []).append(attempt)
    return out
