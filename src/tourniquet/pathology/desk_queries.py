"""What the downtime desk reads of one patient's history, whole: the scratch database holds no more.

Invariants:
- Every function takes a viewer and demands that it may see clinical records.
- A history is read to its end: a blood group from long ago must not fall off a page.
"""

from __future__ import annotations

from collections.abc import Sequence

from tourniquet.directory.roles import Task, Viewer
from tourniquet.pathology.catalogue import Catalogue
from tourniquet.pathology.models import CallAttempt, CriticalCall
from tourniquet.pathology.queries import MOST, ReportPage, list_reports
from tourniquet.pathology.transfusion import TransfusionLine

_DISCIPLINE = "transfusion"


def list_all_reports(patient_id: str, *, viewer: Viewer) -> list[ReportPage]:
    """Every report of a patient, newest first, each in its current version."""
    found: list[ReportPage] = []
    before = ""
    while True:
        page = list_reports(patient_id, viewer=viewer, before=before, limit=MOST)
        found += page
        if len(page) < MOST:
            return sorted(found, key=_newest_first, reverse=True)
        before = page[-1].report.id


def _newest_first(page: ReportPage) -> tuple[float, str]:
    moment = page.report.effective_at or page.report.issued_at
    return (moment.timestamp() if moment else 0.0, page.report.id)


def list_calls_of(patient_id: str, *, viewer: Viewer) -> list[CriticalCall]:
    """Every critical value of a patient that had to be phoned, open ones first, then the newest."""
    viewer.demand(Task.SEE_CLINICAL)
    rows = CriticalCall.objects.filter(patient_id=patient_id).order_by("-opened_at", "id")[:MOST]
    return sorted(rows, key=lambda call: call.state != "open")


def list_attempts_of(calls: Sequence[CriticalCall], *, viewer: Viewer) -> dict[str, int]:
    """How often each call was tried."""
    viewer.demand(Task.SEE_CLINICAL)
    counts: dict[str, int] = {}
    rows = CallAttempt.objects.filter(call_id__in=[call.id for call in calls])
    for call_id in rows.values_list("call_id", flat=True):
        counts[call_id] = counts.get(call_id, 0) + 1
    return counts


def transfusion_lines(
    pages: Sequence[ReportPage], catalogue: Catalogue, names: dict[str, str]
) -> list[TransfusionLine]:
    """Result lines of transfusion tests: by the report's code, or by the line's."""
    tests = {code for code, test in catalogue.tests.items() if test.discipline == _DISCIPLINE}
    analytes = {code for test in tests for code in catalogue.tests[test].analytes}
    return [
        TransfusionLine(
            code=line.code,
            name=line.code_display or line.code,
            value=" ".join(part for part in (line.value_text, line.unit) if part),
            status=_status(page, line.status),
            at=line.effective_at or page.report.effective_at,
            laboratory=names.get(
                page.report.performing_organisation, page.report.performing_organisation
            ),
            note=line.note,
        )
        for page in pages
        for line in page.lines
        if page.report.code in tests or line.code in analytes
    ]


def _status(page: ReportPage, line_status: str) -> str:
    """A line counts no longer where its report does not."""
    return page.report.status if page.report.status == "entered-in-error" else line_status
