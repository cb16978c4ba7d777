"""Bodies of the notices' entries.

Invariants:
- A notice is about the subject and cites, as its cause, the entry that made it necessary.
"""

from __future__ import annotations

from datetime import date, datetime

from tourniquet.record.registry import Body, kind


@kind("notice.written", patient=True)
class NoticeWritten(Body, frozen=True):
    """One thing to tell the subject; written and held until `send_on`, sending, or call_list."""

    notice: str
    notice_kind: str
    channel: str
    status: str
    caused_by: int
    send_on: date
    text: str
    need: str | None = None
    appointment: str | None = None
    review_on: date | None = None
    follows: str | None = None
    registered_organisation: str = ""


@kind("notice.sent", patient=True)
class NoticeSent(Body, frozen=True):
    """A held notice, or one that failed for now, goes to the outbox."""

    notice: str
    note: str = ""


@kind("notice.superseded", patient=True)
class NoticeSuperseded(Body, frozen=True):
    """It was held and never sent: a later one says more."""

    notice: str
    by: str


@kind("notice.reported", patient=True)
class NoticeReported(Body, frozen=True):
    """What became of it. `told_at` is set where the subject now knows."""

    notice: str
    status: str
    told_at: datetime | None = None
    note: str = ""


@kind("status.published", patient=False)
class StatusPublished(Body, frozen=True):
    """The public page was written."""

    headline: str
    text: str
    next_update_at: datetime | None = None
