"""flows: what a laboratory has left this morning is filled with people who can come today."""

from __future__ import annotations

from collections import Counter
from datetime import date, time, timedelta

from tests.flows.test_diary_stories import assert_sound
from tests.support.database import Database, Databases
from tests.support.golden_diary import plan_and_adopt
from tests.support.replaying import assert_replay_equal
from tests.support.small_region import SmallRegion, set_up
from tourniquet.diary.entries import AppointmentBooked
from tourniquet.diary.models import Appointment, LaboratoryDay, Need
from tourniquet.diary.rules import parse_tubes
from tourniquet.flows.book_needs import book_needs
from tourniquet.flows.call_in import REASON, REASON_SOON, call_in
from tourniquet.flows.daily_work import morning, urgent
from tourniquet.flows.keep_waiting import keep_waiting
from tourniquet.flows.open_gate import open_gate
from tourniquet.flows.outlook import read_shortage
from tourniquet.flows.tell_people import tell_people
from tourniquet.notices.models import Notice
from tourniquet.record.journal import writing
from tourniquet.record.models import JournalEntry
from tourniquet.triage.calling import QUICK_QUEUE_DAYS


def _attacked(*, seats: int = 12) -> SmallRegion:
    """An incident in which no laboratory takes anything."""
    region = set_up(seats=seats)
    region.declare()
    region.capacity(0, days=60)
    return region


def _waiting(
    region: SmallRegion, count: int, indication: str = "CKD", **person: object
) -> list[str]:
    """Needs that wait for a laboratory; their ids."""
    made = [region.need(region.person(**person), indication) for _ in range(count)]
    book_needs(now=region.now, ids=region.ids)
    assert Need.objects.filter(pk__in=made, status="waiting").count() == count
    return made


def _confirm(region: SmallRegion, tubes: int) -> None:
    """This morning one laboratory says what it can take today."""
    region.capacity(tubes, days=1, flag="confirmed", laboratories=("LAB1",))


def _used_today(region: SmallRegion) -> Counter[tuple[str, str]]:
    used: Counter[tuple[str, str]] = Counter()
    for visit in Appointment.objects.filter(status="booked", day=region.today):
        for name, count in parse_tubes(Need.objects.get(pk=visit.need_id).tubes):
            used[visit.laboratory, name] += count
    return used


def test_nobody_is_called_without_an_incident(database: Database) -> None:
    region = set_up()
    region.capacity(0, days=60)
    _waiting(region, 4)
    _confirm(region, 9)
    before = JournalEntry.objects.count()
    assert call_in(now=region.now, ids=region.ids).called == 0
    assert JournalEntry.objects.count() == before
    assert not Appointment.objects.exists()


def test_what_is_left_today_is_filled_and_everybody_called_passes_the_gate(
    database: Database, databases: Databases
) -> None:
    region = _attacked()
    region.go_to(1)
    _waiting(region, 12)
    _waiting(region, 4, "2WW")
    _confirm(region, 5)
    called = call_in(now=region.now, ids=region.ids)
    assert called.weighed == 16
    assert 0 < called.called < 16
    made = Appointment.objects.filter(status="booked")
    assert made.count() == called.called
    assert set(made.values_list("day", "reason")) == {(region.today, REASON)}
    limits = {
        (row.laboratory, row.discipline): row.tubes
        for row in LaboratoryDay.objects.filter(day=region.today)
    }
    used = _used_today(region)
    assert all(count <= limits[key] for key, count in used.items())
    assert max(used.values()) == 5, "a tube was left that somebody could have had"
    # whom waiting harms most comes first
    assert Need.objects.filter(indication="2WW", status="booked").count() == 4
    gate = open_gate(now=region.now)
    assert (gate.reserved, gate.turned_away) == (called.called, 0)
    assert_sound()
    # and nobody is called twice
    assert call_in(now=region.now, ids=region.ids).called == 0
    tell_people(now=region.now, ids=region.ids)
    told = Notice.objects.filter(appointment_id__in=made.values("id"))
    assert set(told.values_list("channel", flat=True)) == {"text"}
    assert told.count() == called.called
    assert_replay_equal(databases, database)


def test_only_who_can_be_told_by_text_is_called(database: Database) -> None:
    region = _attacked()
    region.go_to(1)
    reachable = _waiting(region, 2)
    for changes in (
        {"phone": ""},
        {"phone": "", "address": ""},
        {"sensitive": True},
        {"unsafe_contact": True},
        {"recorded_dead": True},
        {"birth_date": region.today - timedelta(days=15 * 365)},
        {"birth_date": None},
    ):
        _waiting(region, 1, **changes)
    _confirm(region, 40)
    assert call_in(now=region.now, ids=region.ids).called == 2
    assert set(Appointment.objects.values_list("need_id", flat=True)) == set(reachable)


def test_no_more_are_called_than_there_are_seats(database: Database) -> None:
    region = _attacked(seats=1)
    region.go_to(1)
    _waiting(region, 9)
    _confirm(region, 40)
    assert call_in(now=region.now, ids=region.ids).called == 3  # three clinics
    assert open_gate(now=region.now).turned_away == 0
    assert_sound()


def test_what_is_booked_for_today_is_not_given_away(database: Database) -> None:
    region = _attacked()
    region.go_to(1)
    region.capacity(3, days=1, laboratories=("LAB1",))
    booked = [region.need(region.person(), "AKI") for _ in range(2)]
    book_needs(now=region.now, ids=region.ids)
    assert Appointment.objects.filter(day=region.today, status="booked").count() == 2
    _waiting(region, 6)
    _confirm(region, 3)
    call_in(now=region.now, ids=region.ids)
    assert max(_used_today(region).values()) <= 3
    assert Appointment.objects.filter(need_id__in=booked, day=region.today).count() == 2
    assert open_gate(now=region.now).turned_away == 0


def test_who_is_booked_later_than_is_safe_comes_earlier_and_others_keep_their_day(
    database: Database, databases: Databases
) -> None:
    region = _attacked()
    late, safe = _waiting(region, 1, "2WW")[0], _waiting(region, 1, "VITD")[0]
    region.capacity(4, days=60, first=14)
    days = _book_later(region, late, safe)
    late_need, safe_need = Need.objects.get(pk=late), Need.objects.get(pk=safe)
    assert days[late] > late_need.safe_until
    assert days[safe] <= safe_need.safe_until
    region.go_to(2)
    _confirm(region, 9)
    assert call_in(now=region.now, ids=region.ids).called == 1
    moved = Appointment.objects.get(need_id=late, status="booked")
    assert moved.day == region.today
    assert Appointment.objects.get(need_id=late, status="moved").moved_to == moved.id
    assert Appointment.objects.get(need_id=safe, status="booked").day == days[safe]
    assert open_gate(now=region.now).turned_away == 0
    assert_sound()
    assert_replay_equal(databases, database)


def _book_later(region: SmallRegion, *needs: str) -> dict[str, date]:
    """Book them in two weeks, as before the attack; the day of each."""
    day = region.today + timedelta(days=14)
    with writing(region.act()) as journal:
        for need in needs:
            journal.append(
                AppointmentBooked(
                    appointment=f"A-{need}",
                    need=need,
                    clinic="CLIN1",
                    day=day,
                    at=time(8, 15 * (1 + needs.index(need))),
                    laboratory="LAB1",
                    reason="test",
                ),
                subject=Need.objects.get(pk=need).patient_id,
            )
    return dict.fromkeys(needs, day)


def test_while_capacity_is_short_nobody_who_can_be_called_is_booked_ahead(
    database: Database, databases: Databases
) -> None:
    region = _attacked()
    region.capacity(1, days=60, first=1)
    symptoms = _waiting(region, 6, "SYMP")
    cancer = _waiting(region, 6, "2WW")
    region.go_to(7)
    done = morning(region.now)
    shortage = read_shortage(region.now)
    assert shortage.is_short
    assert shortage.queues["haematology"] > QUICK_QUEUE_DAYS
    assert set(Appointment.objects.values_list("day", flat=True)) == {region.today}
    # the urgent have the two tubes of each discipline; the others hear by when
    assert set(Appointment.objects.values_list("need_id", flat=True)) < set(cancer)
    assert done.called.called == Appointment.objects.count() == 2
    for need in Need.objects.filter(pk__in=[*symptoms, *cancer], status="waiting"):
        assert need.reason.startswith("called in")
        assert need.review_on is not None
        assert region.today < need.review_on <= region.today + timedelta(days=14)
    # and the plan gives no date that the next forecast would break
    plan_and_adopt(region)
    assert set(Appointment.objects.values_list("day", flat=True)) == {region.today}
    # nobody hears the same again before the day that was promised
    before = JournalEntry.objects.filter(kind="need.deferred").count()
    assert keep_waiting(now=region.now, ids=region.ids) == 0
    assert JournalEntry.objects.filter(kind="need.deferred").count() == before
    assert_sound()
    assert_replay_equal(databases, database)


def test_whose_turn_it_is_and_who_cannot_be_told_in_time_comes_on_a_next_day(
    database: Database,
) -> None:
    region = _attacked()
    without_phone = _waiting(region, 1, "SYMP", phone="")
    region.go_to(1)
    with_phone = _waiting(region, 20, "SYMP")
    region.go_to(14)
    region.capacity(1, days=60)
    morning(region.now)
    written = Appointment.objects.get(need_id=without_phone[0])
    assert region.today < written.day <= region.today + timedelta(days=2)
    assert written.reason == REASON_SOON
    today = Appointment.objects.filter(day=region.today)
    assert set(today.values_list("need_id", flat=True)) < set(with_phone)
    assert max(_used_today(region).values()) == 1, "another had today's place"


def test_when_capacity_is_back_people_are_booked_ahead_again(database: Database) -> None:
    region = _attacked()
    region.go_to(1)
    needs = _waiting(region, 40, "SYMP")
    region.go_to(14)
    region.capacity(9, days=60)
    assert not read_shortage(region.now).is_short
    morning(region.now)
    assert Appointment.objects.filter(need_id__in=needs, status="booked").count() == 40
    assert Appointment.objects.filter(day__gt=region.today).exists()


def test_the_mornings_work_calls_people_in(database: Database) -> None:
    region = _attacked()
    region.go_to(1)
    _waiting(region, 5)
    _confirm(region, 5)
    done = morning(region.now)
    booked = Appointment.objects.filter(status="booked", day=region.today).count()
    assert done.booking.booked + done.called.called == booked == 5
    assert (done.gate.reserved, done.gate.turned_away) == (5, 0)
    assert Notice.objects.filter(channel="text", kind="appointment_booked").count() == 5


def test_later_in_the_day_only_the_urgent_are_called(database: Database) -> None:
    region = _attacked()
    region.go_to(1)
    _waiting(region, 30, "SYMP")
    morning(region.now)
    region.go_to(1, hour=9)
    _confirm(region, 4)
    new = [region.need(region.person(), "2WW") for _ in range(6)]
    later = region.need(region.person(), "SYMP")
    done = urgent(region.now)
    assert done.called.called == done.gate.reserved == 4
    assert set(Appointment.objects.values_list("need_id", flat=True)) < set(new)
    assert all(need.review_on for need in Need.objects.filter(pk__in=new, status="waiting"))
    assert Need.objects.get(pk=later).reason == ""  # is looked at in the morning
    assert_sound()
