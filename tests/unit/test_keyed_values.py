"""Values typed from paper are read and judged as a person would, and safely where they are not."""

from __future__ import annotations

import pytest

from tourniquet.pathology.catalogue import load_catalogue
from tourniquet.pathology.desk_lines import KeyedValue
from tourniquet.pathology.keyed_values import (
    Figure,
    Limits,
    find_critical_keyed,
    must_ask,
    observation_of,
    read_figure,
)
from tourniquet.pathology.rules import critical_tables

POTASSIUM = Limits(*critical_tables(load_catalogue()), 60)  # below 2.5 or above 6.5
READ = (
    ("7.2", Figure("", 7.2)),
    ("7,2", Figure("", 7.2)),
    ("+7.2", Figure("", 7.2)),
    (" -0.5 ", Figure("", -0.5)),
    (">7.0", Figure(">", 7.0)),
    ("< 2,0", Figure("<", 2.0)),
    (">= 30", Figure(">=", 30.0)),
    ("\u2265 30", Figure(">=", 30.0)),
    ("1,234", None),  # a thousand, or one and a bit
    ("1,234.5", None),
    ("1.234,5", None),
    ("1e99", None),
    ("nan", None),
    ("inf", None),
    ("\u00b2", None),
    ("\u0667", None),
    ("7-8", None),
    ("haemolysed", None),
    ("", None),
)
JUDGED = (  # value, critical without being asked, asked
    ("4.1", False, False),
    ("6.5", False, False),
    ("6.6", True, False),
    ("7,2", True, False),
    ("+7.2", True, False),
    (">7.0", True, False),
    (">6.5", True, False),
    ("<2.0", True, False),
    ("<2.5", True, False),
    ("<=2.5", True, True),
    (">5.0", True, True),
    ("<4.0", True, True),
    ("haemolysed", False, True),
    ("1,234", False, True),
)


@pytest.mark.parametrize(("text", "figure"), READ)
def test_a_text_is_read_as_the_number_that_it_is(text: str, figure: Figure | None) -> None:
    assert read_figure(text) == figure


@pytest.mark.parametrize(("text", "critical", "asked"), JUDGED)
def test_a_value_is_judged_by_the_limit_or_asked_about(
    text: str, *, critical: bool, asked: bool
) -> None:
    value = potassium(text)
    assert bool(find_critical_keyed([value], POTASSIUM)) == critical
    assert must_ask(value, POTASSIUM) == asked
    for said in (True, False) if asked else ():
        assert bool(find_critical_keyed([potassium(text, said=said)], POTASSIUM)) == said


def potassium(text: str, *, said: bool | None = None, unit: str = "mmol/L") -> KeyedValue:
    return KeyedValue("K", "Potassium", text, unit, said)


def test_another_unit_is_asked_about_and_other_tests_never() -> None:
    assert must_ask(potassium("7.2", unit="mg/dL"), POTASSIUM)
    assert not must_ask(KeyedValue("Colour", "Colour", "yellow"), POTASSIUM)


def test_the_text_stays_as_it_was_typed() -> None:
    line = observation_of(1, potassium(">7,0"))
    assert (line.value_text, line.comparator, line.value_number) == (">7,0", ">", 7.0)
