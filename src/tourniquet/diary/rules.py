"""The diary's rules: tubes in text, dates of a need, seats of a session, the gate. Pure.

Invariants:
- A review day is at most 14 days away.
- The gate passes nothing that no laboratory can take, no courier can bring in time, or that would
  be too old when it arrives.

Figures marked "proposed" are not measured and await clinical sign-off.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, time, timedelta
from functools import lru_cache

REVIEW_DAYS_MOST = 14  # Source: the promise that nobody waits longer to hear; proposed
REVIEW_DAYS = {"P1": 1, "P2": 2, "P3": 7, "P4": 14, "P5": 14}  # proposed
STABILITY_MARGIN_HOURS = 1.0  # Source: the planner's interface, "within stability_hours less one"
COURIER_EVERY_HOURS = 4  # couriers leave at a session's end and so often before; proposed
BOOK_AHEAD_DAYS = 28  # how far ahead appointments are made
URGENT = frozenset({"P1", "P2"})

Tubes = tuple[tuple[str, int], ...]


@lru_cache(maxsize=4096)
def parse_tubes(text: str) -> Tubes:
    """Read `chemistry=1;haematology=2`. Empty text is no tubes."""
    pairs = (part.split("=", 1) for part in text.split(";") if part)
    return tuple((name, int(count)) for name, count in pairs)


def format_tubes(tubes: Mapping[str, int]) -> str:
    """Write tubes as text, disciplines in order, none with nought."""
    return ";".join(f"{name}={count}" for name, count in sorted(tubes.items()) if count)


def choose_review_day(priority: str, *, today: date, released: date) -> date:
    """The day by which a patient without a date hears: sooner for the urgent, within 14 days.

    Who asked for a later time hears 14 days before it at the latest.
    """
    days = min(REVIEW_DAYS.get(priority, REVIEW_DAYS_MOST), REVIEW_DAYS_MOST)
    return max(today + timedelta(days=days), released - timedelta(days=REVIEW_DAYS_MOST))


@dataclass(frozen=True, slots=True)
class Hours:
    """A session as the seats need it."""

    id: str
    clinic: str
    day: date
    starts_at: time
    minutes_each: int
    seats: int

    def seat_time(self, seat: int) -> time:
        """When the seat's place begins, counted from nought."""
        minutes = self.starts_at.hour * 60 + self.starts_at.minute + seat * self.minutes_each
        minutes = min(minutes, 24 * 60 - 1)
        return time(minutes // 60, minutes % 60)

    def wait_hours(self, at: time) -> float:
        """Hours from a place's time until the next courier leaves: at the end, or a run before."""
        begins = self.starts_at.hour * 60 + self.starts_at.minute
        ends = begins + self.seats * self.minutes_each
        minutes = max(0, ends - (at.hour * 60 + at.minute))
        return (minutes % (COURIER_EVERY_HOURS * 60)) / 60


@dataclass(frozen=True, slots=True)
class Comer:
    """An appointment that comes to the gate."""

    appointment: str
    need: str
    patient: str
    clinic: str
    laboratory: str
    tubes: Tubes
    stability_hours: float
    wait_hours: float
    priority: str
    due: date


@dataclass(frozen=True, slots=True)
class Passed:
    """The gate's answer to one appointment. `laboratory` is empty where it refused."""

    comer: Comer
    laboratory: str
    courier_hours: float
    reason: str

    @property
    def is_reserved(self) -> bool:
        """Whether the patient should come."""
        return bool(self.laboratory)


@dataclass
class Left:
    """What laboratories can still take on one day, by (laboratory, discipline)."""

    tubes: dict[tuple[str, str], int] = field(default_factory=dict)

    def fits(self, laboratory: str, tubes: Tubes) -> bool:
        """Whether the laboratory can take these tubes in every discipline."""
        return all(self.tubes.get((laboratory, name), 0) >= count for name, count in tubes)

    def take(self, laboratory: str, tubes: Tubes) -> None:
        """Take them."""
        for name, count in tubes:
            self.tubes[laboratory, name] = self.tubes.get((laboratory, name), 0) - count


def pass_gate(
    comers: Iterable[Comer],
    left: Left,
    couriers: Mapping[str, Sequence[tuple[float, str]]],
) -> list[Passed]:
    """Reserve for each appointment, the urgent first.

    Where all fit together as they were booked, they go there. Otherwise laboratories that do few
    disciplines come first, so that those that do what nobody else does keep room for it; of two
    alike, the one that was booked.

    `couriers` lists (hours, laboratory) of each clinic, the quickest first. `left` is used up.
    """
    comers = list(comers)
    as_booked = _pass_as_booked(comers, left, couriers)
    if as_booked is not None:
        return as_booked
    out = []
    breadth = Counter(laboratory for (laboratory, _), tubes in left.tubes.items() if tubes > 0)
    for comer in sorted(comers, key=lambda c: (c.priority, c.due, c.appointment)):
        routes = couriers.get(comer.clinic, ())
        allowed = comer.stability_hours - STABILITY_MARGIN_HOURS - comer.wait_hours
        in_time = [(hours, code) for hours, code in routes if hours <= allowed]
        in_time.sort(key=lambda route: (breadth[route[1]], route[1] != comer.laboratory))
        found = next(((h, code) for h, code in in_time if left.fits(code, comer.tubes)), None)
        if found is not None:
            left.take(found[1], comer.tubes)
            out.append(Passed(comer, found[1], found[0], ""))
        elif not routes:
            out.append(Passed(comer, "", 0.0, "no courier goes from the clinic"))
        elif not in_time:
            out.append(Passed(comer, "", routes[0][0], "specimens would be too old on arrival"))
        else:
            out.append(
                Passed(comer, "", in_time[0][0], "no laboratory can take the specimens today")
            )
    return out


def _pass_as_booked(
    comers: Iterable[Comer],
    left: Left,
    couriers: Mapping[str, Sequence[tuple[float, str]]],
) -> list[Passed] | None:
    """Everybody at the laboratory that was booked; None, and nothing is used, where not all fit."""
    kept = dict(left.tubes)
    out = []
    for comer in sorted(comers, key=lambda c: (c.priority, c.due, c.appointment)):
        hours = {code: hours for hours, code in couriers.get(comer.clinic, ())}
        way = hours.get(comer.laboratory)
        allowed = comer.stability_hours - STABILITY_MARGIN_HOURS - comer.wait_hours
        if way is None or way > allowed or not left.fits(comer.laboratory, comer.tubes):
            left.tubes.clear()
            left.tubes.update(kept)
            return None
        left.take(comer.laboratory, comer.tubes)
        out.append(Passed(comer, comer.laboratory, way, ""))
    return out
