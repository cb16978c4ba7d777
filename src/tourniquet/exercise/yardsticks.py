"""What stands beside Tourniquet's run: two other policies and the proven bound.

Pure, and without Django, so that another process can compute it while the days are played.
"""

from __future__ import annotations

from tourniquet.exercise.bound import Bound, lower_bound
from tourniquet.exercise.competitors import strict_priority, what_happened
from tourniquet.exercise.outcome import Outcome
from tourniquet.exercise.world import make_world


def measure_others(scenario: str, seed: int, people: int) -> tuple[Outcome, Outcome, Bound]:
    """The policies beside ours, and the bound; pure, so another process can do it."""
    world = make_world(scenario, seed=seed, people=people)
    parts = (world.region, world.needs, world.seats, world.truth)
    return (
        what_happened(*parts),
        strict_priority(*parts, people=people),
        lower_bound(world.needs, world.seats, world.truth),
    )
