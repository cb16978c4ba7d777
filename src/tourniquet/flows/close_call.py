"""A critical value is phoned: attempts, and the end by a named person.

1. The person may do clinical work and sees the call.
2. An attempt says what came of it; the call stays open.
3. The end demands all of it: who was told by name, that the figure was read back, a comment.
"""

from __future__ import annotations

from datetime import datetime

from tourniquet.directory.roles import Task, Viewer
from tourniquet.kernel.errors import UserError
from tourniquet.pathology.entries import CallAttempted, CallClosed
from tourniquet.pathology.queries import get_call
from tourniquet.record.journal import Act, writing

TEXT_LONGEST = 2000
NAME_LONGEST = 200


def attempt_call(
    call_id: str, *, viewer: Viewer, outcome: str, note: str = "", now: datetime
) -> int:
    """Record an attempt that did not reach the right person; the entry's position.

    Raises: PermissionRefused, NotFound; UserError where the call is closed or no outcome is given.
    """
    viewer.demand(Task.RECORD_CLINICAL)  # 1.
    outcome, note = _text(outcome, "What came of it", NAME_LONGEST), note.strip()[:TEXT_LONGEST]
    with writing(Act(viewer.account, now, viewer.organisation)) as journal:
        call = get_call(call_id, viewer=viewer)
        _still_open(call.state)
        return journal.append(  # 2.
            CallAttempted(call=call_id, at=now, outcome=outcome, note=note),
            subject=call.patient_id,
            cause=call.position,
        )


def close_call(
    call_id: str, *, viewer: Viewer, told: str, read_back: bool, comment: str, now: datetime
) -> int:
    """Record that the value was given and read back; the entry's position.

    Raises: PermissionRefused, NotFound; UserError where something is missing or the call is closed.
    """
    viewer.demand(Task.RECORD_CLINICAL)  # 1.
    told = _text(told, "Who was told", NAME_LONGEST)
    comment = _text(comment, "The comment", TEXT_LONGEST)
    if not read_back:
        raise UserError(
            "A critical result is closed only when the figure was read back.",
            remedy="Ask for it to be read back, or record an attempt.",
        )
    with writing(Act(viewer.account, now, viewer.organisation)) as journal:
        call = get_call(call_id, viewer=viewer)
        _still_open(call.state)
        return journal.append(  # 3.
            CallClosed(call=call_id, at=now, told=told, read_back=True, comment=comment),
            subject=call.patient_id,
            cause=call.position,
        )


def _text(text: str, what: str, longest: int) -> str:
    text = text.strip()
    if not text:
        raise UserError(f"{what} is missing.", remedy="Fill it in.")
    if len(text) > longest:
        raise UserError(f"{what} is longer than {longest} characters.", remedy="Shorten it.")
    return text


def _still_open(state: str) -> None:
    if state != "open":
        raise UserError("This call was closed already.", remedy="Look at it again.")
