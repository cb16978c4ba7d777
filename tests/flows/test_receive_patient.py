"""Patients come in: registered, changed, merged; unknown ones provisional, never guessed."""

from __future__ import annotations

from datetime import date

import pytest

from tests.support.database import Database, Databases
from tests.support.messages import (
    MARY,
    MARY_NUMBER,
    NOW,
    TOM,
    adt,
    codes,
    message,
    oml,
    oru,
    pid,
    send,
    valid_nhs,
)
from tests.support.replaying import assert_replay_equal
from tourniquet.directory.roles import SYSTEM_VIEWER, Role, Viewer
from tourniquet.flows.identify_patient import confirm_as_new, merge_into
from tourniquet.flows.import_people import PersonRow, import_people, read_people
from tourniquet.flows.review_message import process_again, review_message
from tourniquet.kernel.errors import PermissionRefused, UserError
from tourniquet.pathology.models import DiagnosticReport, ServiceRequest
from tourniquet.patients.models import Identifier, Patient
from tourniquet.patients.queries import (
    Wanted,
    count_provisional,
    get_patient,
    list_candidates,
    search_patients,
)
from tourniquet.patients.rules import (
    DISAGREES,
    NO_NUMBERS,
    OTHER_NHS_NUMBER,
    TWO_NHS_NUMBERS,
    UNKNOWN,
)
from tourniquet.record.journal import Act
from tourniquet.record.models import JournalEntry, Message
from tourniquet.record.queries import list_refused_messages

ANN = Viewer("ann", Role.HOSPITAL)


def states() -> list[str]:
    return sorted(Patient.objects.values_list("state", flat=True))


def test_registered_updated_and_dead(database: Database, databases: Databases) -> None:
    assert codes(adt("A28", "D1", MARY, "PD1|||SURGERY^^G85001")) == ["AA"]
    mary = Patient.objects.get()
    assert (mary.state, mary.family_name, mary.birth_date, mary.sex) == (
        "active",
        "AXTON",
        date(1945, 7, 14),
        "F",
    )
    assert (mary.registered_organisation, mary.postcode) == ("G85001", "")
    moved = pid(extra="|||2 Low St^^London^^SE2 2BB||02000000001")
    assert codes(adt("A31", "D2", moved)) == ["AA"]
    mary.refresh_from_db()
    assert (mary.postcode, mary.phone, mary.registered_organisation) == (
        "SE2 2BB",
        "02000000001",
        "G85001",
    )
    entries = JournalEntry.objects.count()
    assert codes(adt("A08", "D3", moved)) == ["AA"]
    assert JournalEntry.objects.count() == entries + 1  # nothing changed but that it came
    died = pid(extra="|" * 21 + "20240601|Y")
    assert codes(adt("A08", "D4", died)) == ["AA"]
    mary.refresh_from_db()
    assert (mary.recorded_dead, mary.died_on) == (True, date(2024, 6, 1))
    assert codes(adt("A08", "D5", pid(extra='||||||""'))) == ["AA"]
    assert_replay_equal(databases, database)


@pytest.mark.parametrize(
    ("sent", "why"),
    [
        (MARY, None),
        (pid(family="NEWNAME"), None),  # the birth date agrees
        (pid(born="19500101"), None),  # the family name agrees
        (pid("", local="A100001^^^RJ1^MR"), None),
        (pid(f"{MARY_NUMBER[:3]} {MARY_NUMBER[3:6]} {MARY_NUMBER[6:]}", local=""), None),
        (f"PID|1|{MARY_NUMBER}|||Axton^M||19450714|F", None),
        (f"PID|1||||Axton^M||19450714|F|||||||||||{MARY_NUMBER}", None),
        (pid(family="OTHER", born="19500101"), DISAGREES),
        (pid(family="", born=""), DISAGREES),
        (pid("9991234501", local=""), NO_NUMBERS),  # wrong check digit
        (pid("9991234501"), None),  # the local number leads there
        (pid("", local="A100001^^^RJ2^MR"), UNKNOWN),  # another authority
        (pid("", local=""), NO_NUMBERS),
        (pid(valid_nhs("999777001")), OTHER_NHS_NUMBER),
        (pid(local=f"{valid_nhs('999777001')}^^^NHS^NH"), TWO_NHS_NUMBERS),
    ],
)
def test_matching(sqlite_database: Database, sent: str, why: str | None) -> None:
    send(adt("A28", "D1"))
    mary = Patient.objects.get().pk
    assert codes(oru("C1", sent)) == ["AA"]
    report = DiagnosticReport.objects.get()
    if why is None:
        assert report.patient_id == mary
        assert states() == ["active"]
    else:
        other = Patient.objects.get(pk=report.patient_id)
        assert (other.state, other.why_provisional) == ("provisional", why)
        # The same PID again is the same provisional, unless it has no number at all.
        send(oru("C2", sent, number="L2"))
        assert len(states()) == (
            3 if "|||AXTON" in sent.replace("||||", "|||") and sent.count("^^^") == 0 else 2
        )


def test_a_bad_nhs_number_is_kept_as_doubtful(database: Database) -> None:
    send(oru("C1", pid("9991234501", local="")))
    assert Identifier.objects.get().state == "doubtful"
    send(oru("C2", pid("9991234501", local="", family="ELSE"), number="L2"))
    assert states() == ["provisional", "provisional"]


def test_merge_by_message_takes_the_history_along(database: Database, databases: Databases) -> None:
    send(adt("A28", "D1"), adt("A28", "D2", TOM), oru("C1", TOM), oml("O1", TOM))
    assert codes(adt("A40", "D3", MARY, "MRG|A100002^^^RJ1^MR")) == ["AA"]
    assert states() == ["active", "merged"]
    mary = Patient.objects.get(state="active")
    assert DiagnosticReport.objects.get().patient_id == mary.pk
    assert ServiceRequest.objects.get().patient_id == mary.pk
    gone = Patient.objects.get(state="merged")
    assert get_patient(gone.pk, viewer=SYSTEM_VIEWER).pk == mary.pk
    # What still comes for the old numbers goes to the one who stays, if name or birth date agrees.
    assert codes(oru("C2", pid("", local="A100002^^^RJ1^MR"), number="L2")) == ["AA"]
    assert DiagnosticReport.objects.filter(patient_id=mary.pk).count() == 2
    assert [e.subject for e in JournalEntry.objects.filter(kind="patient.merged")] == [gone.pk]
    assert_replay_equal(databases, database)


def test_merge_and_use_in_one_group(database: Database, databases: Databases) -> None:
    group = [
        adt("A28", "D1"),
        adt("A28", "D2", TOM),
        oru("C1", TOM),
        adt("A40", "D3", MARY, "MRG|A100002^^^RJ1^MR"),
        oru("C2", pid("", local="A100002^^^RJ1^MR"), number="L2"),
    ]
    assert codes(*group) == ["AA"] * 5
    assert DiagnosticReport.objects.values("patient_id").distinct().count() == 1
    assert_replay_equal(databases, database)


def test_a_person_confirms_or_merges_a_provisional(
    database: Database, databases: Databases
) -> None:
    stranger = pid(family="OTHER", born="19500101")
    unknown = pid(valid_nhs("999777001"), family="QUIRK", born="19600101", local="")
    send(adt("A28", "D1"), oru("C1", stranger), oru("C2", unknown, number="L2"))
    assert count_provisional(viewer=ANN) == 2
    mary = Patient.objects.get(state="active")
    first, second = Patient.objects.filter(state="provisional").order_by("family_name")
    with pytest.raises(PermissionRefused):
        confirm_as_new(second.pk, viewer=Viewer("x", Role.AUDITOR), comment="x", now=NOW)
    with pytest.raises(UserError):
        confirm_as_new(second.pk, viewer=ANN, comment=" ", now=NOW)
    confirm_as_new(second.pk, viewer=ANN, comment="New in the region.", now=NOW)
    assert [c.pk for c in list_candidates(first.pk, viewer=ANN)] == [mary.pk]
    merge_into(first.pk, mary.pk, viewer=ANN, comment="Asked by telephone.", now=NOW)
    with pytest.raises(UserError):
        merge_into(first.pk, mary.pk, viewer=ANN, comment="Again.", now=NOW)
    assert states() == ["active", "active", "merged"]
    assert DiagnosticReport.objects.filter(patient_id=mary.pk).count() == 1
    # The same PID, which a person has decided about, finds its patient from now on.
    assert codes(oru("C3", stranger, number="L3"), oru("C4", unknown, number="L4")) == ["AA", "AA"]
    assert DiagnosticReport.objects.filter(patient_id=mary.pk).count() == 2
    assert states() == ["active", "active", "merged"]
    assert_replay_equal(databases, database)


def test_search(database: Database) -> None:
    send(adt("A28", "D1"), adt("A28", "D2", TOM))
    for wanted in (
        Wanted(number="999 123 " + MARY_NUMBER[6:]),
        Wanted(number="A100001"),
        Wanted(family_name="axt"),
        Wanted(family_name="Axton", birth_date=date(1945, 7, 14)),
        Wanted(family_name="axton", given_names="mar"),
    ):
        assert [p.family_name for p in search_patients(wanted, viewer=ANN)] == ["AXTON"]
    assert search_patients(Wanted(), viewer=ANN) == []
    assert (
        search_patients(Wanted(number="A100001"), viewer=Viewer("p", Role.PRACTICE, "G85009")) == []
    )


def test_a_refused_message_is_dealt_with_or_processed_again(
    database: Database, databases: Databases, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tourniquet.flows import receive_messages

    with monkeypatch.context() as patch:
        patch.setattr(receive_messages, "receive_report", lambda *_: 1 / 0)
        for _ in range(3):
            send(oru("C1"))
    refused = list_refused_messages()
    assert [m.code for m in refused] == ["AR", "AE", "AE"]
    assert process_again(refused[0].position, viewer=ANN, now=NOW).code == "AA"
    assert DiagnosticReport.objects.count() == 1
    review_message(refused[1].position, viewer=ANN, note="Seen.", now=NOW)
    with pytest.raises(UserError):
        review_message(refused[1].position, viewer=ANN, note="Seen.", now=NOW)
    assert [m.position for m in list_refused_messages()] == [refused[2].position]
    assert Message.objects.get(position=refused[0].position).reviewed_by == "ann"
    assert_replay_equal(databases, database)


def test_people_are_imported_once(database: Database, databases: Databases) -> None:
    rows = [
        PersonRow(
            nhs_number=valid_nhs(f"9990{n:05}") if valid_nhs(f"9990{n:05}")[9:] else "",
            local_numbers=(("RJ1", f"L{n}"),),
            family_name=f"FAMILY{chr(65 + n % 26)}",
            birth_date=date(1950, 1, 1 + n % 28),
            gp_practice="G85001",
        )
        for n in range(2500)
    ]
    act = Act("import", NOW)
    assert import_people(rows, act=act) == 2500
    assert import_people(rows[:100], act=act) == 0
    clash = PersonRow(
        local_numbers=(("RJ1", "L7"),), family_name="ELSE", birth_date=date(1990, 1, 1)
    )
    assert import_people([clash], act=act) == 1
    assert Patient.objects.filter(state="provisional").count() == 1
    assert_replay_equal(databases, database)


def test_an_extract_is_read_and_its_mistakes_named() -> None:
    import io

    text = (
        "person,nhs_number,local_numbers,family_name,birth_date,sex,gp_practice,died_on\n"
        "1,,RJ1:123;RJ2:K4,AXTON,1945-07-14,F,G85001,\n"
    )
    rows = list(read_people(io.StringIO(text), name="people.csv"))
    assert rows[0].local_numbers == (("RJ1", "123"), ("RJ2", "K4"))
    for bad, where in (("14/07/1945", "line 2, birth_date"),):
        with pytest.raises(UserError) as caught:
            list(read_people(io.StringIO(text.replace("1945-07-14", bad)), name="people.csv"))
        assert where in caught.value.where
    with pytest.raises(UserError, match="missing"):
        list(read_people(io.StringIO("a,b\n1,2\n"), name="people.csv"))


def test_adt_that_names_nobody_or_is_of_another_kind(database: Database) -> None:
    assert codes(message("ADT^A08", "D1", ["EVN|A08"]), adt("A05", "D2")) == ["AR", "AR"]
    assert codes(adt("A40", "D3")) == ["AR"]
