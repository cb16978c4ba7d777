"""Somebody looks up who read what: that is written down before it is shown.

1. The role may.
2. Append `access.seen` about the patient, or `access.listed` about an account or everybody.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from tourniquet.directory.roles import Task, Viewer
from tourniquet.flows.read_record import demand_there
from tourniquet.patients.entries import AccessListed, AccessSeen
from tourniquet.patients.grounds import CONSOLE
from tourniquet.record.journal import Act, writing


def see_access(
    *,
    viewer: Viewer,
    now: datetime,
    patient_ids: Iterable[str] = (),
    account: str = "",
    channel: str = CONSOLE,
) -> None:
    """Note that readings of patients' records, or by an account, are looked at.

    Raises: PermissionRefused; NotFound where a patient was erased meanwhile;
    StorageUnavailable, and nothing is to be shown then: unlike a
    record, a list of readings can wait.
    """
    viewer.demand(Task.SEE_ACCESS)  # 1.
    patients = sorted(set(patient_ids))
    with writing(Act(viewer.account, now, viewer.organisation)) as journal:  # 2.
        demand_there(patients)
        for patient in patients:
            journal.append(AccessSeen(channel=channel), subject=patient)
        if not patients:
            journal.append(AccessListed(account=account, channel=channel))
