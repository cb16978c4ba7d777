"""An exercise from an empty folder to the scorecard.

1. Make the world; begin the two other policies and the bound in a process of their own.
2. Make and mark the home; set up the region as an installer would.
3. Start the server, sign in, play every day against its addresses.
4. Stop the server. Audit the journal and the tables.
5. Replay the journal into a new database and compare.
6. Score, write scorecard.json and the page.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from django.core.management import call_command
from django.db import connections

from tourniquet import __version__
from tourniquet.exercise.audit import audit_messages, audit_needs, audit_telling
from tourniquet.exercise.driver import Driver, Tally
from tourniquet.exercise.gateway import Gateway
from tourniquet.exercise.homes import prepare_database
from tourniquet.exercise.partners import MessageSender
from tourniquet.exercise.scorecard_page import render_page
from tourniquet.exercise.scoring import Policies, SystemFacts, scorecard
from tourniquet.exercise.server import running_server
from tourniquet.exercise.setting_up import save_accounts, set_up, sign_in_people
from tourniquet.exercise.summary import summary_lines
from tourniquet.exercise.world import World, make_world
from tourniquet.exercise.yardsticks import measure_others
from tourniquet.kernel.clock import london_time
from tourniquet.record import database
from tourniquet.record.replay import SOURCE, compare_tables, replay
from tourniquet.site.settings import database as describe_database


@dataclass(frozen=True)
class Terms:
    """What was asked for."""

    scenario: str
    seed: int
    people: int
    home: Path
    out: Path
    database_url: str


@dataclass(frozen=True)
class Result:
    """The scorecard, and the lines that tell it on a screen."""

    scorecard: dict[str, object]
    lines: list[str]


def run_exercise(
    terms: Terms, *, describe: Callable[[str], None], advance: Callable[[int], None]
) -> Result:
    """Play an exercise in a prepared folder; the caller has set up Django for it."""
    began = time.monotonic()
    # 1. The world, and what is computed beside it.
    world = make_world(terms.scenario, seed=terms.seed, people=terms.people)
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        others = pool.submit(measure_others, terms.scenario, terms.seed, terms.people)
        # 2. The home.
        describe("Setting up the region")
        scenario = world.scenario
        start = london_time(scenario.date_of(-scenario.warm_up_days), 6)
        prepare_database(scenario.name, start)
        accounts = set_up(world, start)
        save_accounts(terms.home, accounts)
        connections.close_all()
        # 3. The days.
        tally = _play(terms, world, accounts, describe, advance)
        # 4. and 5. What became of it.
        describe("Auditing the record")
        outcome = audit_needs(world, wrongly_passed=tally.wrongly_passed)
        telling = audit_telling()
        sent = audit_messages(tally.acknowledged)
        describe("Replaying the journal")
        equal = replay_equals_tables(terms)
        describe("Waiting for the bound")
        happened, strict, bound = others.result()
    # 6. The score.
    facts = SystemFacts(
        seconds=time.monotonic() - began,
        hours_to_tell=np.array(telling.hours_to_tell, dtype=np.float64),
        people_to_tell=telling.people_concerned,
        messages_acknowledged=sent.acknowledged,
        messages_lost=sent.lost,
        messages_doubled=sent.doubled,
        replay_equals_tables=equal,
    )
    ours = replace(outcome, notices=telling.notices)
    card = scorecard(world, Policies(ours, happened, strict), bound, facts, version=__version__)
    write_scorecard(terms.out, card)
    return Result(card, summary_lines(card, terms.out))


def _play(
    terms: Terms,
    world: World,
    accounts: dict[str, dict[str, str]],
    describe: Callable[[str], None],
    advance: Callable[[int], None],
) -> Tally:
    scenario = world.scenario

    def progress(day: int) -> None:
        advance(1)
        week = day // 7 + 1
        describe(f"Week {week} of {scenario.weeks}" if day >= 0 else "Before the attack")

    with running_server(terms.home, terms.database_url) as address:
        people = sign_in_people(address, accounts)
        driver = Driver(
            world,
            people,
            MessageSender(address.host, address.mllp_port),
            Gateway(terms.home, world),
            progress=progress,
        )
        driver.run()
    return driver.tally


def replay_equals_tables(terms: Terms) -> bool:
    """Replay the home's journal into a new SQLite database and compare every table."""
    source = describe_database(terms.database_url, terms.home)
    with TemporaryDirectory(prefix="tourniquet-replay-") as folder:
        database.point(SOURCE, source)
        database.point("default", _passing(describe_database("", Path(folder))))
        try:
            call_command("migrate", verbosity=0, interactive=False)
            replay()
            return all(comparison.equal for comparison in compare_tables())
        finally:
            connections.close_all()
            database.point("default", source)


def _passing(description: dict[str, Any]) -> dict[str, Any]:
    """A database that is thrown away after the comparison need not reach the disk."""
    options = description["OPTIONS"]
    command = options["init_command"].replace("synchronous=FULL", "synchronous=OFF")
    return {**description, "OPTIONS": {**options, "init_command": command}}


def write_scorecard(out: Path, card: dict[str, object]) -> None:
    """scorecard.json and the page with charts, each whole or not at all."""
    out.mkdir(parents=True, exist_ok=True)
    for name, text in (
        ("scorecard.json", json.dumps(card, indent=2) + "\n"),
        ("index.html", render_page(card)),
    ):
        draft = out / f".{name}.part"
        draft.write_text(text, encoding="utf-8")
        draft.replace(out / name)
