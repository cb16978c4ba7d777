"""Late readings of erased people, in the files beside the journal, no longer say whose they were.

1. Which people the lines name, and who of them is not in the index any more.
2. A whole line of theirs keeps who read, when and from where, and loses whose record, of what and
   why: it is journalled so (`reading.unnamed`). Of a torn line their part goes.

Invariants:
- A line that names nobody who is gone stays as it is, byte for byte.
- A file is put in place whole: a power cut leaves it as it was, or as it is.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from functools import partial

from tourniquet.flows.read_record import late_file, list_lines, rewrite_late, torn_file
from tourniquet.kernel.errors import StorageUnavailable
from tourniquet.patients.grounds import word_of
from tourniquet.patients.readings import list_there

_BEGINS = re.compile(r'(?=\{"patient": ")')  # where lines ran into one another
_NAMES = re.compile(r'"patient": "([^"]*)"')
_KEPT = ("actor", "organisation", "at", "channel", "role")


def forget_readings() -> None:
    """Take erased people out of the files of late readings.

    Raises: StorageUnavailable: ask again.
    """
    try:
        for path in (late_file(), torn_file()):
            # 1. Who is gone.
            gone = _gone(list_lines(path))
            # 2. Their lines.
            if path.exists():
                rewrite_late(path, partial(_without, gone))
    except OSError as error:
        raise StorageUnavailable(
            "The files of late readings cannot be swept.",
            where=str(late_file().parent),
            remedy="Make room, and let the server write there; it tries again.",
        ) from error


def _gone(lines: Iterable[str]) -> frozenset[str]:
    named = {one for line in lines for one in _NAMES.findall(line) if one}
    return frozenset(named - list_there(named))


def _without(gone: frozenset[str], line: str) -> str:
    """The line without what is about those who are gone; "" where nothing is left."""
    try:
        row = json.loads(line)
    except ValueError:
        return "".join(part for part in _BEGINS.split(line) if _stays(part, gone))
    if not isinstance(row, dict) or row.get("patient") not in gone:
        return line
    kept = {name: row[name] for name in _KEPT if name in row}
    return json.dumps({"patient": "", **kept, "what": word_of(str(row.get("what", "")))})


def _stays(part: str, gone: frozenset[str]) -> bool:
    """Whether a piece of a torn line may stay: it is of somebody there, or holds no words."""
    named = _NAMES.findall(part)
    if named:
        return gone.isdisjoint(named)
    return '"words"' not in part
