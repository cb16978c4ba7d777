"""The whole home is destroyed in a night of the exercise, and brought back from its replica.

1. In the night nothing is under way: wait until the sealer has sealed what there is, and give the
   replica a while to copy it. What it has not copied then is lost, and counted.
2. The server is killed and the replica cut off. Database, vault, keys and everything else in the
   home are destroyed: what an attacker reached.
3. The downtime desk is started beside the replica, cold, and unlocked by two holders of sheets. It
   shows a history, and takes a night's work (exercise.outage).
4. Two sheets bring the root key back; `tourniquet record restore` makes database, vault and keys
   again from the replica, verified. The desk's book is exported.
5. Once the server runs again, `tourniquet record reconcile` takes the book in: what became of every
   number, result and call, compared with what the exercise did at the desk.

Invariants:
- Everything is done by the commands and pages that people have, from outside.
- Only the exercise's own home and database are ever destroyed (HAZ-013): both carry its mark.
- Nothing of the destroyed home is used afterwards, but the terms of the exercise itself.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from tourniquet.exercise.away import Away
from tourniquet.exercise.commands import Commands, count
from tourniquet.exercise.desk_book import Book, Night, compare_book
from tourniquet.exercise.folders import MARK, destroy_home
from tourniquet.exercise.known import Known
from tourniquet.exercise.outage import Outage
from tourniquet.exercise.replica_beside import ReplicaBeside, checkpoint_size
from tourniquet.exercise.server import Server
from tourniquet.exercise.world import World
from tourniquet.kernel.errors import OperatorError

SEALED_SECONDS = 60
COPIED_SECONDS = 60
_LOOK_SECONDS = 0.1


@dataclass(frozen=True)
class Recovery:
    """What the loss cost. Without history: until the desk, started anew, had shown a history."""

    records_lost: int
    seconds_without_history: float
    restore_seconds: float
    night: Night
    book: Book | None = None


@dataclass(frozen=True)
class Stage:
    """An exercise's home and what stands around it."""

    away: Away
    run: Commands
    server: Server
    replica: ReplicaBeside
    database_url: str


def lose_and_restore(
    stage: Stage, world: World, known: Known, *, at: datetime, empty: Callable[[], None]
) -> Recovery:
    """Destroy the home and bring it back; `empty` destroys what a database's URL names.

    `known` is what the desk's history must show; `at` the exercise's time. The server
    runs when this is called; afterwards neither it nor the replica does.
    Raises: OperatorError when the home can't be brought back, or the desk shows less than it must.
    """
    away, home = stage.away, stage.away.home
    if not (home / MARK).is_file():
        raise OperatorError("This is no exercise's home.", where=str(home))
    # 1. Everything sealed, and copied where a replica follows.
    before = let_it_catch_up(stage.run, stage.replica, home)
    # 2. The loss.
    stage.server.kill()
    stage.replica.stop()
    began = time.monotonic()
    if stage.database_url:
        empty()
    destroy_home(home)
    # 3. The desk.
    outage = Outage(away, stage.run, world, at=at)
    with outage.desk() as console:
        outage.find_history(console, known)
        without_history = time.monotonic() - began
        night = outage.work(console, world.scenario.loss)
    # 4. Sheets, restore, the book.
    began_to_restore = time.monotonic()
    try:
        restored = _restore(stage)
        outage.export(away.recovered / "root.key")
    finally:
        shutil.rmtree(away.recovered, ignore_errors=True)
    restore_seconds = time.monotonic() - began_to_restore
    return Recovery(before - restored, without_history, restore_seconds, night)


def _restore(stage: Stage) -> int:
    """Bring the keys back from two sheets, and the home from the replica; up to which entry."""
    away, home = stage.away, stage.away.home
    stage.run.json(
        *("record", "keys", "combine", "--ring", away.ring / "ring.sqlite3"),
        *("--key", away.pinned, "--into", away.recovered),
        typed=f"{away.words(2)}\n{away.words(3)}\n",
    )
    target: tuple[object, ...] = ("--into", home)
    if stage.database_url:
        target = ("--into", stage.database_url, "--home", home)
    restored = stage.run.json(
        *("record", "restore", "--from", away.vault, "--keys", away.recovered),
        *("--key", away.pinned, *target, "--report", home / "restore-report.note"),
    )
    return count(restored, "position")


def take_in_book(run: Commands, recovery: Recovery) -> Recovery:
    """Reconcile the desk's book with the restored home; compare it with the night's work."""
    # 5.
    found = run.json("record", "reconcile", recovery.night.export)
    return replace(recovery, book=compare_book(found, recovery.night))


def let_it_catch_up(run: Commands, replica: ReplicaBeside, home: Path) -> int:
    """Wait until all there is has been sealed and copied, or for so long; how many entries."""
    sealed = _wait_until_sealed(run, home)
    replica.wait_until(sealed, seconds=COPIED_SECONDS)
    return sealed


def _wait_until_sealed(run: Commands, home: Path) -> int:
    """The head of the journal, once the vault has it."""
    head = count(run.json("record", "status"), "position")
    deadline = time.monotonic() + SEALED_SECONDS
    while time.monotonic() < deadline:
        if checkpoint_size(home / "vault" / "checkpoint") >= head:
            return head
        time.sleep(_LOOK_SECONDS)
    raise OperatorError(
        "The sealer does not keep up.",
        where=str(home / "logs" / "sealer.log"),
        remedy="Read the log and start again.",
    )
