"""A second copy of the record, made from the journal alone while the days are played.

A process of its own tails the journal of the exercise's home and replays it into a database that
is thrown away afterwards. When the days are over it replays what is left and compares every table.
The database may be destroyed and restored meanwhile: the chain shows that it is the same journal.

Invariants:
- It only reads the home, and keeps none of its writers waiting.
- What it says is said of the whole journal, as it stood when the days were over.
- The environment is that of whoever begins it: Django must be ready there.
- Where it cannot work, whoever asks gets its error, never a "yes".
"""

from __future__ import annotations

import contextlib
import traceback
from collections.abc import Iterator
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tourniquet.kernel.errors import OperatorError

LOOK_AGAIN_SECONDS = 1.0
STOP_SECONDS = 30
FINISH = "finish"


class SecondCopy:
    """The process that makes the copy; see `second_copy`."""

    def __init__(self, home: Path, database_url: str) -> None:
        context = get_context("spawn")
        self._line, far = context.Pipe()
        self._process = context.Process(
            target=_work, args=(home, database_url, far), name="second-copy", daemon=True
        )
        self._process.start()
        far.close()

    def equals_tables(self) -> bool:
        """Replay what is left and compare; whether every table is equal.

        Raises: OperatorError when the process could not do it.
        """
        try:
            self._line.send(FINISH)
            found = self._line.recv()
        except (OSError, EOFError):
            found = "the process ended"
        if not isinstance(found, bool):
            raise OperatorError(
                f"The journal could not be replayed: {found}.",
                where="second copy",
                remedy="Run 'tourniquet record replay' on the exercise's home.",
            )
        return found

    def stop(self) -> None:
        """End the process, whatever it is doing."""
        self._line.close()
        self._process.join(STOP_SECONDS)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()


@contextlib.contextmanager
def second_copy(home: Path, database_url: str) -> Iterator[SecondCopy]:
    """Begin a second copy of a home that is set up."""
    copy = SecondCopy(home, database_url)
    try:
        yield copy
    finally:
        copy.stop()


def _work(home: Path, database_url: str, line: Connection) -> None:
    """The process: follow the journal until told to finish, then compare and answer."""
    answer: bool | str
    try:
        answer = _follow_and_compare(home, database_url, line)
    except EOFError:
        return  # nobody waits for the answer any more
    except Exception as error:  # noqa: BLE001 (any failure must reach whoever asks, as one)
        place = traceback.extract_tb(error.__traceback__)[-1]
        answer = f"{type(error).__name__} in {place.name}, line {place.lineno}"
    with contextlib.suppress(OSError):
        line.send(answer)


def _follow_and_compare(home: Path, database_url: str, line: Connection) -> bool:
    import django

    django.setup()
    from django.core.management import call_command
    from django.db import DatabaseError, connections

    from tourniquet.record import database
    from tourniquet.record.replay import SOURCE, compare_tables, replay
    from tourniquet.site.memory import settle_memory
    from tourniquet.site.settings import database as describe

    with TemporaryDirectory(prefix="tourniquet-replay-") as folder:
        database.point(SOURCE, _without_locks(describe(database_url, home)))
        database.point("default", _passing(describe("", Path(folder))))
        try:
            call_command("migrate", verbosity=0, interactive=False)
            settle_memory()
            while not (line.poll(LOOK_AGAIN_SECONDS) and line.recv() == FINISH):
                with contextlib.suppress(DatabaseError):  # it is being destroyed, or restored
                    replay()
                connections[SOURCE].close()  # the next look is at the database that is there then
            replay()
            found = compare_tables()
            return any(one.rows for one in found) and all(one.equal for one in found)
        finally:
            connections.close_all()


def _without_locks(description: dict[str, Any]) -> dict[str, Any]:
    """The source is only read: on SQLite no transaction of ours may take the writers' lock."""
    if not description["ENGINE"].endswith("sqlite3"):
        return description
    options = {**description["OPTIONS"], "transaction_mode": "DEFERRED"}
    return {**description, "OPTIONS": options}


def _passing(description: dict[str, Any]) -> dict[str, Any]:
    """A database that is thrown away need not outlive a crash: no flushes, and no log on disk."""
    options = description["OPTIONS"]
    command = options["init_command"].replace("synchronous=FULL", "synchronous=OFF")
    command = command.replace("journal_mode=WAL", "journal_mode=MEMORY")
    return {**description, "OPTIONS": {**options, "init_command": command}}
