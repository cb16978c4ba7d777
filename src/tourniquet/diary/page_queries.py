"""The diary for pages: capacity, clinics' days, who waits; bounded, a viewer first.

Invariants:
- Capacity and places are for who sees operations; needs and appointments name patients and are
  for who sees clinical records, and of these only the viewer's organisation's own.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from django.db.models import Exists, Max, OuterRef, Q

from tourniquet.diary.models import (
    Appointment,
    AppointmentEvent,
    Clinic,
    Laboratory,
    LaboratoryDay,
    Need,
)
from tourniquet.directory.roles import Task, Viewer

WEEKS_MOST = 20
DAY_ROWS_MOST = 20_000
PAGE_MOST = 500
PLACES_MOST = 5000
NORMAL = "normal"


@dataclass(frozen=True, slots=True)
class CapacityDay:
    """What a laboratory can take on a day in one discipline, as last declared."""

    laboratory: str
    discipline: str
    day: date
    tubes: int
    normal_tubes: int
    flag: str
    source: str
    declared_at: datetime


def list_laboratories(viewer: Viewer) -> list[str]:
    """Codes of the laboratories."""
    viewer.demand(Task.SEE_OPERATIONS)
    return list(Laboratory.objects.order_by("code").values_list("code", flat=True)[:PLACES_MOST])


def list_clinics(viewer: Viewer) -> list[str]:
    """Codes of the clinics."""
    viewer.demand(Task.SEE_OPERATIONS)
    return list(Clinic.objects.order_by("code").values_list("code", flat=True)[:PLACES_MOST])


def list_capacity(viewer: Viewer, first: date, last: date) -> list[CapacityDay]:
    """Capacity by laboratory, discipline and day, both days included."""
    viewer.demand(Task.SEE_OPERATIONS)
    rows = LaboratoryDay.objects.filter(day__gte=first, day__lte=last)
    return [
        CapacityDay(*row)
        for row in rows.order_by("laboratory", "discipline", "day").values_list(
            "laboratory",
            "discipline",
            "day",
            "tubes",
            "normal_tubes",
            "flag",
            "source",
            "declared_at",
        )[:DAY_ROWS_MOST]
    ]


def find_last_declared_day(viewer: Viewer, first: date) -> date | None:
    """The last day from `first` on for which a laboratory said something, or None."""
    viewer.demand(Task.SEE_OPERATIONS)
    limit = first + timedelta(weeks=WEEKS_MOST)
    rows = LaboratoryDay.objects.filter(day__gte=first, day__lt=limit).exclude(flag=NORMAL)
    found: date | None = rows.aggregate(last=Max("day"))["last"]
    return found


def list_safe_days(viewer: Viewer, needs: Iterable[str]) -> dict[str, date]:
    """The day until which each of these needs may safely wait, for lines already scoped."""
    viewer.demand(Task.SEE_CLINICAL)
    rows = Need.objects.filter(pk__in=sorted(set(needs)))
    return dict(rows.values_list("id", "safe_until"))


@dataclass(frozen=True)
class Visits:
    """Needs and appointments of one person, each with its history."""

    needs: tuple[Need, ...]
    appointments: tuple[Appointment, ...]
    events: dict[str, list[AppointmentEvent]]


def named_patients(viewer: Viewer) -> Q:
    """Patients, by their id, of whom a need or an appointment names the viewer's organisation."""
    viewer.demand(Task.SEE_CLINICAL)
    needs = Need.objects.filter(_names_need(viewer), patient_id=OuterRef("id"))
    appointments = Appointment.objects.filter(_names_appointment(viewer), patient_id=OuterRef("id"))
    return Q(Exists(needs)) | Q(Exists(appointments))


def list_visits_of(viewer: Viewer, patient_ids: Iterable[str], *, limit: int) -> Visits:
    """What one person needs and where they are booked, newest first."""
    viewer.demand(Task.SEE_CLINICAL)
    ids = sorted(set(patient_ids))
    limit = min(limit, PAGE_MOST)
    appointments = list(
        Appointment.objects.filter(_names_appointment(viewer), patient_id__in=ids).order_by(
            "-day", "-at", "-id"
        )[:limit]
    )
    booked = [one.need_id for one in appointments]
    needs = Need.objects.filter(patient_id__in=ids)
    if viewer.organisation:  # Q() or something is that something, not everything
        needs = needs.filter(_names_need(viewer) | Q(pk__in=booked))
    events: dict[str, list[AppointmentEvent]] = {}
    rows = AppointmentEvent.objects.filter(appointment_id__in=[one.id for one in appointments])
    for event in rows.order_by("position"):
        events.setdefault(event.appointment_id, []).append(event)
    return Visits(tuple(needs.order_by("-opened_at", "-id")[:limit]), tuple(appointments), events)


def _names_need(viewer: Viewer) -> Q:
    code = viewer.organisation
    if not code:
        return Q()
    return Q(requesting_organisation=code) | Q(registered_organisation=code)


def _names_appointment(viewer: Viewer) -> Q:
    code = viewer.organisation
    if not code:
        return Q()
    return _names_need(viewer) | Q(clinic=code) | Q(laboratory=code)
