"""Bodies of triage's entries: plans, their lines, adoption.

Invariants:
- A plan is a parent without patients, and one line for each patient whom it concerns.
"""

from __future__ import annotations

from datetime import date

from tourniquet.record.registry import Body, kind


@kind("plan.proposed", patient=False)
class PlanProposed(Body, frozen=True):
    """A plan was made; its lines follow. Counts are of needs."""

    plan: str
    scope: str
    first_day: date
    days: int
    needs: int
    harm: float
    lower_bound: float
    gap: float | None
    kept: int
    moved: int
    booked: int
    deferred: int
    urgent_unserved: int
    incident: str | None = None


@kind("plan.line", patient=True)
class PlanLined(Body, frozen=True):
    """What the plan decides for the subject's need, and why."""

    plan: str
    need: str
    indication: str
    priority: str
    decision: str
    reason: str
    clinic: str = ""
    laboratory: str = ""
    day: date | None = None
    was_clinic: str = ""
    was_day: date | None = None
    review_on: date | None = None
    urgent_unserved: bool = False
    requesting_organisation: str = ""
    registered_organisation: str = ""


@kind("plan.completed", patient=False)
class PlanCompleted(Body, frozen=True):
    """All lines are written: it can be looked at and adopted."""

    plan: str
    lines: int


@kind("plan.rejected", patient=False)
class PlanRejected(Body, frozen=True):
    """It will not be adopted."""

    plan: str
    reason: str


@kind("line.acknowledged", patient=True)
class LineAcknowledged(Body, frozen=True):
    """A clinician has taken on an urgent need that the plan does not serve in time."""

    plan: str
    need: str
    note: str = ""


@kind("plan.adopted", patient=False)
class PlanAdopted(Body, frozen=True):
    """A named person puts the plan into force; appointments move from here on."""

    plan: str
    name: str = ""
    note: str = ""


@kind("line.skipped", patient=True)
class LineSkipped(Body, frozen=True):
    """The world moved since the plan was made: the line changes nothing."""

    plan: str
    need: str
    reason: str


@kind("plan.settled", patient=False)
class PlanSettled(Body, frozen=True):
    """Every line is applied or skipped."""

    plan: str
    applied: int
    skipped: int
