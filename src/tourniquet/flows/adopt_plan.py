"""A plan is put into force by a named person, and appointments move.

1. The viewer must command incidents; the plan must be proposed, or be adopting already.
2. Every urgent need that the plan does not serve in time must have been acknowledged by a
   clinician (`acknowledge_urgent`); else the adoption is refused with their number.
3. Append `plan.adopted`: it is adopting, and every plan before it is superseded.
4. Go through the lines in batches, one entry a patient: first who gives a place up, then who takes
   one, again and again until no place frees itself any more. Where the world moved since the plan
   was made, the line is skipped with a reason.
5. Append `plan.settled`: it is adopted.

Invariants:
- A kill between batches loses nothing and doubles nothing: calling again goes on, because a line
  that is in effect already is left alone.
- No session is overbooked at any commit.
- Nobody is left without a date, a review day or the emergency route.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import NamedTuple

from tourniquet.diary.entries import (
    AppointmentBooked,
    AppointmentCancelled,
    AppointmentMoved,
    AppointmentRerouted,
    NeedDeferred,
    NeedRedirected,
)
from tourniquet.diary.planning import read_needs, read_places, read_seat_times, read_sessions
from tourniquet.diary.rows import NeedRow, Places
from tourniquet.diary.rules import STABILITY_MARGIN_HOURS, Hours
from tourniquet.diary.seating import Seating
from tourniquet.directory.roles import Task, Viewer
from tourniquet.flows.set_up_region import batches
from tourniquet.incident.entries import TimelineNoted
from tourniquet.kernel.clock import service_day
from tourniquet.kernel.errors import NotFound, UserError
from tourniquet.kernel.identifiers import IdSource, RandomIds
from tourniquet.record.journal import Act, Writer, writing
from tourniquet.record.registry import Body
from tourniquet.triage.entries import LineAcknowledged, LineSkipped, PlanAdopted, PlanSettled
from tourniquet.triage.models import Plan, PlanLine

LINES_AT_ONCE = 800  # lines of one transaction: under a quarter of a second
PASSES_MOST = 8  # how often lines whose place is still taken are tried again
NO_PLACE = "no place was left when the plan was adopted"


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


@dataclass(frozen=True)
class Adoption:
    """What came of it, in lines."""

    plan: str
    applied: int
    skipped: int


@dataclass
class _Work:
    """What an adoption carries from batch to batch."""

    plan: str
    now: datetime
    today: date
    parent: int
    sessions: dict[tuple[str, date], list[Hours]]
    routes: dict[tuple[str, str], float]
    ids: IdSource
    applied: int = 0
    skipped: int = 0
    waiting: list[PlannedLine] = field(default_factory=list)


def acknowledge_urgent(
    plan: str, needs: Iterable[str], *, viewer: Viewer, now: datetime, note: str = ""
) -> int:
    """A clinician takes on urgent needs that a plan does not serve in time; how many were new.

    Raises: PermissionRefused; UserError when one of them is not such a need of this plan.
    """
    viewer.demand(Task.RECORD_CLINICAL)
    wanted = set(needs)
    with writing(Act(viewer.account, now, viewer.organisation)) as journal:
        rows = PlanLine.objects.filter(plan_id=plan, need_id__in=wanted, urgent_unserved=True)
        found = list(
            rows.order_by("need_id").values_list("need_id", "patient_id", "acknowledged_by")
        )
        if len(found) != len(wanted):
            raise UserError(
                "Not all of these are urgent needs that this plan does not serve.",
                remedy="Open the plan again and choose from its list.",
            )
        new = [row for row in found if not row[2]]
        for need, patient, _ in new:
            journal.append(LineAcknowledged(plan=plan, need=need, note=note), subject=patient)
    return len(new)


def adopt_plan(
    plan: str,
    *,
    viewer: Viewer,
    now: datetime,
    ids: IdSource | None = None,
    between: Callable[[int], None] = lambda _: None,
) -> Adoption:
    """Adopt a plan, or go on with an adoption that was interrupted.

    `between` is called after each batch with the lines dealt with so far.
    Raises: PermissionRefused, NotFound; UserError when it cannot be adopted, saying why.
    """
    # 1. Who, and what.
    viewer.demand(Task.COMMAND_INCIDENT)
    act = Act(viewer.account, now, viewer.organisation)
    # 2. and 3.
    found = _begin(plan, act)
    today = service_day(now)
    work = _Work(
        plan=plan,
        now=now,
        today=today,
        parent=found.position,
        sessions=read_sessions(
            min(found.first_day, today), found.first_day + timedelta(days=found.days)
        ),
        routes=_route_hours(read_places()),
        ids=ids or RandomIds(),
    )
    # 4. The lines.
    lines = _lines_of(plan)
    for _ in range(PASSES_MOST):
        dealt = work.applied + work.skipped
        work.waiting = []
        for part in batches(lines, LINES_AT_ONCE):
            with writing(act) as journal:
                _apply(journal, work, part, is_last=False)
            between(work.applied + work.skipped)
        lines = work.waiting
        if not lines or work.applied + work.skipped == dealt:
            break
    if lines:
        with writing(act) as journal:
            _apply(journal, work, lines, is_last=True)
    # 5. Done.
    earlier = PlanLine.objects.filter(plan_id=plan).exclude(skipped="").count()
    with writing(act) as journal:
        journal.append(
            PlanSettled(plan=plan, applied=work.applied, skipped=earlier), cause=work.parent
        )
        if found.incident_id is not None:
            journal.append(
                TimelineNoted(
                    incident=found.incident_id,
                    event="plan",
                    text=f"The plan is in force: {work.applied} lines, {earlier} skipped",
                    about=plan,
                ),
                cause=work.parent,
            )
    return Adoption(plan, work.applied, earlier)


def _begin(plan: str, act: Act) -> Plan:
    """Check and append the adoption, once."""
    with writing(act) as journal:
        found = Plan.objects.filter(pk=plan).first()
        if found is None:
            raise NotFound("There is no plan with that id.")
        if found.state == "adopting":
            return found
        if found.state != "proposed":
            raise UserError(
                f"This plan is {found.state}.", remedy="Make a new plan and adopt that one."
            )
        if Plan.objects.filter(state="adopting").exists():
            raise UserError(
                "Another plan is being adopted.", remedy="Wait until its appointments have moved."
            )
        urgent = PlanLine.objects.filter(plan_id=plan, urgent_unserved=True)
        still_open = urgent.filter(acknowledged_by="").count()
        if still_open:
            raise UserError(
                f"{still_open} urgent needs are not served in time and nobody has taken them on.",
                remedy="A clinician acknowledges each of them first.",
            )
        journal.append(PlanAdopted(plan=plan))
    return Plan.objects.get(pk=plan)


def _lines_of(plan: str) -> list[PlannedLine]:
    """Lines not skipped: who gives a place up first, then by day and clinic of the new place."""
    rows = PlanLine.objects.filter(plan_id=plan, skipped="").values_list(
        "need_id",
        "patient_id",
        "decision",
        "clinic",
        "laboratory",
        "day",
        "was_clinic",
        "was_day",
        "review_on",
        "reason",
        "priority",
    )
    found = [PlannedLine(*row) for row in rows]
    found.sort(key=lambda line: (line.day or date.min, line.clinic, line.priority, line.need))
    return found


def _apply(journal: Writer, work: _Work, lines: Sequence[PlannedLine], *, is_last: bool) -> None:
    """Put one batch into effect. Lines whose place is taken wait, or at the last are skipped."""
    needs = read_needs(line.need for line in lines)
    targets = {(line.clinic, line.day) for line in lines if line.day is not None}
    seating = Seating(work.sessions, read_seat_times(targets))
    ready: list[tuple[PlannedLine, NeedRow]] = []
    done: list[tuple[str, Body]] = []
    for line in lines:
        row = needs.get(line.need)
        why = _why_not(line, row, work.today)
        if why:
            done.append((line.patient, LineSkipped(plan=work.plan, need=line.need, reason=why)))
            work.skipped += 1
        elif row is not None and not _is_in_effect(line, row):
            ready.append((line, row))
            if row.day is not None and line.decision != "keep":
                seating.give_back((row.clinic, row.day), row.appointment)
        else:
            work.applied += 1
    for line, row in ready:
        body = _body(work, seating, line, row)
        if body is None and is_last:
            body = LineSkipped(plan=work.plan, need=line.need, reason=NO_PLACE)
            work.skipped += 1
        elif body is None:
            work.waiting.append(line)
            continue
        else:
            work.applied += 1
        done.append((line.patient, body))
    done.sort(key=lambda pair: type(pair[1]).__name__)  # like kinds together are applied together
    done.sort(key=lambda pair: isinstance(pair[1], AppointmentBooked | AppointmentMoved))
    for patient, body in done:
        journal.append(body, subject=patient, cause=work.parent)


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
    if _is_emergency(line):
        return row.status == "emergency"
    return row.status == "waiting" and row.review_on == line.review_on and bool(row.reason)


def _is_emergency(line: PlannedLine) -> bool:
    return line.decision == "defer" and line.priority == "P1"


def _body(work: _Work, seating: Seating, line: PlannedLine, row: NeedRow) -> Body | None:
    """The entry that puts a line into effect; None where its place is still taken."""
    appointment = row.appointment or None
    if _is_emergency(line):
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
    work: _Work, seating: Seating, line: PlannedLine, row: NeedRow
) -> AppointmentBooked | AppointmentMoved | None:
    """The entry that takes a line's new place; None where it is still taken."""
    assert line.day is not None
    new = work.ids.new(work.now)
    hours = work.routes.get((line.clinic, line.laboratory), 0.0)
    at = seating.take(
        (line.clinic, line.day),
        new,
        wait_hours_most=row.stability_hours - STABILITY_MARGIN_HOURS - hours,
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


def _route_hours(places: Places) -> dict[tuple[str, str], float]:
    return {(clinic, laboratory): hours for clinic, laboratory, hours in places.couriers}
