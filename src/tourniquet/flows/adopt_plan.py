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

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from tourniquet.diary.planning import read_places, read_sessions
from tourniquet.directory.roles import Task, Viewer
from tourniquet.flows.moving import LINES_AT_ONCE, Moving, PlannedLine, apply_lines, route_hours
from tourniquet.flows.set_up_region import batches
from tourniquet.incident.entries import TimelineNoted
from tourniquet.kernel.clock import service_day
from tourniquet.kernel.errors import NotFound, UserError
from tourniquet.kernel.identifiers import IdSource, RandomIds
from tourniquet.record.journal import Act, writing
from tourniquet.triage.entries import LineAcknowledged, PlanAdopted, PlanSettled
from tourniquet.triage.models import Plan, PlanLine

PASSES_MOST = 8  # how often lines whose place is still taken are tried again


@dataclass(frozen=True)
class Adoption:
    """What came of it, in lines."""

    plan: str
    applied: int
    skipped: int


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
    name: str = "",
    note: str = "",
    ids: IdSource | None = None,
    between: Callable[[int], None] = lambda _: None,
) -> Adoption:
    """Adopt a plan, or go on with an adoption that was interrupted.

    `name` is who decides, as they signed it; `note` is kept with it in the journal.
    `between` is called after each batch with the lines dealt with so far.
    Raises: PermissionRefused, NotFound; UserError when it cannot be adopted, saying why.
    """
    # 1. Who, and what.
    viewer.demand(Task.COMMAND_INCIDENT)
    act = Act(viewer.account, now, viewer.organisation)
    # 2. and 3.
    found = _begin(plan, act, name=name.strip(), note=note.strip())
    today = service_day(now)
    work = Moving(
        plan=plan,
        now=now,
        today=today,
        parent=found.position,
        sessions=read_sessions(
            min(found.first_day, today), found.first_day + timedelta(days=found.days)
        ),
        routes=route_hours(read_places()),
        ids=ids or RandomIds(),
    )
    # 4. The lines.
    lines = _lines_of(plan)
    for _ in range(PASSES_MOST):
        dealt = work.applied + work.skipped
        work.waiting = []
        for part in batches(lines, LINES_AT_ONCE):
            with writing(act) as journal:
                apply_lines(journal, work, part, is_last=False)
            between(work.applied + work.skipped)
        lines = work.waiting
        if not lines or work.applied + work.skipped == dealt:
            break
    if lines:
        with writing(act) as journal:
            apply_lines(journal, work, lines, is_last=True)
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


def _begin(plan: str, act: Act, *, name: str, note: str) -> Plan:
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
        journal.append(PlanAdopted(plan=plan, name=name, note=note))
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
