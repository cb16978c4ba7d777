"""Where in a text somebody may be: one pass at the speed of memory, before anything is read.

An anchor is a number like an NHS number, a label ("DOB", "Hosp No", "pat="), a postcode, a
telephone, a mail address, a date that is not the line's time stamp, an honorific. Lines without one
cost nothing more.

Invariants:
- Offsets are of characters: text is scanned as one byte a character, others as `?`.
- A number without any other anchor in its line counts only where the index has it.
- Patterns are compiled once a process.
"""

from __future__ import annotations

from enum import IntEnum
from functools import lru_cache

import hyperscan
import numpy as np
from numpy.typing import NDArray

from tourniquet.breach.lookup import Lookup
from tourniquet.breach.numbers import DIGITS, has_right_check_digit


class Anchor(IntEnum):
    """What was found; the numbers of the patterns."""

    NUMBER = 1
    LABEL = 2
    POSTCODE = 3
    EMAIL = 4
    PHONE = 5
    DATE = 6
    HONORIFIC = 7
    NAME = 8  # `SMITH, John`


_CLOSE = np.arange(10)  # where the digits of 9990000018 stand
_APART = np.array([0, 1, 2, 4, 5, 6, 8, 9, 10, 11])  # and those of 999 000 0018
_POWERS = 10 ** np.arange(9, -1, -1, dtype=np.int64)
_LABELS = (
    rb"\bnhs[ _-]?(?:no|num|number|id)?[\"']?[ .]{0,2}[:=#]?[ \"']{0,3}\d",
    rb"\bd\.?o\.?b\b",
    rb"\bdate[ _]?of[ _]?birth\b",
    rb"\bbirth[ _]?da(?:te|y)\b",
    rb"\bborn\b",
    (
        rb"\b(?:hosp(?:ital)?|unit|district|casenote|case|pas|patient|pat|pt|mrn?|local)[ _]?"
        rb"(?:no|num|number|id|ref)\b"
    ),
    rb"\bmrn\b",
    (
        rb"\b(?:pat|patient|pt|client|surname|sname|family[ _]?name|last[ _]?name|forename"
        rb"|first[ _]?name|given)[ _]?(?:name)?[\"']?[ ]?[:=]"
    ),
    rb"[\"']?\bname[\"']?[ ]?[:=]",
    rb"\bre: ",
    rb"\bdear [A-Z]",
    rb"\|PAT\||PID\|",
)
_MONTH = rb"(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)"
_PATTERNS: tuple[tuple[Anchor, bytes, bool], ...] = (
    (Anchor.NUMBER, rb"[^0-9]\d{3}[ .\-\xa0]?\d{3}[ .\-\xa0]?\d{4}[^0-9]", False),
    *((Anchor.LABEL, one, True) for one in _LABELS),
    (Anchor.POSTCODE, rb"\b[A-Z]{1,2}\d[A-Z0-9]? ?\d[ABD-HJLNP-UW-Z]{2}\b", False),
    (Anchor.EMAIL, rb"[a-z0-9]@[a-z0-9\-]+\.", True),
    (Anchor.PHONE, rb"[^0-9.](?:\+44|0)[1237]\d{2,3}[ \-]?\d{3}[ \-]?\d{3,4}[^0-9]", False),
    (Anchor.DATE, rb"[^\n0-9/.\-]\d{1,2}[/.\-]\d{1,2}[/.\-](?:19|20)?\d{2}[^0-9/.:\-]", False),
    (
        Anchor.DATE,
        rb"[^\n0-9]\d{1,2}(?:st|nd|rd|th)?[ \-]"
        + _MONTH
        + rb"[a-z]{0,6}[ \-,]{1,2}(?:19|20)?\d{2}\b",
        True,
    ),
    (Anchor.DATE, rb"[^\n0-9\-](?:19|20)\d{2}-\d{2}-\d{2}[^T0-9: \-]", False),
    (Anchor.NAME, rb"\b[A-Z][A-Z'\-]{1,20}, ?[A-Z][a-z]", False),
    (Anchor.HONORIFIC, rb"\b(?:Mrs?|Miss|Ms|Mx|Master|Baby|Dear)\b\.? [A-Z]", False),
)


class _Machine:
    """Compiled patterns and their scratch."""

    def __init__(self, patterns: tuple[tuple[Anchor, bytes, bool], ...]) -> None:
        self.database = hyperscan.Database()
        self.database.compile(
            expressions=[one for _, one, _ in patterns],
            ids=list(range(len(patterns))),
            elements=len(patterns),
            flags=[hyperscan.HS_FLAG_CASELESS if caseless else 0 for _, _, caseless in patterns],
        )

    def ends(self, content: bytes) -> tuple[list[int], list[int]]:
        """Which patterns matched, and where each match ends."""
        which: list[int] = []
        ends: list[int] = []
        add_which, add_end = which.append, ends.append

        def on_match(
            pattern: int, _start: int, end: int, _flags: int, _context: object
        ) -> bool | None:
            add_which(pattern)
            add_end(end)
            return None

        self.database.scan(content, match_event_handler=on_match)
        return which, ends


@lru_cache(maxsize=1)
def _machine() -> _Machine:
    return _Machine(_PATTERNS)


@lru_cache(maxsize=1)
def _capitals() -> _Machine:
    return _Machine(((Anchor.NAME, rb"[A-Za-z'.,\x80-\xff] [A-Z\xc0-\xde]", False),))


def words_before_capitals(text: str) -> list[int]:
    """Where a blank stands between a word and one that begins with a capital."""
    return [end - 3 for end in _capitals().ends(_bytes(text))[1]]


def has_anchor(text: str) -> bool:
    """Whether anybody may be in a text."""
    return bool(_machine().ends(_bytes(text))[0])


def lines_with_anchors(text: str, lookup: Lookup) -> list[tuple[int, int, int]]:
    """Lines in which somebody may be: the line's number, counted from 0, its start and end."""
    content = _bytes(text)
    machine = _machine()
    which, ends = machine.ends(content)
    if not which:
        return []
    signs = np.frombuffer(content, np.uint8)
    at = np.asarray(ends, np.int64)
    is_number = np.asarray(which, np.int64) == 0  # the first pattern is that of numbers
    at = np.concatenate((at[~is_number], _that_count(signs, at[is_number], lookup)))
    breaks = np.flatnonzero(signs == ord("\n"))  # the first is our own
    lines = np.unique(np.searchsorted(breaks, at - 2, side="right") - 1)
    return [
        (int(line), int(start), int(end) - 1)
        for line, start, end in zip(lines, breaks[lines], breaks[lines + 1], strict=True)
    ]


def _bytes(text: str) -> bytes:
    """One byte a character, and a line end before and behind."""
    return b"\n" + text.encode("latin-1", "replace") + b"\n"


def _that_count(
    signs: NDArray[np.uint8], ends: NDArray[np.int64], lookup: Lookup
) -> NDArray[np.int64]:
    """Those numbers that may be a person's. ends: where they end, with one sign behind."""
    counting = []
    for places in (_CLOSE, _APART):
        starts = ends - 1 - places[-1] - 1
        fit = ends[starts >= 0]
        digits = signs[starts[starts >= 0][:, None] + places].astype(np.int64) - ord("0")
        right = ((digits >= 0) & (digits < DIGITS)).all(axis=1)
        fit, digits = fit[right], digits[right]
        right = has_right_check_digit(digits)
        fit, digits = fit[right], digits[right]
        if lookup.numbers.size:
            fit = fit[lookup.known_numbers(digits @ _POWERS)]
        counting.append(fit)
    return np.concatenate(counting)
