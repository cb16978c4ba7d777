"""What a patient's page needs of pathology beside pathology.queries, in a fixed number of reads."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count

from tourniquet.directory.roles import Task, Viewer
from tourniquet.pathology.models import (
    CriticalCall,
    DiagnosticReport,
    Observation,
    ReportVersion,
    ServiceRequest,
    SpecimenRequest,
)

LINES_MOST = 5000


@dataclass(frozen=True, slots=True)
class EarlierLine:
    """What a result line said in an earlier version."""

    code: str
    sub_id: str
    value_text: str
    unit: str
    status: str
    at: datetime


def list_earlier_lines(
    viewer: Viewer, reports: Sequence[DiagnosticReport]
) -> dict[str, list[EarlierLine]]:
    """Lines of versions that are not current, by report, newest first; the caller scoped them."""
    viewer.demand(Task.SEE_CLINICAL)
    current = {report.id: report.version for report in reports}
    versions = {
        (report, version): at
        for report, version, at in ReportVersion.objects.filter(
            report_id__in=list(current)
        ).values_list("report_id", "version", "recorded_at")
        if version != current[report]
    }
    if not versions:
        return {}
    found: dict[str, list[EarlierLine]] = {}
    lines = Observation.objects.filter(report_id__in={report for report, _ in versions})
    for line in lines.order_by("report_id", "-version", "sequence")[:LINES_MOST]:
        at = versions.get((line.report_id, line.version))
        if at is not None:
            found.setdefault(line.report_id, []).append(
                EarlierLine(line.code, line.sub_id, line.value_text, line.unit, line.status, at)
            )
    return found


def list_tests_of_specimens(viewer: Viewer, specimen_ids: Iterable[str]) -> dict[str, list[str]]:
    """Names of the tests that each specimen serves; the caller scoped the specimens."""
    viewer.demand(Task.SEE_CLINICAL)
    pairs = list(
        SpecimenRequest.objects.filter(specimen_id__in=sorted(set(specimen_ids)))
        .order_by("specimen_id", "service_request_id")
        .values_list("specimen_id", "service_request_id")[:LINES_MOST]
    )
    names = {
        row[0]: row[1] or row[2]
        for row in ServiceRequest.objects.filter(pk__in={pair[1] for pair in pairs}).values_list(
            "id", "code_display", "code"
        )
    }
    found: dict[str, list[str]] = {}
    for specimen, request in pairs:
        if request in names:
            found.setdefault(specimen, []).append(names[request])
    return found


@dataclass(frozen=True, slots=True)
class Held:
    """What is held for a provisional patient."""

    reports: int = 0
    has_critical: bool = False


def count_held(viewer: Viewer, patient_ids: Iterable[str]) -> dict[str, Held]:
    """Reports and open critical calls by patient, for patients that this viewer was shown."""
    viewer.demand(Task.SEE_CLINICAL)
    ids = sorted(set(patient_ids))
    reports = dict(
        DiagnosticReport.objects.filter(patient_id__in=ids)
        .values_list("patient_id")
        .annotate(count=Count("id"))
    )
    calls = set(
        CriticalCall.objects.filter(patient_id__in=ids, state="open").values_list(
            "patient_id", flat=True
        )
    )
    return {one: Held(reports.get(one, 0), one in calls) for one in ids}
