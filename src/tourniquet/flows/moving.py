"""Lines are put into effect: appointments booked, moved, given up; needs deferred or redirected.

What adopting a plan and booking new needs have in common. One batch is one transaction of the
caller's:

1. Read the needs as they now stand; a line that the world has overtaken is skipped with a reason.
2. Give places to those who come; a place that somebody leaves is free for the next.
3. Append one entry a patient. A line whose place is still taken waits for the next pass, or at the
   last is skipped.

Invariants:
- A line that is in effect already changes nothing, so a batch may be repeated.
- No session is overbooked at any commit; nobody loses a date without a review day or the
  emergency route.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import NamedTuple

from tourniquet.diary.entries import (
    AppointmentBooked,
    AppointmentCancelled,
    AppointmentMoved,
    AppointmentRerouted,
    NeedDeferred,
    NeedRedirected,
)
from tourniquet.diary.planning import read_needs, read_seat_times
from tourniquet.diary.rows import NeedRow, Places
from tourniquet.diary.rules import STABILITY_MARGIN_HOURS, Hours
from tourniquet.diary.seating import Seating
from tourniquet.kernel.clock import LONDON
from tourniquet.kernel.identifiers import IdSource, derived_id
from tourniquet.patients.readings import list_there
from tourniquet.record.journal import Writer
from tourniquet.record.registry import Body
from tourniquet.record.tables import fetch_all
from tourniquet.triage.entries import LineSkipped
from tourniquet.triage.rules import EMERGENCY_WORDS

LINES_AT_ONCE = 800  # lines of one transaction: under a quarter of a second
HOURS_A_DAY = 24.0
NO_PLACE = "no place was left when it was to be booked"


class PlannedLine(NamedTuple):
    """A line of a plan as adoption reads it."""

    need: str
    patient: str
    decision: str
    clinic: str
    laboratory: str
    day: date | None
    was_clinic: str
    was_day: date | None
    review_on: date | None
    reason: str
    priority: str


@dataclass
class Moving:
    """What is carried from batch to batch. `plan` is None where no plan is put into force."""

    plan: str | None
    now: datetime
    today: date
    parent: int | None
    sessions: dict[tuple[str, date], list[Hours]]
    routes: dict[tuple[str, str], float]
    ids: IdSource
    applied: int = 0
    skipped: int = 0
    waiting: list[PlannedLine] = field(default_factory=list)
    without_place: list[PlannedLine] = field(default_factory=list)


def apply_lines(
    journal: Writer, work: Moving, lines: Sequence[PlannedLine], *, is_last: bool
) -> None:
    """Put one batch into effect. Lines whose place is taken wait, or at the last are skipped."""
    needs = read_needs(line.need for line in lines)
    targets = {(line.clinic, line.day) for line in lines if line.day is not None}
    local = work.now.astimezone(LONDON)
    seating = Seating(
        work.sessions, read_seat_times(targets), earliest=(local.date(), local.time())
    )
    ready: list[tuple[PlannedLine, NeedRow]] = []
    done: list[tuple[str, Body]] = []
    for line in lines:
        row = needs.get(line.need)
        why = _why_not(line, row, work.today)
        if why:
            done.extend(_skip(work, line, why))
            work.skipped += 1
        elif row is not None and not _is_in_effect(line, row):
            ready.append((line, row))
        else:
            work.applied += 1
    left = _settle(work, seating, ready, done)
    if is_last:
        for line, _ in left:
            done.extend(_skip(work, line, NO_PLACE))
        work.skipped += len(left)
        work.without_place.extend(line for line, _ in left)
    else:
        work.waiting.extend(line for line, _ in left)
    done.sort(key=lambda pair: type(pair[1]).__name__)  # like kinds together are applied together
    done.sort(key=lambda pair: isinstance(pair[1], AppointmentBooked | AppointmentMoved))
    there = list_there(patient for patient, _ in done)  # a plan's lines are older than the lock
    for patient, body in done:
        if patient in there:
            journal.append(body, subject=patient, cause=work.parent)


def _settle(
    work: Moving,
    seating: Seating,
    ready: list[tuple[PlannedLine, NeedRow]],
    done: list[tuple[str, Body]],
) -> list[tuple[PlannedLine, NeedRow]]:
    """Decide the entries; who finds no place is tried again as long as places come free."""
    while ready:
        left = []
        for line, row in ready:
            body = _body(work, seating, line, row)
            if body is None:
                left.append((line, row))
                continue
            if row.day is not None and line.decision != "keep":
                seating.give_back((row.clinic, row.day), row.appointment)
            work.applied += 1
            done.append((line.patient, body))
        if len(left) == len(ready):
            return left
        ready = left
    return []


def _why_not(line: PlannedLine, row: NeedRow | None, today: date) -> str:
    """Why the line cannot be put into effect any more; "" where it can, or is."""
    if row is None:
        return "the need is no longer there"
    if _is_in_effect(line, row):
        return ""
    if row.status not in {"waiting", "booked"}:
        return f"the need is {row.status} since the plan was made"
    if (row.clinic, row.day) != (line.was_clinic, line.was_day):
        return "the appointment changed since the plan was made"
    if line.day is not None and line.day < today:
        return "the planned day has passed"
    return ""


def _is_in_effect(line: PlannedLine, row: NeedRow) -> bool:
    if line.decision in {"move", "book"}:
        return (row.clinic, row.day) == (line.clinic, line.day)
    if line.decision == "keep":
        return (row.clinic, row.day, row.laboratory) == (line.clinic, line.day, line.laboratory)
    if is_emergency(line):
        return row.status == "emergency"
    return row.status == "waiting" and row.review_on == line.review_on and bool(row.reason)


def is_emergency(line: PlannedLine) -> bool:
    """Whether the line sends its patient by the emergency route."""
    return line.decision == "defer" and line.reason.startswith(EMERGENCY_WORDS)


def _body(work: Moving, seating: Seating, line: PlannedLine, row: NeedRow) -> Body | None:
    """The entry that puts a line into effect; None where its place is still taken."""
    appointment = row.appointment or None
    if is_emergency(line):
        return NeedRedirected(
            need=line.need, reason=line.reason, appointment=appointment, plan=work.plan
        )
    if line.decision == "defer":
        assert line.review_on is not None
        if appointment is None:
            return NeedDeferred(
                need=line.need, review_on=line.review_on, reason=line.reason, plan=work.plan
            )
        return AppointmentCancelled(
            appointment=appointment,
            need=line.need,
            review_on=line.review_on,
            reason=line.reason,
            plan=work.plan,
        )
    if line.decision == "keep":
        return AppointmentRerouted(
            appointment=row.appointment, laboratory=line.laboratory, need=line.need, plan=work.plan
        )
    return _place(work, seating, line, row)


def _place(
    work: Moving, seating: Seating, line: PlannedLine, row: NeedRow
) -> AppointmentBooked | AppointmentMoved | None:
    """The entry that takes a line's new place; None where it is still taken."""
    assert line.day is not None
    new = _new_id(work, line)
    hours = work.routes.get((line.clinic, line.laboratory), 0.0)
    at = seating.take(
        (line.clinic, line.day),
        new,
        wait_hours_most=(
            HOURS_A_DAY  # a P1's specimens go at once, not with the next courier
            if row.priority == "P1"
            else row.stability_hours - STABILITY_MARGIN_HOURS - hours
        ),
    )
    if at is None:
        return None
    if not row.appointment:
        return AppointmentBooked(
            appointment=new,
            need=line.need,
            clinic=line.clinic,
            day=line.day,
            at=at,
            laboratory=line.laboratory,
            reason=line.reason,
            plan=work.plan,
            requesting_organisation=row.requesting_organisation,
            registered_organisation=row.registered_organisation,
        )
    return AppointmentMoved(
        appointment=new,
        was=row.appointment,
        need=line.need,
        clinic=line.clinic,
        day=line.day,
        at=at,
        laboratory=line.laboratory,
        reason=line.reason,
        plan=work.plan,
        requesting_organisation=row.requesting_organisation,
        registered_organisation=row.registered_organisation,
    )


def _new_id(work: Moving, line: PlannedLine) -> str:
    """An id from need and moment, so that it does not depend on what arrived first.

    A need may be booked again within one moment of an exercise: its bookings are counted.
    """
    [(booked_before,)] = fetch_all(
        "SELECT COUNT(*) FROM diary_appointment WHERE need_id = %s", (line.need,)
    )
    return derived_id(work.now, "appointment", line.need, str(booked_before))


def _skip(work: Moving, line: PlannedLine, why: str) -> list[tuple[str, Body]]:
    """A plan's line says why it was skipped; without a plan there is no line to say it."""
    if work.plan is None:
        return []
    return [(line.patient, LineSkipped(plan=work.plan, need=line.need, reason=why))]


def route_hours(places: Places) -> dict[tuple[str, str], float]:
    """Courier hours by clinic and laboratory."""
    return {(clinic, laboratory): hours for clinic, laboratory, hours in places.couriers}
