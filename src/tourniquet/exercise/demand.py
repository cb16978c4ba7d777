"""What is asked for: needs over the weeks, as columns, with the catalogue's clinical terms.

Invariants:
- Needs are numbered in order of the day on which they are released; those of a day depend on the
  seed and the day alone. Number of people, region and scenario given, they never change.
- A need is not known to anybody before its release day. It is known on the morning of that day,
  before sessions begin.
- Needs released in the four weeks before day 0 have an appointment, in the warm-up week or in
  weeks 1 to 4; those released later have none yet.
- Rates of harm and safe deferrals are the catalogue's: proposed, and in need of sign-off.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from tourniquet.diary.harm import NEVER
from tourniquet.exercise.keyed import generator
from tourniquet.exercise.people import Columns
from tourniquet.exercise.region import Region, distance_km
from tourniquet.exercise.scenario import MixRow, Scenario
from tourniquet.pathology.catalogue import DISCIPLINES, PRIORITIES, Catalogue, Indication

FIRST_RELEASE_DAY = -28
LAST_BOOKED_DAY = 27
NO_BOOKING = -10_000
SEAT_HEADROOM = 1.15
SEATS_GROW_WITH_RECOVERY = 1.12
URGENT = 2
"""P1 and P2 are urgent."""

Ints = NDArray[np.int32]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Needs:
    """One row for each need. Days are exercise days; NEVER stands for no escalation."""

    indications: tuple[Indication, ...]
    indication: NDArray[np.int16]
    person: Ints
    zone: NDArray[np.int16]
    practice: NDArray[np.int16]
    priority: NDArray[np.int8]
    released: Ints
    due: Ints
    safe_until: Ints
    harm_per_day: Floats
    escalates_on: Ints
    escalated_harm_per_day: Floats
    stability_hours: Floats
    travel_km: Floats
    tubes: NDArray[np.int16]
    booked_clinic: NDArray[np.int16]
    booked_day: Ints

    def __len__(self) -> int:
        return len(self.person)

    @cached_property
    def urgent(self) -> NDArray[np.bool_]:
        """P1 and P2."""
        return np.asarray(self.priority <= URGENT)

    @cached_property
    def by_release_day(self) -> dict[int, NDArray[np.int64]]:
        """Numbers of the needs released on each day."""
        days, starts = np.unique(self.released, return_index=True)
        ends = np.r_[starts[1:], len(self)]
        return {
            int(day): np.arange(start, end)
            for day, start, end in zip(days, starts, ends, strict=True)
        }

    def row(self, number: int) -> Need:
        """One need as a value."""
        reason = self.indications[int(self.indication[number])]
        booked = int(self.booked_day[number])
        turn = int(self.escalates_on[number])
        return Need(
            number=number,
            key=need_key(number),
            person=int(self.person[number]),
            indication=reason,
            priority=PRIORITIES[int(self.priority[number]) - 1],
            released=int(self.released[number]),
            due=int(self.due[number]),
            safe_until=int(self.safe_until[number]),
            harm_per_day=float(self.harm_per_day[number]),
            escalates_on=None if turn >= NEVER else turn,
            escalated_harm_per_day=float(self.escalated_harm_per_day[number]),
            stability_hours=float(self.stability_hours[number]),
            travel_km=float(self.travel_km[number]),
            tubes=reason.tubes,
            tests=reason.tests,
            booked_clinic=None if booked == NO_BOOKING else int(self.booked_clinic[number]),
            booked_day=None if booked == NO_BOOKING else booked,
        )


@dataclass(frozen=True)
class Need:
    """One need, read out of the columns."""

    number: int
    key: str
    person: int
    indication: Indication
    priority: str
    released: int
    due: int
    safe_until: int
    harm_per_day: float
    escalates_on: int | None
    escalated_harm_per_day: float
    stability_hours: float
    travel_km: float
    tubes: tuple[tuple[str, int], ...]
    tests: tuple[str, ...]
    booked_clinic: int | None
    booked_day: int | None


@dataclass(frozen=True)
class Seats:
    """Seats by clinic (row) and day (column, from `first_day` on)."""

    first_day: int
    seats: Ints

    def on(self, day: int) -> Ints:
        """Seats of every clinic on a day; none outside the calendar."""
        column = day - self.first_day
        if not 0 <= column < self.seats.shape[1]:
            return np.zeros(self.seats.shape[0], dtype=np.int32)
        return self.seats[:, column]


def need_key(number: int) -> str:
    """The need's stable name, used as requisition by the practices."""
    return f"EX{number + 1:08d}"


def tubes_per_need(scenario: Scenario, catalogue: Catalogue) -> float:
    """Mean tubes of a need, over the mix."""
    return sum(
        row.share * sum(count for _, count in catalogue.indications[row.indication].tubes)
        for row in scenario.mix
    )


def needs_per_open_day(scenario: Scenario, catalogue: Catalogue, people: int) -> float:
    """Mean number of needs released on a weekday, without surge."""
    tubes = scenario.demand.tubes_per_1000_people_per_weekday * people / 1000
    return tubes / tubes_per_need(scenario, catalogue)


def normal_tubes(scenario: Scenario, catalogue: Catalogue, people: int) -> dict[str, float]:
    """Tubes a weekday at 100 %, by discipline: mean demand and the scenario's headroom."""
    daily = needs_per_open_day(scenario, catalogue, people) * (1 + scenario.demand.headroom)
    return {
        discipline: daily
        * sum(
            row.share * catalogue.indications[row.indication].tubes_in(discipline)
            for row in scenario.mix
        )
        for discipline in DISCIPLINES
    }


def make_seats(scenario: Scenario, catalogue: Catalogue, region: Region, people: int) -> Seats:
    """Seats by clinic and day: normal demand and a margin, rounded with the rest carried on."""
    first, last = -scenario.warm_up_days, scenario.days - 1
    open_days = np.array([scenario.is_open(day) for day in range(first, last + 1)])
    weights = np.array([clinic.seat_weight for clinic in region.clinics])
    daily = needs_per_open_day(scenario, catalogue, people) * SEAT_HEADROOM
    levels = np.array(
        [SEATS_GROW_WITH_RECOVERY if day >= 70 else 1.0 for day in range(first, last + 1)]
    )
    exact = np.outer(weights / weights.sum() * daily, open_days * levels)
    start = np.arange(len(weights)) * 0.618 % 1
    total = np.floor(start[:, None] + np.cumsum(exact, axis=1))
    seats = np.diff(np.c_[np.floor(start), total], axis=1)
    return Seats(first_day=first, seats=seats.astype(np.int32))


def zone_clinics(region: Region) -> list[list[tuple[float, int]]]:
    """For each zone its clinics as (km, clinic's row), nearest first."""
    return [
        sorted(
            (distance_km(zone.x_km, zone.y_km, clinic.x_km, clinic.y_km), row)
            for row, clinic in enumerate(region.clinics)
        )
        for zone in region.zones
    ]


def clinics_in_reach(
    by_zone: list[list[tuple[float, int]]], zone: int, travel_km: float
) -> list[int]:
    """Clinics within reach of a zone, nearest first; the nearest always counts, ties with it."""
    nearest = by_zone[zone][0][0]
    return [row for away, row in by_zone[zone] if away <= max(travel_km, nearest)]


def make_needs(
    scenario: Scenario, catalogue: Catalogue, region: Region, table: Columns, seed: int
) -> Needs:
    """All needs released from four weeks before day 0 to the last day."""
    mix = scenario.mix
    reasons = tuple(catalogue.indications[row.indication] for row in mix)
    eligible = [_eligible(table, row) for row in mix]
    daily = needs_per_open_day(scenario, catalogue, len(table))
    released: list[NDArray[np.int64]] = []
    kinds: list[NDArray[np.int64]] = []
    chosen: list[NDArray[np.int64]] = []
    leads: list[NDArray[np.int64]] = []
    for day in scenario.open_days(FIRST_RELEASE_DAY, scenario.days - 1):
        chance = generator(seed, f"needs/{day}")
        kind = _kinds_of_day(scenario, chance, reasons, daily, day)
        released.append(np.full(len(kind), day))
        kinds.append(kind)
        luck, lead = chance.random(len(kind)), chance.random(len(kind))
        chosen.append(_choose(kind, luck, eligible))
        least = np.array([row.lead_days_least for row in mix])[kind]
        most = np.array([row.lead_days_most for row in mix])[kind]
        leads.append(least + np.floor(lead * (most - least + 1)).astype(np.int64))
    return _assemble(
        scenario,
        catalogue,
        region,
        table,
        drawn=_Drawn(
            reasons=reasons,
            kind=np.concatenate(kinds),
            person=np.concatenate(chosen),
            released=np.concatenate(released),
            lead=np.concatenate(leads),
        ),
    )


@dataclass(frozen=True)
class _Drawn:
    """What chance decided of each need; the rest follows from the catalogue."""

    reasons: tuple[Indication, ...]
    kind: NDArray[np.int64]
    person: NDArray[np.int64]
    released: NDArray[np.int64]
    lead: NDArray[np.int64]


def _kinds_of_day(
    scenario: Scenario,
    chance: np.random.Generator,
    reasons: tuple[Indication, ...],
    daily: float,
    day: int,
) -> NDArray[np.int64]:
    """Which indications are released on a day: a Poisson number of each."""
    level = scenario.demand
    factor = max(0.5, 1 + level.daily_variation * float(chance.standard_normal()))
    week = day // 7 + 1
    surge = level.urgent_surge_from_week <= week <= level.urgent_surge_to_week
    means = [
        row.share
        * daily
        * factor
        * (level.urgent_surge_factor if surge and reason.priority in {"P1", "P2"} else 1.0)
        for row, reason in zip(scenario.mix, reasons, strict=True)
    ]
    counts = chance.poisson(means)
    return np.asarray(chance.permutation(np.repeat(np.arange(len(reasons)), counts)))


def _eligible(table: Columns, row: MixRow) -> NDArray[np.int32]:
    """People who can have an indication; the living first of all."""
    age, alive = table.age_years(), table.dead_days_ago == 0
    woman = table.female
    fits = {
        "any": np.ones(len(table), dtype=bool),
        "adult": age >= 18,
        "older": age >= 45,
        "baby": age < 1,
        "woman_18_45": woman & (age >= 18) & (age < 45),
        "woman_35_45": woman & (age >= 35) & (age < 45),
        "woman_25_64": woman & (age >= 25) & (age < 65),
        "man_45": ~woman & (age >= 45),
    }[row.who]
    found = np.flatnonzero(fits & alive)
    return (found if len(found) else np.flatnonzero(alive)).astype(np.int32)


def _choose(
    kind: NDArray[np.int64], luck: NDArray[np.float64], eligible: list[NDArray[np.int32]]
) -> NDArray[np.int64]:
    sizes = np.array([len(rows) for rows in eligible])
    place = (luck * sizes[kind]).astype(np.int64)
    chosen = np.zeros(len(kind), dtype=np.int64)
    for number in np.unique(kind):
        mine = kind == number
        chosen[mine] = eligible[number][place[mine]]
    return chosen


def _assemble(
    scenario: Scenario, catalogue: Catalogue, region: Region, table: Columns, *, drawn: _Drawn
) -> Needs:
    next_open = np.array(
        [scenario.next_open_day(day) for day in range(FIRST_RELEASE_DAY, scenario.days + 70)]
    )
    due = next_open[drawn.released + drawn.lead - FIRST_RELEASE_DAY]
    in_time = (drawn.released >= 0) | (due >= -scenario.warm_up_days)  # the rest was seen before
    due, kind, person = due[in_time], drawn.kind[in_time], drawn.person[in_time]
    released, reasons = drawn.released[in_time], drawn.reasons
    safe_until = due + np.array([reason.safe_deferral_days for reason in reasons])[kind]
    wait = np.array([reason.harm.escalates_after_days for reason in reasons])[kind]
    tubes = np.array([[reason.tubes_in(d) for d in DISCIPLINES] for reason in reasons])
    zone = table.zone[person]
    seats = make_seats(scenario, catalogue, region, len(table))
    clinic, booked = _book(scenario, seats, region, due=due, released=released, zone=zone)
    return Needs(
        indications=reasons,
        indication=kind.astype(np.int16),
        person=person.astype(np.int32),
        zone=zone,
        practice=table.practice[person],
        priority=np.array([int(reason.priority[1]) for reason in reasons], dtype=np.int8)[kind],
        released=released.astype(np.int32),
        due=due.astype(np.int32),
        safe_until=safe_until.astype(np.int32),
        harm_per_day=np.array([reason.harm.harm_per_day for reason in reasons])[kind],
        escalates_on=(safe_until + wait).astype(np.int32),
        escalated_harm_per_day=np.array([reason.harm.escalated_harm_per_day for reason in reasons])[
            kind
        ],
        stability_hours=np.array([reason.hours_to_laboratory for reason in reasons])[kind],
        travel_km=np.array([reason.travel_km for reason in reasons])[kind],
        tubes=tubes[kind].astype(np.int16),
        booked_clinic=clinic,
        booked_day=booked,
    )


def _book(
    scenario: Scenario,
    seats: Seats,
    region: Region,
    *,
    due: NDArray[np.int64],
    released: NDArray[np.int64],
    zone: NDArray[np.int16],
) -> tuple[NDArray[np.int16], NDArray[np.int32]]:
    """Appointments from before the attack: near the due day, at the nearest clinic with a seat."""
    left = seats.seats.copy()
    by_zone = zone_clinics(region)
    last = min(LAST_BOOKED_DAY, scenario.days - 1)
    days = scenario.open_days(seats.first_day, last)
    clinic = np.full(len(released), -1, dtype=np.int16)
    booked = np.full(len(released), NO_BOOKING, dtype=np.int32)
    for number in np.flatnonzero(released < 0):
        for day in (day for day in days if day >= due[number]):
            column = left[:, day - seats.first_day]
            found = next((row for _, row in by_zone[zone[number]][:12] if column[row] > 0), None)
            if found is not None:
                column[found] -= 1
                clinic[number], booked[number] = found, day
                break
    return clinic, booked
