"""When an exercise says that there is history again: held against the desk's own pages."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.support.console import post, seed_region, seed_results
from tests.support.database import Database
from tests.support.desk import make_desk, serving, signed_in
from tests.support.sealing import seal
from tourniquet.exercise.known import Known, demand_history, find_known
from tourniquet.exercise.messages import ResultLine
from tourniquet.exercise.world import make_world
from tourniquet.kernel.errors import OperatorError
from tourniquet.pathology.desk_reading import DeskReading
from tourniquet.record.keys import read_root
from tourniquet.record.sealer import keys_folder

WORLD = make_world("june-2024", seed=7, people=1_000)
SOMEBODY = next(WORLD.all_people())


def line(name: str, value: str, unit: str) -> ResultLine:
    return ResultLine("", name, value, unit, "", "", numeric=True)


KNOWN = Known(SOMEBODY, (line("Potassium", "7.1", "mmol/L"), line("Haemoglobin", "129", "g/L")))


def page_of(folder: Path, patient: str) -> str:
    """A patient's history as the desk shows it."""
    desk = make_desk(folder)
    desk.unlock_with_root(read_root(keys_folder()), ("amara", "bola"))
    desk.follow()
    with serving(desk):
        rita = signed_in("rita")
        post(rita, f"/patients/{patient}/open/", {"reason": "treating"})
        return rita.get(f"/patients/{patient}/", {"all": "1"}).content.decode()


@pytest.fixture
def people(sqlite_database: Database) -> list[str]:
    """A small region with results of its first person, sealed."""
    people = seed_region()
    seed_results(0)
    seal()
    return people


def test_a_whole_history_with_the_known_results_is_one(people: list[str], tmp_path: Path) -> None:
    page = page_of(tmp_path / "desk", people[0])
    demand_history(page, KNOWN)
    for other in (line("Potassium", "7.2", "mmol/L"), line("Sodium", "7.1", "mmol/L")):
        with pytest.raises(OperatorError, match="does not show"):
            demand_history(page, Known(SOMEBODY, (*KNOWN.lines, other)))


def test_a_page_with_its_headings_alone_is_no_history(people: list[str], tmp_path: Path) -> None:
    page = page_of(tmp_path / "desk", people[1])
    assert "Blood group and antibodies" in page
    with pytest.raises(OperatorError, match="does not show Potassium"):
        demand_history(page, KNOWN)


def test_a_history_of_which_entries_do_not_open_is_none(
    people: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = DeskReading.read_entries

    def one_less(self: DeskReading, positions: Any) -> Any:  # Any: as it is handed on
        found, missing = read(self, positions)
        return found, missing + 1

    monkeypatch.setattr(DeskReading, "read_entries", one_less)
    page = page_of(tmp_path / "desk", people[0])
    assert "entries do not open" in page
    with pytest.raises(OperatorError, match="not complete"):
        demand_history(page, KNOWN)


def test_what_is_known_is_the_first_that_was_acknowledged() -> None:
    need = next(
        one
        for one in (WORLD.needs.row(number) for number in range(len(WORLD.needs)))
        if WORLD.person_of(one.number).nhs_number and not WORLD.person_of(one.number).died_on
    )
    known = find_known(WORLD, ["OEX1", f"X{need.key}.1", f"R{need.key}.1", "REX00000001.1"])
    assert known.person == WORLD.person_of(need.number)
    assert {one.code for one in known.lines} == {
        code for test in need.tests for code in WORLD.catalogue.tests[test].analytes
    }
    with pytest.raises(OperatorError, match="No result was reported"):
        find_known(WORLD, [f"X{need.key}.1", f"C{need.key}.1"])
