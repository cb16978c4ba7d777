"""A table of capacity, pasted as CSV text, into declarations.

The header is line 1: laboratory,discipline,day,tubes,flag,source in any order; flag and source may
be left out. Errors name line and column.
"""

from __future__ import annotations

import csv
import io
from datetime import date

from tourniquet.flows.declare_capacity import FLAGS, MOST_ROWS, Declared
from tourniquet.kernel.errors import UserError
from tourniquet.pathology.catalogue import DISCIPLINES
from tourniquet.web.views.typed import LONGEST_LINE, find_day

NEEDED = ("laboratory", "discipline", "day", "tubes")
COLUMNS = (*NEEDED, "flag", "source")
TUBES_DIGITS_MOST = 7
_HEADER = ",".join(COLUMNS)


def read_table(text: str) -> tuple[list[Declared], list[int]]:
    """The declarations, and the line that each stands on.

    Raises: UserError naming line and column.
    """
    reader = csv.reader(io.StringIO(text.strip()), strict=True)
    rows: list[Declared] = []
    lines: list[int] = []
    seen: dict[tuple[str, str, date], int] = {}
    try:
        header = _read_header(next(reader, []))
        for cells in reader:
            line = reader.line_num
            if not any(cell.strip() for cell in cells):
                continue
            if len(rows) >= MOST_ROWS:
                raise UserError("The table is too long.", remedy=f"At most {MOST_ROWS:,} rows.")
            row = _read_row(cells, header, line)
            key = (row.laboratory, row.discipline, row.day)
            if key in seen:
                raise _fault(line, "day", f"This day stands on line {seen[key]} already.")
            seen[key] = line
            rows.append(row)
            lines.append(line)
    except csv.Error as error:
        raise UserError(
            "The text is not a table.",
            where=f"line {reader.line_num}",
            remedy="Separate the columns with commas, and close every quotation mark.",
        ) from error
    if not rows:
        raise UserError("The table has no rows.", remedy=f"Begin with the header {_HEADER}.")
    return rows, lines


def _read_header(cells: list[str]) -> dict[str, int]:
    names = [cell.strip().lower().lstrip("\ufeff") for cell in cells]
    missing = [name for name in NEEDED if name not in names]
    if missing:
        raise UserError(
            f"The header lacks {', '.join(missing)}.",
            where="line 1",
            remedy=f"Begin with the header {_HEADER}.",
        )
    doubled = [name for name in COLUMNS if names.count(name) > 1]
    if doubled:
        raise UserError("The header names a column twice.", where=f"line 1, column {doubled[0]}")
    return {name: names.index(name) for name in COLUMNS if name in names}


def _read_row(cells: list[str], header: dict[str, int], line: int) -> Declared:
    def cell(name: str) -> str:
        at = header.get(name)
        text = cells[at].strip() if at is not None and at < len(cells) else ""
        if len(text) > LONGEST_LINE:
            raise _fault(line, name, f"Too long: at most {LONGEST_LINE} characters.")
        return text

    if not cell("laboratory"):
        raise _fault(line, "laboratory", "The laboratory's code is missing.")
    discipline = cell("discipline")
    if discipline not in DISCIPLINES:
        raise _fault(line, "discipline", f"A discipline is one of {', '.join(DISCIPLINES)}.")
    day = find_day(cell("day"))
    if day is None:
        raise _fault(line, "day", "Write the day as 2024-06-03.")
    tubes = cell("tubes")
    if not (tubes.isascii() and tubes.isdigit() and len(tubes) <= TUBES_DIGITS_MOST):
        raise _fault(line, "tubes", "Write a whole number, 0 or more.")
    flag = cell("flag") or "declared"
    if flag not in FLAGS:
        raise _fault(line, "flag", f"A flag is one of {', '.join(FLAGS)}.")
    return Declared(cell("laboratory"), discipline, day, int(tubes), flag, cell("source"))


def _fault(line: int, column: str, what: str) -> UserError:
    return UserError(what, where=f"line {line}, column {column}")
