"""Who opened whose record: the pages of those who watch over records, and the break-glass form."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from tourniquet.web import addresses
from tourniquet.web.presenters.people import PatientLink
from tourniquet.web.presenters.shell import BLANK_FORM, Choice, Form


@dataclass(frozen=True)
class FindPage:
    """The number of somebody whom the viewer's organisation does not know."""

    form: Form = BLANK_FORM


@dataclass(frozen=True)
class BreakGlassPage:
    """Why a record is opened; nothing of the patient is on the page."""

    patient_id: str
    choices: tuple[Choice, ...]
    hours: int
    entry: str = ""
    form: Form = BLANK_FORM

    @property
    def action(self) -> str:
        """Where the reason is posted to."""
        return addresses.break_glass(self.patient_id)


@dataclass(frozen=True)
class AccessRow:
    """One reading. `patient` is None where the page is about one, or the viewer sees no names."""

    at: datetime
    account: str
    role: str
    organisation: str
    what: str
    channel: str
    why: str
    words: str
    position: int
    patient: PatientLink | None = None
    patient_id: str = ""
    late_by: str = ""

    @property
    def entry_href(self) -> str:
        """The entry that says it."""
        return addresses.entry(self.position)

    @property
    def account_href(self) -> str:
        """Whom this account read."""
        return addresses.access_by(self.account)

    @property
    def patient_href(self) -> str:
        """Who opened this patient's record."""
        return addresses.access_to(self.patient_id)


@dataclass(frozen=True)
class AccessPage:
    """Readings, newest first; `older` leads to the next page, "" where there is none."""

    heading: str
    lead: str
    rows: tuple[AccessRow, ...]
    about_patient: bool
    older: str = ""
    newest: str = ""
    patient: PatientLink | None = None


@dataclass(frozen=True)
class AccessFrontPage:
    """Two questions: who opened this patient, and whom did this account open."""

    form: Form = BLANK_FORM
    rows: tuple[AccessRow, ...] = ()
    alarms: int = 0
    may_guard: bool = False
    may_erase: bool = False
    erasures: int = 0


@dataclass(frozen=True)
class CanaryRow:
    """A record that nobody should read."""

    patient_id: str
    patient: PatientLink | None
    comment: str
    set_at: datetime
    set_by: str

    @property
    def access_href(self) -> str:
        """Who opened it."""
        return addresses.access_to(self.patient_id)

    @property
    def off_action(self) -> str:
        """Where it is taken off the list."""
        return addresses.canary_off(self.patient_id)


@dataclass(frozen=True)
class CanariesPage:
    """The list, and the form that adds to it."""

    rows: tuple[CanaryRow, ...]
    form: Form = BLANK_FORM
