"""What stands around every page: who is signed in, the exercise, the incident, navigation."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from tourniquet.web import addresses

SECTIONS: tuple[tuple[str, str, str], ...] = (
    ("now", "Now", addresses.HOME),
    ("incident", "Incident", addresses.INCIDENT),
    ("plan", "Plan", addresses.PLAN),
    ("patients", "Patients", addresses.PATIENTS),
    ("worklists", "Worklists", addresses.WORKLISTS),
    ("diary", "Diary", addresses.DIARY),
)
ACCESS_SECTION = ("access", "Access", addresses.ACCESS)
ROLE_WORDS = {
    "practice": "Practice",
    "clinic": "Clinic",
    "laboratory": "Laboratory",
    "hospital": "Hospital",
    "incident_lead": "Incident lead",
    "communications": "Communications",
    "data_protection": "Data protection",
    "auditor": "Auditor",
    "administrator": "Administrator",
    "replica": "Replica",
}


@dataclass(frozen=True)
class NavItem:
    """One item of the navigation."""

    label: str
    href: str
    current: bool


@dataclass(frozen=True)
class Crumb:
    """One step of the way back."""

    label: str
    href: str


@dataclass(frozen=True)
class ExerciseMark:
    """This home is an exercise: said on every page, with the exercise's own time."""

    clock: datetime
    scenario: str = ""


@dataclass(frozen=True)
class IncidentMark:
    """An incident is declared: said on every page."""

    level: str
    title: str
    since: datetime


@dataclass(frozen=True)
class ProtectionMark:
    """How many records are not yet copied out of reach, since when; said on every page."""

    count: int
    since: datetime | None
    copied_at: datetime | None
    fits: bool
    late: bool

    @property
    def words(self) -> str:
        """The records that are not, in words; empty where all are."""
        if not self.count:
            return ""
        return f"{self.count:,} record{'' if self.count == 1 else 's'} not yet copied out of reach"


@dataclass(frozen=True)
class SealingMark:
    """Records are in this database alone, or it is not the one that was sealed: said to all.

    `remedy` is for who can act.
    """

    what: str
    remedy: str


@dataclass(frozen=True)
class NoCopyMark:
    """No copy out of reach is known: said quietly to all, with a remedy to who can act."""

    remedy: str = ""


@dataclass(frozen=True)
class SignedIn:
    """Who is looking."""

    name: str
    role: str
    organisation: str = ""
    sees_access: bool = False

    @property
    def role_words(self) -> str:
        """The role in plain words."""
        return ROLE_WORDS.get(self.role, self.role)


@dataclass(frozen=True)
class FieldError:
    """One fault in what was typed, with the field to go to."""

    field: str
    text: str


@dataclass(frozen=True)
class Form:
    """What was typed and what is wrong with it. Values are shown again as they were typed."""

    values: dict[str, str] = field(default_factory=dict)
    errors: tuple[FieldError, ...] = ()

    def value(self, name: str, otherwise: str = "") -> str:
        """What was typed into a field."""
        return self.values.get(name, otherwise)

    def error(self, name: str) -> str:
        """The fault of a field, or nothing."""
        return next((error.text for error in self.errors if error.field == name), "")


BLANK_FORM = Form()


@dataclass(frozen=True)
class Choice:
    """One choice of a list or of radios."""

    value: str
    label: str
    selected: bool = False
    hint: str = ""


@dataclass(frozen=True)
class Shell:
    """Everything that the base layout needs."""

    title: str
    section: str = ""
    signed_in: SignedIn | None = None
    exercise: ExerciseMark | None = None
    incident: IncidentMark | None = None
    protection: ProtectionMark | None = None
    no_copy: NoCopyMark | None = None
    sealing: SealingMark | None = None
    crumbs: tuple[Crumb, ...] = ()
    done: str = ""
    form_errors: tuple[FieldError, ...] = ()
    shown_at: datetime | None = None

    @property
    def navigation(self) -> tuple[NavItem, ...]:
        """The navigation; none for somebody who has not signed in."""
        if self.signed_in is None:
            return ()
        extra = (ACCESS_SECTION,) if self.signed_in.sees_access else ()
        sections = (*SECTIONS, *extra)
        return tuple(NavItem(label, href, key == self.section) for key, label, href in sections)


@dataclass(frozen=True)
class ErrorPage:
    """A page that says what went wrong, and what to do now."""

    status: int
    what: str
    remedy: str
    reference: str = ""

    @property
    def heading(self) -> str:
        """The heading of this kind of fault."""
        return ERROR_HEADINGS.get(self.status, "Something went wrong")


ERROR_HEADINGS = {
    400: "We could not read what was sent",
    403: "Your account may not see or do this",
    404: "Page not found",
    405: "This address cannot be opened by itself",
    500: "Something went wrong here",
    503: "Tourniquet cannot be used for a moment",
}
ERROR_REMEDIES = {
    400: (
        "Go back, check what you typed and send it again.",
        "If the form was open for a long time, sign in again first.",
    ),
    403: (
        "If you need it for your work, ask the administrator of your organisation for the role.",
        "That you asked has been noted, as every reading of a record is.",
    ),
    404: (
        "Check the address, or search for the patient by NHS number.",
        "A record that your organisation may not see is shown as not found.",
    ),
    405: (
        "This address is the target of a form; it cannot be opened by itself.",
        "Go to the page with the form.",
    ),
    500: (
        "What you did may not have been kept. Look at the page before you do it again.",
        "If it happens twice, give the reference below to whoever runs Tourniquet for you.",
    ),
    503: (
        "The database or the disk does not answer. Nothing that was acknowledged is lost.",
        "Try again in a minute. Until then use paper forms and the printed list of urgent tests.",
    ),
}


def error_page(status: int, *, what: str = "", remedy: str = "", reference: str = "") -> ErrorPage:
    """The page for a fault, with our own words where the fault brought none."""
    first, second = ERROR_REMEDIES.get(status, ERROR_REMEDIES[500])
    return ErrorPage(status, what or first, remedy or second, reference)


@dataclass(frozen=True)
class SignInPage:
    """The sign-in form."""

    form: Form = BLANK_FORM
    next_address: str = addresses.HOME


@dataclass(frozen=True)
class Paging:
    """Which part of a long list is shown."""

    page: int
    pages: int
    total: int
    page_size: int
    address: str
    query: tuple[tuple[str, str], ...] = ()

    @property
    def first(self) -> int:
        """The number of the first row shown."""
        return (self.page - 1) * self.page_size + 1 if self.total else 0

    @property
    def last(self) -> int:
        """The number of the last row shown."""
        return min(self.page * self.page_size, self.total)

    @property
    def previous(self) -> str:
        """The address of the page before, or nothing."""
        return self._address(self.page - 1) if self.page > 1 else ""

    @property
    def following(self) -> str:
        """The address of the page after, or nothing."""
        return self._address(self.page + 1) if self.page < self.pages else ""

    def _address(self, page: int) -> str:
        return addresses.with_query(self.address, **dict(self.query), page=page)
