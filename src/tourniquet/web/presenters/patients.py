"""Patients: search, and one patient's record."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from tourniquet.web.presenters.people import PersonName
from tourniquet.web.presenters.shell import BLANK_FORM, Form

SEX_WORDS = {"F": "Female", "M": "Male", "O": "Other", "A": "Ambiguous", "U": "Not known"}
FLAG_WORDS = {
    "L": ("Low", "low"),
    "H": ("High", "high"),
    "LL": ("Critical low", "critical"),
    "HH": ("Critical high", "critical"),
    "A": ("Abnormal", "high"),
    "AA": ("Critical", "critical"),
}
STATUS_WORDS = {
    "final": ("Final", "green"),
    "preliminary": ("Preliminary", "blue"),
    "amended": ("Amended", "yellow"),
    "corrected": ("Corrected", "orange"),
    "withdrawn": ("Withdrawn", "red"),
    "entered-in-error": ("Withdrawn", "red"),
    "cancelled": ("Cancelled", "grey"),
    "registered": ("Not yet reported", "grey"),
    "partial": ("Partial", "blue"),
    "unknown": ("Not known", "grey"),
}


@dataclass(frozen=True)
class SearchRow:
    """A patient found."""

    href: str
    name: PersonName | None
    birth_date: date | None
    age: str
    sex: str
    nhs_number: str | None
    local_numbers: str
    practice: str
    provisional: bool = False

    @property
    def sex_words(self) -> str:
        """The sex in a word."""
        return SEX_WORDS.get(self.sex, "Not known")


@dataclass(frozen=True)
class SearchPage:
    """The search for a patient and what it found."""

    form: Form = BLANK_FORM
    searched: bool = False
    rows: tuple[SearchRow, ...] = ()
    more: bool = False
    may_break_glass: bool = False


@dataclass(frozen=True)
class Banner:
    """Who this is: at the head of every page about one patient."""

    patient_id: str
    name: PersonName | None
    birth_date: date | None
    age: str
    died_on: date | None
    sex: str
    nhs_number: str | None
    local_numbers: tuple[str, ...]
    address: str
    phone: str
    practice: str
    practice_phone: str
    provisional: bool = False
    merged_into_href: str = ""
    sensitive_contact: bool = False
    recorded_dead: bool = False
    erasure_asked: bool = False
    erasure_due: datetime | None = None
    erasure_href: str = ""

    @property
    def sex_words(self) -> str:
        """The sex in a word."""
        return SEX_WORDS.get(self.sex, "Not known")


@dataclass(frozen=True)
class EarlierVersion:
    """What a result said before it was changed."""

    at: datetime
    value: str
    unit: str
    status: str

    @property
    def status_words(self) -> str:
        """The status in a word."""
        return STATUS_WORDS.get(self.status, (self.status, "grey"))[0]


@dataclass(frozen=True)
class ResultRow:
    """One result of a report."""

    test: str
    value: str
    unit: str
    reference_range: str
    flag: str = ""
    status: str = "final"
    comment: str = ""
    earlier: tuple[EarlierVersion, ...] = ()

    @property
    def flag_words(self) -> str:
        """The flag in words."""
        return FLAG_WORDS.get(self.flag, (self.flag, ""))[0]

    @property
    def flag_class(self) -> str:
        """How the flag is set: low, high, critical."""
        return FLAG_WORDS.get(self.flag, ("", "other"))[1]

    @property
    def is_withdrawn(self) -> bool:
        """The result no longer counts; it stays readable."""
        return self.status in {"withdrawn", "entered-in-error", "cancelled"}

    @property
    def status_words(self) -> str:
        """The status in a word."""
        return STATUS_WORDS.get(self.status, (self.status, "grey"))[0]

    @property
    def status_tag(self) -> str:
        """The colour of the status's tag."""
        return STATUS_WORDS.get(self.status, ("", "grey"))[1]


@dataclass(frozen=True)
class ReportCard:
    """One report with its results."""

    report_id: str
    title: str
    laboratory: str
    requested_by: str
    collected_at: datetime | None
    reported_at: datetime | None
    status: str
    results: tuple[ResultRow, ...]
    narrative: str = ""
    href: str = ""

    @property
    def status_words(self) -> str:
        """The status in a word."""
        return STATUS_WORDS.get(self.status, (self.status, "grey"))[0]

    @property
    def status_tag(self) -> str:
        """The colour of the status's tag."""
        return STATUS_WORDS.get(self.status, ("", "grey"))[1]


@dataclass(frozen=True)
class SpecimenStep:
    """One step of a specimen's way: done, or still to come."""

    label: str
    at: datetime | None
    where: str
    done: bool
    trouble: bool = False


@dataclass(frozen=True)
class SpecimenCard:
    """Where the sample is."""

    accession: str
    kind: str
    tests: str
    where_now: str
    steps: tuple[SpecimenStep, ...]
    warning: str = ""


@dataclass(frozen=True)
class RequestRow:
    """A ServiceRequest: what was asked for, by whom, and where it stands."""

    requisition: str
    test: str
    priority: str
    requested_at: datetime | None
    requested_by: str
    status: str


@dataclass(frozen=True)
class AppointmentRow:
    """An appointment with what became of it."""

    starts_at: datetime
    clinic: str
    address: str
    indication: str
    status: str
    why: str
    told: str
    href: str = ""


@dataclass(frozen=True)
class NextDate:
    """What the patient waits for: a date, or the day on which we tell."""

    indication: str
    priority: str
    starts_at: datetime | None = None
    clinic: str = ""
    address: str = ""
    tell_by: date | None = None
    reason: str = ""
    emergency: bool = False


@dataclass(frozen=True)
class NoticeRow:
    """A notice sent, or tried."""

    at: datetime
    kind: str
    channel: str
    status: str
    text: str
    href: str = ""


@dataclass(frozen=True)
class JournalRow:
    """Who did what to this record, and who read it."""

    position: int
    at: datetime
    what: str
    who: str
    organisation: str
    href: str


@dataclass(frozen=True)
class PatientPage:
    """One patient's record."""

    banner: Banner
    next_dates: tuple[NextDate, ...] = ()
    reports: tuple[ReportCard, ...] = ()
    specimens: tuple[SpecimenCard, ...] = ()
    requests: tuple[RequestRow, ...] = ()
    appointments: tuple[AppointmentRow, ...] = ()
    notices: tuple[NoticeRow, ...] = ()
    journal: tuple[JournalRow, ...] = ()
    access_href: str = ""
    limited_to: int = 0
