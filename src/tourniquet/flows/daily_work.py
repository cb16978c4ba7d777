"""The work of a service day, morning and evening, as the background worker runs it.

Morning, after the laboratories' word:
1. Give dates to who waits (`book_needs`), and keep the review days.
2. Open the gate (`open_gate`).
3. Fill what is left of today (`call_in`), through the gate as well.
4. Who was not called hears by when (`keep_waiting`).
5. Tell people (`tell_people`), send what was held, mend the outbox: after a restore
   in the night the gateways find in the morning what lay there for them.

Evening:
1. Close the day: who did not come (`close_day`).
2. Tell people; send again what failed for now; mend the outbox.
3. Publish the public page while an incident runs.

Invariants:
- How short capacity is, is read once: every step of a morning works to the same answer.
- Each step may be repeated: run twice on a day, the second run finds nothing left to do.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from tourniquet.diary.entries import WorkDone
from tourniquet.diary.models import Work
from tourniquet.directory.roles import SYSTEM_VIEWER
from tourniquet.flows.book_needs import Booking, book_needs
from tourniquet.flows.call_in import Called, call_in
from tourniquet.flows.carry_out_erasures import CarriedOut, carry_out_erasures
from tourniquet.flows.check_record import Checked, check_record
from tourniquet.flows.keep_waiting import keep_waiting
from tourniquet.flows.note_sealer import watch_sealing
from tourniquet.flows.open_gate import Opening, open_gate
from tourniquet.flows.outlook import read_shortage
from tourniquet.flows.propose_plan import propose_plan
from tourniquet.flows.publish_status import Published, publish_status
from tourniquet.flows.record_attendance import close_day
from tourniquet.flows.record_delivery import retry_failed
from tourniquet.flows.tell_people import Telling, mend_outbox, send_held, tell_people
from tourniquet.incident.queries import find_running
from tourniquet.kernel.clock import service_day
from tourniquet.record.journal import Act, writing


@dataclass(frozen=True)
class Morning:
    """What a morning's work did."""

    booking: Booking
    called: Called
    gate: Opening
    telling: Telling
    sent: int
    mended: int = 0  # notices whose files were gone, after a restore for instance (HAZ-069)


@dataclass(frozen=True)
class Evening:
    """What an evening's work did."""

    missed: int
    telling: Telling
    sent_again: int
    mended: int


def morning(now: datetime) -> Morning:
    """Do the morning's work."""
    shortage = read_shortage(now)
    booking = book_needs(now=now, shortage=shortage)
    gate = open_gate(now=now)
    called = call_in(now=now, shortage=shortage)
    if called.called:
        again = open_gate(now=now)
        gate = Opening(gate.reserved + again.reserved, gate.turned_away + again.turned_away)
    keep_waiting(now=now, shortage=shortage)
    telling = tell_people(now=now)
    sent = send_held(now=now)
    _done("morning", now)
    return Morning(booking, called, gate, telling, sent, mend_outbox(now=now))


def urgent(now: datetime) -> Morning:
    """What arrived since the morning and cannot wait until the next: book, open the gate, tell."""
    shortage = read_shortage(now)
    booking = book_needs(now=now, only_urgent=True, shortage=shortage)
    if not Work.objects.filter(job="morning", day=service_day(now)).exists():
        # The morning is still to come: it calls in, and gives the others a word.
        return Morning(booking, Called(0, 0), open_gate(now=now), tell_people(now=now), 0)
    gate, called = open_gate(now=now), call_in(now=now, only_urgent=True, shortage=shortage)
    if called.called:
        again = open_gate(now=now)
        gate = Opening(gate.reserved + again.reserved, gate.turned_away + again.turned_away)
    keep_waiting(now=now, only_urgent=True, shortage=shortage)
    return Morning(booking, called, gate, tell_people(now=now), 0)


def evening(now: datetime) -> Evening:
    """Do the evening's work."""
    missed = close_day(now=now)
    telling = tell_people(now=now)
    again = retry_failed(now=now)
    mended = mend_outbox(now=now)
    if find_running() is not None:
        publish_status(now=now)
    _done("evening", now)
    return Evening(missed, telling, again, mended)


def publish(now: datetime) -> Published:
    """Publish the public page."""
    return publish_status(now=now)


def integrity(now: datetime) -> Checked:
    """Compare the next part of the journal with the tables."""
    return check_record(now=now)


def erasures(now: datetime) -> CarriedOut:
    """Carry out the erasures that are due, and go on with those that were interrupted.

    Raises: the first of what went wrong, once all that could be done is done.
    """
    found = carry_out_erasures(now=now)
    error = found.failed[0].error if found.failed else found.unfinished
    if error is not None:
        raise error
    return found


def sealing(now: datetime) -> str:
    """Look whether what is journalled is sealed, and the journal the one that was."""
    return watch_sealing(now=now)


def plan_full(now: datetime) -> str:
    """Propose a full plan, for a person to look at; its id."""
    return propose_plan(viewer=SYSTEM_VIEWER, now=now)


def _done(job: str, now: datetime) -> None:
    with writing(Act(SYSTEM_VIEWER.account, now)) as journal:
        journal.append(WorkDone(job=job, day=service_day(now)))
