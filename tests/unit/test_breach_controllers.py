"""Whose a fragment is: the order of evidence, conflicts, and where each was seen."""

from __future__ import annotations

import pytest

from tests.support.breach import CONTENT, LOOKUP
from tourniquet.breach.controllers import Step, controller_of, path_hints
from tourniquet.breach.fragments import Field, FieldKind, Fragment

ORGANISATION, LOCAL, EMAIL = FieldKind.ORGANISATION, FieldKind.LOCAL_NUMBER, FieldKind.EMAIL


def fragment(*fields: tuple[FieldKind, str]) -> Fragment:
    """A fragment of these values, in columns A, B …"""
    told = tuple(Field(kind, value, value, "ABC"[at]) for at, (kind, value) in enumerate(fields))
    return Fragment(CONTENT, 0, "row 1", "row", told)


CASES = [  # fields, path, practice; controller and the step that decided
    ([(ORGANISATION, "RJ1")], "", "", "RJ1", Step.CODE),
    ([(ORGANISATION, "SOUT")], "", "", "RJZ", Step.CODE),
    ([(ORGANISATION, "RJ1"), (LOCAL, "RJZ:7000001")], "", "", "RJ1", Step.CODE),
    ([(ORGANISATION, "RJ1"), (ORGANISATION, "RJZ")], "RJ1/a.csv", "", "", Step.CODE),
    ([(ORGANISATION, "ZZ99")], "", "G85001", "G85001", Step.PRACTICE),
    ([(ORGANISATION, "OAK7")], "RJ1/a.csv", "G85001", "", Step.PATH),  # somebody else's client
    ([(LOCAL, "RJZ:7000001")], "RJ1/list.csv", "", "RJZ", Step.NUMBER),
    ([(LOCAL, ":123")], "RJ1/list.csv", "", "RJ1", Step.PATH),
    ([(EMAIL, "ward@south.example")], "RJ1/list.csv", "", "RJZ", Step.DOMAIN),
    ([], "Clients/South Hospital/x.csv", "G85001", "RJZ", Step.PATH),
    ([], "RJ1 North Hospital/Elm Surgery/x.csv", "", "G85001", Step.PATH),
    ([], "temp/x.csv", "G85001", "G85001", Step.PRACTICE),
    ([], "temp/x.csv", "", "", None),
]


@pytest.mark.parametrize(("fields", "path", "practice", "controller", "step"), CASES)
def test_the_strongest_evidence_decides(
    fields: list[tuple[FieldKind, str]],
    path: str,
    practice: str,
    controller: str,
    step: Step | None,
) -> None:
    found = controller_of(fragment(*fields), LOOKUP, paths=[path], practice=practice)
    assert found.controller == controller
    assert bool(found.why) == (not controller)
    if step is not None:
        assert found.evidence[0].step == step


def test_evidence_says_where_it_was_seen() -> None:
    found = controller_of(
        fragment((ORGANISATION, "RJ1")), LOOKUP, paths=["South Hospital/x.csv"], practice="G85001"
    )
    assert [(one.controller, one.where) for one in found.evidence] == [
        ("RJ1", "A"),
        ("RJZ", "path"),
        ("G85001", "index"),
    ]


def test_two_paths_that_disagree_decide_nothing() -> None:
    found = controller_of(fragment(), LOOKUP, paths=["RJ1/a.csv", "RJZ/a.csv"])
    assert (found.controller, found.why) == ("", "path: RJ1 and RJZ")


def test_the_innermost_folder_comes_first() -> None:
    assert path_hints("RJ1/NRTH/old.zip!/SOUT_list.csv", LOOKUP) == ("RJZ", "RJ1")
