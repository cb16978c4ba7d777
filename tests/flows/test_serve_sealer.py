"""The sealer beside a server: it follows, ends with it, and raises an alarm when it gives up."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import psycopg

from tests.flows.test_cli_record import NHS, answer, tourniquet
from tests.support.console import NOW
from tests.support.database import Database
from tests.support.mllp import person
from tests.support.sealing import seal
from tourniquet.flows.note_sealer import note_sealer_ended
from tourniquet.kernel.errors import StorageUnavailable
from tourniquet.record.database import SEALER_LOCK
from tourniquet.record.entries import AlarmRaised
from tourniquet.record.journal import Act, writing
from tourniquet.record.models import Alarm, JournalEntry
from tourniquet.record.sealing_meter import SealerState
from tourniquet.site.sealing import ENDS_MOST, Note, Pauses, SealerProcess

WAIT_SECONDS = 30


@contextmanager
def serving(database: Database) -> Iterator[subprocess.Popen[str]]:
    """A server of this home."""
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "tourniquet.cli.main", "serve"),
            *("--port", "0", "--mllp-port", "0"),
        ],
        env={**os.environ, **database.environment()},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("Tourniquet is ready")
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=20)


def until(what: Callable[[], bool], said: str) -> None:
    """Wait for something that another process does."""
    deadline = time.monotonic() + WAIT_SECONDS
    while not what():
        assert time.monotonic() < deadline, said
        time.sleep(0.05)


def sealed(home: Path) -> int:
    try:
        return int((home / "vault/checkpoint").read_text().split("\n")[1])
    except FileNotFoundError:  # also between the two steps of a rename on a disk of our own
        return 0


def take(database: Database, tmp_path: Path, control_id: str) -> int:
    file = tmp_path / "one.hl7"
    file.write_bytes(person(control_id, NHS))
    answer(tourniquet(database, "intake", file, "--json"))
    position: int = answer(tourniquet(database, "record", "status", "--json"))["position"]
    return position


def test_a_server_seals_what_it_takes(sqlite_database: Database, tmp_path: Path) -> None:
    home = sqlite_database.home
    with serving(sqlite_database):
        head = take(sqlite_database, tmp_path, "A")
        until(lambda: sealed(home) >= head, "the sealer did not follow")
    assert tourniquet(sqlite_database, "record", "seal").returncode == 0, "the sealer goes on"
    assert not Alarm.objects.exists()


def test_a_sealer_that_gives_up_raises_an_alarm(sqlite_database: Database, tmp_path: Path) -> None:
    take(sqlite_database, tmp_path, "A")
    answer(tourniquet(sqlite_database, "record", "seal", "--json"))
    (sqlite_database.home / "keys/log.key").unlink()
    with serving(sqlite_database):
        until(Alarm.objects.exists, "no alarm was raised")
        take(sqlite_database, tmp_path, "B")  # care goes on
    alarm = Alarm.objects.get()
    assert alarm.kind == "sealer ended"
    assert NHS not in alarm.text
    assert "A key is missing" in (sqlite_database.home / "logs/sealer.log").read_text()


# The process that looks after it, with another program in the sealer's place ---------------------

FAST = Pauses(look_seconds=0.01, slow_seconds=0.05, alarm_seconds=0.01)


@contextmanager
def looking_after(
    database: Database, *command: str, note: Note = note_sealer_ended
) -> Iterator[SealerState]:
    """Something that looks after a program; what it says of it."""
    state = SealerState()
    process = SealerProcess(database.home, command=command, pauses=FAST, state=state, note=note)
    process.start()
    try:
        yield state
    finally:
        process.stop()
        assert not process._thread.is_alive()


def test_an_alarm_that_could_not_be_written_down_is_tried_again(sqlite_database: Database) -> None:
    """Vault and database fill the same disk, and after a while there is room."""
    tries: list[datetime] = []
    is_full = True

    def note(*, now: datetime, ended_at: datetime, killed: bool) -> str:
        tries.append(ended_at)
        if is_full:
            raise StorageUnavailable("The disk is full.")
        return note_sealer_ended(now=now, ended_at=ended_at, killed=killed)

    with looking_after(sqlite_database, sys.executable, "-c", "exit(1)", note=note) as state:
        until(lambda: len(tries) > 3, "it was not tried again")
        assert not Alarm.objects.exists()
        assert state.gave_up
        is_full = False
        until(Alarm.objects.exists, "no alarm was raised")
    assert Alarm.objects.get().kind == "sealer ended"
    assert len(set(tries)) == 1
    assert note_sealer_ended(now=tries[0], ended_at=tries[0]) == "sealer ended"
    assert Alarm.objects.count() == 1, "one end is noted once"


def test_one_that_is_killed_again_and_again_raises_an_alarm_and_is_still_tried(
    sqlite_database: Database, tmp_path: Path
) -> None:
    starts = tmp_path / "starts"
    script = f"echo >> '{starts}'; kill -9 $$"
    with looking_after(sqlite_database, "/bin/sh", "-c", script) as state:
        until(Alarm.objects.exists, "no alarm was raised")
        before = len(starts.read_text())
        until(lambda: len(starts.read_text()) > before + 3, "it was not started any more")
        assert not state.gave_up
    assert before >= ENDS_MOST
    assert Alarm.objects.get().kind == "sealer killed", "one alarm, however often it ends"


def test_one_that_cannot_be_started_is_tried_until_it_can(
    sqlite_database: Database, tmp_path: Path
) -> None:
    program = tmp_path / "program"
    with looking_after(sqlite_database, str(program)) as state:
        until(Alarm.objects.exists, "no alarm was raised")
        assert state.running is False
        made = tmp_path / "made"
        made.write_text("#!/bin/sh\nexec sleep 60\n")
        made.chmod(0o700)
        made.rename(program)
        until(lambda: state.running is True, "it was not started")
    assert Alarm.objects.get().kind == "sealer killed"


def test_where_the_journal_was_put_back_the_alarm_says_that(sqlite_database: Database) -> None:
    with writing(Act("tester", NOW)) as journal:
        for name in ("one", "two"):
            journal.append(AlarmRaised(name, "test", "A test."))
    seal()
    JournalEntry.objects.filter(position=2).delete()
    Alarm.objects.all().delete()
    with looking_after(sqlite_database, sys.executable, "-c", "exit(1)"):
        until(Alarm.objects.exists, "no alarm was raised")
    alarm = Alarm.objects.get()
    assert alarm.kind == "journal put back"
    assert "docs/how-to/restore.md" in alarm.text


# The lock of the database -------------------------------------------------------------------------


def test_a_sealer_whose_connection_broke_waits_for_the_lock_of_its_former_session(
    database: Database, tmp_path: Path
) -> None:
    """After a network break PostgreSQL keeps the session, and its lock, for a while."""
    if database.vendor == "sqlite":
        return  # it lies in its home
    with psycopg.connect(database.url, autocommit=True) as other, following(database) as process:
        head = take(database, tmp_path, "A")
        until(lambda: sealed(database.home) >= head, "the sealer did not follow")
        other.execute(f"SELECT pg_terminate_backend(pid) {OF_SEALER}", [SEALER_LOCK & 0xFFFFFFFF])
        other.execute("SELECT pg_advisory_lock(%s)", [SEALER_LOCK])
        head = take(database, tmp_path, "B")
        until(lambda: other.execute(ASKED).fetchone() is not None, "it did not come back")
        until(lambda: process.poll() is None and sealed(database.home) < head, "it goes on")
        other.execute("SELECT pg_advisory_unlock(%s)", [SEALER_LOCK])
        until(lambda: sealed(database.home) >= head, "the sealer did not go on")


def test_a_sealer_that_starts_waits_for_the_lock_too(database: Database, tmp_path: Path) -> None:
    if database.vendor == "sqlite":
        return
    with psycopg.connect(database.url, autocommit=True) as other:
        other.execute("SELECT pg_advisory_lock(%s)", [SEALER_LOCK])
        head = take(database, tmp_path, "A")
        with following(database):
            until(lambda: other.execute(ASKED).fetchone() is not None, "it did not ask")
            other.execute("SELECT pg_advisory_unlock(%s)", [SEALER_LOCK])
            until(lambda: sealed(database.home) >= head, "the sealer did not go on")


ASKED = (
    "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND state = 'idle' "
    "AND query LIKE 'SELECT pg_try_advisory_lock(%'"
)
OF_SEALER = (
    "FROM pg_locks WHERE locktype = 'advisory' AND granted AND objid = %s "
    "AND pid <> pg_backend_pid() "
    "AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
)


@contextmanager
def following(database: Database) -> Iterator[subprocess.Popen[bytes]]:
    """A sealer that follows; it must still be there at the end."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tourniquet.cli.main", "record", "seal", "--follow"],
        env={**os.environ, **database.environment()},
        stdout=subprocess.DEVNULL,
    )
    try:
        yield process
        assert process.poll() is None, "it ended"
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(20)
