"""The only writer of the record's own tables but the journal itself."""

from __future__ import annotations

from collections.abc import Sequence

from tourniquet.record.divergence import row_at_entry, row_named
from tourniquet.record.entries import (
    AlarmCleared,
    AlarmRaised,
    FirstAlarmCleared,
    KeysShared,
    MessageApplied,
    MessageReceived,
    MessageReviewed,
    SigningKeyChanged,
)
from tourniquet.record.models import Alarm, Message
from tourniquet.record.registry import Entry, applies
from tourniquet.record.tables import insert_rows, update_rows

_MESSAGE = (
    "position",
    "sender",
    "control_id",
    "digest",
    "message_type",
    "code",
    "attempts",
    "reason",
    "received_at",
    "subject",
    "channel",
    "reviewed_by",
    "reviewed_at",
    "review_note",
)


def _keep(entries: Sequence[Entry[MessageReceived]] | Sequence[Entry[MessageApplied]]) -> None:
    insert_rows(
        Message,
        _MESSAGE,
        [
            (
                entry.position,
                entry.body.sender,
                entry.body.control_id,
                entry.body.digest,
                entry.body.message_type,
                entry.body.code,
                entry.body.attempts,
                entry.body.reason,
                entry.recorded_at,
                entry.subject,
                entry.body.channel,
                "",
                None,
                "",
            )
            for entry in entries
        ],
    )


@applies(MessageReceived)
def message_received(entries: Sequence[Entry[MessageReceived]]) -> None:
    """One row for each message."""
    _keep(entries)


@applies(MessageApplied)
def message_applied(entries: Sequence[Entry[MessageApplied]]) -> None:
    """One row for each message."""
    _keep(entries)


@applies(MessageReviewed)
def message_reviewed(entries: Sequence[Entry[MessageReviewed]]) -> None:
    """Marks the message as dealt with."""
    update_rows(
        Message,
        ("reviewed_by", "reviewed_at", "review_note"),
        [(e.actor, e.recorded_at, e.body.note, e.body.message) for e in entries],
        key=("position",),
    )


@applies(AlarmRaised)
def alarm_raised(entries: Sequence[Entry[AlarmRaised]]) -> None:
    """One open alarm each."""
    insert_rows(
        Alarm,
        ("id", "kind", "text", "raised_at", "about_position", "cleared_at", "cleared_by"),
        [
            (e.body.alarm, e.body.alarm_kind, e.body.text, e.recorded_at, e.body.about, None, "")
            for e in entries
        ],
    )


def _clear(entries: Sequence[Entry[FirstAlarmCleared]] | Sequence[Entry[AlarmCleared]]) -> None:
    update_rows(
        Alarm,
        ("cleared_at", "cleared_by"),
        [(e.body.cleared_at, e.actor, e.body.alarm) for e in entries],
        key=("id",),
    )


@applies(FirstAlarmCleared)
def first_alarm_cleared(entries: Sequence[Entry[FirstAlarmCleared]]) -> None:
    """Closes the alarm."""
    _clear(entries)


@applies(AlarmCleared)
def alarm_cleared(entries: Sequence[Entry[AlarmCleared]]) -> None:
    """Closes the alarm; what was done about it is asked of the journal."""
    _clear(entries)


@applies(KeysShared)
def keys_shared(entries: Sequence[Entry[KeysShared]]) -> None:
    """No table: it is asked of the journal itself."""


@applies(SigningKeyChanged)
def signing_key_changed(entries: Sequence[Entry[SigningKeyChanged]]) -> None:
    """No table: the sealer carries it out, and the vault's list of keys says that it did."""


row_at_entry(Message, MessageReceived, MessageApplied)
row_named(Alarm, AlarmRaised, lambda entry: (entry.body.alarm,))
