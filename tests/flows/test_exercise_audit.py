"""flows: the audit counts what the journal says, and would see what is lost, doubled or untold."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import count

import numpy as np
import pytest

from tests.flows.test_diary_stories import _adopt
from tests.flows.test_mllp_record import NHS
from tests.support.database import Database
from tests.support.mllp import person, report
from tests.support.small_region import FIRST_DAY, NOW, SmallRegion, set_up
from tourniquet.diary.harm import NEVER
from tourniquet.diary.models import Appointment, Need
from tourniquet.exercise.audit import (
    UNGATED_ALARM,
    audit_messages,
    audit_needs,
    audit_telling,
    number_of,
)
from tourniquet.exercise.world import World, make_world
from tourniquet.flows.book_needs import book_needs
from tourniquet.flows.receive_messages import Received, receive_group
from tourniquet.notices.models import Notice
from tourniquet.record.models import Alarm, Message

_POSITIONS = count(1)


@pytest.fixture(scope="module")
def world() -> World:
    return make_world("june-2024", people=1_000, seed=7)


@pytest.mark.parametrize(
    ("requisition", "number"),
    [("EX1", 0), ("EX0042", 41), ("R1", None), ("EX", None), ("EX1a", None), ("12", None)],
)
def test_whose_requisition(requisition: str, number: int | None) -> None:
    assert number_of(requisition) == number


def _receive(*raws: bytes) -> None:
    receive_group([Received(raw, "mllp", "test") for raw in raws], now=NOW)


def test_lost_and_doubled_messages_are_seen(database: Database) -> None:
    _receive(person("P1", NHS[0]), report("R1", NHS[0], "F1"), report("R2", NHS[0], "F2"))
    heard = {"P1": "AA", "R1": "AA", "R2": "AA"}
    good = audit_messages(heard)
    assert (good.acknowledged, good.lost, good.doubled) == (3, 0, 0)
    assert audit_messages({**heard, "R3": "AA"}).lost == 1
    kept = Message.objects.get(control_id="R2")
    kept.pk += 1_000
    kept.save(force_insert=True)
    assert audit_messages(heard).doubled == 1
    Message.objects.filter(control_id="R1").update(code="AR")
    assert audit_messages(heard).lost == 1


def _notice(
    patient: str, status: str, *, hours: float | None = None, follows: str | None = None
) -> str:
    """A notice as the tables would have it; its id."""
    at = next(_POSITIONS)
    told: datetime | None = None if hours is None else NOW + timedelta(hours=hours)
    Notice.objects.create(
        id=f"N{at}",
        patient_id=patient,
        kind="appointment_moved",
        channel="text",
        status=status,
        caused_by=1,
        follows=follows,
        send_on=FIRST_DAY,
        text="",
        registered_organisation="G10001",
        written_at=NOW,
        updated_at=NOW,
        told_at=told,
        position=at,
    )
    return f"N{at}"


def test_telling_counts_people_and_runs_from_the_first_notice(database: Database) -> None:
    _notice("A", "delivered", hours=1)
    failed = _notice("B", "failed_for_good")
    again = _notice("B", "failed_for_good", follows=failed)
    _notice("B", "delivered", hours=50, follows=again)
    _notice("C", "delivered", hours=2)
    _notice("C", "sending")  # the later word did not reach them
    _notice("D", "superseded")  # never sent: nothing to tell
    told = audit_telling()
    assert (told.people_concerned, told.people_told) == (3, 2)
    assert sorted(told.hours_to_tell) == [1.0, 50.0]
    assert told.notices == 6


def test_needs_are_counted_from_the_journal(database: Database, world: World) -> None:
    region = set_up()
    _order(region, 1)
    _order(region, 2)
    assert book_needs(now=region.now, ids=region.ids).booked == 2
    none = audit_needs(world, wrongly_passed=0)
    assert none.unprocessable_specimens == 0
    assert not none.postponed.any()
    made = none.appointments_made
    assert made == 2
    Alarm.objects.create(
        id="A1", kind=UNGATED_ALARM, text="", raised_at=NOW, cleared_at=None, cleared_by=""
    )
    assert audit_needs(world, wrongly_passed=3).unprocessable_specimens == 4
    region.declare()
    region.capacity(0, days=60)
    _adopt(region)
    assert not Appointment.objects.filter(status="booked").exists()
    after = audit_needs(world, wrongly_passed=0)
    assert np.flatnonzero(after.postponed).tolist() == [0, 1]
    assert after.dated[:2].all(), "each was told when they will hear"
    assert (after.served[:2] == NEVER).all()
    assert len(after.days_to_next_date) == 2
    assert audit_telling().people_concerned == 2
    Notice.objects.all().delete()
    untold = audit_telling()
    assert (untold.people_concerned, untold.people_told) == (2, 0), "no notice is no telling"


def _order(region: SmallRegion, number: int) -> str:
    """A need by an order of the exercise."""
    from tourniquet.flows.open_need import Order, open_need
    from tourniquet.record.journal import writing

    patient = region.person()
    with writing(region.act()) as journal:
        need = open_need(
            journal,
            Order(
                patient_id=patient,
                requisition=f"EX{number}",
                indication="CKD",
                priority="",
                test_codes=(),
                service_request_ids=(),
                wanted_on=region.today,
                authored_at=region.now,
                zone="Z1",
                requesting_organisation="G10001",
                registered_organisation="G10001",
            ),
            cause=None,
            ids=region.ids,
        )
    assert Need.objects.get(pk=need).requisition == f"EX{number}"
    return need
