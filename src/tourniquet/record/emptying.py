"""One person's data taken out of the database, so that what stays is what a replay would make.

Steps of `empty_patient`, inside the caller's transaction, with the journal's lock held:
1. Everybody who was merged with the subject is the same person: all of them are emptied.
2. Find entries about nobody that carry the person: messages that were refused or never tied to
   a patient, and what was written about such a message.
3. Take the person's rows out of every table, those reached through other rows first.
4. Null subject, body and salt of the person's entries. Header, commitment and chain stay.

Invariants:
- A row belongs to one person: only entries about that person, or about nobody, write it. So what
  an emptied journal makes is what is there, less the person's rows; nobody else's row is touched.
- Every replayed table says whose its rows are (`rows_about`, `rows_at_entries`, `rows_of`,
  `rows_keyed`), or that they are nobody's and why (`rows_of_nobody`). A table that says nothing
  ends it before anything is changed.
- Done twice, the second time changes nothing.

It does not ask who may, destroy keys, or touch the vault; and it does not commit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import connection, models

from tourniquet.record.models import JournalEntry
from tourniquet.record.recognising import Written
from tourniquet.record.replay import replayed_models
from tourniquet.record.strays import Stray, find_strays, positions_about
from tourniquet.record.tables import IN_MOST

Model = type[models.Model]
Keys = Callable[[Sequence[str]], Iterable[tuple[Any, ...]]]
People = Callable[[str], tuple[str, ...]]
Words = Callable[[Sequence[str]], Written]


@dataclass(frozen=True)
class _Belonging:
    """How a table's rows of some people are found: by one of its columns, or by whole keys."""

    column: str = ""
    parent: Model | None = None
    keys: Keys | None = None


@dataclass(frozen=True)
class Emptied:
    """What was taken out. `rows` says how many rows each table lost, of those that lost any.

    `messages` are positions of entries about nobody that were emptied because they carried the
    person. `mentions` are positions of others that seem to, which a person must look at; they were
    left as they are.
    """

    people: tuple[str, ...]
    entries: int
    rows: dict[str, int]
    messages: tuple[int, ...]
    mentions: tuple[int, ...]


_belongings: dict[Model, _Belonging] = {}
_nobodys: dict[Model, str] = {}
_people: list[People] = []
_words: list[Words] = []


def _declare(model: Model, belonging: _Belonging) -> None:
    if model in _belongings or model in _nobodys:
        raise RuntimeError(f"{_label(model)} says twice whose its rows are")
    _belongings[model] = belonging


def rows_about(model: Model, column: str) -> None:
    """Declare that a column holds the id of the patient whom the row is about."""
    _declare(model, _Belonging(column))


def rows_at_entries(model: Model) -> None:
    """Declare that the row's key is the position of an entry about the patient."""
    _declare(model, _Belonging("pk", JournalEntry))


def rows_of(model: Model, column: str, parent: Model) -> None:
    """Declare that a column holds the key of a row of `parent`, and that both are one person's."""
    if parent not in _belongings:
        raise RuntimeError(f"{_label(parent)} has not said whose its rows are")
    _declare(model, _Belonging(column, parent))


def rows_keyed(model: Model, keys: Keys) -> None:
    """Declare how the keys of some people's rows are worked out, in the order of the key."""
    _declare(model, _Belonging(keys=keys))


def rows_of_nobody(model: Model, reason: str) -> None:
    """Declare that no row is about a patient, and why that is so."""
    if model in _belongings or model in _nobodys:
        raise RuntimeError(f"{_label(model)} says twice whose its rows are")
    _nobodys[model] = reason


def people_by(function: People) -> None:
    """Declare how all ids of one person are found; the domain that keeps people says it, once."""
    _people.append(function)


def words_by(function: Words) -> None:
    """Declare how it is found under which numbers and names some people are written down."""
    _words.append(function)


def list_undeclared() -> list[str]:
    """Replayed tables that do not say whose their rows are; none, in a release that is whole."""
    known = {JournalEntry, *_belongings, *_nobodys}
    return [_label(model) for model in replayed_models() if model not in known]


def reasons_of_nobody() -> dict[str, str]:
    """Tables without a patient's rows, and why."""
    return {_label(model): reason for model, reason in _nobodys.items()}


def list_patients_tables() -> list[str]:
    """The database's names of the tables that hold rows about patients, the journal first."""
    models_of_patients: list[Model] = [JournalEntry, *_belongings]
    return [model._meta.db_table for model in models_of_patients]  # noqa: SLF001 (Django's documented API)


def people_of(subject: str) -> tuple[str, ...]:
    """Every id of the person that this id belongs to, itself included, in order."""
    found = {subject}
    for function in _people:
        found.update(function(subject))
    return tuple(sorted(found))


def find_stray_entries(subject: str, looked: Stray | None = None) -> Stray:
    """Entries about nobody that carry the person; ask before the person is emptied.

    All entries about nobody and about others are read, some seconds in a large journal. Done
    outside of the transaction first and handed to `empty_patient` as `looked`, only what came since
    is read there.
    """
    people = people_of(subject)
    written = Written.joined(function(people) for function in _words)
    return find_strays(written, people, looked)


def empty_patient(subject: str, *, looked: Stray | None = None) -> Emptied:
    """Take everything about the person out of the journal's bodies and out of every table.

    To be called inside a transaction that holds the journal's lock, nothing being unwritten.
    """
    if not connection.in_atomic_block:
        raise RuntimeError("a patient is emptied inside a transaction")
    undeclared = list_undeclared()
    if undeclared:
        raise RuntimeError(f"these tables do not say whose their rows are: {undeclared}")
    if connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            # What is freed is overwritten with zeros; it holds for this connection from here on.
            cursor.execute("PRAGMA secure_delete=ON")
    # 1. The person.
    people = people_of(subject)
    # 2. What is about nobody and carries them.
    stray = find_stray_entries(subject, looked)
    # 3. Rows of tables.
    rows = _take_out(people, stray.messages)
    # 4. The journal.
    entries = _null(subject__in=people) + _null(pk__in=(*stray.messages, *stray.reviews))
    return Emptied(
        people=people,
        entries=entries,
        rows=rows,
        messages=stray.messages,
        mentions=stray.mentions,
    )


def _label(model: Model) -> str:
    return model._meta.label  # noqa: SLF001 (Django's documented API)


def _chunks(values: Sequence[Any]) -> Iterator[Sequence[Any]]:
    for start in range(0, len(values), IN_MOST):
        yield values[start : start + IN_MOST]


def _null(**which: Any) -> int:
    """Null what names or tells of somebody in these entries; how many there were."""
    ((name, values),) = which.items()
    return sum(
        JournalEntry.objects.filter(**{name: part}, body__isnull=False).update(
            subject=None, body=None, salt=None
        )
        for part in _chunks(tuple(values))
    )


def _take_out(people: Sequence[str], messages: Sequence[int]) -> dict[str, int]:
    """Delete the rows, found whole before the first is deleted; how many, by table."""
    positions = (*positions_about(people), *messages)
    found = {model: _find(model, people, positions) for model in _belongings}
    counts: dict[str, int] = {}
    for model, queries in found.items():
        count = sum(query.delete()[0] for query in queries)
        if count:
            counts[_label(model)] = count
    return counts


def _find(
    model: Model, people: Sequence[str], positions: Sequence[int]
) -> list[models.QuerySet[Any]]:
    """Questions for the rows of these people, the values in them already known."""
    belonging = _belongings[model]
    manager = model._base_manager  # noqa: SLF001 (Django's documented API)
    if belonging.keys is not None:
        return [manager.filter(pk=key) for key in belonging.keys(people)]
    values: Sequence[Any] = people
    if belonging.parent is JournalEntry:
        values = positions
    elif belonging.parent is not None:
        values = _keys_of(belonging.parent, people, positions)
    return [manager.filter(**{f"{belonging.column}__in": part}) for part in _chunks(values)]


def _keys_of(model: Model, people: Sequence[str], positions: Sequence[int]) -> list[Any]:
    return [
        key
        for query in _find(model, people, positions)
        for key in query.values_list("pk", flat=True)
    ]
