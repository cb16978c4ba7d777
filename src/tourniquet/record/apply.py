"""The only writer of the record's own tables but the journal itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tourniquet.record.divergence import row_at_entry, row_named
from tourniquet.record.entries import (
    AlarmCleared,
    AlarmRaised,
    ErasureApproved,
    ErasureAsked,
    ErasureCarriedOut,
    ErasureConcerns,
    ErasureFinished,
    ErasureRefused,
    ErasureWithdrawn,
    ErasureWitnessed,
    FirstAlarmCleared,
    KeysShared,
    MessageApplied,
    MessageReceived,
    MessageReviewed,
    SigningKeyChanged,
)
from tourniquet.record.models import Alarm, Erasure, ErasureSubject, Message
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


_ERASURE = (
    *("id", "state", "ground", "asked_for", "identity", "applies", "warnings", "records"),
    *("asked_by", "asked_at", "asked_position", "approved_by", "approved_at", "approved_position"),
    *("days", "witnessed_at", "ended_by", "ended_at", "ended_position", "why"),
    *("entries", "rows", "keys", "mentions", "handed_out", "finished_at"),
)


@applies(ErasureConcerns)
def erasure_concerns(entries: Sequence[Entry[ErasureConcerns]]) -> None:
    """One row for each id of the person."""
    insert_rows(
        ErasureSubject,
        ("erasure", "patient_id", "position"),
        [(e.body.erasure, e.subject, e.position) for e in entries],
    )


@applies(ErasureAsked)
def erasure_asked(entries: Sequence[Entry[ErasureAsked]]) -> None:
    """One row each, its state asked."""
    rows = []
    for e in entries:
        told = (e.body.erasure, "asked", e.body.ground, e.body.asked_for, e.body.identity)
        words = (",".join(e.body.applies), ",".join(e.body.warnings), e.body.records)
        asked = (e.actor, e.recorded_at, e.position)
        rows.append(
            (
                *told,
                *words,
                *asked,
                "",
                None,
                None,
                0,
                None,
                "",
                None,
                None,
                "",
                0,
                0,
                "",
                "",
                "",
                None,
            )
        )
    insert_rows(Erasure, _ERASURE, rows)


@applies(ErasureApproved)
def erasure_approved(entries: Sequence[Entry[ErasureApproved]]) -> None:
    """By whom, when, and how many days it waits; a second approval begins the waiting anew."""
    update_rows(
        Erasure,
        (
            *("state", "approved_by", "approved_at", "approved_position", "days", "warnings"),
            "witnessed_at",
        ),
        [
            (
                *("approved", e.actor, e.recorded_at, e.position, e.body.days),
                *(",".join(e.body.warnings), None, e.body.erasure),
            )
            for e in entries
        ],
        key=("id",),
    )


def _joined(positions: Sequence[int]) -> str:
    return ",".join(map(str, positions))


def _end_erasures(rows: Sequence[tuple[Entry[Any], str, str]]) -> None:
    """Each: the entry that ends it, the state, and why."""
    update_rows(
        Erasure,
        ("state", "why", "ended_by", "ended_at", "ended_position"),
        [
            (state, why, e.actor, e.recorded_at, e.position, e.body.erasure)
            for e, state, why in rows
        ],
        key=("id",),
    )


@applies(ErasureWithdrawn)
def erasure_withdrawn(entries: Sequence[Entry[ErasureWithdrawn]]) -> None:
    """It ends, with its reason."""
    _end_erasures([(e, "withdrawn", e.body.why) for e in entries])


@applies(ErasureRefused)
def erasure_refused(entries: Sequence[Entry[ErasureRefused]]) -> None:
    """It ends, with the exemption."""
    _end_erasures([(e, "refused", e.body.exemption) for e in entries])


@applies(ErasureWitnessed)
def erasure_witnessed(entries: Sequence[Entry[ErasureWitnessed]]) -> None:
    """From when the witness's clock counts."""
    update_rows(
        Erasure,
        ("witnessed_at",),
        [(e.body.at, e.body.erasure) for e in entries],
        key=("id",),
    )


@applies(ErasureCarriedOut)
def erasure_carried_out(entries: Sequence[Entry[ErasureCarriedOut]]) -> None:
    """Counts alone. The content was emptied by the flow, and is erased in every replay."""
    _end_erasures([(e, "carried_out", "") for e in entries])
    update_rows(
        Erasure,
        ("entries", "rows", "keys", "mentions", "handed_out"),
        [
            (
                *(e.body.entries, e.body.rows, _joined(e.body.keys)),
                *(_joined(e.body.mentions), _joined(e.body.handed_out), e.body.erasure),
            )
            for e in entries
        ],
        key=("id",),
    )


@applies(ErasureFinished)
def erasure_finished(entries: Sequence[Entry[ErasureFinished]]) -> None:
    """Nothing is left to be done here."""
    update_rows(
        Erasure,
        ("state", "finished_at"),
        [("finished", e.recorded_at, e.body.erasure) for e in entries],
        key=("id",),
    )


row_at_entry(Message, MessageReceived, MessageApplied)
row_named(Alarm, AlarmRaised, lambda entry: (entry.body.alarm,))
row_named(Erasure, ErasureAsked, lambda entry: (entry.body.erasure,))
