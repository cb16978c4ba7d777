"""A report comes in: versions, wrong patients, links, critical values."""

from __future__ import annotations

import pytest

from tests.support.database import Database, Databases
from tests.support.messages import MARY, NOW, TOM, adt, codes, oml, oru, pid, send
from tests.support.replaying import assert_replay_equal
from tourniquet.directory.roles import Role, Viewer
from tourniquet.flows.close_call import attempt_call, close_call
from tourniquet.kernel.errors import NotFound, PermissionRefused, UserError
from tourniquet.pathology.models import (
    CallAttempt,
    CriticalCall,
    DiagnosticReport,
    Observation,
    ReportVersion,
    ServiceRequest,
    Specimen,
    SpecimenEvent,
)
from tourniquet.pathology.queries import list_open_calls, list_reports, list_versions
from tourniquet.patients.models import Patient
from tourniquet.record.models import Alarm, JournalEntry

LAB = Viewer("ann", Role.LABORATORY)


def current() -> list[tuple[str, str, str]]:
    """Code, value and status of every current line."""
    page = [one for p in Patient.objects.all() for one in list_reports(p.pk, viewer=LAB)]
    return [(line.code, line.value_text, line.status) for one in page for line in one.lines]


def test_preliminary_then_final_is_one_report_with_two_versions(
    database: Database, databases: Databases
) -> None:
    early = oru("C1", status="P", lines=["NM|HB||131|g/L|||||P", "NM|PLT||200|10*9/L|||||P"])
    late = oru("C2", lines=["NM|HB||132|g/L|||||F"], issued="20240603094000+0000")
    assert codes(early, late) == ["AA", "AA"]
    report = DiagnosticReport.objects.get()
    assert (report.version, report.versions, report.status) == (2, 2, "final")
    # What the newer message does not mention is not deleted by silence.
    assert current() == [("HB", "132", "final"), ("PLT", "200", "preliminary")]
    assert Observation.objects.filter(version=1).count() == 2
    assert_replay_equal(databases, database)


def test_the_same_content_under_another_control_id_is_no_new_version(database: Database) -> None:
    assert codes(oru("C1")) == ["AA"]
    assert codes(oru("C2", issued="20240603120000+0000")) == ["AA"]
    assert DiagnosticReport.objects.get().versions == 1


def test_a_preliminary_result_after_the_final_one_does_not_hide_it(
    database: Database, databases: Databases
) -> None:
    assert codes(oru("C1", issued="20240603094000+0000")) == ["AA"]
    assert codes(oru("C2", status="P", lines=["NM|HB||99|g/L|||||P"])) == ["AA"]
    report = DiagnosticReport.objects.get()
    assert (report.version, report.versions, report.status) == (1, 2, "final")
    assert [v.change for v in ReportVersion.objects.order_by("version")] == ["new", "late"]
    assert current() == [("HB", "131", "final")]
    assert codes(
        oru("C3", status="C", lines=["NM|HB||130|g/L|||||C"], issued="20240603120000+0000")
    ) == ["AA"]
    report.refresh_from_db()
    assert (report.version, report.versions, report.status) == (3, 3, "corrected")
    assert_replay_equal(databases, database)


def test_final_after_final_with_other_content_shows_as_amended(database: Database) -> None:
    send(oru("C1"), oru("C2", lines=["NM|HB||130|g/L|||||F"]))
    assert DiagnosticReport.objects.get().status == "amended"


def test_wrong_lines_withdraw_the_report_and_stay_readable(
    database: Database, databases: Databases
) -> None:
    send(oru("C1"))
    send(oru("C2", lines=["NM|HB||131|g/L|||||W"], issued="20240603120000+0000"))
    report = DiagnosticReport.objects.get()
    assert report.status == "entered-in-error"
    versions = list_versions(report.pk, viewer=LAB)
    assert [v.version.change for v in versions] == ["withdrawn", "new"]
    assert versions[1].lines[0].value_text == "131"
    # The right person's report has the same number.
    send(oru("C3", TOM))
    assert DiagnosticReport.objects.count() == 2
    assert not Alarm.objects.exists()
    assert_replay_equal(databases, database)


def test_a_correction_for_another_person_moves_the_report(
    database: Database, databases: Databases
) -> None:
    send(adt("A28", "D1"), adt("A28", "D2", TOM), oru("C1"))
    send(oru("C2", TOM, status="C", lines=["NM|HB||131|g/L|||||C"], issued="20240603120000+0000"))
    mary, tom = Patient.objects.order_by("family_name")
    old = DiagnosticReport.objects.get(patient_id=mary.pk)
    assert (old.status, old.version) == ("entered-in-error", 2)
    assert DiagnosticReport.objects.get(patient_id=tom.pk).status == "corrected"
    assert JournalEntry.objects.get(kind="report.moved").subject == mary.pk
    assert_replay_equal(databases, database)


def test_one_number_for_two_people_without_a_correction_is_alarmed(database: Database) -> None:
    send(oru("C1"), oru("C2", TOM))
    assert DiagnosticReport.objects.filter(status="final").count() == 2
    assert Alarm.objects.get().kind == "report-number-of-two"


def test_a_report_completes_its_request_and_says_where_the_sample_is(
    database: Database, databases: Databases
) -> None:
    taken = "20240603080000+0000"
    send(oml("O1"))
    send(oml("O2", order="SC", status="IP", collected=taken, specimen="S1", sender="CLINIC|CL01"))
    request = ServiceRequest.objects.get()
    assert (request.status, request.requisition) == ("active", "G1")
    send(oru("C1", placer="O1^PRAC"))
    request.refresh_from_db()
    assert request.status == "completed"
    report = DiagnosticReport.objects.get()
    assert report.service_request_id == request.pk
    assert report.requisition == "G1"
    specimen = Specimen.objects.get()
    assert (report.specimen_id, specimen.accession) == (specimen.pk, "S1")
    steps = SpecimenEvent.objects.order_by("at").values_list("kind", flat=True)
    assert list(steps) == ["collected", "processed"]
    assert_replay_equal(databases, database)


@pytest.mark.parametrize(
    ("line", "value", "number", "comparator"),
    [
        ("NM|K||5.1|mmol/L", "5.1", 5.1, ""),
        ("NM|K||<0.5|mmol/L", "<0.5", 0.5, "<"),
        ("SN|K||>^150|mmol/L", ">150", 150.0, ">"),
        ("SN|T||^1^:^128", "1:128", None, ""),
        ("ST|X||Positive", "Positive", None, ""),
        ("TX|X||one~two", "one\ntwo", None, ""),
        ("CWE|X||112283007^E coli^SCT", "E coli", None, ""),
        ("DT|X||20240603", "20240603", None, ""),
        ("NM|X||9e400", "9e400", None, ""),
        ("NM|X||haemolysed", "haemolysed", None, ""),
        ("RP|X||file.pdf^app^AP", "file.pdf^app^AP", None, ""),
        ('NM|X||""', "", None, ""),
    ],
)
def test_values(
    sqlite_database: Database, line: str, value: str, number: float | None, comparator: str
) -> None:
    assert codes(oru("C1", lines=[line])) == ["AA"]
    found = Observation.objects.get()
    assert (found.value_text, found.value_number, found.comparator) == (value, number, comparator)


def test_a_file_in_several_lines_is_joined(sqlite_database: Database) -> None:
    parts = [
        f"ED|PDF||^application^pdf^Base64^{part}||||||F"
        for part in ("JVBERi0xLjQK", "AAAA", "BBBB==")
    ]
    send(oru("C1", lines=parts))
    assert Observation.objects.get().value_text == (
        "data:application/pdf;base64,JVBERi0xLjQKAAAABBBB=="
    )


def test_a_critical_value_opens_one_call(database: Database, databases: Databases) -> None:
    critical = ["NM|K^Potassium^L||7.1|mmol/L||HH|||F", "NM|NA^Sodium^L||140|mmol/L||N|||F"]
    send(oru("C1", lines=critical))
    send(
        oru(
            "C2", lines=[*critical, "NM|CREA^Creatinine^L||80|umol/L"], issued="20240603120000+0000"
        )
    )
    call = CriticalCall.objects.get()
    assert (call.code, call.value_text, call.state) == ("K", "7.1", "open")
    assert JournalEntry.objects.get(kind="call.opened").cause == 3
    send(oru("C3", number="L2", lines=["NM|HB^Hb^L||7.9|g/dL|||||F"]))  # another unit: not compared
    send(oru("C4", TOM, number="L3", lines=["NM|UREA^Urea^L||12|mmol/L|||||F"]))  # a child's limit
    send(oru("C5", number="L4", lines=["NM|UREA^Urea^L||12|mmol/L|||||F"]))
    assert sorted(CriticalCall.objects.values_list("code", flat=True)) == ["K", "UREA"]
    assert_replay_equal(databases, database)


def test_a_call_is_attempted_and_closed_by_a_named_person(
    database: Database, databases: Databases
) -> None:
    send(oru("C1", lines=["NM|K^Potassium^L||7.1|mmol/L||HH|||F"]))
    call = list_open_calls(viewer=LAB)[0]
    attempt_call(call.pk, viewer=LAB, outcome="no answer", now=NOW)
    for told, read_back, comment in (("", True, "x"), ("Dr A", False, "x"), ("Dr A", True, " ")):
        with pytest.raises(UserError):
            close_call(
                call.pk, viewer=LAB, told=told, read_back=read_back, comment=comment, now=NOW
            )
    with pytest.raises(PermissionRefused):
        attempt_call(call.pk, viewer=Viewer("a", Role.AUDITOR), outcome="x", now=NOW)
    with pytest.raises(NotFound):
        attempt_call(call.pk, viewer=Viewer("p", Role.PRACTICE, "G85999"), outcome="x", now=NOW)
    close_call(call.pk, viewer=LAB, told="Dr A", read_back=True, comment="Will admit", now=NOW)
    call.refresh_from_db()
    assert (call.state, call.closed_by, call.told, call.attempts) == ("closed", "ann", "Dr A", 1)
    assert CallAttempt.objects.get().outcome == "no answer"
    assert list_open_calls(viewer=LAB) == []
    with pytest.raises(UserError, match="closed already"):
        close_call(call.pk, viewer=LAB, told="Dr B", read_back=True, comment="x", now=NOW)
    assert_replay_equal(databases, database)


def test_an_unknown_person_is_provisional_and_the_report_is_kept(database: Database) -> None:
    assert codes(oru("C1", pid(family="NOBODY")), oru("C2", pid(family="NOBODY"), number="L2")) == [
        "AA",
        "AA",
    ]
    person = Patient.objects.get()
    assert person.state == "provisional"
    assert DiagnosticReport.objects.filter(patient_id=person.pk).count() == 2


def test_scope_by_organisation(database: Database) -> None:
    send(oru("C1", MARY))
    patient = Patient.objects.get().pk
    assert len(list_reports(patient, viewer=Viewer("l", Role.LABORATORY, "RJ1"))) == 1
    assert list_reports(patient, viewer=Viewer("p", Role.PRACTICE, "G85001")) == []
    with pytest.raises(PermissionRefused):
        list_reports(patient, viewer=Viewer("c", Role.COMMUNICATIONS))
