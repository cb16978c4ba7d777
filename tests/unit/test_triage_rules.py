"""The harm of one need, its review day, and whether it is urgent and late, as tables."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest

from tourniquet.triage import rules
from tourniquet.triage.problem import Need

NEED = Need(
    need="N1",
    patient="S1",
    zone="Z",
    indication="SYMP",
    priority="P3",
    released=0,
    due=0,
    safe_until=3,
    harm_per_day=2,
    escalates_on=6,
    escalated_harm_per_day=10,
    stability_hours=24,
    travel_km=5,
    booked_clinic="",
    booked_day=None,
    tubes=(1,),
)


@pytest.mark.parametrize(
    ("changes", "day", "harm"),
    [
        ({}, 0, 0),
        ({}, 3, 0),  # served on the safe day itself
        ({}, 4, 2),
        ({}, 6, 6),
        ({}, 7, 16),
        ({}, None, 3 * 2 + 6 * 10),  # days 10 and 2 more
        ({"escalates_on": None}, None, 9 * 2),
        ({"escalated_harm_per_day": 0}, None, 6),  # it may lower
        ({"escalates_on": 1}, 3, 20),  # and begin before the safe day
        ({"escalates_on": -4}, None, 120),
        ({"escalates_on": -4}, 0, 0),  # nothing counts before day 0
        ({"safe_until": -5}, 1, 2),
        ({"safe_until": 40}, None, 60),
        ({"safe_until": 40, "escalates_on": None}, None, 0),
        ({"safe_until": 12, "escalates_on": 12}, None, 0),
        ({"harm_per_day": Decimal("0.1"), "escalates_on": None}, 6, Fraction(3, 10)),
    ],
)
def test_harm(changes: dict[str, object], day: int | None, harm: Fraction) -> None:
    """Days t from 0 to d - 1: the base rate from safe_until, the other from escalates_on."""
    need = NEED._replace(**changes)  # type: ignore[arg-type] # a table of fields
    assert rules.compute_harm(need, day, days=10, tail_days=2) == harm


@pytest.mark.parametrize(
    ("changes", "day", "review_on"),
    [
        ({}, 2, None),
        ({}, 9, None),  # late, but it has a day
        ({}, None, 3),  # the safe day comes before seven days
        ({"safe_until": 30}, None, 7),
        ({"safe_until": -3}, None, 0),
        ({"priority": "P5", "safe_until": 99}, None, 14),
        ({"priority": "P5", "safe_until": 99, "released": 20}, None, 34),
        ({"priority": "P5", "safe_until": 99, "released": -20}, None, 14),
        ({"priority": "P1", "safe_until": 99, "released": 5}, None, 5),
        ({"priority": "P1", "safe_until": 1, "released": -1}, 2, 0),
        ({"priority": "P1", "safe_until": 2}, 2, None),
    ],
)
def test_review_day(changes: dict[str, object], day: int | None, review_on: int | None) -> None:
    """Within 14 days, not after the safe day; a late P1 takes the emergency route at once."""
    need = NEED._replace(**changes)  # type: ignore[arg-type] # a table of fields
    assert rules.choose_review_day(need, day) == review_on


@pytest.mark.parametrize(
    ("priority", "day", "is_urgent_unserved"),
    [("P1", 3, False), ("P1", 4, True), ("P2", None, True), ("P3", None, False)],
)
def test_urgent_unserved(priority: str, day: int | None, is_urgent_unserved: bool) -> None:  # noqa: FBT001 # a table
    """P1 and P2 not served by the safe day."""
    need = NEED._replace(priority=priority)
    assert rules.is_urgent_unserved(need, day) is is_urgent_unserved
