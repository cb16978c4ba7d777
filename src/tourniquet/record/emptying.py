"""One patient's content taken out of the journal and of every table.

1. Set subject, body and salt of each entry about the patient to null; header and chain stand.
2. Make the replayed tables anew from what the journal says now, in the same transaction.

Invariants:
- The caller holds the journal's lock, in a transaction of its own.
- What remains equals what a replay of the emptied journal makes, because that is how it is made.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.db import connection

from tourniquet.record import sealing
from tourniquet.record.database import storage_errors
from tourniquet.record.journal import COLUMNS, Head, apply_run
from tourniquet.record.models import JournalEntry
from tourniquet.record.replay import BATCH, check_row, replayed_models


@dataclass(frozen=True)
class Emptied:
    """How many entries lost their content, and how many rows each table lost."""

    entries: int
    rows: dict[str, int]


def empty_patient(subject: str) -> Emptied:
    """Take a patient's content away. Raises: IntegrityError when the journal does not hold."""
    before = _counts()
    # 1.
    about = JournalEntry.objects.filter(subject=subject)
    entries = about.update(subject=None, body=None, salt=None)
    # 2.
    for model in replayed_models():
        if model is not JournalEntry:
            model._base_manager.all().delete()  # noqa: SLF001 (Django's documented API)
    head = Head(0, sealing.GENESIS)
    for rows in _batches():
        found = []
        for row in rows:
            head, entry = check_row(row, head)
            if entry is not None:
                found.append(entry)
        apply_run(found)
    after = _counts()
    return Emptied(entries, {name: before[name] - after[name] for name in before})


def sweep_database() -> None:
    """Overwrite what was deleted, after the commit. Raises: StorageUnavailable."""
    with storage_errors(), connection.cursor() as cursor:
        cursor.execute("VACUUM")
        if connection.vendor == "sqlite":
            cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _batches() -> Iterator[list[tuple[Any, ...]]]:
    after = 0
    while rows := list(
        JournalEntry.objects.filter(position__gt=after)
        .order_by("position")
        .values_list(*COLUMNS)[:BATCH]
    ):
        yield rows
        after = rows[-1][0]


def _counts() -> dict[str, int]:
    return {
        model._meta.label: model._base_manager.count()  # noqa: SLF001 (Django's documented API)
        for model in replayed_models()
        if model is not JournalEntry
    }
