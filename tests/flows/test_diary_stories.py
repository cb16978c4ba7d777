"""The diary's stories: booking in normal times, the incident, the gate, telling."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from datetime import timedelta
from typing import Any

import pytest

from tests.support.database import Database, Databases
from tests.support.replaying import assert_replay_equal
from tests.support.small_region import FIRST_DAY, SmallRegion, set_up
from tourniquet.directory.roles import SYSTEM_VIEWER, Role, Viewer
from tourniquet.kernel.errors import PermissionRefused, UserError

MIXED = ("AKI", "2WW", "CKD", "CKD", "LIP", "THY", "VITD", "SYMP")


def _fill(region: SmallRegion, count: int, indications: tuple[str, ...] = MIXED) -> list[str]:
    return [
        region.need(region.person(), indications[number % len(indications)])
        for number in range(count)
    ]


def _statuses() -> Counter[str]:
    from tourniquet.diary.models import Need

    return Counter(Need.objects.values_list("status", flat=True))


def _adopt(region: SmallRegion, **options: Any) -> Any:
    from tourniquet.flows.adopt_plan import acknowledge_urgent, adopt_plan
    from tourniquet.flows.propose_plan import propose_plan
    from tourniquet.triage.models import PlanLine

    plan = propose_plan(viewer=SYSTEM_VIEWER, now=region.now, ids=region.ids)
    urgent = PlanLine.objects.filter(plan_id=plan, urgent_unserved=True)
    acknowledge_urgent(
        plan, urgent.values_list("need_id", flat=True), viewer=SYSTEM_VIEWER, now=region.now
    )
    return adopt_plan(plan, viewer=SYSTEM_VIEWER, now=region.now, ids=region.ids, **options)


def assert_sound() -> None:
    """What must hold after every story."""
    from tourniquet.diary.models import (
        Appointment,
        GateReservation,
        LaboratoryDay,
        Need,
        Session,
    )
    from tourniquet.diary.rules import parse_tubes

    live = list(Appointment.objects.filter(status="booked"))
    assert len({one.need_id for one in live}) == len(live), "two live appointments for a need"
    booked = dict(Need.objects.filter(status="booked").values_list("id", "appointment_id"))
    assert booked == {one.need_id: one.id for one in live}
    seats: Counter[Any] = Counter()
    for session in Session.objects.all():
        seats[session.clinic, session.day] += session.seats
    taken = Counter((one.clinic, one.day) for one in live)
    assert all(count <= seats[pair] for pair, count in taken.items()), "a session is overbooked"
    assert len({(one.clinic, one.day, one.at) for one in live}) == len(live)
    used: Counter[Any] = Counter()
    for row in GateReservation.objects.filter(status__in=("reserved", "used")):
        for name, count in parse_tubes(row.tubes):
            used[row.laboratory, name, row.day] += count
        assert row.courier_hours <= row.stability_hours - 1
    limits = {
        (row.laboratory, row.discipline, row.day): row.tubes for row in LaboratoryDay.objects.all()
    }
    assert all(count <= limits[key] for key, count in used.items()), "the gate passed too much"


def test_in_normal_times_needs_are_booked_and_people_told(
    database: Database, databases: Databases
) -> None:
    from tourniquet.diary.models import Appointment, GateReservation, Need
    from tourniquet.flows.daily_work import morning
    from tourniquet.notices.models import Notice

    region = set_up()
    _fill(region, 16)
    done = morning(region.now)
    assert done.booking.booked == 16
    assert _statuses() == {"booked": 16}
    urgent = Need.objects.filter(priority="P1").values_list("id", flat=True)
    days = Appointment.objects.filter(need_id__in=urgent).values_list("day", flat=True)
    assert set(days) == {FIRST_DAY}
    assert GateReservation.objects.filter(status="reserved").count() >= len(urgent)
    assert Notice.objects.count() == 16
    assert set(Notice.objects.values_list("kind", flat=True)) == {"appointment_booked"}
    [lot] = (database.home / "outbox" / "text").iterdir()
    lines = [json.loads(line) for line in lot.read_text().splitlines()]
    assert {line["notice"] for line in lines} == set(Notice.objects.values_list("id", flat=True))
    assert all(line["to"].startswith("07700") for line in lines)
    again = morning(region.now)
    assert (again.booking.looked_at, again.telling.written) == (0, 0)
    assert_sound()
    assert_replay_equal(databases, database)


def test_an_incident_moves_people_and_nobody_is_left_without_a_word(
    database: Database, databases: Databases
) -> None:
    from tourniquet.diary.models import Need
    from tourniquet.flows.daily_work import evening, morning
    from tourniquet.incident.models import TimelineEvent
    from tourniquet.notices.models import Notice
    from tourniquet.triage.models import Plan, PlanLine

    region = set_up()
    _fill(region, 48)
    morning(region.now)
    evening(region.go_to(0, 18))
    region.go_to(1)
    region.declare()
    region.capacity(2)
    region.capacity(0, laboratories=("LAB1",), days=14)
    _fill(region, 12)
    adoption = _adopt(region)
    assert adoption.applied > 0
    plan = Plan.objects.get()
    assert plan.state == "adopted"
    # Most are called in: harm is of the dates alone, the bound of everybody, so there is no gap.
    assert plan.gap is None
    assert plan.lower_bound > 0
    assert not PlanLine.objects.filter(applied=False, skipped="").exists()
    morning(region.now)
    waiting = Need.objects.filter(status="waiting", released__lte=region.today)
    assert waiting.exists()
    for need in waiting:
        assert need.review_on is not None, need.reason
        assert region.today < need.review_on <= region.today + timedelta(days=14)
    told = set(Notice.objects.values_list("need_id", flat=True))
    assert set(waiting.values_list("id", flat=True)) <= told
    emergency = Need.objects.filter(status="emergency").values_list("id", flat=True)
    assert set(emergency) <= set(
        Notice.objects.filter(channel="call_list").values_list("need_id", flat=True)
    )
    kinds = set(TimelineEvent.objects.values_list("kind", flat=True))
    assert {"declared", "capacity", "plan", "notice"} <= kinds
    assert_sound()
    evening(region.go_to(1, 18))
    assert (database.home / "public" / "status" / "index.html").exists()
    assert_sound()
    assert_replay_equal(databases, database)


def test_a_review_day_brings_a_date_or_a_new_review_day(database: Database) -> None:
    from tourniquet.diary.models import Need
    from tourniquet.flows.daily_work import morning

    region = set_up()
    region.declare()
    region.capacity(0, days=40)
    need = _fill(region, 1, ("CKD",))[0]
    morning(region.now)
    first = Need.objects.get(pk=need)
    assert first.status == "waiting"
    assert first.review_on is not None
    region.go_to((first.review_on - FIRST_DAY).days)
    morning(region.now)
    second = Need.objects.get(pk=need)
    assert second.review_on is not None
    assert second.review_on > first.review_on
    region.go_to((second.review_on - FIRST_DAY).days)
    region.capacity(20, days=20)
    morning(region.now)
    assert Need.objects.get(pk=need).status == "booked"
    assert_sound()


def test_a_plan_in_normal_times_is_held_against_the_bound_of_the_same_people(
    database: Database,
) -> None:
    from tourniquet.flows.propose_plan import propose_plan
    from tourniquet.triage.models import Plan

    region = set_up()
    _fill(region, 24)
    propose_plan(viewer=SYSTEM_VIEWER, now=region.now, ids=region.ids)
    plan = Plan.objects.get()
    assert plan.booked > 0
    assert plan.harm >= plan.lower_bound
    assert plan.gap is not None


def test_urgent_needs_not_served_must_be_acknowledged_before_adoption(database: Database) -> None:
    from tourniquet.flows.adopt_plan import acknowledge_urgent, adopt_plan
    from tourniquet.flows.propose_plan import propose_plan
    from tourniquet.triage.models import Plan, PlanLine

    region = set_up()
    region.declare()
    region.capacity(0)
    needs = _fill(region, 3, ("AKI", "2WW", "CKD"))
    plan = propose_plan(viewer=SYSTEM_VIEWER, now=region.now, ids=region.ids)
    with pytest.raises(UserError, match="2 urgent needs"):
        adopt_plan(plan, viewer=SYSTEM_VIEWER, now=region.now, ids=region.ids)
    with pytest.raises(UserError):
        acknowledge_urgent(plan, [needs[2]], viewer=SYSTEM_VIEWER, now=region.now)
    nurse = Viewer("nurse", Role.PRACTICE)
    assert acknowledge_urgent(plan, needs[:2], viewer=nurse, now=region.now) == 2
    assert acknowledge_urgent(plan, needs[:2], viewer=nurse, now=region.now) == 0
    with pytest.raises(PermissionRefused):
        adopt_plan(plan, viewer=nurse, now=region.now)
    adopt_plan(plan, viewer=SYSTEM_VIEWER, now=region.now, ids=region.ids)
    assert Plan.objects.get().state == "adopted"
    line = PlanLine.objects.get(need_id=needs[0])
    assert line.reason.startswith("emergency route")
    assert line.acknowledged_by == "nurse"
    assert _statuses() == {"emergency": 1, "waiting": 2}


class _Killed(BaseException):
    """A power cut between two batches."""


def test_a_killed_adoption_goes_on_without_doubling(
    database: Database, databases: Databases, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tourniquet.flows import adopt_plan as module
    from tourniquet.flows.daily_work import morning
    from tourniquet.record.models import JournalEntry
    from tourniquet.triage.models import Plan

    monkeypatch.setattr(module, "LINES_AT_ONCE", 5)
    region = set_up()
    _fill(region, 40)
    morning(region.now)
    region.go_to(1)
    region.declare()
    region.capacity(2)

    def kill(done: int) -> None:
        if done >= 10:
            raise _Killed

    with pytest.raises(_Killed):
        _adopt(region, between=kill)
    plan = Plan.objects.get()
    assert plan.state == "adopting"
    assert_sound()
    outcome = module.adopt_plan(plan.id, viewer=SYSTEM_VIEWER, now=region.now, ids=region.ids)
    assert outcome.applied > 10
    assert Plan.objects.get().state == "adopted"
    assert JournalEntry.objects.filter(kind="plan.adopted").count() == 1
    assert_sound()
    assert_replay_equal(databases, database)


def test_an_interrupted_proposal_is_rejected_and_never_adopted(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tourniquet.flows import propose_plan as module
    from tourniquet.flows.adopt_plan import adopt_plan
    from tourniquet.triage.models import Plan

    monkeypatch.setattr(module, "LINES_AT_ONCE", 2)
    region = set_up()
    region.capacity(0)
    _fill(region, 6, ("CKD",))

    def kill(done: int) -> None:
        raise _Killed

    with pytest.raises(_Killed):
        module.propose_plan(viewer=SYSTEM_VIEWER, now=region.now, ids=region.ids, between=kill)
    half = Plan.objects.get()
    assert half.state == "proposing"
    with pytest.raises(UserError):
        adopt_plan(half.id, viewer=SYSTEM_VIEWER, now=region.now)
    module.propose_plan(viewer=SYSTEM_VIEWER, now=region.now, ids=region.ids)
    assert sorted(Plan.objects.values_list("state", flat=True)) == ["proposed", "rejected"]


def test_the_gate_turns_away_before_travel_and_the_patient_is_told(database: Database) -> None:
    from tourniquet.diary.models import Appointment, Need
    from tourniquet.flows.daily_work import morning
    from tourniquet.flows.open_gate import open_gate
    from tourniquet.flows.tell_people import tell_people
    from tourniquet.notices.models import Notice

    region = set_up(seats=1)
    region.declare()
    _fill(region, 7, ("2WW",))
    morning(region.now)
    last = Appointment.objects.filter(status="booked").order_by("-day").first()
    assert last is not None
    assert last.day > region.today
    region.go_to((last.day - FIRST_DAY).days)
    region.capacity(0, days=1, flag="confirmed")
    expected = Appointment.objects.filter(day=region.today, status="booked").count()
    opening = open_gate(now=region.now)
    assert (opening.reserved, opening.turned_away) == (0, expected)
    assert Need.objects.filter(status="waiting", review_on=region.today + timedelta(days=1)).count()
    tell_people(now=region.now, ids=region.ids)
    assert Notice.objects.filter(kind="appointment_deferred", status="sending").count() == expected
    assert_sound()


def test_a_laboratory_that_fails_later_overtakes_what_was_taken(
    database: Database, databases: Databases
) -> None:
    from tourniquet.diary.models import GateReservation, Need
    from tourniquet.flows.daily_work import evening, morning
    from tourniquet.flows.record_collection import record_collection
    from tourniquet.notices.models import Notice
    from tourniquet.record.journal import writing
    from tourniquet.record.models import Alarm

    region = set_up()
    region.declare()
    needs = _fill(region, 4, ("AKI",))
    morning(region.now)
    region.go_to(0, 12)
    for need in Need.objects.filter(pk__in=needs[:3]):
        with writing(region.act()) as journal:
            record_collection(
                journal,
                patient_id=need.patient_id,
                requisition=need.requisition,
                collected_at=region.now,
                clinic="CLIN1",
                cause=None,
                ids=region.ids,
            )
    assert GateReservation.objects.filter(status="used").count() == 3
    assert not Alarm.objects.exists()
    region.go_to(0, 15)
    affected = region.capacity(1, days=1, flag="confirmed", laboratories=("LAB1",))
    affected += region.capacity(0, days=1, flag="confirmed", laboratories=("LAB2",))
    assert affected == 3
    assert GateReservation.objects.filter(status="overtaken").count() == 2
    assert Alarm.objects.get().kind == "specimens overtaken"
    evening(region.go_to(0, 18))
    assert "turned_away_today" in Notice.objects.values_list("kind", flat=True)
    region.go_to(1)
    region.capacity(5, days=3, flag="confirmed")
    morning(region.now)
    assert _statuses()["waiting"] == 0
    assert_sound()
    assert_replay_equal(databases, database)


def test_who_did_not_come_is_looked_at_next_morning(database: Database) -> None:
    from tourniquet.diary.models import Appointment, GateReservation
    from tourniquet.flows.daily_work import evening, morning

    region = set_up()
    _fill(region, 4, ("AKI",))
    morning(region.now)
    done = evening(region.go_to(0, 18))
    assert done.missed == 4
    assert set(GateReservation.objects.values_list("status", flat=True)) == {"released"}
    region.go_to(1)
    morning(region.now)
    assert Appointment.objects.filter(status="booked", day=region.today).count() == 4
    assert_sound()


def test_failed_channels_are_followed_up(database: Database, databases: Databases) -> None:
    from tourniquet.flows.daily_work import evening, morning
    from tourniquet.flows.record_delivery import Receipt, record_delivery, retry_failed
    from tourniquet.notices.models import Notice

    region = set_up()
    _fill(region, 3, ("CKD",))
    morning(region.now)
    ids = sorted(Notice.objects.values_list("id", flat=True))
    at = region.go_to(0, 8)
    outcome = record_delivery(
        [
            Receipt(ids[0], "delivered", at),
            Receipt(ids[1], "failed_for_good", at),
            Receipt(ids[2], "failed_for_now", at),
            Receipt("nosuch", "delivered", at),
        ],
        now=region.now,
        ids=region.ids,
    )
    assert (outcome.told, outcome.failed, outcome.followed_up, outcome.unknown) == (1, 2, 1, 1)
    follow = Notice.objects.get(follows=ids[1])
    assert (follow.channel, follow.status) == ("letter", "sending")
    assert (database.home / "outbox" / "letter" / f"{follow.id}.html").exists()
    record_delivery([Receipt(follow.id, "failed_for_good", at)], now=region.now, ids=region.ids)
    assert Notice.objects.get(follows=follow.id).channel == "call_list"
    evening(region.go_to(0, 18))
    assert Notice.objects.get(pk=ids[2]).status == "sending"
    for day in (1, 2):
        record_delivery([Receipt(ids[2], "failed_for_now", at)], now=region.go_to(day, 8))
        retry_failed(now=region.go_to(day, 18), ids=region.ids)
    assert Notice.objects.get(pk=ids[2]).status == "failed_for_good"
    assert Notice.objects.get(follows=ids[2]).channel == "letter"
    assert Notice.objects.get(pk=ids[0]).told_at == at
    assert_replay_equal(databases, database)


def test_who_may_not_be_written_to_is_called_by_the_practice(database: Database) -> None:
    from datetime import date

    from tourniquet.flows.daily_work import morning
    from tourniquet.notices.models import Notice

    region = set_up()
    people = {
        region.person(recorded_dead=True): "call_list",
        region.person(sensitive=True): "call_list",
        region.person(unsafe_contact=True): "call_list",
        region.person(birth_date=date(2015, 1, 1)): "call_list",
        region.person(phone=""): "letter",
        region.person(phone="", address=""): "call_list",
        region.person(): "text",
    }
    for patient in people:
        region.need(patient, "CKD")
    morning(region.now)
    assert dict(Notice.objects.values_list("patient_id", "channel")) == people


def test_what_the_outbox_lost_is_written_again_and_nothing_else(database: Database) -> None:
    from tourniquet.flows.daily_work import evening, morning

    region = set_up()
    place = database.home / "outbox" / "text"
    for day in range(3):
        _fill(region, 2, ("CKD",))
        morning(region.go_to(day, 6))
    before = {path.name: path.read_bytes() for path in place.iterdir()}
    assert len(before) == 3, "one lot a morning"
    lost = sorted(before)[1]
    (place / lost).unlink()
    assert evening(region.go_to(2, 18)).mended == 2
    after = {path.name: path.read_bytes() for path in place.iterdir()}
    new = sorted(set(after) - set(before))
    assert [after[name] for name in new] == before[lost].splitlines(keepends=True)
    assert all(after[name] == before[name] for name in before if name != lost)
    assert evening(region.go_to(2, 19)).mended == 0, "what is there is not written twice"
    shutil.rmtree(place)  # a home that was restored in the night has none
    assert morning(region.go_to(3, 6)).mended == 6, "who waits for them does not wait a day more"


def test_one_notice_a_patient_a_day_and_a_held_one_gives_way(database: Database) -> None:
    from tourniquet.diary.models import Appointment
    from tourniquet.flows.daily_work import morning
    from tourniquet.flows.tell_people import send_held, tell_people
    from tourniquet.notices.models import Notice

    region = set_up()
    patient = region.person()
    region.need(patient, "CKD", in_days=20)
    morning(region.now)
    assert Notice.objects.count() == 1
    day = Appointment.objects.get().day
    region.go_to(0, 9)
    region.declare()
    region.capacity(0, days=1, first=(day - region.today).days)
    _adopt(region)
    tell_people(now=region.now, ids=region.ids)
    held = Notice.objects.get(status="written")
    region.go_to(0, 10)
    moved = Appointment.objects.get(status="booked")
    region.capacity(0, days=40)
    assert moved.day != day
    _adopt(region)
    tell_people(now=region.now, ids=region.ids)
    assert Notice.objects.get(pk=held.id).status == "superseded"
    assert Notice.objects.filter(status="written").count() == 1
    assert send_held(now=region.now) == 0
    assert send_held(now=region.go_to(1)) == 1
    assert Notice.objects.filter(status="sending").count() == 2


def test_the_incident_is_declared_once_logged_and_stood_down(database: Database) -> None:
    from tourniquet.flows.log_decision import JointDecision, log_decision
    from tourniquet.flows.publish_status import draw_page, publish_status
    from tourniquet.flows.stand_down import stand_down
    from tourniquet.incident.models import Decision, Incident

    region = set_up()
    decision = JointDecision("i", "r", "p", "o", "ask for mutual aid")
    with pytest.raises(UserError):
        log_decision(decision, viewer=SYSTEM_VIEWER, now=region.now)
    region.declare()
    with pytest.raises(UserError):
        region.declare()
    log_decision(decision, viewer=SYSTEM_VIEWER, now=region.now)
    assert Decision.objects.get().action == "ask for mutual aid"
    publish_status(now=region.now)
    page = (database.home / "public" / "status" / "index.html").read_text()
    assert "Some tests have to wait" in page
    stand_down(reason="over", viewer=SYSTEM_VIEWER, now=region.now)
    assert Incident.objects.get().state == "stood_down"
    assert draw_page(region.now).state == "ended"


def test_a_database_error_in_mid_story_leaves_nothing_half_written(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    from django.db import OperationalError

    from tourniquet.diary.models import Appointment
    from tourniquet.flows.book_needs import book_needs
    from tourniquet.kernel.errors import StorageUnavailable
    from tourniquet.record import journal
    from tourniquet.record.models import JournalEntry

    region = set_up()
    _fill(region, 6)
    before = JournalEntry.objects.count()
    apply_run = journal.apply_run

    def fail(entries: Any) -> None:
        apply_run(entries)
        raise OperationalError("disk I/O error")

    monkeypatch.setattr(journal, "apply_run", fail)
    with pytest.raises(StorageUnavailable):
        book_needs(now=region.now, ids=region.ids)
    monkeypatch.setattr(journal, "apply_run", apply_run)
    assert JournalEntry.objects.count() == before
    assert Appointment.objects.count() == 0
    assert book_needs(now=region.now, ids=region.ids).booked == 6
    assert_sound()


def test_one_patient_moved_twice_in_a_row_replays_as_it_happened(
    database: Database, databases: Databases
) -> None:
    from datetime import time

    from tourniquet.diary.entries import AppointmentMoved
    from tourniquet.diary.models import Appointment
    from tourniquet.flows.book_needs import book_needs
    from tourniquet.record.journal import writing

    region = set_up()
    _fill(region, 1, ("CKD",))
    book_needs(now=region.now, ids=region.ids)
    first = Appointment.objects.get()
    was = first.id
    for new in ("second", "third"):
        with writing(region.act()) as journal:
            journal.append(
                AppointmentMoved(
                    appointment=new,
                    was=was,
                    need=first.need_id,
                    clinic="CLIN1",
                    day=first.day,
                    at=time(9, 0),
                    laboratory="LAB1",
                    reason="test",
                ),
                subject=first.patient_id,
            )
        was = new
    assert Appointment.objects.get(status="booked").id == "third"
    assert Appointment.objects.get(pk="second").moved_to == "third"
    assert_replay_equal(databases, database)
