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


@kind("message.reviewed", patient=False, own_key=True)
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


@kind("erasure.concerns", patient=True)
class ErasureConcerns(Body, frozen=True):
    """An erasure is asked for that takes the subject. What may name somebody stands here alone.

    It is erased with the subject; the entries below outlive that, and say only what erasure it is.
    """

    erasure: str
    words: str = ""


@kind("erasure.asked", patient=False)
class ErasureAsked(Body, frozen=True):
    """Somebody asks that a person be erased. Words are those of record.erasure_rules.

    `ground`: UK GDPR article 17(1). `applies`, `not_applies`: exemptions of 17(3), each answered.
    `records`: how many ids the person has. `warnings` were acknowledged.
    """

    erasure: str
    ground: str
    asked_for: str
    identity: str
    records: int
    not_applies: tuple[str, ...] = ()
    applies: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


@kind("erasure.approved", patient=False)
class ErasureApproved(Body, frozen=True):
    """Another person approves: it is due so many days later."""

    erasure: str
    days: int
    warnings: tuple[str, ...] = ()


@kind("erasure.withdrawn", patient=False)
class ErasureWithdrawn(Body, frozen=True):
    """It is not wanted any more."""

    erasure: str
    why: str


@kind("erasure.refused", patient=False)
class ErasureRefused(Body, frozen=True):
    """It may not be, by one of the exemptions of article 17(3)."""

    erasure: str
    exemption: str


@kind("erasure.witnessed", patient=False)
class ErasureWitnessed(Body, frozen=True):
    """A witness countersigned a checkpoint that covers the approval: its clock counts from here.

    `note` is the checkpoint with both signatures.
    """

    erasure: str
    at: datetime
    note: str


@kind("erasure.carried_out", patient=False)
class ErasureCarriedOut(Body, frozen=True):
    """Content and rows are gone, in this very transaction; whose they were is not said.

    `keys`: positions, one for each key that is to be destroyed: the entry there was sealed under
    it, if it was sealed with its content at all. Where that is the site's key, which stays, the
    entry alone is left out of every restore. `mentions`: positions that a person must look at.
    `handed_out`: positions of entries whose headers, which stay, say by whom and when the person's
    data was handed out, as proofs, for a laptop or on paper: only who has it can destroy it.
    `covered`: position of a message among `mentions`, and the ordinal of a PID in it that was the
    person's; once all its PIDs are of erased people, it goes with the last of them.
    """

    erasure: str
    entries: int
    rows: int
    keys: tuple[int, ...] = ()
    mentions: tuple[int, ...] = ()
    handed_out: tuple[int, ...] = ()
    covered: tuple[tuple[int, int], ...] = ()


@kind("erasure.finished", patient=False)
class ErasureFinished(Body, frozen=True):
    """The keys are destroyed here, and the database's free space was overwritten."""

    erasure: str
