"""The incident: its level, METHANE, declared capacity, timeline and the forms of command."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from tourniquet.web.presenters.shell import BLANK_FORM, Choice, Form

METHANE = (
    ("M", "Major incident", "major_incident"),
    ("E", "Exact location", "exact_location"),
    ("T", "Type of incident", "incident_type"),
    ("H", "Hazards", "hazards"),
    ("A", "Access", "access"),
    ("N", "Number and severity of people affected", "number"),
    ("E", "Emergency services and others involved", "emergency_services"),
)
LEVELS = (
    Choice("1", "Level 1", hint="One organisation can deal with it within its own resources."),
    Choice("2", "Level 2", hint="Several organisations of one system must work together."),
    Choice("3", "Level 3", hint="The region co-ordinates: several systems or a main supplier."),
    Choice("4", "Level 4", hint="National command and control."),
)
FLAGS = {
    "declared": "Declared",
    "confirmed": "Confirmed that day",
    "measured": "Measured",
    "anchor": "From a source",
    "interpolated": "Estimated",
    "normal": "Normal",
}


@dataclass(frozen=True)
class MethaneLine:
    """One letter of METHANE."""

    letter: str
    label: str
    text: str


@dataclass(frozen=True)
class TimelineEntry:
    """One entry of the journal that the incident's timeline shows."""

    position: int
    at: datetime
    kind: str
    what: str
    who: str
    role: str
    href: str
    detail: str = ""


@dataclass(frozen=True)
class CapacityCell:
    """A laboratory's capacity for one week, as a share of normal, and where the figure is from."""

    share: float | None
    flag: str

    @property
    def flag_words(self) -> str:
        """The flag in a word."""
        return FLAGS.get(self.flag, self.flag or "Not known")


@dataclass(frozen=True)
class CapacityWeeks:
    """A laboratory's row: one cell for each week."""

    laboratory: str
    discipline: str
    cells: tuple[CapacityCell, ...]


@dataclass(frozen=True)
class WeekHeading:
    """A week of the incident."""

    number: int
    monday: date


@dataclass(frozen=True)
class Rights:
    """What this viewer may do here."""

    declare: bool = False
    update_capacity: bool = False
    log: bool = False
    update_public: bool = False
    stand_down: bool = False


@dataclass(frozen=True)
class IncidentPage:
    """The incident, or the form to declare one."""

    state: str
    rights: Rights
    form: Form = BLANK_FORM
    incident_id: str = ""
    title: str = ""
    level: str = ""
    declared_at: datetime | None = None
    declared_by: str = ""
    stood_down_at: datetime | None = None
    stood_down_by: str = ""
    next_update_due: datetime | None = None
    public_text: str = ""
    methane: tuple[MethaneLine, ...] = ()
    weeks: tuple[WeekHeading, ...] = ()
    capacity: tuple[CapacityWeeks, ...] = ()
    timeline: tuple[TimelineEntry, ...] = ()
    timeline_total: int = 0
    laboratories: tuple[Choice, ...] = ()
    disciplines: tuple[Choice, ...] = ()

    @property
    def levels(self) -> tuple[Choice, ...]:
        """The levels to choose from when an incident is declared."""
        return LEVELS

    @property
    def methane_fields(self) -> tuple[tuple[str, str, str], ...]:
        """Letter, label and field's name of each line of METHANE."""
        return METHANE

    @property
    def is_declared(self) -> bool:
        """An incident runs now."""
        return self.state == "declared"

    @property
    def is_stood_down(self) -> bool:
        """The last incident has ended."""
        return self.state == "stood_down"
