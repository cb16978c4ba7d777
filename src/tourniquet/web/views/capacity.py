"""Laboratories' capacity as pages show it: by week beside what is normal, and of one day."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from tourniquet.diary.page_queries import (
    NORMAL,
    WEEKS_MOST,
    CapacityDay,
    find_last_declared_day,
    list_capacity,
)
from tourniquet.directory.roles import Viewer
from tourniquet.kernel.clock import monday_of, service_day
from tourniquet.web.presenters.incident import CapacityCell, CapacityWeeks, WeekHeading

# The least certain first: a week is as certain as its least certain day.
_CERTAINTY = ("interpolated", "anchor", "declared", NORMAL, "confirmed")
_DAYS_A_WEEK = 7

Weeks = tuple[tuple[WeekHeading, ...], tuple[CapacityWeeks, ...]]


@dataclass
class _Week:
    tubes: int = 0
    normal: int = 0
    flag: str = ""

    def add(self, day: CapacityDay) -> None:
        self.tubes += day.tubes
        self.normal += day.normal_tubes
        self.flag = min(self.flag or day.flag, day.flag, key=_certainty)


def _certainty(flag: str) -> int:
    return _CERTAINTY.index(flag) if flag in _CERTAINTY else 0


def discipline_words(name: str) -> str:
    """A discipline's name as people read it."""
    return name.replace("_", " ").capitalize()


def describe_weeks(viewer: Viewer, since: datetime, names: Mapping[str, str]) -> Weeks:
    """Shares of normal by week from the incident's first to the last that was declared."""
    monday = monday_of(service_day(since))
    last = find_last_declared_day(viewer, monday)
    if last is None:
        return (), ()
    count = min((last - monday).days // _DAYS_A_WEEK + 1, WEEKS_MOST)
    days = list_capacity(viewer, monday, monday + timedelta(days=count * _DAYS_A_WEEK - 1))
    headings = tuple(
        WeekHeading(number + 1, monday + timedelta(weeks=number)) for number in range(count)
    )
    return headings, tuple(_rows(days, monday, count, names))


def _rows(
    days: Iterable[CapacityDay], monday: date, count: int, names: Mapping[str, str]
) -> Iterable[CapacityWeeks]:
    """One row for each laboratory and discipline of which anything was declared."""
    found: dict[tuple[str, str], list[_Week]] = {}
    for day in days:
        weeks = found.setdefault((day.laboratory, day.discipline), [_Week() for _ in range(count)])
        weeks[(day.day - monday).days // _DAYS_A_WEEK].add(day)
    for (laboratory, discipline), weeks in sorted(found.items()):
        if all(week.flag in ("", NORMAL) for week in weeks):
            continue
        cells = tuple(
            CapacityCell(week.tubes / week.normal if week.normal else None, week.flag)
            for week in weeks
        )
        yield CapacityWeeks(names.get(laboratory, laboratory), discipline_words(discipline), cells)
