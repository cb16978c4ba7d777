"""Whose turn it is when a laboratory has more left than was promised, as tables."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import date, timedelta

import pytest

from tourniquet.triage.calling import (
    QUEUE_DAYS_MOST,
    WEIGH_DAYS,
    Waiting,
    harm_of_waiting,
    in_turn,
    is_quick,
    is_short,
    longest_queue,
    measure_queues,
    measure_scarcity,
    weight_of,
    word_turn,
)

TODAY = date(2024, 6, 10)


def day(number: int) -> date:
    """So many days from today."""
    return TODAY + timedelta(days=number)


CHEMISTRY = (("chemistry", 1),)
NEED = Waiting("N1", "P3", CHEMISTRY, day(-2), day(3), 2.0, day(6), 10.0)


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
    turns = in_turn([harmless, heavy, same, NEED, earlier, soon], TODAY, {"chemistry": 1.0}, {})
    assert [one.id for one in turns] == ["N2", "N9", "N1", "N4", "N3", "N0"]


def test_the_turn_does_not_depend_on_the_order_of_arrival() -> None:
    needs = [
        replace(NEED, id=f"N{n}", safe_until=day(n % 5), harm_per_day=float(n % 3))
        for n in range(30)
    ]
    wanted = in_turn(needs, TODAY, {}, {})
    random.Random(7).shuffle(needs)
    assert in_turn(needs, TODAY, {}, {}) == wanted


@pytest.mark.parametrize(
    ("waiting", "promised", "rate", "days"),
    [
        (0.0, [5.0], 1.0, 0.0),
        (5.0, [10.0], 0.0, 0.5),  # half a day's work
        (10.0, [5.0, 5.0, 5.0], 0.0, 2.0),
        (11.0, [6.0] * 10, 2.0, 2.5),  # what arrives meanwhile counts
        (10.0, [0.0, 0.0, 20.0], 0.0, 2.5),  # nobody is served before capacity is back
        (30.0, [5.0] * 5, 0.0, 6.0),  # as in the last days, beyond what is declared
        (30.0, [5.0] * 5, 4.0, 5 + 25.0),
        (30.0, [5.0] * 5, 5.0, QUEUE_DAYS_MOST),  # it does not shrink
        (900.0, [5.0] * 5, 4.0, QUEUE_DAYS_MOST),
        (3.0, [], 0.0, QUEUE_DAYS_MOST),
    ],
)
def test_queues(waiting: float, promised: list[float], rate: float, days: float) -> None:
    found = measure_queues(
        {"chemistry": waiting}, [{"chemistry": one} for one in promised], {"chemistry": rate}
    )
    assert found == {"chemistry": pytest.approx(days)}


def test_a_need_stands_in_its_longest_queue() -> None:
    queues = {"chemistry": 0.5, "haematology": 2.0, "transfusion": 30.0}
    both = (("chemistry", 1), ("haematology", 1))
    assert longest_queue(both, queues) == (2.0, "haematology")
    assert longest_queue((), queues) == (0.0, "")
    assert is_quick(both, queues)
    assert not is_quick((*both, ("transfusion", 1)), queues)
    assert is_quick((("cytology", 1),), queues)  # nobody urgent waits for it
    assert "30 working days for transfusion" in word_turn("P2", (("transfusion", 1),), queues)
    assert "falls due" in word_turn("P4", CHEMISTRY, queues)


def test_short_is_more_due_than_promised_in_any_discipline() -> None:
    assert not is_short({}, {})
    assert not is_short({"chemistry": 5.0}, {"chemistry": 5.0})
    assert is_short({"chemistry": 5.0, "cytology": 1.0}, {"chemistry": 9.0})


def test_the_most_urgent_class_comes_first_whatever_the_harm() -> None:
    one = replace(NEED, id="N1", priority="P1", harm_per_day=0.0, escalates_on=None)
    two = replace(NEED, id="N2", priority="P2", safe_until=day(9))
    three = replace(NEED, id="N3", priority="P3", safe_until=day(-30), harm_per_day=900.0)
    assert in_turn([three, two, one], TODAY, {}, {}) == [one, two, three]


def test_of_the_urgent_the_longest_queue_comes_first() -> None:
    queues = {"chemistry": 1.0, "haematology": 3.0, "transfusion": 20.0}
    blood = replace(
        NEED, id="N9", priority="P2", tubes=(("haematology", 1), ("transfusion", 1)),
        safe_until=day(4),
    )  # fmt: skip
    count = replace(NEED, id="N2", priority="P2", tubes=(("haematology", 1),), safe_until=day(-5))
    salts = replace(NEED, id="N1", priority="P2", safe_until=day(-9))
    assert in_turn([salts, count, blood], TODAY, {}, queues) == [blood, count, salts]


def test_one_place_in_three_is_for_who_can_still_be_on_time() -> None:
    late = [replace(NEED, id=f"L{n}", priority="P2", safe_until=day(n - 9)) for n in range(5)]
    soon = [replace(NEED, id=f"S{n}", priority="P2", safe_until=day(n)) for n in range(3)]
    found = [one.id for one in in_turn([*soon, *late], TODAY, {}, {})]
    assert found == ["L0", "L1", "S0", "L2", "L3", "S1", "L4", "S2"]
    assert [one.id for one in in_turn(soon, TODAY, {}, {})] == ["S0", "S1", "S2"]
