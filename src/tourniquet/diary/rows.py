"""Rows of the diary as planning sees them. Pure: plain values, no Django."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import date, time
from typing import NamedTuple


@dataclass(frozen=True)
class Places:
    """The region's map."""

    zones: tuple[tuple[str, str, float, float], ...]
    clinics: tuple[tuple[str, str, float, float], ...]
    laboratories: tuple[tuple[str, bool], ...]
    couriers: tuple[tuple[str, str, float], ...]

    def routes(self) -> dict[str, list[tuple[float, str]]]:
        """(hours, laboratory) for each clinic, the quickest first."""
        found: dict[str, list[tuple[float, str]]] = defaultdict(list)
        for clinic, laboratory, hours in self.couriers:
            found[clinic].append((hours, laboratory))
        for routes in found.values():
            routes.sort()
        return dict(found)


class NeedRow(NamedTuple):
    """A need as planning sees it, with its appointment ("" and None where it has none)."""

    id: str
    patient: str
    indication: str
    priority: str
    zone: str
    released: date
    due: date
    safe_until: date
    harm_per_day: float
    escalates_on: date | None
    escalated_harm_per_day: float
    stability_hours: float
    travel_km: float
    tubes: str
    status: str
    review_on: date | None
    reason: str
    requesting_organisation: str
    registered_organisation: str
    appointment: str = ""
    clinic: str = ""
    day: date | None = None
    at: time | None = None
    laboratory: str = ""


class Arrivals(NamedTuple):
    """Urgent needs that arrived lately: priority, tubes, how many."""

    priority: str
    tubes: str
    needs: int


class OpenNeeds(NamedTuple):
    """Needs that wait or are booked: priority, tubes, safe day, how many."""

    priority: str
    tubes: str
    safe_until: date
    needs: int


class ComerRow(NamedTuple):
    """An appointment of a day that has not come to the gate."""

    appointment: str
    need: str
    patient: str
    clinic: str
    at: time
    laboratory: str
