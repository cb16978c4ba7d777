"""The desk's history is the tables': for random journals, row for row, patient by patient.

And whom its search finds is whom the console's finds.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.apps import apps
from django.db import DatabaseError, models

from tests.generative import test_replay
from tests.support.console import NOW, seed_region, seed_results
from tests.support.database import Database
from tests.support.desk import open_reading, scratch
from tests.support.sealing import seal
from tourniquet.directory.roles import SYSTEM_VIEWER
from tourniquet.flows.merge import merge_patients
from tourniquet.kernel.errors import TourniquetError
from tourniquet.pathology.desk_history import Histories
from tourniquet.patients.index import Index
from tourniquet.patients.models import Identifier, Patient
from tourniquet.patients.queries import Wanted, search_patients
from tourniquet.patients.rules import MERGED
from tourniquet.record.journal import Act, writing
from tourniquet.record.registry import Body, list_kinds

_FAMILIES = ("patient", "order", "specimen", "report", "call")
_BY_FLOWS = ("patient.registered", "patient.merged", "history.moved")
_ABOUT_NOBODY = ("NumberRange", "DeskBook")
_IDS = ("id", "report", "call")
PEOPLE, ENTRIES, MERGES = 12, 700, 4
_PARENTS = {"report_id": "DiagnosticReport", "specimen_id": "Specimen", "call_id": "CriticalCall"}


def write_random(people: list[str], chance: random.Random) -> int:
    """Entries of every kind that a history is made of, each patient with ids of their own."""
    kinds = [
        kind
        for kind in list_kinds()
        if kind.name.partition(".")[0] in _FAMILIES and kind.name not in _BY_FLOWS
    ]
    kept, pool, text = 0, test_replay.POOL, test_replay._text
    own = lambda name, chance: (  # noqa: E731 (an id names nobody else's row, as in a real journal)
        chance.choice(test_replay.POOL) if name in _IDS else text(name, chance)
    )
    test_replay._text = own
    try:
        for number in range(ENTRIES):
            patient = chance.choice(people)
            test_replay.POOL = [f"{patient}-{at}" for at in range(5)]
            kind = kinds[number % len(kinds)]
            body = test_replay._body(kind.body, chance)
            assert isinstance(body, Body)
            with writing(Act("tester", NOW + timedelta(seconds=number))) as journal:
                try:
                    with journal.savepoint():
                        journal.append(body, subject=patient)
                    kept += 1
                except (DatabaseError, TourniquetError):
                    continue
    finally:
        test_replay.POOL, test_replay._text = pool, text
    return kept


def merge_some(people: list[str], chance: random.Random) -> None:
    """Merge people into others, some of them in a chain."""
    for gone in people[:MERGES]:
        stays = chance.choice(people[people.index(gone) + 1 :])
        act = Act("tester", NOW + timedelta(hours=1))
        with writing(act) as journal:
            merge_patients(
                journal, Index(), gone=gone, stays=stays, comment="", cause=None, act=act
            )


def rows_about(patient: str) -> dict[str, list[tuple[Any, ...]]]:
    """Every row about one patient in the database at hand, by table."""
    found = {}
    parents: dict[str, set[Any]] = {}
    clinical = [apps.get_model("patients", "Patient"), apps.get_model("patients", "Identifier")]
    clinical += [
        model
        for model in apps.get_app_config("pathology").get_models()
        if model.__name__ not in _ABOUT_NOBODY
    ]
    for model in sorted(clinical, key=lambda one: one.__name__ not in _PARENTS.values()):
        names = [field.attname for field in model._meta.concrete_fields]
        rows = model._default_manager.all()
        if model is Patient:
            rows = rows.filter(id=patient)
        elif "patient_id" in names:
            rows = rows.filter(patient_id=patient)
        else:
            rows = rows.filter(_of_parents(names, parents))
        found[model.__name__] = sorted(rows.values_list(*names), key=repr)
        if model.__name__ in _PARENTS.values():
            parents[model.__name__] = set(rows.values_list("id", flat=True))
    return found


def _of_parents(names: list[str], parents: dict[str, set[Any]]) -> models.Q:
    (column,) = [name for name in _PARENTS if name in names]
    return models.Q(**{f"{column}__in": parents[_PARENTS[column]]})


def wanted_ways(chance: random.Random) -> Iterator[Wanted]:
    """Searches: by numbers that somebody has, by parts of names, by nothing."""
    for person in Patient.objects.order_by("id"):
        family = person.family_name[: chance.randrange(1, 6)]
        yield Wanted(family_name=family)
        yield Wanted(family_name=person.family_name, birth_date=person.birth_date)
        yield Wanted(family_name=family, given_names=person.given_names[:2].upper())
    for value in Identifier.objects.values_list("value", flat=True).distinct():
        yield Wanted(number=value)
        yield Wanted(number=f" {value[:3]} {value[3:]}", family_name="x")
    yield Wanted()


def test_a_history_at_the_desk_is_that_of_the_tables(
    database: Database, tmp_path: Path, seed: int
) -> None:
    chance = random.Random(seed)
    people = seed_region(people=PEOPLE)
    seed_results(0)
    assert write_random(people, chance) > ENTRIES / 4
    merge_some(people, chance)
    write_random(people[MERGES:], chance)
    seal()
    alive = [row.id for row in Patient.objects.exclude(state=MERGED)]
    tables = {patient: rows_about(patient) for patient in alive}
    assert any(rows["Observation"] for rows in tables.values())
    found = {
        wanted: [one.id for one in search_patients(wanted, viewer=SYSTEM_VIEWER, limit=200)]
        for wanted in wanted_ways(chance)
    }
    reading = open_reading(tmp_path / "desk")
    reading.follow()
    histories = Histories(reading)
    with scratch():
        for patient in alive:
            opened = histories.open(patient)
            assert (opened.missing, opened.erased) == (0, 0)
            assert rows_about(patient) == tables[patient]
    index = reading.index
    assert {wanted: [one.id for one in index.search(wanted)] for wanted in found} == found
    assert reading.standing.people == len(alive)
    for patient in people:
        survivor = index.find(patient)
        assert survivor is not None
        assert survivor.id in alive
