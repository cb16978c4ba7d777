"""Scenario, region, people, demand and truth of the exercise: seeded, stable, plausible."""

from __future__ import annotations

import itertools
from datetime import date

import numpy as np
import pytest

from tourniquet.diary.harm import NEVER, HarmTerms, harm_of, harm_of_all
from tourniquet.exercise import keyed, people, region, scenario, truth
from tourniquet.exercise.demand import NO_BOOKING
from tourniquet.exercise.world import World, make_world
from tourniquet.kernel.errors import OperatorError, UserError
from tourniquet.kernel.identifiers import NhsNumber, synthetic_nhs_numbers
from tourniquet.pathology import catalogue
from tourniquet.triage.problem import Need as PlannedNeed
from tourniquet.triage.rules import compute_harm

PEOPLE = 2_000


@pytest.fixture(scope="module")
def world() -> World:
    return make_world("june-2024", people=PEOPLE, seed=7)


def shipped(name: str) -> str:
    folder = scenario.resources.files("tourniquet.exercise").joinpath("scenarios")
    return folder.joinpath(name).read_text(encoding="utf-8")


class TestScenario:
    def test_capacity_is_as_published(self, world: World) -> None:
        rows = world.scenario.capacity
        assert [row.percent for row in rows] == [
            4, 10, 25, 40, 54, 54, 60, 70, 75, 80, 85, 100, 105, 110, 110, 110,
        ]  # fmt: skip
        assert [row.week for row in rows if row.flag == "anchor"] == [1, 2, 5, 12]
        assert all(row.source for row in rows)

    def test_bank_holidays_have_no_sessions(self, world: World) -> None:
        closed = world.scenario.day_of(date(2024, 8, 26))
        assert not world.scenario.is_open(closed)
        assert not world.scenario.is_open(-7)
        assert world.scenario.is_open(0)
        assert world.seats.on(closed).sum() == 0

    @pytest.mark.parametrize(
        ("old", "new", "where"),
        [
            ("percent = 4\n", 'percent = "4"\n', "capacity 1, percent"),
            ("\nweek = 2\n", "\nweek = 3\n", "capacity, week"),
            ("share = 0.17\n", "share = 0.27\n", "mix, share"),
            ('flag = "anchor"', 'flag = "guess"', "capacity 1, flag"),
            ("missed_share_urgent = 0.025", "missed_share_urgent = 2", "missed_share_urgent"),
            ("starts_on = 2024-06-03\n", "starts_on = 2024-06-04\n", "starts_on"),
        ],
    )
    def test_a_wrong_figure_is_named(self, old: str, new: str, where: str) -> None:
        text = shipped("june-2024.toml")
        assert old in text
        with pytest.raises(UserError) as caught:
            scenario.parse_scenario(text.replace(old, new, 1), file="x.toml")
        assert where in caught.value.where
        assert caught.value.where.startswith("x.toml")

    def test_an_unknown_scenario_is_refused(self) -> None:
        with pytest.raises(UserError):
            scenario.load_scenario("july-1924")


class TestCatalogue:
    def test_every_row_has_a_source_and_asks_for_sign_off(self) -> None:
        table = catalogue.load_catalogue()
        for row in (*table.indications.values(), *table.tests.values(), *table.critical_limits):
            assert row.source
            assert row.sign_off == "needs clinical sign-off"

    @pytest.mark.parametrize(
        ("analyte", "value", "age", "critical"),
        [
            ("K", 6.5, 50, False), ("K", 6.6, 50, True), ("K", 2.4, None, True),
            ("NA", 129, 50, False), ("NA", 129, 10, True), ("NA", 129, None, True),
            ("UREA", 30, 50, True), ("UREA", 29.9, 50, False), ("CRP", 300, 50, True),
            ("ALT", 676, 50, True), ("ALT", 675, 50, False), ("HB", 79, 50, True),
        ],
    )  # fmt: skip
    def test_critical_limits(
        self, analyte: str, value: float, age: int | None, *, critical: bool
    ) -> None:
        found = catalogue.load_catalogue().find_critical(
            analyte, value, age_years=age, upper_limit=45
        )
        assert (found is not None) is critical

    def test_a_test_that_does_not_exist_is_named(self) -> None:
        with pytest.raises(OperatorError) as caught:
            catalogue.parse_catalogue(indications="[[x]]", tests="[[test]]\ncode=1", critical="")
        assert "tests.toml" in caught.value.where


class TestPeople:
    def test_nhs_numbers_are_the_kernels_own(self) -> None:
        first = [number.digits for number in itertools.islice(synthetic_nhs_numbers(), 500)]
        valid = people.test_range_numbers()
        assert [str(number) for number in valid[:500]] == first
        assert len(valid) == 909_091

    def test_people_do_not_depend_on_how_many(self, world: World) -> None:
        few = list(people.people(world.region, 50, 7))
        assert few == list(itertools.islice(people.people(world.region, 9_000, 7), 50))
        assert few[17] == world.person(17)

    def test_numbers_are_valid_distinct_and_synthetic(self, world: World) -> None:
        everybody = list(world.all_people())
        assert len({person.nhs_number for person in everybody}) == PEOPLE
        for person in everybody[:200]:
            assert NhsNumber.parse(person.nhs_number).digits.startswith("999")
            assert person.phone == "" or person.phone.startswith(("07700 900", "020 7946 0"))
            assert person.email == "" or person.email.endswith("@example.org")
            assert (person.phone == "") is person.no_phone

    def test_beyond_the_range_there_is_a_local_number_only(self) -> None:
        assert people.find_nhs_number(909_091) == ""
        assert people.find_nhs_number(909_090) != ""

    def test_practices_can_be_imported(self) -> None:
        given = [region.ImportedPractice("A12345", "A Surgery", "SE5 1AA")]
        made = region.make_region(7, practices=given)
        assert [row.code for row in made.practices] == ["A12345"]
        assert made.practices[0].zone.startswith("SOU")
        with pytest.raises(UserError):
            region.make_region(7, practices=given * 2)


class TestRegion:
    def test_its_size(self, world: World) -> None:
        made = world.region
        assert (len(made.boroughs), len(made.zones), len(made.practices)) == (6, 36, 200)
        assert (len(made.clinics), len(made.hospitals), len(made.laboratories)) == (60, 6, 8)
        assert sum(laboratory.own for laboratory in made.laboratories) == 4

    def test_capacity_shares_add_up(self, world: World) -> None:
        for own in (True, False):
            shares: dict[str, float] = {}
            for laboratory in world.region.laboratories:
                for name, weight in laboratory.weights if laboratory.own is own else ():
                    shares[name] = shares.get(name, 0) + weight
            assert all(total == pytest.approx(1) for total in shares.values())


class TestDemand:
    def test_enough_is_asked_for(self) -> None:
        big = make_world("june-2024", people=20_000, seed=11)
        live = big.needs.released >= 0
        open_days = len(big.scenario.open_days(0, big.scenario.days - 1))
        assert big.needs.tubes[live].sum() / open_days / 20 >= 15
        assert 0.12 <= big.needs.urgent.mean() <= 0.18

    def test_pending_needs_are_booked_and_new_ones_are_not(self, world: World) -> None:
        needs = world.needs
        before = needs.released < 0
        assert (needs.booked_day[~before] == NO_BOOKING).all()
        booked = needs.booked_day[before]
        assert (booked[booked != NO_BOOKING] <= 27).all()
        assert (booked != NO_BOOKING).mean() > 0.95
        assert (needs.due >= needs.released).all()
        assert (np.diff(needs.released) >= 0).all()

    def test_seats_are_not_overbooked(self, world: World) -> None:
        needs = world.needs
        for day in world.scenario.open_days(-7, 27):
            taken = np.bincount(needs.booked_clinic[needs.booked_day == day], minlength=60)
            assert (taken <= world.seats.on(day)).all()

    def test_the_same_seed_gives_the_same_needs(self, world: World) -> None:
        again = make_world("june-2024", people=PEOPLE, seed=7).needs
        other = make_world("june-2024", people=PEOPLE, seed=8).needs
        assert (again.person == world.needs.person).all()
        assert len(other) != len(again) or (other.person != again.person).any()


class TestTruth:
    def test_confirmed_is_never_more_than_true_but_for_a_failure(self, world: World) -> None:
        capacity = world.truth.capacity
        over = capacity.confirmed > capacity.actual
        assert not (over & ~capacity.failed[:, None, :]).any()

    def test_forecast_differs_from_truth(self) -> None:
        capacity = make_world("june-2024", people=20_000, seed=7).truth.capacity
        told = sum(int(capacity.forecast(known_on=28, day=day).sum()) for day in range(28, 35))
        true = sum(int(capacity.actual_on(day).sum()) for day in range(28, 35))
        assert told != true
        assert 0.6 < told / true < 1.6

    def test_luck_does_not_depend_on_order(self, world: World) -> None:
        numbers = np.arange(40)
        together = world.truth.attends(world.needs, numbers, 3)
        alone = [bool(world.truth.attends(world.needs, numbers[n : n + 1], 3)[0]) for n in numbers]
        assert together.tolist() == alone

    def test_keyed_numbers_are_pinned(self) -> None:
        assert keyed.stream_key(7, "attendance") == keyed.stream_key(7, "attendance")
        numbers = keyed.uniform(7, "x", np.arange(20_000), 3)
        assert abs(float(numbers.mean()) - 0.5) < 0.01
        assert len(np.unique(numbers)) == 20_000

    def test_rounding_carries(self) -> None:
        exact = np.full((2, 1, 100), 0.25)
        whole = truth.carried(exact)
        assert set(whole.ravel().tolist()) == {0, 1}
        assert abs(int(whole[0].sum()) - 25) <= 1

    def test_results_have_units_ranges_and_stay_the_same(self, world: World) -> None:
        reason = world.catalogue.indications["SEPS"]
        lines = world.truth.results(5, reason, 40)
        assert lines == world.truth.results(5, reason, 40)
        assert len({line.code for line in lines}) == len(lines)
        assert all(line.unit and line.reference_range for line in lines)


def test_harm_agrees_with_the_planners(world: World) -> None:
    chance = keyed.generator(7, "test/harm")
    for _ in range(300):
        safe, served = int(chance.integers(-20, 40)), int(chance.integers(0, 60))
        escalates = None if chance.random() < 0.3 else int(chance.integers(-20, 50))
        day = None if served > 45 else served
        terms = HarmTerms(safe, 2.0, escalates, 0.5)
        need = PlannedNeed(
            need="n", patient="p", zone="z", indication="i", priority="P3", released=0, due=0,
            safe_until=safe, harm_per_day=2, escalates_on=escalates, escalated_harm_per_day=0.5,
            stability_hours=24, travel_km=5, booked_clinic="", booked_day=None, tubes=(1,),
        )  # fmt: skip
        ours = harm_of(terms, day, horizon_days=30, tail_days=12)
        assert ours == float(compute_harm(need, day, days=30, tail_days=12))
        many = harm_of_all(
            served_on=np.array([NEVER if day is None else day], dtype=np.int32),
            safe_until=np.array([safe], dtype=np.int32),
            harm_per_day=np.array([2.0]),
            escalates_on=np.array([NEVER if escalates is None else escalates], dtype=np.int32),
            escalated_harm_per_day=np.array([0.5]),
            end=42,
        )
        assert many[0] == ours
