"""The golden story of the diary tells of every kind of entry of its domains."""

from __future__ import annotations

from tests.support.database import Database, Databases
from tests.support.golden_diary import tell_diary
from tests.support.replaying import assert_replay_equal
from tourniquet.record.models import JournalEntry
from tourniquet.record.registry import list_kinds

DOMAINS = ("tourniquet.diary", "tourniquet.triage", "tourniquet.incident", "tourniquet.notices")


def test_every_kind_is_told_and_replays(database: Database, databases: Databases) -> None:
    tell_diary()
    told = set(JournalEntry.objects.values_list("kind", flat=True))
    ours = {kind.name for kind in list_kinds() if kind.body.__module__.startswith(DOMAINS)}
    assert ours <= told, f"no story tells of {sorted(ours - told)}"
    assert_replay_equal(databases, database)
