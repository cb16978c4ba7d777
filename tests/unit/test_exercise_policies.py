"""Competitors, bound, scoring and the page of the scorecard."""

from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path

import numpy as np
import pytest

from tourniquet.diary.harm import NEVER
from tourniquet.exercise import bound as bounds
from tourniquet.exercise.bound import Bound, lower_bound
from tourniquet.exercise.competitors import strict_priority, what_happened
from tourniquet.exercise.desk_book import Book, Night, compare_book
from tourniquet.exercise.outcome import Outcome
from tourniquet.exercise.scorecard_page import render_page
from tourniquet.exercise.scoring import Policies, SystemFacts, harm_until, scorecard
from tourniquet.exercise.world import World, make_world

PEOPLE = 3_000
BOOK = Book(24, 24, 20, 20, 2, 2)


@pytest.fixture(scope="module")
def world() -> World:
    return make_world("june-2024", people=PEOPLE, seed=7)


@pytest.fixture(scope="module")
def happened(world: World) -> Outcome:
    return what_happened(world.region, world.needs, world.seats, world.truth)


@pytest.fixture(scope="module")
def strict(world: World) -> Outcome:
    return strict_priority(world.region, world.needs, world.seats, world.truth, people=PEOPLE)


@pytest.fixture(scope="module")
def bound(world: World) -> Bound:
    return lower_bound(world.needs, world.seats, world.truth)


@pytest.fixture(scope="module")
def card(world: World, happened: Outcome, strict: Outcome, bound: Bound) -> dict[str, object]:
    ours = dataclasses.replace(strict, policy="tourniquet")
    return scorecard(world, Policies(ours, happened, strict), bound, facts(BOOK), version="0")


def facts(book: Book | None) -> SystemFacts:
    return SystemFacts(
        1.5,
        {"mornings": 0.5},
        np.array([1.0, 5.0, 30.0]),
        3,
        messages_acknowledged=100,
        messages_refused=0,
        messages_lost=0,
        messages_doubled=0,
        replay_equals_tables=True,
        records_lost=0,
        seconds_without_history=90.0,
        restore_seconds=30.0,
        book=book,
    )


def check_feasible(world: World, outcome: Outcome) -> None:
    needs, capacity = world.needs, world.truth.capacity
    assert (outcome.served >= needs.released)[needs.released >= 0].all()
    for day in range(world.scenario.days):
        today = np.flatnonzero(outcome.served == day)
        assert world.scenario.is_open(day) or not len(today)
        assert world.truth.attends(needs, today, day).all()
        assert (needs.tubes[today].sum(axis=0) <= capacity.actual_on(day).sum(axis=0)).all()
        assert len(today) <= world.seats.on(day).sum()


def test_competitors_keep_the_rules(world: World, happened: Outcome, strict: Outcome) -> None:
    check_feasible(world, happened)
    check_feasible(world, strict)
    assert strict.unprocessable_specimens == 0
    assert happened.unprocessable_specimens > 0


def test_routine_is_not_served_before_week_11_in_2024(world: World, happened: Outcome) -> None:
    needs = world.needs
    routine = ~needs.urgent & (happened.served >= 0) & (happened.served < 70)
    assert routine.sum() < 0.06 * (~needs.urgent).sum()  # only those re-marked as critical
    assert not happened.dated[happened.postponed].any()
    assert strict_beats(world, happened)


def strict_beats(world: World, happened: Outcome) -> bool:
    strict = strict_priority(world.region, world.needs, world.seats, world.truth, people=PEOPLE)
    return harm_until(world.needs, strict.served, end=140) < harm_until(
        world.needs, happened.served, end=140
    )


def test_runs_repeat(world: World, strict: Outcome) -> None:
    again = strict_priority(world.region, world.needs, world.seats, world.truth, people=PEOPLE)
    assert (again.served == strict.served).all()
    assert again.notices == strict.notices


def test_the_bound_is_below_every_policy(
    world: World, bound: Bound, happened: Outcome, strict: Outcome
) -> None:
    assert bound.harm > 0
    for outcome in (happened, strict):
        assert bound.harm <= harm_until(world.needs, outcome.served, end=140)


def test_any_prices_give_a_valid_bound(world: World, strict: Outcome) -> None:
    problem = bounds._problem(world.needs, world.seats, world.truth)
    harm = harm_until(world.needs, strict.served, end=140)
    chance = np.random.default_rng(7)
    for scale in (0.0, 0.5, 5.0, 500.0):
        prices = chance.random(problem.capacity.shape) * scale
        value, _ = bounds._evaluate(problem, prices)
        assert value <= harm


def test_the_bound_is_exact_where_nothing_binds(world: World) -> None:
    """With no price the bound is each need's least harm: served as soon as it can be."""
    problem = bounds._problem(world.needs, world.seats, world.truth)
    value, _ = bounds._evaluate(problem, np.zeros_like(problem.capacity))
    soonest = np.full(len(world.needs), NEVER, dtype=np.int32)
    soonest[problem.free] = -1
    for day in reversed(world.scenario.open_days(0, world.scenario.days - 1)):
        rows = np.flatnonzero(~problem.free & (world.needs.released <= day))
        rows = rows[world.truth.attends(world.needs, rows, day)]
        soonest[rows] = day
    assert value == pytest.approx(harm_until(world.needs, soonest, end=140))


def test_the_scorecard_has_the_published_fields(card: dict[str, object]) -> None:
    for name in (
        "scenario", "seed", "people", "days", "seconds", "needs", "urgent_on_time", "harm",
        "dated", "unprocessable_specimens", "told", "hours_to_tell_p90", "kept",
        "notices_per_person", "days_to_next_date_p90", "messages_acknowledged", "messages_lost",
        "messages_doubled", "replay_equals_tables", "records_lost", "history_dark_minutes",
        "restore_seconds", "numbers_given_out", "numbers_accounted_for", "results_keyed",
        "results_taken_in", "calls_made", "calls_taken_in", "messages_refused",
    ):  # fmt: skip
        assert name in card
    three = {"tourniquet", "what_happened", "strict_priority"}
    for name in ("urgent_on_time", "dated", "unprocessable_specimens"):
        value = card[name]
        assert isinstance(value, dict)
        assert set(value) == three
    harm = card["harm"]
    assert isinstance(harm, dict)
    assert set(harm) == {*three, "lower_bound"}
    json.dumps(card)


def test_the_page_stands_alone(card: dict[str, object]) -> None:
    page = render_page(json.loads(json.dumps(card)))
    assert "<script" not in page
    assert not re.search(r"https?://|src=|url\(|@import|<link", page)
    assert page.count("<title id=") == page.count("<desc id=") == page.count('role="img"')
    assert page.count("interpolated</span>") == 12
    assert page.count("anchor</span>") == 4
    assert "modelled and not measured" in page


GOOD_CARDS = {
    "harm": "Harm of delay",
    "urgent_on_time": "Urgent tests within",
    "unprocessable_specimens": "Specimens taken that",
    "dated": "Postponed with",
    "messages_acknowledged": "Acknowledged messages lost",
    "messages_lost": "Acknowledged messages lost",
    "messages_doubled": "Acknowledged messages lost",
    "replay_equals_tables": "Replaying the journal",
    "records_lost": "Records lost",
    "history_dark_minutes": "Records lost",
    "restore_seconds": "Records lost",
    "numbers_given_out": "Numbers of paper forms",
    "numbers_accounted_for": "Numbers of paper forms",
    "results_keyed": "Numbers of paper forms",
    "results_taken_in": "Numbers of paper forms",
    "calls_made": "Numbers of paper forms",
    "calls_taken_in": "Numbers of paper forms",
}


def _kind_of_card(card: dict[str, object], title: str) -> str:
    """Whether the page shows the card with this title as good or bad."""
    page = render_page(json.loads(json.dumps(card)))
    found = re.search(rf'<div class="card( good| bad|)"><h3>{title}', page)
    assert found is not None, title
    return found[1].strip()


def _without(card: dict[str, object], name: str) -> list[dict[str, object]]:
    """The card with this figure missing; of a figure by policy, with ours missing."""
    table = card[name]
    if isinstance(table, dict):
        return [{**card, name: {**table, "tourniquet": None}}]
    return [{**card, name: None}, {**card, name: "0"}, {**card, name: float("nan")}]


@pytest.mark.parametrize("name", GOOD_CARDS)
def test_a_missing_figure_is_bad_and_never_nought(card: dict[str, object], name: str) -> None:
    title = GOOD_CARDS[name]
    assert _kind_of_card(card, title) == "good", "else this shows nothing"
    for lacking in _without(card, name):
        assert _kind_of_card(lacking, title) == "bad"
    if name not in ("urgent_on_time", "dated", "replay_equals_tables"):
        assert "Missing" in render_page(_without(card, name)[0])


@pytest.mark.parametrize(
    ("changes", "title"),
    [
        ({"messages_acknowledged": 0}, "Acknowledged messages lost"),
        ({"messages_doubled": 1}, "Acknowledged messages lost"),
        ({"records_lost": -1}, "Records lost"),
        ({"numbers_given_out": 0, "numbers_accounted_for": 0}, "Numbers of paper forms"),
        ({"results_taken_in": 19}, "Numbers of paper forms"),
        ({"calls_taken_in": 0}, "Numbers of paper forms"),
        ({"calls_taken_in": 3}, "Numbers of paper forms"),
    ],
)
def test_nought_of_nought_and_what_differs_is_bad(
    card: dict[str, object], changes: dict[str, object], title: str
) -> None:
    assert _kind_of_card({**card, **changes}, title) == "bad"


def test_what_no_book_says_is_missing(
    world: World, happened: Outcome, strict: Outcome, bound: Bound
) -> None:
    made = scorecard(world, Policies(strict, happened, strict), bound, facts(None), version="0")
    assert made["numbers_given_out"] is made["calls_taken_in"] is None
    assert _kind_of_card(made, "Numbers of paper forms") == "bad"


def test_the_book_is_held_against_what_was_done() -> None:
    """What the export says of itself is compared with what the exercise did at the desk."""
    void = ("R2406-000017-A", "R2406-000018-B")
    night = Night(Path("x"), forms=24, keyed=16, void=void, blank=6, called=2)
    answer: dict[str, object] = {
        "issued": 24, "keyed": 16, "void": dict.fromkeys(void, "Spoiled"), "unused": 6,
        "results": 16, "calls": 2,
    }  # fmt: skip
    assert compare_book(answer, night) == Book(24, 24, 16, 16, 2, 2)
    nothing: dict[str, object] = {
        "issued": 0, "keyed": 0, "void": {}, "unused": 0, "results": 0, "calls": 0,
    }  # fmt: skip
    assert compare_book(nothing, night) == Book(24, 0, 16, 0, 2, 0)
    assert compare_book({**answer, "issued": 25, "unused": 7}, night).numbers_given_out == 25
    for change in ({"void": {"R2406-000001-C": ""}}, {"keyed": 15}, {"keyed": 17, "unused": 5}):
        found = compare_book({**answer, **change}, night)
        assert found.numbers_accounted_for < found.numbers_given_out


def test_the_page_escapes(card: dict[str, object]) -> None:
    page = render_page({**card, "title": "<b>bad</b>"})
    assert "<b>bad" not in page
