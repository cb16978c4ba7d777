"""What a planner holds back, because it sees only what is known today. Pure.

Invariants:
- Capacity that a laboratory confirmed, or that is normal, is taken as it is; a forecast is
  discounted by a margin.
- Tubes for urgent needs that will still arrive are kept out of reach of those that can wait, in the
  proportion in which the last weeks brought them, and never more than a share of a day's capacity.

All figures here are proposed, not measured.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

FORECAST_MARGIN = 0.05  # of a day's forecast capacity; source: proposed
FORECAST_MARGIN_LATER = 0.10  # from a week ahead; source: proposed
LATER_FROM_DAY = 7
RESERVE_FACTOR = 1.15  # over the mean of the last weeks; source: proposed
RESERVE_SHARE_MOST = 0.5  # of a day's capacity in a discipline; source: proposed
ARRIVAL_WEEKS = 4  # how far back arrivals are counted; source: proposed
P2_UNKNOWN_BY_DAY = (0.0, 0.3, 0.6, 0.8)  # share of a day's P2 work not known before it; proposed
P1_UNKNOWN = 1.0
SURE_FLAGS = frozenset({"normal", "confirmed"})

Capacity = dict[tuple[str, str, int], int]


@dataclass(frozen=True)
class UrgentRate:
    """Urgent tubes that arrive for one day of service, by discipline."""

    p1: Mapping[str, float]
    p2: Mapping[str, float]


def measure_rate(
    arrivals: Iterable[tuple[str, tuple[tuple[str, int], ...], int]], *, service_days: int
) -> UrgentRate:
    """Mean tubes a service day from (priority, tubes, count) of the last weeks."""
    totals: dict[str, dict[str, float]] = {"P1": {}, "P2": {}}
    for priority, tubes, count in arrivals:
        for name, each in tubes:
            totals[priority][name] = totals[priority].get(name, 0.0) + each * count
    days = max(1, service_days)
    return UrgentRate(
        p1={name: total / days for name, total in totals["P1"].items()},
        p2={name: total / days for name, total in totals["P2"].items()},
    )


def discount(tubes: int, flag: str, day: int) -> int:
    """What may be promised of a laboratory's day, `day` days ahead, in whole tubes."""
    return int(expect(tubes, flag, day))


def expect(tubes: int, flag: str, day: int) -> float:
    """The same not rounded: for sums over laboratories, where rounding would lose small ones."""
    if flag in SURE_FLAGS:
        return tubes
    return tubes * (1 - (FORECAST_MARGIN_LATER if day >= LATER_FROM_DAY else FORECAST_MARGIN))


def hold_back(capacity: Capacity, rate: UrgentRate) -> Capacity:
    """Capacity less the reserve for the urgent still to arrive; each laboratory keeps a share."""
    rows: dict[tuple[str, int], list[tuple[int, str]]] = {}
    for (laboratory, name, day), tubes in capacity.items():
        rows.setdefault((name, day), []).append((tubes, laboratory))
    left = dict(capacity)
    for (name, day), laboratories in rows.items():
        total = sum(tubes for tubes, _ in laboratories)
        unknown = P2_UNKNOWN_BY_DAY[min(max(day, 0), len(P2_UNKNOWN_BY_DAY) - 1)]
        wanted = RESERVE_FACTOR * (
            P1_UNKNOWN * rate.p1.get(name, 0.0) + unknown * rate.p2.get(name, 0.0)
        )
        reserve = min(int(RESERVE_SHARE_MOST * total), round(wanted))
        # Each keeps its share; what rounding leaves over is kept by the largest.
        laboratories.sort(key=lambda row: (-row[0], row[1]))
        kept = {
            laboratory: tubes * reserve // total if total else 0
            for tubes, laboratory in laboratories
        }
        over = reserve - sum(kept.values())
        for tubes, laboratory in laboratories:
            more = min(over, tubes - kept[laboratory])
            over -= more
            left[laboratory, name, day] = tubes - kept[laboratory] - more
    return left
