"""What was exposed, what is sensitive in it and what a negation takes away: nothing."""

from __future__ import annotations

import pytest

from tests.support.breach import CONTENT, LOOKUP, NUMBERS, of_rows
from tourniquet.breach.exposure import (
    Exposure,
    exposure_of,
    is_negated,
    plain_words,
    sensitive_words,
    union,
)
from tourniquet.breach.fragments import Field, FieldKind, Fragment, Mark

TEXTS = [  # a text, its sensitive categories, those that are not only negated
    ("is HIV positive and stable on antiretroviral treatment", {"hiv"}, {"hiv"}),
    ("HIV not requested", {"hiv"}, set()),
    ("HIV test offered and declined", {"hiv"}, set()),
    ("HIV: not detected", {"hiv"}, {"hiv"}),
    ("No evidence of malignancy was discussed", {"cancer"}, set()),
    ("No evidence of malignancy; HIV reactive", {"cancer", "hiv"}, {"hiv"}),
    ("declined chlamydia screen", {"sexual_health"}, set()),
    ("Chlamydia not requested but syphilis detected", {"sexual_health"}, {"sexual_health"}),
    ("under the fertility clinic", {"fertility"}, {"fertility"}),
    ("BRCA1 pathogenic variant", {"genetics"}, {"genetics"}),
    ("history of depression, denies self-harm", {"mental_health"}, {"mental_health"}),
    ("safeguarding concerns", {"safeguarding"}, {"safeguarding"}),
    ("full blood count normal", set(), set()),
    ("on top of the fridge, hearing aids", set(), set()),
    ("the TOP clinic", {"termination"}, {"termination"}),
]


@pytest.mark.parametrize(("text", "sensitive", "plain"), TEXTS)
def test_words_are_sensitive(text: str, sensitive: set[str], plain: set[str]) -> None:
    assert sensitive_words(text) == sensitive
    assert plain_words(text) == plain


NEGATED = ["not requested", "Declined", "sample rejected", "no evidence of"]
RESULTS = ["Not detected", "Negative", "no growth", "Reactive"]


@pytest.mark.parametrize("text", NEGATED)
def test_a_negation(text: str) -> None:
    assert is_negated(text)


@pytest.mark.parametrize("text", RESULTS)
def test_a_negative_result_is_no_negation(text: str) -> None:
    assert not is_negated(text)


def fragment(*fields: tuple[FieldKind, str], marks: tuple[Mark, ...] = ()) -> Fragment:
    """A fragment of these values."""
    told = tuple(Field(kind, value, value, "A") for kind, value in fields)
    return Fragment(CONTENT, 0, "row 1", "row", told, marks)


def test_fields_become_categories_in_order() -> None:
    found = fragment(
        (FieldKind.TEST, "FBC"),
        (FieldKind.POSTCODE, "SE1 1AA"),
        (FieldKind.NHS_NUMBER_NEAR, "99914"),
        (FieldKind.GIVEN_NAMES, "MARY"),
        (FieldKind.EMAIL, "a@b.example"),
        (FieldKind.SEX, "female"),
    )
    told = exposure_of(found, LOOKUP)
    assert told.categories == ("name", "nhs_number", "address", "contact", "request")


def test_a_tests_category_is_sensitive_and_stays_so_when_negated() -> None:
    assert exposure_of(fragment((FieldKind.TEST, "HIVAB")), LOOKUP).sensitive == ("hiv",)
    negated = fragment((FieldKind.TEST, "CTGC"), marks=(Mark.NEGATED,))
    told = exposure_of(negated, LOOKUP)
    assert told.sensitive == ("sexual_health",)


def test_a_blank_form_exposes_nothing() -> None:
    assert exposure_of(
        fragment((FieldKind.TEST, "HIVAB"), marks=(Mark.BLANK,)), LOOKUP
    ) == Exposure(())


def test_the_path_and_the_tables_title_are_sensitive() -> None:
    plain = fragment((FieldKind.FAMILY_NAME, "SMITH"))
    assert exposure_of(plain, LOOKUP, path="GUM clinic/list.xlsx").sensitive == ("sexual_health",)
    rows = [
        ["HIV clinic list", "", ""],
        ["NHS No", "Surname", "DOB"],
        [NUMBERS[0], "LEE", "1/2/1950"],
    ]
    (found,) = of_rows(rows)
    told = exposure_of(found, LOOKUP)
    assert told.sensitive == ("hiv",)
    assert "narrative" not in told.categories


def test_together_one_plain_mention_counts() -> None:
    several = [Exposure(("name",), ("hiv",), ("hiv",)), Exposure(("result",), ("hiv",))]
    assert union(several) == Exposure(("name", "result"), ("hiv",))
    assert union(several[:1]) == several[0]
    assert union([]) == Exposure(())
