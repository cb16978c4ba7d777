"""unit: the simulation of people who read records, and the ceilings that judge them."""

from __future__ import annotations

import pytest

from tourniquet.directory.roles import Role
from tourniquet.exercise.readers import EXPORT_PAGE, ROLES, simulate
from tourniquet.patients.ceilings import DEFAULT_CEILINGS, DEFAULT_LIMITS, Numbers

SEEDS = range(1, 6)


def test_the_region_has_two_thousand_people() -> None:
    assert sum(staff.people for staff in ROLES) == 2000


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("incidents", [1, 6])
def test_at_most_one_false_alarm_a_week(seed: int, incidents: int) -> None:
    outcome = simulate(seed=seed, incidents=incidents, snooper_runs=1)
    assert outcome.people == 2000
    assert outcome.false_alarms_a_week <= 1, outcome


def test_false_alarms_are_seen_where_ceilings_are_too_low() -> None:
    """The simulation can say no: half the ceilings alarm somebody nearly every day."""
    half = Numbers({role: most // 2 for role, most in DEFAULT_CEILINGS.by_role.items()})
    assert simulate(seed=1, ceilings=half, snooper_runs=1).false_alarms_a_week > 5


def test_who_browses_gives_too_many_reasons() -> None:
    caught = {one.name: one for one in simulate(seed=1, weeks=4).caught}
    browses = next(one for name, one in caught.items() if name.startswith("browses"))
    assert (browses.caught, browses.day_median) == (browses.runs, 1)


def test_who_trawls_is_caught_on_the_first_day_and_names_in_the_news_by_canaries() -> None:
    caught = {one.name: one for one in simulate(seed=1, weeks=4).caught}
    trawls = next(one for name, one in caught.items() if name.startswith("trawls"))
    news = next(one for name, one in caught.items() if "news" in name)
    assert (trawls.caught, trawls.day_median) == (trawls.runs, 1)
    assert news.caught > 0.9 * news.runs
    assert news.day_median is not None
    assert news.day_median <= 5


def test_who_stays_below_every_ceiling_is_not_caught_by_them() -> None:
    """Said openly: for these there are reasons, the access page, and the patient's question."""
    caught = {one.name: one for one in simulate(seed=1, weeks=4).caught}
    neighbour = next(one for name, one in caught.items() if "neighbour" in name)
    assert neighbour.caught < 0.1 * neighbour.runs


def test_a_bulk_exporter_is_stopped_at_the_limit() -> None:
    outcome = simulate(seed=1, weeks=4)
    assert (
        outcome.export_taken
        <= DEFAULT_LIMITS.of("", Role.HOSPITAL)
        < outcome.export_taken + EXPORT_PAGE
    )


def test_the_same_seed_gives_the_same_weeks() -> None:
    assert simulate(seed=3, weeks=8) == simulate(seed=3, weeks=8)
    assert simulate(seed=3, weeks=8) != simulate(seed=4, weeks=8)
