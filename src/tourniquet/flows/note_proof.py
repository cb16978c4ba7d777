"""Entries about patients are shown to somebody outside, and the journal says so before they are.

1. Append one `record.read` for each patient whose entries go into a bundle, with the reason.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from tourniquet.patients.entries import RecordRead
from tourniquet.patients.grounds import COMMAND, GLASS, OTHER, WORDS_LONGEST
from tourniquet.record.journal import Act, writing


def note_proof(patients: Iterable[str], *, why: str, actor: str, now: datetime) -> int:
    """Note whose entries are shown; how many people they are.

    Raises: StorageUnavailable where the journal can't be written; nothing is shown then.
    """
    body = RecordRead(
        what="proof", channel=COMMAND, ground=GLASS, reason=OTHER, words=why[:WORDS_LONGEST]
    )
    subjects = sorted(set(patients))
    if subjects:
        with writing(Act(actor, now)) as journal:
            for subject in subjects:
                journal.append(body, subject=subject)
    return len(subjects)
