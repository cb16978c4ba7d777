"""What links and what does not: a row for each hazard, in the plain scorer."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from tourniquet.breach import scoring
from tourniquet.breach.scoring import Known, Ranges, Says
from tourniquet.kernel.errors import OperatorError

PEOPLE = 2_000_000
RANGES = Ranges(
    numbers=28_000, near_numbers=24_800, begun_numbers=18_200, locals=27_500, bare_locals=21_700
)
WEIGHTS = scoring.load_weights()
BORN, OTHER = date(1961, 3, 4), date(2024, 5, 30)
MARY = Known(
    row=1, nhs=9990000001, old=(9990000107,), locals=("RJ1:1234567",), bare=("1234567",),
    givers=("RJ1",), family="SMITH", previous="JONES", given=("MARY", "ANN"), first_given="MARY",
    second_given="ANN", shorts=("MARY",), birth=BORN, birth_text="19610304", sex="female",
    postcode="SE1 1AB", outcode="SE1", place="12 HIGH", phones=("07700900001",),
    email="mary@example.org", practice="X99001", family_bits=6500, previous_bits=7000,
    given_bits=6000, second_bits=7000, postcode_bits=15000, outcode_bits=5000, address_bits=14000,
    phone_bits=19000, email_bits=20000, practice_bits=7500,
)  # fmt: skip
JOAN = replace(MARY, row=2, nhs=9990000204, old=(), locals=("RJ1:7654321",), bare=("7654321",),
               given=("JOAN",), first_given="JOAN", second_given="", shorts=("JOAN",),
               email="joan@example.org")  # fmt: skip
FATHER = replace(MARY, row=3, nhs=9990000301, locals=("RJ1:5",), bare=("5",), email="",
                 birth=date(1931, 7, 9), birth_text="19310709")  # fmt: skip


def says(births: tuple[date, ...] = (), **fields: Any) -> Says:
    """A fragment; birth dates and names as linking.sql takes them apart."""
    fields.setdefault("has_given", bool(fields.get("first_given")))
    return Says(
        births=births,
        births_swapped=[
            date(one.year, one.day, one.month)
            for one in births
            if one.day <= 12 and one.day != one.month
        ],
        birth_texts=[f"{one:%Y%m%d}" for one in births],
        **fields,
    )


def judge(fragment: Says, *index: Known) -> list[tuple[float, str]]:
    """Probability and ceiling of each candidate."""
    levels = [scoring.compare(fragment, one) for one in index]
    totals = [
        scoring.total(level, scoring.weigh(level, one, WEIGHTS, RANGES), WEIGHTS)
        for level, one in zip(levels, index, strict=True)
    ]
    rival = any(
        level["given"] in {"given_full", "given_and_second"} and level["birth"] == "birth_exact"
        for level in levels
    )
    return [
        (probability, scoring.ceiling(level, WEIGHTS, says=fragment, rival=rival))
        for probability, level in zip(
            scoring.probabilities(totals, known=0.9, people=PEOPLE), levels, strict=True
        )
    ]


NAMED = {"families": ("SMITH",), "given": ("MARY",), "first_given": "MARY"}
HERS = {"nhs": (MARY.nhs,), "known": (MARY.nhs,)}
HOME = {"postcodes": ("SE1 1AB",), "outcodes": ("SE1",), "places": ("12 HIGH",),
        "phones": ("07700900001",)}  # fmt: skip


@pytest.mark.parametrize(
    ("hazard", "fragment", "index", "least", "most", "ceiling"),
    [
        ("number and name", says(**HERS, **NAMED), [MARY], 0.999, 1, "notify"),
        ("number and birth date", says(**HERS, births=(BORN,)), [MARY], 0.999, 1, "notify"),
        ("number and local number", says(**HERS, bare=("1234567",)), [MARY], 0.999, 1, "notify"),
        ("number alone", says(**HERS), [MARY], 0, 1, "none"),
        ("number alone in a column of such", says(**HERS, in_column=True), [MARY], 0, 1, "review"),
        ("number and sex, which half have", says(**HERS, sexes=("female",)), [MARY], 0, 1, "none"),
        ("number and practice, which thousands have",
         says(**HERS, practices=("X99001",)), [MARY], 0, 1, "none"),
        ("superseded number", says(nhs=MARY.old, known=MARY.old, **NAMED), [MARY], 0.99, 1,
         "notify"),
        ("near number with name and birth date",
         says(nhs=(1,), near=(MARY.nhs,), **NAMED, births=(BORN,)), [MARY], 0.999, 1, "notify"),
        ("name and birth date, number of somebody else",
         says(nhs=(JOAN.nhs,), known=(JOAN.nhs,), **NAMED, births=(BORN,)), [MARY], 0, 0.99,
         "notify"),
        ("name and birth date", says(**NAMED, births=(BORN,)), [MARY], 0.99, 1, "notify"),
        ("name alone", says(**NAMED), [MARY], 0, 0.1, "notify"),
        ("local number in context", says(locals=("RJ1:1234567",), givers=("RJ1",)), [MARY], 0.99,
         1, "notify"),
        ("local number without context alone", says(bare=("1234567",)), [MARY], 0, 1, "none"),
        ("day and month exchanged", says(**NAMED, births=(date(1961, 4, 3),), **HOME), [MARY],
         0.99, 1, "notify"),
        ("initial, birth date, home",
         says(families=("SMITH",), given=("M",), first_given="M", births=(BORN,), **HOME), [MARY],
         0.99, 1, "notify"),
        ("married since", says(families=("JONES",), given=("MARY",), first_given="MARY",
                               births=(BORN,)), [MARY], 0.95, 1, "notify"),
        ("household without first name", says(families=("SMITH",), **HOME), [MARY, JOAN], 0.3,
         0.51, "notify"),
        ("twin: the one who is named", says(**NAMED, births=(BORN,), **HOME), [MARY, JOAN], 0.99,
         1, "notify"),
        ("twin: the other", says(**NAMED, births=(BORN,), **HOME), [JOAN, MARY], 0, 0.01,
         "review"),
        ("twin under the other's number",
         says(nhs=(JOAN.nhs,), known=(JOAN.nhs,), **NAMED, births=(BORN,)), [JOAN, MARY], 0, 1,
         "review"),
        ("father of one name, by birth date", says(**NAMED, births=(BORN,), **HOME),
         [FATHER, MARY], 0, 0.01, "review"),
        ("father and son of one name, without birth date", says(**NAMED, **HOME), [FATHER, MARY],
         0.3, 0.51, "notify"),
        ("newborn under its mother's number", says(**HERS, families=("SMITH",), births=(OTHER,)),
         [MARY], 0, 1, "review"),
        ("newborn in the month of birth",
         says(**HERS, families=("SMITH",), births=(date(1961, 3, 28),)), [MARY], 0, 1, "review"),
        ("somebody else in the household, not in the index",
         says(families=("SMITH",), given=("PETER",), first_given="PETER", births=(OTHER,), **HOME),
         [MARY], 0, 0.3, "review"),
        ("staff by name and work place", says(**NAMED, **HOME, is_staff=True), [MARY], 0, 1,
         "none"),
        ("staff who are patients", says(**NAMED, births=(BORN,), is_staff=True), [MARY], 0.99, 1,
         "notify"),
    ],
)  # fmt: skip
def test_hazards(
    *, hazard: str, fragment: Says, index: list[Known], least: float, most: float, ceiling: str
) -> None:
    probability, found = judge(fragment, *index)[0]
    assert (least <= probability <= most, found) == (True, ceiling), (probability, found)


@pytest.mark.parametrize(
    ("comparison", "fragment", "level"),
    [
        ("family", says(families=("SMYTH",)), "family_near"),
        ("family", says(families=("SMIHT",)), "family_near"),
        ("family", says(families=("TAYLOR",)), "family_differs"),
        ("family", says(families=("MARY",), given=("SMITH",), first_given="SMITH"),
         "family_swapped"),
        ("family", says(), None),
        ("given", says(given=("MARY", "ANN"), first_given="MARY"), "given_and_second"),
        ("given", says(given=("ANN",), first_given="ANN"), "given_middle"),
        ("given", says(given=("POLLY",), first_given="POLLY", shorts=("MARY",)),
         "given_nickname"),
        ("given", says(given=("M",), first_given="M"), "given_initial"),
        ("given", says(given=("SMITH", "M"), has_given=True), "given_initial"),
        ("given", says(given=("SMITH", "PETER"), has_given=True), "given_differs"),
        ("birth", says(births=(date(1961, 3, 5),)), "birth_digit"),
        ("birth", says(births=(date(1961, 3, 25),)), "birth_same_month"),
        ("birth", says(births=(date(1975, 11, 25),)), "birth_differs"),
        ("birth", says(partials=("1961-03",)), "birth_month"),
        ("birth", says(partials=("1961",)), "birth_year"),
        ("nhs", says(nhs=(MARY.nhs, JOAN.nhs), known=(MARY.nhs, JOAN.nhs)),
         "nhs_agrees_beside_another"),
        ("nhs", says(nhs=(MARY.nhs, *MARY.old), known=(MARY.nhs, *MARY.old)), "nhs_agrees"),
        ("nhs", says(nhs=(12,)), "nhs_unknown"),
        ("nhs", says(wrong=("12",)), "nhs_wrong"),
        ("nhs", says(wrong=("999000????",), begins=("999000",)), "nhs_begins"),
        ("local", says(locals=("RJ1:99",), givers=("RJ1",)), "local_other"),
        ("postcode", says(postcodes=("SE1 9ZZ",), outcodes=("SE1",)), "postcode_outcode"),
    ],
)  # fmt: skip
def test_levels(comparison: str, fragment: Says, level: str | None) -> None:
    assert scoring.compare(fragment, MARY)[comparison] == level


def test_location_counts_once() -> None:
    """What a household shares is not four independent pieces of evidence."""
    levels = scoring.compare(says(**HOME, emails=(MARY.email,)), MARY)
    total = scoring.total(levels, scoring.weigh(levels, MARY, WEIGHTS, RANGES), WEIGHTS)
    assert total == WEIGHTS.limit.location_most_bits * scoring.SCALE


def test_every_level_has_a_weight() -> None:
    text = (scoring.files("tourniquet.breach") / "scoring.py").read_text(encoding="utf-8")
    sql = (scoring.files("tourniquet.breach") / "linking.sql").read_text(encoding="utf-8")
    for name in WEIGHTS.level:
        plain = name.partition("_")[2] in {"agrees", "differs"}
        assert plain or f'"{name}"' in text, name
        assert f"'{name}'" in sql, name


@pytest.mark.parametrize(
    "text", ["", "version = 1", "[level.nhs_agrees]\nm = 2\nu = 0.1", "not toml ="]
)
def test_wrong_weights_are_named(text: str) -> None:
    with pytest.raises(OperatorError):
        scoring.load_weights(text or "x = 1")


def test_wrong_meanings_are_named() -> None:
    text = (scoring.files("tourniquet.breach") / "weights.toml").read_text(encoding="utf-8")
    for wrong in (
        text.replace('u = "numbers"', 'u = "nonsense"', 1),
        text.replace('"family_full", "family_previous"', '"family_fully"'),
        text.replace("[level.sex_agrees]", "[level.gender_agrees]"),
    ):
        with pytest.raises(OperatorError, match="no meaning"):
            scoring.load_weights(wrong)


def test_nicknames_have_one_form() -> None:
    table = scoring.nicknames()
    assert set(table["BOB"]) & set(table["ROBERT"])
    assert not set(table["BOB"]) & set(table["MARY"])
    assert all(name.isascii() and name.isupper() for name in table)
