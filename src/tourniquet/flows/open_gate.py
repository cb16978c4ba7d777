"""The gate of a service day: before anybody travels, laboratory and courier are reserved.

Each morning after the laboratories' word, and again when something was booked for today:

1. Take the day's appointments that have not come to the gate.
2. Pass them, the urgent first: tubes within what a laboratory can take today in every discipline,
   a courier in time, specimens young enough on arrival.
3. Append `gate.reserved`: come. Or `appointment.turned_away`: do not travel; the need waits and is
   looked at first thing. A P1 that today was the last safe day for goes by the emergency route.
4. Append `work.done` for the gate of the day.

Invariants:
- What the gate reserves on a day never exceeds what a laboratory can take, in any discipline.
- Nothing is decided twice: calling again looks only at appointments without a decision.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from tourniquet.diary.entries import (
    AppointmentTurnedAway,
    GateReserved,
    NeedRedirected,
    WorkDone,
)
from tourniquet.diary.models import Work
from tourniquet.diary.planning import (
    read_comers,
    read_left,
    read_needs,
    read_places,
    read_sessions,
)
from tourniquet.diary.rules import Passed, pass_gate
from tourniquet.directory.roles import SYSTEM_VIEWER, Viewer
from tourniquet.flows.book_needs import as_comer
from tourniquet.kernel.clock import service_day
from tourniquet.record.journal import Act, Writer, writing
from tourniquet.triage.rules import EMERGENCY_WORDS

COMERS_AT_ONCE = 2000  # appointments of one transaction: under a quarter of a second


@dataclass(frozen=True)
class Opening:
    """What the gate decided this time, in appointments."""

    reserved: int
    turned_away: int


def open_gate(*, now: datetime, viewer: Viewer = SYSTEM_VIEWER) -> Opening:
    """Open the gate of the day of `now`; what it decided."""
    day = service_day(now)
    act = Act(viewer.account, now, viewer.organisation)
    reserved = turned_away = 0
    places = read_places()
    while True:
        with writing(act) as journal:
            # 1. Who comes. Read under the journal's lock: nobody else decides meanwhile.
            found = read_comers(day)[:COMERS_AT_ONCE]
            needs = read_needs(row.need for row in found)
            sessions = read_sessions(day, day)
            rows = [needs[row.need] for row in found if row.need in needs]
            comers = [
                as_comer(row, sessions.get((row.clinic, day), ())) for row in rows if row.day == day
            ]
            # 2. Who passes.
            passed = pass_gate(comers, read_left(day), places.routes())
            passed.sort(key=lambda one: not one.is_reserved)
            # 3. Write it down.
            tubes = {row.id: row.tubes for row in rows}
            for one in passed:
                _decide(journal, one, tubes[one.comer.need], now=now)
            for one in passed:
                if not one.is_reserved:
                    is_last_day = needs[one.comer.need].safe_until <= day
                    _redirect(journal, one, is_last_day=is_last_day)
            reserved += sum(one.is_reserved for one in passed)
            turned_away += sum(not one.is_reserved for one in passed)
            # 4. The day's gate is open.
            if passed or not Work.objects.filter(job="gate", day=day).exists():
                journal.append(WorkDone(job="gate", day=day, count=reserved))
        if len(found) < COMERS_AT_ONCE or not passed:
            return Opening(reserved, turned_away)


def _decide(journal: Writer, one: Passed, tubes: str, *, now: datetime) -> None:
    comer = one.comer
    today = service_day(now)
    if one.is_reserved:
        journal.append(
            GateReserved(
                appointment=comer.appointment,
                need=comer.need,
                clinic=comer.clinic,
                laboratory=one.laboratory,
                day=today,
                tubes=tubes,
                courier_hours=one.courier_hours,
                stability_hours=comer.stability_hours,
            ),
            subject=comer.patient,
        )
        return
    journal.append(
        AppointmentTurnedAway(
            appointment=comer.appointment,
            need=comer.need,
            clinic=comer.clinic,
            laboratory=comer.laboratory,
            day=today,
            tubes=tubes,
            courier_hours=one.courier_hours,
            stability_hours=comer.stability_hours,
            review_on=today + timedelta(days=1),
            reason=one.reason,
        ),
        subject=comer.patient,
    )


def _redirect(journal: Writer, one: Passed, *, is_last_day: bool) -> None:
    if one.comer.priority == "P1" and is_last_day:
        journal.append(
            NeedRedirected(need=one.comer.need, reason=f"{EMERGENCY_WORDS}: {one.reason}"),
            subject=one.comer.patient,
        )
