"""Near NHS numbers: each kind of slip is found, and nothing that the index does not have."""

from __future__ import annotations

import numpy as np
import pytest

from tourniquet.breach.near import find_near

KNOWN = np.array([9990000018, 9991234560, 9998765434], np.int64)


def near(*written: str) -> set[tuple[str, int]]:
    found = find_near(written, KNOWN)
    return {
        (written[place], int(number))
        for places, numbers in found
        for place, number in zip(places, numbers, strict=True)
    }


@pytest.mark.parametrize(
    ("slip", "written"),
    [
        ("one digit changed", "9991239560"),
        ("the last changed", "9991234561"),
        ("two neighbours exchanged", "9992134560"),
        ("a letter for a digit", "999I234560"),
        ("two digits lost", "99912345??"),
        ("the first lost", "991234560"),
        ("the last lost", "999123456"),
        ("one put before", "19991234560"),
        ("one put behind", "99912345607"),
    ],
)
def test_slips(slip: str, written: str) -> None:
    assert (written, 9991234560) in near(written)


@pytest.mark.parametrize(
    "written",
    [
        "9991234560",
        "9991243650",
        "1234567890",
        "",
        "99912",
        "9991????60",
        "999 123 956",
        "\u0661" * 10,
    ],
)
def test_no_slip(written: str) -> None:
    """Itself, two slips, far away, or no digits: nothing."""
    assert not near(written)


def test_no_index() -> None:
    found = find_near(["9991234560"], np.empty(0, np.int64))
    assert not any(places.size for places, _ in found)


def test_each_once() -> None:
    found = [pair for pair in find_near(["9990000081", "9991234561"], KNOWN) if pair[0].size]
    assert [places.tolist() for places, _ in found] == [[0, 1]]
    assert [numbers.tolist() for _, numbers in found] == [[9990000018, 9991234560]]
