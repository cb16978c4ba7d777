"""Values typed from paper: what number each is, and whether it must be phoned. Pure.

The desk and the main system judge by the same function, so that a value that asked for a call at
the desk opens one there, and no other does.

Invariants:
- `>7.0`, `<2.0`, `7,2` and `+7.2` are numbers. `1,234` is none: whether it is a thousand or one and
  a bit, nobody can tell.
- What may be critical and cannot be judged (no number, another unit, `>5.0` under a limit of 6.5)
  is asked of whoever keys it, and never taken for harmless by itself (HAZ-005).
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from tourniquet.pathology.catalogue import CriticalLimit
from tourniquet.pathology.desk_lines import KeyedValue
from tourniquet.pathology.entries import ObservationFact
from tourniquet.pathology.reading import read_number
from tourniquet.pathology.rules import CriticalValue, find_critical_values, plain_unit

SAID = "said to be critical by who keyed it at the downtime desk"
MAY_BE = "may be critical: it says no more than that"
_THOUSANDS = re.compile(r"[<>=+-]*\s*[0-9]{1,3}(,[0-9]{3})+\s*\Z")
_SIGNS = str.maketrans({"≤": "<=", "≥": ">=", "\u2212": "-"})
_FAR = 1e15


@dataclass(frozen=True)
class Figure:
    """A number, with what stood before it: `<`, `<=`, `>`, `>=` or nothing."""

    comparator: str
    number: float

    @property
    def nearest(self) -> float:
        """The number of those that it may stand for that is nearest to what was written."""
        towards = {">": math.inf, "<": -math.inf}.get(self.comparator, self.number)
        return math.nextafter(self.number, towards)

    @property
    def farthest(self) -> float:
        """The farthest one."""
        return {">": _FAR, "<": -_FAR}.get(self.comparator[:1], self.number)


def read_figure(text: str) -> Figure | None:
    """The number that a typed value is; None where it is none, or could be two."""
    plain = text.strip().translate(_SIGNS)
    if not _THOUSANDS.match(plain) and plain.count(",") == 1 and "." not in plain:
        plain = plain.replace(",", ".")
    comparator, number = read_number(plain)
    return None if number is None else Figure(comparator, number)


class _Judged(Enum):
    HARMLESS = 0
    CRITICAL = 1
    MAY_BE = 2
    UNREADABLE = 3


@dataclass(frozen=True)
class Limits:
    """The catalogue's limits and units by code, and the age in years, where it is known."""

    by_code: Mapping[str, Sequence[CriticalLimit]]
    units: Mapping[str, str]
    age: int | None

    def judge(self, value: KeyedValue) -> tuple[_Judged, str]:
        """Whether a value is critical, and the limit that it meets."""
        if value.code not in self.by_code:
            return _Judged.HARMLESS, ""
        figure = read_figure(value.value)
        if figure is None or (value.unit and plain_unit(value.unit) != self.units[value.code]):
            return _Judged.UNREADABLE, ""
        rule = self._rule(value, figure.nearest)
        if rule:
            return _Judged.CRITICAL, rule
        rule = self._rule(value, figure.farthest)
        return (_Judged.MAY_BE, rule) if rule else (_Judged.HARMLESS, "")

    def _rule(self, value: KeyedValue, number: float) -> str:
        fact = ObservationFact(sequence=1, code=value.code, value_number=number, unit=value.unit)
        found = find_critical_values([fact], self.by_code, self.units, age=self.age)
        return found[0].rule if found else ""


def must_ask(value: KeyedValue, limits: Limits) -> bool:
    """Whether a person must say if a value is critical."""
    judged, _ = limits.judge(value)
    return judged in (_Judged.MAY_BE, _Judged.UNREADABLE)


def find_critical_keyed(values: Sequence[KeyedValue], limits: Limits) -> list[CriticalValue]:
    """The values that must be phoned, as observations, and why."""
    found = []
    for number, value in enumerate(values, 1):
        judged, rule = limits.judge(value)
        fact = observation_of(number, value)
        if judged is _Judged.CRITICAL:
            found.append(CriticalValue(fact, rule))
        elif judged in (_Judged.MAY_BE, _Judged.UNREADABLE) and value.critical:
            found.append(CriticalValue(fact, SAID))
        elif judged is _Judged.MAY_BE and value.critical is None:
            found.append(CriticalValue(fact, f"{MAY_BE}; {rule}"))
    return found


def observation_of(sequence: int, value: KeyedValue) -> ObservationFact:
    """A keyed value as a result line; the text stays as it was typed."""
    figure = read_figure(value.value)
    return ObservationFact(
        sequence=sequence,
        code=value.code,
        code_display=value.name,
        value_type="ST" if figure is None else "NM",
        value_text=value.value,
        value_number=figure.number if figure else None,
        comparator=figure.comparator if figure else "",
        unit=value.unit,
    )
