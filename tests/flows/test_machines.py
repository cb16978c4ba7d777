"""What machines but senders of HL7 ask: health, public page, day list, receipts, exercise."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, time
from typing import Any

import pytest

from tests.support import fhir_rows as rows
from tests.support.database import Database
from tests.support.fhir_rows import MOMENT, number

DAY = date(2026, 3, 9)


def client(role: str = "", organisation: str | None = None) -> Any:
    """A client with a bearer token, or without."""
    from django.test import Client

    from tourniquet.flows.manage_accounts import add_account, issue_token

    if not role:
        return Client(SERVER_NAME="localhost")
    name = f"{role}-{organisation or 'region'}"
    add_account(name=name, role=role, organisation=organisation, password=None, actor="test")
    token = issue_token(name=name, actor="test")
    return Client(SERVER_NAME="localhost", headers={"Authorization": f"Bearer {token}"})


def post(by: Any, address: str, body: object) -> Any:
    return by.post(address, json.dumps(body), content_type="application/json")


def test_health(database: Database) -> None:
    anybody = client()
    assert anybody.get("/healthz").content == b"ok\n"
    assert anybody.get("/readyz").status_code == 200
    metrics = anybody.get("/metrics").content.decode()
    assert "tourniquet_mllp_received_total " in metrics
    assert "tourniquet_journal_position 0" in metrics


def test_the_public_page(sqlite_database: Database) -> None:
    anybody = client()
    first = anybody.get("/status/")
    assert first.status_code == 200
    assert b"No incident is declared" in first.content
    assert anybody.get("/status/status.css")["Content-Type"].startswith("text/css")
    for name in ("..%2f..%2fsecret-key", "secret-key", "unknown.html", "INDEX.HTML"):
        assert anybody.get(f"/status/{name}").status_code == 404
    folder = sqlite_database.home / "public" / "status"
    folder.mkdir(parents=True)
    (folder / "index.html").write_text("<p>published</p>")
    assert anybody.get("/status/").content == b"<p>published</p>"
    assert anybody.get("/status/status.css").status_code == 404
    assert anybody.post("/status/").status_code == 405


def _appointment(index: int, clinic: str, status: str = "booked") -> None:
    from tourniquet.diary.models import Appointment, GateReservation, Need, NeedRequest

    common = {
        "patient_id": number(1),
        "requesting_organisation": "G85001",
        "registered_organisation": "G85001",
        "updated_at": MOMENT,
        "position": index,
        "reason": "",
        "plan_id": None,
    }
    Need.objects.create(
        **common,
        id=number(index),
        requisition=f"REQ{index}",
        indication="SYMP",
        priority="P3",
        zone="Z1",
        released=DAY,
        due=DAY,
        safe_until=DAY,
        harm_per_day=1,
        escalates_on=None,
        escalated_harm_per_day=1,
        stability_hours=24,
        travel_km=5,
        tubes="chemistry=1;haematology=2",
        status="booked",
        appointment_id=number(index),
        review_on=None,
        collected_on=None,
        opened_at=MOMENT,
    )
    NeedRequest.objects.create(need_id=number(index), service_request_id=number(11))
    Appointment.objects.create(
        **common,
        id=number(index),
        need_id=number(index),
        clinic=clinic,
        day=DAY,
        at=time(9, index % 60),
        laboratory="RJ121",
        status=status,
        moved_to=None,
        booked_at=MOMENT,
    )
    if clinic == "CL001":
        GateReservation.objects.create(
            appointment_id=number(index),
            need_id=number(index),
            patient_id=number(1),
            clinic=clinic,
            laboratory="RJ121",
            day=DAY,
            tubes="",
            courier_hours=1,
            stability_hours=24,
            status="reserved",
            reason="",
            decided_at=MOMENT,
            position=index,
        )


def test_the_day_list(database: Database) -> None:
    rows.add_patient(1)
    rows.add_identifier(number(1), "9990000018")
    rows.add_request(11, number(1))
    for index, (clinic, status) in enumerate(
        [("CL001", "booked"), ("CL001", "moved"), ("CL002", "booked"), ("CL001", "attended")], 50
    ):
        _appointment(index, clinic, status)
    address = f"/diary/{DAY.isoformat()}.json"
    assert client().get(address).status_code == 401
    listed = client("clinic", "CL001").get(address).json()
    assert [line["appointment"] for line in listed] == [number(50), number(53)]
    assert listed[0] == {
        "appointment": number(50),
        "need": number(50),
        "patient": number(1),
        "nhs_number": "9990000018",
        "requisition": "REQ50",
        "clinic": "CL001",
        "at": "09:50:00",
        "status": "booked",
        "laboratory": "RJ121",
        "gate": "reserved",
        "tubes": {"chemistry": 1, "haematology": 2},
        "tests": ["FBC"],
    }
    region = client("hospital")
    assert len(region.get(address).json()) == 3
    assert len(region.get(f"{address}?clinic=CL002").json()) == 1
    assert len(client("practice", "G85001").get(address).json()) == 3
    assert client("practice", "G99999").get(address).json() == []
    assert region.get("/diary/tomorrow.json").status_code == 404
    assert client("communications").get(address).status_code == 403


def test_receipts(database: Database) -> None:
    body = [{"notice": number(1), "status": "delivered", "at": "2026-03-09T10:00:00+00:00"}]
    assert post(client(), "/notices/receipts", body).status_code == 401
    assert post(client("incident_lead"), "/notices/receipts", body).status_code == 403
    gateway = client("communications")
    answer = post(gateway, "/notices/receipts", body)
    assert answer.status_code == 200
    assert answer.json()["unknown"] == 1
    for bad in ({}, [{"notice": 1}], [{**body[0], "status": "lost"}],
                [{**body[0], "at": "2026-03-09T10:00:00"}]):  # fmt: skip
        assert post(gateway, "/notices/receipts", bad).status_code == 400
    assert gateway.get("/notices/receipts").status_code == 405


def test_exercise_control_does_not_exist_in_a_real_home(database: Database) -> None:
    from tourniquet.record.home import open_home

    open_home()
    administrator = client("administrator")
    for address, body in (
        ("/exercise/clock", {"to": "2099-01-01T00:00:00+00:00"}),
        ("/exercise/jobs", {"job": "morning"}),
    ):
        assert post(administrator, address, body).status_code == 404


def test_exercise_control(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    from tourniquet.edge import exercise_control
    from tourniquet.record.home import clock, mark_exercise

    start = datetime(2024, 6, 3, 6, tzinfo=UTC)
    mark_exercise("june-2024", start)
    administrator = client("administrator")
    for role in ("incident_lead", ""):
        assert post(client(role), "/exercise/clock", {"to": "2024-06-04"}).status_code == 404
    moved = post(administrator, "/exercise/clock", {"to": "2024-06-04T07:00:00+01:00"})
    assert moved.status_code == 200
    assert clock().now() == datetime(2024, 6, 4, 6, tzinfo=UTC)
    for bad in ("2024-06-03T07:00:00+01:00", "2024-06-05T07:00:00", "soon"):
        assert post(administrator, "/exercise/clock", {"to": bad}).status_code == 400
    ran: list[datetime] = []
    monkeypatch.setattr(exercise_control, "find_job", lambda _: ran.append)
    assert post(administrator, "/exercise/jobs", {"job": "morning"}).json()["job"] == "morning"
    assert ran == [clock().now()]
    monkeypatch.undo()
    assert post(administrator, "/exercise/jobs", {"job": "holiday"}).status_code == 400
    assert post(administrator, "/exercise/jobs", {"job": "evening"}).status_code == 200
