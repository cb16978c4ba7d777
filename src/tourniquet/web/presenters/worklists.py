"""Worklists: what waits for a person, each row with its next step."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime

from tourniquet.web import addresses
from tourniquet.web.presenters.people import PatientLink, PersonName
from tourniquet.web.presenters.shell import BLANK_FORM, Choice, Form, NavItem, Paging

TABS: tuple[tuple[str, str, str], ...] = (
    ("critical", "Critical results", addresses.WORKLIST_CRITICAL),
    ("urgent", "Urgent tests waiting", addresses.WORKLIST_URGENT),
    ("waiting", "Waiting for a date", addresses.WORKLIST_WAITING),
    ("undelivered", "Notices not delivered", addresses.WORKLIST_UNDELIVERED),
    ("provisional", "Unknown people", addresses.WORKLIST_PROVISIONAL),
    ("refused", "Messages refused", addresses.WORKLIST_REFUSED),
    ("alarms", "Alarms", addresses.WORKLIST_ALARMS),
)
CALL_OUTCOMES = (
    Choice("read_back", "Given, and the figure read back"),
    Choice("no_answer", "No answer", hint="The next person on the list is called."),
    Choice("wrong_person", "Could not be given to the right person"),
)


@dataclass(frozen=True)
class Tabs:
    """The worklists with the number of rows in each."""

    current: str
    counts: dict[str, int] = field(default_factory=dict)

    @property
    def items(self) -> tuple[tuple[NavItem, int], ...]:
        """One tab for each worklist."""
        return tuple(
            (NavItem(label, href, key == self.current), self.counts.get(key, 0))
            for key, label, href in TABS
        )


@dataclass(frozen=True)
class ProvisionalRow:
    """A person who is not in the index: results kept, joined to nobody by guess."""

    href: str
    name: PersonName | None
    birth_date: date | None
    sent_numbers: str
    sender: str
    first_seen: datetime
    reports: int
    has_critical: bool
    candidates: int
    next_step: str


@dataclass(frozen=True)
class ProvisionalPage:
    """The worklist of unknown people."""

    tabs: Tabs
    rows: tuple[ProvisionalRow, ...]
    paging: Paging


@dataclass(frozen=True)
class RefusedRow:
    """A message that was refused and kept."""

    href: str
    position: int
    received_at: datetime
    sender: str
    message_type: str
    control_id: str
    answer: str
    reason: str
    next_step: str


@dataclass(frozen=True)
class RefusedPage:
    """The worklist of refused messages."""

    tabs: Tabs
    rows: tuple[RefusedRow, ...]
    paging: Paging


@dataclass(frozen=True)
class CallAttempt:
    """A try to phone a critical result."""

    at: datetime
    who: str
    outcome: str


@dataclass(frozen=True)
class CriticalRow:
    """A critical result that must be phoned, read back and closed by a named person."""

    call_id: str
    patient: PatientLink
    test: str
    value: str
    unit: str
    limit: str
    reported_at: datetime
    waiting_minutes: int
    overdue: bool
    call_whom: str
    phone: str
    step: str
    attempts: tuple[CallAttempt, ...] = ()


@dataclass(frozen=True)
class CriticalPage:
    """The worklist of critical calls; `open_call` is the one whose form is shown."""

    tabs: Tabs
    rows: tuple[CriticalRow, ...]
    paging: Paging
    open_call: CriticalRow | None = None
    form: Form = BLANK_FORM
    may_close: bool = False

    @property
    def outcomes(self) -> tuple[Choice, ...]:
        """What may come of a call."""
        return CALL_OUTCOMES


@dataclass(frozen=True)
class WaitingRow:
    """Somebody who waits: for an urgent test, for a date, or for a notice that did not arrive."""

    patient: PatientLink
    indication: str
    priority: str
    since: datetime | None
    due: date | None
    practice: str
    practice_phone: str
    reason: str
    next_step: str
    late: bool = False


@dataclass(frozen=True)
class WaitingPage:
    """A worklist of people: `due_label` heads the column of days."""

    tabs: Tabs
    heading: str
    lead: str
    due_label: str
    rows: tuple[WaitingRow, ...]
    paging: Paging
    empty: str


@dataclass(frozen=True)
class CandidateRow:
    """A known patient who may be the provisional one."""

    patient: PatientLink
    birth_date: date | None
    address: str
    practice: str


@dataclass(frozen=True)
class IdentifyPage:
    """One unknown person, who it may be, and the form to decide it."""

    tabs: Tabs
    patient: PatientLink
    birth_date: date | None
    sex: str
    address: str
    sent_numbers: str
    why: str
    reports: int
    candidates: tuple[CandidateRow, ...] = ()
    may_identify: bool = False
    form: Form = BLANK_FORM

    @property
    def action(self) -> str:
        """Where the decision is posted to."""
        return addresses.provisional(self.patient.patient_id)


@dataclass(frozen=True)
class MessagePage:
    """One refused message, whole, and the forms to deal with it."""

    tabs: Tabs
    row: RefusedRow
    channel: str
    attempts: int
    text: str
    may_read: bool = False
    may_review: bool = False
    reviewed_by: str = ""
    reviewed_at: datetime | None = None
    review_note: str = ""
    form: Form = BLANK_FORM

    @property
    def action(self) -> str:
        """Where the decision is posted to."""
        return addresses.refused(self.row.position)
