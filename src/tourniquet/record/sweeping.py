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

VACUUM ends well, too, where it had to leave dead rows that an older snapshot still shows. So ask
`find_onlookers` first, and sweep once there are none.

It reaches no write-ahead log that PostgreSQL keeps or has archived, no replica of the database's
own, no backup, and no block that the file system or the disk has set aside.
"""

from __future__ import annotations

from collections.abc import Iterable
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

# The row of an erasure was last written by the transaction that took everything away, as its last
# statement. What is as old as that, or older, keeps VACUUM from removing what it deleted. Others'
# numbers of transactions are shown to every role. Source: PostgreSQL 15, GetOldestXmin's rules.
_ONLOOKERS = """
WITH erasing AS (
    SELECT id, age(xmin) AS distance FROM record_erasure WHERE id = ANY(%s)
), onlookers (what, distance) AS (
    SELECT 'session of process ' || pid, greatest(age(backend_xmin), age(backend_xid))
    FROM pg_stat_activity
    WHERE pid <> pg_backend_pid() AND (datname = current_database() OR datname IS NULL)
    UNION ALL SELECT 'replication slot ' || slot_name, age(xmin) FROM pg_replication_slots
    UNION ALL SELECT 'prepared transaction ' || gid, age(transaction) FROM pg_prepared_xacts
    WHERE database = current_database()
)
SELECT erasing.id, onlookers.what
FROM erasing JOIN onlookers ON onlookers.distance >= erasing.distance
ORDER BY onlookers.distance
"""


def find_onlookers(erasures: Iterable[str]) -> dict[str, str]:
    """Those of these erasures, carried out, whose rows an older snapshot still shows; the oldest.

    SQLite has none: there an onlooker keeps the log from being cut, which the sweep says itself.
    """
    wanted = list(erasures)
    if connection.vendor != "postgresql":
        return {}
    with storage_errors(), connection.cursor() as cursor:
        cursor.execute(_ONLOOKERS, [wanted])
        return dict(cursor.fetchall())


def still_seen(onlookers: dict[str, str]) -> StorageUnavailable:
    """The error that says who, of those found, keeps a sweep from being whole."""
    return StorageUnavailable(
        f"Rows of {len(onlookers)} erasures can't be removed from the database's files yet: an "
        "older transaction still sees them.",
        where=", ".join(sorted(set(onlookers.values()))),
        remedy="Try again once that one has ended. Look for it in pg_stat_activity, "
        "pg_replication_slots or pg_prepared_xacts, and end what nobody needs.",
    )


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
