"""What was done at the downtime desk in the night, and what its book says of it afterwards. Pure.

Invariants:
- What ought to be in the book is counted where it was done, never read from the book.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tourniquet.exercise.commands import count


@dataclass(frozen=True)
class Night:
    """What the desk was asked to do, and where its book was carried to.

    Counted here, where it was done: what is taken in later is compared with it.
    """

    export: Path
    forms: int
    keyed: int
    void: tuple[str, ...]
    blank: int
    called: int


@dataclass(frozen=True)
class Book:
    """What came of the desk's book, beside what the exercise had done at the desk.

    A number is accounted for where the book says of it what was done with it. Whatever the book has
    and the exercise did not do counts as given out and not accounted for.
    """

    numbers_given_out: int
    numbers_accounted_for: int
    results_keyed: int
    results_taken_in: int
    calls_made: int
    calls_taken_in: int


def compare_book(found: dict[str, object], night: Night) -> Book:
    """What reconciling answered, beside what the exercise did in the night."""
    void = found["void"]
    assert isinstance(void, dict)
    accounted = (
        min(count(found, "keyed"), night.keyed)
        + len(set(void) & set(night.void))
        + min(count(found, "unused"), night.blank)
    )
    return Book(
        numbers_given_out=max(night.forms, count(found, "issued")),
        numbers_accounted_for=accounted,
        results_keyed=night.keyed,
        results_taken_in=count(found, "results"),
        calls_made=night.called,
        calls_taken_in=count(found, "calls"),
    )
