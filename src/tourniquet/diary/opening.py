"""What a need is, from the indication and the tests of an order. Pure.

Invariants:
- Nothing is guessed to be less urgent than the sender said: a stated urgency only raises the class.
- Tests that the catalogue does not know take the tubes of the indication.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

from tourniquet.diary.rules import format_tubes, parse_tubes

URGENCY = {"S": "P1", "A": "P2"}  # Source: HL7 table 0485; S stat, A as soon as possible
EARLY_DAYS = {"P3": 7, "P4": 14, "P5": 14}  # how long before the wanted day it may be; proposed
SAFE_DAYS_MOST = {"P1": 0, "P2": 3}  # when urgency was only stated; proposed


@dataclass(frozen=True)
class Harm:
    """What a day past the safe one costs, and from when it costs more."""

    harm_per_day: float
    escalates_after_days: int
    escalated_harm_per_day: float


@dataclass(frozen=True)
class Indicated:
    """What the catalogue says of an indication, as far as a visit is concerned."""

    code: str
    priority: str
    safe_deferral_days: int
    stability_hours: float
    travel_km: float


@dataclass(frozen=True)
class NeedTerms:
    """Dates, harm and limits of a need."""

    indication: str
    priority: str
    released: date
    due: date
    safe_until: date
    harm_per_day: float
    escalates_on: date
    escalated_harm_per_day: float
    stability_hours: float
    travel_km: float
    tubes: str


def draw_up(
    found: Indicated,
    *,
    stated_urgency: str,
    harm_by_priority: dict[str, Harm],
    tubes: dict[str, int],
    asked_on: date,
    due: date,
) -> NeedTerms:
    """Draw up a need's terms; `stated_urgency` is S, A or anything else.

    What is urgent may be done from the day on which it is asked for, the rest a while before the
    wanted day.
    """
    stated = URGENCY.get(stated_urgency.upper(), "P5")
    priority = min(found.priority, stated)
    safe_days = found.safe_deferral_days
    if priority != found.priority:
        safe_days = min(safe_days, SAFE_DAYS_MOST[priority])
    released = asked_on
    if priority in EARLY_DAYS:
        released = max(asked_on, due - timedelta(days=EARLY_DAYS[priority]))
    harm = harm_by_priority[priority]
    safe_until = due + timedelta(days=safe_days)
    return NeedTerms(
        indication=found.code,
        priority=priority,
        released=min(due, released),
        due=due,
        safe_until=safe_until,
        harm_per_day=harm.harm_per_day,
        escalates_on=safe_until + timedelta(days=harm.escalates_after_days),
        escalated_harm_per_day=harm.escalated_harm_per_day,
        stability_hours=found.stability_hours,
        travel_km=found.travel_km,
        tubes=format_tubes(tubes),
    )


def tighten(old: NeedTerms, new: NeedTerms) -> NeedTerms:
    """Both on one form and in one visit: the more urgent's terms, the tubes of both together."""
    urgent = min(old, new, key=lambda terms: (terms.priority, terms.safe_until))
    together = dict(parse_tubes(old.tubes))
    for name, count in parse_tubes(new.tubes):
        together[name] = together.get(name, 0) + count
    return NeedTerms(
        indication=urgent.indication,
        priority=urgent.priority,
        released=min(old.released, new.released),
        due=min(old.due, new.due),
        safe_until=min(old.safe_until, new.safe_until),
        harm_per_day=urgent.harm_per_day,
        escalates_on=urgent.escalates_on,
        escalated_harm_per_day=urgent.escalated_harm_per_day,
        stability_hours=min(old.stability_hours, new.stability_hours),
        travel_km=max(old.travel_km, new.travel_km),
        tubes=format_tubes(together),
    )
