"""The home of an exercise: made, marked, cleared; nobody else's is ever touched.

Invariants (HAZ-013):
- A folder or database that holds anything and is not marked as an exercise is refused.
- Clearing removes only what an exercise makes, only in a folder that carries the mark, and only
  while no server has it.
"""

from __future__ import annotations

import fcntl
import shutil
from datetime import datetime
from pathlib import Path

from django.core.management import call_command
from django.db import DatabaseError, connection

from tourniquet.kernel.errors import UserError
from tourniquet.record.home import find_home, mark_exercise
from tourniquet.record.models import JournalEntry

MARK = "EXERCISE"
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


def prepare_database(scenario: str, clock_at: datetime) -> None:
    """An empty, migrated database, marked as an exercise. An earlier exercise's is emptied.

    Raises: UserError when it holds anything that is no exercise's.
    """
    refuse_foreign_database()
    call_command("migrate", verbosity=0, interactive=False)
    if find_home() is not None:
        call_command("flush", verbosity=0, interactive=False)
    mark_exercise(scenario, clock_at)


def refuse_foreign_database() -> None:
    """Raises: UserError when the database holds tables or rows that no exercise made."""
    tables = set(connection.introspection.table_names())
    connection.close()
    if not tables:
        return
    known = {"record_home", "record_journalentry", "django_migrations"} <= tables
    try:
        home = find_home() if known else None
        empty = known and home is None and not JournalEntry.objects.exists()
    except DatabaseError:
        home, empty = None, False
    if not empty and (home is None or not home.exercise):
        raise UserError(
            "The database is not empty and is not an exercise's.",
            remedy="Give the exercise an empty database of its own.",
        )
