"""Competitors, bound, scoring and the page of the scorecard."""

from __future__ import annotations

import dataclasses
import json
import re

import numpy as np
import pytest

from tourniquet.diary.harm import NEVER
from tourniquet.exercise import bound as bounds
from tourniquet.exercise.bound import Bound, lower_bound
from tourniquet.exercise.competitors import strict_priority, what_happened
from tourniquet.exercise.outcome import Outcome
from tourniquet.exercise.scorecard_page import render_page
from tourniquet.exercise.scoring import Policies, SystemFacts, harm_until, scorecard
from tourniquet.exercise.world import World, make_world

PEOPLE = 3_000


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
    facts = SystemFacts(
        1.5,
        {"mornings": 0.5},
        np.array([1.0, 5.0, 30.0]),
        3,
        100,
        0,
        0,
        replay_equals_tables=True,
        records_lost=0,
        seconds_without_history=90.0,
        restore_seconds=30.0,
        numbers_given_out=24,
        numbers_accounted_for=24,
    )
    return scorecard(world, Policies(ours, happened, strict), bound, facts, version="0")


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
        "restore_seconds", "numbers_given_out", "numbers_accounted_for",
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


def test_the_page_escapes(card: dict[str, object]) -> None:
    page = render_page({**card, "title": "<b>bad</b>"})
    assert "<b>bad" not in page
