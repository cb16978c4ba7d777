"""The rules of a plan for one need: harm, being on time, the day on which its patient hears again.

Invariants:
- Harm is exact (Fraction) and never falls with a later day.
- A review day is never before day 0 or the release, nor more than 14 days after them.

The review days are proposed, not measured: they await clinical sign-off.
"""

from __future__ import annotations

from fractions import Fraction

from tourniquet.triage.problem import Need

REVIEW_DAYS_BY_PRIORITY = {"P1": 0, "P2": 2, "P3": 7, "P4": 14, "P5": 14}
EMERGENCY_PRIORITY = "P1"
EMERGENCY_WORDS = "emergency route"
URGENT_PRIORITIES = frozenset({"P1", "P2"})


def compute_harm(need: Need, day: int | None, *, days: int, tail_days: int) -> Fraction:
    """Compute the harm of serving `need` on `day`, or of not serving it (None).

    The sum over the days t from 0 to day - 1 of `harm_per_day` where t >= `safe_until` and
    t < `escalates_on`, and of `escalated_harm_per_day` where t >= `escalates_on`, even before
    `safe_until`. Not served counts as served on day `days + tail_days`.
    """
    end = days + tail_days
    until = end if day is None else min(day, end)
    escalates_on = end if need.escalates_on is None else need.escalates_on
    base_days = max(0, min(until, escalates_on) - max(0, need.safe_until))
    escalated_days = max(0, until - max(0, escalates_on))
    return base_days * Fraction(need.harm_per_day) + escalated_days * Fraction(
        need.escalated_harm_per_day
    )


def is_on_time(need: Need, day: int | None) -> bool:
    """Say whether a need served on `day` (None: not served) is served by `safe_until`."""
    return day is not None and day <= need.safe_until


def is_urgent_unserved(need: Need, day: int | None) -> bool:
    """Say whether this is a P1 or P2 that is not served by `safe_until`."""
    return need.priority in URGENT_PRIORITIES and not is_on_time(need, day)


def needs_emergency_route(need: Need, day: int | None) -> bool:
    """Say whether this is a P1 not served by `safe_until`: it must not wait in a queue."""
    return need.priority == EMERGENCY_PRIORITY and not is_on_time(need, day)


def choose_review_day(need: Need, day: int | None) -> int | None:
    """Choose the day by which the patient hears again; None where a served need calls for none.

    Within 14 days of day 0 or the release, sooner for the urgent, and not after `safe_until`
    where that is still to come.
    """
    start = max(0, need.released)
    if needs_emergency_route(need, day):
        return start
    if day is not None:
        return None
    latest = start + REVIEW_DAYS_BY_PRIORITY[need.priority]
    return min(latest, max(start, need.safe_until))
