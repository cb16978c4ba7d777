"""Somebody looks up who read what: that is written down before it is shown.

1. The role may.
2. Append `access.seen` about the patient, or `access.listed` about an account or everybody.
"""

from __future__ import annotations

from datetime import datetime

from tourniquet.directory.roles import Task, Viewer
from tourniquet.patients.entries import AccessListed, AccessSeen
from tourniquet.patients.grounds import CONSOLE
from tourniquet.record.journal import Act, writing


def see_access(
    *,
    viewer: Viewer,
    now: datetime,
    patient_id: str = "",
    account: str = "",
    channel: str = CONSOLE,
) -> int:
    """Note that readings of a patient's record, or by an account, are looked at.

    Raises: PermissionRefused; StorageUnavailable, and nothing is to be shown then: unlike a
    record, a list of readings can wait.
    """
    viewer.demand(Task.SEE_ACCESS)  # 1.
    with writing(Act(viewer.account, now, viewer.organisation)) as journal:  # 2.
        if patient_id:
            return journal.append(AccessSeen(channel=channel), subject=patient_id)
        return journal.append(AccessListed(account=account, channel=channel))
