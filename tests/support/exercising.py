"""Exercises in tests: the first weeks of June 2024, played against the server as it is run."""

from __future__ import annotations

import dataclasses

import pytest
from django.db import connections

from tests.support.database import Database
from tourniquet.exercise import world as worlds
from tourniquet.exercise.away import put_away
from tourniquet.exercise.driver import Tally
from tourniquet.exercise.folders import MARK
from tourniquet.exercise.homes import prepare_database
from tourniquet.exercise.loss import Recovery
from tourniquet.exercise.run import Terms, play
from tourniquet.exercise.scenario import Loss, Scenario, load_scenario
from tourniquet.exercise.setting_up import save_accounts, set_up
from tourniquet.exercise.stopwatch import Stopwatch
from tourniquet.exercise.world import World, make_world
from tourniquet.kernel.clock import london_time

SEED = 7
PEOPLE = 2_000
NEVER_DAYS = 1000


def shorten(monkeypatch: pytest.MonkeyPatch, *, weeks: int) -> World:
    """The region and the first weeks of the scenario, the loss in the last one's middle."""

    def load(name: str) -> Scenario:
        whole = load_scenario(name)
        wednesday = whole.date_of(7 * weeks - 5)
        return dataclasses.replace(
            whole,
            weeks=weeks,
            capacity=whole.capacity[:weeks],
            loss=dataclasses.replace(whole.loss, lost_on=wednesday),
        )

    monkeypatch.setattr(worlds, "load_scenario", load)
    return make_world("june-2024", seed=SEED, people=PEOPLE)


def with_loss(world: World, loss: Loss) -> World:
    """The same world with another loss."""
    return dataclasses.replace(world, scenario=dataclasses.replace(world.scenario, loss=loss))


def without_loss(world: World) -> World:
    """The same world, in which nothing is destroyed."""
    never = world.scenario.date_of(NEVER_DAYS)
    return with_loss(world, dataclasses.replace(world.scenario.loss, lost_on=never))


def play_world(world: World, database: Database) -> tuple[Tally, Recovery | None]:
    """Play a world in a home of its own, from set-up to the last day."""
    scenario, home = world.scenario, database.home
    start = london_time(scenario.date_of(-scenario.warm_up_days), 6)
    prepare_database(scenario.name, start)
    (home / "logs").mkdir()
    accounts = set_up(world, start)
    put_away(home, start, forms=scenario.loss.forms)
    save_accounts(home, accounts)
    connections.close_all()
    (home / MARK).touch()
    days: list[int] = []
    terms = Terms(scenario.name, SEED, PEOPLE, home, home / "scorecard", database.url)
    found = play(terms, world, accounts, Stopwatch(), describe=lambda _: None, advance=days.append)
    assert sum(days) == scenario.warm_up_days + scenario.days
    return found
