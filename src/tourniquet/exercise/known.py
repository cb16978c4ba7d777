"""What the exercise itself reported before a loss, and whether a page of the desk shows it.

Invariants:
- Pure. What must be shown comes from the world and from acknowledged messages, never from the
  system that is measured.
- Headings that are there without any entry count for nothing: a line of a table must give the
  test's name, its value and its unit, and nothing on the page may say that something is missing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from html import unescape

from tourniquet.exercise.demand import Need
from tourniquet.exercise.messages import ResultLine
from tourniquet.exercise.people import Person
from tourniquet.exercise.world import World
from tourniquet.kernel.errors import OperatorError

DAYS_A_YEAR = 365.25
_REPORTED = re.compile(r"R(EX\d+)\.\d+")  # as messages.result_message names its messages
_ROW = re.compile(r"<tr\b[^>]*>(.*?)</tr>", re.DOTALL)
_CELL = re.compile(r"<t[hd]\b[^>]*>(.*?)</t[hd]>", re.DOTALL)
_TAG = re.compile(r"<[^>]*>")
_VERIFIED = re.compile(r"Data as of [^<]*, verified")
# What the desk's pages have where something does not open, or could not be read or written down.
_LACKING = ('role="alert"', "tq-desk__data--warn", "do not open", "Still reading")


@dataclass(frozen=True)
class Known:
    """Results of one person that a laboratory reported, and that were acknowledged."""

    person: Person
    lines: tuple[ResultLine, ...]


def result_lines(world: World, need: Need) -> list[tuple[str, list[ResultLine]]]:
    """Test by test, the lines that a laboratory reports for a need."""
    person = world.person_of(need.number)
    age = int((world.scenario.starts_on - person.birth_date).days / DAYS_A_YEAR)
    by_test: dict[str, list[ResultLine]] = {code: [] for code in need.tests}
    for value in world.truth.results(need.number, need.indication, age):
        by_test[value.test].append(
            ResultLine(
                value.code,
                value.name,
                value.value,
                value.unit,
                value.reference_range,
                value.flag,
                numeric=value.number is not None,
            )
        )
    return list(by_test.items())


def find_known(world: World, acknowledged: Iterable[str]) -> Known:
    """The first results that were reported and acknowledged; control ids in their order.

    The first, because a replica that is behind must have them nevertheless.
    Raises: OperatorError when there are none, so that no history can be asked for.
    """
    for control_id in acknowledged:
        reported = _REPORTED.fullmatch(control_id)
        if reported is None:
            continue
        need = world.needs.row(int(reported[1].removeprefix("EX")) - 1)
        person = world.person_of(need.number)
        if person.nhs_number and not person.died_on:
            lines = [line for _, lines in result_lines(world, need) for line in lines]
            return Known(person, tuple(lines))
    raise OperatorError(
        "No result was reported before the loss, so no history can be looked for.",
        where="exercise",
        remedy="Let the loss be later in the scenario.",
    )


def demand_history(page: str, known: Known) -> None:
    """Demand that a page of the desk shows these results, and lacks nothing.

    Raises: OperatorError.
    """
    rows = [[_words(cell) for cell in _CELL.findall(row)] for row in _ROW.findall(page)]
    for line in known.lines:
        wanted = [line.name, line.value, *([line.unit] if line.unit else [])]
        if not any(row[: len(wanted)] == wanted for row in rows):
            raise OperatorError(
                f"The desk's history does not show {line.name}, which was reported.", where="desk"
            )
    if not _VERIFIED.search(page) or any(words in page for words in _LACKING):
        raise OperatorError("The desk says that the history is not complete.", where="desk")


def _words(cell: str) -> str:
    return " ".join(unescape(_TAG.sub(" ", cell)).split())
