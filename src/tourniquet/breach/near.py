"""NHS numbers near to one that nobody has: a digit changed, two exchanged, the first or last lost.

Invariants:
- Only numbers of the index come out; in a dense range a number has several near ones, so that a
  near number is a hint beside a name or a birth date, and nothing alone.
- Memory does not grow with the numbers asked for: AT_ONCE are looked at together.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from string import digits

import numpy as np
from numpy.typing import NDArray

DIGITS = 10
AT_ONCE = 20_000
GAPS_MOST = 2
_POWERS = 10 ** np.arange(DIGITS - 1, -1, -1, dtype=np.int64)


def find_near(
    written: Sequence[str], known: NDArray[np.int64]
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Places in `written` and numbers of `known` (sorted) that are near, some at a time."""
    lengths = np.array([len(one) if one.isascii() and one.isdigit() else 0 for one in written])
    yield _with_gaps(written, known)
    for length, variants in ((DIGITS, _changed), (DIGITS - 1, _lost), (DIGITS + 1, _added)):
        places = np.flatnonzero(lengths == length)
        for start in range(0, places.size, AT_ONCE):
            some = places[start : start + AT_ONCE]
            made = variants(np.array([int(written[place]) for place in some], np.int64))
            rows, columns = np.nonzero(_is_known(made, known))
            numbers = made[rows, columns]
            pairs = np.unique(np.stack((some[rows], numbers)), axis=1)
            yield pairs[0], pairs[1]


def _with_gaps(
    written: Sequence[str], known: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Ten signs of which GAPS_MOST are no digits: a letter for a digit, a digit that is lost."""
    places, numbers = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    for place, one in enumerate(written):
        gaps = [n for n, sign in enumerate(one) if sign not in digits]
        if len(one) != DIGITS or not 0 < len(gaps) <= GAPS_MOST:
            continue
        made = np.array(
            [int("".join(sign if n not in gaps else "0" for n, sign in enumerate(one)))]
        )
        for gap in gaps:
            made = (made[:, None] + np.arange(10) * _POWERS[gap]).reshape(-1)
        found = np.sort(made[_is_known(made, known)])
        places.append(np.full(found.size, place, np.int64))
        numbers.append(found)
    return np.concatenate(places), np.concatenate(numbers)


def _is_known(made: NDArray[np.int64], known: NDArray[np.int64]) -> NDArray[np.bool_]:
    if not known.size:
        return np.zeros(made.shape, np.bool_)
    at = np.searchsorted(known, made)
    return np.asarray(known[np.minimum(at, known.size - 1)] == made)


def _changed(numbers: NDArray[np.int64]) -> NDArray[np.int64]:
    """Each number with each digit changed, and with each two neighbours exchanged; not itself."""
    each = numbers[:, None] // _POWERS % 10
    steps = np.arange(1, 10)
    moved = (each[:, :, None] + steps) % 10 - each[:, :, None]
    changed = numbers[:, None] + (moved * _POWERS[:, None]).reshape(numbers.size, -1)
    apart = each[:, 1:] - each[:, :-1]
    exchanged = numbers[:, None] + apart * (_POWERS[:-1] - _POWERS[1:])
    return np.concatenate((changed, np.where(apart == 0, -1, exchanged)), axis=1)


def _lost(numbers: NDArray[np.int64]) -> NDArray[np.int64]:
    """Each with a digit put before it, and one behind."""
    steps = np.arange(10)
    before = numbers[:, None] + steps * _POWERS[0]
    return np.concatenate((before, numbers[:, None] * 10 + steps), axis=1)


def _added(numbers: NDArray[np.int64]) -> NDArray[np.int64]:
    """Each without its first digit, and without its last."""
    return np.stack((numbers % 10**DIGITS, numbers // 10), axis=1)
