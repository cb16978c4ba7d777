"""The outbox: what is to leave, for gateways, printers and practices, as files.

- text/FIRST-LAST.jsonl and call-list/FIRST-LAST.jsonl are lots: all that one transaction let leave,
  a JSON object on each line. FIRST and LAST are the journal's positions that the lot covers.
- letter/NOTICE.html is one page to print.

Invariants:
- A file appears whole or not at all, and is never changed afterwards but to take out somebody who
  was erased; writing it again changes nothing. Lots of a folder do not overlap.
- It is written after the commit, so what is in it is journalled; what is missing is written again.
"""

from __future__ import annotations

import os
import re
import sys
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import msgspec

from tourniquet.notices.rendering import LetterTo, render_letter_of
from tourniquet.notices.rules import CALL_LIST, LETTER, TEXT

FOLDERS = {TEXT: "text", LETTER: "letter", CALL_LIST: "call-list"}
NOTICES_AT_ONCE = 500
_DIGITS = 12  # so that names are in the order of positions
_LOT = re.compile(r"([0-9]+)-([0-9]+)\.jsonl\Z")


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One notice as it leaves; `position` is that of the entry which lets it leave."""

    notice: str
    position: int
    kind: str
    channel: str
    text: str
    name: str
    phone: str
    address_lines: tuple[str, ...]
    practice: str
    written_on: date
    exercise: bool


def write_outbox(folder: Path, outgoing: Iterable[Outgoing]) -> int:
    """Write what one transaction let leave; how many notices were written."""
    lots: dict[str, list[Outgoing]] = {TEXT: [], LETTER: [], CALL_LIST: []}
    for one in outgoing:
        lots[one.channel].append(one)
    written = 0
    for channel, lot in lots.items():
        if not lot:
            continue
        place = folder / FOLDERS[channel]
        place.mkdir(parents=True, exist_ok=True, mode=0o700)
        if channel == LETTER:
            written += sum(_write_once(_letter_path(folder, one), _letter(one)) for one in lot)
        else:
            first, last = min(one.position for one in lot), max(one.position for one in lot)
            content = b"".join(_line(one) for one in lot)
            written += len(lot) * _write_once(_lot_path(place, first, last), content)
    return written


def find_missing(folder: Path, waiting: Iterable[tuple[str, str, int]]) -> list[str]:
    """Which of these notices (id, channel, position) no file holds."""
    lots = {channel: _list_lots(folder / FOLDERS[channel]) for channel in (TEXT, CALL_LIST)}
    return [
        notice
        for notice, channel, position in waiting
        if not (
            (folder / FOLDERS[LETTER] / f"{notice}.html").exists()
            if channel == LETTER
            else _covers(lots[channel], position)
        )
    ]


def take_out(
    folder: Path, *, emptied: Sequence[int], find_known: Callable[[Sequence[str]], set[str]]
) -> int:
    """Take out what is about notices that are not known any more; how many notices.

    Looked at are letters, and lots that cover one of the `emptied` positions, in order. A lot keeps
    its name when nobody is left in it, so that it still says which positions it covers.
    """
    taken = 0
    letters = folder / FOLDERS[LETTER]
    lying = sorted(path.stem for path in letters.glob("*.html")) if emptied else []
    for start in range(0, len(lying), NOTICES_AT_ONCE):
        part = lying[start : start + NOTICES_AT_ONCE]
        for notice in set(part) - find_known(part):
            (letters / f"{notice}.html").unlink(missing_ok=True)
            taken += 1
    for channel in (TEXT, CALL_LIST):
        place = folder / FOLDERS[channel]
        for first, last in _list_lots(place):
            at = bisect_left(emptied, first)
            if at < len(emptied) and emptied[at] <= last:
                taken += _take_out_of_lot(_lot_path(place, first, last), find_known)
    return taken


def _take_out_of_lot(path: Path, find_known: Callable[[Sequence[str]], set[str]]) -> int:
    lines = path.read_bytes().splitlines(keepends=True)
    notices = [str(msgspec.json.decode(line)["notice"]) for line in lines]
    known = find_known(notices)
    kept = [line for line, notice in zip(lines, notices, strict=True) if notice in known]
    if len(kept) < len(lines):
        _replace(path, b"".join(kept))
    return len(lines) - len(kept)


def _lot_path(place: Path, first: int, last: int) -> Path:
    return place / f"{first:0{_DIGITS}}-{last:0{_DIGITS}}.jsonl"


def _list_lots(place: Path) -> list[tuple[int, int]]:
    """First and last position of each lot, in order."""
    found = [_LOT.match(path.name) for path in place.iterdir()] if place.is_dir() else []
    return sorted((int(match[1]), int(match[2])) for match in found if match)


def _covers(lots: list[tuple[int, int]], position: int) -> bool:
    at = bisect_right(lots, (position, sys.maxsize)) - 1
    return at >= 0 and position <= lots[at][1]


def _write_once(path: Path, content: bytes) -> bool:
    """Write the file, where it is not there; whether it was written."""
    if path.exists():
        return False
    _replace(path, content)
    return True


def _replace(path: Path, content: bytes) -> None:
    """Let the file have this content, whole or not at all."""
    draft = path.with_name(f".{path.name}.part")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(content)
    draft.replace(path)


def _letter_path(folder: Path, one: Outgoing) -> Path:
    return folder / FOLDERS[LETTER] / f"{one.notice}.html"


def _letter(one: Outgoing) -> bytes:
    to = LetterTo(one.name, one.address_lines, one.written_on, one.notice)
    return render_letter_of(one.kind, one.text, to, exercise=one.exercise).encode()


def _line(one: Outgoing) -> bytes:
    content = {
        "notice": one.notice,
        "kind": one.kind,
        "written_on": one.written_on.isoformat(),
        "exercise": one.exercise,
        "text": one.text,
    }
    if one.channel == TEXT:
        content["to"] = one.phone
    else:
        content |= {"practice": one.practice, "name": one.name, "phone": one.phone}
    return msgspec.json.encode(content) + b"\n"
