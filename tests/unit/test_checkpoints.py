"""unit: SQLite's write-ahead log is copied beside the writer, and nothing depends on it."""

from __future__ import annotations

import logging
import sqlite3
import threading
from pathlib import Path

import pytest

from tourniquet.record.checkpoints import Checkpointer

PATIENCE_SECONDS = 20.0


def _open(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None)
    connection.executescript("PRAGMA journal_mode=WAL; PRAGMA wal_autocheckpoint=0;")
    return connection


def _has_table(path: Path, copy: Path) -> bool:
    """Whether a reader who has the database file and no log finds the table."""
    copy.write_bytes(path.read_bytes())
    connection = sqlite3.connect(copy)
    try:
        return connection.execute("SELECT count(*) FROM sqlite_master").fetchone() == (1,)
    finally:
        connection.close()


def test_what_is_committed_reaches_the_file_without_the_writer(tmp_path: Path) -> None:
    path = tmp_path / "a.sqlite3"
    writer = _open(path)
    writer.execute("CREATE TABLE t (x)")
    writer.executemany("INSERT INTO t VALUES (?)", [(n,) for n in range(500)])
    assert not _has_table(path, tmp_path / "before")
    checkpointer = Checkpointer(str(path))
    checkpointer.copy()
    assert _has_table(path, tmp_path / "after")
    writer.execute("INSERT INTO t VALUES (500)")
    checkpointer.copy()
    checkpointer.close()
    assert writer.execute("SELECT count(*) FROM t").fetchone() == (501,)
    writer.close()


def test_a_failure_is_told_once_and_ended_by_success(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "later.sqlite3"
    checkpointer = Checkpointer(str(path))
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            checkpointer.copy()
        assert len(caplog.records) == 1, "it says the same again and again"
        assert str(path) not in caplog.text
    writer = _open(path)
    writer.execute("CREATE TABLE t (x)")
    checkpointer.copy()
    checkpointer.close()
    assert _has_table(path, tmp_path / "copy")
    writer.close()


def test_the_thread_copies_and_ends_at_once(tmp_path: Path) -> None:
    copied = threading.Event()

    class Counting(Checkpointer):
        def copy(self) -> None:
            super().copy()
            copied.set()

    checkpointer = Counting(str(tmp_path / "none"), every_seconds=0.001)
    checkpointer.start()
    assert copied.wait(PATIENCE_SECONDS)
    checkpointer.stop()
    assert not checkpointer._thread.is_alive()
