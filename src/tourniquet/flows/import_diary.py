"""A diary that exists already comes in: needs with their appointments, from another system's list.

1. Each line names a patient by identifier, a requisition, why, when it is due, and its booking.
2. Open the need; the terms are those of the catalogue, as for an order.
3. Book the appointment as it stands.

Invariants:
- One patient an entry, in transactions that keep no writer waiting.
- A line whose patient is not in the index is refused, naming the line: nobody is guessed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from itertools import islice

from tourniquet.diary.entries import AppointmentBooked
from tourniquet.flows.open_need import Order, open_need
from tourniquet.kernel.errors import UserError
from tourniquet.kernel.identifiers import IdSource, RandomIds, derived_id
from tourniquet.patients.models import Identifier
from tourniquet.record.journal import Act, Writer, writing

LINES_AT_ONCE = 500


@dataclass(frozen=True)
class DiaryLine:
    """One line of another system's diary. `clinic` empty: no appointment yet."""

    identifier_system: str
    identifier: str
    requisition: str
    indication: str
    tests: tuple[str, ...]
    authored_at: datetime
    wanted_on: date
    zone: str
    organisation: str
    clinic: str
    day: date
    at: time
    laboratory: str


def import_diary(lines: Iterable[DiaryLine], *, act: Act, ids: IdSource | None = None) -> int:
    """Import lines; how many. Raises: UserError naming the first line that cannot be taken."""
    made = 0
    ids = ids or RandomIds()
    rest = iter(lines)
    while batch := list(islice(rest, LINES_AT_ONCE)):
        patients = _patients(batch)
        with writing(act) as journal:
            for line in batch:
                made += 1
                patient = patients.get((line.identifier_system, line.identifier))
                if patient is None:
                    raise UserError(
                        "The patient of this line is not in the index.",
                        where=f"line {made}",
                        remedy="Import the people first.",
                    )
                _take(journal, line, patient, ids)
    return made


def _patients(batch: Sequence[DiaryLine]) -> dict[tuple[str, str], str]:
    rows = Identifier.objects.filter(
        value__in={line.identifier for line in batch}, state="current"
    ).values_list("system", "value", "patient_id")
    return {(system, value): patient for system, value, patient in rows}


def _take(journal: Writer, line: DiaryLine, patient: str, ids: IdSource) -> None:
    need = open_need(
        journal,
        Order(
            patient_id=patient,
            requisition=line.requisition,
            indication=line.indication,
            priority="",
            test_codes=line.tests,
            service_request_ids=(),
            wanted_on=line.wanted_on,
            authored_at=line.authored_at,
            zone=line.zone,
            requesting_organisation=line.organisation,
            registered_organisation=line.organisation,
        ),
        cause=None,
        ids=ids,
    )
    if not line.clinic:
        return
    journal.append(
        AppointmentBooked(
            appointment=derived_id(journal.act.moment, "appointment", need),
            need=need,
            clinic=line.clinic,
            day=line.day,
            at=line.at,
            laboratory=line.laboratory,
            reason="booked before",
            requesting_organisation=line.organisation,
            registered_organisation=line.organisation,
        ),
        subject=patient,
    )
