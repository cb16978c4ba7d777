"""Somebody without a tie to a patient says why they open the record.

1. The role may, and the reason is one that the role may give (`patients/grounds.py`).
2. Append `glass.broken`: it holds for some hours, for this account and this patient alone.

The reading itself is noted by `read_record`, with the reason that was given here.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from tourniquet.directory.roles import Task, Viewer
from tourniquet.kernel.settings import read_number
from tourniquet.patients.entries import GlassBroken
from tourniquet.patients.grounds import Why, read_reason
from tourniquet.record.journal import Act, writing

HOURS_MOST = 7 * 24


def break_glass(patient_id: str, *, viewer: Viewer, why: Why, now: datetime) -> datetime:
    """Write down why; until when it holds.

    Raises: PermissionRefused; UserError where the role may not give this reason;
    StorageUnavailable, and the caller decides whether care can wait.
    """
    viewer.demand(Task.BREAK_GLASS)  # 1.
    why = read_reason(viewer.role, why.reason, why.words)
    hours = read_number("TOURNIQUET_BROKEN_GLASS_HOURS", least=1, most=HOURS_MOST)
    until = now + timedelta(hours=hours)
    with writing(Act(viewer.account, now, viewer.organisation)) as journal:
        body = GlassBroken(role=viewer.role.value, reason=why.reason, words=why.words, until=until)
        journal.append(body, subject=patient_id)  # 2.
    return until
