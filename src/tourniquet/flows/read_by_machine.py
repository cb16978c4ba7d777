"""A machine reads records over FHIR, and the journal says so before the answer leaves.

1. A session of a person without an organisation reads whom that person gave a reason for, in the
   console; a token of such an account is a system's, and its ground says so.
2. More people in a service day than the account's limit: nothing of the answer leaves. The stop is
   an entry and raises one alarm; what the account has read of that day it may read again. An
   administrator lifts the limit for a while, for a reason (`allow_export`).
3. Append one `record.read` for each patient of whom the answer tells, in one transaction, and
   watch them, as `read_record` does.
4. Where the journal cannot be written, care is not refused: the readings go to the file that
   `read_record` keeps, and the limit counts them there.

The attack that 2 prevents: a stolen token that empties the region's records page by page.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime

from tourniquet.directory.roles import Viewer
from tourniquet.flows.raise_alarm import raise_alarm_once
from tourniquet.flows.read_record import (
    demand_there,
    keep_late,
    late_file,
    list_late,
    reading_of,
    write_down,
    write_late,
)
from tourniquet.flows.watch_readings import STOP_ALARM, Reading
from tourniquet.kernel import settings
from tourniquet.kernel.clock import london_midnight, service_day
from tourniquet.kernel.errors import LimitReached, PermissionRefused, StorageUnavailable
from tourniquet.patients.ceilings import read_limits
from tourniquet.patients.entries import ExportStopped
from tourniquet.patients.grounds import CARE, FHIR, REGION, Why
from tourniquet.patients.readings import (
    count_read,
    find_reasons,
    find_stop,
    is_allowed,
    list_read,
)
from tourniquet.record.journal import Act, Writer, writing


@dataclass(frozen=True)
class _Count:
    """How many people's records the account read today, and would have read with the answer."""

    day: date
    limit: int
    before: int
    after: int

    @property
    def passes(self) -> bool:
        """Whether the answer would pass the limit; what adds nobody never does."""
        return self.after > max(self.before, self.limit)


def read_by_machine(
    patient_ids: Iterable[str], *, viewer: Viewer, now: datetime, session: bool = False
) -> bool:
    """Note whose records an answer tells of; False where a file was written and not the journal.

    `session`: a person's session of the console asks, not a token.

    Raises: PermissionRefused where a person gave no reason; NotFound where somebody in the answer
    was erased meanwhile; LimitReached where the account has had
    as much as it may today; OSError where neither journal nor file can be written.
    """
    ids = sorted(set(patient_ids))
    if not ids:
        return True
    why = _why(ids, viewer, now, session=session)  # 1.
    readings = [
        reading_of(one, viewer, channel=FHIR, why=why[one], now=now, what="fhir") for one in ids
    ]
    try:
        return _note(readings, ids, viewer, now)
    except StorageUnavailable:
        return _note_late(readings, ids, viewer, now)  # 4.


def _why(ids: list[str], viewer: Viewer, now: datetime, *, session: bool) -> dict[str, Why]:
    if viewer.organisation:
        return dict.fromkeys(ids, Why(CARE))
    if not session:
        return dict.fromkeys(ids, Why(REGION))
    found = find_reasons(viewer.account, ids, now=now)
    if len(found) < len(ids):
        raise PermissionRefused(
            "You have not said why you read these records.",
            remedy="Open the record in the console first, or use a system's token.",
        )
    return found


def _note(readings: list[Reading], ids: list[str], viewer: Viewer, now: datetime) -> bool:
    count = _count(ids, viewer, now)
    if (
        count.passes
        and find_stop(viewer.account, count.day)
        and not is_allowed(viewer.account, now=now)
    ):
        raise _refusal(count)  # stopped already: the journal's lock is not needed for another no
    with writing(Act(viewer.account, now, viewer.organisation)) as journal:
        count = _count(ids, viewer, now)
        stopped = count.passes and not is_allowed(viewer.account, now=now)
        if stopped:
            _stop(journal, count, asked=len(ids))  # 2.
        else:
            demand_there(ids)
            write_late(journal)
            write_down(journal, readings)  # 3.
    if stopped:
        raise _refusal(count)
    return True


def _note_late(readings: list[Reading], ids: list[str], viewer: Viewer, now: datetime) -> bool:
    count = _count(ids, viewer, now, late=list_late(viewer.account, service_day(now)))
    if count.passes and not is_allowed(viewer.account, now=now):
        raise _refusal(count)
    keep_late(late_file(), readings)
    return False


def _count(ids: list[str], viewer: Viewer, now: datetime, *, late: Iterable[str] = ()) -> _Count:
    day = service_day(now)
    limit = read_limits(settings.read("TOURNIQUET_EXPORT_LIMITS")).of(viewer.account, viewer.role)
    known = set(late)
    before = count_read(viewer.account, day, most=limit + 1) + len(
        known - list_read(viewer.account, day, known)
    )
    new = set(ids) - known
    new -= list_read(viewer.account, day, new)
    return _Count(day, limit, before, before + len(new))


def _stop(journal: Writer, count: _Count, *, asked: int) -> None:
    account = journal.act.actor
    if find_stop(account, count.day) is not None:
        return
    position = journal.append(
        ExportStopped(
            account=account, day=count.day, read=count.before, asked=asked, limit=count.limit
        )
    )
    raise_alarm_once(
        journal,
        STOP_ALARM,
        f"Account {account} asked for the records of more than {count.limit} people today and was "
        "stopped. If a system needs them, an administrator lifts the limit; if not, its token is "
        "in the wrong hands.",
        since=london_midnight(count.day),
        about_what=(account,),
        about=position,
    )


def _refusal(count: _Count) -> LimitReached:
    return LimitReached(
        f"This account may read the records of {count.limit} people a day, and would pass that.",
        remedy="Ask for fewer people, or ask the administrator to lift the limit.",
    )
