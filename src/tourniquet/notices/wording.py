"""Words, dates and times as patients read them.

Invariants:
- Dates are written out with their weekday; times have no 24-hour clock and no leading nought.
- Pure: no Django, no clock, no setting.
"""

from __future__ import annotations

from datetime import date, datetime, time

from tourniquet.kernel.clock import LONDON, service_day

_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MONTHS = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)


def long_date(value: date | None) -> str:
    """A day in full: Monday 3 June 2024. A moment is shown as its service day."""
    if value is None:
        return "Not known"
    day = service_day(value) if isinstance(value, datetime) else value
    return f"{_DAYS[day.weekday()]} {day.day} {_MONTHS[day.month - 1]} {day.year}"


def plain_time(value: time) -> str:
    """A time of day in plain words: 9am, 2:15pm, midday, midnight."""
    if value.minute == 0 and value.hour in {0, 12}:
        return "midnight" if value.hour == 0 else "midday"
    hour = value.hour % 12 or 12
    minutes = f":{value.minute:02d}" if value.minute else ""
    return f"{hour}{minutes}{'am' if value.hour < 12 else 'pm'}"


def long_datetime(value: datetime | None) -> str:
    """A moment in full, London's time: Monday 3 June 2024 at 2:15pm."""
    if value is None:
        return "Not known"
    local = value.astimezone(LONDON)
    return f"{long_date(local.date())} at {plain_time(local.time())}"
