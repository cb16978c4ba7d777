"""The specimens of a form were taken.

1. Find the need of that requisition whose visit has not happened yet; none: nothing to do.
2. Append `need.collected`: need collected, appointment attended, gate used.
3. A collection that the gate had not passed raises an alarm and is counted.
"""

from __future__ import annotations

from datetime import datetime

from tourniquet.diary.entries import NeedCollected
from tourniquet.diary.models import GateReservation, Need
from tourniquet.kernel.clock import service_day
from tourniquet.kernel.identifiers import IdSource, RandomIds
from tourniquet.record.entries import AlarmRaised
from tourniquet.record.journal import Writer

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
    journal.flush()
    row = (
        Need.objects.filter(
            requisition=requisition,
            patient_id=patient_id,
            status__in=("waiting", "booked", "emergency"),
        )
        .order_by("opened_at", "id")
        .values_list("id", "status", "appointment_id")
        .first()
    )
    if not requisition or row is None:
        return False
    need, status, appointment = row
    day = service_day(collected_at)
    passed = GateReservation.objects.filter(need_id=need, status__in=("reserved", "released"))
    gate = (
        passed.filter(pk=appointment, status="reserved").first()
        # The message may come after the day was closed: the visit was gated all the same.
        or passed.filter(day=day).order_by("-position").first()
    )
    appointment = gate.appointment_id if gate else appointment
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
        journal.append(
            AlarmRaised(
                alarm=(ids or _RANDOM_IDS).new(journal.act.moment),
                alarm_kind=UNGATED_ALARM,
                text=f"Specimens were taken at {clinic or 'a place not named'} without a "
                "reservation. Ask a laboratory at once whether it can process them.",
                about=position,
            ),
            cause=position,
        )
    return True
