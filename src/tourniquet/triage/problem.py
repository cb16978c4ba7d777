"""What the planner is asked and what it answers, as plain frozen values.

Invariants:
- Days are whole numbers, 0 is the first of the plan; days of needs may be negative or beyond it.
- Every name that a row refers to (zone, clinic, laboratory) is in the problem, and no key is there
  twice. `reading` guarantees it for files; who builds a `Problem` in memory guarantees it himself.
- Rates, hours and distances are exact (int, Decimal, Fraction; a float counts at its binary value).

No Django, no I/O. Needs and decisions are named tuples: there may be a hundred thousand of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import NamedTuple

Number = int | float | Decimal | Fraction

KEEP = "keep"
MOVE = "move"
BOOK = "book"
DEFER = "defer"

PRIORITIES = ("P1", "P2", "P3", "P4", "P5")


class Zone(NamedTuple):
    """A place where people live. Coordinates in kilometres."""

    zone: str
    borough: str
    x_km: Number
    y_km: Number


class Clinic(NamedTuple):
    """A place where specimens are taken."""

    clinic: str
    zone: str
    x_km: Number
    y_km: Number


class Lab(NamedTuple):
    """A laboratory: own, or one that helps."""

    lab: str
    own: bool


class Seats(NamedTuple):
    """How many needs a clinic can serve on a day. No row means none."""

    clinic: str
    day: int
    seats: int


class LabCapacity(NamedTuple):
    """How many tubes of a discipline a laboratory can take on a day. No row means none."""

    lab: str
    discipline: str
    day: int
    tubes: int


class Courier(NamedTuple):
    """Hours from a clinic to a laboratory. No row means no courier."""

    clinic: str
    lab: str
    hours: Number


class Need(NamedTuple):
    """One visit. `tubes` runs along `Problem.disciplines`, `extra` along `extra_columns`."""

    need: str
    patient: str
    zone: str
    indication: str
    priority: str
    released: int
    due: int
    safe_until: int
    harm_per_day: Number
    escalates_on: int | None
    escalated_harm_per_day: Number
    stability_hours: Number
    travel_km: Number
    booked_clinic: str
    booked_day: int | None
    tubes: tuple[int, ...]
    extra: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Problem:
    """A region's demand and what is left to meet it with, over `days` days of service."""

    days: int
    tail_days: int
    disciplines: tuple[str, ...]
    zones: tuple[Zone, ...]
    clinics: tuple[Clinic, ...]
    labs: tuple[Lab, ...]
    seats: tuple[Seats, ...]
    lab_capacity: tuple[LabCapacity, ...]
    couriers: tuple[Courier, ...]
    needs: tuple[Need, ...]
    extra_columns: tuple[str, ...] = ()


class Decision(NamedTuple):
    """What the plan says about one need: `clinic`, `lab` empty, `day` None where deferred."""

    need: str
    decision: str
    clinic: str
    lab: str
    day: int | None
    review_on: int | None
    reason: str

    @property
    def is_served(self) -> bool:
        """Say whether the need has a day of service."""
        return self.day is not None


@dataclass(frozen=True, slots=True)
class Summary:
    """The plan in figures. `harm` and `lower_bound` are exact."""

    harm: Fraction
    lower_bound: Fraction
    kept: int
    moved: int
    booked: int
    deferred: int
    urgent_unserved: int

    @property
    def served(self) -> int:
        """Count kept, moved and booked."""
        return self.kept + self.moved + self.booked

    @property
    def gap(self) -> float | None:
        """Give harm / lower_bound - 1; 0 if both are 0, None if only the bound is."""
        if self.lower_bound == 0:
            return 0.0 if self.harm == 0 else None
        return float(self.harm / self.lower_bound - 1)


@dataclass(frozen=True, slots=True)
class Plan:
    """One decision for each need, in the problem's order, and the figures."""

    decisions: tuple[Decision, ...]
    summary: Summary
