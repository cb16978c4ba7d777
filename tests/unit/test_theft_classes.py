"""How well a fragment identifies somebody: the truth's own rules, as a table."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest

from tourniquet.exercise.region import make_region
from tourniquet.exercise.theft.cast import Cast, IndexRow, Subject, name_key
from tourniquet.exercise.theft.chance import Chance
from tourniquet.exercise.theft.content import Draft, Written
from tourniquet.exercise.theft.institutions import make_institutions
from tourniquet.exercise.theft.pen import Pen, date_text
from tourniquet.exercise.theft.truth import identify

ROW = IndexRow(
    nhs_numbers=("9990000018", "9990000026"),
    local_numbers=(("X9801", "1000007"),),
    families=("Smith", "Jones"),
    given="Mary Ann",
    birth_date="1945-07-14",
    postcode="SE1 1AA",
    address="1 Test Road, Southwark",
    phone="07700 900123",
    email="mary@example.org",
)
MARY = Subject(
    key="P0000001", nhs_number="9990000018", superseded="9990000026",
    local_numbers=(("X9801", "1000007"),), title="Mrs", family_name="Smith",
    previous_family_name="Jones", given_names="Mary Ann", birth_date=date(1945, 7, 14),
    sex="female", address=ROW.address, postcode=ROW.postcode, phone=ROW.phone, email=ROW.email,
    practice="X99001", household=1, kin="", staff=False, died_on=None, index=ROW,
)  # fmt: skip
NHS = Written("nhs_number", "", "999 000 0018", "9990000018")
OLD_NHS = Written("nhs_number", "", "9990000026", "9990000026")
TYPO_NHS = Written("nhs_number", "", "9990000019", "9990000019", ("wrong_digit",))
OTHER_NHS = Written("nhs_number", "", "9990000042", "9990000042")
LOCAL = Written("local_number", "X9801", "1000007", "1000007")
FAMILY = Written("name", "family", "SMITH", "SMITH")
OLD_FAMILY = Written("name", "family", "Jones", "JONES")
WRONG_FAMILY = Written("name", "family", "Smth", "SMTH", ("misspelt",))
GIVEN = Written("name", "given", "Mary", "MARY")
INITIAL = Written("name", "initial", "M", "M", ("initial",))
FULL = Written("name", "full", "SMITH, Mary", "SMITH|MARY")
BIRTH = Written("birth_date", "", "14/07/1945", "1945-07-14")
DEFAULT_BIRTH = Written("birth_date", "", "01/01/1900", "1900-01-01")
POSTCODE = Written("address", "postcode", "SE1 1AA", "SE1 1AA")
PHONE = Written("contact", "phone", "07700900123", "07700 900123")
RESULT = Written("result", "", "5.1", "5.1")


def cast(*shared: int) -> Cast:
    return Cast((MARY,), (), 20_000, frozenset(shared), make_institutions(make_region(1)))


@pytest.mark.parametrize(
    ("written", "context", "kind"),
    [
        ((NHS, FAMILY), "", "intact"),
        ((OLD_NHS, FAMILY), "", "intact"),
        ((NHS, PHONE), "", "intact"),
        ((NHS, RESULT), "", "not"),
        ((NHS,), "", "not"),
        ((OTHER_NHS, FAMILY), "", "not"),
        ((LOCAL,), "X9801", "intact"),
        ((LOCAL,), "", "not"),
        ((LOCAL, FAMILY), "", "identifiable"),
        ((LOCAL,), "X9803", "not"),
        ((FULL, BIRTH), "", "intact"),
        ((OLD_FAMILY, GIVEN, BIRTH), "", "intact"),
        ((FULL, DEFAULT_BIRTH), "", "not"),
        ((FULL,), "", "not"),
        ((WRONG_FAMILY, GIVEN, BIRTH), "", "identifiable"),
        ((WRONG_FAMILY, GIVEN), "", "not"),
        ((GIVEN, BIRTH), "", "not"),
        ((WRONG_FAMILY, GIVEN, BIRTH, POSTCODE), "", "identifiable"),
        ((FAMILY, INITIAL, BIRTH), "", "identifiable"),
        ((TYPO_NHS, FAMILY), "", "identifiable"),
        ((TYPO_NHS,), "", "not"),
        ((FAMILY, POSTCODE, PHONE), "", "not"),
    ],
)
def test_classes(written: tuple[Written, ...], context: str, kind: str) -> None:
    assert identify(Draft(MARY, written, context=context), cast()) == kind


def test_two_of_one_name_born_on_one_day() -> None:
    shared = name_key("Smith", "Mary", "1945-07-14")
    assert identify(Draft(MARY, (FULL, BIRTH)), cast(shared)) == "identifiable"
    assert identify(Draft(MARY, (FULL, BIRTH, NHS)), cast(shared)) == "intact"


def test_a_twin_is_not_known_by_surname_birth_date_and_address() -> None:
    twin = replace(MARY, kin="twin")
    assert identify(Draft(twin, (FAMILY, BIRTH, POSTCODE)), cast()) == "not"
    assert identify(Draft(MARY, (FAMILY, BIRTH, POSTCODE)), cast()) == "identifiable"


def test_father_and_son_are_not_told_apart_by_name_and_address() -> None:
    son = replace(MARY, kin="namesake")
    assert identify(Draft(son, (FULL, POSTCODE)), cast()) == "not"


def test_who_is_not_in_the_index_is_never_identified() -> None:
    outsider = replace(MARY, key="outsider-1", index=None)
    assert identify(Draft(outsider, (NHS, FULL, BIRTH)), cast()) == "not"
    assert identify(Draft(None, (NHS,)), cast()) == "not"


@pytest.mark.parametrize(
    ("form", "text"),
    [
        ("dmy", "14/07/1945"), ("iso", "1945-07-14"), ("compact", "19450714"),
        ("mon", "14-Jul-1945"), ("dmy2", "14/07/45"), ("us", "07/14/1945"),
        ("dots", "14.07.1945"), ("long", "14 July 1945"), ("serial", "16632"),
    ],
)  # fmt: skip
def test_dates(form: str, text: str) -> None:
    assert date_text(date(1945, 7, 14), form) == text


def test_numbers_that_a_spreadsheet_spoilt_say_less() -> None:
    pen = Pen(Chance(1, "test"), errs=False)
    forms = {form: pen.nhs(MARY, form) for form in ("spaced", "float", "scientific", "short")}
    shown = {form: (one.text, one.value) for form, one in forms.items() if one}
    assert shown == {
        "spaced": ("999 000 0018", "9990000018"),
        "float": ("9990000018.0", "9990000018"),
        "scientific": ("9.99000E+09", ""),
        "short": ("999000001", ""),
    }


def test_hands_err_at_the_rates_they_are_said_to() -> None:
    pen = Pen(Chance(2, "rates"))
    plain = replace(MARY, superseded="", previous_family_name="")
    numbers = [pen.nhs(plain) for _ in range(20_000)]
    wrong = sum(1 for one in numbers if one and one.value != plain.nhs_number)
    assert 0.003 < wrong / len(numbers) < 0.008
