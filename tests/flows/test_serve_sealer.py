"""The sealer beside a server: it follows, ends with it, and raises an alarm when it gives up."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.flows.test_cli_record import NHS, answer, tourniquet
from tests.support.database import Database
from tests.support.mllp import person
from tourniquet.record.models import Alarm

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
