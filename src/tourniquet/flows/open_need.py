"""An order opens a need: one visit for specimens, with what waiting for it would cost.

1. Find the indication, and with it class, safe deferral, harm, travel and stability.
2. Count tubes by discipline from the tests.
3. Set the dates: released, due, safe until, escalates on.
4. Append `need.opened`; or `need.extended` where the same form's visit has not happened yet.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from tourniquet.kernel.identifiers import IdSource, RandomIds
from tourniquet.record.journal import Writer


@dataclass(frozen=True)
class Order:
    """What an order says, as far as a visit is concerned.

    `indication` and `priority` (S, A, R or empty) may be empty: the tests' default then holds.
    """

    patient_id: str
    requisition: str
    indication: str
    priority: str
    test_codes: tuple[str, ...]
    service_request_ids: tuple[str, ...]
    wanted_on: date | None
    authored_at: datetime
    zone: str
    requesting_organisation: str
    registered_organisation: str


def open_need(
    journal: Writer, order: Order, *, cause: int, ids: IdSource | None = None
) -> None:
    """Open the need of an order, or extend the one that its form opened."""
    ids = ids or RandomIds()
    raise NotImplementedError
