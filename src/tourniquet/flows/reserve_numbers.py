"""Numbers of paper forms are reserved for a downtime desk, before anything happens.

1. Take the next range of the journal, under its lock: no two desks get the same.
2. One entry; the desk finds it in the vault.
"""

from __future__ import annotations

import re
from datetime import datetime

from tourniquet.directory.roles import Task, Viewer
from tourniquet.kernel.errors import UserError
from tourniquet.pathology.desk_numbers import RANGE_MOST, Block, reserved_code
from tourniquet.pathology.entries import NumbersReserved
from tourniquet.pathology.models import NumberRange
from tourniquet.record.journal import Act, writing

_DESK = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,60}\Z")
PURPOSE_LONGEST = 200


def reserve_numbers(count: int, *, desk: str, purpose: str, viewer: Viewer, now: datetime) -> Block:
    """Reserve so many numbers for a desk, which is known by the name of its folder.

    Raises: PermissionRefused, UserError.
    """
    viewer.demand(Task.ADMINISTER)
    if not 1 <= count <= RANGE_MOST:
        raise UserError(f"From 1 to {RANGE_MOST} numbers at once.", where="count")
    if not _DESK.match(desk):
        raise UserError("A desk is named as its folder is.", where="desk")
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
