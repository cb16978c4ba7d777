"""Reading a problem: what is accepted, and what every error names."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from tourniquet.kernel.errors import UserError
from tourniquet.triage.reading import read_problem

FILES = {
    "horizon.csv": "days,tail_days\n3,2\n",
    "zones.csv": "zone,borough,x_km,y_km\nZ1,B,0,0\n",
    "clinics.csv": "clinic,zone,x_km,y_km\nC1,Z1,0,0.5\nC2,Z1,3,4\n",
    "seats.csv": "clinic,day,seats\nC1,0,1\nC1,9,1\n",
    "labs.csv": "lab,own\nL1,1\nL2,0\n",
    "lab_capacity.csv": "lab,discipline,day,tubes\nL1,chem,0,5\nL1,other,0,5\n",
    "couriers.csv": "clinic,lab,hours\nC1,L1,1.5\n",
    "needs.csv": (
        "need,patient,zone,indication,priority,released,due,safe_until,harm_per_day,escalates_on,"
        "escalated_harm_per_day,stability_hours,travel_km,booked_clinic,booked_day,tubes_chem,note\n"
        'N1,S1,Z1,SYMP,P2,-1,0,1,0.25,,0,24,5,,,1,"a, b"\n'
        "N2,S2,Z1,SYMP,P1,0,0,1,3,2,9,24,5,C2,1,0,\n"
    ),
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    return tmp_path


def test_a_whole_problem(folder: Path) -> None:
    problem = read_problem(folder)
    assert (problem.days, problem.tail_days) == (3, 2)
    assert problem.disciplines == ("chem",)
    assert problem.extra_columns == ("note",)
    first, second = problem.needs
    assert first.harm_per_day == Decimal("0.25")
    assert (first.released, first.escalates_on, first.booked_day) == (-1, None, None)
    assert first.extra == ("a, b",)
    assert (second.booked_clinic, second.booked_day, second.tubes) == ("C2", 1, (0,))


def test_bom_crlf_blank_lines_and_any_order(folder: Path) -> None:
    (folder / "seats.csv").write_bytes(b"\xef\xbb\xbfseats,extra,day,clinic\r\n\r\n1,x,0.0,C1\r\n")
    (folder / "needs.csv").write_bytes(FILES["needs.csv"].replace("\n", "\r\n").encode())
    problem = read_problem(folder)
    assert problem.seats == (("C1", 0, 1),)
    assert len(problem.needs) == 2


def test_no_needs(folder: Path) -> None:
    (folder / "needs.csv").write_text(FILES["needs.csv"].splitlines()[0], encoding="utf-8")
    assert read_problem(folder).needs == ()


@pytest.mark.parametrize(
    ("name", "old", "new", "where"),
    [
        ("horizon.csv", "3,2\n", "", "horizon.csv, line 2, column days"),
        ("horizon.csv", "3,2\n", "3,2\n4,2\n", "horizon.csv, line 3"),
        ("horizon.csv", "3,2", "0,2", "horizon.csv, line 2, column days"),
        ("horizon.csv", "3,2", "3,-1", "horizon.csv, line 2, column tail_days"),
        ("horizon.csv", "tail_days", "tail", "horizon.csv, line 1, column tail_days"),
        ("zones.csv", "Z1,B,0,0\n", "Z1,B,0,0\nZ1,B,1,1\n", "zones.csv, line 3, column zone"),
        ("zones.csv", "Z1,B,0,0", "Z1,B,nan,0", "zones.csv, line 2, column x_km"),
        ("zones.csv", "Z1,B,0,0", "Z1,B,0,1e999", "zones.csv, line 2, column y_km"),
        ("zones.csv", "Z1,B,0,0", ",B,0,0", "zones.csv, line 2, column zone"),
        ("clinics.csv", "C2,Z1", "C2,Z9", "clinics.csv, line 3, column zone"),
        ("clinics.csv", "C2,Z1,3,4", "C2,Z1,3", "clinics.csv, line 3, column y_km"),
        ("seats.csv", "C1,0,1", "C1,0,-1", "seats.csv, line 2, column seats"),
        ("seats.csv", "C1,0,1", "C1,-1,1", "seats.csv, line 2, column day"),
        ("seats.csv", "C1,0,1", "C1,0,1.5", "seats.csv, line 2, column seats"),
        ("seats.csv", "C1,9", "C1,0", "seats.csv, line 3, column day"),
        ("seats.csv", "C1,9", "C7,9", "seats.csv, line 3, column clinic"),
        ("labs.csv", "L2,0", "L2,2", "labs.csv, line 3, column own"),
        ("labs.csv", "L2,0", "L1,0", "labs.csv, line 3, column lab"),
        ("lab_capacity.csv", "L1,chem", "L9,chem", "lab_capacity.csv, line 2, column lab"),
        ("lab_capacity.csv", "L1,other", "L1,chem", "lab_capacity.csv, line 3, column day"),
        ("lab_capacity.csv", "chem,0,5", "chem,0,x", "lab_capacity.csv, line 2, column tubes"),
        ("couriers.csv", "1.5", "-1", "couriers.csv, line 2, column hours"),
        ("couriers.csv", "1.5", "inf", "couriers.csv, line 2, column hours"),
        ("couriers.csv", "C1,L1,1.5", "C1,L1,1.5,9", "couriers.csv, line 2"),
        ("needs.csv", "N2,", "N1,", "needs.csv, line 3, column need"),
        ("needs.csv", "P2", "P6", "needs.csv, line 2, column priority"),
        ("needs.csv", "P2,-1", "P2,", "needs.csv, line 2, column released"),
        ("needs.csv", "0.25", "-0.25", "needs.csv, line 2, column harm_per_day"),
        ("needs.csv", "N1,S1,Z1", "N1,S1,Z9", "needs.csv, line 2, column zone"),
        ("needs.csv", "C2,1,0", "C9,1,0", "needs.csv, line 3, column booked_clinic"),
        ("needs.csv", "C2,1,0", "C2,,0", "needs.csv, line 3, column booked_day"),
        ("needs.csv", "C2,1,0", "C2,1,-1", "needs.csv, line 3, column tubes_chem"),
        ("needs.csv", "C2,1,0", "C2,1,", "needs.csv, line 3, column tubes_chem"),
        ("needs.csv", "note", "need", "needs.csv, line 1, column need"),
        ("needs.csv", "stability_hours", "hours", "needs.csv, line 1, column stability_hours"),
        ("needs.csv", '"a, b"', '"a, b', "needs.csv, line 2"),
    ],
)
def test_an_error_names_file_line_and_column(
    folder: Path, name: str, old: str, new: str, where: str
) -> None:
    assert old in FILES[name]
    (folder / name).write_text(FILES[name].replace(old, new, 1), encoding="utf-8")
    with pytest.raises(UserError) as caught:
        read_problem(folder)
    assert caught.value.where == where
    assert caught.value.what
    assert caught.value.remedy
    assert "S1" not in str(caught.value)


@pytest.mark.parametrize("name", sorted(FILES))
def test_a_missing_or_empty_file(folder: Path, name: str) -> None:
    (folder / name).write_bytes(b"")
    with pytest.raises(UserError, match="empty") as caught:
        read_problem(folder)
    assert caught.value.where == f"{name}, line 1"
    (folder / name).unlink()
    with pytest.raises(UserError, match="missing") as caught:
        read_problem(folder)
    assert caught.value.where == name


def test_bytes_that_are_not_utf8(folder: Path) -> None:
    (folder / "labs.csv").write_bytes(b"lab,own\nL\xff,1\n")
    with pytest.raises(UserError, match="UTF-8") as caught:
        read_problem(folder)
    assert caught.value.where == "labs.csv, line 2"


def test_no_folder(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="not a folder"):
        read_problem(tmp_path / "nowhere")
