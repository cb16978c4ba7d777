"""The scorecard: figures of one exercise, named as the published interface names them.

Invariants:
- Pure: the same outcomes give the same figures. Times (seconds) are handed in.
- Every policy is scored by the same functions on the same needs.
- Harm is that of diary.harm, with days from 0 and the scenario's tail.
- A need seen in the warm-up week counts in no share of urgent needs, for any policy.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from tourniquet.diary.harm import harm_of_all
from tourniquet.exercise.bound import Bound
from tourniquet.exercise.demand import Needs
from tourniquet.exercise.desk_book import Book
from tourniquet.exercise.outcome import Outcome
from tourniquet.exercise.world import World

TELL_HOURS = (4, 8, 12, 24, 48, 72, 96)
Json = Mapping[str, object]


@dataclass(frozen=True)
class SystemFacts:
    """What the run of the real system showed, beside its outcome.

    `book`: what came of the downtime desk's book; None where none was taken in.
    `hours_to_tell` has one row for each person told: from the change to the notice that reached
    her, failed channels followed up. `people_to_tell` counts also those not reached.
    """

    seconds: float
    seconds_by_part: Mapping[str, float]
    hours_to_tell: NDArray[np.float64]
    people_to_tell: int
    messages_acknowledged: int
    messages_refused: int
    messages_lost: int
    messages_doubled: int
    replay_equals_tables: bool
    records_lost: int
    seconds_without_history: float
    restore_seconds: float
    book: Book | None


@dataclass(frozen=True)
class Policies:
    """The three outcomes that stand beside each other."""

    tourniquet: Outcome
    what_happened: Outcome
    strict_priority: Outcome

    def pairs(self) -> tuple[tuple[str, Outcome], ...]:
        """Name and outcome, in the scorecard's order."""
        return (
            ("tourniquet", self.tourniquet),
            ("what_happened", self.what_happened),
            ("strict_priority", self.strict_priority),
        )


def harm_until(needs: Needs, served: NDArray[np.int32], *, end: int) -> float:
    """Harm of all needs in the days before `end`."""
    return float(
        harm_of_all(
            served_on=served,
            safe_until=needs.safe_until,
            harm_per_day=needs.harm_per_day,
            escalates_on=needs.escalates_on,
            escalated_harm_per_day=needs.escalated_harm_per_day,
            end=end,
        ).sum()
    )


def urgent_mask(needs: Needs, policies: Policies, *, days: int) -> NDArray[np.bool_]:
    """Urgent needs whose safe day lies within the exercise, but for those seen in the warm-up."""
    mask = needs.urgent & (needs.safe_until >= 0) & (needs.safe_until < days)
    for _, outcome in policies.pairs():
        mask &= outcome.served >= 0
    return np.asarray(mask)


def share(part: float, whole: float) -> float | None:
    """A share, or None of nothing."""
    return round(part / whole, 6) if whole else None


def _record(facts: SystemFacts) -> dict[str, object]:
    """What became of messages, record and the downtime desk's book."""
    book = facts.book
    return {
        "messages_acknowledged": facts.messages_acknowledged,
        "messages_refused": facts.messages_refused,
        "messages_lost": facts.messages_lost,
        "messages_doubled": facts.messages_doubled,
        "replay_equals_tables": facts.replay_equals_tables,
        "records_lost": facts.records_lost,
        "history_dark_minutes": round(facts.seconds_without_history / 60, 2),
        "restore_seconds": round(facts.restore_seconds, 1),
        **{field.name: getattr(book, field.name, None) for field in fields(Book)},
    }


def scorecard(
    world: World, policies: Policies, bound: Bound, facts: SystemFacts, *, version: str
) -> dict[str, object]:
    """The scorecard as one JSON object."""
    scenario, needs = world.scenario, world.needs
    end = scenario.days + scenario.tail_days
    urgent = urgent_mask(needs, policies, days=scenario.days)
    harm: dict[str, object] = {
        name: round(harm_until(needs, outcome.served, end=end), 3)
        for name, outcome in policies.pairs()
    }
    harm["lower_bound"] = round(bound.harm, 3)
    ours = policies.tourniquet
    return {
        "scenario": scenario.name,
        "seed": world.seed,
        "people": world.people,
        "days": scenario.days,
        "seconds": round(facts.seconds, 3),
        "seconds_by_part": dict(facts.seconds_by_part),
        "needs": len(needs),
        "urgent_on_time": {
            name: share(
                float((outcome.served[urgent] <= needs.safe_until[urgent]).sum()),
                float(urgent.sum()),
            )
            for name, outcome in policies.pairs()
        },
        "harm": harm,
        "dated": {
            name: share(
                float(outcome.dated[outcome.postponed].sum()), float(outcome.postponed.sum())
            )
            for name, outcome in policies.pairs()
        },
        "unprocessable_specimens": {
            name: outcome.unprocessable_specimens for name, outcome in policies.pairs()
        },
        "overtaken_specimens": {
            name: outcome.overtaken_specimens for name, outcome in policies.pairs()
        },
        "told": share(float(len(facts.hours_to_tell)), float(facts.people_to_tell)),
        "hours_to_tell_p90": _p90(facts.hours_to_tell),
        **_service(ours, world.people),
        **_record(facts),
        "alongside": {
            name: _service(outcome, world.people)
            for name, outcome in policies.pairs()
            if name != "tourniquet"
        },
        "by_priority": _by_priority(world, policies, end=end),
        "weeks": _weeks(world, policies, urgent),
        "hours_to_tell": [
            {
                "within_hours": hours,
                "share": share(
                    float((facts.hours_to_tell <= hours).sum()), float(facts.people_to_tell)
                ),
            }
            for hours in TELL_HOURS
        ],
        "notes": _notes(world),
        "title": scenario.title,
        "version": version,
    }


def _p90(values: NDArray[np.float64] | NDArray[np.int32]) -> float | None:
    return round(float(np.percentile(values, 90)), 2) if len(values) else None


def _service(outcome: Outcome, people: int) -> dict[str, object]:
    return {
        "kept": share(float(outcome.appointments_kept), float(outcome.appointments_made)),
        "notices_per_person": round(outcome.notices / people, 4),
        "days_to_next_date_p90": _p90(outcome.days_to_next_date),
    }


def _by_priority(world: World, policies: Policies, *, end: int) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = []
    needs = world.needs
    for priority in range(1, 6):
        mine = needs.priority == priority
        row: dict[str, object] = {"priority": f"P{priority}", "needs": int(mine.sum())}
        for name, outcome in policies.pairs():
            harm = harm_of_all(
                served_on=outcome.served[mine],
                safe_until=needs.safe_until[mine],
                harm_per_day=needs.harm_per_day[mine],
                escalates_on=needs.escalates_on[mine],
                escalated_harm_per_day=needs.escalated_harm_per_day[mine],
                end=end,
            )
            row[name] = {
                "harm": round(float(harm.sum()), 3),
                "served": int((outcome.served[mine] < world.scenario.days).sum()),
            }
        rows.append(row)
    return rows


def _weeks(world: World, policies: Policies, urgent: NDArray[np.bool_]) -> list[dict[str, object]]:
    scenario, needs, capacity = world.scenario, world.needs, world.truth.capacity
    rows: list[dict[str, object]] = []
    for week in range(scenario.weeks):
        first = week * 7
        days = slice(first, first + 7)
        normal = float(
            sum(
                capacity.normal[:, :, d - capacity.first_day].sum() for d in range(first, first + 7)
            )
        )
        declared = sum(
            int(capacity.forecast(known_on=first, day=d).sum()) for d in range(first, first + 7)
        )
        actual = sum(int(capacity.actual_on(d).sum()) for d in range(first, first + 7))
        due = urgent & (needs.safe_until >= first) & (needs.safe_until < first + 7)
        row = scenario.capacity[week]
        rows.append(
            {
                "week": week + 1,
                "starts_on": scenario.date_of(first).isoformat(),
                "percent": row.percent,
                "flag": row.flag,
                "source": row.source,
                "mutual_aid_percent": row.mutual_aid_percent,
                "normal_tubes": round(normal, 1),
                "declared_tubes": declared,
                "actual_tubes": actual,
                "urgent_needs": int(due.sum()),
                "policies": {
                    name: _week_of(outcome, needs, due=due, days=days)
                    for name, outcome in policies.pairs()
                },
            }
        )
    return rows


def _week_of(
    outcome: Outcome, needs: Needs, *, due: NDArray[np.bool_], days: slice
) -> dict[str, object]:
    on_time = float((outcome.served[due] <= needs.safe_until[due]).sum())
    return {
        "used_tubes": int(outcome.tubes_used_by_day[days].sum()),
        "harm_to_date": round(harm_until(needs, outcome.served, end=days.stop), 3),
        "urgent_on_time": share(on_time, float(due.sum())),
        "postponed": int(outcome.postponed_by_day[days].sum()),
        "rebooked": int(outcome.rebooked_by_day[days].sum()),
    }


def _notes(world: World) -> list[dict[str, str]]:
    """What is modelled and not measured, with where each figure comes from."""
    scenario = world.scenario
    rows = (
        ("Dates and capacity", scenario.source),
        ("Bank holidays", scenario.closed_days_source),
        ("Forecasts, confirmations, midday failures", scenario.noise.source),
        ("Missed appointments", scenario.attendance.source),
        ("Messages that fail", scenario.channels.source),
        ("Demand", scenario.demand.source),
        ("The policy of 2024", scenario.competitors.source),
        ("Mutual aid by week", scenario.capacity[0].mutual_aid_source),
        *((part.discipline.capitalize(), part.source) for part in scenario.discipline_floors),
        ("Weights of harm, safe deferral", world.needs.indications[0].harm.source),
    )
    return [{"about": about, "source": source} for about, source in rows]
