"""A database's journal compared with the vault: what is untouched, changed, added and missing.

For when production has been in others' hands: the vault says what was, the database what is now.

Invariants:
- The vault was verified before, and is believed; the database is not, down to the types of its
  columns and the uniqueness of its keys. A row that can't be read is a changed one.
- Content that is gone counts as erased only where the vault has none either: its key is gone.
- Nothing is written. Memory does not grow with the journal.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from django.db import DataError

from tourniquet.record import sealing
from tourniquet.record.database import storage_errors
from tourniquet.record.journal import COLUMNS
from tourniquet.record.models import JournalEntry
from tourniquet.record.notes import Checkpoint
from tourniquet.record.opening import OpenedEntry, open_entry
from tourniquet.record.ring import KeyRing
from tourniquet.record.vault import VaultReader

BATCH = 2000
NAMED_MOST = 1000
FIRST_LINE = "tourniquet comparison report v1"
_STRANGE = (TypeError, ValueError, AttributeError, OverflowError, DataError)  # a column's content
_SUBJECT, _BODY = COLUMNS.index("subject"), COLUMNS.index("body")
Row = Sequence[Any]  # Any: whatever lies in the columns


@dataclass
class Named:
    """How many positions, and the first thousand of them."""

    count: int = 0
    first: list[int] = field(default_factory=list)

    def add(self, position: int) -> None:
        """One more."""
        self.count += 1
        if len(self.first) < NAMED_MOST:
            self.first.append(position)

    def __str__(self) -> str:
        text = ", ".join(str(position) for position in self.first) or "none"
        more = self.count - len(self.first)
        return f"{text}, and {more} more" if more else text


@dataclass
class Comparison:
    """What became of each sealed position in the database, and what else lies there.

    `same` counts those whose content was erased too, in the vault as in the database; `emptied` are
    those whose content only the vault has; `foreign` rows have positions that no entry can have.
    """

    same: int = 0
    erased: int = 0
    changed: Named = field(default_factory=Named)
    emptied: Named = field(default_factory=Named)
    missing: Named = field(default_factory=Named)
    unsealed: int = 0
    foreign: int = 0

    def text(self, checkpoint: Checkpoint, before: Checkpoint | None, now: datetime) -> str:
        """The report: one `name: value` a line, to be signed."""
        added = str(checkpoint.size - before.size) if before else "no earlier one was named"
        lines = [
            FIRST_LINE,
            f"log: {checkpoint.origin}",
            f"checkpoint size: {checkpoint.size}",
            f"checkpoint root: {base64.b64encode(checkpoint.root).decode()}",
            f"entries added to the vault since the earlier checkpoint: {added}",
            f"entries of the database that are as sealed: {self.same}",
            f"of these erased, in the vault too: {self.erased}",
            f"entries of the database that were changed: {self.changed.count}",
            f"changed positions: {self.changed}",
            f"entries of the database without content that the vault has: {self.emptied.count}",
            f"positions without that content: {self.emptied}",
            f"entries that are missing in the database: {self.missing.count}",
            f"missing positions: {self.missing}",
            f"entries of the database beyond the vault, added since it was sealed: {self.unsealed}",
            f"rows of the database at positions that no entry has: {self.foreign}",
            f"compared at: {now.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}",
        ]
        return "\n".join(lines) + "\n"


def compare_database(
    reader: VaultReader, ring: KeyRing, *, progress: Callable[[int], None] = lambda _: None
) -> Comparison:
    """Compare every sealed position with the row that the database has for it.

    Raises: IntegrityError when the vault does not open; StorageUnavailable.
    """
    found = Comparison()
    for first in range(1, reader.size + 1, BATCH):
        last = min(first + BATCH - 1, reader.size)
        rows, unreadable = _read_rows(first, last)
        for position in range(first, last + 1):
            if position in unreadable:
                found.changed.add(position)
            elif position not in rows:
                found.missing.add(position)
            else:
                _compare(found, rows[position], open_entry(reader, ring, position))
        progress(last)
    with storage_errors():
        found.unsealed = JournalEntry.objects.filter(position__gt=reader.size).count()
        found.foreign = JournalEntry.objects.filter(position__lt=1).count()
    return found


def _read_rows(first: int, last: int) -> tuple[dict[int, Row], set[int]]:
    """Rows by position; and the positions of those that can't be read or are there twice."""
    rows: dict[int, Row] = {}
    unreadable: set[int] = set()
    try:
        read = _query(first, last)
    except _STRANGE:
        read = []
        for position in range(first, last + 1):
            try:
                read += _query(position, position)
            except _STRANGE:
                unreadable.add(position)
    for row in read:
        if row[0] in rows:
            unreadable.add(row[0])
        rows[row[0]] = row
    return rows, unreadable


def _query(first: int, last: int) -> list[Row]:
    with storage_errors():
        found = JournalEntry.objects.filter(position__range=(first, last))
        return list(found.values_list(*COLUMNS))


def _compare(found: Comparison, row: Row, entry: OpenedEntry) -> None:
    try:
        same = _is_as_sealed(row, entry)
    except _STRANGE:
        same = False
    position, has_body = entry.leaf.position, row[_BODY] is not None
    if not same:
        found.changed.add(position)
    elif not has_body and entry.content is not None:
        found.emptied.add(position)
    else:
        found.same += 1
        found.erased += not has_body


def _is_as_sealed(row: Row, entry: OpenedEntry) -> bool:
    subject, body, salt, commitment, chain = row[_SUBJECT:]
    sealed = entry.leaf.content_commitment
    if body is None:
        content_fits = subject is None and salt is None
    else:
        content_fits = sealing.commit(_blob(salt), subject, _blob(body)) == sealed
    return (
        content_fits
        and sealing.header_bytes(sealing.Header(*row[:_SUBJECT])) == entry.header.content
        and _blob(commitment) == sealed
        and _blob(chain) == entry.header.chain
    )


def _blob(value: object) -> bytes:
    """A column's bytes. Raises: TypeError when it holds something else, which SQLite allows."""
    if not isinstance(value, bytes | bytearray | memoryview):
        raise TypeError("not bytes")
    return bytes(value)
