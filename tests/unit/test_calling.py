"""Whose turn it is when a laboratory has more left than was promised, as tables."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import date, timedelta

import pytest

from tourniquet.triage.calling import (
    WEIGH_DAYS,
    Waiting,
    harm_of_waiting,
    in_turn,
    measure_scarcity,
    weight_of,
)

TODAY = date(2024, 6, 10)


def day(number: int) -> date:
    """So many days from today."""
    return TODAY + timedelta(days=number)


NEED = Waiting("N1", day(-2), day(3), 2.0, day(6), 10.0, (("chemistry", 1),))


@pytest.mark.parametrize(
    ("changes", "harm"),
    [
        ({}, 3 * 2.0 + 8 * 10.0),  # safe to day 3, worse from day 6, weighed to day 14
        ({"escalates_on": None}, 11 * 2.0),
        ({"safe_until": day(-9)}, 6 * 2.0 + 8 * 10.0),  # what is past cannot be spared
        ({"safe_until": day(-9), "escalates_on": day(-4)}, 14 * 10.0),
        ({"safe_until": day(WEIGH_DAYS)}, 0.0),
        ({"safe_until": day(WEIGH_DAYS - 1)}, 10.0),
        ({"safe_until": day(60)}, 0.0),
        ({"escalates_on": day(60)}, 11 * 2.0),
        ({"safe_until": day(5), "escalates_on": day(2)}, 9 * 10.0),  # safe days count for nothing
        ({"harm_per_day": 0.0, "escalates_on": None}, 0.0),
    ],
)
def test_harm_of_waiting(changes: dict[str, object], harm: float) -> None:
    assert harm_of_waiting(replace(NEED, **changes), TODAY) == harm  # type: ignore[arg-type] # a table of fields


def test_harm_never_falls_with_lateness_or_horizon() -> None:
    for late in range(-5, 20):
        near = harm_of_waiting(replace(NEED, safe_until=day(late)), TODAY)
        assert near >= harm_of_waiting(replace(NEED, safe_until=day(late + 1)), TODAY)
        assert near <= harm_of_waiting(
            replace(NEED, safe_until=day(late)), TODAY, days=WEIGH_DAYS + 1
        )


@pytest.mark.parametrize(
    ("tubes", "weight"),
    [
        ((), 1.0),  # a paper form: a seat and no tube
        ((("chemistry", 2),), 4.0),
        ((("chemistry", 1), ("haematology", 1)), 2.5),
        ((("unknown", 3),), 3.0),
    ],
)
def test_weight(tubes: tuple[tuple[str, int], ...], weight: float) -> None:
    assert weight_of(tubes, {"chemistry": 2.0, "haematology": 0.5}) == weight


def test_scarcity_is_bounded_below_and_stands_for_nothing_left() -> None:
    found = measure_scarcity(
        {"chemistry": 40, "haematology": 1, "coagulation": 5}, {"chemistry": 20, "haematology": 90}
    )
    assert found == {"chemistry": 2.0, "haematology": 0.1, "coagulation": 5.0}


def test_the_worst_to_wait_comes_first_and_equals_in_order_of_safe_day_due_day_and_id() -> None:
    harmless = replace(NEED, id="N0", safe_until=day(50))
    soon = replace(NEED, id="N2", safe_until=day(1))
    heavy = replace(NEED, id="N3", tubes=(("chemistry", 4),))
    earlier = replace(NEED, id="N9", due=day(-3))
    same = replace(NEED, id="N4")
    turns = in_turn([harmless, heavy, same, NEED, earlier, soon], TODAY, {"chemistry": 1.0})
    assert [one.id for one in turns] == ["N2", "N9", "N1", "N4", "N3", "N0"]


def test_the_turn_does_not_depend_on_the_order_of_arrival() -> None:
    needs = [
        replace(NEED, id=f"N{n}", safe_until=day(n % 5), harm_per_day=float(n % 3))
        for n in range(30)
    ]
    wanted = in_turn(needs, TODAY, {})
    random.Random(7).shuffle(needs)
    assert in_turn(needs, TODAY, {}) == wanted
