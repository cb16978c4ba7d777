"""The main database is destroyed on a day of the exercise, and brought back from the vault.

1. In the night nothing is under way: wait until the sealer has sealed what there is.
2. The server is killed and the database destroyed.
3. The downtime desk, whose index has followed the vault, is asked for a patient.
4. `tourniquet record restore` makes the database again from the vault, verified.
5. The server starts again where it was.

Invariants:
- Everything is done by the commands that an operator has, from outside.
- Only the database of the exercise's own home is ever touched (HAZ-013): the folder carries its
  mark, or the database its.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tourniquet.exercise.folders import MARK
from tourniquet.exercise.server import Server
from tourniquet.kernel.errors import OperatorError
from tourniquet.kernel.settings import environment_with

SEALED_SECONDS = 60
COMMAND_SECONDS = 3600
_LOOK_SECONDS = 0.1
_DATABASE_FILES = ("tourniquet.sqlite3", "tourniquet.sqlite3-wal", "tourniquet.sqlite3-shm")


@dataclass(frozen=True)
class Recovery:
    """What the loss cost. Without history: until the desk had found a patient."""

    records_lost: int
    seconds_without_history: float
    restore_seconds: float


def lose_and_restore(
    home: Path, database_url: str, server: Server, *, number: str, empty: Callable[[], None]
) -> Recovery:
    """Destroy the exercise's database and bring it back; `empty` destroys what a URL names.

    `number` is a patient's, for whom the desk is asked meanwhile. The server runs when this is
    called, and not any more when it returns.
    Raises: OperatorError when it can't be brought back.
    """
    if not (home / MARK).is_file():
        raise OperatorError("This is no exercise's home.", where=str(home))
    run = _Commands(home, database_url)
    # 1. Everything sealed.
    before = _wait_until_sealed(run, home)
    _ask_desk(run, home, number)  # it has followed all along
    # 2. The loss.
    server.kill()
    began = time.monotonic()
    if database_url:
        empty()
    for name in _DATABASE_FILES:
        (home / name).unlink(missing_ok=True)
    # 3. The desk.
    _ask_desk(run, home, number)
    without_history = time.monotonic() - began
    # 4. Restore.
    began_to_restore = time.monotonic()
    restored = run.json(
        *("record", "restore", "--from", str(home / "vault"), "--into", database_url or str(home)),
        *("--key", str(home / "vault.vkey"), "--report", str(home / "restore-report.note")),
    )
    restore_seconds = time.monotonic() - began_to_restore
    return Recovery(before - _count(restored), without_history, restore_seconds)


def _ask_desk(run: _Commands, home: Path, number: str) -> None:
    """Find a patient at the downtime desk. Raises: OperatorError when it does not."""
    found = run.json(
        *("record", "history", "--find", number, "--desk", str(home / "desk")),
        *("--vault", str(home / "vault"), "--keys", str(home / "keys")),
        *("--key", str(home / "vault.vkey"), "--root-key", str(home / "keys" / "root.key")),
    )
    if not found["patients"]:
        raise OperatorError("The downtime desk does not find a patient.", where=str(home / "desk"))


class _Commands:
    """Runs commands on a home."""

    def __init__(self, home: Path, database_url: str) -> None:
        self._environment = environment_with(
            TOURNIQUET_HOME=str(home), TOURNIQUET_DATABASE_URL=database_url, TOURNIQUET_KEYS=""
        )

    def json(self, *arguments: str) -> dict[str, object]:
        """The answer of a command. Raises: OperatorError with what it said."""
        done = subprocess.run(  # noqa: S603 (our own interpreter and module)
            [sys.executable, "-m", "tourniquet.cli.main", *arguments, "--json"],
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=COMMAND_SECONDS,
            check=False,
        )
        if done.returncode:
            raise OperatorError(done.stderr.strip(), where=" ".join(arguments[:2]))
        found = json.loads(done.stdout)
        assert isinstance(found, dict)
        return found


def _wait_until_sealed(run: _Commands, home: Path) -> int:
    """The head of the journal, once the vault has it."""
    head = _count(run.json("record", "status"))
    deadline = time.monotonic() + SEALED_SECONDS
    while time.monotonic() < deadline:
        lines = (home / "vault" / "checkpoint").read_text(encoding="utf-8").split("\n")
        if int(lines[1]) >= head:
            return head
        time.sleep(_LOOK_SECONDS)
    raise OperatorError(
        "The sealer does not keep up.",
        where=str(home / "logs" / "sealer.log"),
        remedy="Read the log and start again.",
    )


def _count(answer: dict[str, object]) -> int:
    position = answer["position"]
    assert isinstance(position, int)
    return position
