"""The patient index of a review: who is in it, in which form, and who is left out and named."""

from __future__ import annotations

from pathlib import Path
from string import digits
from typing import Any

import duckdb
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tourniquet.breach import canonical
from tourniquet.breach.index import COLUMNS, Index, LeftOut, provide_index
from tourniquet.kernel.errors import UserError
from tourniquet.kernel.identifiers import synthetic_nhs_numbers

NUMBERS = [number.digits for number, _ in zip(synthetic_nhs_numbers(), range(9), strict=False)]


def write(folder: Path, *rows: dict[str, str], extra: str = "") -> Path:
    """A file of people, each row with the columns that it names."""
    file = folder / "people.csv"
    lines = [",".join(COLUMNS)]
    lines += [",".join(f'"{row.get(name, "")}"' for name in COLUMNS) for row in rows]
    file.write_text("\n".join(lines) + "\n" + extra, encoding="utf-8")
    return file


def rows(file: Path) -> list[dict[str, Any]]:
    """A Parquet file's rows."""
    return duckdb.read_parquet(str(file)).to_arrow_table().to_pylist()


def index_of(folder: Path, *people: dict[str, str]) -> Index:
    """An index of these people."""
    return provide_index(write(folder, *people), folder / "index")


def test_a_person_in_one_form(tmp_path: Path) -> None:
    index = index_of(
        tmp_path,
        {
            "person": "K1",
            "nhs_number": f"{NUMBERS[0][:3]} {NUMBERS[0][3:6]} {NUMBERS[0][6:]}",
            "local_numbers": "RJ1:123 4567;RJZ:k445566",
            "family_name": "O'Neill-Śmith",
            "given_names": "Anne-Marie José",
            "previous_family_name": "De Souza",
            "birth_date": "1945-07-14",
            "sex": "F",
            "address": "Flat 2, 10a Linden Street, Lewisham",
            "postcode": "se16ba",
            "phone": "+44 7700 900161; n/a",
            "email": "Anne@Example.org",
            "gp_practice": "x99137",
            "superseded_nhs_numbers": f"{NUMBERS[1]};{NUMBERS[2]}",
        },
    )

    person = rows(index.people)[0]
    assert person["nhs"] == int(NUMBERS[0])
    assert (person["family"], person["family_words"]) == ("ONEILLSMITH", ["ONEILL", "SMITH"])
    assert person["given_words"] == ["ANNE", "MARIE", "JOSE"]
    assert (person["previous"], person["first_given"]) == ("DESOUZA", "ANNE")
    assert (person["birth"].isoformat(), person["sex"]) == ("1945-07-14", "female")
    assert (person["postcode"], person["phones"]) == ("SE1 6BA", ["07700900161"])
    assert (person["email"], person["practice"]) == ("anne@example.org", "X99137")
    assert [(one["nhs"], one["is_superseded"]) for one in rows(index.numbers)] == [
        (int(NUMBERS[0]), False),
        (int(NUMBERS[1]), True),
        (int(NUMBERS[2]), True),
    ]
    assert [(one["organisation"], one["number"]) for one in rows(index.local_numbers)] == [
        ("RJ1", "1234567"),
        ("RJZ", "K445566"),
    ]
    assert index.known_numbers().tolist() == [int(one) for one in NUMBERS[:3]]
    assert index.left_out() == []
    assert index.summary.people == 1


def test_frequencies_of_names_count_people(tmp_path: Path) -> None:
    index = index_of(
        tmp_path,
        {"person": "1", "family_name": "Smith", "given_names": "Ann Ann"},
        {"person": "2", "family_name": "SMITH-JONES", "previous_family_name": "Smith"},
    )

    names = {(one["kind"], one["name"]): one["people"] for one in rows(index.names)}
    assert names == {
        ("family", "SMITH"): 2,
        ("family", "JONES"): 1,
        ("family", "SMITHJONES"): 1,
        ("given", "ANN"): 1,
    }


def test_who_is_left_out_is_named(tmp_path: Path) -> None:
    file = write(
        tmp_path,
        {"person": "1", "nhs_number": "9990000019", "birth_date": "14/07/1945"},
        {"person": "", "family_name": "Nobody"},
        {"person": "1", "family_name": "Again"},
        {"person": "2", "nhs_number": NUMBERS[0], "died_on": "soon"},
        extra="3,too,few\n",
    )

    index = provide_index(file, tmp_path / "index")

    assert [one["person"] for one in rows(index.people)] == ["1", "2"]
    assert index.left_out() == [
        LeftOut("line 6", "family_name", "missing columns"),
        LeftOut("row 2", "person", "it has no key"),
        LeftOut("row 3", "person", "its key came before"),
        LeftOut("person 1", "nhs_number", "it is no NHS number"),
        LeftOut("person 1", "birth_date", "it is no date as YYYY-MM-DD"),
        LeftOut("person 2", "died_on", "it is no date as YYYY-MM-DD"),
    ]
    assert index.summary.left_out == 6


def test_a_row_that_is_not_utf_8_is_named(tmp_path: Path) -> None:
    file = tmp_path / "people.csv"
    file.write_bytes(b"person,family_name\n1,Smith\n2,M\xfcller\n3,Jones\n")

    index = provide_index(file, tmp_path / "index")

    assert [one["family"] for one in rows(index.people)] == ["SMITH", "JONES"]
    assert [one.where for one in index.left_out()] == ["line 3"]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"name,age\n1,2\n", "does not name the columns"),
        (b"", "does not name the columns"),
        (b"person,person\n1,2\n", "does not name the columns"),
        (b"person,family_name\n", "names nobody"),
        (b'person,family_name\n1,Smith\n2,"Jones\n3,Brown\n', "opened and not closed"),
    ],
)
def test_a_file_that_is_none_is_refused(tmp_path: Path, content: bytes, says: str) -> None:
    file = tmp_path / "people.csv"
    file.write_bytes(content)

    with pytest.raises(UserError, match=says):
        provide_index(file, tmp_path / "index")
    assert not list((tmp_path / "index").glob("*[!t]/index.json"))


def test_it_is_made_once_and_again_after_a_kill(tmp_path: Path) -> None:
    file = write(tmp_path, {"person": "1"})
    first = provide_index(file, tmp_path / "index")
    made = first.people.stat().st_mtime_ns

    assert provide_index(file, tmp_path / "index").people.stat().st_mtime_ns == made
    (first.folder / "index.json").unlink()  # as it is before all is written
    assert provide_index(file, tmp_path / "index").summary == first.summary


texts = st.text(st.sampled_from(f"{digits} +-()SEWGIR abZ16."), max_size=16)


@given(st.lists(st.one_of(texts, st.sampled_from(NUMBERS)), min_size=1, max_size=20))
def test_sql_and_python_have_one_form(values: list[str]) -> None:
    sql = Path(canonical.__file__).with_name("index.sql").read_text(encoding="utf-8")
    with duckdb.connect(":memory:") as base:
        base.execute(sql[: sql.index("-- People")])
        for value in values:
            told = base.execute(
                "SELECT nhs_of(trim(?)), postcode_of(trim(?)), phone_of(?), close(?)", [value] * 4
            ).fetchone()
            assert told is not None
            number, code, phone, local = told
            written = "" if number is None else f"{number:010d}"
            assert written == canonical.nhs_number(value)
            assert code == canonical.postcode(value)
            assert phone == canonical.phone(value)
            assert local == canonical.local_number(value)


def test_known_numbers_are_sorted_and_each_once(tmp_path: Path) -> None:
    people = [{"person": str(at), "nhs_number": NUMBERS[at % 3]} for at in range(6)]

    known = index_of(tmp_path, *people).known_numbers()

    assert known.dtype == np.int64
    assert known.tolist() == sorted(int(one) for one in NUMBERS[:3])
