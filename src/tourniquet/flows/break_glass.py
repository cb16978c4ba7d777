"""Somebody without a tie to a patient says why they open the record.

1. The role may, and the reason is one that the role may give (`patients/grounds.py`).
2. Append `glass.broken`: it holds for some hours, for this account and this patient alone.
3. An account that gives reasons for more people on a service day than its ceiling raises one alarm;
   the record opens all the same.

The reading itself is noted by `read_record`, with the reason that was given here.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from tourniquet.directory.roles import Task, Viewer
from tourniquet.flows.raise_alarm import raise_alarm_once
from tourniquet.flows.read_record import demand_there
from tourniquet.flows.watch_readings import REASONS_ALARM
from tourniquet.kernel.clock import london_midnight, service_day
from tourniquet.kernel.settings import read, read_number
from tourniquet.patients.ceilings import is_passed, read_reasons
from tourniquet.patients.entries import GlassBroken
from tourniquet.patients.grounds import Why, read_reason
from tourniquet.patients.readings import count_reasons
from tourniquet.record.journal import Act, Writer, writing

HOURS_MOST = 7 * 24


def hours_held() -> int:
    """For how many hours a reason holds. Raises: OperatorError naming the setting."""
    return read_number("TOURNIQUET_BROKEN_GLASS_HOURS", least=1, most=HOURS_MOST)


def break_glass(patient_id: str, *, viewer: Viewer, why: Why, now: datetime) -> datetime:
    """Write down why; until when it holds.

    Raises: PermissionRefused; UserError where the role may not give this reason; NotFound where the
    patient was erased meanwhile;
    StorageUnavailable, and the caller decides whether care can wait.
    """
    viewer.demand(Task.BREAK_GLASS)  # 1.
    why = read_reason(viewer.role, why.reason, why.words)
    until = now + timedelta(hours=hours_held())
    with writing(Act(viewer.account, now, viewer.organisation)) as journal:
        demand_there([patient_id])
        body = GlassBroken(role=viewer.role.value, reason=why.reason, words=why.words, until=until)
        position = journal.append(body, subject=patient_id)  # 2.
        _watch(journal, viewer, position, patient_id)  # 3.
    return until


def _watch(journal: Writer, viewer: Viewer, position: int, patient_id: str) -> None:
    ceilings = read_reasons(read("TOURNIQUET_REASON_CEILINGS"))
    ceiling = ceilings.of(viewer.account, viewer.role)
    midnight = london_midnight(service_day(journal.act.moment))
    others = count_reasons(viewer.account, midnight, most=ceiling + 1, without=patient_id)
    if not is_passed(others, others + 1, ceiling):
        return
    raise_alarm_once(
        journal,
        REASONS_ALARM,
        f"Account {viewer.account} has opened the records of more than {ceiling} people today "
        "without a tie to them. It goes on reading. Ask who works with it, and read its reasons.",
        since=midnight,
        about_what=(viewer.account,),
        about=position,
    )
