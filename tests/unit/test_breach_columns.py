"""What columns of tables mean, and the fragments of their rows: behaviour as tables."""

from __future__ import annotations

import tomllib
from importlib.resources import files

import pytest

from tests.support.breach import LOOKUP, NUMBERS, of, of_rows, said
from tourniquet.breach.columns import column_letters, decide, read_dates, read_near
from tourniquet.breach.fragments import Mark
from tourniquet.breach.headers import Heading, Meaning, find_heading, find_headings, find_label
from tourniquet.breach.pieces import Rows

N = NUMBERS

HEADINGS = [  # what stands above a column, what it means, whose it is
    ("NHS No", "nhs_number", ""),
    ("nhsNumber", "nhs_number", ""),
    ("NHS_NO.", "nhs_number", ""),
    ("Hosp. No", "local_number", ""),
    ("MRN", "local_number", ""),
    ("PATIENT_ID", "local_number", ""),
    ("D.O.B.", "birth_date", ""),
    ("patient_date_of_birth", "birth_date", ""),
    ("Coll Dt", "date", ""),
    ("Date Req", "date", ""),
    ("PT SNAME", "family_name", ""),
    ("Maiden name", "previous_family_name", ""),
    ("Forename(s)", "given_names", ""),
    ("Patient Name", "name", ""),
    ("Pcode", "postcode", ""),
    ("SAP Cust", "organisation", ""),
    ("GP Code", "practice", ""),
    ("GP Name", "staff", ""),
    ("Cons", "staff", ""),
    ("Clinical details", "narrative", ""),
    ("Lab No", "other", ""),
    ("Mother's NHS No", "nhs_number", "MOTHER"),
    ("Next of kin tel", "phone", "NEXTOFKIN"),
    ("Baby Surname", "family_name", "BABY"),
]


@pytest.mark.parametrize(("text", "meaning", "whose"), HEADINGS)
def test_a_heading_means(text: str, meaning: str, whose: str) -> None:
    assert find_heading(text) == Heading(Meaning(meaning), whose)


@pytest.mark.parametrize("text", ["", "Smith", "1234567", "Theatre", "x" * 70])
def test_what_is_no_heading_means_nothing(text: str) -> None:
    assert find_heading(text) is None


def test_a_word_means_one_thing() -> None:
    read = tomllib.loads(
        files("tourniquet.breach").joinpath("headers.toml").read_text(encoding="utf-8")
    )
    words = [word for some in read["meanings"].values() for word in some]
    assert len(words) == len(set(words))


def test_a_label_needs_every_word() -> None:
    assert find_heading("Matthew Clarke DOB") == Heading(Meaning.BIRTH_DATE)
    assert find_label("Matthew Clarke DOB") is None
    assert find_label("Patient DOB") == Heading(Meaning.BIRTH_DATE)


def test_a_row_of_headings_has_two_words_and_half_of_its_cells() -> None:
    assert find_headings(["NHS No", "Surname", "", "x"]) is not None
    assert find_headings(["NHS No", "", ""]) is None
    assert find_headings(["Surname", "Surname"]) is None
    assert find_headings(["NHS No", "Surname", "a", "b", "c"]) is None


DATES = [  # a value, what its column has first, its readings
    ("14/07/1945", "day first", ("1945-07-14",)),
    ("07/08/1945", "day first", ("1945-08-07",)),
    ("07/08/1945", "month first", ("1945-07-08",)),
    ("07/14/1945", "month first", ("1945-07-14",)),
    ("07/14/1945", "day first", ("1945-07-14",)),  # impossible otherwise
    ("04/02/24", "day first", ("2024-02-04", "1924-02-04")),
    ("28/06/83", "day first", ("1983-06-28",)),
    ("19450714", "day first", ("1945-07-14",)),
    ("16632", "day first", ("1945-07-14",)),
    ("16632.0", "day first", ("1945-07-14",)),
    ("9352", "day first", ("1925-08-08",)),
    ("1945", "day first", ("1945",)),
    ("14-Jul-1945", "day first", ("1945-07-14",)),
    ("1945-07-14 00:00:00", "day first", ("1945-07-14",)),
    ("99999", "day first", ()),
    ("Smith", "day first", ()),
    ("31/02/1945", "day first", ()),
]


@pytest.mark.parametrize(("text", "order", "readings"), DATES)
def test_a_date_is_read(text: str, order: str, readings: tuple[str, ...]) -> None:
    assert read_dates(text, month_first=order == "month first") == readings


NEAR = [
    ("9.99149E+09", "999149????"),
    ("999799316", "999799316"),
    ("999 799 3160", "9997993160"),
    ("99979931", "99979931"),
    ("999799", ""),
    ("999799316055", ""),
    ("Yes", ""),
    ("", ""),
]


@pytest.mark.parametrize(("text", "near"), NEAR)
def test_a_near_number_keeps_what_is_left(text: str, near: str) -> None:
    assert read_near(text) == near


def test_one_impossible_day_decides_a_whole_column() -> None:
    columns = decide(["DOB"], [Heading(Meaning.BIRTH_DATE)], [["03/04/1950", "03/14/1950"]], LOOKUP)
    assert columns[0].month_first
    columns = decide(["DOB"], [Heading(Meaning.BIRTH_DATE)], [["03/04/1950", "14/03/1950"]], LOOKUP)
    assert not columns[0].month_first


def test_columns_have_letters() -> None:
    assert [column_letters(at) for at in (0, 25, 26, 701, 702)] == ["A", "Z", "AA", "ZZ", "AAA"]


def test_a_row_with_headings() -> None:
    rows = [
        ["NHS No", "Surname", "Forename", "DoB", "Src", "Test", "Result"],
        [N[0], "SMITH", "JOHN", "14/07/1945", "NRTH", "FBC", "150 g/L"],
    ]
    (found,) = of_rows(rows)
    assert found.place == "Sheet1!R2"
    assert said(found) == {
        "nhs_number": [N[0]],
        "family_name": ["SMITH"],
        "given_names": ["JOHN"],
        "birth_date": ["1945-07-14"],
        "organisation": ["RJ1"],
        "test": ["FBC"],
        "result": ["150 g/L"],
    }
    assert [one.at for one in found.fields] == ["A", "B", "C", "D", "E", "F", "G"]


def test_without_headings_the_content_tells() -> None:
    years = range(1931, 2019, 8)
    rows = [
        [f"24R{at:06}", N[at], "SMITH" if at % 2 else "PATEL", "JOHN" if at % 3 else "MARY",
         f"{at + 1:02}/02/{year}", "M", "NRTH", "FBC", "1.2 g/L", f"{at + 1:02}/03/2023"]
        for at, year in enumerate(years)
    ]  # fmt: skip
    found = of_rows(rows)
    assert len(found) == len(rows)
    assert said(found[0]) == {
        "nhs_number": [N[0]],
        "family_name": ["PATEL"],
        "given_names": ["MARY"],
        "birth_date": ["1931-02-01"],
        "sex": ["male"],
        "organisation": ["RJ1"],
        "test": ["FBC"],
        "result": ["1.2 g/L"],
        "date": ["2023-03-01"],
    }


def test_titles_totals_and_headings_in_the_middle() -> None:
    rows = [
        ["Outstanding work", "", "", ""],
        ["", "", "", ""],
        ["NHS No", "Surname", "Forename", "DOB"],
        [N[0], "SMITH", "JOHN", "14/07/1945"],
        ["Total", "1", "", ""],
        ["Surname", "DOB", "NHS No", "Forename"],
        ["PATEL", "01/02/1950", N[1], "MARY"],
    ]
    found = of_rows(rows)
    assert [one.place for one in found] == ["Sheet1!R4", "Sheet1!R7"]
    assert said(found[1])["family_name"] == ["PATEL"]
    assert found[0].table != found[1].table


def test_tables_side_by_side_are_told_apart() -> None:
    rows = [
        ["NHS No", "Surname", "", "NHS No", "Surname"],
        [N[0], "SMITH", "", N[1], "PATEL"],
        [N[2], "LEE", "", "", ""],
    ]
    found = of_rows(rows)
    assert [(one.place, said(one)["nhs_number"]) for one in found] == [
        ("Sheet1!R2", [N[0]]),
        ("Sheet1!R2", [N[1]]),
        ("Sheet1!R3", [N[2]]),
    ]
    assert [one.at for one in found[1].fields] == ["D", "E"]


def test_a_relative_is_a_fragment_of_their_own() -> None:
    rows = [
        ["Surname", "NHS No", "Mother's NHS No", "Mother Name"],
        ["SMITH", N[0], N[1], "Jane Smith"],
    ]
    child, mother = of_rows(rows)
    assert said(child)["nhs_number"] == [N[0]]
    assert said(mother) == {
        "nhs_number": [N[1]],
        "family_name": ["SMITH"],
        "given_names": ["JANE"],
    }


def test_spoiled_numbers_are_near_ones() -> None:
    rows = [
        ["nhs_no", "sname", "dob"],
        ["9.99149E+09", "Smith", "16632"],
        [f"{N[3]}.0", "Lee", "16633"],
    ]
    near, right = of_rows(rows)
    assert said(near)["nhs_number_near"] == ["999149????"]
    assert said(near)["birth_date"] == ["1945-07-14"]
    assert said(right)["nhs_number"] == [N[3]]


def test_lots_and_barcodes_are_nobodys_numbers() -> None:
    rows = [
        ["Run", "Lot", "Level", "Analyte"],
        *[[str(at), N[100 + at], "L1", "K"] for at in range(20)],
    ]
    assert of_rows(rows) == []


def test_a_column_of_numbers_of_the_index_is_one_whatever_its_heading() -> None:
    rows = [["PATIENT_ID", "LAST_NAME", "TEST"], *[[N[at], "SMITH", "FBC"] for at in range(20)]]
    assert said(of_rows(rows)[0])["nhs_number"] == [N[0]]


def test_staff_and_test_patients_are_marked() -> None:
    staff = of_rows([["Name", "Role", "Ext", "Email"], ["Omar Lee", "BMS", "123", "o@z.example"]])
    assert [one.marks for one in staff] == [(Mark.STAFF,)]
    test = of_rows([["NHS No", "Surname", "DoB"], [N[0], "XXTEST", "01/01/1901"]])
    assert [one.marks for one in test] == [(Mark.TEST_PATIENT,)]


def test_hidden_sheets_and_negations_are_marked() -> None:
    rows = [["NHS No", "Surname", "Test", "Result"], [N[0], "SMITH", "HIVAB", "Not requested"]]
    (found,) = of(Rows("raw", 1, rows, is_hidden=True))
    assert set(found.marks) == {Mark.HIDDEN, Mark.NEGATED}


def test_local_numbers_say_whose_they_are() -> None:
    rows = [["Surname", "Hosp No"], ["SMITH", "K000001"], ["LEE", "7000001"], ["PATEL", "Z99"]]
    assert [said(one)["local_number"] for one in of_rows(rows)[:2]] == [
        ["RJ1:K000001"],
        ["RJZ:7000001"],
    ]


def test_a_heading_that_is_a_test_names_its_results() -> None:
    (found,) = of_rows([["NHS No", "Surname", "HIVAB"], [N[0], "SMITH", "Reactive"]])
    assert said(found)["test"] == ["HIVAB"]
    assert said(found)["result"] == ["Reactive"]


def test_names_of_wards_are_nobody() -> None:
    rows = [["Ward Name", "Beds"], *[[f"{word} Ward", "1"] for word in "ABCDEFGHIJ"]]
    assert of_rows(rows) == []


def test_columns_named_by_the_format() -> None:
    (found,) = of(Rows("patients", 1, [[N[0], "SMITH"]], ["nhs_number", "surname"]))
    assert found.place == "patients!R1"
    assert said(found) == {"nhs_number": [N[0]], "family_name": ["SMITH"]}


def test_a_title_says_whose_the_table_is() -> None:
    rows = [["Clients of South Hospital", "", ""], ["NHS No", "Surname", "DOB"]]
    (found,) = of_rows([*rows, [N[0], "SMITH", "1/2/1950"]])
    assert [(one.value, one.at) for one in found.fields if one.kind == "organisation"] == [
        ("RJZ", "title")
    ]
