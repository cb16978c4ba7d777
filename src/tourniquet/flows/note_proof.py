"""Entries about patients are shown to somebody outside, and the journal says so before they are.

1. Append one `record.read` for each patient whose entries go into a bundle, with the reason; a few
   hundred to a transaction, so that no other writer waits. Where that is interrupted nothing is
   shown, and a few readings too many are noted.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from tourniquet.kernel.errors import NotFound, UserError
from tourniquet.patients.entries import RecordRead
from tourniquet.patients.grounds import COMMAND, GLASS, OTHER, WORDS_LONGEST
from tourniquet.patients.readings import list_erased
from tourniquet.record.journal import Act, writing

PATIENTS_AT_ONCE = 500


def check_reason(why: str) -> str:
    """The reason as it is journalled. Raises: UserError when there is none or it is too long."""
    words = why.strip()
    if not words:
        raise UserError(
            "Entries are shown to somebody: say why.", where="--why", remedy="Add --why 'REASON'."
        )
    if len(words) > WORDS_LONGEST:
        raise UserError(f"Too long: at most {WORDS_LONGEST} characters.", where="--why")
    return words


def note_proof(patients: Iterable[str], *, why: str, actor: str, now: datetime) -> int:
    """Note whose entries are shown; how many people they are.

    Raises: UserError without a reason; NotFound where somebody was erased meanwhile;
    StorageUnavailable where the journal can't be written;
    nothing is shown then.
    """
    body = RecordRead(
        what="proof", channel=COMMAND, ground=GLASS, reason=OTHER, words=check_reason(why)
    )
    subjects = sorted(set(patients))
    for start in range(0, len(subjects), PATIENTS_AT_ONCE):
        with writing(Act(actor, now)) as journal:
            part = subjects[start : start + PATIENTS_AT_ONCE]
            if list_erased(part):
                raise NotFound("Somebody was erased meanwhile.", remedy="Choose the entries again.")
            for subject in part:
                journal.append(body, subject=subject)
    return len(subjects)
