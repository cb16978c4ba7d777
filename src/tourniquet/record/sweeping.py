"""What the database's own files still hold of rows that are gone, taken away as far as it goes.

Deleted rows leave bytes behind: in SQLite's write-ahead log and in free space of its pages, in
PostgreSQL's dead row versions, free space of its pages, and its write-ahead log.

- SQLite, plain: everything in the log goes to the file, and the log is cut to nothing. Space that
  `secure_delete` freed is zeros by then; copies that pages left behind when they were split,
  before, may stand in free space until they are used again.
- SQLite, rebuilt: VACUUM writes the file anew, from rows alone. It needs as much free disk as the
  database is large, and nothing is written meanwhile.
- PostgreSQL, plain: VACUUM of every table that may hold a patient's rows. Space becomes free; its
  bytes are overwritten as it is used again.
- PostgreSQL, rebuilt: VACUUM FULL of them: each table and its indexes are written anew, locked
  meanwhile.

It reaches no write-ahead log that PostgreSQL keeps or has archived, no replica of the database's
own, no backup, and no block that the file system or the disk has set aside.
"""

from __future__ import annotations

from dataclasses import dataclass

from django.db import connection

from tourniquet.kernel.errors import StorageUnavailable
from tourniquet.record.database import storage_errors
from tourniquet.record.emptying import list_patients_tables


@dataclass(frozen=True)
class Swept:
    """What was done. `left` says in words what may still be there; "" where nothing is known of."""

    rebuilt: bool
    left: str


_SQLITE_LEFT = "free space of pages may hold copies from before; rebuild to be sure"
_POSTGRESQL_LEFT = "PostgreSQL's write-ahead log and what was archived of it"
_POSTGRESQL_PLAIN_LEFT = f"free space of pages until it is used again; {_POSTGRESQL_LEFT}"


def sweep_database(*, rebuild: bool = False) -> Swept:
    """Take away what deleted rows left in the database's files. After the commit, outside of it.

    Raises: StorageUnavailable when others are at work on the database and it could not be done, or
    when the disk is full; the data is safe, and it can be tried again at any time.
    """
    if connection.in_atomic_block:
        raise RuntimeError("a database is swept outside of transactions")
    with storage_errors():
        if connection.vendor == "sqlite":
            return _sweep_sqlite(rebuild=rebuild)
        return _sweep_postgresql(rebuild=rebuild)


def _sweep_sqlite(*, rebuild: bool) -> Swept:
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA secure_delete=ON")
        if rebuild:
            cursor.execute("VACUUM")
        cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        busy = cursor.fetchone()[0]
    if busy:
        raise StorageUnavailable(
            "The database's log could not be cut: somebody still reads what was there before.",
            where="tourniquet.sqlite3-wal",
            remedy="Try again; it succeeds once no page or command has been reading for a moment.",
        )
    return Swept(rebuilt=rebuild, left="" if rebuild else _SQLITE_LEFT)


def _sweep_postgresql(*, rebuild: bool) -> Swept:
    how = "FULL, ANALYZE" if rebuild else "ANALYZE"
    with connection.cursor() as cursor:
        for table in list_patients_tables():
            cursor.execute(f"VACUUM ({how}) {connection.ops.quote_name(table)}")
    return Swept(rebuilt=rebuild, left=_POSTGRESQL_LEFT if rebuild else _POSTGRESQL_PLAIN_LEFT)
