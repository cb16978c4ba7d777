"""One person taken out of the database: whose rows go, whose stay, and what is only named."""

from __future__ import annotations

import json
from base64 import b64decode
from datetime import date, timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from tests.support.database import Database, Databases
from tests.support.erasing import empty_somebody, list_found, list_persons, read_everything
from tests.support.messages import (
    MARY,
    MARY_NUMBER,
    NOW,
    TOM,
    TOM_NUMBER,
    adt,
    oml,
    oru,
    pid,
    send,
    valid_nhs,
)
from tests.support.replaying import assert_replay_equal
from tests.support.small_region import set_up
from tourniquet.directory.roles import Role, Viewer
from tourniquet.flows.check_record import check_record
from tourniquet.flows.identify_patient import confirm_as_new
from tourniquet.flows.review_message import process_again, review_message
from tourniquet.incident.entries import TimelineNoted
from tourniquet.incident.models import TimelineEvent
from tourniquet.kernel.errors import NotFound, StorageUnavailable
from tourniquet.pathology.models import DiagnosticReport, Observation, ReportVersion
from tourniquet.patients.belongings import list_perhaps_same
from tourniquet.patients.entries import (
    Demographics,
    IdentifierFact,
    PatientRegistered,
    PatientUpdated,
)
from tourniquet.patients.models import Patient, Reading
from tourniquet.patients.rules import NHS, SUPERSEDED
from tourniquet.record.emptying import empty_patient, find_stray_entries, people_of
from tourniquet.record.erasures import get_erasure
from tourniquet.record.journal import Act, read_head, writing
from tourniquet.record.models import Erasure, JournalEntry, Message
from tourniquet.record.replay import replayed_models
from tourniquet.record.sweeping import sweep_database

ANN = Viewer("ann", Role.LABORATORY)
ZOE = pid(
    valid_nhs("999000003"), family="CASTLE", given="ZOE", born="19700101", local="A1^^^RJ1^MR"
)
TWIN = pid(valid_nhs("999000014"), given="MARTHA", local="A9^^^RJ1^MR")  # Mary's, by name and day


def rows_but_the_journal() -> dict[str, set[tuple[Any, ...]]]:
    return {
        model._meta.label: {
            tuple(bytes(v) if isinstance(v, memoryview) else v for v in row)
            for row in model._base_manager.values_list(
                *(field.attname for field in model._meta.concrete_fields)
            )
        }
        for model in replayed_models()
        if model is not JournalEntry
    }


def id_of(family: str) -> str:
    return str(Patient.objects.get(family_name=family).pk)


def test_the_persons_rows_go_and_all_others_stay(database: Database, databases: Databases) -> None:
    send(adt("A28", "D1"), adt("A28", "D2", TOM), oml("O1"), oru("C1", placer="O1^PRAC"))
    send(oru("C2", TOM, lines=["NM|K^Potassium^L||7.1|mmol/L||HH|||F"]))
    before, mary, tom = rows_but_the_journal(), id_of("AXTON"), id_of("BARLOW")
    heads = list(JournalEntry.objects.order_by("pk").values_list("kind", "actor", "chain"))
    emptied = empty_somebody(mary)
    assert emptied.people == (mary,)
    assert (emptied.messages, emptied.mentions) == ((), ())
    after = rows_but_the_journal()
    for label, rows in after.items():
        assert rows <= before[label], label
        assert len(before[label]) - len(rows) == emptied.rows.get(label, 0), label
        assert not [row for row in rows if mary in row], label
    assert emptied.rows["pathology.DiagnosticReport"] == 1
    assert [row.patient_id for row in Observation.objects.all()] == [tom]
    # Of the entries only the words are gone, and only hers.
    assert heads == list(JournalEntry.objects.order_by("pk").values_list("kind", "actor", "chain"))
    gone = JournalEntry.objects.filter(body__isnull=True)
    assert emptied.entries == gone.count() == gone.filter(subject=None, salt=None).count()
    assert not JournalEntry.objects.filter(subject=mary).exists()
    assert_replay_equal(databases, database)


def test_reports_of_one_number_are_told_apart(database: Database, databases: Databases) -> None:
    send(adt("A28", "D1"), adt("A28", "D2", TOM), oru("C1"))
    send(oru("C2", TOM, status="C", issued="20240603120000+0000"))  # Mary's was meant for Tom
    assert {r.status for r in DiagnosticReport.objects.all()} == {"entered-in-error", "corrected"}
    empty_somebody(id_of("AXTON"))
    assert DiagnosticReport.objects.get().patient_id == id_of("BARLOW")
    assert ReportVersion.objects.count() == 1
    assert_replay_equal(databases, database)


@pytest.mark.parametrize("through", range(3))
def test_all_who_were_merged_are_one_person(
    database: Database, databases: Databases, through: int
) -> None:
    send(adt("A28", "D1"), adt("A28", "D2", TOM), adt("A28", "D3", ZOE))
    for control, person in (("C1", MARY), ("C2", TOM), ("C3", ZOE)):
        send(oru(control, person, number=control), oml(f"O{control}", person, placer=control))
    stranger = pid(valid_nhs("999000005"), family="DALE", given="EVE", local="A4^^^RJ1^MR")
    send(adt("A28", "D4", stranger), oru("C4", stranger, number="C4"))
    send(adt("A40", "D5", TOM, "MRG|A1^^^RJ1^MR"))
    send(adt("A40", "D6", MARY, "MRG|A100002^^^RJ1^MR"))
    ids = sorted(map(id_of, ("AXTON", "BARLOW", "CASTLE")))
    assert people_of(ids[through]) == tuple(ids)
    emptied = empty_somebody(ids[through])
    assert emptied.people == tuple(ids)
    assert list_persons() == [(id_of("DALE"),)]
    assert DiagnosticReport.objects.get().patient_id == id_of("DALE")
    assert_replay_equal(databases, database)


def empty_and_fail(subject: str) -> None:
    with writing(Act("test", NOW)):
        empty_patient(subject)
        raise ZeroDivisionError


def test_twice_is_once_and_undone_is_not_done(database: Database) -> None:
    send(adt("A28", "D1"), oru("C1"))
    mary, before = id_of("AXTON"), rows_but_the_journal()
    with pytest.raises(ZeroDivisionError):
        empty_and_fail(mary)
    assert rows_but_the_journal() == before
    assert not JournalEntry.objects.filter(body=None).exists()
    assert empty_somebody(mary).entries == 4
    again = empty_somebody(mary)
    assert (again.entries, again.rows) == (0, {})


def test_outside_a_transaction_nothing_is_done(database: Database) -> None:
    send(adt("A28", "D1"))
    with pytest.raises(RuntimeError, match="transaction"):
        empty_patient(id_of("AXTON"))
    assert Patient.objects.exists()


def test_who_comes_back_is_somebody_new(database: Database, databases: Databases) -> None:
    send(adt("A28", "D1"), oru("C1"))
    first = id_of("AXTON")
    empty_somebody(first)
    send(oru("C2", number="L2"), adt("A28", "D2"), oru("C3", status="C"))
    second = id_of("AXTON")
    assert second != first
    assert DiagnosticReport.objects.filter(patient_id=second).count() == 2
    assert_replay_equal(databases, database)
    empty_somebody(second)
    assert not Patient.objects.exists()


def test_the_seat_is_free_again(database: Database, databases: Databases) -> None:
    from tourniquet.diary.models import Appointment
    from tourniquet.flows.daily_work import morning

    region = set_up(seats=1)
    first, second = region.person(), region.person()
    region.need(first, "CKD", in_days=3)
    morning(region.now)
    [seat] = Appointment.objects.values_list("clinic", "day", "at")
    empty_somebody(first)
    assert not Appointment.objects.exists()
    region.need(second, "CKD", in_days=3)
    morning(region.now)
    assert list(Appointment.objects.values_list("clinic", "day", "at")) == [seat]
    assert_replay_equal(databases, database)


def test_looking_at_the_record_finds_nothing_amiss(database: Database) -> None:
    send(adt("A28", "D1"), adt("A28", "D2", TOM), oru("C1"), oru("C2", TOM, number="L2"))
    check_record(now=NOW)
    empty_somebody(id_of("AXTON"))
    assert check_record(now=NOW).found == ()


# What is about nobody and carries somebody --------------------------------------------------------


def refuse(raw: bytes) -> int:
    """Have a message refused; the position of its entry."""
    [answer] = send(raw)
    assert answer.code == "AR"
    entry = JournalEntry.objects.filter(kind="message.received").latest("position")
    assert entry.subject is None
    return entry.position


def test_a_refused_message_goes_with_its_review(database: Database, databases: Databases) -> None:
    send(adt("A28", "D1"), adt("A28", "D2", TOM))
    hers = refuse(adt("A40", "D3"))
    spaced = refuse(b"Dear all, about " + b" ".join([b"999", b"123", MARY_NUMBER[6:].encode()]))
    by_name = refuse(adt("A40", "D4", pid("", local="")))
    his = refuse(adt("A40", "D5", TOM))
    junk = refuse(b"not a message")
    for position in (hers, his):
        review_message(position, viewer=ANN, note="Rang. AXTON or BARLOW.", now=NOW)
    found = find_stray_entries(id_of("AXTON"))
    assert found.messages == (hers, spaced, by_name)
    assert found.mentions == ()
    emptied = empty_somebody(id_of("AXTON"))
    assert emptied.messages == found.messages
    assert set(Message.objects.filter(subject=None).values_list("pk", flat=True)) == {his, junk}
    reviews = JournalEntry.objects.filter(kind="message.reviewed").order_by("position")
    assert [review.body is None for review in reviews] == [True, False]
    with pytest.raises(NotFound):
        process_again(hers, viewer=ANN, now=NOW)
    assert_replay_equal(databases, database)


def test_what_was_looked_through_before_is_not_looked_at_again(database: Database) -> None:
    send(adt("A28", "D1"), adt("A28", "D2", TOM), oru("C1"))
    mary = id_of("AXTON")
    early = refuse(adt("A40", "D3"))
    nameless = refuse(oru("C1", pid("", local="", family="", given="", born=""), number="L7"))
    looked = find_stray_entries(mary)
    assert looked.messages == (early,)
    assert looked.through >= nameless
    # A number that became hers, and bytes that were taken in for her: all is looked at again.
    send(adt("A31", "D4", pid(local="B700007^^^RJ1^MR")))
    assert not find_stray_entries(mary).is_for_same(looked)
    looked = find_stray_entries(mary)
    review_message(early, viewer=ANN, note="Rang.", now=NOW)
    late = refuse(adt("A40", "D5"))
    with CaptureQueriesContext(connection) as asked:
        again = find_stray_entries(mary, looked)
    assert [row for row in asked.captured_queries if f'"position" > {looked.through}' in row["sql"]]
    assert again == find_stray_entries(mary)
    assert (again.messages, len(again.reviews)) == ((early, late), 1)
    with writing(Act("test", NOW)):
        assert empty_patient(mary, looked=looked).messages == again.messages


def test_whom_a_message_only_resembles_or_names_keeps_it(database: Database) -> None:
    send(adt("A28", "D1"), adt("A28", "D2", TWIN), adt("A28", "D3", TOM))
    refuse(adt("A40", "D4", TWIN))
    mother = refuse(
        adt("A40", "D5", TOM, f"NK1|1|AXTON^MARY|MTH||||||||||||||||||||||||||||{MARY_NUMBER}")
    )
    digits = refuse(
        adt("A40", "D6", pid("", family="X", born="19010101", local=f"7{MARY_NUMBER}1"))
    )
    both = refuse(adt("A40", "D7", MARY, TOM))
    emptied = empty_somebody(Patient.objects.get(given_names="MARY").pk)
    assert emptied.messages == ()
    assert emptied.mentions == (mother, both)
    assert JournalEntry.objects.get(pk=digits).body is not None


def test_a_number_that_somebody_else_has_today_takes_nothing_of_theirs(database: Database) -> None:
    send(adt("A28", "D1"))
    mary = id_of("AXTON")
    first = refuse(adt("A40", "D2", pid(local="")))
    assert find_stray_entries(mary).messages == (first,)
    # The number was Zoe's all along: Mary gets another one.
    corrected = IdentifierFact(system=NHS, value=valid_nhs("999000005"))
    former = IdentifierFact(system=NHS, value=MARY_NUMBER, state=SUPERSEDED)
    with writing(Act("test", NOW)) as journal:
        person = Demographics(family_name="AXTON", given_names="MARY", birth_date=date(1945, 7, 14))
        journal.append(PatientUpdated(person=person, identifiers=(corrected, former)), subject=mary)
    found = find_stray_entries(mary)
    assert (found.messages, found.mentions) == ((first,), ())
    zoe = Demographics(family_name="CASTLE", given_names="ZOE", birth_date=date(1970, 1, 1))
    number = IdentifierFact(system=NHS, value=MARY_NUMBER)
    with writing(Act("test", NOW)) as journal:
        journal.append(PatientRegistered(person=zoe, identifiers=(number,)), subject="zoe")
    found = find_stray_entries(mary)
    assert (found.messages, found.mentions) == ((), (first,))  # what is about Zoe is not Mary's
    assert find_stray_entries("zoe").messages == ()  # in Mary's name: a person must look


def test_a_namesake_born_the_same_day_keeps_what_has_no_number(database: Database) -> None:
    send(adt("A28", "D1"))
    nameless = refuse(adt("A40", "D2", pid("", local="")))
    assert find_stray_entries(id_of("AXTON")).messages == (nameless,)
    send(adt("A28", "D3", pid(TOM_NUMBER, local="A9^^^RJ1^MR", family="Axton", given="Mary Ann")))
    mary, other = Patient.objects.order_by("registered_at", "pk").values_list("pk", flat=True)
    for one in (mary, other):
        found = find_stray_entries(one)
        assert (found.messages, found.mentions) == ((), (nameless,))


def test_a_message_about_two_goes_with_the_last_of_them(
    database: Database, databases: Databases
) -> None:
    send(adt("A28", "D1"), adt("A28", "D2", TOM), adt("A28", "D3", ZOE))
    both = refuse(adt("A40", "D4", MARY, TOM))
    kin = refuse(adt("A40", "D5", TOM, ZOE, f"NK1|1|AXTON^MARY|MTH||||||||||{MARY_NUMBER}"))
    mary, tom, zoe = map(id_of, ("AXTON", "BARLOW", "CASTLE"))
    looked = find_stray_entries(tom)
    assert looked.messages == ()
    assert carry_out(mary).mentions == f"{both},{kin}"
    assert not find_stray_entries(tom).is_for_same(looked)
    assert JournalEntry.objects.get(pk=both).body is not None
    done = carry_out(tom)
    assert str(both) in done.keys.split(",")
    assert done.mentions == str(kin)  # Zoe is there still, and Mary was no PID in it
    assert JournalEntry.objects.get(pk=both).body is None
    assert JournalEntry.objects.get(pk=kin).body is not None
    assert str(kin) in carry_out(zoe).keys.split(",")
    assert_replay_equal(databases, database)


def carry_out(patient: str) -> Erasure:
    """The whole procedure for one person, in time for the next; the erasure as it is then."""
    from tests.flows.test_erasure import approved
    from tourniquet.flows.carry_out_erasures import carry_out_erasures

    erasure = approved(patient, moment=NOW)
    assert carry_out_erasures(now=NOW + timedelta(days=14)).carried_out == (erasure,)
    return get_erasure(erasure)


def test_in_entries_about_others_the_number_is_named_and_left(database: Database) -> None:
    send(adt("A28", "D1"), adt("A28", "D2", TOM), oru("C1", MARY))
    spaced = f"{MARY_NUMBER[:3]} {MARY_NUMBER[3:6]} {MARY_NUMBER[6:]}"
    before = read_head().position
    send(
        *(
            oru(f"C{at}", TOM, number=f"L{at}", more=[f"NTE|1||{'x' * at}{sign}{number}, mother"])
            for at, (sign, number) in enumerate(
                [("", MARY_NUMBER), ("", spaced), ("", spaced.replace(" ", "-")), (" ", spaced)], 5
            )
        ),
        oru("C2", TOM, number="L2", more=[f"NTE|1||1{MARY_NUMBER}"]),
    )
    mary, tom = id_of("AXTON"), id_of("BARLOW")
    found = find_stray_entries(mary)
    entries = JournalEntry.objects.filter(pk__in=found.mentions)
    assert set(entries.values_list("subject", flat=True)) == {tom}
    named = JournalEntry.objects.filter(kind="message.applied", pk__gt=before, subject=tom)
    wanted = [
        one.pk
        for one in named
        if b"L2|" not in b64decode(json.loads(bytes(one.body or b""))["raw"])
    ]
    assert len(wanted) == 4
    assert set(wanted) <= set(found.mentions)
    assert find_stray_entries(tom).mentions == ()
    # What was looked through is not looked at again, whatever came since about nobody.
    send(oru("C3", TOM, number="L3", more=[f"NTE|1||{MARY_NUMBER}"]))
    send(adt("A31", "D4", pid(local="B700007^^^RJ1^MR")))
    with CaptureQueriesContext(connection) as asked:
        again = find_stray_entries(mary, found)
    through = f'"position" > {found.elsewhere.through}'
    assert [row for row in asked.captured_queries if through in row["sql"]]
    assert set(again.mentions) > set(found.mentions)
    emptied = empty_somebody(mary)
    assert emptied.mentions == again.mentions
    assert not JournalEntry.objects.filter(pk__in=emptied.mentions, body=None).exists()


def test_a_message_that_was_taken_in_later_is_theirs_whose_it_became(
    database: Database, databases: Databases
) -> None:
    nameless = pid("", local="Z1^^^RJ9", family="QUIRK", given="", born="")
    send(adt("A28", "D1"), oru("C1"))
    position = refuse(oru("C1", nameless, number="L7"))  # a control id that was used already
    assert process_again(position, viewer=ANN, now=NOW).code == "AA"
    emptied = empty_somebody(id_of("QUIRK"))
    assert emptied.messages == (position,)
    assert_replay_equal(databases, database)


def test_what_was_written_for_others_is_named_and_left(database: Database) -> None:
    send(adt("A28", "D1"))
    with writing(Act("lead", NOW)) as journal:
        told = journal.append(
            TimelineNoted(incident="i", event="note", text=f"Rang about {MARY_NUMBER}.")
        )
        journal.append(TimelineNoted(incident="i", event="note", text="Rang about a patient."))
    assert empty_somebody(id_of("AXTON")).mentions == (told,)
    assert TimelineEvent.objects.count() == 2


def test_who_is_not_settled_is_named_first(database: Database) -> None:
    send(adt("A28", "D1"), oru("C1", pid(family="OTHER", born="19500101")))
    mary, other = id_of("AXTON"), id_of("OTHER")
    assert list_perhaps_same(mary) == (other,)
    assert people_of(mary) == (mary,)
    confirm_as_new(other, viewer=ANN, comment="Somebody else.", now=NOW)
    assert list_perhaps_same(mary) == ()


def test_the_reading_is_gone_and_that_somebody_read_is_not(database: Database) -> None:
    from tourniquet.flows.read_record import read_record
    from tourniquet.patients.grounds import WORKLIST, Why

    send(adt("A28", "D1"), adt("A28", "D2", TOM))
    for family in ("AXTON", "BARLOW"):
        read_record(id_of(family), viewer=ANN, why=Why(WORKLIST), now=NOW)
    empty_somebody(id_of("AXTON"))
    assert Reading.objects.get().patient_id == id_of("BARLOW")
    first, _ = JournalEntry.objects.filter(kind="record.read").order_by("position")
    assert (first.actor, first.happened_at, first.subject) == ("ann", NOW, None)


# The database's own files -------------------------------------------------------------------------


def test_after_a_sweep_the_bytes_are_gone(database: Database) -> None:
    send(adt("A28", "D1"), adt("A28", "D2", TOM), oru("C1"))
    refuse(adt("A40", "D3"))
    marks = {MARY_NUMBER, "AXTON", id_of("AXTON")}
    assert set(list_found(read_everything(database), marks)) == marks
    empty_somebody(id_of("AXTON"))
    swept = sweep_database()
    assert not swept.rebuilt
    assert swept.left
    assert list_found(read_everything(database), marks) == []
    assert sweep_database(rebuild=True).rebuilt
    assert list_found(read_everything(database), {"BARLOW"}) == ["BARLOW"]


def test_the_log_is_cut_only_when_nobody_reads(sqlite_database: Database) -> None:
    import sqlite3

    send(adt("A28", "D1"))
    reader = sqlite3.connect(sqlite_database.home / "tourniquet.sqlite3", isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM patients_patient").fetchall()
    empty_somebody(id_of("AXTON"))
    connection.cursor().execute("PRAGMA busy_timeout=50")
    with pytest.raises(StorageUnavailable, match="log could not be cut"):
        sweep_database()
    reader.execute("COMMIT")
    reader.close()
    sweep_database()
    assert (sqlite_database.home / "tourniquet.sqlite3-wal").stat().st_size == 0


def test_a_sweep_is_refused_inside_a_transaction(database: Database) -> None:
    with pytest.raises(RuntimeError, match="outside"), transaction.atomic():
        sweep_database()
