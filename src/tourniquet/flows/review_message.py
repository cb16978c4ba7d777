"""A refused message is dealt with by a named person.

1. The person may see what waits and says what was done.
2. Dealt with: the message leaves the worklist, and stays in the journal.
3. Process again: its bytes are taken in once more, under the same control id. Taken or refused, it
   is a message of its own then, and the old one is marked as dealt with.
"""

from __future__ import annotations

from datetime import datetime

from tourniquet.directory.roles import Task, Viewer
from tourniquet.flows.receive_messages import Answer, receive_again
from tourniquet.kernel.errors import IntegrityError, NotFound, UserError
from tourniquet.record.entries import MessageReceived, MessageReviewed
from tourniquet.record.journal import Act, writing
from tourniquet.record.models import Message
from tourniquet.record.queries import get_entry
from tourniquet.record.registry import get_kind

NOTE_LONGEST = 2000


def review_message(position: int, *, viewer: Viewer, note: str, now: datetime) -> int:
    """Mark a refused message as dealt with; the entry's position.

    Raises: PermissionRefused, NotFound; UserError where the note is missing or it was done already.
    """
    viewer.demand(Task.RECORD_CLINICAL)  # 1.
    note = note.strip()
    if not note:
        raise UserError("The note is missing.", remedy="Say what was done.")
    if len(note) > NOTE_LONGEST:
        raise UserError(f"The note is longer than {NOTE_LONGEST} characters.")
    with writing(Act(viewer.account, now, viewer.organisation)) as journal:
        _waiting(position)
        return journal.append(MessageReviewed(message=position, note=note), cause=position)  # 2.


def process_again(position: int, *, viewer: Viewer, now: datetime) -> Answer:
    """Take a refused message in once more.

    Raises: PermissionRefused, NotFound; UserError where it was dealt with already.
    """
    viewer.demand(Task.RECORD_CLINICAL)  # 1.
    message = _waiting(position)
    answer = receive_again(  # 3.
        _raw(position), now=now, channel=message.channel, actor=viewer.account
    )
    if answer.code != "AE":
        done = "Processed" if answer.code == "AA" else "Refused"
        note = f"{done} again as entry {answer.position}."
        with writing(Act(viewer.account, now, viewer.organisation)) as journal:
            journal.append(MessageReviewed(message=position, note=note), cause=position)
    return answer


def _waiting(position: int) -> Message:
    message = Message.objects.filter(pk=position).first()
    if message is None:
        raise NotFound("There is no message at that position.", where=f"position {position}")
    if message.code == "AA" or message.reviewed_by:
        raise UserError("This message waits for nobody.", remedy="Look at the list again.")
    return message


def _raw(position: int) -> bytes:
    entry = get_entry(position)
    if entry.body is None:
        raise UserError("The bytes of this message were erased.")
    body = get_kind(entry.kind, entry.kind_version).decoder.decode(bytes(entry.body))
    if not isinstance(body, MessageReceived):
        raise IntegrityError("The entry is no message.", where=f"position {position}")
    return body.raw
