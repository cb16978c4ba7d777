"""Readings are watched while they are written down, so that misuse is seen the same minute.

1. Before they are appended: how many people each account has read of on that service day.
2. After: each record that nobody should read (a canary) raises an alarm at once, one for each
   account and day.
3. An account that passes its ceiling raises one alarm a day; it goes on reading, because care is
   not refused for a number.

Invariants:
- An alarm's text names the account and no patient; the entry that it is about leads further.
- Alarms are written in the transaction of the reading: there is no reading without its alarm.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime

from tourniquet.flows.raise_alarm import raise_alarm_once
from tourniquet.kernel import settings
from tourniquet.kernel.clock import london_midnight, service_day
from tourniquet.patients.ceilings import is_passed, read_ceilings
from tourniquet.patients.grounds import Why
from tourniquet.patients.readings import count_read, list_canaries_among, list_read
from tourniquet.record.journal import Writer

CANARY_ALARM = "canary-read"
CEILING_ALARM = "reading-ceiling"
REASONS_ALARM = "reason-ceiling"
STOP_ALARM = "export-stopped"
ACCESS_ALARMS = (CANARY_ALARM, CEILING_ALARM, REASONS_ALARM, STOP_ALARM)


@dataclass(frozen=True)
class Reading:
    """Who read whose record, what of it, when, from where, and why."""

    patient: str
    actor: str
    organisation: str
    at: datetime
    what: str
    channel: str
    role: str
    why: Why


@dataclass(frozen=True)
class _Tally:
    """An account's readings of one service day, as they stand before more are written."""

    account: str
    day: date
    ceiling: int
    before: int
    after: int


@contextmanager
def watched(journal: Writer, readings: Sequence[Reading]) -> Iterator[list[int]]:
    """Watch readings; the block appends their entries and puts each position into the list."""
    tallies = [_tally(*key, readings) for key in _accounts(readings)]  # 1.
    positions: list[int] = []
    yield positions
    noted = dict(zip(range(len(readings)), positions, strict=True))
    _alarm_canaries(journal, readings, noted)  # 2.
    for tally in tallies:  # 3.
        if is_passed(tally.before, tally.after, tally.ceiling):
            _alarm_ceiling(journal, tally, readings, noted)


def _accounts(readings: Sequence[Reading]) -> list[tuple[str, str, date]]:
    """The accounts, with role and service day, in the order of their first reading."""
    return list(dict.fromkeys((one.actor, one.role, service_day(one.at)) for one in readings))


def _tally(account: str, role: str, day: date, readings: Sequence[Reading]) -> _Tally:
    ceiling = read_ceilings(settings.read("TOURNIQUET_READING_CEILINGS")).of(account, role)
    ids = {one.patient for one in readings if (one.actor, service_day(one.at)) == (account, day)}
    before = count_read(account, day, most=ceiling + 1)
    if before > ceiling:
        return _Tally(account, day, ceiling, before, before)
    new = len(ids - list_read(account, day, ids))
    return _Tally(account, day, ceiling, before, before + new)


def _alarm_canaries(journal: Writer, readings: Sequence[Reading], noted: dict[int, int]) -> None:
    canaries = list_canaries_among({one.patient for one in readings})
    if not canaries:
        return
    for number, one in enumerate(readings):
        if one.patient not in canaries:
            continue
        day = service_day(one.at)
        raise_alarm_once(
            journal,
            CANARY_ALARM,
            f"A record that nobody should read was opened by account {one.actor}. Find out why; "
            "until then think of the account as stolen.",
            since=london_midnight(day),
            about_what=(one.actor, str(canaries[one.patient])),
            about=noted[number],
        )


def _alarm_ceiling(
    journal: Writer, tally: _Tally, readings: Sequence[Reading], noted: dict[int, int]
) -> None:
    last = max(number for number, one in enumerate(readings) if one.actor == tally.account)
    raise_alarm_once(
        journal,
        CEILING_ALARM,
        f"Account {tally.account} has opened the records of more than {tally.ceiling} people "
        "today. It goes on reading. Ask who works with it, and why.",
        since=london_midnight(tally.day),
        about_what=(tally.account,),
        about=noted[last],
    )
