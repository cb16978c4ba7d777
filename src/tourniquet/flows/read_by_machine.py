"""A machine reads records over FHIR, and the journal says so before the answer leaves.

1. Append one `record.read` for each patient of whom the answer tells, in one transaction.
2. Where the journal cannot be written, care is not refused: the readings go to the file that
   `read_record` keeps, and into the journal with the next reading that can be written.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from tourniquet.directory.roles import Viewer
from tourniquet.flows.read_record import Reading, keep_late, late_file
from tourniquet.kernel.errors import StorageUnavailable
from tourniquet.patients.entries import RecordRead
from tourniquet.record.journal import Act, writing


def read_by_machine(patient_ids: Iterable[str], *, viewer: Viewer, now: datetime) -> bool:
    """Note whose records an answer tells of; False where a file was written and not the journal.

    Raises: OSError where neither can be written; the caller decides.
    """
    ids = sorted(set(patient_ids))
    if not ids:
        return True
    try:
        # 1. The journal.
        with writing(Act(viewer.account, now, viewer.organisation)) as journal:
            for patient_id in ids:
                journal.append(RecordRead(what="fhir"), subject=patient_id)
    except StorageUnavailable:
        # 2. The file.
        for patient_id in ids:
            keep_late(late_file(), Reading(patient_id, viewer.account, viewer.organisation, now))
        return False
    return True
