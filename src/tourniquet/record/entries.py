"""Bodies of the record's own entries: messages as received, alarms."""

from __future__ import annotations

from datetime import datetime

import msgspec

from tourniquet.record.registry import Body, kind


@kind("message.received", patient=False, own_key=True)
class MessageReceived(Body, frozen=True):
    """A message not (yet) tied to a patient: refused, failed, or about nobody."""

    sender: str
    control_id: str
    digest: str
    message_type: str
    code: str
    raw: bytes
    channel: str = "mllp"
    reason: str = ""
    attempts: int = 1


@kind("message.applied", patient=True)
class MessageApplied(Body, frozen=True):
    """A message about the subject, applied and acknowledged."""

    sender: str
    control_id: str
    digest: str
    message_type: str
    code: str
    raw: bytes
    channel: str = "mllp"
    reason: str = ""
    attempts: int = 1


@kind("message.reviewed", patient=False)
class MessageReviewed(Body, frozen=True):
    """A person has dealt with a refused message."""

    message: int
    note: str


@kind("alarm.raised", patient=False)
class AlarmRaised(Body, frozen=True):
    """Something that a person must look at soon. The text names no patient."""

    alarm: str
    alarm_kind: str
    text: str
    about: int | None = None


@kind("alarm.cleared", patient=False)
class FirstAlarmCleared(Body, frozen=True):
    """A person has dealt with an alarm, as the first release wrote it: without what was done."""

    alarm: str
    cleared_at: datetime


@kind("alarm.cleared", version=2, patient=False)
class AlarmCleared(Body, frozen=True):
    """A person has dealt with an alarm, and says how."""

    alarm: str
    cleared_at: datetime
    note: str


class ShareHeld(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Who holds which share of the root key."""

    number: int
    holder: str


@kind("signing_key.changed", patient=False)
class SigningKeyChanged(Body, frozen=True):
    """Another key signs the log from this entry on; `former` and `new` are verifier keys.

    With `lost` the former key could not sign the change: who pinned it pins the new one by hand.
    """

    former: str
    new: str
    reason: str
    second: str = ""
    lost: bool = False


@kind("keys.shared", patient=False)
class KeysShared(Body, frozen=True):
    """The root key was split on paper. The words are written down nowhere else."""

    check: str
    held: tuple[ShareHeld, ...]
