"""A person opens a patient's record, and the journal says so before the page is answered.

1. Append `record.read`, with whatever could not be journalled before.
2. Where the journal cannot be written, care is not refused: the reading goes to a file beside it,
   one line each, synced, and into the journal with the next reading that can be written.

Invariants:
- The file holds ids and names of accounts, no more, and is readable by its owner only.
- A line leaves the file only after its entry is committed; a crash in between writes it twice
  rather than never.
"""

from __future__ import annotations

import json
import os
import threading
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from tourniquet.directory.roles import Viewer
from tourniquet.kernel.errors import StorageUnavailable
from tourniquet.kernel.settings import home
from tourniquet.patients.entries import RecordRead
from tourniquet.record.journal import Act, writing

LATE_AT_ONCE = 500
_lock = threading.Lock()


@dataclass(frozen=True)
class Reading:
    """Who read whose record, and when."""

    patient: str
    actor: str
    organisation: str
    at: datetime


def late_file() -> Path:
    """Where readings are kept that the journal could not take."""
    return home() / "readings-not-journalled.jsonl"


def read_record(patient_id: str, *, viewer: Viewer, now: datetime, what: str = "record") -> bool:
    """Note that a record is read; False where the journal could not be written and a file was.

    Raises: OSError where neither can be written; the caller decides.
    """
    reading = Reading(patient_id, viewer.account, viewer.organisation, now)
    path = late_file()
    late = _take_late(path) if path.exists() else []
    # 1. The journal.
    try:
        with writing(Act(viewer.account, now, viewer.organisation)) as journal:
            for one in late:
                journal.append(
                    RecordRead(late_by=viewer.account),
                    subject=one.patient,
                    happened_at=one.at,
                    act=Act(one.actor, now, one.organisation),
                )
            journal.append(RecordRead(what=what), subject=patient_id)
    except StorageUnavailable:
        # 2. The file.
        keep_late(path, reading)
        return False
    if late:
        _drop(path, len(late))
    return True


def keep_late(path: Path, reading: Reading) -> None:
    """Add a reading to the file, synced, until the journal can take it.

    Raises: OSError where the file cannot be written; the caller decides.
    """
    line = json.dumps(
        {
            "patient": reading.patient,
            "actor": reading.actor,
            "organisation": reading.organisation,
            "at": reading.at.isoformat(),
        }
    )
    with _lock:
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            os.write(file, f"{line}\n".encode())
            os.fsync(file)
        finally:
            os.close(file)


def _take_late(path: Path) -> list[Reading]:
    with _lock:
        lines = path.read_text().splitlines()[:LATE_AT_ONCE]
    found = []
    for line in lines:
        row = json.loads(line)
        at = datetime.fromisoformat(row["at"])
        found.append(Reading(row["patient"], row["actor"], row["organisation"], at))
    return found


def _drop(path: Path, count: int) -> None:
    """Take the first lines out of the file, or the file away."""
    with _lock:
        rest = path.read_text().splitlines()[count:]
        if not rest:
            path.unlink(missing_ok=True)
            return
        new = path.with_suffix(".new")
        new.touch(mode=0o600)
        new.write_text("".join(f"{line}\n" for line in rest))
        new.replace(path)
