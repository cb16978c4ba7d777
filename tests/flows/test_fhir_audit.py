"""FHIR AuditEvent: who read whose record, valid, searched, paged, and for those alone who may."""

from __future__ import annotations

from datetime import timedelta
from urllib.parse import urlsplit

import pytest

from tests.flows.test_fhir import Fhir, check, ids
from tests.flows.test_readings import NOW, NURSE, REGIONAL, fetch, register
from tests.support.database import Database
from tourniquet.directory.roles import Viewer
from tourniquet.patients.grounds import CARE, GLASS, WORKLIST, Why

ACT_REASON = "http://terminology.hl7.org/CodeSystem/v3-ActReason"


def read(patient: str, why: Why, *, viewer: Viewer = NURSE, hours: int = 0) -> None:
    from tourniquet.flows.read_record import read_record

    read_record(patient, viewer=viewer, why=why, now=NOW + timedelta(hours=hours))


@pytest.fixture
def told(database: Database) -> list[str]:
    """Two patients, read on every ground, today and tomorrow."""
    from tourniquet.patients.entries import FirstRecordRead
    from tourniquet.record.journal import Act, writing

    people = register(2)
    read(people[0], Why(CARE))
    read(people[0], Why(GLASS, "emergency", "On the ward"), viewer=REGIONAL, hours=1)
    read(people[1], Why(WORKLIST), hours=2)
    fetch(people[1:], now=NOW + timedelta(hours=26))
    with writing(Act("old", NOW)) as journal:
        journal.append(FirstRecordRead(late_by="kim"), subject=people[0])
    return people


def test_each_reading_is_a_valid_audit_event(told: list[str]) -> None:
    client = Fhir("data_protection")
    bundle = client.get("/fhir/AuditEvent")
    events = [entry["resource"] for entry in bundle["entry"]]
    assert len(events) == 5
    for event in events:
        check(event)
        assert client.get(f"/fhir/AuditEvent/{event['id']}") == event
    old, feed, worklist, broken, care = events
    assert care["agent"][0]["who"]["identifier"]["value"] == "nurse"
    assert care["agent"][0]["role"][0]["coding"][0]["code"] == "hospital"
    assert care["agent"][1]["who"]["identifier"]["value"] == "RJ1"
    assert care["entity"][0]["what"] == {"reference": f"Patient/{told[0]}"}
    assert care["recorded"] == "2024-06-03T09:00:00.000Z"
    purposes = [event["purposeOfEvent"][0] for event in (care, broken, worklist)]
    assert [one["coding"][0]["code"] for one in purposes] == ["TREAT", "BTG", "HOPERAT"]
    assert {one["coding"][0]["system"] for one in purposes} == {ACT_REASON}
    assert purposes[1]["text"] == "Emergency: this patient needs care now: On the ward"
    assert "fhir" in feed["source"]["observer"]["display"]
    assert "purposeOfEvent" not in old
    assert old["entity"][0]["detail"][1]["valueString"] == "kim"


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ("patient={0}", 3),
        ("patient=Patient/{1}", 2),
        ("patient={0},{1}", 5),
        ("patient={0}&patient={1}", 0),
        ("patient=nobody", 0),
        ("patient.identifier=999", 0),
        ("agent=nurse", 2),
        ("agent:identifier=urn:x-tourniquet:account|feed", 1),
        ("agent=nurse,feed&patient={1}", 2),
        ("date=2024-06-04", 1),
        ("date=ge2024-06-03T09:30:00Z&date=lt2024-06-04", 2),
        ("_id=0", 0),
    ],
)
def test_a_search_finds_by_patient_agent_and_date(told: list[str], query: str, count: int) -> None:
    client = Fhir("auditor")
    assert len(ids(client.get(f"/fhir/AuditEvent?{query.format(*told)}"))) == count


def test_a_search_by_form_finds_the_same(told: list[str]) -> None:
    client = Fhir("auditor")
    form = {"patient": told[1], "agent": "nurse,feed"}
    assert len(ids(client.post("/fhir/AuditEvent/_search", form))) == 2


def test_a_number_finds_a_patient_also_after_a_merge(told: list[str]) -> None:
    from tests.support.fhir_rows import add_identifier
    from tourniquet.patients.entries import PatientMerged
    from tourniquet.record.journal import Act, writing

    add_identifier(told[0], "9990000018")
    with writing(Act("test", NOW)) as journal:
        journal.append(PatientMerged(into=told[0]), subject=told[1])
    client = Fhir("auditor")
    number = "patient.identifier=https://fhir.nhs.uk/Id/nhs-number|999 000 0018"
    assert len(ids(client.get(f"/fhir/AuditEvent?{number}"))) == 5
    assert len(ids(client.get(f"/fhir/AuditEvent?patient={told[1]}"))) == 5


def test_pages_neither_repeat_nor_leave_out(told: list[str]) -> None:
    client = Fhir("administrator")
    found: list[str] = []
    address = "/fhir/AuditEvent?_count=2"
    for extra in range(10):
        bundle = client.get(address)
        found += ids(bundle)
        read(told[0], Why(CARE), hours=extra)
        following = [link["url"] for link in bundle["link"] if link["relation"] == "next"]
        if not following:
            break
        parts = urlsplit(following[0])
        address = f"{parts.path}?{parts.query}"
    assert len(found) == len(set(found)) == 5


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("date=yesterday", 400),
        ("agent=Practitioner/7|x|y", 400),
        ("agent=urn:other|x", 400),
        ("patient=Group/7", 400),
        ("_cursor=nonsense", 400),
        ("_count=x", 400),
    ],
)
def test_what_cannot_be_read_is_refused(told: list[str], query: str, status: int) -> None:
    outcome = Fhir("auditor").get(f"/fhir/AuditEvent?{query}", status)
    assert outcome["resourceType"] == "OperationOutcome"


def test_what_is_not_understood_is_named_or_refused(told: list[str]) -> None:
    client = Fhir("auditor")
    bundle = client.get("/fhir/AuditEvent?policy=x")
    assert "policy" in bundle["entry"][-1]["resource"]["issue"][0]["diagnostics"]
    client.get("/fhir/AuditEvent?policy=x", 400, Prefer="handling=strict")
    for id_ in ("0", "999999", "x", "1" * 30, "²"):
        client.get(f"/fhir/AuditEvent/{id_}", 404)


@pytest.mark.parametrize(
    "role", ["practice", "clinic", "laboratory", "hospital", "incident_lead", "communications"]
)
def test_others_may_not_ask(told: list[str], role: str) -> None:
    client = Fhir(role)
    client.get("/fhir/AuditEvent", 403)
    client.get("/fhir/AuditEvent/1", 403)
    client.post("/fhir/AuditEvent/_search", {"agent": "nurse"}, 403)


def test_an_administrator_sees_who_read_and_no_patients(told: list[str]) -> None:
    client = Fhir("administrator")
    assert len(ids(client.get("/fhir/AuditEvent"))) == 5
    client.get("/fhir/Patient", 403)


def test_without_a_token_nobody_is_answered(told: list[str]) -> None:
    from django.test import Client

    assert Client(SERVER_NAME="localhost").get("/fhir/AuditEvent").status_code == 401
    assert Client(SERVER_NAME="localhost").get("/fhir/AuditEvent/1").status_code == 401
    form = {"content_type": "application/x-www-form-urlencoded"}
    posted = Client(SERVER_NAME="localhost").post("/fhir/AuditEvent/_search", "agent=x", **form)
    assert posted.status_code == 401


def test_looking_is_an_entry_before_the_answer(told: list[str]) -> None:
    from tourniquet.patients.models import Reading
    from tourniquet.record.models import JournalEntry

    client = Fhir("auditor")
    before = Reading.objects.count()
    client.get(f"/fhir/AuditEvent?patient={told[0]}")
    client.get("/fhir/AuditEvent?agent=nurse")
    client.get("/fhir/AuditEvent")
    entries = JournalEntry.objects.filter(kind__startswith="access.").order_by("position")
    assert list(entries.values_list("kind", "actor", "subject")) == [
        ("access.seen", "auditor-region", told[0]),
        ("access.listed", "auditor-region", None),
        ("access.listed", "auditor-region", None),
    ]
    assert b'"account":"nurse"' in bytes(entries[1].body or b"")
    assert Reading.objects.count() == before  # it is no reading of the record


def test_the_capability_statement_names_it(database: Database) -> None:
    from django.test import Client

    statement = Client(SERVER_NAME="localhost").get("/fhir/metadata").json()
    check(statement)
    (event,) = [one for one in statement["rest"][0]["resource"] if one["type"] == "AuditEvent"]
    assert {"patient", "date", "agent"} <= {one["name"] for one in event["searchParam"]}


def test_bulk_export_is_answered_429_with_when_to_come_back(
    told: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from tourniquet.record.models import Alarm

    monkeypatch.setenv("TOURNIQUET_EXPORT_LIMITS", "hospital=2")
    register_more()
    client = Fhir("hospital")
    client.get("/fhir/Patient?_count=2")
    outcome = client.get("/fhir/Patient?_count=3", 429)
    assert outcome["issue"][0]["code"] == "throttled"
    assert "2 people a day" in outcome["issue"][0]["diagnostics"]
    response = client._client.get("/fhir/Patient?_count=3")
    assert 0 < int(response["Retry-After"]) <= 24 * 3600
    assert Alarm.objects.filter(kind="export-stopped").count() == 1
    client.get("/fhir/Patient?_count=2")


def register_more() -> None:
    from tests.support.fhir_rows import add_patient

    for number in range(3):
        add_patient(number + 50)


def test_a_persons_session_is_no_way_round_the_reason(told: list[str]) -> None:
    """HAZ-017: what the console asks a reason for, /fhir/ with the same session must not give."""
    from django.test import Client

    from tourniquet.directory.models import SignIn
    from tourniquet.flows.break_glass import break_glass
    from tourniquet.record.home import clock

    Fhir("incident_lead")
    client = Client(SERVER_NAME="localhost")
    client.force_login(SignIn.objects.get(pk="incident_lead-region"))
    assert client.get(f"/fhir/Patient/{told[0]}").status_code == 403
    from tourniquet.directory.queries import find_viewer

    viewer = find_viewer("incident_lead-region")
    assert viewer is not None
    break_glass(told[0], viewer=viewer, why=Why(GLASS, "incident"), now=clock().now())
    assert client.get(f"/fhir/Patient/{told[0]}").status_code == 200
    assert client.get(f"/fhir/Patient/{told[1]}").status_code == 403
    assert client.get("/fhir/Patient").status_code == 403
