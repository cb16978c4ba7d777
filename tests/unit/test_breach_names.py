"""Names as people write them, taken apart."""

from __future__ import annotations

import pytest

from tests.support.breach import LOOKUP
from tourniquet.breach.names import is_test_patient, read_name

NAMES = [  # as written; family names, given names, name whose order is in doubt
    ("SMITH, John A (Mrs)", ["SMITH"], ["JOHN A"], []),
    ("SMITH,John", ["SMITH"], ["JOHN"], []),
    ("Mr J Smith", ["SMITH"], ["J"], []),
    ("J.A. Smith", ["SMITH"], ["J A"], []),
    ("Smith J", ["SMITH"], ["J"], []),
    ("Smith JA", ["SMITH"], ["J A"], []),
    ("ZYWIEC Adam", ["ZYWIEC"], ["ADAM"], []),
    ("Adam ZYWIEC", ["ZYWIEC"], ["ADAM"], []),
    ("John Smith", ["SMITH"], ["JOHN"], []),
    ("SMITH JOHN", ["SMITH"], ["JOHN"], []),
    ("Lee Taylor", [], [], ["LEE TAYLOR"]),
    ("Ünal Çelik", [], [], ["UNAL CELIK"]),
    ("Camila De Silva", ["DE SILVA"], ["CAMILA"], []),
    ("Jane Smith née Jones", ["SMITH", "JONES"], ["JANE"], []),
    ("Jane Smith (formerly Jones)", ["SMITH", "JONES"], ["JANE"], []),
    ("Baby Smith", ["SMITH"], [], []),
    ("Baby Girl Smith", ["SMITH"], [], []),
    ("B/O Jane SMITH", ["SMITH"], [], []),
    ("Twin 1 Smith", [], [], []),  # digits are in no name
    ("Mrs Smith", ["SMITH"], [], []),
    ("Smith", ["SMITH"], [], []),
    ("O'Neil-Patel, Mary", ["ONEIL PATEL"], ["MARY"], []),
    ("", [], [], []),
    ("Mrs", [], [], []),
    ("12/07/1945", [], [], []),
]


@pytest.mark.parametrize(("text", "family", "given", "whole"), NAMES)
def test_a_name_is_taken_apart(
    text: str, family: list[str], given: list[str], whole: list[str]
) -> None:
    parts = read_name(text, LOOKUP).parts
    assert [value for kind, value in parts if kind == "family_name"] == family
    assert [value for kind, value in parts if kind == "given_names"] == given
    assert [value for kind, value in parts if kind == "name"] == whole


def test_a_column_tells_the_order() -> None:
    first = read_name("Lee Taylor", LOOKUP, family_first=True).parts
    assert dict(first) == {"family_name": "LEE", "given_names": "TAYLOR"}
    last = read_name("Lee Taylor", LOOKUP, family_first=False).parts
    assert dict(last) == {"family_name": "TAYLOR", "given_names": "LEE"}


@pytest.mark.parametrize("text", ["XXTEST", "ZZTest, Fred", "TESTPATIENT", "Test0", "DONOTUSE"])
def test_patients_of_tests(text: str) -> None:
    assert is_test_patient(text)


@pytest.mark.parametrize("text", ["Tester", "Testa", "Maxwell", "Dummett"])
def test_people_called_alike_are_people(text: str) -> None:
    assert not is_test_patient(text)
