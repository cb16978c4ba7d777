"""How values are shown to people: one function for each, used by every template.

Invariants:
- A value that is missing is shown as "Not known", never as a blank.
- Times are London's, in 24 hours for staff. Text from outside is escaped by the templates.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime

from tourniquet.kernel.clock import LONDON, service_day
from tourniquet.kernel.identifiers import NHS_NUMBER_DIGITS, NhsNumber
from tourniquet.notices.wording import long_date, long_datetime
from tourniquet.web.presenters.people import PersonName

NOT_KNOWN = "Not known"
# Fixed, because the machine's locale must not change what staff read.
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
# An age is given in days to four weeks, in weeks to a year, in months to two years.
# Source: NHS Common User Interface, Date and Time Display (age), read November 2026.
AGE_IN_DAYS_BELOW = 28
AGE_IN_WEEKS_BELOW_MONTHS = 12
AGE_IN_MONTHS_BELOW = 24


def known(value: object, otherwise: str = NOT_KNOWN) -> str:
    """The value as text, or "Not known" where it is missing or blank."""
    text = "" if value is None else str(value).strip()
    return text or otherwise


def nhs_number(value: NhsNumber | str | None, otherwise: str = NOT_KNOWN) -> str:
    """An NHS number as 3-3-4; what is not ten digits is shown as it came."""
    digits = known(value, "")
    if len(digits) != NHS_NUMBER_DIGITS or not digits.isdigit():
        return known(digits, otherwise)
    return f"{digits[:3]} {digits[3:6]} {digits[6:]}"


def person_name(name: PersonName | None) -> str:
    """A name as staff read it: JONES, Mary (Mrs)."""
    if name is None or not (name.family.strip() or name.given.strip()):
        return NOT_KNOWN
    text = ", ".join(part for part in (name.family.strip().upper(), name.given.strip()) if part)
    return f"{text} ({name.title.strip()})" if name.title.strip() else text


def staff_date(value: date | None) -> str:
    """A day as staff read it: 14-Jul-1945. A moment is shown as its service day."""
    if value is None:
        return NOT_KNOWN
    day = service_day(value) if isinstance(value, datetime) else value
    return f"{day.day:02d}-{MONTHS[day.month - 1]}-{day.year:04d}"


def staff_day(value: date | None) -> str:
    """A day with its weekday: Mon 03-Jun-2024."""
    if value is None:
        return NOT_KNOWN
    day = service_day(value) if isinstance(value, datetime) else value
    return f"{DAYS[day.weekday()]} {staff_date(day)}"


def staff_time(value: datetime | None) -> str:
    """The time of day in London, 24 hours: 14:05."""
    return NOT_KNOWN if value is None else f"{value.astimezone(LONDON):%H:%M}"


def staff_datetime(value: datetime | None) -> str:
    """A moment as staff read it: 03-Jun-2024 14:05."""
    return NOT_KNOWN if value is None else f"{staff_date(value)} {staff_time(value)}"


def age(born: date | None, on: date) -> str:
    """The age on a day: 79y, 14m, 9w or 5d."""
    if born is None or born > on:
        return NOT_KNOWN
    days = (on - born).days
    months = (on.year - born.year) * 12 + on.month - born.month - (on.day < born.day)
    if days < AGE_IN_DAYS_BELOW:
        return f"{days}d"
    if months < AGE_IN_WEEKS_BELOW_MONTHS:
        return f"{days // 7}w"
    if months < AGE_IN_MONTHS_BELOW:
        return f"{months}m"
    return f"{months // 12}y"


def count(value: float | None) -> str:
    """A whole number with thousands: 12,345."""
    return NOT_KNOWN if value is None else f"{value:,.0f}"


def percent(share: float | None, digits: int = 0) -> str:
    """A share as a percentage: 0.54 is 54%."""
    return NOT_KNOWN if share is None else f"{share * 100:.{digits}f}%"


def level_number(level: str) -> str:
    """The digit of an incident's level, whether it came as "3" or as "Level 3"."""
    return known(level.strip().removeprefix("Level"))


def waited(minutes: int | None) -> str:
    """A length of time as the two largest units: 2 d 3 h, 5 h 10 min, 12 min."""
    if minutes is None:
        return NOT_KNOWN
    days, rest = divmod(max(minutes, 0), 24 * 60)
    hours, left = divmod(rest, 60)
    if days:
        return f"{days} d {hours} h" if hours else f"{days} d"
    if hours:
        return f"{hours} h {left} min" if left else f"{hours} h"
    return f"{left} min"


FILTERS: dict[str, Callable[..., str]] = {
    "age": age,
    "count": count,
    "known": known,
    "level_number": level_number,
    "long_date": long_date,
    "long_datetime": long_datetime,
    "nhs_number": nhs_number,
    "percent": percent,
    "person_name": person_name,
    "staff_date": staff_date,
    "staff_datetime": staff_datetime,
    "staff_day": staff_day,
    "staff_time": staff_time,
    "waited": waited,
}
