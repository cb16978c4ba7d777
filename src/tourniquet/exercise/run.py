"""An exercise from an empty folder to the scorecard.

1. Make the world; begin the two other policies and the bound in a process of their own.
2. Make and mark the home; set up the region as an installer would.
3. Start the server, sign in, play every day against its addresses. Beside it, replay the journal
   into a new database as it grows, and a replica follows. In one night the whole home is destroyed,
   and restored from the replica.
4. Stop the server. Audit the journal and the tables.
5. Replay the rest and compare every table.
6. Score, write scorecard.json and the page.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from django.db import connections

from tourniquet import __version__
from tourniquet.exercise.audit import audit_messages, audit_needs, audit_telling
from tourniquet.exercise.away import Away, put_away
from tourniquet.exercise.commands import Commands
from tourniquet.exercise.driver import Driver, People, Tally
from tourniquet.exercise.gateway import Gateway
from tourniquet.exercise.homes import destroy_database, prepare_database
from tourniquet.exercise.known import Known, find_known
from tourniquet.exercise.loss import (
    Recovery,
    Stage,
    let_it_catch_up,
    lose_and_restore,
    take_in_book,
)
from tourniquet.exercise.partners import MessageSender
from tourniquet.exercise.replica_beside import ReplicaBeside
from tourniquet.exercise.scorecard_page import render_page
from tourniquet.exercise.scoring import Policies, SystemFacts, scorecard
from tourniquet.exercise.second_copy import SecondCopy, second_copy
from tourniquet.exercise.server import Server
from tourniquet.exercise.setting_up import issue_anew, save_accounts, set_up, sign_in_people
from tourniquet.exercise.stopwatch import Stopwatch
from tourniquet.exercise.summary import summary_lines
from tourniquet.exercise.world import World, make_world
from tourniquet.exercise.yardsticks import measure_others
from tourniquet.kernel.clock import london_time

NIGHT = (20, 0)
BEFORE_MORNING = (5, 0)


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
    watch = Stopwatch()
    # 1. The world, and what is computed beside it.
    with watch.part("world"):
        world = make_world(terms.scenario, seed=terms.seed, people=terms.people)
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        others = pool.submit(measure_others, terms.scenario, terms.seed, terms.people)
        # 2. The home.
        describe("Setting up the region")
        with watch.part("set-up"):
            accounts = _make_home(terms, world)
        with second_copy(terms.home, terms.database_url) as copy:
            # 3. The days.
            tally, recovery = play(
                terms, world, accounts, watch, describe=describe, advance=advance
            )
            assert recovery is not None, "a scenario that loads has its loss within its days"
            # 4. What became of it.
            describe("Auditing the record")
            with watch.part("audit"):
                outcome = audit_needs(world, wrongly_passed=tally.wrongly_passed)
                telling = audit_telling()
                sent = audit_messages(tally.acknowledged)
            # 5. The copy from the journal alone.
            describe("Comparing the replayed journal")
            with watch.part("replay"):
                equal = _equals_tables(terms, copy, recovery)
        describe("Waiting for the bound")
        with watch.part("bound"):
            happened, strict, bound = others.result()
    # 6. The score.
    facts = SystemFacts(
        seconds=time.monotonic() - began,
        seconds_by_part=watch.seconds(),
        hours_to_tell=np.array(telling.hours_to_tell, dtype=np.float64),
        people_to_tell=telling.people_concerned,
        messages_acknowledged=sent.acknowledged,
        messages_refused=len(tally.refused),
        messages_lost=sent.lost,
        messages_doubled=sent.doubled,
        replay_equals_tables=equal,
        records_lost=recovery.records_lost,
        seconds_without_history=recovery.seconds_without_history,
        restore_seconds=recovery.restore_seconds,
        book=recovery.book,
    )
    ours = replace(outcome, notices=telling.notices)
    card = scorecard(world, Policies(ours, happened, strict), bound, facts, version=__version__)
    write_scorecard(terms.out, card)
    return Result(card, summary_lines(card, terms.out))


def _equals_tables(terms: Terms, copy: SecondCopy, recovery: Recovery) -> bool:
    """Whether the journal alone gives every table; where records were lost, it is another one."""
    if not recovery.records_lost:
        return copy.equals_tables()
    copy.stop()
    with second_copy(terms.home, terms.database_url) as anew:
        return anew.equals_tables()


def _make_home(terms: Terms, world: World) -> dict[str, dict[str, str]]:
    """Mark the home and set up the region; the accounts of those who act."""
    scenario = world.scenario
    start = london_time(scenario.date_of(-scenario.warm_up_days), 6)
    prepare_database(scenario.name, start)
    accounts = set_up(world, start)
    put_away(terms.home, start, forms=scenario.loss.forms)
    save_accounts(terms.home, accounts)
    connections.close_all()
    return accounts


def play(
    terms: Terms,
    world: World,
    accounts: dict[str, dict[str, str]],
    watch: Stopwatch,
    *,
    describe: Callable[[str], None],
    advance: Callable[[int], None],
) -> tuple[Tally, Recovery | None]:
    """Start the server and play every day; what was seen, and what a loss cost."""
    scenario = world.scenario

    recoveries: list[Recovery] = []
    run = Commands(terms.home, terms.database_url)
    away, server = Away(terms.home), Server(terms.home, terms.database_url)
    replica = ReplicaBeside(away, run, over=scenario.loss.replica_over)
    stage = Stage(away, run, server, replica, terms.database_url)

    def progress(day: int) -> None:
        advance(1)
        week = day // 7 + 1
        describe(f"Week {week} of {scenario.weeks}" if day >= 0 else "Before the attack")
        behind = scenario.loss.replica_behind_days
        if behind and day == scenario.loss_day - behind:
            connections.close_all()
            let_it_catch_up(run, replica, terms.home)
            replica.stop()  # what comes from here on is in no copy when the home is lost

    def lose(tally: Tally) -> People:
        describe("Everything is destroyed")
        with watch.part("loss"):
            connections.close_all()
            found, people = _lose(stage, world, find_known(world, tally.acknowledged))
            recoveries.append(found)
            return people

    try:
        with watch.part("server"):
            address = server.start()
            replica.start(address, accounts["replica"]["token"])
            people = sign_in_people(address, accounts)
            with closing(MessageSender(address.host, address.mllp_port)) as sender:
                driver = Driver(
                    world,
                    people,
                    sender,
                    Gateway(terms.home, world),
                    progress=progress,
                    watch=watch,
                    lose=lose,
                )
                driver.run()
    finally:
        replica.stop()
        server.stop()
    return driver.tally, next(iter(recoveries), None)


def _lose(stage: Stage, world: World, known: Known) -> tuple[Recovery, People]:
    """Destroy the home, bring it back, serve it; take in what the desk did, before the morning."""
    scenario, home = world.scenario, stage.away.home
    night = london_time(scenario.date_of(scenario.loss_day), *NIGHT)
    recovery = lose_and_restore(stage, world, known, at=night, empty=destroy_database)
    accounts = issue_anew(world)
    save_accounts(home, accounts)
    connections.close_all()
    address = stage.server.start()
    stage.replica.start(address, accounts["replica"]["token"])
    people = sign_in_people(address, accounts)
    before_morning = london_time(scenario.date_of(scenario.loss_day + 1), *BEFORE_MORNING)
    people.control.post_json("/exercise/clock", {"to": before_morning.isoformat()})
    return take_in_book(stage.run, recovery), people


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
