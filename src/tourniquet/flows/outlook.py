"""What is known of the weeks ahead: capacity as declared, the urgent still to come, shortage.

Known are the needs that are open, what arrived in the last weeks, and what laboratories declared;
never who will not come, nor what a laboratory will do in the end.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from tourniquet.diary.planning import count_open_needs, read_capacity, read_urgent_arrivals
from tourniquet.diary.rules import BOOK_AHEAD_DAYS, URGENT, Tubes, parse_tubes
from tourniquet.incident.queries import find_running
from tourniquet.kernel.clock import is_weekday, service_day
from tourniquet.triage.building import Window
from tourniquet.triage.calling import SHORT_AHEAD_DAYS, is_quick, is_short, measure_queues
from tourniquet.triage.forecast import (
    ARRIVAL_WEEKS,
    Capacity,
    UrgentRate,
    discount,
    expect,
    measure_rate,
)

SHORT_FOR = frozenset({*URGENT, "P3"})  # who must have what falls due, before others are booked


@dataclass(frozen=True)
class Shortage:
    """How short capacity is. `queues`: service days until the urgent are served, by discipline."""

    is_short: bool
    queues: Mapping[str, float]

    def calls_in(self, priority: str, tubes: Tubes) -> bool:
        """Whether such a need is called in when its turn comes, instead of booked ahead."""
        if not self.is_short or priority == "P1":
            return False
        return priority not in URGENT or not is_quick(tubes, self.queues)


NO_SHORTAGE = Shortage(is_short=False, queues={})


def read_shortage(now: datetime) -> Shortage:
    """How short capacity is; nothing is short without an incident."""
    if find_running() is None:
        return NO_SHORTAGE
    today = service_day(now)
    soon = today + timedelta(days=SHORT_AHEAD_DAYS)
    promised: dict[int, dict[str, float]] = defaultdict(lambda: defaultdict(float))
    last = today + timedelta(days=BOOK_AHEAD_DAYS - 1)
    for (_, name, on), (tubes, flag) in read_capacity(today, last).items():
        number = (on - today).days
        promised[number][name] += expect(tubes, flag, number)
    urgent: dict[str, float] = defaultdict(float)
    due: dict[str, float] = defaultdict(float)
    for need in count_open_needs(today, priorities=tuple(sorted(SHORT_FOR))):
        for name, count in parse_tubes(need.tubes):
            if need.priority in URGENT:
                urgent[name] += count * need.needs
            if need.safe_until <= soon:
                due[name] += count * need.needs
    days = [promised[day] for day in sorted(promised)]  # days for which anything is declared
    ahead: dict[str, float] = defaultdict(float)
    for day, found in promised.items():
        if day < SHORT_AHEAD_DAYS:
            for name, total in found.items():
                ahead[name] += total
    rate = urgent_rate(now)
    arriving = {
        name: rate.p1.get(name, 0.0) + rate.p2.get(name, 0.0) for name in {*rate.p1, *rate.p2}
    }
    return Shortage(is_short(due, ahead), measure_queues(urgent, days, arriving))


def forecast_capacity(window: Window, *, today: date) -> Capacity:
    """Declared capacity by laboratory, discipline and day, less the forecast's margin."""
    ahead = (window.first_day - today).days
    return {
        (laboratory, name, window.number(day)): discount(tubes, flag, window.number(day) + ahead)
        for (laboratory, name, day), (tubes, flag) in read_capacity(
            window.first_day, window.last_day
        ).items()
    }


def urgent_rate(now: datetime) -> UrgentRate:
    """Urgent tubes a service day, as the last weeks brought them."""
    since = now - timedelta(weeks=ARRIVAL_WEEKS)
    first = service_day(since)
    weekdays = sum(
        is_weekday(first + timedelta(days=number)) for number in range(ARRIVAL_WEEKS * 7)
    )
    arrivals = read_urgent_arrivals(since)
    return measure_rate(
        ((row.priority, parse_tubes(row.tubes), row.needs) for row in arrivals),
        service_days=weekdays,
    )
