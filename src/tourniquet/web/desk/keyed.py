"""Results that were keyed at this desk, from the book to what pages show.

Invariants:
- A critical value of which no call is noted is on the first page that shows results, and on every
  other one; only a noted call or a correction takes it off (HAZ-005).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tourniquet.flows.downtime_desk import DowntimeDesk
from tourniquet.kernel.clock import service_day
from tourniquet.pathology.catalogue import load_catalogue
from tourniquet.pathology.desk_lines import CallMade, PersonWritten, ResultKeyed
from tourniquet.pathology.keyed_values import Limits, find_critical_keyed
from tourniquet.pathology.rules import age_on, critical_tables
from tourniquet.web.desk import addresses
from tourniquet.web.desk.presenters import KeyedRow
from tourniquet.web.filters import nhs_number, person_name, staff_date
from tourniquet.web.presenters.people import PersonName
from tourniquet.web.presenters.shell import Paging

ROWS_MOST = 100


@dataclass(frozen=True)
class KeyedPage:
    """One page of what was keyed, newest first, and every value that nobody has phoned yet."""

    unphoned: tuple[KeyedRow, ...]
    rows: tuple[KeyedRow, ...]
    paging: Paging


def list_keyed(desk: DowntimeDesk, *, patient_id: str) -> tuple[KeyedRow, ...]:
    """Every result of a patient that was keyed here, newest first; as many as the book holds.

    None where the book cannot be read: every page says that then, and the history is shown.
    """
    if not desk.demand().book.is_readable:
        return ()
    return tuple(row for row in reversed(_rows(desk)) if row.patient_id == patient_id)


def page_keyed(desk: DowntimeDesk, number: int = 1) -> KeyedPage:
    """A page of the results keyed here; before them all that wait for a call, the oldest first.

    No critical value leaves the page before a call is noted, however many came since (HAZ-005).
    """
    rows = _rows(desk)
    pages = max(1, -(-len(rows) // ROWS_MOST))
    number = min(max(number, 1), pages)
    newest = rows[::-1]
    return KeyedPage(
        unphoned=tuple(row for row in rows if row.has_critical),
        rows=tuple(newest[(number - 1) * ROWS_MOST : number * ROWS_MOST]),
        paging=Paging(number, pages, len(rows), ROWS_MOST, addresses.RESULTS),
    )


def _rows(desk: DowntimeDesk) -> list[KeyedRow]:
    """Every result of the book, in order."""
    lines = desk.demand().lines()
    replaced = {line.corrects for line in lines if isinstance(line, ResultKeyed)}
    called = {(line.result, line.code) for line in lines if isinstance(line, CallMade)}
    return [
        _row(desk, at, line, called, replaced=at in replaced)
        for at, line in enumerate(lines, 1)
        if isinstance(line, ResultKeyed)
    ]


def get_keyed(desk: DowntimeDesk, at: int) -> KeyedRow | None:
    """The result that a line of the book holds; None where it holds none."""
    lines = desk.demand().lines()
    line = lines[at - 1] if 0 < at <= len(lines) else None
    if not isinstance(line, ResultKeyed):
        return None
    called = {(one.result, one.code) for one in lines if isinstance(one, CallMade)}
    return _row(desk, at, line, called, replaced=False)


def _row(
    desk: DowntimeDesk,
    at: int,
    line: ResultKeyed,
    called: set[tuple[int, str]],
    *,
    replaced: bool,
) -> KeyedRow:
    found = desk.demand().reading.index.find(line.patient) if line.patient else None
    born = found.birth_date if found else line.written.birth_date
    age = age_on(born, service_day(line.collected_at or line.at))
    critical = set() if replaced else _critical(line, age)
    return KeyedRow(
        line=at,
        number=line.number,
        test=line.test_name or line.test,
        values=tuple(
            (
                one.name or one.code,
                one.value,
                one.unit,
                one.code in critical and (at, one.code) not in called,
            )
            for one in line.values
        ),
        at=line.at,
        who=line.who,
        patient=(
            person_name(PersonName(found.family_name, found.given_names, found.title))
            if found
            else written_words(line.written)
        ),
        patient_id=found.id if found else "",
        patient_href=addresses.record(found.id) if found else "",
        reported_by=line.reported_by,
        call_href=addresses.call(at),
        correct_href=addresses.with_query(
            addresses.RESULTS_KEY, number=line.number, test=line.test, corrects=at
        ),
        replaced=replaced,
    )


def written_words(written: PersonWritten) -> str:
    """Somebody as a form names them."""
    name = person_name(PersonName(written.family_name, written.given_names))
    parts = [name if written.family_name else written.other or name]
    if written.birth_date:
        parts.append(f"born {staff_date(written.birth_date)}")
    if written.nhs_number:
        parts.append(nhs_number(written.nhs_number))
    return f"As written: {', '.join(parts)}"


def _critical(line: ResultKeyed, age: int | None) -> set[str]:
    """Codes of the values that must be phoned."""
    found = find_critical_keyed(line.values, Limits(*critical_tables(load_catalogue()), age))
    return {value.line.code for value in found}


def units() -> Mapping[str, str]:
    """Units of the catalogue's analytes, by code."""
    return {code: one.unit for code, one in load_catalogue().analytes.items()}
