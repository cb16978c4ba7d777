"""Emptied journal and emptied tables agree: whoever is taken out of whichever history."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from tests.support.database import Database, Databases
from tests.support.erasing import empty_somebody, list_persons, read_everything, read_outbox
from tests.support.erasing_history import Chronicle
from tests.support.golden import tell_intake
from tests.support.golden_access import tell_access
from tests.support.golden_diary import tell_diary
from tests.support.replaying import assert_replay_equal
from tests.support.small_region import set_up
from tests.support.tracing import assert_rows_are_one_persons
from tourniquet.diary.entries import NeedDeferred
from tourniquet.flows.sweep_outbox import sweep_outbox
from tourniquet.record.journal import writing
from tourniquet.record.sweeping import sweep_database

DAYS = 4


def tell_care() -> None:
    """Patients, pathology, and who read them."""
    tell_intake()
    tell_access()


@pytest.mark.parametrize("share", [0.3, 1.0])
@pytest.mark.parametrize("story", [tell_care, tell_diary])
def test_a_replay_gives_what_is_left(
    databases: Databases,
    database: Database,
    seed: int,
    story: Callable[[], None],
    share: float,
) -> None:
    chance = random.Random(seed)
    story()
    persons = list_persons()
    for person in persons:
        if chance.random() < share:
            emptied = empty_somebody(chance.choice(person))
            assert emptied.people == person
            assert emptied.entries > 0
    assert_replay_equal(databases, database)


@pytest.mark.parametrize("story", [tell_care, tell_diary])
def test_a_row_is_written_by_entries_about_one_person(
    databases: Databases, sqlite_database: Database, story: Callable[[], None]
) -> None:
    story()
    assert_rows_are_one_persons(databases, sqlite_database)


@pytest.mark.parametrize("round_", range(2))
def test_days_in_which_people_are_erased(
    databases: Databases, database: Database, seed: int, round_: int
) -> None:
    chronicle = Chronicle(random.Random(seed + round_))
    chronicle.live(DAYS)
    assert len(chronicle.gone) >= DAYS
    sweep_database(rebuild=True)
    sweep_outbox()
    everything = read_everything(database) + read_outbox(database)
    left = [mark for one in chronicle.gone for mark in one.marks if mark.encode() in everything]
    assert left == [], "what only they had is still in the database's bytes"
    lost = [mark for one in chronicle.here for mark in one.marks if mark.encode() not in everything]
    assert lost == [], "somebody else's was taken"
    if database.vendor == "sqlite":
        assert_rows_are_one_persons(databases, database)
    assert_replay_equal(databases, database)


def test_the_trace_sees_who_writes_in_anothers_row(
    databases: Databases, sqlite_database: Database
) -> None:
    region = set_up()
    first, second = region.person(), region.person()
    need = region.need(first, "CKD")
    with writing(region.act()) as journal:
        wrong = NeedDeferred(need=need, review_on=region.today, reason="of somebody else")
        journal.append(wrong, subject=second)
    with pytest.raises(AssertionError, match=r"diary\.Need"):
        assert_rows_are_one_persons(databases, sqlite_database)
