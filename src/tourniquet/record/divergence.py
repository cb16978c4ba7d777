"""Do the journal and the tables still say the same? A stretch of the journal at a time.

Invariants:
- Each look is bounded: so many entries, a fixed number of questions. Nothing is locked.
- What is looked at: that the chain holds, that each body is the one committed to, and that the
  rows which an entry makes are there; where a table has one row for each entry, that it has none
  more.
- An erased entry has no rows to look for.

It does not make rows anew to compare their columns: `replay` does that, into another database.
What may be compared in place, a domain compares itself (`patients/divergence.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import models

from tourniquet.kernel.errors import IntegrityError
from tourniquet.record.journal import COLUMNS, Head
from tourniquet.record.models import JournalEntry
from tourniquet.record.registry import Body, Entry
from tourniquet.record.replay import check_row
from tourniquet.record.sealing import GENESIS
from tourniquet.record.tables import IN_MOST

ENTRIES_MOST = 5000
Names = Callable[[Entry[Any]], Iterable[str]]
Model = type[models.Model]

_at_entry: list[tuple[Model, tuple[type[Body], ...]]] = []
_named: list[tuple[Model, type[Body], Names]] = []


def row_at_entry(model: Model, *bodies: type[Body]) -> None:
    """Declare that a table has one row for each entry of these kinds, its key the position."""
    _at_entry.append((model, bodies))


def row_named(model: Model, body: type[Body], names: Names) -> None:
    """Declare that each entry of a kind makes rows with these keys, which stay."""
    _named.append((model, body, names))


@dataclass(frozen=True)
class Divergence:
    """Where journal and tables disagree: what kind of disagreement, and at which position."""

    what: str
    where: str


@dataclass(frozen=True)
class Looked:
    """How far was looked, and the first disagreement found, if any."""

    head: Head
    found: Divergence | None


def find_head(position: int) -> Head | None:
    """The head as it stood at a position, or None where there is no such entry; 0 is the begin."""
    if position == 0:
        return Head(0, GENESIS)
    chain = JournalEntry.objects.filter(pk=position).values_list("chain", flat=True).first()
    return None if chain is None else Head(position, bytes(chain))


def look_at(head: Head, *, entries: int) -> Looked:
    """Look at so many entries after a head that is known to hold."""
    rows = list(
        JournalEntry.objects.filter(position__gt=head.position)
        .order_by("position")
        .values_list(*COLUMNS)[: min(entries, ENTRIES_MOST)]
    )
    first, told = head.position, []
    for row in rows:
        try:
            head, entry = check_row(row, head)
        except IntegrityError as error:
            return Looked(head, Divergence("chain", error.where))
        if entry is not None:
            told.append(entry[1])
    return Looked(head, _missing_or_more(first, head.position, told))


def _missing_or_more(first: int, last: int, told: Sequence[Entry[Any]]) -> Divergence | None:
    """The first table that lacks a row of these entries, or has one that no entry made."""
    for model, bodies in _at_entry:
        expected = {entry.position for entry in told if isinstance(entry.body, bodies)}
        rows = model._base_manager.filter(pk__gt=first, pk__lte=last)  # noqa: SLF001 (Django's documented API)
        actual = set(rows.values_list("pk", flat=True))
        if actual != expected:
            return Divergence(model._meta.label, f"position {min(actual ^ expected)}")  # noqa: SLF001 (as above)
    for model, body, names in _named:
        made = {
            name: entry.position
            for entry in told
            if isinstance(entry.body, body)
            for name in names(entry)
        }
        missing = made.keys() - _known(model, sorted(made))
        if missing:
            where = min(made[name] for name in missing)
            return Divergence(model._meta.label, f"position {where}")  # noqa: SLF001 (as above)
    return None


def _known(model: Model, names: Sequence[str]) -> set[str]:
    found: set[str] = set()
    for start in range(0, len(names), IN_MOST):
        rows = model._base_manager.filter(pk__in=names[start : start + IN_MOST])  # noqa: SLF001 (Django's documented API)
        found.update(rows.values_list("pk", flat=True))
    return found
