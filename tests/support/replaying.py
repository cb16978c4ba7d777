"""Replay a database's journal into another empty one and compare every table."""

from __future__ import annotations

from django.db import connections

from tests.support.database import Database, Databases, _described
from tourniquet.record.database import point
from tourniquet.record.replay import SOURCE, TableComparison, compare_tables, replay


def replay_into_new(
    databases: Databases, source: Database, vendor: str | None = None
) -> list[TableComparison]:
    """The tables that differ after replaying; Django uses the new database afterwards."""
    databases.new("postgresql" if (vendor or source.vendor) == "postgresql" else "sqlite")
    point(SOURCE, _described(source.url, source.home))
    try:
        replay()
        compared = compare_tables()
    finally:
        connections[SOURCE].close()
        del connections[SOURCE]
        connections.settings.pop(SOURCE, None)
    return [comparison for comparison in compared if not comparison.equal]


def assert_replay_equal(databases: Databases, source: Database, vendor: str | None = None) -> None:
    """Fail naming the tables that replay makes differently."""
    differing = replay_into_new(databases, source, vendor)
    assert differing == [], f"replay gives other rows in {differing}"
