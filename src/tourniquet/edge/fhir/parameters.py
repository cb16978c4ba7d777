"""Search parameters as sent, to values. Pure.

Invariants:
- A parameter that is repeated must hold each time; values joined by a comma are alternatives.
- A value that cannot be read is an error that names the parameter, never the value.

Source: FHIR R4 3.1.1 (search), 3.1.1.5 (parameter types).
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta

from tourniquet.edge.fhir import systems
from tourniquet.kernel.clock import london_midnight, read_as_london
from tourniquet.kernel.errors import UserError
from tourniquet.patients.fhir_queries import Span, Token

ALTERNATIVES_MOST = 100
_SPLIT = re.compile(r"(?<!\\),")
_PIPE = re.compile(r"(?<!\\)\|")
_DATE = re.compile(
    r"(eq|ne|gt|ge|lt|le|sa|eb)?"
    r"(\d{4})(?:-(\d\d)(?:-(\d\d)(?:[T ](\d\d):(\d\d)(?::(\d\d)(?:\.\d{1,9})?)?"
    r"(Z|[+ -]\d\d:\d\d)?)?)?)?\Z"
)
_ID = re.compile(r"[A-Za-z0-9.\-]{1,64}\Z")


def bad(name: str, what: str) -> UserError:
    """The error of a parameter."""
    return UserError(what, where=name, remedy="See /fhir/metadata for what is understood.")


def alternatives(name: str, value: str) -> tuple[str, ...]:
    """The values of one parameter, joined by commas."""
    found = tuple(part for part in _SPLIT.split(value) if part)
    if not found:
        raise bad(name, "The parameter has no value.")
    if len(found) > ALTERNATIVES_MOST:
        raise bad(name, f"The parameter has more than {ALTERNATIVES_MOST} values.")
    return found


def _plain(text: str) -> str:
    return re.sub(r"\\([\\,|$])", r"\1", text)


def tokens(name: str, value: str) -> tuple[Token, ...]:
    """`value`, `system|value`, `|value`, `system|`, each by comma; systems as URIs."""
    found = []
    for part in alternatives(name, value):
        pieces = _PIPE.split(part)
        if len(pieces) > 2:
            raise bad(name, "A value has more than one bar.")
        if len(pieces) == 1:
            found.append(Token(_plain(part)))
            continue
        system, wanted = map(_plain, pieces)
        if not system and not wanted:
            raise bad(name, "The parameter has no value.")
        found.append(Token(wanted, system))
    return tuple(found)


def numbers(name: str, value: str) -> tuple[Token, ...]:
    """Identifiers, their systems as the rows name them."""
    found = []
    for token in tokens(name, value):
        if not token.value:
            raise bad(name, "The parameter needs a value after the bar.")
        system = None if token.system is None else systems.authority_of(token.system)
        found.append(Token(token.value, system))
    return tuple(found)


def patient_numbers(name: str, value: str) -> tuple[Token, ...]:
    """Identifiers of patients; an NHS number may be spaced."""
    found = []
    for token in numbers(name, value):
        plain = token.value.replace(" ", "").replace("-", "")
        is_nhs = plain.isdigit() and len(plain) == 10 and token.system in (None, systems.NHS)
        found.append(Token(plain if is_nhs else token.value, token.system))
    return tuple(found)


def codes(name: str, value: str) -> tuple[Token, ...]:
    """Codes, each under every name by which rows may hold its system."""
    found = []
    for token in tokens(name, value):
        if token.system:
            names = systems.code_system_names(token.system)
            found += [Token(token.value, one) for one in names]
        else:
            found.append(token)
    return tuple(found)


def ids(name: str, value: str, kind: str = "") -> tuple[str, ...]:
    """Ids, or references to resources of a kind: `ID`, `Kind/ID`, `http…/Kind/ID`."""
    found = []
    for part in alternatives(name, value):
        *before, last = part.rstrip("/").split("/")
        if (before and kind and before[-1] != kind) or not _ID.match(last):
            raise bad(name, f"The parameter is not a reference to a {kind or 'resource'}.")
        found.append(last)
    return tuple(found)


def dates(name: str, value: str) -> tuple[Span, ...]:
    """Times and days with their comparisons; a day is London's, and so is a time without offset."""
    return tuple(_span(name, part) for part in alternatives(name, value))


def days(name: str, value: str) -> tuple[date, ...]:
    """Whole days."""
    try:
        return tuple(
            date.fromisoformat(part.removeprefix("eq")) for part in alternatives(name, value)
        )
    except ValueError:
        raise bad(name, "The parameter is not a date YYYY-MM-DD.") from None


def _span(name: str, text: str) -> Span:
    match = _DATE.match(text)
    if match is None:
        raise bad(name, "The parameter is not a date or time as FHIR writes it.")
    try:
        start, end = _interval(match)
    except (ValueError, OverflowError):
        raise bad(name, "The parameter names a time that does not exist.") from None
    prefix = match[1] or "eq"
    by_prefix = {
        "eq": Span(start, end),
        "ne": Span(start, end, outside=True),
        "gt": Span(end, None),
        "sa": Span(end, None),
        "ge": Span(start, None),
        "lt": Span(None, start),
        "eb": Span(None, start),
        "le": Span(None, end),
    }
    return by_prefix[prefix]


def _interval(match: re.Match[str]) -> tuple[datetime, datetime]:
    year = int(match[2])
    if match[3] is None:
        return london_midnight(date(year, 1, 1)), london_midnight(date(year + 1, 1, 1))
    month = int(match[3])
    if match[4] is None:
        following = date(year + month // 12, month % 12 + 1, 1)
        return london_midnight(date(year, month, 1)), london_midnight(following)
    day = date(year, month, int(match[4]))
    if match[5] is None:
        return london_midnight(day), london_midnight(day + timedelta(days=1))
    naive = datetime(  # noqa: DTZ001 # its zone follows
        day.year, day.month, day.day, int(match[5]), int(match[6]), int(match[7] or 0)
    )
    zone = match[8]
    if zone is None:
        start = read_as_london(naive).instant
    else:
        offset = "+00:00" if zone == "Z" else zone.replace(" ", "+")
        start = datetime.fromisoformat(naive.isoformat() + offset).astimezone(UTC)
    return start, start + timedelta(seconds=1 if match[7] else 60)
