"""Numbers of paper forms are reserved for a downtime desk, before anything happens.

1. Take the next range of the journal, under its lock: no two desks get the same.
2. One entry; the desk finds it in the vault.

Invariants:
- A range is one desk's, by the id that was drawn when its folder was begun.
"""

from __future__ import annotations

from datetime import datetime

from tourniquet.directory.roles import Task, Viewer
from tourniquet.kernel.errors import UserError
from tourniquet.pathology.desk_numbers import DESK_ID, RANGE_MOST, Block, reserved_code
from tourniquet.pathology.entries import NumbersReserved
from tourniquet.pathology.models import NumberRange
from tourniquet.record.journal import Act, writing

PURPOSE_LONGEST = 200


def reserve_numbers(count: int, *, desk: str, purpose: str, viewer: Viewer, now: datetime) -> Block:
    """Reserve so many numbers for a desk, which is known by its id (flows.desk_id).

    Raises: PermissionRefused, UserError.
    """
    viewer.demand(Task.ADMINISTER)
    if not 1 <= count <= RANGE_MOST:
        raise UserError(f"From 1 to {RANGE_MOST} numbers at once.", where="count")
    desk = desk.strip().upper()
    if not DESK_ID.fullmatch(desk):
        raise UserError(
            "This is not the id of a desk.",
            where="desk",
            remedy="Its page of forms and numbers shows it, and `tourniquet record desk-account` "
            "prints it: eight figures and letters. Names of folders are not enough: two may be "
            "alike.",
        )
    with writing(Act(viewer.account, now, viewer.organisation)) as journal:
        # 1.
        code = reserved_code(NumberRange.objects.count() + 1)
        # 2.
        journal.append(
            NumbersReserved(
                code=code, first=1, last=count, desk=desk, purpose=purpose[:PURPOSE_LONGEST]
            )
        )
    return Block(code, 1, count)
