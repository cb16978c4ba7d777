"""The gate's rule: who passes where, as tables."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

from tourniquet.diary.rules import Comer, Left, pass_gate

DUE = date(2024, 6, 10)
NEED = Comer(
    "A1", "N1", "P1", "CLIN", "SMALL", (("haematology", 1),), 24.0, 0.5, "P2", DUE
)  # fmt: skip
BLOOD = replace(
    NEED, appointment="A2", laboratory="WIDE", tubes=(("haematology", 1), ("transfusion", 1))
)
APART = {"A1": "SMALL", "A2": "WIDE"}
ROUTES = {"CLIN": [(1.0, "WIDE"), (2.0, "SMALL")]}


def _left(wide: int = 1, small: int = 1) -> Left:
    return Left(
        {("WIDE", "haematology"): wide, ("WIDE", "transfusion"): 1, ("SMALL", "haematology"): small}
    )


def test_where_all_fit_as_booked_they_go_there() -> None:
    left = _left()
    here = replace(NEED, laboratory="WIDE")
    there = replace(BLOOD, laboratory="WIDE")
    assert [one.laboratory for one in pass_gate([here], left, ROUTES)] == ["WIDE"]
    assert left.tubes["WIDE", "haematology"] == 0
    passed = pass_gate([NEED, there], _left(), ROUTES)
    assert {one.comer.appointment: one.laboratory for one in passed} == {
        "A1": "SMALL",
        "A2": "WIDE",
    }


def test_where_not_all_fit_the_narrow_laboratory_is_taken_first() -> None:
    both = [replace(NEED, laboratory="WIDE"), BLOOD]
    passed = pass_gate(both, _left(), ROUTES)
    assert {one.comer.appointment: one.laboratory for one in passed} == {
        "A1": "SMALL",
        "A2": "WIDE",
    }
    assert all(one.is_reserved for one in passed)


def test_trying_as_booked_uses_nothing_up_where_somebody_does_not_fit() -> None:
    left = _left(wide=1, small=0)
    passed = pass_gate([NEED, BLOOD], left, ROUTES)
    assert [one.is_reserved for one in passed] == [True, False]
    assert passed[1].reason == "no laboratory can take the specimens today"
    assert left.tubes == {
        ("WIDE", "haematology"): 0, ("WIDE", "transfusion"): 1, ("SMALL", "haematology"): 0
    }  # fmt: skip


def test_what_is_too_old_on_arrival_is_not_passed_as_booked() -> None:
    old = replace(NEED, stability_hours=3.0)
    assert [one.laboratory for one in pass_gate([old], _left(), ROUTES)] == ["WIDE"]
    older = replace(NEED, stability_hours=2.0)
    refused = pass_gate([older], _left(), ROUTES)[0]
    assert (refused.laboratory, refused.reason) == ("", "specimens would be too old on arrival")
