"""A clinic's day: who comes when, and which seats are free."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from tourniquet.web.presenters.people import PatientLink
from tourniquet.web.presenters.shell import Choice

STATUS_TAGS = {
    "booked": ("Expected", "blue"),
    "arrived": ("Arrived", "yellow"),
    "attended": ("Sample taken", "green"),
    "taken": ("Sample taken", "green"),
    "fulfilled": ("Sample taken", "green"),
    "missed": ("Did not come", "red"),
    "noshow": ("Did not come", "red"),
    "turned_away": ("Turned away", "red"),
    "moved": ("Moved", "grey"),
    "cancelled": ("Cancelled", "grey"),
}


@dataclass(frozen=True)
class DiaryRow:
    """One appointment of the day."""

    starts_at: datetime
    patient: PatientLink
    birth_date: date | None
    indication: str
    priority: str
    tubes: str
    laboratory: str
    status: str
    gate: str
    gate_ok: bool
    gate_pending: bool = False

    @property
    def status_words(self) -> str:
        """The status in words."""
        return STATUS_TAGS.get(self.status, (self.status, "grey"))[0]

    @property
    def status_tag(self) -> str:
        """The colour of the status's tag."""
        return STATUS_TAGS.get(self.status, ("", "grey"))[1]


@dataclass(frozen=True)
class DiaryPage:
    """A day of one clinic."""

    day: date
    clinic: str
    clinic_address: str
    clinics: tuple[Choice, ...]
    session_words: str
    seats: int
    taken: int
    previous_href: str
    next_href: str
    today_href: str
    rows: tuple[DiaryRow, ...] = ()

    @property
    def free(self) -> int:
        """Seats nobody has."""
        return max(self.seats - self.taken, 0)
