"""One exercise's world: everything made from scenario, seed and number of people, in one place."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tourniquet.exercise.demand import Needs, Seats, make_needs, make_seats
from tourniquet.exercise.people import Columns, Person, columns, person_at
from tourniquet.exercise.region import ImportedPractice, Region, make_region
from tourniquet.exercise.scenario import Scenario, load_scenario
from tourniquet.exercise.truth import Truth, make_truth
from tourniquet.pathology.catalogue import Catalogue, load_catalogue


@dataclass(frozen=True)
class World:
    """What there is and what will happen. Only the driver and the scorer know all of it."""

    scenario: Scenario
    seed: int
    people: int
    catalogue: Catalogue
    region: Region
    table: Columns
    needs: Needs
    seats: Seats
    truth: Truth

    def person_of(self, need: int) -> Person:
        """The person who has a need."""
        return person_at(self.region, self.table, int(self.needs.person[need]))

    def ages(self) -> NDArray[np.float64]:
        """Ages in years on the first day."""
        return self.table.age_years()


def make_world(
    scenario_name: str, *, seed: int, people: int, practices: tuple[ImportedPractice, ...] = ()
) -> World:
    """Make the world. Raises: UserError for a scenario that there is not."""
    scenario = load_scenario(scenario_name)
    catalogue = load_catalogue()
    region = make_region(seed, practices=practices)
    table = columns(region, people, seed)
    return World(
        scenario=scenario,
        seed=seed,
        people=people,
        catalogue=catalogue,
        region=region,
        table=table,
        needs=make_needs(scenario, catalogue, region, table, seed),
        seats=make_seats(scenario, catalogue, region, people),
        truth=make_truth(scenario, catalogue, region, people=people, seed=seed),
    )
