"""web: the first page, the diary, one entry of the journal: who sees what, and no blanks."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from tests.support.console import (
    ACCOUNTS,
    CLINIC,
    OTHER_CLINIC,
    TODAY,
    client_of,
    post,
    reader,
    seed_region,
    seed_results,
    stranger,
    text_of,
)
from tests.support.database import Database
from tourniquet.web.filters import staff_datetime

DECLARATION = {"title": "Attack", "level": "3", "next_update_due": "03-Jun-2024 08:00"}
HOME_QUERIES_MOST = 24


@pytest.fixture
def people(database: Database) -> list[str]:
    return seed_region()


@pytest.mark.parametrize("name", sorted(ACCOUNTS))
def test_everybody_who_signed_in_has_a_first_page(people: list[str], name: str) -> None:
    answer = client_of(name).get("/")
    assert answer.status_code == 200
    text = text_of(answer)
    assert "What is happening now" in text
    assert "No incident is declared" in text
    assert "None" not in text.split()


def test_a_stranger_is_asked_to_sign_in(people: list[str]) -> None:
    answer = stranger().get("/")
    assert answer.status_code == 302
    assert answer["Location"].startswith("/sign-in/")


def test_the_first_page_counts_what_needs_somebody(people: list[str]) -> None:
    seed_results(0)
    post(client_of("lead"), "/incident/declare/", DECLARATION, page="/incident/")
    text = text_of(client_of("lead").get("/"))
    assert "Attack: level 3, day 1" in text
    assert "Overdue" in text
    assert "Critical results to phone 1" in text
    assert "Hub Laboratory Chemistry 200 of 200 100%" in text
    assert "Near normal" in text


def test_the_next_update_is_the_one_that_the_public_was_told(people: list[str]) -> None:
    """Declared without a time, the public page still names one; so do Now and the incident."""
    from tourniquet.notices.models import StatusPublication

    lead = client_of("lead")
    post(lead, "/incident/declare/", DECLARATION | {"next_update_due": ""}, page="/incident/")
    told = StatusPublication.objects.latest("position").next_update_at
    assert told is not None
    for address in ("/", "/incident/"):
        text = text_of(lead.get(address))
        assert f"Next update due {staff_datetime(told)}" in text
        assert "Overdue" not in text


def test_figures_are_those_of_the_viewers_organisation(people: list[str]) -> None:
    seed_results(0)
    mine, other = text_of(client_of("practice").get("/")), text_of(client_of("other").get("/"))
    assert "Critical results to phone 1" in mine
    assert "Critical results to phone 0" in other


def test_who_may_not_see_patients_gets_figures_without_ways_to_them(people: list[str]) -> None:
    html = client_of("press").get("/").content.decode()
    assert "Critical results to phone" not in html
    assert 'href="/worklists/urgent/"' not in html
    assert "Urgent tests waiting" in html


def test_the_first_page_asks_a_fixed_number_of_questions(people: list[str]) -> None:
    lead = client_of("lead")
    post(lead, "/incident/declare/", DECLARATION, page="/incident/")
    lead.get("/")
    with CaptureQueriesContext(connection) as asked:
        lead.get("/")
    assert len(asked) <= HOME_QUERIES_MOST, [query["sql"][:80] for query in asked.captured_queries]


# The diary


def test_a_clinic_sees_its_own_day(people: list[str]) -> None:
    clinic = client_of("clinic")
    text = text_of(clinic.get("/diary/", {"day": "2024-06-05"}))
    assert "Bermondsey Clinic, Wed 05-Jun-2024" in text
    assert "08:30 to 11:50" in text
    assert "Wait" in text
    assert "Hub Laboratory" in text
    other = text_of(clinic.get("/diary/", {"day": "2024-06-05", "clinic": OTHER_CLINIC}))
    assert "Bermondsey Clinic" in other


def test_a_practice_sees_its_own_patients_in_a_clinics_day(people: list[str]) -> None:
    from tourniquet.diary.models import Appointment

    day = TODAY
    for clinic in (CLINIC, OTHER_CLINIC):
        booked = Appointment.objects.filter(clinic=clinic, day=day)
        html = client_of("practice").get("/diary/", {"clinic": clinic}).content.decode()
        for one in booked:
            mine = one.registered_organisation == "G85001"
            assert (f"/patients/{one.patient_id}/" in html) is mine


@pytest.mark.parametrize(
    "query",
    [{}, {"day": "nonsense"}, {"day": "9999-12-31"}, {"day": "0001-01-01"}, {"clinic": "x\x00"}],
)
def test_the_diary_stands_any_day_and_clinic(people: list[str], query: dict[str, str]) -> None:
    answer = client_of("lead").get("/diary/", query)
    assert answer.status_code == 200
    assert "Mon 03-Jun-2024" in text_of(answer)


def test_what_the_gate_said_is_shown_before_blood_is_taken(people: list[str]) -> None:
    from tests.support.console import NOW
    from tourniquet.diary.entries import AppointmentTurnedAway, GateReserved
    from tourniquet.diary.models import Appointment
    from tourniquet.record.journal import Act, writing

    rows = list(Appointment.objects.filter(status="booked").order_by("day", "clinic")[:2])
    terms = {"tubes": "chemistry=1", "courier_hours": 0.5, "stability_hours": 24.0}
    with writing(Act("system", NOW)) as journal:
        for one, body in zip(rows, (GateReserved, AppointmentTurnedAway), strict=True):
            more = (
                {"review_on": TODAY, "reason": "no courier"}
                if body is AppointmentTurnedAway
                else {}
            )
            journal.append(
                body(
                    appointment=one.id,
                    need=one.need_id,
                    clinic=one.clinic,
                    laboratory=one.laboratory,
                    day=one.day,
                    **terms,
                    **more,
                ),
                subject=one.patient_id,
            )
    pages = [
        text_of(
            client_of("lead").get("/diary/", {"clinic": one.clinic, "day": one.day.isoformat()})
        )
        for one in rows
    ]
    assert "Go on" in pages[0]
    assert "Stop no courier" in pages[1]


@pytest.mark.parametrize("name", ["press", "admin"])
def test_the_diary_is_for_clinical_roles(people: list[str], name: str) -> None:
    assert client_of(name).get("/diary/").status_code == 403


# Entries


def position_of(kind: str) -> int:
    from tourniquet.record.models import JournalEntry

    return JournalEntry.objects.filter(kind=kind).order_by("position").first().position


def test_an_entry_shows_header_body_causes_and_proof(people: list[str]) -> None:
    seed_results(0)
    position = position_of("report.filed")
    auditor = reader("auditor", people[0])
    text = text_of(auditor.get(f"/entries/{position}/"))
    assert "Results reported" in text
    assert "OKAFOR, Mary" in text
    assert "Haemoglobin" in text
    assert "Message received" in text  # its cause
    assert "Commitment" in text
    message = text_of(auditor.get(f"/entries/{position_of('message.applied')}/"))
    assert "MSH|^~" in message
    assert "What followed" in message


def test_looking_into_a_patients_entry_is_journalled(people: list[str]) -> None:
    from tourniquet.record.models import JournalEntry

    subject = JournalEntry.objects.get(pk=position_of("need.opened")).subject
    assert subject is not None
    unsaid = text_of(client_of("auditor").get(f"/entries/{position_of('need.opened')}/"))
    assert "Say why you read it" in unsaid
    assert not JournalEntry.objects.filter(kind="record.read").exists()
    auditor = reader("auditor", subject)
    auditor.get(f"/entries/{position_of('need.opened')}/")
    entry = JournalEntry.objects.get(kind="record.read")
    assert entry.actor == "auditor"
    assert b"entry " in bytes(entry.body)
    client_of("auditor").get(f"/entries/{position_of('capacity.declared')}/")
    assert JournalEntry.objects.filter(kind="record.read").count() == 1


def test_an_administrator_sees_that_it_was_written_and_not_what_it_says(people: list[str]) -> None:
    from tourniquet.record.models import JournalEntry

    html = client_of("admin").get(f"/entries/{position_of('patient.registered')}/").content.decode()
    assert "Your role may see that it was written" in html
    assert "Okafor" not in html
    assert "OKAFOR" not in html
    assert "/patients/" not in html.replace('href="/patients/"', "")
    assert not JournalEntry.objects.filter(kind="record.read").exists()
    assert (
        "L85001"
        in client_of("admin").get(f"/entries/{position_of('capacity.declared')}/").content.decode()
    )


@pytest.mark.parametrize("name", ["practice", "clinic", "laboratory", "hospital", "press"])
def test_the_journal_is_for_those_who_may_read_it(people: list[str], name: str) -> None:
    assert client_of(name).get("/entries/1/").status_code == 403


def test_an_erased_entry_says_so(people: list[str]) -> None:
    from tourniquet.record.models import JournalEntry

    position = position_of("patient.registered")
    if connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            cursor.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'")
            for (trigger,) in cursor.fetchall():
                cursor.execute(f'DROP TRIGGER "{trigger}"')
    else:
        with connection.cursor() as cursor:
            cursor.execute("SET session_replication_role = replica")
    JournalEntry.objects.filter(pk=position).update(body=None, salt=None, subject=None)
    text = text_of(client_of("auditor").get(f"/entries/{position}/"))
    assert "Erased." in text
    assert "Nobody in particular" not in text


@pytest.mark.parametrize(
    "path", ["/entries/0/", "/entries/999999/", "/entries/999999999999999999/"]
)
def test_an_entry_that_is_not_there_is_not_found(people: list[str], path: str) -> None:
    assert client_of("lead").get(path).status_code == 404
