"""web: what waits for a person, and the forms with which it is done."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from tests.support.console import client_of, post, seed_region, seed_results, stranger, text_of
from tests.support.database import Database
from tests.support.messages import codes, message, oru, pid
from tourniquet.web.views.worklists import is_same_figure

LISTS = ("critical", "urgent", "waiting", "undelivered", "provisional", "refused")
QUERIES_MOST = 26


@pytest.fixture
def people(database: Database) -> list[str]:
    return seed_region()


@pytest.mark.parametrize("name", ["lead", "practice", "clinic", "laboratory", "auditor"])
def test_every_list_opens_empty_or_full(people: list[str], name: str) -> None:
    client = client_of(name)
    assert client.get("/worklists/")["Location"] == "/worklists/critical/"
    for key in LISTS:
        answer = client.get(f"/worklists/{key}/")
        assert answer.status_code == 200
        assert "None" not in text_of(answer).split()
        assert client.get(f"/worklists/{key}/?page=99").status_code == 200


@pytest.mark.parametrize("name", ["press", "admin"])
def test_without_clinical_rights_only_the_refused_messages_open(
    people: list[str], name: str
) -> None:
    client = client_of(name)
    assert client.get("/worklists/")["Location"] == "/worklists/refused/"
    for key in LISTS:
        expected = 200 if key == "refused" else 403
        assert client.get(f"/worklists/{key}/").status_code == expected
    assert stranger().get("/worklists/critical/").status_code == 302


# Critical calls


@pytest.fixture
def call(people: list[str]) -> str:
    """The address of an open call: potassium 7.1."""
    from tourniquet.pathology.models import CriticalCall

    seed_results(0)
    return f"/worklists/critical/{CriticalCall.objects.get().id}/"


CLOSED = {
    "outcome": "read_back",
    "recipient": "Dr Ade Cole, duty doctor",
    "read_back": "7.1",
    "comment": "Sends the patient in",
}


def test_a_call_is_closed_with_a_name_and_the_figure_read_back(call: str) -> None:
    from tourniquet.pathology.models import CriticalCall

    shown = text_of(client_of("practice").get(call))
    assert "Potassium 7.1 mmol/L" in shown
    answer = post(client_of("practice"), call, CLOSED)
    assert (answer.status_code, answer["Location"]) == (303, "/worklists/critical/")
    row = CriticalCall.objects.get()
    assert (row.state, row.closed_by, row.told) == ("closed", "practice", CLOSED["recipient"])
    assert row.read_back
    listed = text_of(client_of("practice").get("/worklists/critical/"))
    assert "Every critical result has been phoned and read back." in listed


@pytest.mark.parametrize(
    ("field", "typed", "said"),
    [
        ("outcome", "", "Choose what happened."),
        ("recipient", "", "Write who took it"),
        ("read_back", "", "Write the figure"),
        ("read_back", "1.7", "That is not the figure"),
        ("comment", "", "Write what they will do."),
    ],
)
def test_a_call_is_not_closed_by_halves(call: str, field: str, typed: str, said: str) -> None:
    from tourniquet.pathology.models import CriticalCall

    answer = post(client_of("hospital"), call, CLOSED | {field: typed})
    assert answer.status_code == 400
    assert said in text_of(answer)
    if field != "recipient":
        assert "Dr Ade Cole" in answer.content.decode()
    assert CriticalCall.objects.get().state == "open"


def test_an_attempt_keeps_the_call_open_and_is_shown(call: str) -> None:
    values = {"outcome": "no_answer", "comment": "Rang three times"}
    assert post(client_of("hospital"), call, values).status_code == 303
    text = text_of(client_of("hospital").get(call))
    assert "No answer" in text.replace(",", "")
    assert "Rang three times" in text
    assert "Tried once" in text


def test_a_call_is_closed_once(call: str) -> None:
    client = client_of("hospital")
    page = "/worklists/critical/"
    assert post(client, call, CLOSED).status_code == 303
    again = post(client, call, CLOSED, page=page)
    assert again.status_code == 400
    assert "closed already" in text_of(again)
    assert "<form" not in client.get(call).content.decode().partition("<main")[2]


def test_who_may_not_close_a_call(call: str) -> None:
    assert client_of("other").get(call).status_code == 404
    assert post(client_of("auditor"), call, CLOSED).status_code == 403
    assert client_of("press").get(call).status_code == 403
    assert client_of("lead").get("/worklists/critical/nothing/").status_code == 404


@pytest.mark.parametrize(
    ("typed", "value", "same"),
    [
        ("7.1", "7.1", True),
        ("7,10", "7.1", True),
        (" 7.1 ", "7.1", True),
        ("1.7", "7.1", False),
        (">7", ">7", True),
        ("growth of E coli", "Growth of E  coli", True),
        ("nan", "7.1", False),
        ("", "7.1", False),
    ],
)
def test_what_counts_as_the_same_figure(typed: str, value: str, same: bool) -> None:  # noqa: FBT001
    assert is_same_figure(typed, value) is same


# People waiting


def test_urgent_comes_by_safe_day_and_is_the_organisations_own(people: list[str]) -> None:
    from tourniquet.diary.models import Need

    urgent = Need.objects.filter(status="waiting", priority__in=("P1", "P2"))
    assert urgent.exists()
    mine = set(urgent.filter(registered_organisation="G85001").values_list("patient_id", flat=True))
    html = client_of("practice").get("/worklists/urgent/").content.decode()
    assert {patient for patient in people if f"/patients/{patient}/" in html} == mine
    assert "Safe until" in html


def test_waiting_marks_who_is_past_the_promised_day(people: list[str]) -> None:
    from datetime import timedelta

    from tests.support.console import NOW
    from tourniquet.record.home import set_clock

    assert "tq-row--alarm" not in client_of("lead").get("/worklists/waiting/").content.decode()
    set_clock(NOW + timedelta(days=20))
    html = client_of("lead").get("/worklists/waiting/").content.decode()
    assert "tq-row--alarm" in html
    assert "Late" in html


def test_a_list_asks_a_fixed_number_of_questions(people: list[str]) -> None:
    lead = client_of("lead")
    for key in LISTS:
        lead.get(f"/worklists/{key}/")
        with CaptureQueriesContext(connection) as asked:
            lead.get(f"/worklists/{key}/")
        assert len(asked) <= QUERIES_MOST, key


# Unknown people


@pytest.fixture
def unknown(people: list[str]) -> str:
    """The address of somebody whom nobody knows, with the first person's name and birthday."""
    from tourniquet.patients.models import Patient

    person = pid("", family="OKAFOR", given="M", born="19400101", local="Z1^^^RX9^MR")
    assert codes(oru("U1", person)) == ["AA"]
    return f"/worklists/provisional/{Patient.objects.get(state='provisional').id}/"


def test_an_unknown_person_is_listed_with_those_like_it(unknown: str, people: list[str]) -> None:
    text = text_of(client_of("lead").get("/worklists/provisional/"))
    assert "OKAFOR, M" in text
    assert "RX9 Z1" in text
    assert "Compare with those like them" in text
    html = client_of("lead").get(unknown).content.decode()
    assert f'value="{people[0]}"' in html


def test_an_unknown_person_is_merged_into_a_known_one(unknown: str, people: list[str]) -> None:
    from tourniquet.patients.models import Patient

    values = {"decision": people[0], "comment": "The ward confirmed"}
    answer = post(client_of("hospital"), unknown, values)
    assert (answer.status_code, answer["Location"]) == (303, f"/patients/{people[0]}/")
    assert not Patient.objects.filter(state="provisional").exists()
    again = post(client_of("hospital"), unknown, values, page="/worklists/provisional/")
    assert (again.status_code, again["Location"]) == (303, f"/patients/{people[0]}/")


def test_an_unknown_person_is_merged_by_number(unknown: str, people: list[str]) -> None:
    values = {"decision": "number", "number": "H00002", "comment": "By wristband"}
    answer = post(client_of("hospital"), unknown, values)
    assert answer["Location"] == f"/patients/{people[2]}/"


def test_an_unknown_person_is_somebody_new(unknown: str) -> None:
    from tourniquet.patients.models import Patient

    values = {"decision": "new", "comment": "A visitor, seen with passport"}
    answer = post(client_of("hospital"), unknown, values)
    assert answer.status_code == 303
    assert answer["Location"].startswith("/patients/")
    assert not Patient.objects.filter(state="provisional").exists()


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"comment": "x"}, "Choose who it is."),
        ({"decision": "new"}, "Say how you know who this is."),
        ({"decision": "number", "comment": "x"}, "Write the number"),
        ({"decision": "number", "number": "none", "comment": "x"}, "Nobody has this number."),
    ],
)
def test_identifying_by_halves_is_refused(unknown: str, values: dict[str, str], said: str) -> None:
    from tourniquet.patients.models import Patient

    answer = post(client_of("hospital"), unknown, values)
    assert answer.status_code == 400
    assert said in text_of(answer)
    assert Patient.objects.filter(state="provisional").exists()


def test_who_may_not_identify(unknown: str, people: list[str]) -> None:
    values = {"decision": people[0], "comment": "x"}
    assert post(client_of("auditor"), unknown, values).status_code == 403
    assert "not decide it" in text_of(client_of("auditor").get(unknown))
    assert client_of("practice").get(unknown).status_code == 404
    assert post(client_of("hospital"), unknown, values | {"decision": "nobody"}).status_code == 404


def test_looking_at_an_unknown_person_is_journalled(unknown: str) -> None:
    from tourniquet.record.models import JournalEntry

    client_of("hospital").get(unknown)
    assert JournalEntry.objects.get(kind="record.read").actor == "hospital"


# Refused messages


@pytest.fixture
def refused(people: list[str]) -> str:
    """The address of a message of a kind that nobody takes."""
    from tourniquet.record.models import Message

    person = pid(family="SECRET")
    assert codes(message("ZZZ^Z01", "X1", [person])) == ["AR"]
    return f"/worklists/refused/{Message.objects.get(code='AR').position}/"


def test_a_refused_message_is_listed_shown_and_taken_off(refused: str) -> None:
    from tourniquet.record.models import Message

    assert "X1" in text_of(client_of("lead").get("/worklists/refused/"))
    shown = client_of("lead").get(refused).content.decode()
    assert "SECRET" in shown
    empty = post(client_of("lead"), refused, {"action": "review", "note": ""})
    assert empty.status_code == 400
    assert "Say what was done." in text_of(empty)
    values = {"action": "review", "note": "Rang the sender"}
    assert post(client_of("lead"), refused, values).status_code == 303
    assert Message.objects.get(code="AR").reviewed_by == "lead"
    assert "No message waits for a person." in text_of(client_of("lead").get("/worklists/refused/"))
    again = post(client_of("lead"), refused, values, page="/worklists/refused/")
    assert again.status_code == 400
    assert "Rang the sender" in text_of(client_of("lead").get(refused))


def test_a_refused_message_is_processed_again(refused: str) -> None:
    from tourniquet.record.models import Message

    lead = client_of("lead")
    answer = post(lead, refused, {"action": "again"})
    assert answer.status_code == 303
    assert "refused again" in text_of(lead.get("/worklists/refused/"))
    assert Message.objects.filter(code="AR").count() == 2


def test_who_may_not_read_or_deal_with_a_message(refused: str) -> None:
    for name in ("press", "admin", "practice"):
        html = client_of(name).get(refused).content.decode()
        assert "SECRET" not in html
    for name in ("press", "admin", "auditor"):
        values = {"action": "review", "note": "x"}
        assert post(client_of(name), refused, values).status_code == 403
    for path in ("/worklists/refused/1/", "/worklists/refused/99999/"):
        assert client_of("lead").get(path).status_code == 404
