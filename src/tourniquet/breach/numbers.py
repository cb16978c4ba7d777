"""NHS numbers in bytes: every place where ten digits stand as one, with their check digit right.

Found in ASCII and whatever is written like it (UTF-8, Latin-1, cp1252), and in UTF-16 either way:
ten digits in a row, or 3-3-4 with one space, hyphen, full stop or no-break space between. A digit
right before or behind makes it another number.

Invariants:
- The same is found wherever the bytes are cut into blocks, as long as blocks overlap by
  OVERLAP_BYTES and a number that begins in the overlap is told by the later block alone.
- A right check digit proves nothing: one in eleven numbers has it. Whose it is says the index.

Source: NHS Data Dictionary, NHS NUMBER (modulus 11), read November 2026.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

DIGITS = 10
OVERLAP_BYTES = 64  # more than the longest form, two bytes to a character, and its neighbours
_WEIGHTS = np.arange(10, 1, -1, dtype=np.int64)
_POWERS = 10 ** np.arange(9, -1, -1, dtype=np.int64)
_FIRST_GAP, _SECOND_GAP = 2, 5  # behind the third and the sixth digit
_SEPARATORS = (ord(" "), ord("-"), ord("."), 0xA0)
_NO_BREAK_SPACE = (0xC2, 0xA0)  # in UTF-8


@dataclass(frozen=True)
class Numbers:
    """Numbers in a block: where each begins and ends, in bytes, and its value; sorted by place."""

    starts: NDArray[np.int64]
    ends: NDArray[np.int64]
    values: NDArray[np.int64]


_NONE = Numbers(*(np.empty(0, np.int64) for _ in range(3)))


def find_numbers(block: bytes) -> Numbers:
    """All in a block, each form and coding once."""
    content = np.frombuffer(block, np.uint8)
    digits_at = np.flatnonzero((content - np.uint8(ord("0"))) < DIGITS)
    if digits_at.size < DIGITS:
        return _NONE
    gaps = np.diff(digits_at)
    found = []
    for step in (1, 2):
        joined = gaps == step
        for apart in (step, 2 * step, 3) if step == 1 else (step, 2 * step):
            at = _windows(joined, gaps == apart if apart != step else joined)
            if at.size:
                at = at[_stands_alone(gaps, at, step)]
            if at.size:
                at = at[_is_written_so(content, digits_at, at, step, apart)]
            if at.size:
                found.append(at)
    if not found:
        return _NONE
    return _checked(content, digits_at, np.unique(np.concatenate(found)))


def _windows(joined: NDArray[np.bool_], separated: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Where ten digits follow each other: two gaps as `separated` says, the others joined."""
    count = joined.size - DIGITS + 2
    if count <= 0:
        return np.empty(0, np.intp)
    fits = separated[_FIRST_GAP : _FIRST_GAP + count] & separated[_SECOND_GAP:][:count]
    at = np.flatnonzero(fits)  # few are left where there is a separator
    for gap in range(DIGITS - 1):
        if gap not in (_FIRST_GAP, _SECOND_GAP) and at.size:
            at = at[joined[at + gap]]
    return at


def _stands_alone(gaps: NDArray[np.int64], at: NDArray[np.intp], step: int) -> NDArray[np.bool_]:
    """Whether no digit stands right before or behind."""
    before = (at == 0) | (gaps[at - 1] != step)
    last = at + DIGITS - 1
    behind = (last == gaps.size) | (gaps[np.minimum(last, gaps.size - 1)] != step)
    return np.asarray(before & behind)


def _is_written_so(
    content: NDArray[np.uint8],
    digits_at: NDArray[np.intp],
    at: NDArray[np.intp],
    step: int,
    apart: int,
) -> NDArray[np.bool_]:
    """Whether what stands between the digits is what this form has there."""
    fits = np.ones(at.size, np.bool_)
    if step == 2:
        for gap in range(DIGITS - 1):
            fits &= content[digits_at[at + gap] + 1] == 0
    if apart == step:
        return fits
    first = content[digits_at[at + _FIRST_GAP] + step]
    second = content[digits_at[at + _SECOND_GAP] + step]
    if apart == 3:
        for gap in (_FIRST_GAP, _SECOND_GAP):
            for offset, byte in enumerate(_NO_BREAK_SPACE, 1):
                fits &= content[digits_at[at + gap] + offset] == byte
        return fits
    if step == 2:
        for gap in (_FIRST_GAP, _SECOND_GAP):
            fits &= content[digits_at[at + gap] + 3] == 0
    return np.asarray(fits & (first == second) & np.isin(first, _SEPARATORS))


def _checked(
    content: NDArray[np.uint8], digits_at: NDArray[np.intp], at: NDArray[np.intp]
) -> Numbers:
    """Those whose check digit is right."""
    digits = content[digits_at[at[:, None] + np.arange(DIGITS)]].astype(np.int64) - ord("0")
    right = has_right_check_digit(digits)
    at = at[right]
    return Numbers(
        digits_at[at].astype(np.int64),
        digits_at[at + DIGITS - 1].astype(np.int64) + 1,
        digits[right] @ _POWERS,
    )


def has_right_check_digit(digits: NDArray[np.int64]) -> NDArray[np.bool_]:
    """For each row of ten digits, whether the last is the modulus-11 check digit of the others."""
    check = 11 - digits[:, :-1] @ _WEIGHTS % 11
    return np.asarray(np.where(check == 11, 0, check) == digits[:, -1])
