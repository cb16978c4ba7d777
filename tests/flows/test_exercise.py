"""flows: an exercise end to end, against the server as it is run: the figures that may not bend.

`make test` plays the first two weeks of June 2024, one of them on PostgreSQL; `make soak` plays the
whole of it by command, twice.
"""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.support.database import Database, Databases, Vendor
from tests.support.effort import only_long
from tests.support.exercising import PEOPLE, SEED, play_world, shorten
from tests.support.replaying import assert_replay_equal
from tourniquet.exercise.audit import audit_messages, audit_needs, audit_telling
from tourniquet.exercise.bound import lower_bound
from tourniquet.exercise.competitors import strict_priority, what_happened
from tourniquet.exercise.desk_book import Book
from tourniquet.exercise.driver import Tally
from tourniquet.exercise.folders import prepare_folder
from tourniquet.exercise.outcome import Outcome
from tourniquet.exercise.run import write_scorecard
from tourniquet.exercise.scoring import Policies, SystemFacts, scorecard
from tourniquet.exercise.world import World

WEEKS = {"sqlite": 2, "postgresql": 1}
NOT_COMPARED = {
    "seconds",
    "seconds_by_part",
    "version",
    "history_dark_minutes",
    "restore_seconds",
}


@pytest.fixture
def short_world(vendor: Vendor, monkeypatch: pytest.MonkeyPatch) -> World:
    """The region, and the first weeks of the scenario."""
    return shorten(monkeypatch, weeks=WEEKS[vendor])


def _play(world: World, database: Database) -> Tally:
    tally, recovery = play_world(world, database)
    assert recovery is not None
    assert recovery.records_lost == 0
    forms = world.scenario.loss.forms
    assert recovery.book is not None
    assert recovery.book.numbers_given_out == recovery.book.numbers_accounted_for == forms
    assert (database.home / "restore-report.note").is_file()
    return tally


def test_the_first_weeks(databases: Databases, database: Database, short_world: World) -> None:
    world = short_world
    tally = _play(world, database)
    assert (database.home / "accounts.json").stat().st_mode & 0o077 == 0
    assert tally.refused == {}
    assert tally.collected > 0
    assert tally.wrongly_passed == 0
    sent = audit_messages(tally.acknowledged)
    assert sent.acknowledged == len(tally.acknowledged) > 0
    assert (sent.lost, sent.doubled) == (0, 0)
    ours = audit_needs(world, wrongly_passed=tally.wrongly_passed)
    assert ours.unprocessable_specimens == 0
    assert ours.postponed.sum() > 20, "nobody was postponed: it tests nothing"
    assert ours.dated[ours.postponed].all()
    telling = audit_telling()
    assert 0.9 * telling.people_concerned < telling.people_told <= telling.people_concerned
    ours = dataclasses.replace(ours, notices=telling.notices)
    _assert_scorecard(world, telling.hours_to_tell, ours, database.home)
    for vendor in ("sqlite", "postgresql") if database.vendor == "sqlite" else ("sqlite",):
        databases.use(database)
        assert_replay_equal(databases, database, vendor)


def _assert_scorecard(world: World, hours: tuple[float, ...], ours: Outcome, out: Path) -> None:
    """Every figure that the interface promises is there, and no policy beats the bound."""
    parts = (world.region, world.needs, world.seats, world.truth)
    others = what_happened(*parts), strict_priority(*parts, people=PEOPLE)
    facts = SystemFacts(
        1.0,
        {},
        np.array(hours),
        len(hours),
        messages_acknowledged=1,
        messages_refused=0,
        messages_lost=0,
        messages_doubled=0,
        replay_equals_tables=True,
        records_lost=0,
        seconds_without_history=90.0,
        restore_seconds=30.0,
        book=Book(24, 24, 20, 20, 2, 2),
    )
    card = scorecard(
        world,
        Policies(ours, *others),
        lower_bound(world.needs, world.seats, world.truth),
        facts,
        version="0",
    )
    write_scorecard(out, card)
    read = json.loads((out / "scorecard.json").read_text())
    assert read == json.loads(json.dumps(card))
    assert read["dated"]["tourniquet"] == 1.0
    assert read["unprocessable_specimens"]["tourniquet"] == 0
    harm = read["harm"]
    assert (
        0
        <= harm["lower_bound"]
        <= min(harm[name] for name in ("tourniquet", "what_happened", "strict_priority"))
    )


def _command(home: Path) -> dict[str, object]:
    ran = subprocess.run(
        [
            *(sys.executable, "-m", "tourniquet.cli.main", "exercise", "june-2024", "--json"),
            *("--seed", str(SEED), "--people", str(PEOPLE), "--home", str(home)),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    card = json.loads(ran.stdout)
    assert card == json.loads((home / "scorecard" / "scorecard.json").read_text())
    assert isinstance(card, dict)
    return card


@only_long
def test_the_whole_of_it_by_command_twice(tmp_path: Path) -> None:
    prepare_folder(tmp_path / "one")
    card, again = _command(tmp_path / "one"), _command(tmp_path / "two")
    assert {name: again[name] for name in again if name not in NOT_COMPARED} == {
        name: card[name] for name in card if name not in NOT_COMPARED
    }
    assert card["messages_lost"] == card["messages_doubled"] == 0
    assert card["replay_equals_tables"] is True
    for name, least in (("unprocessable_specimens", 0), ("dated", 1.0)):
        figures = card[name]
        assert isinstance(figures, dict)
        assert figures["tourniquet"] == least
