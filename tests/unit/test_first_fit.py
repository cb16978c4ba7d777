"""The quick way to place a few new needs: bookings stand where they can, nothing is overbooked."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from tourniquet.triage.first_fit import FirstFit, count_late, fit_first, fit_giving_way
from tourniquet.triage.problem import (
    Clinic,
    Courier,
    Decision,
    Lab,
    LabCapacity,
    Need,
    Problem,
    Seats,
    Zone,
)

DAYS = 4


def need(
    name: str, priority: str, *, safe: int = 20, at: int | None = None, tubes: int = 1
) -> Need:
    """A need, booked at C on day `at` where one is given."""
    return Need(
        need=name,
        patient=f"S{name}",
        zone="Z",
        indication="SYMP",
        priority=priority,
        released=0,
        due=0,
        safe_until=safe,
        harm_per_day=1,
        escalates_on=None,
        escalated_harm_per_day=0,
        stability_hours=4,
        travel_km=5,
        booked_clinic="" if at is None else "C",
        booked_day=at,
        tubes=(tubes,),
    )


def problem(*needs: Need, seats: int = 9, tubes: int = 9, days: int = DAYS) -> Problem:
    """One clinic and one laboratory, the same every day."""
    return Problem(
        days=days,
        tail_days=0,
        disciplines=("D",),
        zones=(Zone("Z", "B", 0, 0),),
        clinics=(Clinic("C", "Z", 0, 0),),
        labs=(Lab("L", True),),  # noqa: FBT003 (a row of a table)
        seats=tuple(Seats("C", day, seats) for day in range(days)),
        lab_capacity=tuple(LabCapacity("L", "D", day, tubes) for day in range(days)),
        couriers=(Courier("C", "L", 1),),
        needs=needs,
    )


def told(decisions: tuple[Decision, ...]) -> dict[str, tuple[str, int | None]]:
    """Decision and day by need."""
    return {one.need: (one.decision, one.day) for one in decisions}


def test_bookings_stand_where_there_is_room_for_everybody() -> None:
    asked = problem(need("new", "P1", safe=0), need("a", "P4", at=0), need("b", "P5", at=2))
    assert told(fit_giving_way(asked)) == {
        "new": ("book", 0),
        "a": ("keep", 0),  # never earlier for its own sake: it was promised that day
        "b": ("keep", 2),
    }


def test_a_new_urgent_need_gets_the_tubes_and_the_least_urgent_gives_way() -> None:
    asked = problem(
        *(need("new", "P1", safe=0), need("late", "P5", at=0), need("soon", "P2", at=0)), tubes=2
    )
    assert told(fit_giving_way(asked)) == {
        "new": ("book", 0),
        "soon": ("keep", 0),
        "late": ("move", 1),
    }


def test_a_new_need_gets_the_seat_too() -> None:
    asked = problem(need("a", "P3", at=0), need("new", "P2"), seats=1)
    assert told(fit_giving_way(asked)) == {"a": ("move", 1), "new": ("book", 0)}


def test_who_gives_way_takes_nobodys_booking() -> None:
    """The day after is full of people who stand; the first day with room is taken."""
    asked = problem(
        need("new", "P1", safe=0), need("a", "P3", at=0), need("b", "P5", at=1), seats=1
    )
    assert told(fit_giving_way(asked)) == {
        "new": ("book", 0),
        "a": ("move", 2),
        "b": ("keep", 1),
    }


def test_who_fits_nowhere_is_deferred_with_a_day_to_hear_by() -> None:
    decisions = fit_giving_way(problem(need("new", "P1", safe=0), need("a", "P3", at=0), seats=1,
                                       days=1))  # fmt: skip
    assert told(decisions) == {"new": ("book", 0), "a": ("defer", None)}
    assert decisions[1].review_on is not None
    assert 0 <= decisions[1].review_on <= 14
    assert (decisions[1].clinic, decisions[1].lab) == ("", "")


def test_an_urgent_need_that_is_too_late_takes_the_emergency_route() -> None:
    decisions = fit_giving_way(problem(need("new", "P1", safe=0), tubes=0))
    assert decisions[0].reason.startswith("emergency route")
    assert decisions[0].review_on == 0


def test_first_fit_keeps_a_booking_on_its_earliest_day_and_counts_the_late() -> None:
    asked = problem(
        need("a", "P3", at=0), need("b", "P3", safe=0), need("c", "P3", safe=0), seats=2
    )
    decisions = fit_first(asked)
    assert told(decisions) == {"a": ("move", 1), "b": ("book", 0), "c": ("book", 0)}
    assert count_late(asked.needs, decisions) == 0
    assert told(fit_first(problem(need("a", "P3", at=0))))["a"] == ("keep", 0)


def _random_problem(chance: random.Random) -> Problem:
    days, clinics, labs = 6, ("C", "E", "F"), ("L", "M")
    base = problem(days=days)
    needs = []
    for number in range(40):
        is_booked = chance.random() < 0.6
        one = need(
            f"N{number}",
            f"P{chance.randint(1, 5)}",
            safe=chance.randint(0, 12),
            at=chance.randrange(days) if is_booked else None,
        )
        needs.append(
            one._replace(
                booked_clinic=chance.choice(clinics) if is_booked else "",
                tubes=(chance.randint(0, 2), chance.randint(0, 2)),
                travel_km=chance.choice([0, 3, 9]),
                stability_hours=chance.choice([2, 4, 9]),
                released=chance.randint(-2, 3),
            )
        )
    return Problem(
        days=days,
        tail_days=5,
        disciplines=("D", "H"),
        zones=base.zones,
        clinics=tuple(Clinic(name, "Z", 2 * at, 0) for at, name in enumerate(clinics)),
        labs=tuple(Lab(name, True) for name in labs),  # noqa: FBT003 (a row of a table)
        seats=tuple(
            Seats(name, day, chance.randint(0, 4)) for name in clinics for day in range(days)
        ),
        lab_capacity=tuple(
            LabCapacity(lab, name, day, chance.randint(0, 6))
            for lab in labs
            for name in ("D", "H")
            for day in range(days)
        ),
        couriers=tuple(
            Courier(clinic, lab, chance.choice([1, 2, 5])) for clinic in clinics for lab in labs
        ),
        needs=tuple(needs),
    )


@pytest.mark.parametrize("fit", [fit_first, fit_giving_way])
def test_nothing_is_overbooked_in_any_problem(fit: object, seed: int) -> None:
    chance = random.Random(seed)
    for _ in range(60):
        asked = _random_problem(chance)
        decisions = fit(asked)  # type: ignore[operator] # one of two functions
        _assert_sound(asked, decisions)
        assert fit(asked) == decisions  # type: ignore[operator] # one of two functions


def _assert_sound(asked: Problem, decisions: tuple[Decision, ...]) -> None:
    assert [one.need for one in decisions] == [one.need for one in asked.needs]
    seats, tubes = Counter[object](), Counter[object]()
    reach = {"C": 0, "E": 2, "F": 4}
    hours = {(one.clinic, one.lab): one.hours for one in asked.couriers}
    for wanted, one in zip(asked.needs, decisions, strict=True):
        if one.day is None:
            assert one.decision == "defer"
            assert one.review_on is not None
            continue
        assert max(0, wanted.released) <= one.day < asked.days
        assert reach[one.clinic] <= wanted.travel_km
        assert hours[one.clinic, one.lab] <= wanted.stability_hours - 1
        stands = (wanted.booked_clinic, wanted.booked_day) == (one.clinic, one.day)
        word = "book" if wanted.booked_day is None else "keep" if stands else "move"
        assert one.decision == word
        seats[one.clinic, one.day] += 1
        for name, count in zip(asked.disciplines, wanted.tubes, strict=True):
            tubes[one.lab, name, one.day] += count
    room = {(row.clinic, row.day): row.seats for row in asked.seats}
    assert all(count <= room[key] for key, count in seats.items())
    left = {(row.lab, row.discipline, row.day): row.tubes for row in asked.lab_capacity}
    assert all(count <= left[key] for key, count in tubes.items())


def test_a_new_need_is_never_worse_off_for_the_bookings(seed: int) -> None:
    """Whoever is not booked yet is placed as if there were no bookings at all."""
    chance = random.Random(seed)
    for _ in range(30):
        asked = _random_problem(chance)
        new = tuple(one for one in asked.needs if one.booked_day is None)
        alone = Problem(
            **{name: getattr(asked, name) for name in Problem.__slots__} | {"needs": new}
        )
        among = {one.need: one for one in fit_giving_way(asked)}
        assert [among[one.need] for one in fit_first(alone)] == list(fit_first(alone))


def test_a_place_given_back_is_free_for_the_next() -> None:
    asked = problem(need("a", "P3"), need("b", "P3"), seats=1, tubes=1, days=1)
    fit = FirstFit(asked)
    place = fit.place(asked.needs[0])
    assert place == (0, "C", "L")
    fit.give_back(asked.needs[0], place)
    assert fit.place(asked.needs[1]) == place
    assert fit.place(asked.needs[0]) is None
