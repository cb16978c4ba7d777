"""web: why a record is opened, who opened it, records that nobody should read, and alarms."""

from __future__ import annotations

import pytest

from tests.support.console import (
    FAMILIES,
    LABORATORY,
    NOW,
    client_of,
    post,
    reader,
    seed_region,
    seed_results,
    stranger,
    text_of,
)
from tests.support.database import Database
from tourniquet.kernel.errors import StorageUnavailable
from tourniquet.kernel.identifiers import synthetic_nhs_numbers

FIRST_NUMBER = next(iter(synthetic_nhs_numbers())).digits
SEE_ACCESS = ("protection", "auditor", "admin")
NOT_ACCESS = ("lead", "practice", "clinic", "laboratory", "hospital", "press")


@pytest.fixture
def people(database: Database) -> list[str]:
    return seed_region()


@pytest.fixture
def stranger_to_lab(people: list[str]) -> str:
    """A patient whom nothing ties to the laboratory."""
    from tourniquet.diary.models import Appointment, Need

    known = set(
        Appointment.objects.filter(laboratory=LABORATORY).values_list("patient_id", flat=True)
    )
    known |= set(Need.objects.filter(status="booked").values_list("patient_id", flat=True))
    return next(one for one in people if one not in known)


def readings() -> list[tuple[str, str, str, str, str]]:
    from tourniquet.patients.models import Reading

    rows = Reading.objects.order_by("position")
    return list(rows.values_list("account", "ground", "reason", "words", "channel"))


# Why ----------------------------------------------------------------------------------------------


def test_a_tie_is_the_course_of_care(people: list[str]) -> None:
    assert client_of("practice").get(f"/patients/{people[0]}/").status_code == 200
    assert readings() == [("practice", "care", "", "", "console")]


def test_without_a_tie_a_reason_comes_first_and_nothing_is_shown_before(people: list[str]) -> None:
    lead = client_of("lead")
    record = f"/patients/{people[0]}/"
    answer = lead.get(record)
    assert (answer.status_code, answer["Location"]) == (303, f"{record}break-glass/")
    asked = lead.get(answer["Location"]).content.decode()
    assert "Why do you open this record?" in asked
    for secret in (
        FAMILIES[0].upper(),
        "Mary",
        FIRST_NUMBER,
        FIRST_NUMBER[3:6] + " ",
        "High Street",
    ):
        assert secret not in asked.partition("<main")[2]
    assert readings() == []
    values = {"reason": "emergency", "words": "On the ward"}
    assert post(lead, f"{record}break-glass/", values)["Location"] == record
    assert FAMILIES[0].upper() in lead.get(record).content.decode()
    assert readings() == [("lead", "glass", "emergency", "On the ward", "console")]
    # It holds for this patient, and for this account.
    assert lead.get(f"/patients/{people[1]}/").status_code == 303
    assert client_of("hospital").get(record).status_code == 303
    assert lead.get(f"{record}break-glass/")["Location"] == record


def test_a_reason_holds_for_its_hours_and_no_longer(
    people: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from datetime import timedelta

    from tourniquet.record.home import clock

    monkeypatch.setenv("TOURNIQUET_BROKEN_GLASS_HOURS", "2")
    lead = reader("lead", people[0])
    clock().set(NOW + timedelta(hours=2) - timedelta(seconds=1))
    assert lead.get(f"/patients/{people[0]}/").status_code == 200
    clock().set(NOW + timedelta(hours=2))
    assert lead.get(f"/patients/{people[0]}/").status_code == 303


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({}, "Choose why you open this record."),
        ({"reason": "complaint"}, "Choose why you open this record."),
        ({"reason": "other", "words": " "}, "Say in a few words"),
        ({"reason": "asked", "words": "x" * 501}, "at most 500"),
    ],
)
def test_a_reason_by_halves_opens_nothing(
    people: list[str], values: dict[str, object], said: str
) -> None:
    lead = client_of("lead")
    answer = post(lead, f"/patients/{people[0]}/break-glass/", values)
    assert answer.status_code == 400
    assert said in text_of(answer)
    assert lead.get(f"/patients/{people[0]}/").status_code == 303


@pytest.mark.parametrize("name", ["practice", "clinic", "press", "admin"])
def test_whose_role_opens_nothing_for_a_reason(people: list[str], name: str) -> None:
    client = client_of(name)
    assert client.get(f"/patients/{people[1]}/break-glass/").status_code == 403
    assert client.get("/patients/break-glass/").status_code == 403
    assert client.get(f"/patients/{people[1]}/").status_code in (403, 404)


def test_an_organisation_opens_somebody_it_does_not_know_by_number(
    people: list[str], stranger_to_lab: str
) -> None:
    from tourniquet.patients.models import Identifier

    seed_results(people.index(stranger_to_lab))
    laboratory = client_of("laboratory")
    number = Identifier.objects.get(patient_id=stranger_to_lab, system="NHS").value
    record = f"/patients/{stranger_to_lab}/"
    searched = laboratory.get("/patients/", {"number": number})
    assert "Nobody found" in text_of(searched)
    assert 'href="/patients/break-glass/"' in searched.content.decode()
    assert "Nobody has this number" in text_of(
        post(laboratory, "/patients/break-glass/", {"number": "999 000 0000"})
    )
    found = post(laboratory, "/patients/break-glass/", {"number": number})
    assert (found.status_code, found["Location"]) == (303, f"{record}break-glass/")
    assert number not in found["Location"]
    post(laboratory, f"{record}break-glass/", {"reason": "urgent"})
    shown = text_of(laboratory.get(record))
    assert "Haemoglobin" in shown  # whole: not only what names the laboratory
    assert readings()[-1] == ("laboratory", "glass", "urgent", "", "console")
    # The reason widens this record and nothing else.
    assert "Nobody found" in text_of(laboratory.get("/patients/", {"number": number}))


def test_care_is_not_refused_when_the_reason_cannot_be_journalled(
    people: list[str], database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tourniquet.flows import break_glass, read_record

    def refuse(*_: object) -> None:
        raise StorageUnavailable("the disk is full")

    lead = client_of("lead")
    lead.get(f"/patients/{people[0]}/break-glass/")
    monkeypatch.setattr(break_glass, "writing", refuse)
    monkeypatch.setattr(read_record, "writing", refuse)
    values = {"reason": "emergency", "words": "Now"}
    answer = post(lead, f"/patients/{people[0]}/break-glass/", values)
    assert answer.status_code == 200
    assert FAMILIES[0].upper() in answer.content.decode()
    assert '"emergency"' in (database.home / "readings-not-journalled.jsonl").read_text()


def test_looking_into_an_entry_leads_to_the_reason_and_back(people: list[str]) -> None:
    from tourniquet.record.models import JournalEntry

    entry = JournalEntry.objects.filter(kind="need.opened").order_by("position")[0]
    auditor = client_of("auditor")
    path = f"/entries/{entry.position}/"
    ask = f"/patients/{entry.subject}/break-glass/?entry={entry.position}"
    assert f'href="{ask}"' in auditor.get(path).content.decode()
    values = {"reason": "inquiry", "entry": str(entry.position)}
    assert post(auditor, f"/patients/{entry.subject}/break-glass/", values)["Location"] == path
    assert "indication" in auditor.get(path).content.decode()
    assert readings()[-1][:3] == ("auditor", "glass", "inquiry")
    for odd in ("https://example.org/", "1/../../", "9" * 19):
        shown = client_of("hospital").get(f"/patients/{people[0]}/break-glass/", {"entry": odd})
        assert odd not in shown.content.decode()


# Who opened it ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NOT_ACCESS)
def test_others_do_not_see_who_opened_what(people: list[str], name: str) -> None:
    client = client_of(name)
    for path in ("/access/", f"/access/patients/{people[0]}/", "/access/accounts/lead/",
                 "/access/canaries/"):  # fmt: skip
        assert client.get(path).status_code == 403, path
    assert ">Access<" not in client.get("/").content.decode()
    assert stranger().get("/access/").status_code == 302


def test_who_opened_this_patient_when_why_what_and_from_where(people: list[str]) -> None:
    from tourniquet.directory.roles import Role, Viewer
    from tourniquet.flows.read_by_machine import read_by_machine

    client_of("practice").get(f"/patients/{people[0]}/")
    reader("lead", people[0]).get(f"/patients/{people[0]}/")
    read_by_machine([people[0]], viewer=Viewer("feed", Role.HOSPITAL), now=NOW)
    client_of("practice").get(f"/patients/{people[2]}/")
    guard = client_of("protection")
    assert ">Access<" in guard.get("/").content.decode()
    found = post(guard, "/access/", {"question": "patient", "number": FIRST_NUMBER})
    assert found["Location"] == f"/access/patients/{people[0]}/"
    page = text_of(guard.get(found["Location"]))
    assert "OKAFOR, Mary" in page
    rows = page.partition("Entry")[2]
    assert rows.index("feed") < rows.index("lead") < rows.index("practice")
    assert "Something else" in rows
    assert "A test" in rows
    assert "In the course of care" in rows
    assert "Elm Court Surgery" in rows
    assert "FHIR" in rows
    assert "03-Jun-2024 08:30" in rows


@pytest.mark.parametrize("name", SEE_ACCESS)
def test_looking_is_an_entry_before_it_is_shown(people: list[str], name: str) -> None:
    from tourniquet.record.models import JournalEntry

    client = client_of(name)
    client.get(f"/access/patients/{people[0]}/")
    client.get("/access/accounts/lead/")
    client.get("/access/")
    entries = JournalEntry.objects.filter(kind__startswith="access.").order_by("position")
    assert list(entries.values_list("kind", "actor", "subject")) == [
        ("access.seen", name, people[0]),
        ("access.listed", name, None),
        ("access.listed", name, None),
    ]
    assert readings() == []


def test_where_looking_cannot_be_journalled_nothing_is_shown(
    people: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from tourniquet.flows import see_access

    def refuse(*_: object) -> None:
        raise StorageUnavailable("the disk is full")

    reader("lead", people[0]).get(f"/patients/{people[0]}/")
    monkeypatch.setattr(see_access, "writing", refuse)
    answer = client_of("auditor").get(f"/access/patients/{people[0]}/")
    assert answer.status_code == 503
    assert "lead" not in answer.content.decode()


def test_an_administrator_sees_who_read_and_no_names(people: list[str]) -> None:
    client_of("practice").get(f"/patients/{people[0]}/")
    admin = client_of("admin")
    for path in (f"/access/patients/{people[0]}/", "/access/accounts/practice/", "/access/"):
        html = admin.get(path).content.decode()
        assert "OKAFOR" not in html
    assert "practice" in text_of(admin.get(f"/access/patients/{people[0]}/"))


def test_whom_did_this_account_read(people: list[str]) -> None:
    lead = reader("lead", people[0], people[1])
    for patient in people[:2]:
        lead.get(f"/patients/{patient}/")
    guard = client_of("protection")
    found = post(guard, "/access/", {"question": "account", "account": "lead"})
    assert found["Location"] == "/access/accounts/lead/"
    page = guard.get(found["Location"]).content.decode()
    assert f'href="/access/patients/{people[0]}/"' in page
    assert "OKAFOR" in page
    assert "SMITH" in page


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"question": "patient"}, "Write the NHS number"),
        ({"question": "patient", "number": "999 000 0000"}, "Nobody has this number."),
        ({"question": "account"}, "Write the name of the account."),
        ({"question": "account", "account": "nobody"}, "There is no account of this name."),
    ],
)
def test_a_question_that_finds_nobody(
    people: list[str], values: dict[str, object], said: str
) -> None:
    answer = post(client_of("auditor"), "/access/", values)
    assert answer.status_code == 400
    assert said in text_of(answer)


def test_readings_come_in_pages(people: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    from tourniquet.web.views import access

    monkeypatch.setattr(access, "PAGE_ROWS", 3)
    practice = client_of("practice")
    for _ in range(7):
        practice.get(f"/patients/{people[0]}/")
    guard = client_of("protection")
    path, seen = f"/access/patients/{people[0]}/", []
    for _ in range(3):
        html = guard.get(path).content.decode()
        table = html.partition("<tbody>")[2].partition("</tbody>")[0]
        seen.append(table.count("<tr>"))
        path = html.partition('rel="next"')[0].rpartition('href="')[2].partition('"')[0]
    assert seen == [3, 3, 1]
    assert "No reading is written down that is older" in text_of(
        guard.get(f"/access/patients/{people[0]}/", {"before": "1"})
    )
    assert guard.get(f"/access/patients/{people[0]}/", {"before": "x"}).status_code == 200
    assert guard.get("/access/patients/nobody/").status_code == 404


def test_the_record_links_to_who_opened_it_for_those_who_may(people: list[str]) -> None:
    path = f'href="/access/patients/{people[0]}/"'
    record = f"/patients/{people[0]}/"
    assert path in reader("auditor", people[0]).get(record).content.decode()
    assert path not in reader("lead", people[0]).get(record).content.decode()


# Records that nobody should read ------------------------------------------------------------------


def test_a_canary_is_set_trips_and_is_hidden_from_who_trips_it(people: list[str]) -> None:
    from tourniquet.record.models import JournalEntry

    guard = client_of("protection")
    values = {"number": FIRST_NUMBER, "comment": "Made up for it"}
    assert post(guard, "/access/canaries/", values).status_code == 303
    assert "Made up for it" in text_of(guard.get("/access/canaries/"))
    record = f"/patients/{people[0]}/"
    shown = text_of(reader("lead", people[0]).get(record))
    assert "nobody should read" not in shown
    lead_sees = text_of(client_of("lead").get("/")) + text_of(
        client_of("lead").get("/worklists/alarms/")
    )
    assert "nobody should read" not in lead_sees
    raised = JournalEntry.objects.get(kind="alarm.raised")
    canary = JournalEntry.objects.get(kind="canary.set")
    for position in (raised.position, canary.position):
        entry = client_of("lead").get(f"/entries/{position}/")
        assert "Made up for it" not in entry.content.decode()
        assert "opened by account" not in entry.content.decode()
    assert "opened by account lead" in text_of(guard.get("/"))
    assert "opened by account lead" in text_of(guard.get("/worklists/alarms/"))
    gone = post(guard, f"/access/canaries/{people[0]}/off/", {"comment": "Known"},
                page="/access/canaries/")  # fmt: skip
    assert gone.status_code == 303
    assert "No record is on the list." in text_of(guard.get("/access/canaries/"))


def test_a_canary_by_halves_is_refused(people: list[str]) -> None:
    guard = client_of("protection")
    path = "/access/canaries/"
    assert "Say why." in text_of(post(guard, path, {"number": FIRST_NUMBER, "comment": ""}))
    assert "Write the NHS number" in text_of(post(guard, path, {"comment": "x"}))
    post(guard, path, {"number": FIRST_NUMBER, "comment": "x"})
    again = post(guard, path, {"number": FIRST_NUMBER, "comment": "x"})
    assert again.status_code == 400
    assert "on the list already" in text_of(again)
    off = post(guard, f"/access/canaries/{people[0]}/off/", {"comment": ""}, page=path)
    assert off.status_code == 400
    assert (
        post(client_of("auditor"), path, {"number": FIRST_NUMBER}, page="/access/").status_code
        == 403
    )


# Alarms -------------------------------------------------------------------------------------------


def alarm_path() -> str:
    from tourniquet.record.models import Alarm

    return f"/worklists/alarms/{Alarm.objects.get().pk}/"


def test_an_alarm_is_looked_into_and_dealt_with(
    people: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOURNIQUET_READING_CEILINGS", "practice=1")
    practice = client_of("practice")
    for patient in (people[0], people[2]):
        practice.get(f"/patients/{patient}/")
    path = alarm_path()
    guard = client_of("protection")
    assert path in guard.get("/worklists/alarms/").content.decode()
    shown = guard.get(path).content.decode()
    assert "more than 1 people" in shown
    assert 'href="/access/accounts/practice/"' in shown
    assert "Say what was done." in text_of(post(guard, path, {"action": "clear", "note": ""}))
    for name in ("practice", "lead", "hospital"):
        assert client_of(name).get(path).status_code == 404
    auditor = client_of("auditor")
    assert "not answer it" in text_of(auditor.get(path))
    assert post(auditor, path, {"note": "x"}).status_code == 403
    done = post(guard, path, {"action": "clear", "note": "Rang them"})
    assert done["Location"] == "/worklists/alarms/"
    assert "No alarm waits" in text_of(guard.get("/worklists/alarms/"))
    assert "Dealt with" in text_of(guard.get(path))
    assert post(guard, path, {"note": "x"}, page="/access/").status_code == 400


def test_an_alarm_about_the_service_is_for_those_who_do_the_work(people: list[str]) -> None:
    from tourniquet.flows.raise_alarm import raise_alarm
    from tourniquet.record.journal import Act, writing

    with writing(Act("system", NOW)) as journal:
        raise_alarm(journal, "control-id-reused", "Look at it.")
    path = alarm_path()
    assert "Look at it." in text_of(client_of("press").get("/worklists/alarms/"))
    assert "not answer it" in text_of(client_of("press").get(path))
    assert post(client_of("laboratory"), path, {"note": "Rang the sender"}).status_code == 303


def test_a_stop_is_lifted_by_an_administrator_for_a_reason(
    people: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from tourniquet.directory.queries import find_viewer
    from tourniquet.flows.read_by_machine import read_by_machine
    from tourniquet.kernel.errors import LimitReached

    monkeypatch.setenv("TOURNIQUET_EXPORT_LIMITS", "hospital=2")
    hospital = find_viewer("hospital")
    assert hospital is not None
    with pytest.raises(LimitReached):
        read_by_machine(people[:3], viewer=hospital, now=NOW)
    path = alarm_path()
    admin, guard = client_of("admin"), client_of("protection")
    assert "Lift the limit" not in text_of(guard.get(path))
    lift = {"action": "lift", "hours": "2", "reason": "A new system"}
    assert post(guard, path, lift).status_code == 403
    assert "whole number" in text_of(post(admin, path, lift | {"hours": "x"}))
    assert "1 to 168" in text_of(post(admin, path, lift | {"hours": "169"}))
    assert "Say why the limit is lifted." in text_of(post(admin, path, lift | {"reason": ""}))
    assert post(admin, path, lift).status_code == 303
    assert read_by_machine(people[:3], viewer=hospital, now=NOW)
