"""The diary for pages: capacity, clinics' days, who waits; bounded, a viewer first.

Invariants:
- Capacity and places are for who sees operations; needs and appointments name patients and are
  for who sees clinical records, and of these only the viewer's organisation's own.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from django.db.models import Count, Exists, Max, Min, OuterRef, Q, QuerySet

from tourniquet.diary.models import (
    Appointment,
    AppointmentEvent,
    Clinic,
    GateReservation,
    Laboratory,
    LaboratoryDay,
    Need,
    Session,
)
from tourniquet.diary.rules import URGENT
from tourniquet.directory.roles import Task, Viewer

WEEKS_MOST = 20
DAY_ROWS_MOST = 20_000
PAGE_MOST = 500
PLACES_MOST = 5000
NORMAL = "normal"
# For so long somebody makes sure that who was sent by the emergency route got there. Proposed.
EMERGENCY_FOLLOW_UP = timedelta(days=3)
_GONE = ("moved", "cancelled")


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


@dataclass(frozen=True, slots=True)
class Waiting:
    """How many wait, since when the first, and how many are past the day promised to them."""

    count: int
    oldest: datetime | None = None
    late: int = 0


def count_urgent_waiting(viewer: Viewer, now: datetime) -> Waiting:
    """Urgent needs without an appointment, and those sent by the emergency route of late."""
    viewer.demand(Task.SEE_OPERATIONS)
    found = _urgent_needs(viewer, now).aggregate(count=Count("id"), oldest=Min("opened_at"))
    return Waiting(found["count"], found["oldest"])


def list_urgent_waiting(viewer: Viewer, now: datetime, *, offset: int, limit: int) -> list[Need]:
    """Those needs, the most urgent first and of these the one whose safe time ends first."""
    viewer.demand(Task.SEE_CLINICAL)
    rows = _urgent_needs(viewer, now).order_by("priority", "safe_until", "id")
    return list(rows[offset : offset + min(limit, PAGE_MOST)])


def count_waiting(viewer: Viewer, today: date) -> Waiting:
    """Needs without an appointment."""
    viewer.demand(Task.SEE_OPERATIONS)
    rows = _waiting_needs(viewer)
    found = rows.aggregate(
        count=Count("id"), late=Count("id", filter=Q(review_on__lt=today)), oldest=Min("opened_at")
    )
    return Waiting(found["count"], found["oldest"], found["late"])


def list_waiting(viewer: Viewer, *, offset: int, limit: int) -> list[Need]:
    """Those needs, by the day on which the patient is told."""
    viewer.demand(Task.SEE_CLINICAL)
    rows = _waiting_needs(viewer).order_by("review_on", "priority", "id")
    return list(rows[offset : offset + min(limit, PAGE_MOST)])


def _waiting_needs(viewer: Viewer) -> QuerySet[Need]:
    return Need.objects.filter(_names_need(viewer), status="waiting")


def _urgent_needs(viewer: Viewer, now: datetime) -> QuerySet[Need]:
    sent_of_late = Q(status="emergency", updated_at__gte=now - EMERGENCY_FOLLOW_UP)
    return Need.objects.filter(
        _names_need(viewer), Q(status="waiting") | sent_of_late, priority__in=sorted(URGENT)
    )


def list_needs_by_id(viewer: Viewer, ids: Iterable[str]) -> dict[str, Need]:
    """Needs of rows that this viewer may see."""
    viewer.demand(Task.SEE_CLINICAL)
    return {need.id: need for need in Need.objects.filter(pk__in=sorted(set(ids)))}


def count_day(viewer: Viewer, day: date) -> tuple[int, int]:
    """Appointments of a day that are booked or kept, and in how many clinics."""
    viewer.demand(Task.SEE_OPERATIONS)
    found = Appointment.objects.filter(
        _names_appointment(viewer), day=day, status__in=("booked", "attended")
    ).aggregate(count=Count("id"), clinics=Count("clinic", distinct=True))
    return found["count"], found["clinics"]


@dataclass(frozen=True)
class ClinicDay:
    """A clinic's day: its sessions, seats taken by anybody, and the viewer's appointments."""

    sessions: tuple[Session, ...]
    taken: int
    appointments: tuple[Appointment, ...]
    needs: dict[str, Need]
    gates: dict[str, GateReservation]


def get_clinic_day(viewer: Viewer, clinic: str, day: date) -> ClinicDay:
    """The list of one clinic for one day, by time."""
    viewer.demand(Task.SEE_CLINICAL)
    booked = Appointment.objects.filter(clinic=clinic, day=day).exclude(status__in=_GONE)
    rows = booked.filter(_names_appointment(viewer)).order_by("at", "id")[:PAGE_MOST]
    appointments = tuple(rows)
    ids = [one.id for one in appointments]
    return ClinicDay(
        sessions=tuple(Session.objects.filter(clinic=clinic, day=day).order_by("starts_at", "id")),
        taken=booked.exclude(status="turned_away").count(),
        appointments=appointments,
        needs=list_needs_by_id(viewer, [one.need_id for one in appointments]),
        gates={
            gate.appointment_id: gate
            for gate in GateReservation.objects.filter(appointment_id__in=ids)
        },
    )
