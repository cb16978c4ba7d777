"""Bulk reads of the diary for flows that plan, book and open the gate; never for a person.

Invariants:
- Rows come as plain values, in a fixed order; no model instances.
- Bounded by days: nothing here reads the past but the last weeks' arrivals, which are counted in
  the database.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import date, datetime, time

from django.db.models import Count, OuterRef, Q, Subquery

from tourniquet.diary.models import (
    Appointment,
    Clinic,
    Courier,
    GateReservation,
    Laboratory,
    LaboratoryDay,
    Need,
    Session,
    Zone,
)
from tourniquet.diary.rows import Arrivals, ComerRow, NeedRow, OpenNeeds, Places
from tourniquet.diary.rules import Hours, Left, parse_tubes

IDS_AT_ONCE = 500  # SQLite takes a bounded number of parameters in one statement


_NEED = (
    "id",
    "patient_id",
    "indication",
    "priority",
    "zone",
    "released",
    "due",
    "safe_until",
    "harm_per_day",
    "escalates_on",
    "escalated_harm_per_day",
    "stability_hours",
    "travel_km",
    "tubes",
    "status",
    "review_on",
    "reason",
    "requesting_organisation",
    "registered_organisation",
)
_PLACE = ("need_id", "id", "clinic", "day", "at", "laboratory")


def read_places() -> Places:
    """The map, each list in order of its keys."""
    return Places(
        tuple(Zone.objects.order_by("zone").values_list("zone", "borough", "x_km", "y_km")),
        tuple(Clinic.objects.order_by("code").values_list("code", "zone", "x_km", "y_km")),
        tuple(Laboratory.objects.order_by("code").values_list("code", "own")),
        tuple(
            Courier.objects.order_by("clinic", "laboratory").values_list(
                "clinic", "laboratory", "hours"
            )
        ),
    )


def read_sessions(first: date, last: date) -> dict[tuple[str, date], list[Hours]]:
    """Open sessions of these days, by clinic and day, sorted by their beginning."""
    found: dict[tuple[str, date], list[Hours]] = {}
    rows = (
        Session.objects.filter(day__gte=first, day__lte=last, state="open")
        .order_by("day", "clinic", "starts_at", "id")
        .values_list("id", "clinic", "day", "starts_at", "minutes_each", "seats")
    )
    for row in rows:
        hours = Hours(*row)
        found.setdefault((hours.clinic, hours.day), []).append(hours)
    return found


def read_capacity(first: date, last: date) -> dict[tuple[str, str, date], tuple[int, str]]:
    """Tubes and flag by laboratory, discipline and day."""
    rows = LaboratoryDay.objects.filter(day__gte=first, day__lte=last).values_list(
        "laboratory", "discipline", "day", "tubes", "flag"
    )
    return {(laboratory, name, day): (tubes, flag) for laboratory, name, day, tubes, flag in rows}


def read_taken_seats(first: date, last: date) -> dict[tuple[str, date], int]:
    """How many appointments stand, by clinic and day."""
    rows = (
        Appointment.objects.filter(
            day__gte=first, day__lte=last, status__in=("booked", "attended", "missed")
        )
        .values("clinic", "day")
        .annotate(taken=Count("id"))
        .values_list("clinic", "day", "taken")
    )
    return {(clinic, day): taken for clinic, day, taken in rows}


def read_seat_times(pairs: Iterable[tuple[str, date]]) -> dict[tuple[str, date], dict[str, time]]:
    """Appointments that stand, with their times, in these clinics on these days."""
    found: dict[tuple[str, date], dict[str, time]] = {pair: {} for pair in pairs}
    days = sorted({day for _, day in found})
    for day in days:
        clinics = [clinic for clinic, one in found if one == day]
        rows = Appointment.objects.filter(
            day=day, clinic__in=clinics, status__in=("booked", "attended", "missed")
        ).values_list("id", "clinic", "at")
        for appointment, clinic, at in rows:
            found[clinic, day][appointment] = at
    return found


def read_used_tubes(first: date, last: date) -> dict[tuple[str, str, date], int]:
    """Tubes of the appointments that stand, by laboratory, discipline and day."""
    used: dict[tuple[str, str, date], int] = defaultdict(int)
    tubes = Need.objects.filter(
        id=OuterRef("need_id"), appointment_id=OuterRef("id"), status__in=("booked", "collected")
    ).values("tubes")[:1]
    rows = (
        Appointment.objects.filter(day__gte=first, day__lte=last, status__in=("booked", "attended"))
        .values("laboratory", "day", tubes=Subquery(tubes))
        .annotate(found=Count("id"))
        .values_list("laboratory", "day", "tubes", "found")
    )
    for laboratory, day, text, found in rows:
        for name, count in parse_tubes(text or ""):
            used[laboratory, name, day] += count * found
    return dict(used)


def read_needs_to_plan(first: date, last: date) -> list[NeedRow]:
    """Every need of a full plan: waiting and wanted by the last day, or booked from the first."""
    waiting = Need.objects.filter(status="waiting", released__lte=last).values_list(*_NEED)
    rows = [NeedRow(*row) for row in waiting]
    places = _places_of(Appointment.objects.filter(day__gte=first, status="booked"))
    booked = Need.objects.filter(status="booked").values_list(*_NEED)
    rows.extend(NeedRow._make((*row, *places[row[0]])) for row in booked if row[0] in places)
    rows.sort(key=lambda row: row.id)
    return rows


def read_needs_to_book(today: date, last: date, *, filling: int) -> list[NeedRow]:
    """Needs that wait and are looked at today: new ones, urgent ones, those to review.

    And so many others, the most urgent and longest waiting first, to fill what has come free.
    """
    waiting = Need.objects.filter(status="waiting", released__lte=last)
    due = Q(reason="") | Q(priority__in=("P1", "P2")) | Q(review_on__lte=today)
    rows = list(waiting.filter(due).values_list(*_NEED))
    if filling:
        rest = waiting.exclude(due).order_by("priority", "due", "id")
        rows.extend(rest.values_list(*_NEED)[:filling])
    return sorted((NeedRow(*row) for row in rows), key=lambda row: row.id)


def read_needs_without_word(
    today: date, last: date, *, priorities: tuple[str, ...] = ()
) -> list[NeedRow]:
    """Needs that wait and were told nothing yet, or whose review day has come."""
    found = Need.objects.filter(
        Q(reason="") | Q(review_on=None) | Q(review_on__lte=today),
        status="waiting",
        released__lte=last,
    )
    if priorities:
        found = found.filter(priority__in=priorities)
    return [NeedRow(*row) for row in found.order_by("id").values_list(*_NEED)]


def read_booked(first: date, last: date, *, priorities: tuple[str, ...] = ()) -> list[NeedRow]:
    """Needs with an appointment on these days that the gate has not passed yet."""
    appointments = Appointment.objects.filter(
        day__gte=first, day__lte=last, status="booked"
    ).exclude(
        id__in=GateReservation.objects.filter(day__gte=first, day__lte=last).values(
            "appointment_id"
        )
    )
    places = _places_of(appointments)
    found = Need.objects.filter(status="booked", appointment_id__in=appointments.values("id"))
    if priorities:
        found = found.filter(priority__in=priorities)
    rows = found.order_by("id").values_list(*_NEED)
    return [NeedRow._make((*row, *places[row[0]])) for row in rows if row[0] in places]


def read_needs(ids: Iterable[str]) -> dict[str, NeedRow]:
    """These needs as they stand, with the appointment that each has."""
    wanted = sorted(set(ids))
    found: dict[str, NeedRow] = {}
    for start in range(0, len(wanted), IDS_AT_ONCE):
        part = wanted[start : start + IDS_AT_ONCE]
        places = _places_of(Appointment.objects.filter(need_id__in=part, status="booked"))
        for row in Need.objects.filter(id__in=part).values_list(*_NEED):
            place = places.get(row[0])
            found[row[0]] = NeedRow._make((*row, *place)) if place else NeedRow(*row)
    return found


def _places_of(appointments: object) -> dict[str, tuple[str, str, date, time, str]]:
    rows = appointments.values_list(*_PLACE)  # type: ignore[attr-defined] # a query set
    return {row[0]: row[1:] for row in rows}


def read_urgent_arrivals(since: datetime) -> list[Arrivals]:
    """Urgent needs opened since then, counted by priority and tubes."""
    rows = (
        Need.objects.filter(opened_at__gte=since, priority__in=("P1", "P2"))
        .values("priority", "tubes")
        .annotate(found=Count("id"))
        .order_by("priority", "tubes")
        .values_list("priority", "tubes", "found")
    )
    return [Arrivals(*row) for row in rows]


def count_open_needs(today: date, *, priorities: tuple[str, ...]) -> list[OpenNeeds]:
    """Needs of these priorities that wait or are booked, counted by tubes and safe day."""
    rows = (
        Need.objects.filter(
            status__in=("waiting", "booked"), priority__in=priorities, released__lte=today
        )
        .values("priority", "tubes", "safe_until")
        .annotate(found=Count("id"))
        .order_by("priority", "tubes", "safe_until")
        .values_list("priority", "tubes", "safe_until", "found")
    )
    return [OpenNeeds(*row) for row in rows]


def read_comers(day: date) -> list[ComerRow]:
    """Booked appointments of the day that the gate has not decided on, in order of their ids."""
    rows = (
        Appointment.objects.filter(day=day, status="booked")
        .exclude(id__in=GateReservation.objects.filter(day=day).values("appointment_id"))
        .order_by("id")
        .values_list("id", "need_id", "patient_id", "clinic", "at", "laboratory")
    )
    return [ComerRow(*row) for row in rows]


def read_left(day: date) -> Left:
    """What laboratories can still take on a day, after what the gate has reserved."""
    left = Left(
        {
            (laboratory, name): tubes
            for (laboratory, name, _), (tubes, _) in read_capacity(day, day).items()
        }
    )
    rows = GateReservation.objects.filter(day=day, status__in=("reserved", "used")).values_list(
        "laboratory", "tubes"
    )
    for laboratory, tubes in rows:
        left.take(laboratory, parse_tubes(tubes))
    return left
