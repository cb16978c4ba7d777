"""The database of an exercise: made, marked, emptied; nobody else's is ever touched.

Invariants (HAZ-013):
- A database that holds anything and is not marked as an exercise's is refused.
"""

from __future__ import annotations

from datetime import datetime

from django.core.management import call_command
from django.db import DatabaseError, connection

from tourniquet.kernel.errors import UserError
from tourniquet.record.home import find_home, mark_exercise
from tourniquet.record.models import JournalEntry


def prepare_database(scenario: str, clock_at: datetime) -> None:
    """An empty, migrated database, marked as an exercise. An earlier exercise's is emptied.

    Raises: UserError when it holds anything that is no exercise's.
    """
    refuse_foreign_database()
    call_command("migrate", verbosity=0, interactive=False)
    if find_home() is not None:
        call_command("flush", verbosity=0, interactive=False)
    mark_exercise(scenario, clock_at)


def destroy_database() -> None:
    """Destroy everything in an exercise's PostgreSQL, as an attacker would.

    Raises: UserError when it is no exercise's.
    """
    refuse_foreign_database()
    with connection.cursor() as cursor:
        cursor.execute("DROP SCHEMA public CASCADE")
        cursor.execute("CREATE SCHEMA public")
    connection.close()


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
