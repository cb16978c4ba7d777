"""What the desk's templates show: plain values."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from tourniquet.pathology.transfusion import Transfusion
from tourniquet.web.desk import addresses
from tourniquet.web.presenters.patients import Banner, ReportCard, RequestRow, SpecimenCard
from tourniquet.web.presenters.people import PersonName
from tourniquet.web.presenters.shell import BLANK_FORM, Choice, FieldError, Form, NavItem, Paging

SECTIONS: tuple[tuple[str, str, str, str], ...] = (
    ("find", "Find a patient", addresses.HOME, "read histories"),
    ("results", "Key results", addresses.RESULTS, "print forms, key results and note calls"),
    ("forms", "Forms and numbers", addresses.FORMS, "print forms, key results and note calls"),
)
ROLE_WORDS = {"reader": "Reader", "recorder": "Recorder", "keeper": "Keeper"}


@dataclass(frozen=True)
class DataMark:
    """How old what is shown is, and whether it was verified."""

    as_of: datetime | None
    position: int
    total: int
    missing: int = 0
    fault: str = ""
    key_pinned: bool = True
    carried: bool = False
    keyed_left_out: int = 0
    book_fault: str = ""
    book_readable: bool = True
    notice: str = ""

    @property
    def is_complete(self) -> bool:
        """Everything that was verified can be searched, and nothing is known to be left out."""
        return not self.warnings

    @property
    def warnings(self) -> tuple[str, ...]:
        """What whoever reads must know: the same on every page, on paper and at the terminal."""
        found = []
        if self.position != self.total:
            read = f"{self.position:,} of {self.total:,} entries"
            found.append(
                f"Not complete: {read} had been read when this was carried away."
                if self.carried
                else f"Still reading: {read}. Somebody whom you do not find may come yet."
            )
        if self.missing:
            found.append(
                f"{self.missing:,} entries do not open yet: the copy of the key ring is older than "
                "they are."
            )
        if self.fault:
            text = (
                f"The vault cannot be read further: {self.fault} What is shown was verified before."
            )
            found.append(f"When this was carried away: {text}" if self.carried else text)
        if self.notice:
            found.append(f"Somebody must look at this: {self.notice}")
        if self.keyed_left_out:
            found.append(
                f"{self.keyed_left_out:,} results that had been keyed at the desk are not here: "
                "ask the desk."
            )
        if not self.book_readable:
            found.append(
                f"The desk's book cannot be opened: {self.book_fault} What was keyed here is not "
                "shown, and nothing can be keyed. Note on paper who opens whose record, and why."
            )
        elif self.book_fault:
            found.append(
                f"The desk's book cannot be written: {self.book_fault}. Nothing can be keyed. "
                "Note on paper who opens whose record, and why."
            )
        return tuple(found)

    @property
    def verified_words(self) -> str:
        """Verified, and against which key."""
        return "verified" if self.key_pinned else "verified (key not pinned)"


@dataclass(frozen=True)
class DeskShell:
    """Everything that the desk's base layout needs."""

    title: str
    section: str = ""
    name: str = ""
    role: str = ""
    tasks: frozenset[str] = frozenset()
    exercise: str = ""
    data: DataMark | None = None
    done: str = ""
    form_errors: tuple[FieldError, ...] = ()
    shown_at: datetime | None = None

    @property
    def role_words(self) -> str:
        """The role in a word."""
        return ROLE_WORDS.get(self.role, self.role)

    @property
    def navigation(self) -> tuple[NavItem, ...]:
        """The navigation; none before somebody signed in, nor while all of it leads to one page."""
        if self.data is None:
            return ()
        return tuple(
            NavItem(label, href, key == self.section)
            for key, label, href, task in SECTIONS
            if task in self.tasks
        )


@dataclass(frozen=True)
class UnlockPage:
    """Who must unlock the desk, and who has typed their words."""

    form: Form
    holders: tuple[str, ...]
    ready: tuple[str, ...]
    is_holder: bool
    unlocked: bool = False


@dataclass(frozen=True)
class DeskSignIn:
    """The sign-in form."""

    form: Form = BLANK_FORM
    next_address: str = addresses.HOME
    locked: bool = False


@dataclass(frozen=True)
class FoundRow:
    """A patient found."""

    href: str
    name: PersonName | None
    birth_date: object
    age: str
    sex_words: str
    nhs_number: str
    local_numbers: str
    provisional: bool


@dataclass(frozen=True)
class FindPage:
    """The search, and what it found."""

    form: Form = BLANK_FORM
    searched: bool = False
    rows: tuple[FoundRow, ...] = ()
    more: bool = False
    people: int = 0
    entries: int = 0


@dataclass(frozen=True)
class WhyPage:
    """Why is this record opened?"""

    patient: FoundRow
    form: Form
    choices: tuple[Choice, ...]
    action: str


@dataclass(frozen=True)
class CriticalRow:
    """A critical value and what became of it."""

    test: str
    value: str
    unit: str
    at: datetime
    is_open: bool
    told: str
    closed_at: datetime | None
    attempts: int


@dataclass(frozen=True)
class KeyedRow:
    """A result that was keyed at this desk."""

    line: int
    number: str
    test: str
    values: tuple[tuple[str, str, str, bool], ...]
    at: datetime
    who: str
    patient: str
    patient_id: str
    patient_href: str
    reported_by: str
    call_href: str
    correct_href: str
    replaced: bool = False

    @property
    def has_critical(self) -> bool:
        """A value is critical, and nobody has noted a call."""
        return any(critical for *_, critical in self.values)


@dataclass(frozen=True)
class ResultsPage:
    """What was keyed, and the way to key more; first every value that waits for a call."""

    form: Form
    tests: tuple[Choice, ...]
    unphoned: tuple[KeyedRow, ...]
    rows: tuple[KeyedRow, ...]
    paging: Paging


@dataclass(frozen=True)
class ValueField:
    """One value of the test that is keyed, twice; `asked`: who keys it says if it is critical."""

    index: int
    code: str
    name: str
    unit: str
    asked: bool = False


@dataclass(frozen=True)
class KeyPage:
    """The form on which a result is keyed."""

    form: Form
    number: str
    test: str
    test_name: str
    fields: tuple[ValueField, ...]
    people: tuple[Choice, ...]
    corrects: int = 0
    critical_choices: tuple[Choice, ...] = (
        Choice("yes", "Yes: it must be phoned"),
        Choice("no", "No"),
    )


@dataclass(frozen=True)
class CallPage:
    """The form on which a call is noted."""

    form: Form
    row: KeyedRow
    values: tuple[Choice, ...]


@dataclass(frozen=True)
class BlockRow:
    """Numbers that were given out together."""

    numbers: str
    count: int
    at: datetime
    who: str
    note: str
    requests_href: str
    labels_href: str


@dataclass(frozen=True)
class FormsPage:
    """Numbers given out, and what became of them."""

    form: Form
    blocks: tuple[BlockRow, ...]
    issued: int
    keyed: int
    void: int
    unused: int
    not_accounted: tuple[str, ...]
    left: int
    range_words: str
    is_reserved: bool
    desk_id: str
    elsewhere: tuple[str, ...]


@dataclass(frozen=True)
class DeskRecord:
    """One patient's history as the desk shows it."""

    banner: Banner
    transfusion: Transfusion
    criticals: tuple[CriticalRow, ...]
    keyed: tuple[KeyedRow, ...]
    reports: tuple[ReportCard, ...]
    specimens: tuple[SpecimenCard, ...]
    requests: tuple[RequestRow, ...]
    total_reports: int
    all_href: str
    entries: int
    missing: int
    erased: int
    kept: bool
    why: str

    @property
    def is_short(self) -> bool:
        """Older reports are left out of this page."""
        return len(self.reports) < self.total_reports
