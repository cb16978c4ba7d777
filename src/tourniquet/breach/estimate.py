"""How many people are affected, in numbers that come before the work is done.

1. *First minutes.* The sweep has found NHS numbers of the index in raw bytes. Some of them are
   there by chance: a lot number, a telephone number, ten digits of anything. How many chance gives
   is bounded by the numbers that fit just as well and are nobody's.
2. *While files are read.* Files are read in random order within their kinds. People found by any
   means, over people whose number the sweep had found in the same files, say how many more the rest
   will bring; the spread between files says how sure that is.

Invariants:
- An estimate is a range, never one figure, and says what it rests on.
- The lower end counts nobody whom chance alone may have put there.
- Everything is decided by the counts given and a seed.

Source: ranges of NHS numbers as the NHS Data Dictionary and NHS England's guidance for developers
give them, read November 2026; numbers of Scotland (CHI) are birth dates and are not among them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

ISSUED = (  # first and last nine digits, both included
    (320_000_001, 399_999_999),
    (400_000_000, 499_999_999),
    (600_000_000, 708_800_001),
    (999_000_000, 999_999_999),  # kept for tests
)
_VALID_SHARE = 10 / 11  # of nine digits, those with which some check digit is right
_SURE = 1.96  # two-sided 95 %
_RESAMPLED = 400
_FILES_LEAST = 10  # fewer say nothing about the spread


@dataclass(frozen=True)
class Expected:
    """A range for the number of people, and what it rests on."""

    low: int
    high: int
    because: str


@dataclass(frozen=True)
class Sample:
    """One file that was read: people of the index by their number in raw bytes, and by anything."""

    by_number: int
    by_anything: int


def is_issued(values: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which of these ten-digit numbers lie in a range from which numbers are given out."""
    nine = values // 10
    found = np.zeros(values.size, np.bool_)
    for first, last in ISSUED:
        found |= (nine >= first) & (nine <= last)
    return found


def valid_numbers() -> int:
    """How many valid numbers the ranges have, about."""
    return int(sum(last - first + 1 for first, last in ISSUED) * _VALID_SHARE)


def first_estimate(*, of_index: int, of_nobody: int, index_size: int) -> Expected:
    """From a sweep alone.

    of_index, of_nobody: different issued numbers that were found and are, or are not, of the index;
    index_size: numbers in the index.
    """
    others = max(1, valid_numbers() - index_size)
    chance = of_nobody * index_size / others  # as if all that are nobody's were there by chance
    phantoms = min(of_index, int(np.ceil(chance + _SURE * np.sqrt(chance))))
    because = (
        f"{of_index:,} numbers of the index in raw bytes, of which chance may have given "
        f"{phantoms:,}; people without a number in plain bytes are not counted yet"
    )
    return Expected(of_index - phantoms, index_size, because)


def later_estimate(
    first: Expected, samples: Sequence[Sample], *, found: int, index_size: int, seed: int = 0
) -> Expected:
    """While files are read: `found` people so far by anything."""
    counts = np.array([(one.by_number, one.by_anything) for one in samples], np.float64)
    if len(samples) < _FILES_LEAST or not counts[:, 0].sum():
        return Expected(max(first.low, found), first.high, first.because)
    random = np.random.default_rng(seed)
    drawn = random.integers(0, len(samples), (_RESAMPLED, len(samples)))
    sums = counts[drawn].sum(axis=1)
    ratios = sums[:, 1] / np.maximum(sums[:, 0], 1)
    low, high = np.quantile(ratios, (0.025, 0.975))
    because = (
        f"{len(samples):,} files read so far have {low:.2f} to {high:.2f} people for each number "
        "of the index in plain bytes"
    )
    return Expected(
        min(index_size, max(found, int(first.low * low))),
        min(index_size, max(found, int(np.ceil(first.low * high)))),
        because,
    )
