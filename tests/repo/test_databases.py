"""The tests' own databases: empty each time, the same for every thread, none unless asked for."""

from __future__ import annotations

import threading
from datetime import UTC, datetime

import pytest

from tests.support.database import Database, Databases, Vendor


def _make_home() -> None:
    from tourniquet.record.models import Home

    Home.objects.create(pk=1, exercise="", clock_at=None, made_at=datetime.now(UTC))


def _count_homes() -> int:
    from tourniquet.record.models import Home

    return Home.objects.count()


@pytest.mark.parametrize("turn", [1, 2])
def test_each_test_finds_it_empty(database: Database, turn: int) -> None:
    assert _count_homes() == 0
    _make_home()
    assert _count_homes() == 1


def test_the_vendor_is_the_one_asked_for(database: Database) -> None:
    from django.db import connection

    assert connection.vendor == database.vendor


def test_threads_see_the_same_database(database: Database) -> None:
    _make_home()
    seen: list[tuple[str, int]] = []

    def look() -> None:
        from django.db import connection

        seen.append((connection.vendor, _count_homes()))
        connection.close()

    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    assert seen == [(database.vendor, 1)]


def test_several_databases_in_one_test(databases: Databases, vendor: Vendor) -> None:
    first = databases.new(vendor)
    _make_home()
    databases.new(vendor)
    assert _count_homes() == 0
    databases.use(first)
    assert _count_homes() == 1


def test_a_lock_left_behind_does_not_stop_the_next_test(databases: Databases) -> None:
    """A thread that died in a transaction leaves its connection open."""
    import psycopg

    database = databases.new("postgresql")
    left_behind = psycopg.connect(database.url)
    left_behind.execute("LOCK TABLE record_home IN ACCESS EXCLUSIVE MODE")
    databases.start_over()
    assert databases.new("postgresql").url == database.url
    assert _count_homes() == 0
    with pytest.raises(psycopg.OperationalError):
        left_behind.execute("SELECT 1")


def test_without_the_fixture_there_is_no_database() -> None:
    from django.db import OperationalError

    with pytest.raises(OperationalError):
        _count_homes()
