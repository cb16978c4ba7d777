"""A database's journal compared with the vault: what is untouched, changed, and missing.

For when production has been in others' hands: the vault says what was, the database what is now.

Invariants:
- The vault was verified before, and is believed; the database is not.
- Nothing is written. Memory does not grow with the journal.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from tourniquet.record import sealing
from tourniquet.record.database import storage_errors
from tourniquet.record.journal import COLUMNS
from tourniquet.record.models import JournalEntry
from tourniquet.record.notes import Checkpoint
from tourniquet.record.opening import open_entry
from tourniquet.record.ring import KeyRing
from tourniquet.record.vault import VaultReader

BATCH = 2000
NAMED_MOST = 1000
FIRST_LINE = "tourniquet comparison report v1"


@dataclass
class Comparison:
    """What became of each sealed position in the database; the first thousand are named."""

    same: int = 0
    erased: int = 0
    changed: int = 0
    missing: int = 0
    unsealed: int = 0
    changed_positions: list[int] = field(default_factory=list)
    missing_positions: list[int] = field(default_factory=list)

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
            f"of these erased since, header and commitment as sealed: {self.erased}",
            f"entries of the database that were changed: {self.changed}",
            f"changed positions: {_positions(self.changed_positions, self.changed)}",
            f"entries that are missing in the database: {self.missing}",
            f"missing positions: {_positions(self.missing_positions, self.missing)}",
            f"entries of the database that are not sealed: {self.unsealed}",
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
        with storage_errors():
            rows = {
                row[0]: row
                for row in JournalEntry.objects.filter(position__range=(first, last)).values_list(
                    *COLUMNS
                )
            }
        for position in range(first, last + 1):
            _compare(found, reader, ring, position, rows.get(position))
        progress(last)
    with storage_errors():
        found.unsealed = JournalEntry.objects.filter(position__gt=reader.size).count()
    return found


def _compare(
    found: Comparison,
    reader: VaultReader,
    ring: KeyRing,
    position: int,
    row: tuple[Any, ...] | None,
) -> None:
    if row is None:
        found.missing += 1
        if found.missing <= NAMED_MOST:
            found.missing_positions.append(position)
        return
    entry = open_entry(reader, ring, position)
    subject, body, salt, commitment, chain = row[10:]
    same = (
        sealing.header_bytes(sealing.Header(*row[:10])) == entry.header.content
        and bytes(commitment) == entry.leaf.content_commitment
        and bytes(chain) == entry.header.chain
    )
    if body is not None:
        kept = sealing.commit(bytes(salt or b""), subject, bytes(body))
        same = same and kept == entry.leaf.content_commitment
    if not same:
        found.changed += 1
        if found.changed <= NAMED_MOST:
            found.changed_positions.append(position)
        return
    found.same += 1
    found.erased += body is None


def _positions(named: list[int], count: int) -> str:
    text = ", ".join(str(position) for position in named) or "none"
    return f"{text}, and {count - len(named)} more" if count > len(named) else text
