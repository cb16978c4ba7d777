"""What people type: read once, within limits, into values; faults as FieldErrors.

Invariants:
- No text of a form is longer than LONGEST_TEXT or holds a NUL, which PostgreSQL cannot keep.
- A day or a time is London's. What cannot be read is said with an example.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import date, datetime

from django.http import HttpRequest, HttpResponse

from tourniquet.kernel.clock import read_as_london
from tourniquet.kernel.errors import UserError
from tourniquet.web.presenters.shell import BLANK_FORM, FieldError, Form

LONGEST_TEXT = 4000
LONGEST_LINE = 200
MOST_PAGES = 100_000
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_NAMED = re.compile(r"(\d{1,2})[-\s/.]([A-Za-z]{3})[A-Za-z]*[-\s/.](\d{4})\Z")
_ISO = re.compile(r"(\d{4})-(\d{1,2})-(\d{1,2})\Z")
_SLASHED = re.compile(r"(\d{1,2})[/.](\d{1,2})[/.](\d{4})\Z")
_TIME = re.compile(r"(\d{1,2})[:.](\d{2})(?::\d{2})?\Z")
_NUMBER = re.compile(r"[0-9]{1,9}\Z")

Faults = list[FieldError]


def see_other(address: str) -> HttpResponse:
    """Send the browser on after a form, so that loading again does not post again."""
    return HttpResponse(status=303, headers={"Location": address})


def clean(text: str) -> str:
    """The text without NULs and without white space around it."""
    return text.replace("\x00", "").strip()


def read_texts(http_request: HttpRequest, names: Iterable[str], **marks: str) -> dict[str, str]:
    """The named fields of a form as typed; `marks` are added as they are."""
    return {name: clean(http_request.POST.get(name, "")) for name in names} | marks


def check_lengths(values: Mapping[str, str], faults: Faults, *, lines: Iterable[str] = ()) -> None:
    """Refuse what is too long; `lines` name the fields of one line."""
    short = set(lines)
    for name, value in values.items():
        longest = LONGEST_LINE if name in short else LONGEST_TEXT
        if len(value) > longest:
            faults.append(FieldError(name, f"Too long: at most {longest:,} characters."))


def need_text(values: Mapping[str, str], name: str, what: str, faults: Faults) -> None:
    """Refuse a field that was left empty."""
    if not values.get(name):
        faults.append(FieldError(name, what))


def find_day(text: str) -> date | None:
    """The day that a text names, or None where it names none."""
    found = _NAMED.match(text)
    if found:
        month = found[2].lower()
        number = _MONTHS.index(month) + 1 if month in _MONTHS else 0
        return _make_day(int(found[3]), number, int(found[1]))
    found = _ISO.match(text)
    if found:
        return _make_day(int(found[1]), int(found[2]), int(found[3]))
    found = _SLASHED.match(text)
    return _make_day(int(found[3]), int(found[2]), int(found[1])) if found else None


def _make_day(year: int, month: int, day: int) -> date | None:
    try:
        return date(year, month, day)
    except ValueError:
        return None


def find_moment(text: str) -> datetime | None:
    """The moment, in UTC, that a London day and time name, or None where they name none."""
    day_text, _, time_text = text.replace("T", " ").rpartition(" ")
    day = find_day(day_text.strip())
    found = _TIME.match(time_text.strip())
    if day is None or found is None:
        return None
    hour, minute = int(found[1]), int(found[2])
    try:
        naive = datetime(day.year, day.month, day.day, hour, minute)  # noqa: DTZ001 # made aware next
        return read_as_london(naive).instant
    except (ValueError, OverflowError):
        return None


def read_moment(values: Mapping[str, str], name: str, faults: Faults) -> datetime | None:
    """A moment that may be left out."""
    text = values.get(name, "")
    if not text:
        return None
    found = find_moment(text)
    if found is None:
        faults.append(FieldError(name, "Write a day and a time, for example 04-Jun-2024 09:00."))
    return found


def read_day(values: Mapping[str, str], name: str, faults: Faults) -> date | None:
    """A day that must be given."""
    found = find_day(values.get(name, ""))
    if found is None:
        faults.append(FieldError(name, "Write a day, for example 03-Jun-2024."))
    return found


def read_count(values: Mapping[str, str], name: str, faults: Faults) -> int:
    """A whole number, nought or more."""
    text = values.get(name, "").replace(",", "")
    if not _NUMBER.match(text):
        faults.append(FieldError(name, "Write a whole number, 0 or more."))
        return 0
    return int(text)


def find_count(text: str) -> int | None:
    """The whole number that a text is, in plain figures; None where it is none."""
    return int(text) if _NUMBER.match(text) else None


def form_of(values: dict[str, str], faults: Faults) -> Form:
    """What was typed with what is wrong with it."""
    return Form(values, tuple(faults)) if values or faults else BLANK_FORM


def fault_of(error: UserError, *, field: str, names: Iterable[str] = ()) -> FieldError:
    """A flow's refusal as the fault of a field; of `field` where it names none of ours."""
    text = f"{error.what} {error.remedy}".strip()
    return FieldError(error.where if error.where in set(names) else field, text)


def read_page(http_request: HttpRequest) -> int:
    """The number of the page that is asked for; 1 where it is not one."""
    text = http_request.GET.get("page", "")
    return min(max(int(text), 1), MOST_PAGES) if _NUMBER.match(text) else 1
