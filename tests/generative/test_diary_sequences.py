"""Random days of a region, on both databases: what must hold, holds after each of them.

The rules are those of `assert_sound` (no seat overbooked, the gate within capacity and stability,
one live appointment a need) and, after a morning's work: whoever waits has a review day to come,
within 14 days. At the end a replay gives the same tables.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import timedelta

import pytest

from tests.flows.test_diary_stories import assert_sound
from tests.support.database import Database, Databases
from tests.support.golden_diary import plan_and_adopt
from tests.support.replaying import assert_replay_equal
from tests.support.small_region import SmallRegion, set_up

DAYS = 9
INDICATIONS = ("AKI", "SEPS", "NEO", "2WW", "INR-U", "CHEMO", "TX", "CKD", "A1C-M", "VITD", "SYMP")


def _orders(region: SmallRegion, chance: random.Random) -> None:
    for _ in range(chance.randrange(0, 9)):
        region.need(
            region.person(phone=chance.choice(("", "07700 900000"))),
            chance.choice(INDICATIONS),
            in_days=chance.choice((0, 0, 0, 1, 3, 9, 20)),
            zone=chance.choice(("Z1", "Z2", "nowhere")),
        )


def _capacity(region: SmallRegion, chance: random.Random) -> None:
    region.capacity(
        chance.choice((0, 1, 2, 5, 30)),
        days=chance.choice((1, 1, 7, 30)),
        flag=chance.choice(("declared", "confirmed")),
        laboratories=chance.choice((("LAB1",), ("LAB2",), ("LAB1", "LAB2"))),
    )


def _collect(region: SmallRegion, chance: random.Random) -> None:
    from tourniquet.diary.models import GateReservation, Need
    from tourniquet.flows.record_collection import record_collection
    from tourniquet.record.journal import writing

    rows = GateReservation.objects.filter(day=region.today, status="reserved").order_by("pk")
    for row in rows:
        if chance.random() < 0.8:
            need = Need.objects.get(pk=row.need_id)
            with writing(region.act()) as journal:
                record_collection(
                    journal,
                    patient_id=need.patient_id,
                    requisition=need.requisition,
                    collected_at=region.now,
                    clinic=row.clinic,
                    cause=None,
                    ids=region.ids,
                )


def _withdraw(region: SmallRegion, chance: random.Random) -> None:
    from tourniquet.diary.models import Need
    from tourniquet.flows.open_need import withdraw_need
    from tourniquet.record.journal import writing

    rows = list(Need.objects.filter(status__in=("waiting", "booked")).order_by("id"))
    for need in chance.sample(rows, min(2, len(rows))):
        with writing(region.act()) as journal:
            withdraw_need(
                journal,
                patient_id=need.patient_id,
                requisition=need.requisition,
                reason="not needed",
                cause=None,
            )


def _plan(region: SmallRegion, chance: random.Random) -> None:
    world_moves: Callable[[SmallRegion, str], None] | None = None
    if chance.random() < 0.5:

        def world_moves(region: SmallRegion, plan: str) -> None:
            del plan
            _withdraw(region, chance)
            _capacity(region, chance)

    plan_and_adopt(region, between_proposal_and_adoption=world_moves)


def _urgent(region: SmallRegion, chance: random.Random) -> None:
    from tourniquet.flows.daily_work import urgent

    _orders(region, chance)
    urgent(region.now)


STEPS = (_orders, _capacity, _collect, _withdraw, _plan, _urgent)


def assert_everybody_has_a_word(region: SmallRegion) -> None:
    """After a morning's work."""
    from tourniquet.diary.models import Need

    last = region.today + timedelta(days=14)
    for need in Need.objects.filter(status="waiting"):
        assert need.review_on is not None
        assert need.review_on > region.today, (need.indication, need.reason)
        assert need.review_on <= max(last, need.released), (need.indication, need.reason)


@pytest.mark.parametrize("round_", range(3))
def test_random_days_keep_the_rules(
    database: Database, databases: Databases, seed: int, round_: int
) -> None:
    from tourniquet.flows.daily_work import evening, morning

    chance = random.Random(seed + round_)
    region = set_up(seats=chance.choice((1, 3, 12)))
    for day in range(DAYS):
        region.go_to(day)
        if day == 2:
            region.declare()
        _orders(region, chance)
        morning(region.now)
        assert_sound()
        assert_everybody_has_a_word(region)
        hour = 9
        for step in chance.sample(STEPS, 3):
            region.go_to(day, hour)
            step(region, chance)
            assert_sound()
            hour += 1
        evening(region.go_to(day, 18))
        assert_sound()
    assert_replay_equal(databases, database)
