"""flows: readings with their ground, ceilings, canaries, the stop of bulk export."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.support.database import Database, Databases
from tests.support.replaying import assert_replay_equal
from tourniquet.directory.roles import Role, Viewer
from tourniquet.kernel.errors import (
    LimitReached,
    NotFound,
    PermissionRefused,
    StorageUnavailable,
    UserError,
)
from tourniquet.patients.grounds import CARE, GLASS, REGION, Why

NOW = datetime(2024, 6, 3, 9, 0, tzinfo=UTC)
TEN_AT_NIGHT = datetime(2024, 6, 3, 22, 59, tzinfo=UTC)  # a minute before midnight in London
NURSE = Viewer("nurse", Role.HOSPITAL, "RJ1")
FEED = Viewer("feed", Role.HOSPITAL, "RJ1")
REGIONAL = Viewer("regional", Role.HOSPITAL)
GUARD = Viewer("dora", Role.DATA_PROTECTION)
ADMIN = Viewer("ada", Role.ADMINISTRATOR)


def register(count: int) -> list[str]:
    """So many patients, by the flow's own entries, so that replay makes them too."""
    from tourniquet.kernel.identifiers import CountedIds
    from tourniquet.patients.entries import Demographics, PatientRegistered
    from tourniquet.record.journal import Act, writing

    ids = CountedIds()
    made = [ids.new(NOW) for _ in range(count)]
    with writing(Act("test", NOW)) as journal:
        for at, one in enumerate(made):
            person = Demographics(family_name=f"Test{at}", registered_organisation="G10001")
            journal.append(PatientRegistered(person=person), subject=one)
    return made


def read(patient: str, viewer: Viewer = NURSE, now: datetime = NOW) -> bool:
    from tourniquet.flows.read_record import read_record

    return read_record(patient, viewer=viewer, why=Why(CARE), now=now)


def fetch(ids: list[str], viewer: Viewer = FEED, now: datetime = NOW, **options: Any) -> bool:
    from tourniquet.flows.read_by_machine import read_by_machine

    return read_by_machine(ids, viewer=viewer, now=now, **options)


def alarms(kind: str) -> list[str]:
    from tourniquet.record.models import Alarm

    found = Alarm.objects.filter(kind=kind).order_by("raised_at", "about_position")
    return list(found.values_list("text", flat=True))


def test_a_reading_says_who_what_why_and_from_where(
    database: Database, databases: Databases
) -> None:
    from tourniquet.patients.models import Reading

    (patient,) = register(1)
    from tourniquet.flows.read_record import read_record

    why = Why(GLASS, "emergency", "On the ward")
    read_record(patient, viewer=REGIONAL, why=why, now=NOW, what="entry 7")
    fetch([patient])
    first, second = Reading.objects.order_by("position")
    assert (first.patient_id, first.account, first.role) == (patient, "regional", "hospital")
    assert (first.ground, first.reason, first.words) == ("glass", "emergency", "On the ward")
    assert (first.what, first.channel, first.at) == ("entry 7", "console", NOW)
    assert (second.account, second.organisation, second.channel) == ("feed", "RJ1", "fhir")
    assert second.ground == CARE
    assert_replay_equal(databases, database)


def test_readings_of_the_first_release_apply_and_replay(
    database: Database, databases: Databases
) -> None:
    from tourniquet.patients.entries import FirstRecordRead
    from tourniquet.patients.models import Reading, ReadingDay
    from tourniquet.record.journal import Act, writing

    (patient,) = register(1)
    with writing(Act("kim", TEN_AT_NIGHT)) as journal:
        journal.append(FirstRecordRead(), subject=patient)
        journal.append(FirstRecordRead(what="fhir", late_by="ann"), subject=patient)
        journal.append(
            FirstRecordRead(), subject=patient, happened_at=TEN_AT_NIGHT + timedelta(minutes=1)
        )
    found = list(Reading.objects.order_by("position").values_list("channel", "late_by", "ground"))
    assert found == [("console", "", ""), ("fhir", "ann", ""), ("console", "", "")]
    days = sorted(str(day) for day in ReadingDay.objects.values_list("day", flat=True))
    assert days == ["2024-06-03", "2024-06-04"]  # London's midnight is 23:00 UTC in June
    assert_replay_equal(databases, database)


def test_migrating_fills_the_table_from_the_journal(database: Database) -> None:
    from django.core.management import call_command

    from tourniquet.patients.entries import FirstRecordRead
    from tourniquet.patients.models import Reading, ReadingDay
    from tourniquet.record.journal import Act, writing

    (patient,) = register(1)
    with writing(Act("kim", TEN_AT_NIGHT, "RJ1")) as journal:
        journal.append(FirstRecordRead(), subject=patient)
        journal.append(FirstRecordRead(what="fhir", late_by="ann"), subject=patient)
    applied = list(Reading.objects.order_by("position").values())
    days = list(ReadingDay.objects.values_list("account", "day", "patient_id"))
    call_command("migrate", "patients", "0001", verbosity=0)
    call_command("migrate", verbosity=0)
    assert list(Reading.objects.order_by("position").values()) == applied
    assert list(ReadingDay.objects.values_list("account", "day", "patient_id")) == days
    assert len(applied) == 2


# The file beside the journal ----------------------------------------------------------------------


def test_what_the_journal_could_not_take_keeps_its_reason_and_is_watched_later(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tourniquet.flows import read_record as flow
    from tourniquet.flows.guard_access import set_canary
    from tourniquet.patients.models import Reading

    canary, other = register(2)
    set_canary(canary, on=True, comment="Made up", viewer=GUARD, now=NOW)
    with monkeypatch.context() as patch:
        patch.setattr(flow, "writing", _unavailable)
        why = Why(GLASS, "other", "Ünder attack\n2")
        assert not flow.read_record(canary, viewer=REGIONAL, why=why, now=NOW)
        old = {"patient": other, "actor": "kim", "organisation": "", "at": NOW.isoformat()}
        with flow.late_file().open("a") as file:
            file.write(f"{json.dumps(old)}\n")
            file.write('{"patient": "torn')
    assert alarms("canary-read") == []
    assert read(other, now=NOW + timedelta(hours=1))
    told = list(Reading.objects.order_by("position").values_list("account", "words", "late_by"))
    assert told == [
        ("regional", "Ünder attack\n2", "nurse"),
        ("kim", "", "nurse"),
        ("nurse", "", ""),
    ]
    assert len(alarms("canary-read")) == 1
    assert not flow.late_file().exists()
    torn = flow.late_file().with_suffix(".torn")
    assert torn.read_text() == '{"patient": "torn\n'
    assert torn.stat().st_mode & 0o777 == 0o600


def test_lines_that_another_reader_has_taken_are_not_taken_from_the_file(
    database: Database,
) -> None:
    from tourniquet.flows import read_record as flow

    path = flow.late_file()
    path.write_text("a\nb\nc\n")
    flow._drop(path, ["a", "b"])
    flow._drop(path, ["a", "b"])
    assert path.read_text() == "c\n"


def _unavailable(*_: object) -> None:
    raise StorageUnavailable("the disk is full")


# Ceilings -----------------------------------------------------------------------------------------


def test_a_ceiling_alarms_once_a_day_and_account_and_reading_goes_on(
    database: Database, databases: Databases, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOURNIQUET_READING_CEILINGS", "hospital=3")
    people = register(8)
    for patient in people[:3]:
        assert read(patient)
        assert read(patient)  # the same people again count once
    assert alarms("reading-ceiling") == []
    assert read(people[3])
    (text,) = alarms("reading-ceiling")
    assert "nurse" in text
    assert "more than 3 people" in text
    assert not any(patient in text for patient in people)
    for patient in people[4:]:
        assert read(patient)
    assert len(alarms("reading-ceiling")) == 1
    fetch(people[:4])  # another account has its own count
    assert len(alarms("reading-ceiling")) == 2
    tomorrow = NOW + timedelta(days=1)
    for patient in people[:4]:
        read(patient, now=tomorrow)
    assert len(alarms("reading-ceiling")) == 3
    assert_replay_equal(databases, database)


def test_the_day_of_a_ceiling_is_londons(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOURNIQUET_READING_CEILINGS", "hospital=2")
    people = register(4)
    for patient in people[:2]:
        read(patient, now=TEN_AT_NIGHT)
    for patient in people[2:]:
        read(patient, now=TEN_AT_NIGHT + timedelta(minutes=2))
    assert alarms("reading-ceiling") == []


def test_an_account_may_have_a_ceiling_of_its_own(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOURNIQUET_READING_CEILINGS", "hospital=1,account/feed=4")
    people = register(5)
    fetch(people[:4])
    assert alarms("reading-ceiling") == []
    fetch(people)
    assert len(alarms("reading-ceiling")) == 1


def test_many_reasons_alarm_once_and_the_records_open(
    database: Database, databases: Databases, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tourniquet.flows.break_glass import break_glass
    from tourniquet.patients.readings import find_account_at, find_reasons
    from tourniquet.record.models import Alarm

    monkeypatch.setenv("TOURNIQUET_REASON_CEILINGS", "hospital=2")
    people = register(5)
    why = Why(GLASS, "asked")
    for patient in (people[0], people[0], people[1], people[1]):
        break_glass(patient, viewer=REGIONAL, why=why, now=NOW)
    assert alarms("reason-ceiling") == []
    for patient in people[2:]:
        break_glass(patient, viewer=REGIONAL, why=why, now=NOW)
    (text,) = alarms("reason-ceiling")
    assert "regional" in text
    assert find_account_at(Alarm.objects.get().about_position) == "regional"
    assert len(find_reasons("regional", people, now=NOW)) == 5
    break_glass(people[0], viewer=REGIONAL, why=why, now=NOW + timedelta(days=1))
    assert len(alarms("reason-ceiling")) == 1
    assert_replay_equal(databases, database)


# Canaries -----------------------------------------------------------------------------------------


def test_a_canary_alarms_at_once_by_console_and_fhir_once_a_day_and_account(
    database: Database, databases: Databases
) -> None:
    from tourniquet.flows.guard_access import set_canary
    from tourniquet.record.models import Alarm, JournalEntry

    canary, other = register(2)
    set_canary(canary, on=True, comment="Made up", viewer=ADMIN, now=NOW)
    read(other)
    assert alarms("canary-read") == []
    read(canary)
    (text,) = alarms("canary-read")
    assert "nurse" in text
    assert canary not in text
    about = Alarm.objects.get().about_position
    assert JournalEntry.objects.get(pk=about).subject == canary
    read(canary)
    fetch([canary, other])
    assert len(alarms("canary-read")) == 2
    read(canary, now=NOW + timedelta(days=1))
    assert len(alarms("canary-read")) == 3
    set_canary(canary, on=False, comment="Known by now", viewer=GUARD, now=NOW)
    read(canary, now=NOW + timedelta(days=2))
    assert len(alarms("canary-read")) == 3
    assert_replay_equal(databases, database)


def test_a_canary_needs_the_right_a_reason_and_somebody(database: Database) -> None:
    from tourniquet.flows.guard_access import set_canary

    (patient,) = register(1)
    for viewer in (NURSE, Viewer("aud", Role.AUDITOR), Viewer("lead", Role.INCIDENT_LEAD)):
        with pytest.raises(PermissionRefused):
            set_canary(patient, on=True, comment="x", viewer=viewer, now=NOW)
    with pytest.raises(UserError, match="Say why"):
        set_canary(patient, on=True, comment="  ", viewer=GUARD, now=NOW)
    with pytest.raises(NotFound):
        set_canary("nobody", on=True, comment="x", viewer=GUARD, now=NOW)
    with pytest.raises(UserError, match="not on the list"):
        set_canary(patient, on=False, comment="x", viewer=GUARD, now=NOW)
    set_canary(patient, on=True, comment="x", viewer=GUARD, now=NOW)
    with pytest.raises(UserError, match="already"):
        set_canary(patient, on=True, comment="x", viewer=GUARD, now=NOW)


# The stop of bulk export --------------------------------------------------------------------------


def test_an_export_is_stopped_at_the_limit_and_lifted_for_a_reason(
    database: Database, databases: Databases, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tourniquet.flows.guard_access import allow_export
    from tourniquet.flows.manage_accounts import add_account
    from tourniquet.patients.models import Reading
    from tourniquet.record.models import JournalEntry

    monkeypatch.setenv("TOURNIQUET_EXPORT_LIMITS", "hospital=5")
    add_account(name="feed", role="hospital", organisation="RJ1", password=None, actor="test")
    everybody = register(12)
    people = everybody[:9]
    fetch(people[:5])  # at the limit
    with pytest.raises(LimitReached) as raised:
        fetch(people[3:6])  # one past it
    assert "5 people" in raised.value.what
    assert Reading.objects.count() == 5
    assert len(alarms("export-stopped")) == 1
    for _ in range(3):
        with pytest.raises(LimitReached):
            fetch(people[5:6])
    assert len(alarms("export-stopped")) == 1
    assert JournalEntry.objects.filter(kind="export.stopped").count() == 1
    fetch(people[:5])  # whom it read today it may read again
    allow_export("feed", hours=2, reason="Moving to a new system", viewer=ADMIN, now=NOW)
    fetch(people)
    with pytest.raises(LimitReached):
        fetch(everybody, now=NOW + timedelta(hours=2))  # the allowance has ended
    fetch(people[:5], now=NOW + timedelta(days=1))
    assert len(alarms("export-stopped")) == 1
    assert_replay_equal(databases, database)


def test_a_stop_does_not_keep_the_console_from_reading(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOURNIQUET_EXPORT_LIMITS", "hospital=1")
    people = register(3)
    with pytest.raises(LimitReached):
        fetch(people, viewer=NURSE)
    assert all(read(patient) for patient in people)


def test_the_limit_holds_while_the_journal_cannot_be_written(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk is no way round the limit: the file's readings count too."""
    from tourniquet.flows import read_by_machine as flow
    from tourniquet.flows.read_record import late_file

    monkeypatch.setenv("TOURNIQUET_EXPORT_LIMITS", "hospital=5")
    people = register(9)
    fetch(people[:2])
    monkeypatch.setattr(flow, "writing", _unavailable)
    assert not fetch(people[2:5])
    assert not fetch(people[1:4])  # known ones again
    with pytest.raises(LimitReached):
        fetch(people[5:6])
    assert len(late_file().read_text().splitlines()) == 6


def test_a_lifting_needs_an_administrator_a_reason_and_a_time(database: Database) -> None:
    from tourniquet.flows.guard_access import HOURS_MOST, allow_export
    from tourniquet.flows.manage_accounts import add_account

    add_account(name="feed", role="hospital", organisation="RJ1", password=None, actor="test")
    with pytest.raises(PermissionRefused):
        allow_export("feed", hours=1, reason="x", viewer=GUARD, now=NOW)
    for hours, reason in ((0, "x"), (HOURS_MOST + 1, "x"), (1, " ")):
        with pytest.raises(UserError):
            allow_export("feed", hours=hours, reason=reason, viewer=ADMIN, now=NOW)
    with pytest.raises(NotFound):
        allow_export("nobody", hours=1, reason="x", viewer=ADMIN, now=NOW)
    until = allow_export("feed", hours=HOURS_MOST, reason="x", viewer=ADMIN, now=NOW)
    assert until == NOW + timedelta(hours=HOURS_MOST)


def test_a_token_reads_for_the_region_and_a_session_only_for_a_reason(database: Database) -> None:
    from tourniquet.flows.break_glass import break_glass
    from tourniquet.patients.models import Reading

    people = register(2)
    fetch(people, viewer=REGIONAL)
    assert set(Reading.objects.values_list("ground", flat=True)) == {REGION}
    with pytest.raises(PermissionRefused):
        fetch(people, viewer=REGIONAL, session=True)
    why = Why(GLASS, "asked", "")
    until = break_glass(people[0], viewer=REGIONAL, why=why, now=NOW)
    fetch(people[:1], viewer=REGIONAL, session=True)
    assert Reading.objects.order_by("-position")[0].reason == "asked"
    with pytest.raises(PermissionRefused):
        fetch(people, viewer=REGIONAL, session=True)
    with pytest.raises(PermissionRefused):
        fetch(people[:1], viewer=REGIONAL, session=True, now=until)  # it holds no longer


def test_a_reason_that_a_role_may_not_give_is_refused(database: Database) -> None:
    from tourniquet.flows.break_glass import break_glass
    from tourniquet.record.models import JournalEntry

    (patient,) = register(1)
    practice = Viewer("kim", Role.PRACTICE, "G10001")
    with pytest.raises(PermissionRefused):
        break_glass(patient, viewer=practice, why=Why(GLASS, "emergency"), now=NOW)
    with pytest.raises(UserError):
        break_glass(patient, viewer=REGIONAL, why=Why(GLASS, "complaint"), now=NOW)
    assert not JournalEntry.objects.filter(kind="glass.broken").exists()


# Alarms dealt with --------------------------------------------------------------------------------


def test_an_alarm_is_dealt_with_once_by_whom_it_concerns(
    database: Database, databases: Databases, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tourniquet.flows.guard_access import clear_alarm
    from tourniquet.record.models import Alarm, JournalEntry

    monkeypatch.setenv("TOURNIQUET_READING_CEILINGS", "hospital=1")
    for patient in register(2):
        read(patient)
    alarm = Alarm.objects.get()
    with pytest.raises(PermissionRefused):
        clear_alarm(alarm.pk, note="I did it", viewer=NURSE, now=NOW)
    with pytest.raises(UserError, match="Say what was done"):
        clear_alarm(alarm.pk, note="", viewer=GUARD, now=NOW)
    with pytest.raises(NotFound):
        clear_alarm("none", note="x", viewer=GUARD, now=NOW)
    position = clear_alarm(alarm.pk, note="A busy clinic", viewer=GUARD, now=NOW)
    alarm.refresh_from_db()
    assert (alarm.cleared_by, alarm.cleared_at) == ("dora", NOW)
    entry = JournalEntry.objects.get(pk=position)
    assert b"A busy clinic" in bytes(entry.body or b"")
    with pytest.raises(UserError, match="already"):
        clear_alarm(alarm.pk, note="x", viewer=GUARD, now=NOW)
    assert_replay_equal(databases, database)


def test_an_alarm_is_raised_once_for_the_same_thing(database: Database) -> None:
    from tourniquet.flows.raise_alarm import raise_alarm, raise_alarm_once
    from tourniquet.record.journal import Act, writing
    from tourniquet.record.models import Alarm

    def once(*about_what: str) -> bool:
        with writing(Act("test", NOW)) as journal:
            return raise_alarm_once(journal, "k", "Look.", since=NOW, about_what=about_what)

    assert [once("a"), once("a"), once("b")] == [True, False, True]
    with writing(Act("test", NOW)) as journal:
        raise_alarm(journal, "k", "Look.")
        raise_alarm(journal, "k", "Look.")
    assert Alarm.objects.count() == 4


def test_readings_are_listed_for_those_who_may_and_scoped(database: Database) -> None:
    from tourniquet.patients.readings import ReadingSearch, list_readings

    ours, theirs = register(2)
    from tourniquet.patients.models import Patient

    Patient.objects.filter(pk=theirs).update(registered_organisation="G99999")
    read(ours)
    read(theirs)
    read(theirs, viewer=Viewer("kim", Role.PRACTICE, "G99999"))
    for viewer in (NURSE, REGIONAL, Viewer("lead", Role.INCIDENT_LEAD)):
        with pytest.raises(PermissionRefused):
            list_readings(viewer, ReadingSearch())
    assert len(list_readings(GUARD, ReadingSearch())) == 3
    practice = Viewer("dpo", Role.DATA_PROTECTION, "G10001")
    hospital = Viewer("dpo", Role.DATA_PROTECTION, "RJ1")
    assert [one.patient_id for one in list_readings(practice, ReadingSearch())] == [ours]
    assert len(list_readings(hospital, ReadingSearch())) == 2
    search = ReadingSearch(patients=(frozenset({theirs}),), accounts=(("kim", "x"),))
    assert [one.account for one in list_readings(GUARD, search)] == ["kim"]
