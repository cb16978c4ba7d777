"""web: a plan is made, looked at, acknowledged and adopted by those who may."""

from __future__ import annotations

import re

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from tests.support.console import (
    AID,
    LABORATORY,
    NOW,
    OTHER_PRACTICE,
    PRACTICE,
    TODAY,
    client_of,
    post,
    seed_region,
    stranger,
    text_of,
)
from tests.support.database import Database

QUERIES_MOST = 22


def cut_capacity(tubes: int = 0) -> None:
    """The laboratories can take almost nothing for two weeks."""
    from datetime import timedelta

    from tourniquet.directory.roles import Role, Viewer
    from tourniquet.flows.declare_capacity import Declared, declare_capacity
    from tourniquet.pathology.catalogue import DISCIPLINES

    lead = Viewer("lead", Role.INCIDENT_LEAD)
    rows = [
        Declared(laboratory, name, TODAY + timedelta(days=number), tubes)
        for laboratory in (LABORATORY, AID)
        for name in DISCIPLINES
        for number in range(35)
    ]
    declare_capacity(rows, viewer=lead, now=NOW)


@pytest.fixture
def people(database: Database) -> list[str]:
    made = seed_region()
    cut_capacity()
    return made


def propose() -> str:
    answer = post(client_of("lead"), "/plan/propose/", page="/plan/")
    assert answer.status_code == 303
    return answer["Location"]


def boxes(html: str) -> list[str]:
    return re.findall(r'type="checkbox" name="need" value="([^"]+)"', html)


def adopt(where: str, **changes: str):
    values = {"adopted_by": "Amara Osei", "adopt_note": "", **changes}
    return post(client_of("lead"), f"{where}adopt/", values, page=where)


def acknowledge_all(where: str) -> None:
    clinician = client_of("hospital")
    needs = boxes(clinician.get(where).content.decode())
    answer = post(clinician, f"{where}acknowledge/", {"need": needs}, page=where)
    assert (answer.status_code, answer["Location"]) == (303, where)


def test_without_a_plan_the_lead_is_offered_to_make_one(people: list[str]) -> None:
    assert 'action="/plan/propose/"' in client_of("lead").get("/plan/").content.decode()
    for name in ("practice", "press", "admin"):
        shown = client_of(name).get("/plan/")
        assert "There is no plan yet." in text_of(shown)
        assert 'action="/plan/propose/"' not in shown.content.decode()
        assert post(client_of(name), "/plan/propose/", page="/plan/").status_code == 403
    assert stranger().get("/plan/").status_code == 302


def test_from_proposal_over_acknowledgement_to_adoption(people: list[str]) -> None:
    from tourniquet.record.models import JournalEntry
    from tourniquet.triage.models import Plan, PlanLine

    where = propose()
    urgent = PlanLine.objects.filter(urgent_unserved=True).count()
    assert urgent > 0
    shown = client_of("hospital").get(where).content.decode()
    assert len(boxes(shown)) == urgent
    assert shown.index('id="urgent"') < shown.index('id="changes"')
    # not before a clinician has taken on each
    early = adopt(where)
    assert early.status_code == 400
    assert "nobody has taken them on" in text_of(early)
    acknowledge_all(where)
    assert boxes(client_of("hospital").get(where).content.decode()) == []
    answer = adopt(where, adopt_note="Agreed at 08:30")
    assert (answer.status_code, answer["Location"]) == (303, where)
    assert Plan.objects.get().state == "adopted"
    assert Plan.objects.get().adopted_by == "Amara Osei (lead)"
    entry = JournalEntry.objects.get(kind="plan.adopted")
    assert b"Agreed at 08:30" in bytes(entry.body)
    assert "In effect" in text_of(client_of("practice").get("/plan/"))


def test_more_urgent_than_one_form_takes_are_shown_in_turn(
    people: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from tourniquet.triage import page_queries
    from tourniquet.triage.models import PlanLine

    monkeypatch.setattr(page_queries, "URGENT_MOST", 1)
    where = propose()
    urgent = PlanLine.objects.filter(urgent_unserved=True).count()
    assert urgent > 1
    seen: set[str] = set()
    for left in range(urgent, 0, -1):
        shown = client_of("hospital").get(where)
        (only,) = boxes(shown.content.decode())
        seen.add(only)
        assert ("The next are shown when these are acknowledged." in text_of(shown)) == (left > 1)
        assert adopt(where).status_code == 400, "somebody urgent is still open"
        acknowledge_all(where)
    assert len(seen) == urgent
    assert adopt(where).status_code == 303


def test_a_plan_is_adopted_once(people: list[str]) -> None:
    where = propose()
    acknowledge_all(where)
    assert adopt(where).status_code == 303
    again = adopt(where)
    assert again.status_code == 400
    assert "Make a new plan" in text_of(again)


def test_a_plan_that_a_later_one_replaced_cannot_be_adopted(people: list[str]) -> None:
    first, second = propose(), propose()
    acknowledge_all(second)
    assert adopt(second).status_code == 303
    stale = adopt(first)
    assert stale.status_code == 400
    assert "superseded" in text_of(stale)


def test_adoption_needs_a_name_and_keeps_what_was_typed(people: list[str]) -> None:
    where = propose()
    acknowledge_all(where)
    answer = adopt(where, adopted_by="", adopt_note="Agreed at 08:30")
    assert answer.status_code == 400
    assert "Write your full name." in text_of(answer)
    assert "Agreed at 08:30" in answer.content.decode()


def test_who_may_adopt_and_acknowledge(people: list[str]) -> None:
    where = propose()
    for name in ("practice", "clinic", "hospital", "press", "auditor", "protection", "admin"):
        values = {"adopted_by": "x"}
        assert post(client_of(name), f"{where}adopt/", values, page=where).status_code == 403
    for name in ("press", "auditor", "protection", "admin"):
        values = {"need": "x"}
        assert post(client_of(name), f"{where}acknowledge/", values, page=where).status_code == 403


def test_acknowledging_needs_a_tick_and_only_of_this_list(people: list[str]) -> None:
    where = propose()
    clinician = client_of("hospital")
    none = post(clinician, f"{where}acknowledge/", {}, page=where)
    assert none.status_code == 400
    assert "Tick at least one person." in text_of(none)
    foreign = post(clinician, f"{where}acknowledge/", {"need": ["nobody"]}, page=where)
    assert foreign.status_code == 400


def test_a_practice_sees_and_acknowledges_its_own_patients_alone(people: list[str]) -> None:
    from tourniquet.triage.models import PlanLine

    where = propose()
    urgent = PlanLine.objects.filter(urgent_unserved=True)
    mine = set(urgent.filter(registered_organisation=PRACTICE).values_list("need_id", flat=True))
    others = set(urgent.exclude(registered_organisation=PRACTICE).values_list("need_id", flat=True))
    assert mine
    assert others
    shown = client_of("practice").get(where).content.decode()
    assert set(boxes(shown)) == mine
    named = set(re.findall(r"/patients/([^/\"]+)/", shown))
    assert named <= set(people[::2])
    refused = post(
        client_of("practice"), f"{where}acknowledge/", {"need": sorted(others)}, page=where
    )
    assert refused.status_code == 400
    assert not urgent.exclude(acknowledged_by="").exists()


@pytest.mark.parametrize("name", ["press", "admin"])
def test_who_may_not_see_patients_sees_figures_and_no_names(people: list[str], name: str) -> None:
    where = propose()
    html = client_of(name).get(where).content.decode()
    assert "/patients/" not in html.replace('href="/patients/"', "")
    assert "OKAFOR" not in html
    assert "Your role shows figures, not names." in html


def test_filters_narrow_the_changes_and_pages_turn(people: list[str]) -> None:
    where = propose()
    lead = client_of("lead")

    def rows(query: str) -> str:
        return lead.get(where + query).content.decode().partition('id="changes"')[2]

    everybody = rows("")
    assert "<td>P1</td>" in everybody
    assert "<td>P5</td>" in everybody
    assert "<td>P5</td>" not in rows("?priority=P1")
    assert "Defer</strong>" not in rows("?decision=book")
    assert "Old Kent Road Practice</td>" not in rows(f"?practice={PRACTICE}")
    assert "Old Kent Road Practice</td>" in rows(f"?practice={OTHER_PRACTICE}")
    assert rows("?priority=nonsense&page=nonsense").count("<tr") == everybody.count("<tr")
    assert "Nobody matches" in rows("?page=99")


def test_the_page_asks_a_fixed_number_of_questions(people: list[str]) -> None:
    where = propose()
    lead = client_of("lead")
    lead.get(where)
    with CaptureQueriesContext(
        connection,
    ) as few:
        lead.get(f"{where}?priority=P5")
    with CaptureQueriesContext(connection) as many:
        lead.get(where)
    assert len(many) == len(few)
    assert len(many) <= QUERIES_MOST


@pytest.mark.parametrize("path", ["/plan/none/", "/plan/a%00b/", "/plan/%F0%9F%98%80/"])
def test_a_plan_that_is_not_there_is_not_found(people: list[str], path: str) -> None:
    answer = client_of("lead").get(path)
    assert answer.status_code == 404
    assert "Go to what is happening now" in text_of(answer)
