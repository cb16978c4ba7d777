"""The folder of an exercise: made, marked, cleared; nobody else's is ever touched.

Invariants (HAZ-013):
- A folder that holds anything and is not marked as an exercise's is refused.
- Clearing removes only what an exercise makes, only in a folder that carries the mark, and only
  while no server has it.
- Destroying a home leaves its mark, its logs, and what an attacker does not reach.
- Imports nothing of Django: it runs before the settings are read.
"""

from __future__ import annotations

import fcntl
import shutil
from pathlib import Path

from tourniquet.kernel.errors import UserError

MARK = "EXERCISE"
AWAY = "away"  # what lies on other machines, and in a safe: an attacker does not reach it
_LEFT = (MARK, AWAY, "logs", "scorecard")
_MADE = (
    "tourniquet.sqlite3",
    "tourniquet.sqlite3-wal",
    "tourniquet.sqlite3-shm",
    "outbox",
    "public",
    "logs",
    "static",
    "scorecard",
    "accounts.json",
    "secret-key",
    "serve.lock",
    "reads.log",
    "readings-not-journalled.jsonl",
    "vault",
    "vault.vkey",
    "keys",
    "witnessed",
    "replica",
    "desk",
    "restore-report.note",
    AWAY,
)


def prepare_folder(home: Path) -> None:
    """An empty, marked folder. Called before Django is set up.

    Raises: UserError when it holds anything that is no exercise's, or a server has it.
    """
    mark = home / MARK
    if home.exists() and any(home.iterdir()):
        if not mark.is_file():
            raise UserError(
                "The folder is not empty and is not an exercise's.",
                where=str(home),
                remedy="Give the exercise a folder of its own with --home.",
            )
        _refuse_served(home)
        for name in _MADE:
            path = home / name
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
    home.mkdir(parents=True, exist_ok=True, mode=0o700)
    mark.write_text("This folder belongs to an exercise. Nobody in it is real.\n")
    (home / "logs").mkdir(exist_ok=True, mode=0o700)


def destroy_home(home: Path) -> None:
    """Remove everything from an exercise's home that an attacker would.

    Raises: UserError when it is no exercise's.
    """
    if not (home / MARK).is_file():
        raise UserError("This is no exercise's home.", where=str(home))
    for path in home.iterdir():
        if path.name in _LEFT:
            continue
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()


def _refuse_served(home: Path) -> None:
    lock = home / "serve.lock"
    if not lock.exists():
        return
    with lock.open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise UserError(
                "A server is running on this exercise.",
                where=str(home),
                remedy="Stop it first, or give --home another folder.",
            ) from error
