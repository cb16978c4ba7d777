"""HL7 v2 timestamps and dates: text in, a moment or a day with its precision out.

Invariants:
- A moment is aware and in UTC. Text without an offset is London's time, and the value says whether
  London's clocks made it doubtful.
- The text as sent and its precision are kept: `2024` is not the first of January.
- A date is taken as written and never moved by an offset.

Source: HL7 v2.5.1 section 2.A.22 (DTM): YYYY[MM[DD[HH[MM[SS[.S[S[S[S]]]]]]]]][+/-ZZZZ].
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone
from enum import Enum

from tourniquet.kernel.clock import read_as_london
from tourniquet.kernel.errors import SenderError

# Years outside are mistakes of a feed. The oldest living person was born well after 1800.
YEAR_MIN = 1800
YEAR_MAX = 2199
# Source: the offsets in use on Earth.
_OFFSET_MINUTES_MIN = -12 * 60
_OFFSET_MINUTES_MAX = 14 * 60

_TIMESTAMP = re.compile(
    r"(?P<year>[0-9]{4})"
    r"(?:(?P<month>[0-9]{2})(?:(?P<day>[0-9]{2})"
    r"(?:(?P<hour>[0-9]{2})(?:(?P<minute>[0-9]{2})(?:(?P<second>[0-9]{2})"
    # Some senders leave out the point before the fraction; 14 digits are whole seconds already.
    r"(?:\.?(?P<fraction>[0-9]{1,6}))?)?)?)?)?)?"
    r"(?P<offset>[+-][0-9]{4})?\Z"
)


class Precision(Enum):
    """The smallest part that was sent."""

    YEAR = "year"
    MONTH = "month"
    DAY = "day"
    HOUR = "hour"
    MINUTE = "minute"
    SECOND = "second"
    FRACTION = "fraction"


@dataclass(frozen=True, slots=True)
class Timestamp:
    """A moment as sent. Where precision is less than a second, `instant` is its beginning.

    `ambiguous`: the London hour occurs twice, the first was taken. `nonexistent`: it is skipped.
    """

    instant: datetime
    precision: Precision
    text: str
    ambiguous: bool
    nonexistent: bool
    had_offset: bool


@dataclass(frozen=True, slots=True)
class PartialDate:
    """A day as sent. Where precision is less than a day, `day` is its first."""

    day: date
    precision: Precision
    text: str


def parse_timestamp(text: str, *, where: str = "") -> Timestamp:
    """Read a timestamp.

    Raises: SenderError, with `where`, for text that is none and for moments that do not exist.
    """
    match = _match(text, where)
    parts = match.groupdict()
    offset = _offset(parts["offset"], where)
    naive = _naive(parts, where)
    precision = _precision(parts)
    if offset is not None:
        instant = naive.replace(tzinfo=offset).astimezone(UTC)
        return Timestamp(
            instant, precision, text, ambiguous=False, nonexistent=False, had_offset=True
        )
    reading = read_as_london(naive)
    return Timestamp(
        reading.instant,
        precision,
        text,
        ambiguous=reading.ambiguous,
        nonexistent=reading.nonexistent,
        had_offset=False,
    )


def parse_date(text: str, *, where: str = "") -> PartialDate:
    """Read a date, or the date of a timestamp, as written.

    Raises: SenderError, with `where`, for text that is none.
    """
    parts = _match(text, where).groupdict()
    _offset(parts["offset"], where)
    naive = _naive(parts, where)
    precision = _precision(parts)
    if precision not in (Precision.YEAR, Precision.MONTH):
        precision = Precision.DAY
    return PartialDate(naive.date(), precision, text)


def format_timestamp(moment: datetime) -> str:
    """A moment to the second, in UTC with its offset."""
    return moment.astimezone(UTC).strftime("%Y%m%d%H%M%S+0000")


def format_date(day: date) -> str:
    """A date as HL7 writes it."""
    return f"{day.year:04}{day.month:02}{day.day:02}"


def _match(text: str, where: str) -> re.Match[str]:
    match = _TIMESTAMP.match(text.strip())
    if match is None:
        raise _refused("This is not a timestamp of HL7.", where)
    return match


def _precision(parts: dict[str, str | None]) -> Precision:
    for precision in reversed(Precision):
        if parts[precision.value] is not None:
            return precision
    raise AssertionError("the pattern has a year")


def _naive(parts: dict[str, str | None], where: str) -> datetime:
    def number(name: str, default: int) -> int:
        digits = parts[name]
        return default if digits is None else int(digits)

    year = number("year", YEAR_MIN)
    if not YEAR_MIN <= year <= YEAR_MAX:
        raise _refused(f"The year is not between {YEAR_MIN} and {YEAR_MAX}.", where)
    try:
        return datetime(  # noqa: DTZ001 - its zone is decided by the caller
            year,
            number("month", 1),
            number("day", 1),
            number("hour", 0),
            number("minute", 0),
            number("second", 0),
            int((parts["fraction"] or "").ljust(6, "0")),
        )
    except ValueError:
        raise _refused("There is no such date or time.", where) from None


def _offset(text: str | None, where: str) -> timezone | None:
    if text is None:
        return None
    sign = -1 if text[0] == "-" else 1
    hours, minutes = int(text[1:3]), int(text[3:5])
    total = sign * (hours * 60 + minutes)
    if minutes > 59 or not _OFFSET_MINUTES_MIN <= total <= _OFFSET_MINUTES_MAX:
        raise _refused("There is no such offset from UTC.", where)
    return timezone(timedelta(minutes=total))


def _refused(what: str, where: str) -> SenderError:
    return SenderError(what, where=where, remedy="Send YYYYMMDDHHMMSS, with the offset if known.")
