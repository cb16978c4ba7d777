"""Time: where it comes from, what a service day is, how it is shown.

Invariants:
- Every datetime that leaves this module is aware; storage is UTC.
- A service day is a date in Europe/London.
- Core code never asks for the time: it is handed a datetime. Flows and edges ask a Clock.
- Only an exercise home may have a settable clock.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Protocol
from zoneinfo import ZoneInfo

LONDON = ZoneInfo("Europe/London")


class Clock(Protocol):
    """Where flows and edges get the time from."""

    def now(self) -> datetime:
        """The time now, aware, in UTC."""
        ...


class SystemClock:
    """The machine's own clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)


@dataclass
class SettableClock:
    """A clock that stands still until it is set. For exercises and tests only."""

    moment: datetime

    def now(self) -> datetime:
        return self.moment

    def set(self, moment: datetime) -> None:
        """Set the clock; it never runs backwards.

        Raises: ValueError if the moment is naive or before the present one (a programmer's fault).
        """
        if moment.tzinfo is None:
            raise ValueError("a clock is set to an aware datetime")
        if moment < self.moment:
            raise ValueError("a clock is never set back")
        self.moment = moment.astimezone(UTC)


@dataclass(frozen=True)
class LocalReading:
    """A local time as read: the instant in UTC, and whether London's clocks made it doubtful."""

    instant: datetime
    ambiguous: bool
    nonexistent: bool


def service_day(moment: datetime) -> date:
    """The Europe/London date of an aware moment."""
    return moment.astimezone(LONDON).date()


def london_midnight(day: date) -> datetime:
    """The instant, in UTC, at which the service day begins."""
    return datetime.combine(day, time(0), LONDON).astimezone(UTC)


def london_time(day: date, hour: int, minute: int = 0) -> datetime:
    """The instant, in UTC, of a London wall-clock time."""
    return datetime.combine(day, time(hour, minute), LONDON).astimezone(UTC)


def read_as_london(naive: datetime) -> LocalReading:
    """Read a time without offset as London's; in a repeated hour the first one, flagged."""
    first = naive.replace(tzinfo=LONDON, fold=0)
    second = naive.replace(tzinfo=LONDON, fold=1)
    differs = first.utcoffset() != second.utcoffset()
    round_trip = first.astimezone(UTC).astimezone(LONDON).replace(tzinfo=None)
    missing = round_trip != naive
    return LocalReading(
        instant=first.astimezone(UTC), ambiguous=differs and not missing, nonexistent=missing
    )


def monday_of(day: date) -> date:
    """The Monday of the week in which the day lies."""
    return day - timedelta(days=day.weekday())


def is_weekday(day: date) -> bool:
    """Monday to Friday. Bank holidays are the diary's affair: a clinic then has no session."""
    return day.weekday() < 5
