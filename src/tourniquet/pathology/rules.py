"""What a report that arrives means beside what is known: new, repeat, amendment or late. Pure.

Invariants:
- The same content changes nothing.
- Nothing is overwritten: whatever is filed is a version, and lines of earlier versions stay.
- A result that is older than the current one, or less settled without being newer, is kept as a
  version and is not current. So no final result is hidden by a preliminary one that came late.
- A line that a newer version leaves out stays current: HL7 deletes with OBX-11 D or W, never by
  silence. Lines of a code that is sent again are replaced as a whole.
- The same report number for another person moves the report only where the sender says that it
  corrects; otherwise both stand and a person is alarmed.

Source: HL7 v2.5.1 sections 4.5.3.25 and 7.4.2.11 (tables 0123 and 0085).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import lru_cache

import msgspec

from tourniquet.pathology.catalogue import Catalogue, CriticalLimit
from tourniquet.pathology.entries import ObservationFact

# A critical value is phoned within the hour. Proposed: RCPath G158 leaves hours to the site.
CALL_WITHIN = timedelta(hours=1)
_RANK = {
    "unknown": 0,
    "registered": 0,
    "partial": 1,
    "preliminary": 2,
    "final": 3,
    "amended": 4,
    "corrected": 4,
    "cancelled": 5,
    "entered-in-error": 5,
}
_SETTLED = 3
_COUNTED = frozenset({"preliminary", "final", "amended", "corrected", "partial"})
_PANIC = frozenset({"HH", "LL", "AA", ">", "<"})
LABORATORY_SAYS = "marked as critical by the laboratory"


class KnownReport(msgspec.Struct, frozen=True):
    """A report in the tables, as far as a decision needs it."""

    id: str
    patient_id: str
    version: int
    versions: int
    status: str
    content: str
    issued_at: datetime | None
    placer_number: str
    filler_number: str
    code: str
    ordinal: int
    service_request_id: str | None = None
    specimen_id: str | None = None


class Decision(msgspec.Struct, frozen=True):
    """What to file. `change`: repeat, new, amended, corrected, withdrawn, cancelled, late."""

    change: str
    version: int
    status: str
    current: bool


REPEAT = "repeat"


def decide(
    known: KnownReport | None, *, status: str, content: str, issued_at: datetime | None
) -> Decision:
    """Decide what a report is beside what is known of it."""
    if known is None:
        return Decision(_named(status, "new"), 1, status, current=True)
    if known.content == content:
        return Decision(REPEAT, known.version, known.status, current=True)
    version = known.versions + 1
    newer = issued_at is not None and known.issued_at is not None and issued_at > known.issued_at
    older = issued_at is not None and known.issued_at is not None and issued_at < known.issued_at
    have, comes = _RANK.get(known.status, 0), _RANK.get(status, 0)
    unsettles = have >= _SETTLED and comes < _SETTLED
    reopened = have == _RANK["cancelled"] and newer
    if older or (unsettles and not reopened) or (comes < have and not newer):
        return Decision("late", version, status, current=False)
    if status == "final" and _SETTLED <= have < _RANK["cancelled"]:
        status = "amended"  # sent as final again with another content: readers must see that
    if status in ("partial", "preliminary", "final", "registered", "unknown"):
        return Decision("amended", version, status, current=True)
    return Decision(_named(status, "amended"), version, status, current=True)


def _named(status: str, otherwise: str) -> str:
    return {
        "corrected": "corrected",
        "cancelled": "cancelled",
        "entered-in-error": "withdrawn",
    }.get(status, otherwise)


def carry_over(
    new: Sequence[ObservationFact], old: Iterable[ObservationFact]
) -> tuple[ObservationFact, ...]:
    """The new lines, and those old ones whose code the new version does not mention."""
    codes = {(line.code_system, line.code) for line in new}
    kept = [line for line in old if (line.code_system, line.code) not in codes]
    return (
        *new,
        *(
            msgspec.structs.replace(line, sequence=len(new) + number)
            for number, line in enumerate(kept, 1)
        ),
    )


@dataclass(frozen=True, slots=True)
class CriticalValue:
    """A result line that must be phoned, and why."""

    line: ObservationFact
    rule: str


def find_critical_values(
    lines: Iterable[ObservationFact],
    limits: Mapping[str, Sequence[CriticalLimit]],
    units: Mapping[str, str],
    *,
    age: int | None,
) -> list[CriticalValue]:
    """The lines that meet a limit of the catalogue, or that the laboratory marks as critical.

    A limit is held against a value only where the unit is the catalogue's or none was sent.
    """
    out = []
    for line in lines:
        if line.flags and line.status in _COUNTED and not _PANIC.isdisjoint(line.flags.split()):
            out.append(CriticalValue(line, LABORATORY_SAYS))
            continue
        found = limits.get(line.code)
        if found is None or line.value_number is None or line.status not in _COUNTED:
            continue
        if line.unit and plain_unit(line.unit) != units[line.code]:
            continue
        rule = _rule_met(line, found, age)
        if rule:
            out.append(CriticalValue(line, rule))
    return out


def _rule_met(line: ObservationFact, limits: Sequence[CriticalLimit], age: int | None) -> str:
    assert line.value_number is not None
    upper = upper_limit(line.reference_range)
    for limit in limits:
        child = age is not None and age < 16
        if age is not None and limit.who != "any" and (limit.who == "child") != child:
            continue
        if limit.is_met(line.value_number, upper_limit=upper):
            return f"{limit.rule()} ({limit.who}); {limit.source}; {limit.sign_off}"
    return ""


@lru_cache(maxsize=1_000)
def plain_unit(unit: str) -> str:
    """A unit for comparing: without blanks, in small letters, powers written one way."""
    text = "".join(unit.split()).casefold().replace("^", "*").replace("µ", "u").replace("μ", "u")
    return text.replace("x10*", "10*").replace("x10e", "10*").replace("10e", "10*")


def critical_tables(
    catalogue: Catalogue,
) -> tuple[dict[str, list[CriticalLimit]], dict[str, str]]:
    """Limits by analyte, and each analyte's unit for comparing."""
    limits: dict[str, list[CriticalLimit]] = {}
    for limit in catalogue.critical_limits:
        limits.setdefault(limit.analyte, []).append(limit)
    return limits, {code: plain_unit(a.unit) for code, a in catalogue.analytes.items()}


@lru_cache(maxsize=5_000)
def upper_limit(reference_range: str) -> float | None:
    """The upper end of a range such as `0-40`, `0.5 - 1.2` or `<40`."""
    text = reference_range.strip()
    part = text[1:].lstrip("=") if text.startswith("<") else text.rpartition("-")[2]
    try:
        return float(part) if part else None
    except ValueError:
        return None


def age_on(birth_date: date | None, day: date) -> int | None:
    """Whole years, or None where the birth date is not known."""
    if birth_date is None:
        return None
    return day.year - birth_date.year - ((day.month, day.day) < (birth_date.month, birth_date.day))
