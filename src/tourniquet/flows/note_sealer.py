"""Sealing stopped though nobody stopped it, or the database is not the one that was sealed.

1. Look where sealing stands (`record.sealing_meter`).
2. Where the journal is not the one that was sealed: append `alarm.raised`, once for each end of the
   vault. That comes first, because it is why the sealer ended.
3. Else where the sealer ended, or is killed again and again, once for each time; and where the
   vault has not grown for a minute though entries wait, once for each end of the vault.

Whoever calls keeps on calling until it succeeds: where the disk is full, nothing can be appended.
"""

from __future__ import annotations

from datetime import UTC, datetime

from tourniquet.directory.roles import SYSTEM_VIEWER
from tourniquet.flows.raise_alarm import raise_alarm_once
from tourniquet.record.journal import Act, writing
from tourniquet.record.sealing_meter import SEALING, Sealing, SealingMeter

ENDED = "sealer ended"
KILLED = "sealer killed"
STOPPED = "sealing stopped"
PUT_BACK = "journal put back"
ACTOR = "sealer"
TEXTS = {
    ENDED: (
        "The sealer stopped and was not started again. What is journalled from now on is in this "
        "database alone. Read logs/sealer.log in the home, look at disk and vault, restart the "
        "server."
    ),
    KILLED: (
        "The sealer ends again and again, or cannot be started. It is tried once a minute; what is "
        "journalled meanwhile is in this database alone. Read logs/sealer.log in the home and the "
        "server's log, and look at the machine's memory, disk and limits."
    ),
    STOPPED: (
        "Nothing was sealed for a minute though entries wait: no sealer runs, or it stands still. "
        "What is journalled is in this database alone. See whether 'tourniquet record seal "
        "--follow' runs, read its log, and look at disk and vault."
    ),
    PUT_BACK: (
        "The database is not the one that was sealed: it was put back to an older state, or failed "
        "over to a copy that lacks the newest entries. What was acknowledged before may be missing "
        "in it and is in the vault; what is taken in from now on is in this database alone. Change "
        "nothing in either. Do as in docs/how-to/restore.md, 'When the database went back'."
    ),
}
_ALWAYS = datetime(1970, 1, 1, tzinfo=UTC)  # what is named by the vault's end alone


def note_sealer_ended(
    *, now: datetime, ended_at: datetime, killed: bool = False, meter: SealingMeter = SEALING
) -> str:
    """Raise the alarm that the sealer ended; the alarm's kind.

    `ended_at` names the end: the same is noted once. Raises: StorageUnavailable where the journal
    can't be written either: call again.
    """
    found = meter.look()  # 1.
    if found is not None and not found.fits:
        return _note_stop(PUT_BACK, found, now)  # 2.
    kind = KILLED if killed else ENDED
    with writing(Act(ACTOR, now)) as journal:  # 3.
        raise_alarm_once(journal, kind, TEXTS[kind], since=ended_at, about_what=())
    return kind


def watch_sealing(*, now: datetime, meter: SealingMeter = SEALING) -> str:
    """Look whether the record is sealed; the kind of alarm that there is a reason for, or "".

    Raises: StorageUnavailable.
    """
    found = meter.look()  # 1.
    if found is None:
        return ""
    if not found.fits:
        return _note_stop(PUT_BACK, found, now)  # 2.
    if found.late and not found.gave_up:  # who saw it end raises that alarm
        return _note_stop(STOPPED, found, now)  # 3.
    return ""


def _note_stop(kind: str, found: Sealing, now: datetime) -> str:
    where = (str(found.sealed), found.root.hex())
    with writing(Act(SYSTEM_VIEWER.account, now)) as journal:
        raise_alarm_once(journal, kind, TEXTS[kind], since=_ALWAYS, about_what=where)
    return kind
