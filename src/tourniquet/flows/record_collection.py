"""The specimens of a form were taken.

1. Find the need of that requisition whose visit has not happened yet; none: nothing to do.
2. Append `need.collected`: need collected, appointment attended, gate used.
3. A collection that the gate had not passed raises an alarm and is counted.
"""

from __future__ import annotations

from datetime import datetime

from tourniquet.record.journal import Writer


def record_collection(
    journal: Writer,
    *,
    patient_id: str,
    requisition: str,
    collected_at: datetime,
    clinic: str,
    cause: int | None,
) -> None:
    """Record that the visit of this requisition happened."""
    raise NotImplementedError
