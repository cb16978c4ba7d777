"""Simulated staff who read records: how often would the ceilings alarm somebody for nothing? Pure.

Two thousand people of a region and what each reads on a day, for weeks, with some who misuse it.
The same ceilings judge them as judge real readings (`patients/ceilings.py`).

What is assumed, all of it [P], to be replaced by a region's own counts when there are any:
- ROLES: how many people have each role, what they read on an ordinary day (a median of distinct
  patients), and how much of them works at week-ends.
- People differ: each has a pace of their own, lognormal, PACE_SIGMA. So do days: DAY_SIGMA.
- Mondays and the day after a holiday are busier; in an incident, laboratories, hospitals and the
  lead read more, most in its first week (INCIDENT_FACTORS).
- Now and then somebody catches up after leave or covers for colleagues: CATCH_UP_CHANCE a day, two
  to four times the day's reading, with a heavy tail (Pareto).
- Laboratories and hospitals open one record in twenty without a tie, for a reason; the lead, data
  protection and auditors, who have a tie to nobody, all of theirs; practices and clinics none.
- Nobody opens more than MOST_A_DAY records on a day: a record takes the better part of a minute.

It does not say how people read today: no source with counts by person and day was found.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

import numpy as np

from tourniquet.directory.roles import Role
from tourniquet.patients.ceilings import (
    DEFAULT_CEILINGS,
    DEFAULT_LIMITS,
    DEFAULT_REASONS,
    Numbers,
    is_passed,
)

DAYS_A_WEEK = 7
MONDAY, SATURDAY = 0, 5
MONDAY_FACTOR = 1.3
PACE_SIGMA = 0.35
DAY_SIGMA = 0.35
CATCH_UP_CHANCE = 0.004
CATCH_UP_FACTOR = 2.0
CATCH_UP_TAIL = 3.0
# Eight hours at a record a minute; at a laboratory's bench three a minute, for half the day.
MOST_A_DAY = {Role.LABORATORY: 720}
MOST_A_DAY_OTHERS = 480
WEEKS_A_YEAR = 52


@dataclass(frozen=True)
class Staff:
    """People of one role: how many, what they read, who works at week-ends."""

    role: Role
    people: int
    median_a_day: float
    at_weekends: float
    in_incident: float
    without_tie: float


# [P] A region of two million people: 200 practices, 40 clinics, six hospitals, a hub.
ROLES = (
    Staff(Role.PRACTICE, 900, 28, 0.05, 1.0, 0.0),
    Staff(Role.CLINIC, 260, 32, 0.1, 1.0, 0.0),
    Staff(Role.LABORATORY, 300, 45, 0.4, 1.4, 0.05),
    Staff(Role.HOSPITAL, 500, 25, 0.5, 1.4, 0.05),
    Staff(Role.INCIDENT_LEAD, 12, 12, 0.2, 2.5, 1.0),
    Staff(Role.DATA_PROTECTION, 16, 4, 0.0, 1.5, 1.0),
    Staff(Role.AUDITOR, 12, 6, 0.0, 1.0, 1.0),
)
# The share of an incident's extra reading that is left, by its week.
INCIDENT_WEEKS = (1.0, 0.8, 0.6, 0.4, 0.3, 0.2, 0.1)


@dataclass(frozen=True)
class Snooper:
    """Somebody of a role who also opens records that are not theirs to open.

    `extra` records a day beyond their own work, on `days` working days, all of people to whom they
    have no tie, so that each asks for a reason; each is a canary with
    `canary_share`: a snooper goes for names in the news, and canaries bear such names.
    """

    name: str
    role: Role
    extra: int
    days: int
    canary_share: float = 0.0


SNOOPERS = (
    Snooper("trawls, 400 a day", Role.HOSPITAL, 400, 5),
    Snooper("browses, 60 a day", Role.HOSPITAL, 60, 20),
    Snooper("looks up names in the news, 10 a day", Role.HOSPITAL, 10, 20, canary_share=0.02),
    Snooper("looks up a neighbour, one a day", Role.HOSPITAL, 1, 20),
)
EXPORT_PAGE = 500  # the most that one answer of the FHIR interface holds
EXPORT_PEOPLE = 200_000


@dataclass(frozen=True)
class Caught:
    """How often a kind of snooper was alarmed about, and on which day at the median, if at all."""

    name: str
    runs: int
    caught: int
    day_median: float | None


@dataclass(frozen=True)
class Outcome:
    """What the ceilings did in the simulated weeks."""

    seed: int
    people: int
    weeks: int
    incident_weeks: int
    user_days: int
    false_alarms: int
    false_alarms_by_role: dict[str, int] = field(default_factory=dict)
    worst_week: int = 0
    busiest_by_role: dict[str, int] = field(default_factory=dict)
    caught: tuple[Caught, ...] = ()
    export_taken: int = 0
    export_limit: int = 0

    @property
    def false_alarms_a_week(self) -> float:
        """False alarms a week over all simulated weeks."""
        return self.false_alarms / self.weeks


def simulate(
    *,
    seed: int,
    weeks: int = WEEKS_A_YEAR,
    incidents: int = 1,
    share: float = 1.0,
    busier: float = 1.0,
    ceilings: Numbers = DEFAULT_CEILINGS,
    reasons: Numbers = DEFAULT_REASONS,
    limits: Numbers = DEFAULT_LIMITS,
    snooper_runs: int = 200,
) -> Outcome:
    """Let everybody read for so many weeks, with so many incidents; then the snoopers.

    `share` takes only a part of the people, for a quick look; `busier` multiplies what everybody
    reads, to see what the outcome rests on. The same seed gives the same outcome.
    """
    rng = np.random.default_rng(seed)
    extra = _incident_weeks(rng, weeks, incidents)
    by_role: Counter[str] = Counter()
    busiest: dict[str, int] = {}
    by_week = np.zeros(weeks, dtype=np.int64)
    people = 0
    for staff in ROLES:
        count = max(1, round(staff.people * share))
        people += count
        read = _read(rng, staff, count, extra, busier=busier)
        without_tie = rng.binomial(read, staff.without_tie)
        many = (read > ceilings.of("", staff.role)).astype(np.int64)
        untied = (without_tie > reasons.of("", staff.role)).astype(np.int64)
        passed = many + untied  # two alarms where both are passed
        by_role[staff.role.value] = int(passed.sum())
        busiest[staff.role.value] = int(read.max())
        by_week += passed.reshape(count, weeks, DAYS_A_WEEK).sum(axis=(0, 2))
    taken = _export(limits.of("", Role.HOSPITAL))
    return Outcome(
        seed=seed,
        people=people,
        weeks=weeks,
        incident_weeks=int((extra > 0).sum()),
        user_days=people * weeks * DAYS_A_WEEK,
        false_alarms=sum(by_role.values()),
        false_alarms_by_role=dict(by_role),
        worst_week=int(by_week.max()),
        busiest_by_role=busiest,
        caught=tuple(_catch(rng, one, ceilings, reasons, runs=snooper_runs) for one in SNOOPERS),
        export_taken=taken,
        export_limit=limits.of("", Role.HOSPITAL),
    )


def _incident_weeks(rng: np.random.Generator, weeks: int, incidents: int) -> np.ndarray:
    """For each week, which share of an incident's extra reading there is."""
    extra = np.zeros(weeks)
    for start in rng.integers(0, weeks, size=incidents):
        for number, share in enumerate(INCIDENT_WEEKS):
            if start + number < weeks:
                extra[start + number] = max(extra[start + number], share)
    return extra


def _read(
    rng: np.random.Generator, staff: Staff, count: int, extra: np.ndarray, *, busier: float = 1.0
) -> np.ndarray:
    """Distinct patients read: one row for each person, one column for each day."""
    days = len(extra) * DAYS_A_WEEK
    weekday = np.arange(days) % DAYS_A_WEEK
    factor = np.where(weekday == MONDAY, MONDAY_FACTOR, 1.0)
    factor = factor * (1 + (staff.in_incident - 1) * np.repeat(extra, DAYS_A_WEEK))
    pace = busier * staff.median_a_day * rng.lognormal(0, PACE_SIGMA, size=(count, 1))
    mean = pace * factor * rng.lognormal(0, DAY_SIGMA, size=(count, days))
    catching_up = rng.random((count, days)) < CATCH_UP_CHANCE
    more = CATCH_UP_FACTOR * (1 + rng.pareto(CATCH_UP_TAIL, size=(count, days)))
    mean = np.where(catching_up, mean * more, mean)
    works = np.where(weekday < SATURDAY, 0.85, staff.at_weekends)
    mean = np.where(rng.random((count, days)) < works, mean, 0.0)
    most = MOST_A_DAY.get(staff.role, MOST_A_DAY_OTHERS)
    return np.minimum(rng.poisson(np.minimum(mean, most)), most)


def _catch(
    rng: np.random.Generator, one: Snooper, ceilings: Numbers, reasons: Numbers, *, runs: int
) -> Caught:
    """Let one kind of snooper work until an alarm, or until their days are over."""
    staff = next(staff for staff in ROLES if staff.role == one.role)
    ceiling, reason_ceiling = ceilings.of("", one.role), reasons.of("", one.role)
    days = []
    for _ in range(runs):
        own = _read(rng, staff, 1, np.zeros(-(-one.days // SATURDAY)))[0]
        working = own[np.arange(len(own)) % DAYS_A_WEEK < SATURDAY][: one.days]
        canary = rng.random((one.days, one.extra)) < one.canary_share
        without_tie = rng.binomial(working, staff.without_tie) + one.extra
        alarmed = (working + one.extra > ceiling) | (without_tie > reason_ceiling)
        alarmed |= canary.any(axis=1)
        if alarmed.any():
            days.append(int(alarmed.argmax()) + 1)
    median = float(np.median(days)) if days else None
    return Caught(one.name, runs, len(days), median)


def _export(limit: int) -> int:
    """How many people's records leave when a stolen token takes page after page of everybody."""
    taken = 0
    while taken < EXPORT_PEOPLE and not is_passed(taken, taken + EXPORT_PAGE, limit):
        taken += EXPORT_PAGE
    return taken
