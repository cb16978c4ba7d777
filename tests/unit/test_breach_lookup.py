"""The lookup: what finding may know of an index, opened from its files."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.breach import LOOKUP, NUMBERS
from tourniquet.breach import lookup as module
from tourniquet.breach.index import provide_index
from tourniquet.breach.lookup import Lookup, open_lookup
from tourniquet.kernel.errors import UserError

PEOPLE = (
    "person,nhs_number,local_numbers,family_name,given_names,gp_practice\n"
    f"P1,{NUMBERS[0]},RJ1:K000001;RJZ:7000001,Smith,Mary Ann,G85001\n"
    f"P2,{NUMBERS[1]},RJ1:K000002,De Silva,Omar,\n"
)
ORGANISATIONS = (
    "ods_code,name,postcode,client_codes,email_domains\nrj1,North Hospital,,NRTH;N2,north.example\n"
)
TESTS = "code,name,category\nHIVAB,HIV 1+2 antigen and antibody,hiv\n"


def opened(folder: Path, organisations: str = ORGANISATIONS, tests: str = TESTS) -> Lookup:
    """A lookup from files with these texts."""
    for name, text in (("p.csv", PEOPLE), ("o.csv", organisations), ("t.csv", tests)):
        (folder / name).write_text(text, encoding="utf-8")
    index = provide_index(folder / "p.csv", folder / "index")
    return open_lookup(index, folder / "o.csv", folder / "t.csv")


def test_a_lookup_of_an_index(tmp_path: Path) -> None:
    found = opened(tmp_path)
    assert found.knows_number(NUMBERS[0])
    assert not found.knows_number(NUMBERS[2])
    assert found.count_local(["K000001", "7000001", "K000003"]) == 2
    assert found.family == {"SMITH": 1, "DE": 1, "SILVA": 1, "DESILVA": 1}
    assert set(found.given) == {"MARY", "ANN", "OMAR"}
    assert found.local_owner("K000009") == "RJ1"
    assert found.practices == {"G85001"}
    assert [test.category for test in found.tests] == ["hiv"]


@pytest.mark.parametrize("text", ["RJ1", "rj1", "NRTH", "North Hospital", "a@ward.north.example"])
def test_an_organisation_by_what_names_it(tmp_path: Path, text: str) -> None:
    owner = opened(tmp_path).organisation(text)
    assert owner is not None
    assert owner.code == "RJ1"


def test_two_owners_of_a_shape_need_a_hint() -> None:
    shared = module.make_lookup(local_numbers=[("RJ1", "1000001"), ("RJZ", "1000002")])
    assert shared.local_owner("1000003") == ""
    assert shared.local_owner("1000003", ["G85001", "RJZ"]) == "RJZ"
    assert shared.local_owner("2000003", ["RJZ"]) == ""


def test_an_empty_lookup_knows_nothing() -> None:
    nothing = Lookup()
    assert not nothing.knows_number(NUMBERS[0])
    assert nothing.count_local(["K000001"]) == 0
    assert nothing.organisation("RJ1") is None
    assert LOOKUP.organisation("nobody@else.example") is None


def test_files_that_are_not_right_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="does not name ods_code"):
        opened(tmp_path, organisations="code,name\nX,Y\n")
    with pytest.raises(UserError, match="can't be read"):
        opened(tmp_path, tests='code,name\n"open,x\n')


def test_rows_have_a_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ROWS_MOST", 1)
    opened(tmp_path)
    with pytest.raises(UserError, match="more than 1 rows"):
        opened(tmp_path, tests=f"{TESTS}FBC,Full blood count,\n")
