"""Emptied journal and emptied tables agree: whoever is taken out of whichever history."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from tests.support.database import Database, Databases
from tests.support.erasing import empty_somebody, list_persons
from tests.support.golden import tell_intake
from tests.support.golden_access import tell_access
from tests.support.golden_diary import tell_diary
from tests.support.replaying import assert_replay_equal


def tell_care() -> None:
    """Patients, pathology, and who read them."""
    tell_intake()
    tell_access()


@pytest.mark.parametrize("share", [0.3, 1.0])
@pytest.mark.parametrize("story", [tell_care, tell_diary])
def test_a_replay_gives_what_is_left(
    databases: Databases,
    database: Database,
    seed: int,
    story: Callable[[], None],
    share: float,
) -> None:
    chance = random.Random(seed)
    story()
    persons = list_persons()
    for person in persons:
        if chance.random() < share:
            emptied = empty_somebody(chance.choice(person))
            assert emptied.people == person
            assert emptied.entries > 0
    assert_replay_equal(databases, database)
