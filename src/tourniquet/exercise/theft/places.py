"""Places in files, as an answer writes them, compared with where the truth knows a fragment to be.

Invariants:
- A place is right where every coordinate that both sides know agrees; `None` where they know none
  in common, so that nothing can be said.
- A byte range is right if it overlaps the fragment and is not much larger.
- Paths are compared by their file and the name of the innermost member, because extractors name
  the steps between them differently; signs beyond ASCII are left out, because archives do not say
  in which code their names are.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

WIDEST_RANGE_BYTES, WIDEST_RANGE_TIMES = 4096, 4
_BYTES = re.compile(r"\bbytes?\s+(\d+)\s*-\s*(\d+)", re.IGNORECASE)
_LINES = re.compile(r"\b(?:lines?|paragraphs?)\s+(\d+)(?:\s*-\s*(\d+))?", re.IGNORECASE)
_PAGE = re.compile(r"\bpage\s+(\d+)", re.IGNORECASE)
_MESSAGE = re.compile(r"\bmessage\s+(\d+)", re.IGNORECASE)
_ROW = re.compile(r"(?:^|[!,;\s])(?:R|row\s+)(\d+)", re.IGNORECASE)
_CELL = re.compile(r"!\$?[A-Z]{1,3}\$?(\d+)(?::|$)")
_SHEET = re.compile(r"^'?(.+?)'?!")
_ODD = re.compile(r"\\x[0-9a-f]{2}|%[0-9A-F]{2}|[^\x20-\x7e]|\?|_")


@dataclass(frozen=True)
class Place:
    """What a locator says; nought and empty where it says nothing."""

    sheet: str = ""
    row: int = 0
    line: int = 0
    last_line: int = 0
    page: int = 0
    message: int = 0
    start: int = 0
    end: int = 0


def _first(pattern: re.Pattern[str], text: str) -> int:
    found = pattern.search(text)
    return int(found.group(1)) if found else 0


def parse_place(text: str) -> Place:
    """A locator's coordinates; unknown words are passed over."""
    sheet, ranged, lines = _SHEET.match(text), _BYTES.search(text), _LINES.search(text)
    return Place(
        sheet=sheet.group(1) if sheet else "",
        row=_first(_CELL, text) or _first(_ROW, text),
        line=int(lines.group(1)) if lines else 0,
        last_line=int(lines.group(2) or lines.group(1)) if lines else 0,
        page=_first(_PAGE, text),
        message=_first(_MESSAGE, text),
        start=int(ranged.group(1)) if ranged else 0,
        end=int(ranged.group(2)) if ranged else 0,
    )


def _same(claimed: int, known: int) -> list[bool]:
    return [claimed == known] if claimed and known else []


def _lines(place: Place, first: int, last: int) -> list[bool]:
    """Lines of both sides overlap, and the claim is no wider than the fragment and a bit."""
    if not place.line or not first:
        return []
    wide = place.last_line - place.line > max(4, WIDEST_RANGE_TIMES * (last - first + 1))
    return [place.line <= last and place.last_line >= first and not wide]


def _ranges(place: Place, start: int, end: int) -> list[bool]:
    if not place.end or not end:
        return []
    widest = max(WIDEST_RANGE_BYTES, WIDEST_RANGE_TIMES * (end - start))
    overlap = place.start < end and place.end > start
    return [overlap and place.end - place.start <= widest]


def agrees(place: Place, where: Mapping[str, object]) -> bool | None:
    """Whether a place is that of a fragment; None where there is no coordinate in common."""

    def known(name: str) -> int:
        value = where.get(name, 0)
        return value if isinstance(value, int) else 0

    first = known("line")
    last = known("last_line") or first
    row = known("row")
    found = [
        *_same(place.page, known("page")),
        *_same(place.message, known("message")),
        *_ranges(place, known("start"), known("end")),
        *_lines(place, first, last),
    ]
    if place.row and row:
        found.append(place.row == row)
    elif place.row and first:
        found.append(first <= place.row <= last)
    elif place.line and row and not first:
        found.append(place.line <= row <= place.last_line)
    sheet = where.get("sheet")
    if place.sheet and isinstance(sheet, str):
        found.append(place.sheet.casefold() == sheet.casefold())
    if found:
        return all(found)
    if where.get("whole"):
        return True
    return False if place == Place() else None


def path_key(path: str) -> str:
    """A path as it is compared: the file, and the innermost member's name."""
    top, _, inner = path.partition("!/")
    leaf = inner.rpartition("!/")[2].rpartition("/")[2] if inner else ""
    return _ODD.sub("", f"{top}|{leaf}")


def outer_path(path: str) -> str:
    """The path without its innermost member, or empty."""
    return path.rpartition("!/")[0]
