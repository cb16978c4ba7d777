"""Which entries wrote which rows: found by SQLite's own triggers while a journal is replayed."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

from django.db import connection, connections, transaction

from tests.support.database import Database, Databases, _described

if TYPE_CHECKING:
    from django.db import models

    from tourniquet.record.registry import Entry


def _watch(models_watched: list[type[models.Model]]) -> None:
    """Note the key of every row that is inserted, changed or deleted, with the entry of then."""
    quote = connection.ops.quote_name
    with connection.cursor() as cursor:
        cursor.execute("CREATE TEMP TABLE entry_of_now (position INTEGER)")
        cursor.execute("INSERT INTO entry_of_now VALUES (0)")
        cursor.execute("CREATE TEMP TABLE touched (label TEXT, key TEXT, position INTEGER)")
        for model in models_watched:
            columns = [quote(field.column or "") for field in model._meta.pk_fields]
            for event, row in (("INSERT", "NEW"), ("UPDATE", "NEW"), ("DELETE", "OLD")):
                key = " || char(31) || ".join(f"{row}.{column}" for column in columns)
                name = quote(f"watch_{model._meta.db_table}_{event}")
                cursor.execute(
                    f"CREATE TEMP TRIGGER {name} AFTER {event} ON main."
                    f"{quote(model._meta.db_table)} BEGIN INSERT INTO touched"
                    f" SELECT '{model._meta.label}', {key}, position FROM entry_of_now; END"
                )


def trace(databases: Databases, source: Database) -> dict[tuple[str, str], list[Entry[Any]]]:
    """For every row (table, key) the entries that wrote it, one by one, in a replay on SQLite."""
    from tourniquet.record.database import point
    from tourniquet.record.journal import Head, apply_run
    from tourniquet.record.models import JournalEntry
    from tourniquet.record.replay import SOURCE, _batches, check_row, replayed_models
    from tourniquet.record.sealing import GENESIS

    databases.new("sqlite")
    point(SOURCE, _described(source.url, source.home))
    told: dict[int, Entry[Any]] = {}
    try:
        _watch([model for model in replayed_models() if model is not JournalEntry])
        head = Head(0, GENESIS)
        with transaction.atomic(), connection.cursor() as cursor:
            for rows in _batches(0):
                for row in rows:
                    head, found = check_row(row, head)
                    if found is not None:
                        told[head.position] = found[1]
                        cursor.execute("UPDATE entry_of_now SET position = %s", [head.position])
                        apply_run([found])
            cursor.execute("SELECT DISTINCT label, key, position FROM touched")
            touched = cursor.fetchall()
    finally:
        connections[SOURCE].close()
        del connections[SOURCE]
        connections.settings.pop(SOURCE, None)
    out: dict[tuple[str, str], list[Entry[Any]]] = defaultdict(list)
    for label, key, position in touched:
        out[label, key].append(told[position])
    return dict(out)


def assert_rows_are_one_persons(databases: Databases, source: Database) -> None:
    """Fail naming the rows that entries about two people wrote, or about somebody in nobody's."""
    from tourniquet.record.emptying import people_of, reasons_of_nobody

    nobodys = reasons_of_nobody()
    wrong: list[tuple[str, list[tuple[int, str | None]]]] = []
    traced = trace(databases, source)
    for (label, _), entries in traced.items():
        persons = {people_of(e.subject) for e in entries if e.subject is not None}
        if len(persons) > 1 or (persons and label in nobodys):
            wrong.append((label, [(e.position, e.subject) for e in entries]))
    assert traced, "nothing was written"
    assert wrong == [], f"rows that are not one person's: {wrong}"
