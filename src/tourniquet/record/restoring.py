"""The journal, and every table, made anew from a vault.

Steps of `restore`, into the empty "default":
1. Open each entry: header and content, both commitments (record.bodies).
2. Check each link of the chain, from the first entry on.
3. Write the entries and apply them, a batch to a transaction.
And of `compare`, once that is done:
4. Read every entry back from the database, and compare it with its leaf.

Invariants:
- The vault was verified before (record.verification); nothing is restored from one that does not
  hold.
- An entry whose key was erased is restored as an erased entry: it applies as nothing. So is one
  whose key the vault says was destroyed, also behind `last`, whatever copy of the ring is used.
- An erasure that is not in its form is none, wherever it stands: a person is told.
- Progress is kept by the target's own journal: an interrupted restore goes on where it stopped, and
  refuses a journal that is not the beginning of this vault's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from typing import Any

import msgspec
from django.core.management import call_command
from django.db import connection, transaction

from tourniquet.kernel.errors import IntegrityError, OperatorError, UserError
from tourniquet.record import sealing
from tourniquet.record.database import storage_errors
from tourniquet.record.destroying import (
    UNHEEDED_KEYS_MOST,
    Destruction,
    MalformedErasure,
    list_destructions,
    list_held,
    list_unheeded,
)
from tourniquet.record.home import find_home
from tourniquet.record.journal import COLUMNS, Head, apply_run, read_head
from tourniquet.record.keys import exercise_of
from tourniquet.record.models import Home, JournalEntry
from tourniquet.record.opening import open_entry
from tourniquet.record.replay import BATCH, check_row, replayed_models
from tourniquet.record.ring import KeyRing
from tourniquet.record.tables import insert_rows
from tourniquet.record.vault import VaultReader

NAMED_MOST = 10
_BODY = COLUMNS.index("body")


@dataclass(frozen=True)
class Restored:
    """Where a restore ended."""

    head: Head
    erased: int


def prepare_target() -> None:
    """Make the tables of "default" where there are none.

    Raises: UserError when the database is somebody's already.
    """
    if connection.introspection.table_names() and not _is_ours():
        raise UserError(
            "The target database is not empty.", where="--into", remedy="Name an empty one."
        )
    call_command("migrate", verbosity=0, interactive=False)


def _is_ours() -> bool:
    """Whether the target holds what an interrupted restore left: a journal, and no home's mark."""
    tables = connection.introspection.table_names()
    return JournalEntry._meta.db_table in tables and find_home() is None  # noqa: SLF001 (Django's documented API)


def mark_restored(origin: str) -> None:
    """Mark the restored home: as an exercise where the record is an exercise's."""
    if find_home() is not None:
        return
    scenario = exercise_of(origin)
    newest = JournalEntry.objects.order_by("-position").values_list("recorded_at", flat=True)
    clock_at = newest.first() if scenario else None
    Home.objects.create(exercise=scenario, clock_at=clock_at, made_at=datetime.now(UTC))


def restore(
    reader: VaultReader,
    ring: KeyRing,
    *,
    last: int,
    destructions: Sequence[Destruction] = (),
    progress: Callable[[int], None] = lambda _: None,
) -> Restored:
    """Make the journal and the tables of "default" anew, up to a position.

    `destructions`: erasures to be heeded whatever the ring holds, those behind `last` too.

    Raises: IntegrityError naming the first position that does not hold; UserError when the target
    holds another journal.
    """
    ring.leave_out(key_id for one in destructions for key_id in one.keys)
    left_out = frozenset(position for one in destructions for position in one.positions)
    head = read_head()
    erased = _demand_beginning(reader, ring, head, last, left_out)
    for rows in _batches(reader, ring, head.position, last, left_out):
        entries = []
        for row in rows:
            # 1 and 2.
            head, entry = check_row(row, head)
            if entry is None:
                erased += 1
            else:
                entries.append(entry)
        # 3.
        with storage_errors(), transaction.atomic():
            insert_rows(JournalEntry, COLUMNS, rows)
            apply_run(entries)
        progress(head.position)
    return Restored(head, erased)


def open_row(
    reader: VaultReader, ring: KeyRing, position: int, *, is_left_out: bool = False
) -> tuple[Any, ...]:
    """An entry as a row of the journal, in the order of COLUMNS. Raises: IntegrityError."""
    entry = open_entry(reader, ring, position)
    content = None if is_left_out else entry.content
    return (
        *msgspec.structs.astuple(entry.fields),
        content.subject if content else None,
        content.body if content else None,
        content.salt if content else None,
        entry.leaf.content_commitment,
        entry.header.chain,
    )


def find_position(reader: VaultReader, ring: KeyRing, moment: datetime) -> int:
    """The last position before the first entry that was recorded after a moment."""
    for position in range(1, reader.size + 1):
        if open_entry(reader, ring, position).fields.recorded_at > moment:
            return position - 1
    return reader.size


def compare(
    reader: VaultReader, *, last: int, progress: Callable[[int], None] = lambda _: None
) -> dict[str, int]:
    """Compare the restored journal, as read back, with the vault; the rows of every table.

    Raises: IntegrityError naming the first position that differs.
    """
    # 4.
    head = Head(0, sealing.GENESIS)
    while head.position < last:
        rows = list(
            JournalEntry.objects.filter(position__gt=head.position)
            .order_by("position")
            .values_list(*COLUMNS)[:BATCH]
        )
        if not rows:
            raise IntegrityError(
                "The restored journal ends early.", where=f"position {head.position + 1}"
            )
        for row in rows:
            head, _ = check_row(row, head)
            if reader.leaf(head.position).content_commitment != bytes(row[-2]):
                raise IntegrityError(
                    "The restored entry is not that of the vault.",
                    where=f"position {head.position}",
                )
        progress(head.position)
    return {
        model._meta.label: model._base_manager.count()  # noqa: SLF001 (Django's documented API)
        for model in replayed_models()
    }


def heeded_destructions(
    reader: VaultReader,
    ring: KeyRing,
    *,
    ignore: Iterable[str] = (),
    heed: bool = False,
    malformed: Callable[[MalformedErasure], None] = lambda _: None,
) -> list[Destruction]:
    """The erasures of a vault that a restore heeds: an older ring, put back, brings nobody back.

    `ignore`: erasures that a person says are nobody's. `malformed` is told of what is not in its
    form, and left. Raises: OperatorError when they name more keys that the ring still holds, and
    entries under the site's key, than are left out unasked; `heed` says that a person was asked.
    """
    destructions = list_destructions(reader, ring, ignored=ignore, malformed=malformed)
    unheeded = list_unheeded(destructions, ring)
    keys = sum(len(one.keys) for one in list_held(unheeded, ring))
    entries = sum(len(one.positions) for one in unheeded)
    if keys + entries > UNHEEDED_KEYS_MOST and not heed:
        besides = f", and {entries} entries about nobody" if entries else ""
        raise OperatorError(
            f"{len(unheeded)} erasures in the vault name {keys} keys that this ring still has"
            f"{besides}. Either it is an old copy, or somebody sealed erasures that are nobody's.",
            where=", ".join(one.erasure for one in unheeded[:NAMED_MOST]),
            remedy="Look what the replica says of them ('tourniquet record erase replica'). Then "
            "--heed-erasures, or --ignore-erasure for each that is nobody's.",
        )
    return destructions


def _batches(
    reader: VaultReader, ring: KeyRing, after: int, last: int, left_out: frozenset[int]
) -> Iterator[list[tuple[Any, ...]]]:
    rows = (
        open_row(reader, ring, position, is_left_out=position in left_out)
        for position in range(after + 1, last + 1)
    )
    while batch := list(islice(rows, BATCH)):
        yield batch


def _demand_beginning(
    reader: VaultReader, ring: KeyRing, head: Head, last: int, left_out: frozenset[int]
) -> int:
    """Demand that what the target holds is the beginning of what is restored.

    How many of its entries have no content. Raises: UserError.
    """
    if not head.position:
        return 0
    if head.position > last or open_row(reader, ring, head.position)[-1] != head.chain:
        raise UserError(
            "The target holds another journal, or a longer one. Nothing was changed.",
            where="--into",
            remedy="Name an empty folder or database.",
        )
    empty = JournalEntry.objects.filter(body=None).order_by("position")
    for position in empty.values_list("position", flat=True):
        row = open_row(reader, ring, position, is_left_out=position in left_out)
        if row[_BODY] is not None:
            raise UserError(
                f"The target was begun without the key of position {position}, which is here now. "
                "Nothing was changed.",
                where="--into",
                remedy="Name an empty folder or database.",
            )
    return empty.count()
