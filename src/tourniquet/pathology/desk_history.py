"""One patient's history made anew, in memory, from the vault.

1. Open the patient's entries, those of people merged into the patient too, in order.
2. Put an empty scratch database, in which the organisations are listed already, in place of what
   this thread looked at before.
3. Apply the entries with the functions that apply them everywhere else.
The queries and presenters of the console then read the scratch database as they read any other.

Invariants:
- The scratch database lies in memory, one for each thread, and holds one patient at a time; a
  database on a disk is refused.
- No second projection of the record: what apply functions make of the same entries is the same
  rows (a generative test compares them with a restored database).
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

from django.apps import apps
from django.db import connection, transaction

from tourniquet.kernel.errors import OperatorError
from tourniquet.pathology.desk_index import Index
from tourniquet.record.journal import apply_run
from tourniquet.record.registry import Entry, Kind

ENTRIES_MOST = 20_000  # of one patient: 400,000 result lines; more is a fault in the record
ORGANISATIONS_MOST = 100_000
_APPS = ("directory", "patients", "pathology")
_IN_MEMORY = ":memory:"


@dataclass(frozen=True)
class Opened:
    """What was read: how many entries, how many of them did not open for want of a key."""

    entries: int
    missing: int
    erased: int


class HistorySource(Protocol):
    """Where a desk's entries come from: a vault, or a bundle that was carried away."""

    @property
    def index(self) -> Index:
        """Whose entries lie where."""

    def read_entries(self, positions: Sequence[int]) -> tuple[list[tuple[Kind, Entry[Any]]], int]:
        """These entries in order, the erased ones left out, and how many want a key."""


class Histories:
    """Histories of one desk."""

    def __init__(self, source: HistorySource) -> None:
        self._source = source
        self._lock = threading.Lock()
        self._template = b""
        self._listed: list[int] = []

    def open(self, patient_id: str) -> Opened:
        """Put this patient's history into this thread's scratch database.

        Raises: IntegrityError when an entry does not hold; OperatorError.
        """
        # 1.
        positions = self._source.index.positions(patient_id, most=ENTRIES_MOST)
        entries, missing = self._source.read_entries(positions)
        # 2.
        template = self._prepared()
        _replace(template)
        # 3.
        with transaction.atomic():
            apply_run(entries)
        return Opened(len(positions), missing, len(positions) - len(entries) - missing)

    def _prepared(self) -> bytes:
        """An empty database in which the organisations are listed; made anew when more came."""
        listed = self._source.index.common(["organisation.listed"])[:ORGANISATIONS_MOST]
        with self._lock:
            if not self._template or listed != self._listed:
                entries, _ = self._source.read_entries(listed)
                self._template = _make_template(entries)
                self._listed = listed
            return self._template


def _demand_memory() -> None:
    if connection.vendor != "sqlite" or str(connection.settings_dict["NAME"]) != _IN_MEMORY:
        raise OperatorError(
            "The desk opens histories in memory alone; this database lies on a disk.",
            remedy="Run the desk with `tourniquet record history`.",
        )


def _make_template(organisations: list[tuple[Kind, Entry[Any]]]) -> bytes:
    _demand_memory()
    with _fresh() as raw:
        with connection.schema_editor() as editor:
            for label in _APPS:
                for model in apps.get_app_config(label).get_models():
                    editor.create_model(model)
        with transaction.atomic():
            apply_run(organisations)
        made: bytes = raw.serialize()
        return made


@contextmanager
def _fresh() -> Iterator[sqlite3.Connection]:
    """This thread's scratch database, emptied."""
    connection.ensure_connection()
    raw = connection.connection
    with closing(sqlite3.connect(_IN_MEMORY)) as empty:
        empty.executescript("CREATE TABLE passing (x); DROP TABLE passing;")
        raw.deserialize(empty.serialize())
    yield raw


def _replace(content: bytes) -> None:
    """Put a database in place of this thread's scratch database."""
    _demand_memory()
    connection.ensure_connection()
    connection.connection.deserialize(content)
