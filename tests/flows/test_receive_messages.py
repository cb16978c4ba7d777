"""Messages come in: repeats, clashes, refusals, poison, groups; and nothing is half-written."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import OperationalError

from tests.support.database import Database, Databases
from tests.support.messages import MARY, NOW, TOM, adt, codes, message, oru, send
from tests.support.replaying import assert_replay_equal
from tourniquet.flows.intake import Desk, FollowUp, Origin
from tourniquet.kernel.errors import StorageUnavailable
from tourniquet.pathology.models import DiagnosticReport
from tourniquet.pathology.reading import PatientReports
from tourniquet.patients.rules import Known
from tourniquet.record.journal import Writer
from tourniquet.record.models import Alarm, JournalEntry, Message


def test_a_repeat_gets_the_same_answer_and_changes_nothing(database: Database) -> None:
    first = send(oru("C1"))[0]
    entries = JournalEntry.objects.count()
    again = send(oru("C1"), oru("C1"))
    assert [first.code, *[a.code for a in again]] == ["AA", "AA", "AA"]
    assert {a.position for a in again} == {first.position}
    assert JournalEntry.objects.count() == entries


def test_a_refused_message_is_refused_again_and_kept_once(database: Database) -> None:
    raw = message("QRY^A19", "Q1", [MARY])
    assert codes(raw) == ["AR"]
    assert codes(raw) == ["AR"]
    kept = Message.objects.get()
    assert (kept.code, kept.control_id, kept.reason[:6]) == ("AR", "Q1", "MSH-9:")


def test_other_bytes_under_one_control_id_are_refused_kept_and_alarmed(database: Database) -> None:
    assert codes(oru("C1"), oru("C1", status="P")) == ["AA", "AR"]
    assert Alarm.objects.get().kind == "control-id-reused"
    assert Message.objects.filter(code="AR").count() == 1
    assert DiagnosticReport.objects.get().status == "final"
    # Another sender may use the same one; after the window, so may this one.
    assert codes(oru("C1", number="L2", sender="OTHER|RJ2")) == ["AA"]
    assert codes(oru("C1", number="L3"), now=NOW + timedelta(days=31)) == ["AA"]


def test_a_control_id_must_be_there(database: Database) -> None:
    answer = send(oru(""))[0]
    assert answer.code == "AR"
    assert "MSH-10" in answer.acknowledgement.decode() or b"ERR" in answer.acknowledgement
    assert Message.objects.get().code == "AR"


@pytest.mark.parametrize("raw", [b"", b"MSH", b"MSH|^~\\&|LAB|RJ1\r", b"\xff\xfe\x00", b"hello"])
def test_what_is_no_message_is_refused_and_kept(database: Database, raw: bytes) -> None:
    answer = send(raw)[0]
    assert answer.code == "AR"
    assert answer.acknowledgement.startswith(b"MSH|")
    assert Message.objects.get().position == answer.position


def test_a_poisonous_message_is_ae_twice_then_ar_with_an_alarm(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tourniquet.flows import receive_messages

    real = receive_messages.receive_report

    def fails_for_tom(
        journal: Writer, desk: Desk, run: PatientReports, origin: Origin, patient: Known
    ) -> list[FollowUp]:
        if run.person.family_name == "BARLOW":
            raise RuntimeError("a fault of ours")
        return real(journal, desk, run, origin, patient)

    monkeypatch.setattr(receive_messages, "receive_report", fails_for_tom)
    poison = oru("P1", TOM, number="L9")
    for round_, expected in enumerate(("AE", "AE", "AR", "AR")):
        group = [
            oru(f"A{round_}", number=f"A{round_}"),
            poison,
            oru(f"B{round_}", number=f"B{round_}"),
        ]
        assert codes(*group) == ["AA", expected, "AA"]
    assert DiagnosticReport.objects.count() == 8
    assert Alarm.objects.get().kind == "message-not-applied"
    attempts = Message.objects.filter(control_id="P1").order_by("position")
    assert [(m.code, m.attempts) for m in attempts] == [("AE", 1), ("AE", 2), ("AR", 3)]


def test_after_an_ae_the_message_is_processed_anew(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tourniquet.flows import receive_messages

    with monkeypatch.context() as patch:
        patch.setattr(receive_messages, "receive_report", lambda *_: 1 / 0)
        assert codes(oru("C1")) == ["AE"]
    assert codes(oru("C1")) == ["AA"]
    assert codes(oru("C1")) == ["AA"]
    assert DiagnosticReport.objects.count() == 1


def test_a_failing_database_acknowledges_nothing(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tourniquet.flows import receive_messages

    def gone(*_: object) -> None:
        raise OperationalError("gone")

    with monkeypatch.context() as patch:
        patch.setattr(receive_messages, "receive_report", gone)
        with pytest.raises(StorageUnavailable):
            send(oru("C1"), adt("A28", "D1"))
    assert not JournalEntry.objects.exists()
    assert codes(oru("C1"), adt("A28", "D1")) == ["AA", "AA"]


def test_one_bad_message_does_not_take_its_group_down(database: Database) -> None:
    group = [
        oru("C1"),
        b"junk",
        oru("C2", number="L2"),
        message("ORU^R01", "C3", [MARY]),
        oru("C4", TOM, number="L4"),
    ]
    assert codes(*group) == ["AA", "AR", "AA", "AR", "AA"]
    assert DiagnosticReport.objects.count() == 3


def test_a_message_about_two_people_is_split(database: Database, databases: Databases) -> None:
    raw = message(
        "ORU^R01",
        "C1",
        [
            MARY,
            "OBR|1||L1|FBC",
            "OBX|1|NM|HB||131|g/L",
            TOM,
            "OBR|1||L2|FBC",
            "OBX|1|NM|HB||119|g/L",
        ],
    )
    assert codes(raw) == ["AA"]
    assert DiagnosticReport.objects.values("patient_id").distinct().count() == 2
    assert Message.objects.get().subject is None
    for entry in JournalEntry.objects.filter(kind="report.filed"):
        assert entry.subject is not None
    assert_replay_equal(databases, database)


def test_answers_hold_no_patients_data(database: Database) -> None:
    bad = oru("C1", lines=["NM|||131|g/L"])
    answer = send(bad)[0]
    assert answer.code == "AR"
    for word in (b"AXTON", b"MARY", b"9991234", b"131"):
        assert word not in answer.acknowledgement


def test_enhanced_mode_answers_ca(database: Database) -> None:
    raw = oru("C1").replace(b"|P|2.5.1", b"|P|2.5.1|||AL|NE", 1)
    answer = send(raw)[0]
    assert answer.code == "AA"
    assert b"MSA|CA|C1" in answer.acknowledgement
