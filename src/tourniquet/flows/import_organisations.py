"""The organisations of a region come in from a list of the Organisation Data Service.

1. Read the whole file: no header, 27 columns, one organisation a row.
2. Check each row; the first fault ends it, with its line and column, and nothing is imported.
3. Append one `organisation.listed` for each that is new or changed, in one transaction.

Invariants:
- All or nothing. Importing the same list again changes nothing.
- What a person has added (zone, borough) stays.

Source: NHS England, Organisation Data Service, epraccur file specification, read November 2026.
"""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from tourniquet.directory.entries import OrganisationListed
from tourniquet.directory.models import Organisation
from tourniquet.kernel.errors import SenderError, UserError
from tourniquet.kernel.identifiers import OdsCode
from tourniquet.record.journal import Act, writing

COLUMNS = 27
FILE_BYTES_MOST = 32 * 1024 * 1024
ROWS_MOST = 100_000
NAME_MOST = 200
PRACTICE_KIND = "practice"
SOURCE = "ODS"
STATUSES = {"A": True, "P": False, "C": False, "D": False}  # active, proposed, closed, dormant
_DAY = re.compile(r"\d{8}\Z")
_CODE, _NAME, _ADDRESS, _POSTCODE, _OPENED, _CLOSED, _STATUS, _PARENT, _PHONE = (
    0,
    1,
    slice(4, 9),
    9,
    10,
    11,
    12,
    14,
    17,
)


@dataclass(frozen=True)
class Import:
    """What came of it, in organisations."""

    read: int
    open: int
    closed: int
    listed: int
    unchanged: int


def import_ods(path: Path, *, now: datetime, actor: str) -> Import:
    """Import a list of practices; what came of it.

    Raises: UserError naming file, line and column of the first fault.
    """
    # 1. and 2. Read and check.
    rows = list(read_ods(path))
    repeated = [code for code, count in Counter(row.code for row in rows).items() if count > 1]
    if repeated:
        line = max(at for at, row in enumerate(rows, 1) if row.code == repeated[0])
        raise _fault(path, line, _CODE, "This code is in the list twice.")
    # 3. Write what is new.
    with writing(Act(actor, now)) as journal:
        known = {found.code: found for found in Organisation.objects.all()}
        new = [row for row in (_kept(row, known.get(row.code)) for row in rows) if row is not None]
        for row in new:
            journal.append(row)
    opened = sum(row.open for row in rows)
    return Import(len(rows), opened, len(rows) - opened, len(new), len(rows) - len(new))


def read_ods(path: Path) -> Iterator[OrganisationListed]:
    """Read a list, row by row. Raises: UserError naming file, line and column."""
    try:
        if path.stat().st_size > FILE_BYTES_MOST:
            raise UserError("The file is too large.", where=str(path))
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise UserError(
            "The file cannot be read.", where=str(path), remedy="Check the path and permissions."
        ) from error
    except UnicodeDecodeError as error:
        raise UserError(
            "The file is not text in UTF-8.", where=str(path), remedy="Save it as CSV in UTF-8."
        ) from error
    reader = csv.reader(text.splitlines(), strict=True)
    found = 0
    try:
        for row in reader:
            if not row:
                continue
            found += 1
            if found > ROWS_MOST:
                raise _fault(path, reader.line_num, _CODE, f"More than {ROWS_MOST} rows.")
            yield _organisation(path, reader.line_num, row)
    except csv.Error as error:
        raise UserError(
            f"This is not CSV ({error}).",
            where=f"{path}, line {reader.line_num}",
            remedy="Check quotes and commas.",
        ) from error
    if not found:
        raise UserError("The file is empty.", where=str(path), remedy="Give a list of practices.")


def _organisation(path: Path, line: int, row: list[str]) -> OrganisationListed:
    if len(row) != COLUMNS:
        raise UserError(
            f"A row has {COLUMNS} columns; this one has {len(row)}.",
            where=f"{path}, line {line}",
            remedy="Give the list as the Organisation Data Service publishes it, without a header.",
        )
    values = [value.strip() for value in row]
    try:
        code = OdsCode.parse(values[_CODE]).code
    except SenderError as error:
        raise _fault(path, line, _CODE, error.what) from error
    if not 0 < len(values[_NAME]) <= NAME_MOST:
        raise _fault(path, line, _NAME, f"A name has 1 to {NAME_MOST} characters.")
    for column in (_OPENED, _CLOSED):
        if values[column] and not _DAY.match(values[column]):
            raise _fault(path, line, column, "A date is eight digits, such as 20240603.")
    status = values[_STATUS].upper()
    if status not in STATUSES:
        raise _fault(path, line, _STATUS, "The status is A, C, D or P.")
    return OrganisationListed(
        code=code,
        name=values[_NAME],
        organisation_kind=PRACTICE_KIND,
        address=", ".join(part for part in values[_ADDRESS] if part),
        postcode=values[_POSTCODE][:10],
        phone=values[_PHONE][:40],
        parent=values[_PARENT][:10],
        source=SOURCE,
        open=STATUSES[status] and not values[_CLOSED],
    )


def _kept(row: OrganisationListed, known: Organisation | None) -> OrganisationListed | None:
    """The row with what a person added to the directory; None where it says nothing new."""
    if known is None:
        return row
    merged = OrganisationListed(
        code=row.code,
        name=row.name,
        organisation_kind=row.organisation_kind,
        address=row.address,
        postcode=row.postcode,
        phone=row.phone,
        borough=known.borough,
        zone=known.zone,
        parent=row.parent,
        source=row.source,
        open=row.open,
    )
    same = (known.name, known.kind, known.address, known.postcode, known.phone) == (
        row.name,
        row.organisation_kind,
        row.address,
        row.postcode,
        row.phone,
    ) and (known.parent, known.source, known.open) == (row.parent, row.source, row.open)
    return None if same else merged


def _fault(path: Path, line: int, column: int, what: str) -> UserError:
    return UserError(
        what,
        where=f"{path}, line {line}, column {column + 1}",
        remedy="Correct the file and import it again; nothing was imported.",
    )
