"""An order opens a need; its visit is recorded."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from tests.support.database import Database

NOW = datetime(2024, 6, 3, 9, 0, tzinfo=UTC)


def _order(**changes: object):
    from tourniquet.flows.open_need import Order

    values = {
        "patient_id": "p1",
        "requisition": "R1",
        "indication": "AKI",
        "priority": "R",
        "test_codes": ("UE",),
        "service_request_ids": ("s1",),
        "wanted_on": None,
        "authored_at": NOW,
        "zone": "Z1",
        "requesting_organisation": "G1",
        "registered_organisation": "G2",
    }
    return Order(**{**values, **changes})


def _writing(moment: datetime = NOW):
    from tourniquet.record.journal import Act, writing

    return writing(Act("test", moment))


def test_an_order_opens_a_need_with_the_indications_terms(database: Database) -> None:
    from tourniquet.diary.models import Need, NeedRequest
    from tourniquet.flows.open_need import open_need

    with _writing() as journal:
        need = open_need(journal, _order(), cause=None)
    row = Need.objects.get(pk=need)
    assert (row.priority, row.due, row.safe_until) == ("P1", date(2024, 6, 3), date(2024, 6, 4))
    assert row.tubes == "chemistry=1"
    assert row.stability_hours == 6.0
    assert row.escalates_on == date(2024, 6, 6)
    assert (row.status, row.review_on) == ("waiting", date(2024, 6, 4))
    assert NeedRequest.objects.filter(need_id=need, service_request_id="s1").exists()


def test_a_stated_urgency_raises_the_class_and_never_lowers_it(database: Database) -> None:
    from tourniquet.diary.models import Need
    from tourniquet.flows.open_need import open_need

    with _writing() as journal:
        raised = open_need(
            journal, _order(indication="VITD", priority="S", requisition="A"), cause=None
        )
        kept = open_need(
            journal, _order(indication="AKI", priority="R", requisition="B"), cause=None
        )
    assert Need.objects.get(pk=raised).priority == "P1"
    assert Need.objects.get(pk=raised).safe_until == date(2024, 6, 3)
    assert Need.objects.get(pk=kept).priority == "P1"


@pytest.mark.parametrize(
    ("tests", "indication"),
    [(("HBA1C",), None), (("FBC", "NOSUCH"), "SYMP"), ((), "SYMP")],
)
def test_without_an_indication_the_tests_decide(
    database: Database, tests: tuple[str, ...], indication: str | None
) -> None:
    from tourniquet.diary.models import Need
    from tourniquet.flows.open_need import open_need

    with _writing() as journal:
        need = open_need(journal, _order(indication="??", test_codes=tests), cause=None)
    row = Need.objects.get(pk=need)
    assert row.tubes
    assert indication is None or row.indication == indication


def test_a_second_order_of_one_form_extends_the_visit(database: Database) -> None:
    from tourniquet.diary.models import Need, NeedRequest
    from tourniquet.flows.open_need import open_need

    with _writing() as journal:
        first = open_need(journal, _order(indication="VITD", test_codes=("VITD",)), cause=None)
        second = open_need(
            journal, _order(test_codes=("FBC",), service_request_ids=("s2",)), cause=None
        )
    assert first == second
    row = Need.objects.get()
    assert (row.priority, row.indication) == ("P1", "AKI")
    assert row.tubes == "chemistry=1;haematology=1"
    assert NeedRequest.objects.count() == 2


def test_a_collection_without_a_reservation_raises_an_alarm(database: Database) -> None:
    from tourniquet.diary.models import Need
    from tourniquet.flows.open_need import open_need
    from tourniquet.flows.record_collection import UNGATED_ALARM, record_collection
    from tourniquet.record.models import Alarm

    with _writing() as journal:
        open_need(journal, _order(), cause=None)
        found = record_collection(
            journal, patient_id="p1", requisition="R1", collected_at=NOW, clinic="C1", cause=None
        )
        again = record_collection(
            journal, patient_id="p1", requisition="R1", collected_at=NOW, clinic="C1", cause=None
        )
    assert (found, again) == (True, False)
    assert Need.objects.get().status == "collected"
    assert list(Alarm.objects.values_list("kind", flat=True)) == [UNGATED_ALARM]


def test_a_withdrawn_order_ends_the_need(database: Database) -> None:
    from tourniquet.diary.models import Need
    from tourniquet.flows.open_need import open_need, withdraw_need

    with _writing() as journal:
        open_need(journal, _order(), cause=None)
        ended = withdraw_need(
            journal, patient_id="p1", requisition="R1", reason="cancelled", cause=None
        )
    assert ended == 1
    assert Need.objects.get().status == "withdrawn"
