"""web: the incident's page and forms: who may, what is refused, what becomes of it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from tests.support.console import (
    AID,
    LABORATORY,
    TODAY,
    client_of,
    post,
    seed_region,
    stranger,
    text_of,
)
from tests.support.database import Database

DECLARATION = {
    "title": "Pathology provider attacked",
    "level": "3",
    "major_incident": "Yes, declared 08:10",
    "exact_location": "Two sites",
    "incident_type": "Ransomware",
    "hazards": "No results",
    "access": "By phone",
    "number": "2 million people",
    "emergency_services": "None",
    "public_text": "Some blood tests will be postponed.",
    "next_update_due": "03-Jun-2024 17:00",
}
PATHS = (
    "/incident/declare/",
    "/incident/capacity/",
    "/incident/capacity/table/",
    "/incident/log/",
    "/incident/update/",
    "/incident/stand-down/",
)
HEADER = "laboratory,discipline,day,tubes,flag,source"


@pytest.fixture
def region(database: Database) -> None:
    seed_region(people=2)


def declare(**changes: str):
    return post(client_of("lead"), "/incident/declare/", DECLARATION | changes, page="/incident/")


def test_without_an_incident_the_lead_gets_the_form_and_others_do_not(region: None) -> None:
    assert 'action="/incident/declare/"' in client_of("lead").get("/incident/").content.decode()
    text = client_of("practice").get("/incident/").content.decode()
    assert 'action="/incident/declare/"' not in text
    assert "No incident is declared" in text


def test_declaring_is_written_and_shown_to_everybody(region: None) -> None:
    from tourniquet.incident.models import Incident

    answer = declare()
    assert (answer.status_code, answer["Location"]) == (303, "/incident/")
    incident = Incident.objects.get()
    assert (incident.level, incident.declared_by) == ("Level 3", "lead")
    assert incident.number_and_severity == "2 million people"
    assert incident.next_update_at == datetime(2024, 6, 3, 16, 0, tzinfo=UTC)
    for name in ("practice", "laboratory", "press", "admin", "auditor"):
        text = text_of(client_of(name).get("/incident/"))
        assert "Incident declared: level 3." in text
        assert "Some blood tests will be postponed." in text


def test_what_was_done_is_said_once(region: None) -> None:
    client = client_of("lead")
    post(client, "/incident/declare/", DECLARATION, page="/incident/")
    assert "The incident is declared." in text_of(client.get("/incident/"))
    assert "The incident is declared." not in text_of(client.get("/incident/"))


@pytest.mark.parametrize(
    ("field", "typed", "said"),
    [
        ("title", "", "Say what the incident is called."),
        ("level", "", "Choose a level."),
        ("level", "7", "from 1 to 4"),
        ("next_update_due", "tomorrow", "Write a day and a time"),
        ("next_update_due", "31-Feb-2024 10:00", "Write a day and a time"),
        ("hazards", "x" * 4001, "Too long"),
    ],
)
def test_a_faulty_declaration_is_shown_again_with_what_was_typed(
    region: None, field: str, typed: str, said: str
) -> None:
    from tourniquet.incident.models import Incident

    answer = declare(**{field: typed})
    assert answer.status_code == 400
    html = answer.content.decode()
    assert said in html
    assert f'href="#{field}"' in html
    assert "Two sites" in html
    assert not Incident.objects.exists()


def test_a_second_declaration_is_refused_and_the_first_stands(region: None) -> None:
    from tourniquet.incident.models import Incident

    declare()
    answer = declare(title="Another")
    assert answer.status_code == 400
    assert "declared already" in text_of(answer)
    assert Incident.objects.count() == 1


@pytest.mark.parametrize("path", PATHS)
def test_forms_are_only_for_whom_the_role_allows(region: None, path: str) -> None:
    declare()
    assert stranger().post(path).status_code == 403  # no token
    for name in ("auditor", "protection", "admin"):
        answer = post(client_of(name), path, {"reason": "x"}, page="/incident/")
        # who may open the page but not command gets 403, or the flow's refusal
        assert answer.status_code in {400, 403}, name
    assert client_of("lead").get(path).status_code == 405


def test_nobody_but_the_lead_commands(region: None) -> None:
    from tourniquet.incident.models import Decision, Incident

    declare()
    for name in ("practice", "clinic", "laboratory", "hospital", "press", "auditor", "admin"):
        client = client_of(name)
        for path, values in (
            ("/incident/declare/", DECLARATION),
            ("/incident/log/", {"decision": "x"}),
            ("/incident/stand-down/", {"reason": "x"}),
        ):
            assert post(client, path, values, page="/incident/").status_code == 403
    assert Incident.objects.get().state == "declared"
    assert not Decision.objects.exists()


def test_a_decision_is_logged_on_the_timeline(region: None) -> None:
    from tourniquet.incident.models import Decision

    declare()
    values = {
        "decision": "Stop routine tests",
        "information": "4 % capacity",
        "risk": "Late cancers",
        "powers": "Regional policy",
        "rejected": "Do nothing",
        "review_at": "4/6/2024 9:00",
    }
    assert post(client_of("lead"), "/incident/log/", values, page="/incident/").status_code == 303
    row = Decision.objects.get()
    assert row.action == "Stop routine tests"
    assert (row.options, row.risk) == ("Do nothing", "Late cancers")
    assert row.review_at == datetime(2024, 6, 4, 8, 0, tzinfo=UTC)
    text = text_of(client_of("lead").get("/incident/"))
    assert "Stop routine tests" in text
    assert "Incident lead" in text
    refused = post(client_of("lead"), "/incident/log/", {"risk": "Typed"}, page="/incident/")
    assert refused.status_code == 400
    assert "Typed" in refused.content.decode()


def test_the_public_gets_a_new_word_from_communications(region: None) -> None:
    from tourniquet.incident.models import Incident

    declare()
    values = {"public_text": "Clinics open again.", "next_update_due": ""}
    answer = post(client_of("press"), "/incident/update/", values, page="/incident/")
    assert answer.status_code == 303
    assert Incident.objects.get().public_text == "Clinics open again."
    empty = post(client_of("press"), "/incident/update/", {"public_text": ""}, page="/incident/")
    assert empty.status_code == 400


def test_standing_down_needs_a_reason_and_ends_it_once(region: None) -> None:
    from tourniquet.incident.models import Incident

    declare()
    lead = client_of("lead")
    assert post(lead, "/incident/stand-down/", {}, page="/incident/").status_code == 400
    values = {"reason": "Everything works again."}
    assert post(lead, "/incident/stand-down/", values, page="/incident/").status_code == 303
    assert Incident.objects.get().state == "stood_down"
    assert post(lead, "/incident/stand-down/", values, page="/incident/").status_code == 400
    shown = lead.get("/incident/").content.decode()
    assert "Stood down" in shown
    assert 'action="/incident/declare/"' in shown  # another one can begin
    assert declare(title="The second").status_code == 303


CAPACITY = {
    "laboratory": LABORATORY,
    "discipline": "chemistry",
    "first_day": "03-Jun-2024",
    "last_day": "07-Jun-2024",
    "tubes_a_day": "12",
    "source": "Phoned at 08:30",
}


def capacity(account: str, **changes: str):
    return post(client_of(account), "/incident/capacity/", CAPACITY | changes, page="/incident/")


def test_capacity_of_one_laboratory_is_declared_and_shown_by_week(region: None) -> None:
    from tourniquet.diary.models import LaboratoryDay

    declare()
    assert capacity("lead").status_code == 303
    rows = LaboratoryDay.objects.filter(laboratory=LABORATORY, discipline="chemistry")
    week = rows.filter(day__lte=TODAY + timedelta(days=4))
    assert set(week.values_list("tubes", "flag", "source")) == {(12, "declared", "Phoned at 08:30")}
    assert rows.get(day=TODAY + timedelta(days=7)).tubes == 200
    text = text_of(client_of("practice").get("/incident/"))
    assert "Hub Laboratory Chemistry 6% Declared" in text
    assert "Aid Laboratory Chemistry" not in text.partition("share of normal by week")[2]


@pytest.mark.parametrize(
    ("field", "typed", "said"),
    [
        ("laboratory", "", "Choose a laboratory."),
        ("laboratory", "X999", "no laboratory with that code"),
        ("discipline", "alchemy", "Choose a discipline."),
        ("first_day", "soon", "Write a day"),
        ("last_day", "02-Jun-2024", "before the first"),
        ("last_day", "03-Jun-2025", "days at once"),
        ("tubes_a_day", "-1", "whole number"),
        ("tubes_a_day", "many", "whole number"),
        ("source", "", "Say who gave the figure"),
    ],
)
def test_a_faulty_capacity_is_refused_in_the_form(
    region: None, field: str, typed: str, said: str
) -> None:
    declare()
    answer = capacity("lead", **{field: typed})
    assert answer.status_code == 400
    html = answer.content.decode()
    assert said in html
    assert "Phoned at 08:30" in html or field == "source"
    assert '<details class="tq-form" open><summary>Update a laboratory' in html


def test_a_laboratory_speaks_for_itself_alone(region: None) -> None:
    declare()
    assert capacity("laboratory").status_code == 303
    assert capacity("laboratory", laboratory=AID).status_code == 403
    assert capacity("practice").status_code == 403
    shown = client_of("laboratory").get("/incident/").content.decode()
    assert f'value="{LABORATORY}"' in shown
    assert f'value="{AID}"' not in shown


def table(rows: str, account: str = "lead"):
    client = client_of(account)
    return post(client, "/incident/capacity/table/", {"rows": rows}, page="/incident/")


def test_a_pasted_table_is_one_declaration(region: None) -> None:
    from tourniquet.diary.models import LaboratoryDay
    from tourniquet.record.models import JournalEntry

    declare()
    before = JournalEntry.objects.filter(kind="capacity.declared").count()
    rows = [HEADER]
    for number in range(5):
        day = TODAY + timedelta(days=number)
        rows.append(f"{LABORATORY},haematology,{day},{number},confirmed,")
        rows.append(f'{AID},chemistry,{day:%d-%b-%Y},7,interpolated,"a, b"')
    answer = table("\r\n".join([*rows, ""]))
    assert answer.status_code == 303
    assert JournalEntry.objects.filter(kind="capacity.declared").count() == before + 1
    row = LaboratoryDay.objects.get(laboratory=AID, discipline="chemistry", day=TODAY)
    assert (row.tubes, row.normal_tubes, row.flag, row.source) == (7, 200, "interpolated", "a, b")


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ("", "line 1: The header lacks laboratory, discipline, day, tubes."),
        (HEADER, "The table has no rows."),
        ("laboratory,day\nL,2024-06-03", "line 1: The header lacks discipline, tubes."),
        (f"{HEADER},day\n", "line 1, column day"),
        (f"{HEADER}\n,chemistry,2024-06-03,1,,", "line 2, column laboratory"),
        (f"{HEADER}\nL85001,magic,2024-06-03,1,,", "line 2, column discipline"),
        (f"{HEADER}\n\nL85001,chemistry,2024-06-31,1,,", "line 3, column day"),
        (f"{HEADER}\nL85001,chemistry,2024-06-03,1.5,,", "line 2, column tubes"),
        (f"{HEADER}\nL85001,chemistry,2024-06-03,-5,,", "line 2, column tubes"),
        (f"{HEADER}\nL85001,chemistry,2024-06-03,1,guess,", "line 2, column flag"),
        (
            f"{HEADER}\nL85001,chemistry,2024-06-03,1,,\nL85001,chemistry,2024-06-03,2,,",
            "line 3, column day: This day stands on line 2 already.",
        ),
        (f"{HEADER}\n\nX1,chemistry,2024-06-03,1,,", "line 3: There is no laboratory"),
        (f'{HEADER}\n"L85001,chemistry', "The text is not a table."),
        (f"{HEADER}\nL85001,chemistry,2024-06-03,1,,{'s' * 201}", "line 2, column source"),
    ],
)
def test_a_faulty_table_names_line_and_column_and_declares_nothing(
    region: None, rows: str, said: str
) -> None:
    from tourniquet.record.models import JournalEntry

    declare()
    before = JournalEntry.objects.count()
    answer = table(rows)
    assert answer.status_code == 400
    assert said in text_of(answer)
    assert JournalEntry.objects.count() == before


def test_the_timeline_says_who_and_links_for_those_who_may_read_the_journal(region: None) -> None:
    declare()
    capacity("lead")
    lead, practice = client_of("lead").get("/incident/"), client_of("practice").get("/incident/")
    assert "Capacity of 1 laboratories declared" in text_of(practice)
    assert "/entries/" in lead.content.decode()
    assert "/entries/" not in practice.content.decode()


def test_the_public_page_says_what_is_the_case_at_once(region: None) -> None:
    def public() -> str:
        return stranger().get("/status/").content.decode()

    assert "No incident is declared" in public()
    declare()
    assert "Some tests have to wait" in public()
    assert "Some blood tests will be postponed." in public()
    values = {"public_text": "Clinics open again.", "next_update_due": ""}
    post(client_of("press"), "/incident/update/", values, page="/incident/")
    assert "Clinics open again." in public()
    values = {"reason": "Everything works again."}
    post(client_of("lead"), "/incident/stand-down/", values, page="/incident/")
    assert "Some tests have to wait" not in public()
