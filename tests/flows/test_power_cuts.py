"""A real server on a disk that loses what was not flushed: the power goes, again and again.

Home, database, keys and vault lie on `tests.support.losing_disk`. Three rounds in `make test`;
`make faults` asks for thirty.
"""

from __future__ import annotations

import os
import random
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.flows.test_cli_record import answer, tourniquet
from tests.flows.test_kill import Feed
from tests.support.database import Database
from tests.support.losing_disk import NoFuse, cut_now, mounted
from tourniquet.kernel.identifiers import synthetic_nhs_numbers

ROUNDS = int(os.environ.get("POWER_CUTS", "3"))
SENDERS = 3
KINDS = ("moment", "seal", "call")  # of the rounds, in turn: when the power goes, and on whom
CALLS_OF_A_ROUND = 4_000  # that change something; the disk answers several thousand a second
CALLS_OF_A_SEAL = 600
GONE = (
    *("Input/output error", "can't be read", "can't be written", "could not be"),
    "The database does not answer or the disk is full",  # it lies on that disk too, and is read
)
SECONDS_MOST = 3.0  # of a round; the sealer beside the server needs one or two to begin
WAIT_SECONDS = 30.0
_READY = re.compile(r"http://[^:]+:(\d+).*MLLP [^:]+:(\d+),")

pytestmark = pytest.mark.no_cover


@pytest.fixture
def places(tmp_path: Path, sqlite_database: Database) -> tuple[Path, Path]:
    """Where the disk is mounted, and what is left of it: an empty, migrated home."""
    place, left = tmp_path / "disk", tmp_path / "left"
    shutil.copytree(sqlite_database.home, left)
    try:
        with mounted(place, left, seed=0):
            pass
    except NoFuse as error:
        pytest.skip(str(error))
    return place, left


@contextmanager
def serving(home: Path) -> Iterator[tuple[subprocess.Popen[str], int, int]]:
    """A server with its sealer in a group of their own; its ports. Both are killed at the end."""
    database = Database("sqlite", "", home)
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "tourniquet.cli.main"),
            *("serve", "--port", "0", "--mllp-port", "0"),
        ],
        env={**os.environ, **database.environment()},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    try:
        found = _READY.search(process.stdout.readline())
        yield process, int(found[1]) if found else 0, int(found[2]) if found else 0
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(WAIT_SECONDS)
        process.stdout.close()


def _round(home: Path, feeds: list[Feed], seconds: float) -> None:
    """Serve and send until the power goes, or is cut now; then everything is killed."""
    until = threading.Event()
    with serving(home) as (_, _, port):
        threads = [threading.Thread(target=feed.run, args=(port, until)) for feed in feeds]
        for thread in threads:
            thread.start()
        time.sleep(seconds)  # the power is cut at a moment that nobody chose
        cut_now(home)
        until.set()
    for thread in threads:
        thread.join(WAIT_SECONDS)
        assert not thread.is_alive()


def _seal(home: Path) -> None:
    """Seal what is not sealed until the disk is gone, or to the head."""
    done = tourniquet(Database("sqlite", "", home), "record", "seal", "--json")
    assert b"Traceback" not in done.stderr, done.stderr
    assert done.returncode in {0, 1}
    if done.returncode:
        said = done.stderr.decode()
        assert any(words in said for words in GONE), said  # nothing else stops it


def _kept(home: Path) -> set[str]:
    """The messages that the database holds as accepted."""
    database = sqlite3.connect(home / "tourniquet.sqlite3")
    try:
        assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        rows = database.execute(
            "SELECT control_id FROM record_message WHERE code = 'AA'"
        ).fetchall()
    finally:
        database.close()
    names = [name for (name,) in rows]
    assert len(names) == len(set(names)), "a message was taken twice"
    return set(names)


def test_what_was_acknowledged_outlives_the_power(
    places: tuple[Path, Path], tmp_path: Path, seed: int
) -> None:
    place, left = places
    chance = random.Random(seed)
    numbers = [str(number) for number, _ in zip(synthetic_nhs_numbers(), range(30), strict=False)]
    feeds = [Feed(f"S{n}", nhs=tuple(numbers[n * 10 : n * 10 + 10])) for n in range(SENDERS)]
    sealed: list[int] = []
    for number in range(ROUNDS):
        kind = KINDS[number % len(KINDS)]
        calls = chance.randrange(1, CALLS_OF_A_SEAL if kind == "seal" else CALLS_OF_A_ROUND)
        options = () if kind == "moment" else ("--cut-after", str(calls))
        with mounted(place, left, *options, seed=chance.randrange(1 << 32)):
            if kind == "seal":
                _seal(place)
            else:
                _round(place, feeds, chance.uniform(0.2, SECONDS_MOST))
        accepted = {name for feed in feeds for name in feed.accepted}
        shutil.rmtree(tmp_path / "look", ignore_errors=True)
        shutil.copytree(left, tmp_path / "look")  # looking at it would flush it
        assert accepted - _kept(tmp_path / "look") == set(), "an acknowledged message was lost"
        sealed.append(_verified(tmp_path / "look"))
        assert sealed[-1] >= max(sealed), "sealed entries were lost"
    with mounted(place, left, seed=1):
        _goes_on_and_is_restored(Database("sqlite", "", place), tmp_path / "restored")
    assert sum(len(feed.accepted) for feed in feeds) > 0, "nothing was sent"
    print(f"{ROUNDS} power cuts, {len(accepted)} acknowledged; sealed after each: {sealed}")


def _verified(home: Path) -> int:
    """Let the vault be verified by its key beside it, where one was begun; how far it comes."""
    if not (home / "vault/checkpoint").exists() or not (home / "vault.vkey").exists():
        return 0
    found = answer(
        tourniquet(Database("sqlite", "", home), "record", "verify", "--json"),
    )
    position: int = found["position"]
    return position


def _goes_on_and_is_restored(database: Database, into: Path) -> None:
    sealed = answer(tourniquet(database, "record", "seal", "--json"))
    verified = answer(tourniquet(database, "record", "verify", "--json"))
    status = answer(tourniquet(database, "record", "status", "--json"))
    assert sealed["position"] == verified["position"] == status["position"]
    assert verified["beyond"] == []
    vault = database.home / "vault"
    restored = answer(
        tourniquet(database, "record", "restore", "--from", vault, "--into", into, "--json")
    )
    assert restored["position"] == status["position"]
    replayed = answer(
        tourniquet(
            Database("sqlite", "", into), "record", "replay", "--into", into / "again", "--json"
        )
    )
    assert replayed["equal"] is True
