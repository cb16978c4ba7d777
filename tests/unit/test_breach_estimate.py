"""Estimates before the work is done: chance is taken off, and more files make it narrower."""

from __future__ import annotations

import numpy as np
import pytest

from tourniquet.breach.estimate import (
    Expected,
    Sample,
    first_estimate,
    is_issued,
    later_estimate,
    valid_numbers,
)


def test_which_numbers_are_given_out() -> None:
    nine = [999_000_001, 400_000_000, 708_800_001, 708_800_002, 123_456_788, 319_999_999]
    numbers = [one * 10 for one in [*nine, 320_000_001]]  # the range asks for no check digit
    assert is_issued(np.array(numbers, np.int64)).tolist() == [
        True, True, True, False, False, False, True,
    ]  # fmt: skip


def test_a_region_of_real_numbers_loses_little_to_chance() -> None:
    found = first_estimate(of_index=50_000, of_nobody=100_000, index_size=2_000_000)

    assert found.low == 50_000 - 820  # chance gives 765, and 1.96 x 27.7 for its spread
    assert found.high == 2_000_000


def test_random_numbers_alone_affect_nobody() -> None:
    """A billion random ten-digit numbers would name hundreds of thousands."""
    random = np.random.default_rng(7)
    index = 2_000_000
    of_nobody = 1_000_000
    of_index = int(random.poisson(of_nobody * index / (valid_numbers() - index)))

    assert of_index > 7_000
    assert first_estimate(of_index=of_index, of_nobody=of_nobody, index_size=index).low < 200


def test_it_never_counts_fewer_than_nobody() -> None:
    assert first_estimate(of_index=3, of_nobody=10**8, index_size=2_000_000).low == 0
    assert first_estimate(of_index=0, of_nobody=0, index_size=1).low == 0


@pytest.mark.parametrize("files", [0, 9])
def test_few_files_change_nothing_but_what_was_found(files: int) -> None:
    first = Expected(100, 5_000, "the sweep")

    assert later_estimate(first, [Sample(1, 2)] * files, found=150, index_size=5_000) == Expected(
        150, 5_000, "the sweep"
    )


def test_more_files_make_it_narrower_and_hold_the_truth() -> None:
    """Files whose people have a number in plain bytes in four cases of five."""
    random = np.random.default_rng(3)
    people = random.integers(1, 200, 600)
    samples = [Sample(int(random.binomial(n, 0.8)), int(n)) for n in people]
    first = Expected(40_000, 2_000_000, "the sweep")
    widths = []
    for count in (20, 100, 600):
        found = later_estimate(first, samples[:count], found=0, index_size=2_000_000)
        assert found.low <= 50_000 <= found.high
        widths.append(found.high - found.low)
    assert widths[0] > widths[1] > widths[2]


def test_it_stays_within_the_index_and_above_what_is_found() -> None:
    first = Expected(900, 1_000, "the sweep")
    found = later_estimate(first, [Sample(1, 3)] * 50, found=950, index_size=1_000)

    assert (found.low, found.high) == (1_000, 1_000)
    assert later_estimate(first, [Sample(3, 1)] * 50, found=950, index_size=1_000).low == 950
