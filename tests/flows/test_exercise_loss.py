"""flows: the night in which a home is destroyed: nothing is lost that a replica has, what it has
not is counted, and the exercise ends as if nothing had been destroyed.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from tests.support.database import Database, Databases
from tests.support.exercising import play_world, shorten, with_loss, without_loss
from tourniquet.exercise.audit import audit_messages, audit_needs, audit_telling
from tourniquet.exercise.folders import AWAY, MARK, destroy_home
from tourniquet.exercise.outcome import Outcome
from tourniquet.exercise.world import World
from tourniquet.kernel.errors import UserError
from tourniquet.pathology.models import CriticalCall, DeskBook
from tourniquet.record.models import Alarm


@pytest.fixture
def week(monkeypatch: pytest.MonkeyPatch) -> World:
    return shorten(monkeypatch, weeks=1)


def _assert_same(one: Outcome, other: Outcome) -> None:
    for field in dataclasses.fields(Outcome):
        left, right = getattr(one, field.name), getattr(other, field.name)
        assert np.array_equal(left, right), field.name


def test_over_http_nothing_is_lost_and_all_ends_as_without_the_loss(
    databases: Databases, week: World
) -> None:
    untouched, lost = databases.new("sqlite"), databases.new("sqlite")
    databases.use(untouched)
    calm, none = play_world(without_loss(week), untouched)
    assert none is None
    as_planned, told = audit_needs(week, wrongly_passed=calm.wrongly_passed), audit_telling()
    calls = CriticalCall.objects.count()
    databases.use(lost)
    over_http = dataclasses.replace(week.scenario.loss, replica_over="http")
    tally, recovery = play_world(with_loss(week, over_http), lost)
    assert recovery is not None
    assert recovery.records_lost == 0
    assert tally.acknowledged == calm.acknowledged
    sent = audit_messages(tally.acknowledged)
    assert (sent.lost, sent.doubled) == (0, 0)
    _assert_same(audit_needs(week, wrongly_passed=tally.wrongly_passed), as_planned)
    assert sorted(audit_telling().hours_to_tell) == sorted(told.hours_to_tell)
    assert (lost.home / AWAY / "replica-token").is_file()  # it asked the server, not a folder
    # What the desk did is in the record, and every number is accounted for.
    assert recovery.night.keyed == over_http.forms_keyed
    assert recovery.night.called >= 2  # every eighth result has critical values
    book = recovery.book
    assert book is not None
    assert book.numbers_given_out == book.numbers_accounted_for == over_http.forms
    assert book.results_keyed == book.results_taken_in == over_http.forms_keyed
    assert book.calls_made == book.calls_taken_in == recovery.night.called
    assert DeskBook.objects.get().desk
    assert CriticalCall.objects.count() == calls + recovery.night.called
    assert not Alarm.objects.filter(kind="downtime desk").exists()
    _assert_nothing_secret_is_left_away(lost.home / AWAY)


def _assert_nothing_secret_is_left_away(away: Path) -> None:
    """Neither root nor signing key of the log lies where the replica and the desk are."""
    assert {path.name for path in away.rglob("*.key")} == {"witness.key"}
    for path in away.glob("share-*.txt"):
        assert path.stat().st_mode & 0o077 == 0


def test_a_replica_one_day_behind_loses_that_day_and_says_so(
    sqlite_database: Database, week: World
) -> None:
    behind = dataclasses.replace(week.scenario.loss, replica_behind_days=1)
    tally, recovery = play_world(with_loss(week, behind), sqlite_database)
    assert recovery is not None
    assert recovery.records_lost > 0
    sent = audit_messages(tally.acknowledged)
    assert sent.lost > 0, "messages of that day were acknowledged, and are gone"
    assert sent.doubled == 0
    assert recovery.book is not None
    assert recovery.book.numbers_given_out == recovery.book.numbers_accounted_for == behind.forms


def test_only_an_exercise_is_destroyed_and_what_is_away_stays(tmp_path: Path) -> None:
    for name in ("vault", "keys", AWAY, "logs"):
        (tmp_path / name).mkdir()
    (tmp_path / "tourniquet.sqlite3").touch()
    (tmp_path / "link").symlink_to(tmp_path / AWAY)
    with pytest.raises(UserError, match="no exercise"):
        destroy_home(tmp_path)
    assert (tmp_path / "keys").is_dir()
    (tmp_path / MARK).touch()
    destroy_home(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {MARK, AWAY, "logs"}
