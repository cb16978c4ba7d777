"""Read a problem from its folder of CSV files.

Invariants:
- What comes back is a whole, consistent `Problem`; anything else is a UserError that names file,
  line (the header is line 1) and column, and says what to do. It repeats no value of a patient.
- Nothing is guessed: an empty number is an error, not a zero.

A byte order mark, CRLF, blank lines, any order of columns and unknown columns are accepted.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterator
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TypeVar

from tourniquet.kernel.errors import UserError
from tourniquet.triage.problem import (
    PRIORITIES,
    Clinic,
    Courier,
    Lab,
    LabCapacity,
    Need,
    Problem,
    Seats,
    Zone,
)

MAX_FILE_BYTES = 1_000_000_000
MAX_DAYS = 3_660
MAX_COUNT = 1_000_000_000
MAX_DAY_NUMBER = 1_000_000_000
MAX_NUMBER_CHARACTERS = 60
MAX_EXPONENT = 30
TUBES_PREFIX = "tubes_"

NEED_COLUMNS = (
    "need",
    "patient",
    "zone",
    "indication",
    "priority",
    "released",
    "due",
    "safe_until",
    "harm_per_day",
    "escalates_on",
    "escalated_harm_per_day",
    "stability_hours",
    "travel_km",
    "booked_clinic",
    "booked_day",
)

# "3.0" is what spreadsheets and data frames write for 3 in a column that also has empty cells.
_WHOLE = re.compile(r"([+-]?[0-9]+)(?:\.0*)?", re.ASCII)
_DECIMAL = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?", re.ASCII)

Value = TypeVar("Value")


class _Table:
    """One CSV file, open for reading: its header, then its rows with their line numbers."""

    def __init__(self, folder: Path, name: str, columns: tuple[str, ...]) -> None:
        self.name = name
        text = _read_text(folder / name, name)
        self._reader = csv.reader(io.StringIO(text, newline=""), strict=True)
        header_row = next(self._raw_rows(), None)
        if header_row is None:
            raise self.error(1, "", "the file is empty", "Begin with a header row.")
        self._header_line, header = header_row
        self.header = [column.strip() for column in header]
        seen: set[str] = set()
        for column in self.header:
            if column in seen and column:
                raise self.error(1, column, "the column is there twice", "Keep one of them.")
            seen.add(column)
        for column in columns:
            if column not in seen:
                raise self.error(1, column, "the column is missing", "Add it to the header.")
        self._index = {column: at for at, column in enumerate(self.header)}

    def error(self, line: int, column: str, what: str, remedy: str) -> UserError:
        """Build the error that names this file, a line and a column."""
        where = f"{self.name}, line {line}" + (f", column {column}" if column else "")
        return UserError(f"{what}.", where=where, remedy=remedy)

    def at(self, column: str) -> int:
        """Give the place of a column in a row."""
        return self._index[column]

    def rows(self) -> Iterator[tuple[int, list[str]]]:
        """Yield line and cells of each row that is not blank. Raises UserError."""
        width = len(self.header)
        for line, row in self._raw_rows():
            if len(row) != width:
                raise self.error(
                    line,
                    self.header[len(row)] if len(row) < width else "",
                    f"the row has {len(row)} cells, the header has {width}",
                    "Give every row as many cells as the header.",
                )
            yield line, row

    def _raw_rows(self) -> Iterator[tuple[int, list[str]]]:
        line = self._reader.line_num + 1
        try:
            for row in self._reader:
                if row and (len(row) > 1 or row[0].strip()):
                    yield line, row
                line = self._reader.line_num + 1
        except csv.Error as error:
            raise self.error(
                line, "", f"this is not CSV ({error})", "Check quotes and commas."
            ) from error


class _Cells:
    """Turns the cells of one table into values, each distinct text once."""

    def __init__(self, table: _Table) -> None:
        self._table = table
        self._whole: dict[str, int | None] = {}
        self._decimal: dict[str, Decimal | None] = {}

    def text(self, line: int, row: list[str], column: str) -> str:
        """Read a name. Raises UserError where it is empty."""
        value = row[self._table.at(column)]
        if not value.strip():
            raise self._table.error(line, column, "the cell is empty", "Fill it in.")
        return value

    def any_text(self, row: list[str], column: str) -> str:
        """Read what is only carried along; it may be empty."""
        return row[self._table.at(column)]

    def flag(self, line: int, row: list[str], column: str) -> bool:
        """Read 1 or 0. Raises UserError."""
        value = self.whole(line, row, column)
        if value not in {0, 1}:
            raise self._table.error(line, column, "this is neither 1 nor 0", "Give 1 or 0.")
        return value == 1

    def whole(self, line: int, row: list[str], column: str) -> int:
        """Read a whole number. Raises UserError."""
        text = row[self._table.at(column)]
        value = self._whole.get(text)
        if value is None:
            match = _WHOLE.fullmatch(text.strip())
            if match is None or len(match[1]) > MAX_NUMBER_CHARACTERS:
                raise self._table.error(
                    line, column, "this is not a whole number", "Write digits only, such as 3."
                )
            value = int(match[1])
            if abs(value) > MAX_DAY_NUMBER:
                raise self._table.error(
                    line, column, "the number is too large", f"At most {MAX_DAY_NUMBER}."
                )
            self._whole[text] = value
        return value

    def count(self, line: int, row: list[str], column: str) -> int:
        """Read a whole number that is not negative. Raises UserError."""
        value = self.whole(line, row, column)
        if value < 0:
            raise self._table.error(line, column, "the number is negative", "Give 0 or more.")
        return value

    def decimal(self, line: int, row: list[str], column: str) -> Decimal:
        """Read a finite decimal number. Raises UserError."""
        text = row[self._table.at(column)]
        value = self._decimal.get(text)
        if value is None:
            value = _parse_decimal(text.strip())
            if value is None:
                raise self._table.error(
                    line, column, "this is not a finite number", "Write a number such as 2.5."
                )
            self._decimal[text] = value
        return value

    def amount(self, line: int, row: list[str], column: str) -> Decimal:
        """Read a finite decimal number that is not negative. Raises UserError."""
        value = self.decimal(line, row, column)
        if value < 0:
            raise self._table.error(line, column, "the number is negative", "Give 0 or more.")
        return value

    def known(self, line: int, row: list[str], column: str, names: set[str], file: str) -> str:
        """Read a name that another file defines. Raises UserError where it does not."""
        value = self.text(line, row, column)
        if value not in names:
            raise self._table.error(
                line,
                column,
                f"the {column.removeprefix('booked_')} is not in {file}",
                f"Add it to {file}, or correct the name.",
            )
        return value


def read_problem(folder: Path) -> Problem:
    """Read and check the problem in `folder`.

    Raises: UserError where a file is missing, unreadable or wrong; whoever made the files acts.
    """
    if not folder.is_dir():
        raise UserError(
            "This is not a folder.", where=str(folder), remedy="Name a folder of CSV files."
        )
    days, tail_days = _read_horizon(folder)
    zones = _read_rows(folder, "zones.csv", Zone._fields, _zone, keys=1)
    zone_names = {zone.zone for zone in zones}

    def clinic_row(cells: _Cells, line: int, row: list[str]) -> Clinic:
        return Clinic(
            cells.text(line, row, "clinic"),
            cells.known(line, row, "zone", zone_names, "zones.csv"),
            cells.decimal(line, row, "x_km"),
            cells.decimal(line, row, "y_km"),
        )

    clinics = _read_rows(folder, "clinics.csv", Clinic._fields, clinic_row, keys=1)
    clinic_names = {clinic.clinic for clinic in clinics}
    labs = _read_rows(folder, "labs.csv", Lab._fields, _lab, keys=1)
    lab_names = {lab.lab for lab in labs}

    def seats_row(cells: _Cells, line: int, row: list[str]) -> Seats:
        return Seats(
            cells.known(line, row, "clinic", clinic_names, "clinics.csv"),
            cells.count(line, row, "day"),
            cells.count(line, row, "seats"),
        )

    def capacity_row(cells: _Cells, line: int, row: list[str]) -> LabCapacity:
        return LabCapacity(
            cells.known(line, row, "lab", lab_names, "labs.csv"),
            cells.text(line, row, "discipline"),
            cells.count(line, row, "day"),
            cells.count(line, row, "tubes"),
        )

    def courier_row(cells: _Cells, line: int, row: list[str]) -> Courier:
        return Courier(
            cells.known(line, row, "clinic", clinic_names, "clinics.csv"),
            cells.known(line, row, "lab", lab_names, "labs.csv"),
            cells.amount(line, row, "hours"),
        )

    seats = _read_rows(folder, "seats.csv", Seats._fields, seats_row, keys=2)
    capacity = _read_rows(folder, "lab_capacity.csv", LabCapacity._fields, capacity_row, keys=3)
    couriers = _read_rows(folder, "couriers.csv", Courier._fields, courier_row, keys=2)
    disciplines, needs, extra_columns = _read_needs(folder, zone_names, clinic_names)
    return Problem(
        days=days,
        tail_days=tail_days,
        disciplines=disciplines,
        zones=zones,
        clinics=clinics,
        labs=labs,
        seats=seats,
        lab_capacity=capacity,
        couriers=couriers,
        needs=needs,
        extra_columns=extra_columns,
    )


def _read_horizon(folder: Path) -> tuple[int, int]:
    table = _Table(folder, "horizon.csv", ("days", "tail_days"))
    cells = _Cells(table)
    found: tuple[int, int] | None = None
    for line, row in table.rows():
        if found is not None:
            raise table.error(line, "", "there is a second row", "Give exactly one row.")
        days = cells.count(line, row, "days")
        if not 1 <= days <= MAX_DAYS:
            raise table.error(
                line, "days", "the number of days is out of range", f"Give 1 to {MAX_DAYS}."
            )
        found = (days, cells.count(line, row, "tail_days"))
    if found is None:
        raise table.error(2, "days", "the row is missing", "Give exactly one row.")
    return found


def _zone(cells: _Cells, line: int, row: list[str]) -> Zone:
    return Zone(
        cells.text(line, row, "zone"),
        cells.any_text(row, "borough"),
        cells.decimal(line, row, "x_km"),
        cells.decimal(line, row, "y_km"),
    )


def _lab(cells: _Cells, line: int, row: list[str]) -> Lab:
    return Lab(cells.text(line, row, "lab"), cells.flag(line, row, "own"))


def _read_rows(
    folder: Path,
    name: str,
    columns: tuple[str, ...],
    build: Callable[[_Cells, int, list[str]], Value],
    *,
    keys: int,
) -> tuple[Value, ...]:
    """Read one file whose key is its first `keys` columns."""
    table = _Table(folder, name, columns)
    cells = _Cells(table)
    found: list[Value] = []
    lines: dict[tuple[object, ...], int] = {}
    for line, row in table.rows():
        value = build(cells, line, row)
        assert isinstance(value, tuple)
        key = value[:keys]
        first = lines.setdefault(key, line)
        if first != line:
            raise _duplicate(table, line, columns[keys - 1], first)
        found.append(value)
    return tuple(found)


def _duplicate(table: _Table, line: int, column: str, first: int) -> UserError:
    return table.error(
        line, column, f"this key is already on line {first}", "Remove one of the two rows."
    )


def _read_needs(
    folder: Path, zones: set[str], clinics: set[str]
) -> tuple[tuple[str, ...], tuple[Need, ...], tuple[str, ...]]:
    """Read needs.csv: its disciplines, its rows, and the names of its unknown columns."""
    table = _Table(folder, "needs.csv", NEED_COLUMNS)
    cells = _Cells(table)
    tubes_columns = [
        column
        for column in table.header
        if column.startswith(TUBES_PREFIX) and column != TUBES_PREFIX
    ]
    known = {*NEED_COLUMNS, *tubes_columns}
    extra_at = [at for at, column in enumerate(table.header) if column not in known]
    lines: dict[str, int] = {}
    needs: list[Need] = []
    for line, row in table.rows():
        need = _need(
            table,
            cells,
            line,
            row,
            zones=zones,
            clinics=clinics,
            tubes_columns=tubes_columns,
            extra_at=extra_at,
        )
        first = lines.setdefault(need.need, line)
        if first != line:
            raise _duplicate(table, line, "need", first)
        needs.append(need)
    disciplines = tuple(column.removeprefix(TUBES_PREFIX) for column in tubes_columns)
    return disciplines, tuple(needs), tuple(table.header[at] for at in extra_at)


def _need(
    table: _Table,
    cells: _Cells,
    line: int,
    row: list[str],
    *,
    zones: set[str],
    clinics: set[str],
    tubes_columns: list[str],
    extra_at: list[int],
) -> Need:
    priority = row[table.at("priority")].strip()
    if priority not in PRIORITIES:
        raise table.error(line, "priority", "this is not a priority", "Give P1, P2, P3, P4 or P5.")
    escalates = row[table.at("escalates_on")].strip()
    booked_clinic, booked_day = _booking(table, cells, line, row, clinics)
    return Need(
        cells.text(line, row, "need"),
        cells.any_text(row, "patient"),
        cells.known(line, row, "zone", zones, "zones.csv"),
        cells.any_text(row, "indication"),
        priority,
        cells.whole(line, row, "released"),
        cells.whole(line, row, "due"),
        cells.whole(line, row, "safe_until"),
        cells.amount(line, row, "harm_per_day"),
        cells.whole(line, row, "escalates_on") if escalates else None,
        cells.amount(line, row, "escalated_harm_per_day"),
        cells.amount(line, row, "stability_hours"),
        cells.amount(line, row, "travel_km"),
        booked_clinic,
        booked_day,
        tuple([cells.count(line, row, column) for column in tubes_columns]),
        tuple([row[at] for at in extra_at]),
    )


def _booking(
    table: _Table, cells: _Cells, line: int, row: list[str], clinics: set[str]
) -> tuple[str, int | None]:
    has_clinic = bool(row[table.at("booked_clinic")].strip())
    has_day = bool(row[table.at("booked_day")].strip())
    if not has_clinic and not has_day:
        return "", None
    if not (has_clinic and has_day):
        raise table.error(
            line,
            "booked_day" if has_clinic else "booked_clinic",
            "half of the booking is missing",
            "Give clinic and day, or neither.",
        )
    return (
        cells.known(line, row, "booked_clinic", clinics, "clinics.csv"),
        cells.whole(line, row, "booked_day"),
    )


def _parse_decimal(text: str) -> Decimal | None:
    """Parse a finite decimal of sane length; None where it is not one."""
    if len(text) > MAX_NUMBER_CHARACTERS or _DECIMAL.fullmatch(text) is None:
        return None
    try:
        value = Decimal(text)
    except InvalidOperation:
        return None
    if value and abs(value.adjusted()) > MAX_EXPONENT:
        return None
    return value


def _read_text(path: Path, name: str) -> str:
    """Read a file as UTF-8 without its byte order mark. Raises UserError."""
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise UserError(
                "The file is too large.", where=name, remedy=f"At most {MAX_FILE_BYTES} bytes."
            )
        raw = path.read_bytes()
    except FileNotFoundError as error:
        raise UserError(
            "The file is missing.", where=name, remedy=f"Add {name} to the problem's folder."
        ) from error
    except OSError as error:
        raise UserError(
            "The file cannot be read.", where=name, remedy="Check what it is and its permissions."
        ) from error
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise UserError(
            "This is not UTF-8.", where=f"{name}, line {line}", remedy="Save the file as UTF-8."
        ) from error
