"""What became of a notice: delivered, failed for now, failed for good, posted, or called.

1. Whoever runs the channels reports.
2. Append `notice.reported`; delivered, posted and called mean that the patient knows.
3. Failed for good: the next channel follows at once, a letter after a text, the practice's call
   list after a letter. Failed for now is sent again the next evening, and after the last try counts
   as failed for good.

Invariants:
- A report that says nothing new changes nothing; who was told stays told.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import NamedTuple

from django.db.models import Count

from tourniquet.directory.roles import SYSTEM_VIEWER, Task, Viewer
from tourniquet.flows.tell_people import write_files
from tourniquet.kernel.clock import service_day
from tourniquet.kernel.identifiers import IdSource, RandomIds
from tourniquet.notices.entries import NoticeReported, NoticeSent, NoticeWritten
from tourniquet.notices.models import Notice, NoticeEvent
from tourniquet.notices.rules import CALL_LIST, LETTER, NEXT_CHANNEL
from tourniquet.patients.models import Patient
from tourniquet.record.journal import Act, Writer, writing
from tourniquet.record.tables import select_in

TOLD = {"delivered": "delivered", "posted": "delivered", "called": "told"}
FAILED_FOR_NOW = "failed_for_now"
FAILED_FOR_GOOD = "failed_for_good"
TRIES_MOST = 3  # a number that fails three evenings is not a way to tell; proposed
AT_ONCE = 500
RETRY_AFTER = timedelta(hours=8)  # "the next evening", not the same one; proposed


@dataclass(frozen=True)
class Receipt:
    """One report. `status`: delivered, posted, called, failed_for_now, failed_for_good."""

    notice: str
    status: str
    at: datetime


@dataclass(frozen=True)
class Delivery:
    """What came of it, in notices; those not known are counted, not guessed at."""

    told: int
    failed: int
    followed_up: int
    unknown: int


class NoticeRow(NamedTuple):
    """A notice as reports see it."""

    id: str
    patient_id: str
    kind: str
    channel: str
    status: str
    caused_by: int
    need_id: str | None
    appointment_id: str | None
    review_on: date | None
    registered_organisation: str


def record_delivery(
    receipts: Sequence[Receipt],
    *,
    viewer: Viewer = SYSTEM_VIEWER,
    now: datetime,
    ids: IdSource | None = None,
) -> Delivery:
    """Record reports, in batches; what came of them. Raises: PermissionRefused."""
    # 1. Who reports.
    viewer.demand(Task.APPROVE_NOTICES)
    act = Act(viewer.account, now, viewer.organisation)
    ids = ids or RandomIds()
    told = failed = unknown = followed_up = 0
    for start in range(0, len(receipts), AT_ONCE):
        part = receipts[start : start + AT_ONCE]
        with writing(act) as journal:
            rows = _read(receipt.notice for receipt in part)
            lost: list[NoticeRow] = []
            for receipt in part:
                row = rows.get(receipt.notice)
                if row is None:
                    unknown += 1
                    continue
                # 2. What became of it.
                if row.status in {"delivered", "told"} or row.status == receipt.status:
                    continue
                status = TOLD.get(receipt.status, receipt.status)
                if row.channel == CALL_LIST and receipt.status == "delivered":
                    status = "told"
                is_told = receipt.status in TOLD
                journal.append(
                    NoticeReported(
                        notice=row.id, status=status, told_at=receipt.at if is_told else None
                    ),
                    subject=row.patient_id,
                    happened_at=receipt.at,
                )
                rows[row.id] = row._replace(status=status)
                told += is_told
                failed += not is_told
                if status == FAILED_FOR_GOOD:
                    lost.append(row)
            # 3. The next channel.
            followed = _follow_up(journal, lost, ids, now=now)
        write_files(followed)
        followed_up += len(followed)
    return Delivery(told, failed, followed_up, unknown)


def retry_failed(
    *, now: datetime, viewer: Viewer = SYSTEM_VIEWER, ids: IdSource | None = None
) -> int:
    """Send again what failed for now, or give the channel up after the last try; how many."""
    act = Act(viewer.account, now, viewer.organisation)
    ids = ids or RandomIds()
    dealt = 0
    while True:
        again: list[str] = []
        with writing(act) as journal:
            found = Notice.objects.filter(
                status=FAILED_FOR_NOW, updated_at__lte=now - RETRY_AFTER
            ).order_by("id")
            rows = [NoticeRow(*row) for row in found.values_list(*NoticeRow._fields)[:AT_ONCE]]
            tries = _count_tries([row.id for row in rows])
            lost = [row for row in rows if tries.get(row.id, 0) >= TRIES_MOST]
            for row in rows:
                if tries.get(row.id, 0) < TRIES_MOST:
                    journal.append(NoticeSent(notice=row.id, note="again"), subject=row.patient_id)
                    again.append(row.id)
            for row in lost:
                journal.append(
                    NoticeReported(notice=row.id, status=FAILED_FOR_GOOD, note="the last try"),
                    subject=row.patient_id,
                )
            new = _follow_up(journal, lost, ids, now=now)
        write_files(again)
        write_files(new)
        dealt += len(rows)
        if len(rows) < AT_ONCE:
            return dealt


def _read(ids: Iterable[str]) -> dict[str, NoticeRow]:
    rows = select_in(Notice, NoticeRow._fields, "id", sorted(set(ids)))
    return {row[0]: NoticeRow(*row) for row in rows}


def _count_tries(ids: list[str]) -> dict[str, int]:
    rows = (
        NoticeEvent.objects.filter(notice_id__in=ids, status=FAILED_FOR_NOW)
        .values("notice_id")
        .annotate(tries=Count("position"))
        .values_list("notice_id", "tries")
    )
    return dict(rows)


def _follow_up(
    journal: Writer, lost: Sequence[NoticeRow], ids: IdSource, *, now: datetime
) -> list[str]:
    """Write the notices that follow those that failed for good; their ids."""
    addresses = dict(
        Patient.objects.filter(id__in=[row.patient_id for row in lost]).values_list("id", "address")
    )
    texts = dict(Notice.objects.filter(id__in=[row.id for row in lost]).values_list("id", "text"))
    new = []
    for row in lost:
        channel = NEXT_CHANNEL.get(row.channel)
        if channel is None:
            continue  # the practice could not reach them either: it stays on the worklist
        if channel == LETTER and not addresses.get(row.patient_id, "").strip():
            channel = CALL_LIST
        notice = ids.new(now)
        journal.append(
            NoticeWritten(
                notice=notice,
                notice_kind=row.kind,
                channel=channel,
                status="call_list" if channel == CALL_LIST else "sending",
                caused_by=row.caused_by,
                send_on=service_day(now),
                text=texts[row.id],
                need=row.need_id,
                appointment=row.appointment_id,
                review_on=row.review_on,
                follows=row.id,
                registered_organisation=row.registered_organisation,
            ),
            subject=row.patient_id,
            cause=row.caused_by,
        )
        new.append(notice)
    return new
