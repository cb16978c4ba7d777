"""What those who watch over records decide: canaries, alarms dealt with, limits lifted.

`set_canary`: 1. the role may, and says why; 2. append `canary.set` about the patient.
`clear_alarm`: 1. the role may answer this kind of alarm, and says what was done; 2. append
`alarm.cleared`, caused by what the alarm is about.
`allow_export`: 1. an administrator, a reason, a time not too far off; 2. append `export.allowed`.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from tourniquet.directory.models import Account
from tourniquet.directory.roles import Task, Viewer
from tourniquet.flows.watch_readings import ACCESS_ALARMS
from tourniquet.kernel.errors import NotFound, UserError
from tourniquet.patients.entries import CanarySet, ExportAllowed
from tourniquet.patients.models import Canary, Patient
from tourniquet.record.entries import AlarmCleared
from tourniquet.record.journal import Act, writing
from tourniquet.record.models import Alarm

WORDS_LONGEST = 2000
HOURS_MOST = 7 * 24


def set_canary(patient_id: str, *, on: bool, comment: str, viewer: Viewer, now: datetime) -> int:
    """Say that nobody should read a record, or that it is one like others again.

    Raises: PermissionRefused, NotFound; UserError where the comment is missing or nothing changes.
    """
    viewer.demand(Task.GUARD_ACCESS)  # 1.
    comment = _words(comment, "comment", "Say why.")
    with writing(Act(viewer.account, now, viewer.organisation)) as journal:
        if not Patient.objects.filter(pk=patient_id, merged_into__isnull=True).exists():
            raise NotFound("There is no such patient.")
        if Canary.objects.filter(pk=patient_id, on=True).exists() == on:
            raise UserError(
                "This record is on the list already." if on else "This record is not on the list."
            )
        return journal.append(CanarySet(on=on, comment=comment), subject=patient_id)  # 2.


def may_clear(viewer: Viewer, kind: str) -> bool:
    """Whether a viewer may answer alarms of a kind: those about access are for who guards it."""
    if kind in ACCESS_ALARMS:
        return viewer.may(Task.GUARD_ACCESS)
    return viewer.may(Task.RECORD_CLINICAL) or viewer.may(Task.GUARD_ACCESS)


def clear_alarm(alarm_id: str, *, note: str, viewer: Viewer, now: datetime) -> int:
    """Say what was done about an alarm; it leaves the list.

    Raises: PermissionRefused, NotFound; UserError where the note is missing or it was done already.
    """
    note = _words(note, "note", "Say what was done.")
    with writing(Act(viewer.account, now, viewer.organisation)) as journal:
        found = Alarm.objects.filter(pk=alarm_id).first()
        if found is None:
            raise NotFound("There is no such alarm.")
        if not may_clear(viewer, found.kind):
            viewer.demand(Task.GUARD_ACCESS)  # 1.
        if found.cleared_at is not None:
            raise UserError("Somebody has dealt with this alarm already.", where="note")
        body = AlarmCleared(alarm=alarm_id, cleared_at=now, note=note)
        return journal.append(body, cause=found.about_position)  # 2.


def allow_export(
    account: str, *, hours: int, reason: str, viewer: Viewer, now: datetime
) -> datetime:
    """Lift an account's limit for some hours; until when.

    Raises: PermissionRefused, NotFound; UserError where the reason is missing or the hours are not
    from 1 to HOURS_MOST.
    """
    viewer.demand(Task.ADMINISTER)  # 1.
    reason = _words(reason, "reason", "Say why the limit is lifted.")
    if not 1 <= hours <= HOURS_MOST:
        raise UserError(f"The limit can be lifted for 1 to {HOURS_MOST} hours.", where="hours")
    until = now + timedelta(hours=hours)
    with writing(Act(viewer.account, now, viewer.organisation)) as journal:
        if not Account.objects.filter(pk=account, active=True).exists():
            raise NotFound("There is no active account of that name.")
        journal.append(ExportAllowed(account=account, until=until, reason=reason))  # 2.
    return until


def _words(text: str, field: str, missing: str) -> str:
    text = text.strip()
    if not text:
        raise UserError(missing, where=field)
    if len(text) > WORDS_LONGEST:
        raise UserError(f"Too long: at most {WORDS_LONGEST} characters.", where=field)
    return text
