"""flows: what a laboratory has left this morning is filled with people who can come today."""

from __future__ import annotations

from collections import Counter
from datetime import date, timedelta

from tests.flows.test_diary_stories import assert_sound
from tests.support.database import Database, Databases
from tests.support.replaying import assert_replay_equal
from tests.support.small_region import SmallRegion, set_up
from tourniquet.diary.models import Appointment, LaboratoryDay, Need
from tourniquet.diary.rules import parse_tubes
from tourniquet.flows.book_needs import book_needs
from tourniquet.flows.call_in import REASON, call_in
from tourniquet.flows.daily_work import morning
from tourniquet.flows.open_gate import open_gate
from tourniquet.flows.tell_people import tell_people
from tourniquet.notices.models import Notice
from tourniquet.record.models import JournalEntry


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
    days = _book_later(region)
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


def _book_later(region: SmallRegion) -> dict[str, date]:
    """Put a plan into effect; the day of each need."""
    from tests.flows.test_diary_stories import _adopt

    _adopt(region)
    return dict(Appointment.objects.filter(status="booked").values_list("need_id", "day"))


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
