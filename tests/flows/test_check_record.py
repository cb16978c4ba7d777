"""flows: the check of journal against tables sees what was tampered with, and alarms once."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection

from tests.support.database import Database
from tests.support.golden import tell_intake
from tests.support.golden_access import tell_access

NOW = datetime(2024, 6, 5, 9, 0, tzinfo=UTC)


@pytest.fixture
def told(database: Database) -> Database:
    """A database in which a good deal has happened."""
    tell_intake()
    tell_access()
    return database


def check(now: datetime = NOW) -> list[tuple[str, str]]:
    from tourniquet.flows.check_record import check_record

    return [(one.what, one.where) for one in check_record(now=now).found]


def tamper(sql: str, *values: object) -> None:
    """Write past the journal, as somebody who has the database's password could."""
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        assert cursor.rowcount > 0


def alarms() -> int:
    from tourniquet.record.models import Alarm

    return Alarm.objects.filter(kind="record-diverges").count()


def test_nothing_is_found_where_nothing_was_done(told: Database) -> None:
    from tourniquet.flows.check_record import check_record, read_progress

    first = check_record(now=NOW)
    assert first.found == ()
    assert first.entries > 50
    assert read_progress().stretch == read_progress().head > 0
    assert check() == []  # it begins anew
    assert alarms() == 0


TAMPERINGS: dict[str, tuple[Callable[[], None], str]] = {
    "a reading hidden": (
        lambda: tamper("DELETE FROM patients_reading WHERE account = %s", "lead"),
        "patients.Reading",
    ),
    "a reading made up": (
        lambda: tamper(
            "INSERT INTO patients_reading SELECT 1, patient_id, account, organisation, role, at,"
            " what, channel, ground, reason, words, late_by FROM patients_reading WHERE account ="
            " 'lead' AND ground = 'glass'"
        ),
        "patients.Reading",
    ),
    "a message's log removed": (
        lambda: tamper("DELETE FROM record_message WHERE control_id = 'C1'"),
        "record.Message",
    ),
    "an alarm removed": (
        lambda: tamper("DELETE FROM record_alarm WHERE kind = 'canary-read'"),
        "record.Alarm",
    ),
    "a patient's birthday changed": (
        lambda: tamper(
            "UPDATE patients_patient SET birth_date = '1950-01-02' WHERE family_name = 'AXTON'"
        ),
        "patients.Patient",
    ),
    "a patient removed": (
        lambda: tamper("DELETE FROM patients_patient WHERE family_name = 'QUIRK'"),
        "patients.Patient",
    ),
    "a patient made up": (
        lambda: tamper("UPDATE patients_patient SET id = 'x' || id WHERE family_name = 'QUIRK'"),
        "patients.Patient",
    ),
    "a report removed": (
        lambda: tamper("DELETE FROM pathology_diagnosticreport WHERE filler_number = 'L5'"),
        "pathology.DiagnosticReport",
    ),
    "an entry's actor changed": (
        lambda: tamper("UPDATE record_journalentry SET actor = 'kim' WHERE position = 20"),
        "chain",
    ),
    "an entry's body changed": (
        lambda: tamper(
            "UPDATE record_journalentry SET body = (SELECT body FROM record_journalentry"
            " WHERE position = 2) WHERE position = 20"
        ),
        "chain",
    ),
}


@pytest.mark.parametrize("name", sorted(TAMPERINGS))
def test_what_was_done_past_the_journal_is_found_and_alarmed_once_a_day(
    told: Database, name: str
) -> None:
    act, what = TAMPERINGS[name]
    act()
    found = check()
    assert what in {one for one, _ in found}, found
    assert alarms() == len({one for one, _ in found})
    before = alarms()
    check(NOW + timedelta(minutes=1))
    assert alarms() >= before
    assert alarms() <= before + 1  # what a second look adds is of another kind
    tomorrow = NOW + timedelta(days=1)
    check(tomorrow)
    check(tomorrow)
    assert alarms() > before


def test_a_journal_that_was_cut_is_found(told: Database) -> None:
    from tourniquet.record.journal import read_head

    assert check() == []
    head = read_head().position
    tamper("DELETE FROM record_journalentry WHERE position >= %s", head - 1)
    assert ("journal cut or rewritten", f"position {head}") in check()
    assert alarms() >= 1


def test_an_old_break_is_passed_so_that_the_rest_is_looked_at(
    told: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tourniquet.flows import check_record as flow

    monkeypatch.setattr(flow, "STRETCH_ENTRIES", 10)
    monkeypatch.setattr(flow, "TAIL_ENTRIES", 5)
    tamper("UPDATE record_journalentry SET actor = 'kim' WHERE position = 25")
    reached = []
    for minute in range(12):
        check(NOW + timedelta(minutes=minute))
        reached.append(flow.read_progress().stretch)
    assert max(reached) > 60, reached
    assert alarms() == 1


def test_a_look_is_bounded(told: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    from django.test.utils import CaptureQueriesContext

    from tourniquet.flows import check_record as flow

    monkeypatch.setattr(flow, "STRETCH_ENTRIES", 20)
    monkeypatch.setattr(flow, "PATIENTS_AT_ONCE", 1)
    with CaptureQueriesContext(connection) as first:
        assert flow.check_record(now=NOW).entries == 20
    assert flow.read_progress().patient != ""
    assert len(first) < 40
    with CaptureQueriesContext(connection) as second:
        assert flow.check_record(now=NOW).entries == 20
    assert (
        abs(len(second) - len(first)) <= 4
    )  # kinds that a stretch does not have are not asked for


def test_a_file_of_progress_that_cannot_be_read_begins_anew(told: Database) -> None:
    from tourniquet.flows.check_record import Progress, progress_file, read_progress

    check()
    assert read_progress() != Progress()
    progress_file().write_text('{"head": ')
    assert read_progress() == Progress()
    assert check() == []
    assert progress_file().stat().st_mode & 0o777 == 0o600


def test_the_worker_does_it_day_and_night_every_minute(database: Database) -> None:
    from tourniquet.edge.worker import INTEGRITY_EVERY, NAMES, Worker, is_due, jobs
    from tourniquet.kernel.clock import SettableClock

    assert "integrity" in NAMES
    night = datetime(2024, 6, 5, 2, 0, tzinfo=UTC)
    assert is_due("integrity", night, night.date())
    clock = SettableClock(night)
    worker = Worker(clock=lambda: clock)
    from tourniquet.flows.check_record import progress_file

    worker._look("integrity")
    assert progress_file().exists()
    progress_file().unlink()
    worker._look("integrity")
    assert not progress_file().exists()  # not yet due again
    clock.set(night + INTEGRITY_EVERY)
    worker._look("integrity")
    assert progress_file().exists()
    assert set(jobs()) == set(NAMES)
