"""The only writer of triage's tables."""

from __future__ import annotations

from collections.abc import Sequence

from tourniquet.record.registry import Entry, applies
from tourniquet.record.tables import insert_rows, update_rows
from tourniquet.triage.entries import (
    LineAcknowledged,
    LineSkipped,
    PlanAdopted,
    PlanCompleted,
    PlanLined,
    PlanProposed,
    PlanRejected,
    PlanSettled,
)
from tourniquet.triage.models import Plan, PlanLine

_PLAN = (
    "id",
    "incident_id",
    "scope",
    "state",
    "first_day",
    "days",
    "needs",
    "harm",
    "lower_bound",
    "gap",
    "kept",
    "moved",
    "booked",
    "deferred",
    "urgent_unserved",
    "made_at",
    "made_by",
    "adopted_at",
    "adopted_by",
    "position",
)
_LINE = (
    "plan_id",
    "need_id",
    "patient_id",
    "indication",
    "priority",
    "decision",
    "clinic",
    "laboratory",
    "day",
    "was_clinic",
    "was_day",
    "review_on",
    "reason",
    "urgent_unserved",
    "acknowledged_by",
    "acknowledged_at",
    "applied",
    "skipped",
    "requesting_organisation",
    "registered_organisation",
    "position",
)


@applies(PlanProposed)
def plan_proposed(entries: Sequence[Entry[PlanProposed]]) -> None:
    """One row, proposing."""
    insert_rows(
        Plan,
        _PLAN,
        [
            (
                e.body.plan,
                e.body.incident,
                e.body.scope,
                "proposing",
                e.body.first_day,
                e.body.days,
                e.body.needs,
                e.body.harm,
                e.body.lower_bound,
                e.body.gap,
                e.body.kept,
                e.body.moved,
                e.body.booked,
                e.body.deferred,
                e.body.urgent_unserved,
                e.recorded_at,
                e.actor,
                None,
                "",
                e.position,
            )
            for e in entries
        ],
    )


@applies(PlanLined)
def plan_lined(entries: Sequence[Entry[PlanLined]]) -> None:
    """One row for each need."""
    insert_rows(
        PlanLine,
        _LINE,
        [
            (
                e.body.plan,
                e.body.need,
                e.subject,
                e.body.indication,
                e.body.priority,
                e.body.decision,
                e.body.clinic,
                e.body.laboratory,
                e.body.day,
                e.body.was_clinic,
                e.body.was_day,
                e.body.review_on,
                e.body.reason,
                e.body.urgent_unserved,
                "",
                None,
                False,
                "",
                e.body.requesting_organisation,
                e.body.registered_organisation,
                e.position,
            )
            for e in entries
        ],
    )


def _state(state: str, rows: list[tuple[int, str]]) -> None:
    update_rows(
        Plan,
        ("state", "position"),
        [(state, position, plan) for position, plan in rows],
        key=("id",),
    )


@applies(PlanCompleted)
def plan_completed(entries: Sequence[Entry[PlanCompleted]]) -> None:
    """It is proposed."""
    _state("proposed", [(e.position, e.body.plan) for e in entries])


@applies(PlanRejected)
def plan_rejected(entries: Sequence[Entry[PlanRejected]]) -> None:
    """It is rejected."""
    _state("rejected", [(e.position, e.body.plan) for e in entries])


@applies(LineAcknowledged)
def line_acknowledged(entries: Sequence[Entry[LineAcknowledged]]) -> None:
    """The line names who took it on."""
    update_rows(
        PlanLine,
        ("acknowledged_by", "acknowledged_at", "position"),
        [(e.actor, e.recorded_at, e.position, e.body.plan, e.body.need) for e in entries],
        key=("plan_id", "need_id"),
    )


@applies(PlanAdopted)
def plan_adopted(entries: Sequence[Entry[PlanAdopted]]) -> None:
    """It is being adopted; every other plan that stood is superseded."""
    for e in entries:
        Plan.objects.filter(state__in=("proposed", "adopted")).exclude(pk=e.body.plan).update(
            state="superseded"
        )
    update_rows(
        Plan,
        ("state", "adopted_at", "adopted_by", "position"),
        [
            (
                "adopting",
                e.recorded_at,
                f"{e.body.name} ({e.actor})" if e.body.name else e.actor,
                e.position,
                e.body.plan,
            )
            for e in entries
        ],
        key=("id",),
    )


@applies(LineSkipped)
def line_skipped(entries: Sequence[Entry[LineSkipped]]) -> None:
    """The line says why it changes nothing."""
    update_rows(
        PlanLine,
        ("skipped", "position"),
        [(e.body.reason, e.position, e.body.plan, e.body.need) for e in entries],
        key=("plan_id", "need_id"),
    )


@applies(PlanSettled)
def plan_settled(entries: Sequence[Entry[PlanSettled]]) -> None:
    """It is adopted, and every line that was not skipped is applied."""
    for e in entries:
        PlanLine.objects.filter(plan_id=e.body.plan, skipped="").update(applied=True)
    _state("adopted", [(e.position, e.body.plan) for e in entries])
