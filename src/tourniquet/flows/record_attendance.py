"""Who did not come: the need waits again, and is looked at the next morning.

1. A clinic marks appointments of its own day as missed; or in the evening the day is closed and
   every appointment that the gate passed and nobody collected counts as missed.
2. Append `appointment.missed`: what the gate had reserved is free again, the need waits with a
   review day.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime, timedelta

from tourniquet.diary.entries import AppointmentMissed
from tourniquet.diary.models import Appointment
from tourniquet.directory.roles import SYSTEM_VIEWER, Role, Task, Viewer
from tourniquet.kernel.clock import service_day
from tourniquet.kernel.errors import UserError
from tourniquet.record.journal import Act, writing

MISSED = "did not come"
AT_ONCE = 2000


def record_missed(appointments: Iterable[str], *, viewer: Viewer, now: datetime) -> int:
    """Mark appointments as missed; how many were booked until now.

    Raises: PermissionRefused; UserError where one is not on a past or present day, or not the
    viewer's clinic's.
    """
    viewer.demand(Task.RECORD_CLINICAL)
    wanted = sorted(set(appointments))
    today = service_day(now)
    with writing(Act(viewer.account, now, viewer.organisation)) as journal:
        rows = Appointment.objects.filter(id__in=wanted).order_by("id")
        found = list(rows.values_list("id", "need_id", "patient_id", "clinic", "day", "status"))
        if len(found) != len(wanted) or any(row[4] > today for row in found):
            raise UserError("Only appointments of today or before can be missed.")
        own = viewer.organisation if viewer.role is Role.CLINIC else ""
        if own and any(row[3] != own for row in found):
            raise UserError("A clinic marks its own appointments only.")
        booked = [row for row in found if row[5] == "booked"]
        for appointment, need, patient, *_ in booked:
            journal.append(
                AppointmentMissed(
                    appointment=appointment, need=need, review_on=_next(today), reason=MISSED
                ),
                subject=patient,
            )
    return len(booked)


def close_day(*, now: datetime, viewer: Viewer = SYSTEM_VIEWER) -> int:
    """Count every appointment up to today that still stands as missed; how many."""
    today = service_day(now)
    act = Act(viewer.account, now, viewer.organisation)
    missed = 0
    while True:
        with writing(act) as journal:
            rows = list(
                Appointment.objects.filter(day__lte=today, status="booked")
                .order_by("id")
                .values_list("id", "need_id", "patient_id")[:AT_ONCE]
            )
            for appointment, need, patient in rows:
                journal.append(
                    AppointmentMissed(
                        appointment=appointment, need=need, review_on=_next(today), reason=MISSED
                    ),
                    subject=patient,
                )
        missed += len(rows)
        if len(rows) < AT_ONCE:
            return missed


def _next(today: date) -> date:
    return today + timedelta(days=1)
