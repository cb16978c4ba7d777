"""The page that answers "what is happening now?"."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from tourniquet.web import addresses
from tourniquet.web.presenters.incident import FLAGS

LOW_SHARE = 0.34
PART_SHARE = 0.8


@dataclass(frozen=True)
class Tile:
    """One figure with its words, and where to act on it."""

    label: str
    value: int
    detail: str
    href: str
    action: str
    attention: bool = False


@dataclass(frozen=True)
class HomeCounts:
    """The figures of now, each counted for this viewer; None is not for this viewer to know."""

    urgent_waiting: int
    urgent_oldest_minutes: int | None
    critical_open: int | None
    critical_oldest_minutes: int | None
    unknown_people: int | None
    refused_messages: int
    appointments_today: int
    clinics_today: int
    waiting_for_date: int
    waiting_past_review: int
    notices_undelivered: int
    may_open: bool = True

    def tiles(self, waited: tuple[str, str]) -> tuple[Tile, ...]:
        """The figures as tiles, the most urgent first; `waited` words the two oldest."""
        shown = tuple(tile for tile in self._all(waited) if tile is not None)
        return shown if self.may_open else tuple(replace(tile, href="") for tile in shown)

    def _all(self, waited: tuple[str, str]) -> tuple[Tile | None, ...]:
        urgent_waited, critical_waited = waited
        return (
            Tile(
                "Urgent tests waiting",
                self.urgent_waiting,
                f"oldest has waited {urgent_waited}" if self.urgent_waiting else "none waits",
                addresses.WORKLIST_URGENT,
                "See who waits",
                attention=self.urgent_waiting > 0,
            ),
            None
            if self.critical_open is None
            else Tile(
                "Critical results to phone",
                self.critical_open,
                f"oldest open for {critical_waited}" if self.critical_open else "none is open",
                addresses.WORKLIST_CRITICAL,
                "Make the calls",
                attention=self.critical_open > 0,
            ),
            Tile(
                "People waiting for a date",
                self.waiting_for_date,
                f"{self.waiting_past_review:,} past the day we promised to tell them",
                addresses.WORKLIST_WAITING,
                "See the list",
                attention=self.waiting_past_review > 0,
            ),
            Tile(
                "Notices not delivered",
                self.notices_undelivered,
                "need a phone call or a letter" if self.notices_undelivered else "none failed",
                addresses.WORKLIST_UNDELIVERED,
                "Follow up",
                attention=self.notices_undelivered > 0,
            ),
            None
            if self.unknown_people is None
            else Tile(
                "Unknown people",
                self.unknown_people,
                "results held under a number that we do not know",
                addresses.WORKLIST_PROVISIONAL,
                "Identify them",
                attention=self.unknown_people > 0,
            ),
            Tile(
                "Messages refused",
                self.refused_messages,
                "kept for a person to look at",
                addresses.WORKLIST_REFUSED,
                "Look at them",
                attention=self.refused_messages > 0,
            ),
            Tile(
                "Appointments today",
                self.appointments_today,
                f"in {self.clinics_today:,} clinics",
                addresses.DIARY,
                "Open the diary",
            ),
        )


@dataclass(frozen=True)
class CapacityRow:
    """A laboratory's capacity in one discipline today, beside what is normal."""

    laboratory: str
    discipline: str
    today: int | None
    normal: int
    flag: str
    as_of: datetime | None

    @property
    def flag_words(self) -> str:
        """What the figure rests on, in words."""
        return FLAGS.get(self.flag, self.flag or "Not known")

    @property
    def share(self) -> float | None:
        """Today's capacity as a share of normal."""
        if self.today is None or self.normal == 0:
            return None
        return self.today / self.normal

    @property
    def words(self) -> str:
        """The state in a word, so that colour is never alone."""
        share = self.share
        if share is None:
            return "Not known"
        if share < LOW_SHARE:
            return "Very low"
        return "Reduced" if share < PART_SHARE else "Near normal"

    @property
    def tag(self) -> str:
        """The colour of the word's tag."""
        return {"Very low": "red", "Reduced": "yellow", "Near normal": "green"}.get(
            self.words, "grey"
        )


@dataclass(frozen=True)
class Happening:
    """Something that happened lately, as one line."""

    at: datetime
    text: str
    who: str
    href: str


@dataclass(frozen=True)
class IncidentNow:
    """The incident's state in a few words."""

    title: str
    level: str
    since: datetime
    day_number: int
    next_update_due: datetime | None
    update_overdue: bool
    plan_words: str
    plan_href: str


@dataclass(frozen=True)
class HomePage:
    """What is happening now."""

    as_of: datetime
    incident: IncidentNow | None
    tiles: tuple[Tile, ...]
    capacity: tuple[CapacityRow, ...]
    lately: tuple[Happening, ...]
