"""The quick way for a few new needs: the most urgent first, each on the earliest day with room.

Pure.

Where it serves everybody within the safe time, harm is nought and no plan can be better, so the
solver need not be asked. Where it does not, whoever calls asks the solver for those who are late.

Invariants:
- Every rule of a plan holds: seats, travel, couriers within stability, tubes in every discipline.
- A need keeps its booking where that is its earliest day with room, too.
- The same problem gives the same answer.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from tourniquet.triage import rules
from tourniquet.triage.geography import Walk, geography_of
from tourniquet.triage.problem import BOOK, DEFER, KEEP, MOVE, Decision, Need, Problem


class FirstFit:
    """What is left while needs are placed."""

    def __init__(self, problem: Problem) -> None:
        self._problem = problem
        self._seats: dict[tuple[str, int], int] = {
            (row.clinic, row.day): row.seats for row in problem.seats
        }
        self._open_days: dict[int, set[str]] = defaultdict(set)
        for row in problem.seats:
            if row.seats > 0 and 0 <= row.day < problem.days:
                self._open_days[row.day].add(row.clinic)
        at = {name: number for number, name in enumerate(problem.disciplines)}
        self._tubes: dict[tuple[str, int], list[int]] = defaultdict(
            lambda: [0] * len(problem.disciplines)
        )
        for line in problem.lab_capacity:
            if line.discipline in at:
                self._tubes[line.lab, line.day][at[line.discipline]] = line.tubes
        offered: dict[str, set[str]] = defaultdict(set)
        for line in problem.lab_capacity:
            if line.tubes > 0:
                offered[line.lab].add(line.discipline)
        self._breadth = tuple((lab.lab, len(offered[lab.lab])) for lab in problem.labs)
        self._map = geography_of(problem.zones, problem.clinics, problem.couriers)
        self._full: dict[tuple[Walk, tuple[int, ...]], set[int]] = defaultdict(set)

    def place(self, need: Need) -> tuple[int, str, str] | None:
        """Give the need the earliest day with room: day, clinic and laboratory."""
        walk = self._walk(need)
        asked = [(at, count) for at, count in enumerate(need.tubes) if count]
        full = self._full[walk, need.tubes]
        for day in range(max(0, need.released), self._problem.days):
            if day in full:
                continue
            found = self._place_on(day, need, walk, asked)
            if found is not None:
                clinic, lab = found
                self._seats[clinic, day] -= 1
                left = self._tubes[lab, day]
                for at, count in asked:
                    left[at] -= count
                return day, clinic, lab
            full.add(day)  # room only ever shrinks
        return None

    def give_back(self, need: Need, place: tuple[int, str, str]) -> None:
        """Undo the placing that was done last."""
        day, clinic, lab = place
        self._seats[clinic, day] += 1
        left = self._tubes[lab, day]
        for at, count in enumerate(need.tubes):
            left[at] += count

    def keep(self, need: Need) -> tuple[int, str, str] | None:
        """Leave the need on its booked day at its clinic, at any laboratory that can."""
        day, clinic = need.booked_day, need.booked_clinic
        if day is None or not max(0, need.released) <= day < self._problem.days:
            return None
        if self._seats.get((clinic, day), 0) <= 0:
            return None
        asked = [(at, count) for at, count in enumerate(need.tubes) if count]
        labs = next((labs for code, labs in self._walk(need) if code == clinic), ())
        for lab in labs:
            left = self._tubes[lab, day]
            if all(left[at] >= count for at, count in asked):
                self._seats[clinic, day] -= 1
                for at, count in asked:
                    left[at] -= count
                return day, clinic, lab
        return None

    def _place_on(
        self, day: int, need: Need, walk: Walk, asked: list[tuple[int, int]]
    ) -> tuple[str, str] | None:
        opened = self._open_days.get(day)
        if not opened:
            return None
        fitting = {
            lab.lab
            for lab in self._problem.labs
            if all(self._tubes[lab.lab, day][at] >= count for at, count in asked)
        }
        if not fitting:
            return None
        found: tuple[str, str] | None = None
        for clinic, labs in walk:
            if clinic in opened and self._seats.get((clinic, day), 0) > 0:
                lab = next((one for one in labs if one in fitting), None)
                if lab is not None and (need.booked_clinic, need.booked_day) == (clinic, day):
                    return clinic, lab
                if lab is not None and found is None:
                    found = clinic, lab
                    if need.booked_day != day:
                        return found
        return found

    def _walk(self, need: Need) -> Walk:
        """Clinics in reach, the nearest first, each with its laboratories in time."""
        return self._map.walk(need.zone, need.travel_km, need.stability_hours, self._breadth)


def fit_first(problem: Problem) -> tuple[Decision, ...]:
    """Place every need in turn; one decision for each, in the problem's order."""
    fit = FirstFit(problem)
    order = sorted(
        range(len(problem.needs)),
        key=lambda at: (
            problem.needs[at].priority,
            problem.needs[at].safe_until,
            problem.needs[at].need,
        ),
    )
    found: dict[int, tuple[int, str, str] | None] = {
        at: fit.place(problem.needs[at]) for at in order
    }
    return tuple(_decide(need, found[at], problem) for at, need in enumerate(problem.needs))


def fit_giving_way(problem: Problem) -> tuple[Decision, ...]:
    """Place needs without a booking first; bookings then stand where they can, or give way.

    For a few new urgent needs among bookings of the next days that are less urgent: whoever is
    booked keeps the day and clinic where tubes are left, the more urgent first, else gets the
    earliest other day.
    """
    fit = FirstFit(problem)
    order = sorted(
        range(len(problem.needs)),
        key=lambda at: (
            problem.needs[at].booked_day is not None,
            problem.needs[at].priority,
            problem.needs[at].safe_until,
            problem.needs[at].need,
        ),
    )
    found: dict[int, tuple[int, str, str] | None] = {}
    given_way = []
    for at in order:
        need = problem.needs[at]
        found[at] = fit.place(need) if need.booked_day is None else fit.keep(need)
        if found[at] is None and need.booked_day is not None:
            given_way.append(at)
    for at in given_way:
        found[at] = fit.place(problem.needs[at])
    return tuple(_decide(need, found[at], problem) for at, need in enumerate(problem.needs))


def count_late(needs: Sequence[Need], decisions: Sequence[Decision]) -> int:
    """How many are not served within their safe time."""
    pairs = zip(needs, decisions, strict=True)
    return sum(not rules.is_on_time(need, decision.day) for need, decision in pairs)


def _decide(need: Need, place: tuple[int, str, str] | None, problem: Problem) -> Decision:
    if place is None:
        words = f"no seat and laboratory are free together to day {problem.days - 1}"
        if rules.needs_emergency_route(need, None):
            words = f"{rules.EMERGENCY_WORDS}: {words}"
        return Decision(need.need, DEFER, "", "", None, rules.choose_review_day(need, None), words)
    day, clinic, lab = place
    if need.booked_day is None:
        word = BOOK
    else:
        word = KEEP if (need.booked_clinic, need.booked_day) == (clinic, day) else MOVE
    if rules.is_on_time(need, day):
        words = f"day {day} is within the safe time, to day {need.safe_until}"
    else:
        words = f"day {day} is the earliest day left, after the safe day {need.safe_until}"
    if rules.needs_emergency_route(need, day):
        words = f"{rules.EMERGENCY_WORDS}: {words}"
    return Decision(need.need, word, clinic, lab, day, rules.choose_review_day(need, day), words)
