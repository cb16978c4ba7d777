"""Rows written and read below Django's cursor: the same rows and the same errors as through it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from typing import Any

import pytest
from django.db import IntegrityError, OperationalError, connection, transaction

from tests.support.database import Database
from tourniquet.diary.models import Work
from tourniquet.kernel.errors import StorageUnavailable
from tourniquet.patients.models import Identifier
from tourniquet.record.database import storage_errors
from tourniquet.record.models import Alarm
from tourniquet.record.tables import (
    fetch_all,
    fetch_one,
    insert_rows,
    put_rows,
    select_in,
    update_rows,
)

ALARM = ("id", "kind", "text", "raised_at", "about_position", "cleared_at", "cleared_by")
MOMENT = datetime(2024, 6, 3, 6, 30, 0, 5, tzinfo=UTC)


def alarm(number: int) -> tuple[Any, ...]:
    return (f"a{number:04}", "kind", "50 % ? %s", MOMENT, number or None, None, "")


@contextmanager
def listened_to() -> Iterator[None]:
    """Somebody listens to statements, so Django's own cursor is used."""
    with connection.execute_wrapper(lambda execute, *asked: execute(*asked)):
        yield


@pytest.mark.parametrize("count", [0, 1, 2, 35])
def test_every_number_of_rows_is_written_once(database: Database, count: int) -> None:
    insert_rows(Alarm, ALARM, [alarm(number) for number in range(count)])
    assert sorted(select_in(Alarm, ALARM, "id", [f"a{n:04}" for n in range(count)])) == [
        list(alarm(n)) if connection.vendor == "sqlite" else alarm(n) for n in range(count)
    ]
    assert list(Alarm.objects.order_by("id").values_list(*ALARM)) == [
        alarm(number) for number in range(count)
    ]


@pytest.mark.parametrize("asked", [1, 2, 3, 5, 64, 899, 900, 901, 1024])
def test_a_list_of_any_length_finds_each_row_once(database: Database, asked: int) -> None:
    insert_rows(Alarm, ALARM, [alarm(number) for number in range(3)])
    wanted = [f"a{number:04}" for number in range(asked)]
    found = select_in(Alarm, ("id",), "id", wanted, also=("kind", "kind"))
    assert sorted(row[0] for row in found) == wanted[:3]
    assert select_in(Alarm, ("id",), "id", wanted, also=("kind", "other")) == []


def test_both_ways_leave_the_same(database: Database) -> None:
    names = ("system", "value", "patient_id", "kind", "state", "position")
    key = ("system", "value", "patient_id")
    rows = [("NHS", str(number % 20), "p", "NH", "current", number) for number in range(40)]
    seen = []
    for plain in (True, False):
        Identifier.objects.all().delete()
        with transaction.atomic():
            if plain:
                put_rows(Identifier, names, rows, key=key)
                update_rows(Identifier, ("state",), [("doubtful", "NHS", "7", "p")], key=key)
            else:
                with listened_to():
                    put_rows(Identifier, names, rows, key=key)
                    update_rows(Identifier, ("state",), [("doubtful", "NHS", "7", "p")], key=key)
        seen.append(sorted(Identifier.objects.values_list(*names)))
    assert seen[0] == seen[1]
    assert len(seen[0]) == 20
    assert [row for row in seen[0] if row[4] == "doubtful"] == [
        ("NHS", "7", "p", "NH", "doubtful", 27)
    ]


def test_fetch_reads_with_values_and_without(database: Database) -> None:
    insert_rows(Alarm, ALARM, [alarm(1), alarm(2)])
    sql = "SELECT id, about_position FROM record_alarm WHERE about_position = %s"
    for _ in range(2):
        assert [tuple(row) for row in fetch_all(sql, [2])] == [("a0002", 2)]
        assert fetch_one(sql, [3]) is None
        assert tuple(fetch_one("SELECT count(*) FROM record_alarm") or ()) == (2,)
    with listened_to():
        assert [tuple(row) for row in fetch_all(sql, [2])] == [("a0002", 2)]


@pytest.mark.parametrize("count", [1, 2, 16])
def test_errors_are_djangos(database: Database, count: int) -> None:
    rows = [alarm(number) for number in range(count)]
    insert_rows(Alarm, ALARM, rows)
    with pytest.raises(IntegrityError), transaction.atomic():
        insert_rows(Alarm, ALARM, rows)
    assert Alarm.objects.count() == count


def test_a_transaction_that_must_be_undone_takes_nothing_more(database: Database) -> None:
    with transaction.atomic():
        transaction.set_rollback(True)
        with pytest.raises(transaction.TransactionManagementError):
            insert_rows(Alarm, ALARM, [alarm(1)])
        with pytest.raises(transaction.TransactionManagementError):
            fetch_one("SELECT count(*) FROM record_alarm")
    assert Alarm.objects.count() == 0


def test_a_database_that_only_reads_is_storage_unavailable(sqlite_database: Database) -> None:
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA query_only = ON")
    try:
        with pytest.raises(OperationalError):
            insert_rows(Alarm, ALARM, [alarm(1)])
        with pytest.raises(StorageUnavailable), storage_errors():
            insert_rows(Alarm, ALARM, [alarm(number) for number in range(16)])
    finally:
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA query_only = OFF")


def test_a_closed_connection_is_opened_again(database: Database) -> None:
    insert_rows(Alarm, ALARM, [alarm(1)])
    connection.close()
    assert tuple(fetch_one("SELECT id FROM record_alarm") or ()) == ("a0001",)


def test_days_and_moments_read_back_as_written(database: Database) -> None:
    names = ("job", "day", "done_at", "up_to", "count", "note", "position")
    row = ("gate", date(2024, 6, 3), MOMENT, 7, 0, "", 1)
    put_rows(Work, names, [row], key=("job", "day"))
    assert list(Work.objects.values_list(*names)) == [row]
