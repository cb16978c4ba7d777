"""A problem for the planner from rows of the diary, and the planner's words back in dates. Pure.

Invariants:
- Days of the problem count from its first day; every place and laboratory named exists in it.
- A need whose zone is not known starts from the middle of the region and may go anywhere.
- Who must be told first is not asked to come sooner than the notice takes: LEAD_DAYS.
- A booking stays possible on its own day, whatever the lead.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from functools import lru_cache

from tourniquet.diary.rows import NeedRow, Places
from tourniquet.diary.rules import Hours, parse_tubes
from tourniquet.triage.forecast import Capacity
from tourniquet.triage.problem import (
    Clinic,
    Courier,
    Lab,
    LabCapacity,
    Need,
    Number,
    Problem,
    Seats,
    Zone,
)

LEAD_DAYS = {"P1": 0, "P2": 0, "P3": 1, "P4": 1, "P5": 2}  # source: proposed
TAIL_DAYS = 28  # harm of what is undone at the end is counted so much longer; source: proposed
ANYWHERE_KM = Decimal(10_000)
UNKNOWN_ZONE = "not known"
LAST_SEAT_HOURS = Decimal("0.25")  # from the last place of a session until the courier leaves
_DAY_WORDS = re.compile(r"\bday (-?\d+)")


@dataclass(frozen=True)
class Window:
    """The days that are planned."""

    first_day: date
    days: int

    @property
    def last_day(self) -> date:
        """The last of them."""
        return self.first_day + timedelta(days=self.days - 1)

    def number(self, day: date) -> int:
        """Days from the first."""
        return (day - self.first_day).days

    def day(self, number: int) -> date:
        """The date of a day's number."""
        return self.first_day + timedelta(days=number)


@lru_cache(maxsize=65536)
def exact(value: float) -> Decimal:
    """The number as people write it, so that sums in the planner stay exact and small."""
    return Decimal(repr(round(value, 6)))


def count_seats(
    sessions: Mapping[tuple[str, date], Sequence[Hours]],
    taken: Mapping[tuple[str, date], int],
    window: Window,
) -> list[Seats]:
    """Seats left by clinic and day; `taken` is empty where the problem holds every booking."""
    return [
        Seats(
            clinic,
            window.number(day),
            max(0, sum(h.seats for h in found) - taken.get((clinic, day), 0)),
        )
        for (clinic, day), found in sessions.items()
    ]


def build_problem(
    needs: Iterable[NeedRow],
    *,
    places: Places,
    seats: Sequence[Seats],
    capacity: Capacity,
    window: Window,
    fixed: frozenset[str] = frozenset(),
) -> Problem:
    """Build the problem. Needs in `fixed` may be moved on any day, without a lead."""
    found = list(needs)
    disciplines = sorted(
        {name for _, name, _ in capacity}
        | {name for row in found for name, _ in parse_tubes(row.tubes)}
    )
    zones = {row[0] for row in places.zones}
    clinics = {row[0] for row in places.clinics}
    laboratories = {row[0] for row in places.laboratories}
    middle = _middle(places)
    return Problem(
        days=window.days,
        tail_days=TAIL_DAYS,
        disciplines=tuple(disciplines),
        zones=(
            *(Zone(zone, borough, exact(x), exact(y)) for zone, borough, x, y in places.zones),
            Zone(UNKNOWN_ZONE, "", *middle),
        ),
        clinics=tuple(
            Clinic(code, zone, exact(x), exact(y)) for code, zone, x, y in places.clinics
        ),
        labs=tuple(Lab(code, own) for code, own in places.laboratories),
        seats=tuple(row for row in seats if row.clinic in clinics and row.seats > 0),
        lab_capacity=tuple(
            LabCapacity(laboratory, name, day, tubes)
            for (laboratory, name, day), tubes in capacity.items()
            if tubes > 0 and laboratory in laboratories
        ),
        couriers=tuple(
            Courier(clinic, laboratory, exact(hours) + LAST_SEAT_HOURS)
            for clinic, laboratory, hours in places.couriers
            if clinic in clinics and laboratory in laboratories
        ),
        needs=tuple(
            _need(row, disciplines, zones, window, is_fixed=row.id in fixed) for row in found
        ),
    )


def _need(
    row: NeedRow, disciplines: Sequence[str], zones: set[str], window: Window, *, is_fixed: bool
) -> Need:
    released = window.number(row.released)
    if not is_fixed:
        released = max(released, LEAD_DAYS.get(row.priority, 0))
    booked = window.number(row.day) if row.day is not None else None
    if booked is not None:
        released = min(released, max(booked, 0))
    escalates_on = window.number(row.escalates_on) if row.escalates_on else None
    known = row.zone in zones
    return Need(
        row.id,
        row.patient,
        row.zone if known else UNKNOWN_ZONE,
        row.indication,
        row.priority,
        released,
        window.number(row.due),
        window.number(row.safe_until),
        exact(row.harm_per_day),
        escalates_on,
        exact(row.escalated_harm_per_day),
        exact(row.stability_hours),
        exact(row.travel_km) if known else ANYWHERE_KM,
        row.clinic,
        booked,
        _along(row.tubes, tuple(disciplines)),
    )


@lru_cache(maxsize=4096)
def _along(tubes: str, disciplines: tuple[str, ...]) -> tuple[int, ...]:
    counts = dict(parse_tubes(tubes))
    return tuple(counts.get(name, 0) for name in disciplines)


def _middle(places: Places) -> tuple[Number, Number]:
    if not places.zones:
        return Decimal(0), Decimal(0)
    count = len(places.zones)
    return (
        exact(sum(row[2] for row in places.zones) / count),
        exact(sum(row[3] for row in places.zones) / count),
    )


@lru_cache(maxsize=65536)
def word_reason(reason: str, first_day: date) -> str:
    """The planner's reason with dates instead of day numbers."""

    def as_date(match: re.Match[str]) -> str:
        day = first_day + timedelta(days=int(match[1]))
        return f"{day.day} {day:%B}"

    return _DAY_WORDS.sub(as_date, reason)
