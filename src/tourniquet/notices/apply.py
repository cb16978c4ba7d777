"""The only writer of the notices' tables."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from itertools import groupby

from tourniquet.notices.entries import (
    NoticeReported,
    NoticeSent,
    NoticeSuperseded,
    NoticeWritten,
    StatusPublished,
)
from tourniquet.notices.models import Notice, NoticeEvent, StatusPublication
from tourniquet.record.registry import Entry, applies
from tourniquet.record.tables import insert_rows, update_rows

_NOTICE = (
    "id",
    "patient_id",
    "kind",
    "channel",
    "status",
    "caused_by",
    "need_id",
    "appointment_id",
    "follows",
    "review_on",
    "send_on",
    "text",
    "registered_organisation",
    "written_at",
    "updated_at",
    "told_at",
    "position",
)
_EVENT = ("notice_id", "position", "status", "at", "note")


@applies(NoticeWritten)
def notice_written(entries: Sequence[Entry[NoticeWritten]]) -> None:
    """One row, and the beginning of its history."""
    insert_rows(
        Notice,
        _NOTICE,
        [
            (
                e.body.notice,
                e.subject,
                e.body.notice_kind,
                e.body.channel,
                e.body.status,
                e.body.caused_by,
                e.body.need,
                e.body.appointment,
                e.body.follows,
                e.body.review_on,
                e.body.send_on,
                e.body.text,
                e.body.registered_organisation,
                e.recorded_at,
                e.recorded_at,
                None,
                e.position,
            )
            for e in entries
        ],
    )
    _note([(e.body.notice, e.position, e.body.status, e.recorded_at, "") for e in entries])


@applies(NoticeSent)
def notice_sent(entries: Sequence[Entry[NoticeSent]]) -> None:
    """It is on its way."""
    _set([("sending", e.recorded_at, e.position, e.body.notice) for e in entries])
    _note([(e.body.notice, e.position, "sending", e.recorded_at, e.body.note) for e in entries])


@applies(NoticeSuperseded)
def notice_superseded(entries: Sequence[Entry[NoticeSuperseded]]) -> None:
    """It will not be sent."""
    _set([("superseded", e.recorded_at, e.position, e.body.notice) for e in entries])
    _note([(e.body.notice, e.position, "superseded", e.recorded_at, e.body.by) for e in entries])


@applies(NoticeReported)
def notice_reported(entries: Sequence[Entry[NoticeReported]]) -> None:
    """What became of it; once told, it stays told."""
    for is_told, run in groupby(entries, key=lambda e: e.body.told_at is not None):
        if not is_told:
            _set([(e.body.status, e.recorded_at, e.position, e.body.notice) for e in run])
            continue
        update_rows(
            Notice,
            ("status", "updated_at", "position", "told_at"),
            [
                (e.body.status, e.recorded_at, e.position, e.body.told_at, e.body.notice)
                for e in run
            ],
            key=("id",),
        )
    _note(
        [
            (e.body.notice, e.position, e.body.status, e.body.told_at or e.recorded_at, e.body.note)
            for e in entries
        ]
    )


@applies(StatusPublished)
def status_published(entries: Sequence[Entry[StatusPublished]]) -> None:
    """One row each."""
    insert_rows(
        StatusPublication,
        ("position", "at", "actor", "headline", "text", "next_update_at"),
        [
            (
                e.position,
                e.recorded_at,
                e.actor,
                e.body.headline,
                e.body.text,
                e.body.next_update_at,
            )
            for e in entries
        ],
    )


def _set(rows: list[tuple[str, datetime, int, str]]) -> None:
    update_rows(Notice, ("status", "updated_at", "position"), rows, key=("id",))


def _note(rows: list[tuple[str, int, str, datetime, str]]) -> None:
    insert_rows(NoticeEvent, _EVENT, rows)
