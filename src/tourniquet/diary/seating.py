"""Which places of sessions are free, and who gets one. Pure.

Invariants:
- A place is given once; a session never gives more than it has.
- A place is given only where specimens taken then still reach their laboratory in time.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import date, time

from tourniquet.diary.rules import Hours

Pair = tuple[str, date]


class Seating:
    """Free places by clinic and day."""

    def __init__(
        self,
        sessions: Mapping[Pair, Sequence[Hours]],
        taken: Mapping[Pair, Mapping[str, time]],
        *,
        earliest: tuple[date, time] | None = None,
    ) -> None:
        """`taken` holds the times of appointments that stand, by their ids.

        `earliest` closes the places of one day that begin before a time.
        """
        self._taken = {pair: dict(times) for pair, times in taken.items()}
        self._earliest = earliest
        self._left: dict[Pair, int] = {}
        self._free: dict[Pair, list[tuple[time, float]]] = {}
        self._waits: dict[Pair, dict[time, float]] = {}
        for pair, times in self._taken.items():
            hours = sessions.get(pair, ())
            self._left[pair] = sum(h.seats for h in hours) - len(times)
            places = [(h.seat_time(n), h) for h in hours for n in range(h.seats)]
            self._waits[pair] = {at: h.wait_hours(at) for at, h in places}
            busy = Counter(times.values())
            free = sorted((at, h.wait_hours(at)) for at, h in places)
            self._free[pair] = [place for place in free if not _use(busy, place[0])]

    def give_back(self, pair: Pair, appointment: str) -> None:
        """Free the place of an appointment that leaves; unknown ones are ignored."""
        at = self._taken.get(pair, {}).pop(appointment, None)
        if at is not None:
            self._left[pair] += 1
            self._free[pair].append((at, self._waits[pair].get(at, 0.0)))
            self._free[pair].sort()

    def take(self, pair: Pair, appointment: str, *, wait_hours_most: float) -> time | None:
        """The earliest free place whose specimens may wait so long; None where there is none."""
        if self._left.get(pair, 0) <= 0:
            return None
        for index, (at, wait) in enumerate(self._free[pair]):
            if wait <= wait_hours_most and not self._is_past(pair, at):
                del self._free[pair][index]
                self._left[pair] -= 1
                self._taken[pair][appointment] = at
                return at
        return None

    def _is_past(self, pair: Pair, at: time) -> bool:
        return self._earliest is not None and (pair[1], at) < self._earliest


def _use(busy: Counter[time], at: time) -> bool:
    """Whether one of the busy places is this one; each is used once."""
    if busy[at] > 0:
        busy[at] -= 1
        return True
    return False
