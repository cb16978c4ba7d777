"""Notices for pages: bounded, a viewer first.

Invariants:
- Counts are for who sees operations; rows name patients and are for who sees clinical records, and
  of these only those of the viewer's organisation's own patients.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from django.db.models import QuerySet

from tourniquet.directory.roles import Task, Viewer
from tourniquet.notices.models import Notice, StatusPublication

ROWS_MOST = 500
TO_SEND = ("written", "sending", "failed_for_now")
UNDELIVERED = ("failed_for_good", "call_list")


def count_notices_to_send(viewer: Viewer) -> int:
    """Notices written that have not arrived yet."""
    viewer.demand(Task.SEE_OPERATIONS)
    return Notice.objects.filter(status__in=TO_SEND).count()


def count_undelivered(viewer: Viewer) -> int:
    """Notices that a person must follow up: failed for good, or for a call."""
    viewer.demand(Task.SEE_OPERATIONS)
    return _scoped(viewer).filter(status__in=UNDELIVERED).count()


def list_undelivered(viewer: Viewer, *, offset: int, limit: int) -> list[Notice]:
    """Notices that a person must follow up, the oldest first."""
    viewer.demand(Task.SEE_CLINICAL)
    found = _scoped(viewer).filter(status__in=UNDELIVERED).order_by("written_at", "id")
    return list(found[offset : offset + min(limit, ROWS_MOST)])


def list_notices_of(viewer: Viewer, patient_ids: Iterable[str], *, limit: int) -> list[Notice]:
    """Notices to one person, newest first. The caller has scoped them."""
    viewer.demand(Task.SEE_CLINICAL)
    found = Notice.objects.filter(patient_id__in=sorted(set(patient_ids)))
    return list(found.order_by("-written_at", "-id")[: min(limit, ROWS_MOST)])


def _scoped(viewer: Viewer) -> QuerySet[Notice]:
    found = Notice.objects.all()
    if viewer.organisation:
        found = found.filter(registered_organisation=viewer.organisation)
    return found


def find_promised_update() -> datetime | None:
    """When the public page says that the next word comes; public, so nobody is asked who."""
    last = StatusPublication.objects.order_by("-position").values_list("next_update_at", flat=True)
    return last.first()
