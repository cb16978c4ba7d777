"""Golden journals of releases replay into the tables that those releases had."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.database import Database, Databases
from tests.support.golden import load_journal, read_journal, table_digests
from tests.support.replaying import replay_into_new
from tourniquet.record.registry import list_kinds

FOLDER = Path(__file__).parent.parent / "golden"
JOURNALS = sorted(FOLDER.glob("journal-*.jsonl"))


# Tables that a later release makes from entries which an earlier one wrote already.
LATER_TABLES = {"journal-0.1": {"patients.Reading", "patients.ReadingDay"}}


@pytest.mark.parametrize("path", JOURNALS, ids=lambda path: path.stem)
def test_it_replays(database: Database, databases: Databases, path: Path) -> None:
    expected = load_journal(path)
    # The tables of the source are empty: only the journal was loaded. All come from replay.
    replay_into_new(databases, database)
    later = LATER_TABLES.get(path.stem, set())
    digests = table_digests()
    assert later <= digests.keys()
    assert {name: one for name, one in digests.items() if name not in later} == expected


def test_every_kind_of_the_domains_is_in_the_newest() -> None:
    rows, _ = read_journal(JOURNALS[-1])
    told = {(row[1], row[2]) for row in rows}
    domains = ("patients", "pathology", "diary", "triage", "incident", "notices")
    modules = tuple(f"tourniquet.{domain}" for domain in domains)
    ours = {(k.name, k.version) for k in list_kinds() if k.body.__module__.startswith(modules)}
    assert ours <= told, f"no story tells of {sorted(ours - told)}"
