"""Bounded reads of the record: entries, messages, alarms."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from tourniquet.kernel.errors import NotFound
from tourniquet.record.models import Alarm, JournalEntry, Message
from tourniquet.record.tables import select_in

MOST = 500


def get_entry(position: int) -> JournalEntry:
    """The entry at a position. Raises: NotFound."""
    entry = JournalEntry.objects.filter(pk=position).first()
    if entry is None:
        raise NotFound("There is no entry at that position.", where=f"position {position}")
    return entry


def list_entries_about(
    subject: str, *, before: int | None = None, limit: int = 50
) -> list[JournalEntry]:
    """Entries about one patient, newest first."""
    found = JournalEntry.objects.filter(subject=subject)
    if before is not None:
        found = found.filter(position__lt=before)
    return list(found.order_by("-position")[: min(limit, MOST)])


@dataclass(frozen=True, slots=True)
class EntryHead:
    """An entry without its body."""

    position: int
    kind: str
    recorded_at: datetime
    actor: str
    organisation: str


def list_heads_about(
    subjects: set[str], *, limit: int = 50, without: tuple[str, ...] = ()
) -> list[EntryHead]:
    """Entries about one person, who may have had several ids, newest first, without bodies.

    `without`: kinds that this viewer is not to know of.
    """
    rows = JournalEntry.objects.filter(subject__in=subjects).order_by("-position")
    if without:
        rows = rows.exclude(kind__in=without)
    return [
        EntryHead(*row)
        for row in rows.values_list("position", "kind", "recorded_at", "actor", "organisation")[
            : min(limit, MOST)
        ]
    ]


def list_consequences(position: int, *, limit: int = 50) -> list[JournalEntry]:
    """Entries that name this one as their cause, oldest first."""
    return list(
        JournalEntry.objects.filter(cause=position).order_by("position")[: min(limit, MOST)]
    )


def list_consequence_heads(position: int, *, limit: int = 50) -> list[EntryHead]:
    """Entries that name this one as their cause, oldest first, without bodies."""
    rows = JournalEntry.objects.filter(cause=position).order_by("position")
    return [
        EntryHead(*row)
        for row in rows.values_list("position", "kind", "recorded_at", "actor", "organisation")[
            : min(limit, MOST)
        ]
    ]


def list_cause_heads(cause: int | None, *, limit: int = 10) -> list[EntryHead]:
    """The chain of causes from the nearest back, without bodies."""
    found: list[EntryHead] = []
    while cause is not None and len(found) < min(limit, MOST):
        row = (
            JournalEntry.objects.filter(pk=cause)
            .values_list("position", "kind", "recorded_at", "actor", "organisation", "cause")
            .first()
        )
        if row is None:
            break
        found.append(EntryHead(*row[:5]))
        cause = row[5]
    return found


def find_chain(position: int) -> bytes | None:
    """The chain value at a position, or None where there is no entry."""
    found = JournalEntry.objects.filter(pk=position).values_list("chain", flat=True).first()
    return None if found is None else bytes(found)


def get_message(position: int) -> Message:
    """The log of one message. Raises: NotFound."""
    found = Message.objects.filter(pk=position).first()
    if found is None:
        raise NotFound("There is no message at that position.", where=f"position {position}")
    return found


def count_consequences(position: int) -> int:
    """How many entries name this one as their cause."""
    return JournalEntry.objects.filter(cause=position).count()


def list_refused_messages(*, limit: int = 50) -> list[Message]:
    """Messages answered AR or AE that nobody has dealt with, newest first."""
    found = Message.objects.filter(code__in=("AR", "AE"), reviewed_by="")
    return list(found.order_by("-position")[: min(limit, MOST)])


def count_refused_messages() -> int:
    """How many messages wait for a person."""
    return Message.objects.filter(code__in=("AR", "AE"), reviewed_by="").count()


def list_open_alarms(
    *, limit: int = 50, offset: int = 0, without: tuple[str, ...] = ()
) -> list[Alarm]:
    """Alarms that nobody has dealt with, newest first; `without`: kinds not for this viewer."""
    found = Alarm.objects.filter(cleared_at__isnull=True).exclude(kind__in=without)
    return list(found.order_by("-raised_at", "-id")[offset : offset + min(limit, MOST)])


def count_open_alarms(*, without: tuple[str, ...] = ()) -> int:
    """How many alarms wait for a person."""
    return Alarm.objects.filter(cleared_at__isnull=True).exclude(kind__in=without).count()


def get_alarm(alarm_id: str) -> Alarm:
    """One alarm. Raises: NotFound."""
    found = Alarm.objects.filter(pk=alarm_id).first()
    if found is None:
        raise NotFound("There is no such alarm.")
    return found


@dataclass(frozen=True)
class EarlierMessage:
    """What is known of messages with one control id from one sender."""

    position: int
    digest: str
    code: str
    attempts: int
    reason: str


def list_earlier(
    keys: set[tuple[str, str]], *, since: datetime
) -> dict[tuple[str, str], list[EarlierMessage]]:
    """Messages with these (sender, control id) received since then, newest first for each key."""
    out: dict[tuple[str, str], list[EarlierMessage]] = {}
    names = ("sender", "control_id", "position", "digest", "code", "attempts", "reason")
    rows: list[tuple[str, str, int, str, str, int, str]] = []
    for sender in sorted({sender for sender, _ in keys}):
        wanted = [control_id for one, control_id in keys if one == sender]
        found = select_in(
            Message, (*names, "received_at"), "control_id", wanted, also=("sender", sender)
        )
        rows += [(*row[:7],) for row in found if row[7] >= since]
    rows.sort(key=lambda row: -row[2])
    for sender, control_id, position, digest, code, attempts, reason in rows:
        if (sender, control_id) in keys:
            out.setdefault((sender, control_id), []).append(
                EarlierMessage(position, digest, code, attempts, reason)
            )
    return out
