"""The specimens of a form were taken.

1. Find the need of that requisition whose visit has not happened yet; none: nothing to do.
2. Append `need.collected`: need collected, appointment attended, gate used.
3. A collection that the gate had not passed raises an alarm and is counted.
"""

from __future__ import annotations

from datetime import date, datetime

from tourniquet.diary.entries import NeedCollected
from tourniquet.flows.raise_alarm import raise_alarm
from tourniquet.kernel.clock import service_day
from tourniquet.kernel.identifiers import IdSource, RandomIds
from tourniquet.record.journal import Writer
from tourniquet.record.tables import fetch_one

UNGATED_ALARM = "ungated collection"
_RANDOM_IDS = RandomIds()


def record_collection(
    journal: Writer,
    *,
    patient_id: str,
    requisition: str,
    collected_at: datetime,
    clinic: str,
    cause: int | None,
    ids: IdSource | None = None,
) -> bool:
    """Record that the visit of this requisition happened; whether there was one to record."""
    # 1. Find it. A visit by the emergency route ends the need as well, and has no gate.
    if not requisition:
        return False
    journal.flush_about(patient_id, "need", "appointment", "gate")
    row = _find_need(patient_id, requisition)
    if row is None:
        return False
    need, status, appointment = row
    day = service_day(collected_at)
    gate = _find_gate(need, appointment, day)
    appointment = gate or appointment
    gated = gate is not None
    # 2. It happened.
    position = journal.append(
        NeedCollected(
            need=need,
            collected_at=collected_at,
            collected_on=day,
            clinic=clinic,
            appointment=appointment,
            gated=gated or status == "emergency",
        ),
        subject=patient_id,
        cause=cause,
        happened_at=collected_at,
    )
    # 3. Nothing was reserved: perhaps nobody can process it.
    if not gated and status != "emergency":
        raise_alarm(
            journal,
            UNGATED_ALARM,
            f"Specimens were taken at {clinic or 'a place not named'} without a "
            "reservation. Ask a laboratory at once whether it can process them.",
            about=position,
            ids=ids,
        )
    return True


def _find_need(patient_id: str, requisition: str) -> tuple[str, str, str | None] | None:
    """Id, status and appointment of the open need; plain SQL, asked once a message."""
    row = fetch_one(
        "SELECT id, status, appointment_id FROM diary_need WHERE requisition = %s"
        " AND patient_id = %s AND status IN ('waiting', 'booked', 'emergency')"
        " ORDER BY opened_at, id LIMIT 1",
        [requisition, patient_id],
    )
    return (row[0], row[1], row[2]) if row else None


def _find_gate(need: str, appointment: str | None, day: date) -> str | None:
    """The appointment whose reservation covers the visit; None where nothing was reserved.

    The message may come after the day was closed: the visit was gated all the same.
    """
    row = fetch_one(
        "SELECT appointment_id FROM diary_gatereservation WHERE need_id = %s"
        " AND ((appointment_id = %s AND status = 'reserved')"
        " OR (day = %s AND status IN ('reserved', 'released')))"
        " ORDER BY CASE WHEN status = 'reserved' AND appointment_id = %s THEN 0 ELSE 1 END,"
        " position DESC LIMIT 1",
        [need, appointment or "", day.isoformat(), appointment or ""],
    )
    return str(row[0]) if row else None
