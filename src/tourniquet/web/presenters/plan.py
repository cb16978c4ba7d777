"""A plan: what it costs and saves, who is not served in time, and what changes for whom."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from tourniquet.web.presenters.people import PatientLink
from tourniquet.web.presenters.shell import BLANK_FORM, Choice, Form, Paging

DECISIONS = {
    "keep": ("Keep", "green", "keeps the appointment"),
    "move": ("Move", "yellow", "moves to another day or place"),
    "book": ("Book", "blue", "gets a first date"),
    "defer": ("Defer", "grey", "waits, with a day on which we will tell"),
}
STATES = {
    "proposed": ("Proposed", "blue"),
    "adopting": ("Being put into effect", "yellow"),
    "adopted": ("Adopted", "green"),
    "superseded": ("Replaced by a later plan", "grey"),
}


@dataclass(frozen=True)
class Place:
    """A day at a clinic. The day alone is enough where the clinic is not known."""

    day: date | None
    clinic: str = ""


@dataclass(frozen=True)
class ChangeRow:
    """What the plan means for one person."""

    need_id: str
    patient: PatientLink
    practice: str
    indication: str
    priority: str
    decision: str
    before: Place | None
    after: Place | None
    review_on: date | None
    reason: str
    skipped: str = ""

    @property
    def decision_words(self) -> str:
        """The decision in a word."""
        return DECISIONS.get(self.decision, (self.decision, "grey", ""))[0]

    @property
    def decision_tag(self) -> str:
        """The colour of the decision's tag."""
        return DECISIONS.get(self.decision, ("", "grey", ""))[1]


@dataclass(frozen=True)
class UrgentRow:
    """An urgent need that the plan does not serve in time; a clinician acknowledges each."""

    need_id: str
    patient: PatientLink
    practice: str
    practice_phone: str
    indication: str
    priority: str
    safe_until: date | None
    served_on: date | None
    review_on: date | None
    reason: str
    acknowledged_by: str = ""
    acknowledged_at: datetime | None = None

    @property
    def is_acknowledged(self) -> bool:
        """A clinician has taken this one on."""
        return bool(self.acknowledged_by)


@dataclass(frozen=True)
class PlanFilters:
    """The filters over the table of changes."""

    priority: tuple[Choice, ...]
    decision: tuple[Choice, ...]
    practice: tuple[Choice, ...]


@dataclass(frozen=True)
class Figures:
    """The plan in figures. Harm is in the policy's own unit and is modelled, not measured."""

    needs: int
    kept: int
    moved: int
    booked: int
    deferred: int
    urgent_unserved: int
    harm: float
    lower_bound: float
    gap: float | None


@dataclass(frozen=True)
class PlanPage:
    """One plan. Without `figures` there is no plan yet."""

    state: str
    plan_id: str = ""
    figures: Figures | None = None
    first_day: date | None = None
    last_day: date | None = None
    made_at: datetime | None = None
    made_by: str = ""
    policy: str = ""
    urgent: tuple[UrgentRow, ...] = ()
    changes: tuple[ChangeRow, ...] = ()
    filters: PlanFilters | None = None
    paging: Paging | None = None
    may_propose: bool = False
    may_adopt: bool = False
    may_acknowledge: bool = False
    may_see_people: bool = True
    incident_runs: bool = True
    open_urgent_in_all: int = 0
    form: Form = BLANK_FORM
    adopted_by: str = ""
    adopted_at: datetime | None = None
    lines: int = 0
    moved_so_far: int = 0
    notices_queued: int = 0
    adopt_position: int | None = None

    @property
    def state_words(self) -> str:
        """The state in words."""
        return STATES.get(self.state, (self.state, "grey"))[0]

    @property
    def state_tag(self) -> str:
        """The colour of the state's tag."""
        return STATES.get(self.state, ("", "grey"))[1]

    @property
    def open_urgent(self) -> int:
        """Urgent needs not served that nobody has acknowledged, those not shown here included."""
        shown = sum(1 for row in self.urgent if not row.is_acknowledged)
        return max(shown, self.open_urgent_in_all)

    @property
    def open_urgent_shown(self) -> int:
        """Those of them that this viewer may acknowledge."""
        return sum(1 for row in self.urgent if not row.is_acknowledged)

    @property
    def can_be_adopted(self) -> bool:
        """Everything urgent is acknowledged and this viewer may adopt."""
        return self.state == "proposed" and self.may_adopt and self.open_urgent == 0
