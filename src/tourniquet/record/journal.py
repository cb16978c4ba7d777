"""The journal: entries appended and applied in one transaction.

Invariants:
- Positions are gapless from 1 and in commit order: whoever writes holds the journal's lock from
  before it decides until it commits (SQLite: the immediate transaction).
- An entry names at most one patient: its subject. A kind says whether it must.
- What was appended is applied before the transaction commits, or neither happens.
- Inside a savepoint that fails, positions and chain go back to where they were.

It refuses: a body whose kind demands a subject and has none, or the reverse; naive times.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Any

import msgspec
from django.db import transaction

from tourniquet.kernel import settings
from tourniquet.record import sealing
from tourniquet.record.database import storage_errors, take_journal_lock
from tourniquet.record.models import JournalEntry
from tourniquet.record.registry import Body, Entry, Kind, encode, kind_of
from tourniquet.record.tables import fetch_one, insert_rows

COLUMNS = (
    "position",
    "kind",
    "kind_version",
    "recorded_at",
    "happened_at",
    "actor",
    "organisation",
    "origin",
    "origin_position",
    "cause",
    "subject",
    "body",
    "salt",
    "commitment",
    "chain",
)
FLUSH_AT = 2000  # entries held before they are written; bounds memory in long batches


class Act(msgspec.Struct, frozen=True):
    """Who acts, for which organisation ("" where none), and when."""

    actor: str
    moment: datetime
    organisation: str = ""


@dataclass(frozen=True)
class Head:
    """The newest entry's position and chain value."""

    position: int
    chain: bytes


def read_head() -> Head:
    """The head of the journal; position 0 and the genesis value where it is empty."""
    row = fetch_one(
        "SELECT position, chain FROM record_journalentry ORDER BY position DESC LIMIT 1"
    )
    return Head(row[0], bytes(row[1])) if row else Head(0, sealing.GENESIS)


class Writer:
    """One transaction's view of the journal. Made by `writing` alone."""

    def __init__(self, act: Act, origin: str, head: Head) -> None:
        if act.moment.tzinfo is None:
            raise ValueError("an act happens at an aware time")
        self.act = act
        self._origin = origin
        self._position = head.position
        self._chain = head.chain
        self._rows: list[Sequence[Any]] = []
        self._entries: list[tuple[Kind, Entry[Any]]] = []

    @property
    def next_position(self) -> int:
        """The position that the next entry will have."""
        return self._position + 1

    def append(
        self,
        body: Body,
        *,
        subject: str | None = None,
        cause: int | None = None,
        happened_at: datetime | None = None,
        act: Act | None = None,
        origin: tuple[str, int] | None = None,
    ) -> int:
        """Append one entry and return its position. It is applied at the next flush.

        `act` names another actor for this entry alone (messages of one group have many senders);
        `origin` where it was first written down, and at which place there, if not here.
        """
        found = kind_of(body)
        if found.names_patient != (subject is not None):
            raise ValueError(f"an entry of kind {found.name} was given the wrong kind of subject")
        who = act or self.act
        self._position += 1
        header = sealing.Header(
            position=self._position,
            kind=found.name,
            kind_version=found.version,
            recorded_at=who.moment,
            happened_at=happened_at or who.moment,
            actor=who.actor,
            organisation=who.organisation,
            origin=origin[0] if origin else self._origin,
            origin_position=origin[1] if origin else self._position,
            cause=cause,
        )
        content = encode(body)
        salt = os.urandom(sealing.SALT_BYTES)
        commitment = sealing.commit(salt, subject, content)
        self._chain = sealing.link(self._chain, header, commitment)
        self._rows.append((*_columns(header), subject, content, salt, commitment, self._chain))
        self._entries.append(
            (
                found,
                Entry(
                    position=header.position,
                    recorded_at=header.recorded_at,
                    happened_at=header.happened_at,
                    actor=header.actor,
                    organisation=header.organisation,
                    cause=cause,
                    subject=subject,
                    body=body,
                ),
            )
        )
        if len(self._rows) >= FLUSH_AT:
            self.flush()
        return header.position

    def flush_about(self, subject: str, *families: str) -> None:
        """Flush if something of these families ("need", "gate") about the subject is not written.

        A story that reads rows of one patient sees what was appended for them before it, and a
        group of messages about many patients is still written together.
        """
        if any(
            entry.subject == subject and kind.name.partition(".")[0] in families
            for kind, entry in self._entries
        ):
            self.flush()

    def flush(self) -> None:
        """Write and apply what was appended, so that reads in this transaction see it."""
        if not self._rows:
            return
        rows, entries = self._rows, self._entries
        self._rows, self._entries = [], []
        insert_rows(JournalEntry, COLUMNS, rows)
        apply_run(entries)

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        """What is appended inside is applied at its end, or undone without harm to the rest."""
        self.flush()
        before = (self._position, self._chain)
        try:
            with transaction.atomic():
                yield
                self.flush()
        except BaseException:
            self._position, self._chain = before
            self._rows, self._entries = [], []
            raise


def _columns(header: sealing.Header) -> tuple[object, ...]:
    """The header's part of a row, in the order of COLUMNS."""
    return (
        header.position,
        header.kind,
        header.kind_version,
        header.recorded_at,
        header.happened_at,
        header.actor,
        header.organisation,
        header.origin,
        header.origin_position,
        header.cause,
    )


def apply_run(entries: Sequence[tuple[Kind, Entry[Any]]]) -> None:
    """Apply entries in order; neighbours of one kind go to their function together."""
    for _, run in groupby(entries, key=lambda pair: id(pair[0])):
        pairs = list(run)
        function = pairs[0][0].apply
        if function is None:
            raise RuntimeError(f"nothing applies entries of kind {pairs[0][0].name}")
        function([entry for _, entry in pairs])


@contextmanager
def writing(act: Act) -> Iterator[Writer]:
    """One transaction of the journal: decide, append, apply, commit.

    Raises: StorageUnavailable when the disk or the database fails; nothing was written then.
    """
    with storage_errors(), transaction.atomic():
        take_journal_lock()
        writer = Writer(act, settings.read("TOURNIQUET_SITE"), read_head())
        yield writer
        writer.flush()
