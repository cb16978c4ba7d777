"""What the databases do differently: locks, and which of their errors mean "not now".

Invariants:
- An error that may pass (disk full, connection gone, locked) becomes StorageUnavailable; any
  other error of the database's stays what it is, because it is a fault of ours.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import DatabaseError, InterfaceError, OperationalError, connection, connections

from tourniquet.kernel.errors import StorageUnavailable, UserError

JOURNAL_LOCK = 0x746F75726E  # "tourn": one advisory lock for all writers of one journal
SEALER_LOCK = 0x7365616C6572  # "sealer": one for each journal
_REMEDY = "Look at the disk and at the database; what was not acknowledged will be sent again."


class AnotherSealer(UserError):
    """Another session of this database has the sealer's lock; perhaps one of ours that broke off.

    After a network break PostgreSQL may keep the former session, and its lock, for some minutes.
    """


@contextmanager
def storage_errors() -> Iterator[None]:
    """Turn errors that may pass into StorageUnavailable.

    Raises: StorageUnavailable (the operator must act).
    """
    try:
        yield
    except (OperationalError, InterfaceError) as error:
        raise StorageUnavailable(
            "The database does not answer or the disk is full.", remedy=_REMEDY
        ) from error
    except DatabaseError as error:
        # SQLite reports a failing disk as DatabaseError ("database disk image is malformed").
        if "disk" in str(error) or "closed" in str(error):
            raise StorageUnavailable("The database file cannot be used.", remedy=_REMEDY) from error
        raise


def take_journal_lock() -> None:
    """Become the only writer of the journal until this transaction ends.

    On SQLite the immediate transaction already is. Must be called inside a transaction.
    """
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [JOURNAL_LOCK])


def take_sealer_lock() -> None:
    """Be the only sealer of this database for as long as this connection lasts; ask often.

    On SQLite the folder of keys is held instead. Raises: AnotherSealer when another has it.
    """
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            # Of a session: taken once more each time, and let go with the connection.
            cursor.execute("SELECT pg_try_advisory_lock(%s)", [SEALER_LOCK])
            if not cursor.fetchone()[0]:
                raise AnotherSealer(
                    "Another sealer is at work on this database. Nothing was changed.",
                    where="TOURNIQUET_DATABASE_URL",
                    remedy="A journal has one vault. Stop the other one first.",
                )


def point(alias: str, description: dict[str, Any]) -> None:
    """Let an alias mean another database, in every thread of this process.

    For restoring, replaying, exercises and tests; a server never does it while it serves.
    """
    for open_connection in connections.all(initialized_only=True):
        if open_connection.alias == alias:
            open_connection.close()
    databases = {**connections.databases, alias: description}
    connections.databases[alias] = connections.configure_settings(databases)[alias]
    if alias in {
        open_connection.alias for open_connection in connections.all(initialized_only=True)
    }:
        del connections[alias]
