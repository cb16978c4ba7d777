"""Everything of one exercise before it begins: scenario, region, people, needs, seats, truth.

world = make_world("june-2024", people=20_000, seed=7)
world.needs.by_release_day[3]         # numbers of the needs that become known on day 3
world.needs.row(17)                   # one need as a value
world.person(world.needs.person[17])  # the person who has it
world.truth.capacity.confirmed_on(3)  # laboratories by disciplines, that morning
world.truth.attends(world.needs, numbers, 3)
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tourniquet.exercise.demand import Needs, Seats, make_needs, make_seats
from tourniquet.exercise.people import Columns, Person, columns, people, person_at
from tourniquet.exercise.region import ImportedPractice, Region, make_region
from tourniquet.exercise.scenario import Scenario, load_scenario
from tourniquet.exercise.truth import Truth, make_truth
from tourniquet.kernel.errors import UserError
from tourniquet.pathology.catalogue import Catalogue, load_catalogue

PEOPLE_LEAST, PEOPLE_MOST = 1_000, 2_000_000


@dataclass(frozen=True)
class World:
    """One exercise before it begins."""

    scenario: Scenario
    catalogue: Catalogue
    region: Region
    seed: int
    people: int
    table: Columns
    needs: Needs
    seats: Seats
    truth: Truth

    def person(self, number: int) -> Person:
        """One person."""
        return person_at(self.region, self.table, int(number))

    def person_of(self, need: int) -> Person:
        """The person who has a need."""
        return self.person(int(self.needs.person[need]))

    def all_people(self) -> Iterator[Person]:
        """Everybody, streaming."""
        return people(self.region, self.people, self.seed)


def make_world(
    scenario_name: str, *, people: int, seed: int, practices: Sequence[ImportedPractice] = ()
) -> World:
    """Make the world of an exercise.

    Raises: UserError for an unknown scenario or a number of people out of bounds.
    """
    if not PEOPLE_LEAST <= people <= PEOPLE_MOST:
        raise UserError(
            f"An exercise has from {PEOPLE_LEAST:,} to {PEOPLE_MOST:,} people.", where="--people"
        )
    scenario, catalogue = load_scenario(scenario_name), load_catalogue()
    region = make_region(seed, practices=practices)
    table = columns(region, people, seed)
    return World(
        scenario=scenario,
        catalogue=catalogue,
        region=region,
        seed=seed,
        people=people,
        table=table,
        needs=make_needs(scenario, catalogue, region, table, seed),
        seats=make_seats(scenario, catalogue, region, people),
        truth=make_truth(scenario, catalogue, region, people=people, seed=seed),
    )
