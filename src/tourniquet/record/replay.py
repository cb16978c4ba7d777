"""Replay: the tables made anew from the journal, and the proof that both agree.

Steps of `replay`, from the database alias "source" into the empty "default":
1. Refuse a target that is not empty.
2. Read entries in order of position, in batches; a gap ends it.
3. Check each commitment (where the body is still there) and each link of the chain.
4. Write the entries as they are and apply them, a batch to a transaction.

Invariants:
- Rows of the journal are copied byte for byte; nothing is made anew.
- An erased entry (no body) applies as nothing.
- Progress is kept by the target's own journal, so an interrupted replay goes on where it stopped.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice, takewhile, zip_longest
from typing import Any

from django.apps import apps
from django.db import connections, models, transaction
from django.db.models.functions import Collate

from tourniquet.kernel.errors import IntegrityError
from tourniquet.record import sealing
from tourniquet.record.journal import COLUMNS, Head, apply_run, read_head
from tourniquet.record.models import Home, JournalEntry
from tourniquet.record.registry import Entry, Kind, get_kind
from tourniquet.record.tables import insert_rows

SOURCE = "source"
BATCH = 2000
_REPLAYED_APPS = (
    "record",
    "directory",
    "patients",
    "pathology",
    "diary",
    "triage",
    "incident",
    "notices",
)
_NOT_REPLAYED = {"record.Home", "directory.SignIn", "directory.Token"}


def replayed_models() -> list[type[models.Model]]:
    """Every model whose rows follow from the journal, the journal first, in a fixed order."""
    found = [
        model
        for label in _REPLAYED_APPS
        for model in apps.get_app_config(label).get_models()
        if f"{label}.{model.__name__}" not in _NOT_REPLAYED
    ]
    return sorted(found, key=lambda model: (model is not JournalEntry, model._meta.label))  # noqa: SLF001 (Django's documented API)


def _batches(after: int) -> Iterator[list[tuple[Any, ...]]]:
    while True:
        rows = list(
            JournalEntry.objects.using(SOURCE)
            .filter(position__gt=after)
            .order_by("position")
            .values_list(*COLUMNS)[:BATCH]
        )
        if not rows:
            return
        yield rows
        after = rows[-1][0]


def check_row(row: tuple[Any, ...], head: Head) -> tuple[Head, tuple[Kind, Entry[Any]] | None]:
    """Check one row against the head before it; its entry, or None where it was erased.

    Raises: IntegrityError naming the position that does not hold.
    """
    (position, name, version, recorded_at, happened_at, actor, organisation) = row[:7]
    (origin, origin_position, cause, subject, body, salt, commitment, chain) = row[7:]
    where = f"position {head.position + 1}"
    if position != head.position + 1:
        raise IntegrityError("An entry of the journal is missing.", where=where)
    header = sealing.Header(
        position,
        name,
        version,
        recorded_at,
        happened_at,
        actor,
        organisation,
        origin,
        origin_position,
        cause,
    )
    if sealing.link(head.chain, header, bytes(commitment)) != bytes(chain):
        raise IntegrityError("The chain of the journal is broken.", where=where)
    moved = Head(position, bytes(chain))
    if body is None:
        return moved, None
    if sealing.commit(bytes(salt), subject, bytes(body)) != bytes(commitment):
        raise IntegrityError("The content of an entry was changed.", where=where)
    found = get_kind(name, version)
    entry = Entry(
        position=position,
        recorded_at=recorded_at,
        happened_at=happened_at,
        actor=actor,
        organisation=organisation,
        cause=cause,
        subject=subject,
        body=found.decoder.decode(bytes(body)),
    )
    return moved, (found, entry)


def replay(progress: Callable[[int], None] = lambda _: None) -> Head:
    """Make the tables of "default" anew from the journal of "source"; the head that was reached.

    Raises: IntegrityError naming the first position that does not hold.
    """
    head = read_head()
    for rows in _batches(head.position):
        entries = []
        for row in rows:
            head, entry = check_row(row, head)
            if entry is not None:
                entries.append(entry)
        with transaction.atomic():
            insert_rows(JournalEntry, COLUMNS, rows)
            apply_run(entries)
        progress(head.position)
    return head


@dataclass(frozen=True)
class TableComparison:
    """How one table of the two databases compares; `first_difference` is a key, not its content."""

    table: str
    rows: int
    equal: bool
    first_difference: str = ""


def _plain(value: Any) -> Any:
    return bytes(value) if isinstance(value, memoryview) else value


def _rows_of(model: type[models.Model], alias: str) -> Iterator[tuple[Any, ...]]:
    meta = model._meta  # noqa: SLF001 (Django's documented API)
    names = [field.attname for field in meta.concrete_fields]
    keys = [field.attname for field in meta.pk_fields]
    query = model._base_manager.using(alias)  # noqa: SLF001 (Django's documented API)
    if connections[alias].vendor == "postgresql":
        # The same order on every database: compare text keys byte by byte.
        text = {
            f.attname for f in meta.pk_fields if isinstance(f, models.CharField | models.TextField)
        }
        order = [Collate(key, "C") if key in text else models.F(key) for key in keys]
        rows = query.order_by(*order).values_list(*names)
    else:
        rows = query.order_by(*keys).values_list(*names)
    for row in rows.iterator(chunk_size=BATCH):
        yield tuple(map(_plain, row))


def _batches_of(model: type[models.Model], alias: str) -> Iterator[list[tuple[Any, ...]]]:
    rows = _rows_of(model, alias)
    while batch := list(islice(rows, BATCH)):
        yield batch


def _compare(model: type[models.Model], left: str, right: str) -> TableComparison:
    """One table, batch by batch."""
    label = model._meta.label  # noqa: SLF001 (Django's documented API)
    count = 0
    nothing: list[tuple[Any, ...]] = []
    both = zip_longest(_batches_of(model, left), _batches_of(model, right), fillvalue=nothing)
    for ours, theirs in both:
        if ours != theirs:
            pairs = zip(ours, theirs, strict=False)
            count += sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
            return TableComparison(label, count, False, f"row {count + 1}")  # noqa: FBT003 (equal)
        count += len(ours)
    return TableComparison(label, count, True)  # noqa: FBT003 (equal)


_BESIDE = "beside"


@contextmanager
def _both_in_one(left: str, right: str) -> Iterator[Any]:
    """A cursor that sees both databases where both are SQLite's, else None."""
    here, there = connections[right], connections[left]
    if not here.vendor == there.vendor == "sqlite" or here.in_atomic_block:
        yield None
        return
    with here.cursor() as cursor:
        cursor.execute(f"ATTACH DATABASE %s AS {_BESIDE}", [str(there.settings_dict["NAME"])])
        try:
            yield cursor
        finally:
            cursor.execute(f"DETACH DATABASE {_BESIDE}")


def _count_if_same(model: type[models.Model], cursor: Any) -> int | None:
    """How many rows the table has, where both databases hold the same; the database compares."""
    meta = model._meta  # noqa: SLF001 (Django's documented API)
    quote = connections["default"].ops.quote_name
    table = quote(meta.db_table)
    keys = [quote(field.column or "") for field in meta.pk_fields]
    others = {quote(field.column or "") for field in meta.concrete_fields} - set(keys)
    same = " AND ".join(f"a.{key} = b.{key}" for key in keys)
    differs = " OR ".join(["b." + keys[0] + " IS NULL", *(f"a.{n} IS NOT b.{n}" for n in others)])
    cursor.execute(
        f"SELECT (SELECT count(*) FROM main.{table}), (SELECT count(*) FROM {_BESIDE}.{table}),"  # noqa: S608 (names come from models)
        f" EXISTS (SELECT 1 FROM main.{table} a LEFT JOIN {_BESIDE}.{table} b ON {same}"
        f" WHERE {differs})"
    )
    here, there, differing = cursor.fetchone()
    return None if differing or here != there else int(here)


def compare_tables(left: str = SOURCE, right: str = "default") -> list[TableComparison]:
    """Compare every replayed table of two databases, row for row.

    Where SQLite has both it compares them itself; what it finds to differ is looked at row by row.
    """
    out = []
    with _both_in_one(left, right) as cursor:
        for model in replayed_models():
            count = None if cursor is None else _count_if_same(model, cursor)
            if count is None:
                out.append(_compare(model, left, right))
            else:
                out.append(TableComparison(model._meta.label, count, True))  # noqa: FBT003, SLF001 (equal; Django's documented API)
    return out


def is_empty() -> bool:
    """True where "default" holds no entry and no home's mark."""
    return not JournalEntry.objects.exists() and not Home.objects.exists()
