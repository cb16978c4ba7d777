"""flows: an exercise takes only an empty database or an exercise's own (HAZ-013)."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection

from tests.support.database import Database
from tests.support.small_region import NOW, set_up
from tourniquet.exercise.homes import prepare_database, refuse_foreign_database
from tourniquet.kernel.errors import UserError
from tourniquet.record.home import find_home, mark_exercise, open_home, set_clock
from tourniquet.record.models import Home, JournalEntry


def test_an_empty_database_is_marked_and_has_a_clock_of_its_own(database: Database) -> None:
    prepare_database("june-2024", NOW)
    home = find_home()
    assert home is not None
    assert (home.exercise, home.clock_at) == ("june-2024", NOW)
    set_clock(NOW + timedelta(hours=1))
    with pytest.raises(UserError):
        set_clock(NOW)


def test_an_earlier_exercise_is_emptied(database: Database) -> None:
    prepare_database("june-2024", NOW + timedelta(days=100))
    set_up()
    assert JournalEntry.objects.exists()
    prepare_database("june-2024", NOW)
    assert not JournalEntry.objects.exists()
    home = find_home()
    assert home is not None
    assert home.clock_at == NOW


def test_a_real_home_is_refused_even_when_empty(database: Database) -> None:
    assert open_home().exercise == ""
    with pytest.raises(UserError):
        prepare_database("june-2024", NOW)
    home = find_home()
    assert home is not None
    assert home.exercise == ""


def test_a_journal_without_a_mark_is_refused_and_kept(database: Database) -> None:
    set_up()
    Home.objects.all().delete()
    before = JournalEntry.objects.count()
    with pytest.raises(UserError):
        prepare_database("june-2024", NOW)
    with pytest.raises(UserError):
        mark_exercise("june-2024", NOW)
    assert JournalEntry.objects.count() == before > 0


def test_somebody_elses_tables_are_refused_and_kept(database: Database) -> None:
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE record_home RENAME TO their_table")
    try:
        with pytest.raises(UserError):
            refuse_foreign_database()
    finally:
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE their_table RENAME TO record_home")


def test_a_real_home_has_no_clock_to_set(database: Database) -> None:
    open_home()
    with pytest.raises(UserError):
        set_clock(NOW)
