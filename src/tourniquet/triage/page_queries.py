"""Plans and their lines for pages: bounded, a viewer first.

Invariants:
- Figures of a plan are for who sees operations; lines name patients and are for who sees clinical
  records, and of these only the viewer's organisation's own.
- Lines that say that an urgent need is not served in time are never cut off by a page.
"""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import Q, QuerySet

from tourniquet.directory.roles import Task, Viewer
from tourniquet.kernel.errors import NotFound
from tourniquet.triage.models import Plan, PlanLine

URGENT_MOST = 500  # boxes of one form: a browser's form of more than 1,000 fields is refused
ACKNOWLEDGED_SHOWN = 100
PAGE_MOST = 500
CHOICES_MOST = 1000
_SHOWN = ("proposed", "adopting", "adopted")


@dataclass(frozen=True)
class LineFilter:
    """Which lines are wanted; "" means any."""

    priority: str = ""
    decision: str = ""
    practice: str = ""


def get_plan(viewer: Viewer, plan: str) -> Plan:
    """Raises: NotFound."""
    viewer.demand(Task.SEE_OPERATIONS)
    found = Plan.objects.filter(pk=plan).first()
    if found is None:
        raise NotFound("There is no plan with that id.")
    return found


def find_current_plan(viewer: Viewer) -> Plan | None:
    """The plan that a person should look at: the newest that is proposed or in force, or None.

    Plans of new needs alone, which the daily work makes, are not meant.
    """
    viewer.demand(Task.SEE_OPERATIONS)
    found = Plan.objects.filter(state__in=_SHOWN, scope="full").order_by("-made_at", "-position")
    return found.first()


def list_urgent_lines(viewer: Viewer, plan: str) -> list[PlanLine]:
    """Urgent needs that the plan does not serve in time: the first that are open, then some others.

    As they are acknowledged the next take their place.
    """
    found = _lines(viewer, plan).filter(urgent_unserved=True).order_by("priority", "need_id")
    still_open = found.filter(acknowledged_by="")[:URGENT_MOST]
    return [*still_open, *found.exclude(acknowledged_by="")[:ACKNOWLEDGED_SHOWN]]


def count_urgent_of(viewer: Viewer, plan: str, needs: set[str]) -> int:
    """How many of these are urgent needs of the plan, not served in time, that the viewer sees."""
    return _lines(viewer, plan).filter(urgent_unserved=True, need_id__in=needs).count()


def count_open_urgent(viewer: Viewer, plan: str) -> int:
    """How many urgent needs of the whole plan nobody has taken on."""
    viewer.demand(Task.SEE_OPERATIONS)
    return PlanLine.objects.filter(plan_id=plan, urgent_unserved=True, acknowledged_by="").count()


def count_lines(viewer: Viewer, plan: str) -> int:
    """How many people the plan concerns."""
    viewer.demand(Task.SEE_OPERATIONS)
    return PlanLine.objects.filter(plan_id=plan).count()


def list_lines(
    viewer: Viewer, plan: str, wanted: LineFilter, *, offset: int, limit: int
) -> tuple[list[PlanLine], int]:
    """One page of lines by priority, and how many there are in all."""
    found = _lines(viewer, plan)
    if wanted.priority:
        found = found.filter(priority=wanted.priority)
    if wanted.decision:
        found = found.filter(decision=wanted.decision)
    if wanted.practice:
        found = found.filter(registered_organisation=wanted.practice)
    rows = found.order_by("priority", "need_id")[offset : offset + min(limit, PAGE_MOST)]
    return list(rows), found.count()


def list_practices_of(viewer: Viewer, plan: str) -> list[str]:
    """Codes of the practices whose patients the plan concerns."""
    codes = _lines(viewer, plan).order_by().values_list("registered_organisation", flat=True)
    return sorted(code for code in codes.distinct()[:CHOICES_MOST] if code)


def _lines(viewer: Viewer, plan: str) -> QuerySet[PlanLine]:
    viewer.demand(Task.SEE_CLINICAL)
    found = PlanLine.objects.filter(plan_id=plan)
    code = viewer.organisation
    if not code:
        return found
    return found.filter(
        Q(requesting_organisation=code)
        | Q(registered_organisation=code)
        | Q(clinic=code)
        | Q(was_clinic=code)
        | Q(laboratory=code)
    )
