"""SQLite's checkpoints, beside the writer instead of in its way.

What a commit writes lies in the write-ahead log first, and must be copied into the database file
later. SQLite does that in whichever commit finds the log long, so that a sender waits for it. Here
a thread copies all the time, and the commit that finds the log long finds it copied.

Invariants:
- Nothing depends on it: a log that nobody copies is copied by the commit that finds it long
  (`wal_autocheckpoint`), and a database that is opened after a crash reads the log as it is.
- It never waits for a reader or a writer, and makes none wait (PASSIVE).
- What fails here is logged once, tried again, and harms nothing.
"""

from __future__ import annotations

import logging
import sqlite3
import threading

EVERY_SECONDS = 1.0
JOIN_SECONDS = 5.0

log = logging.getLogger(__name__)


class Checkpointer:
    """The thread, for one database file."""

    def __init__(self, path: str, *, every_seconds: float = EVERY_SECONDS) -> None:
        self._path = path
        self._every_seconds = every_seconds
        self._stop = threading.Event()
        self._failing = False
        self._connection: sqlite3.Connection | None = None
        self._thread = threading.Thread(target=self._run, name="checkpointer", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End after the copy at hand."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(JOIN_SECONDS)

    def copy(self) -> None:
        """Copy what the log holds now. Called by the thread that runs, or without one."""
        try:
            if self._connection is None:
                self._connection = _connect(self._path)
            self._connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
            self._failing = False
        except sqlite3.Error as error:
            if not self._failing:
                log.warning("the write-ahead log was not copied: %s", type(error).__name__)
            self._failing = True
            self.close()

    def close(self) -> None:
        """Give up the connection; the next copy opens another."""
        if self._connection is not None:
            self._connection.close()
        self._connection = None

    def _run(self) -> None:
        while not self._stop.wait(self._every_seconds):
            self.copy()
        self.close()


def _connect(path: str) -> sqlite3.Connection:
    """A connection of the thread's own, to a file that is there already."""
    found = sqlite3.connect(f"file:{path}?mode=rw", uri=True, isolation_level=None)
    found.execute("PRAGMA synchronous=FULL")
    return found
