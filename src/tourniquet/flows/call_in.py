"""A laboratory has more left this morning than was promised: who waits is asked to come today.

Forecasts are held back from, reserves are kept for the urgent, people cancel. What is left of today
when the laboratories have confirmed would be lost by noon.

1. Only while an incident runs: otherwise nobody is asked at short notice.
2. Count what is left of today: confirmed tubes and seats, less what the gate has reserved.
3. Take who waits, or is booked later than is safe.
4. In turn (`triage/calling.py`), place each where clinic, courier and laboratory still fit today.
5. While capacity is short, whose turn it is and who cannot be told within the hour is booked for
   the next days; in other times they are booked ahead with the others (`book_needs`).
6. Put it into effect as any booking; the gate and the notices follow.

Invariants:
- Nobody waits longer by it: who is booked later comes earlier; a visit missed goes back to
  waiting, with a review day.
- Nobody who can wait is asked for today who must be told by letter or by the practice; the urgent
  are phoned.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from django.db.models import Case, When, Window
from django.db.models.functions import RowNumber

from tourniquet.diary.models import Appointment, Need
from tourniquet.diary.planning import (
    read_booked,
    read_capacity,
    read_left,
    read_needs,
    read_places,
    read_sessions,
    read_taken_seats,
    read_used_tubes,
)
from tourniquet.diary.rows import NeedRow, Places
from tourniquet.diary.rules import URGENT, Tubes, parse_tubes
from tourniquet.directory.roles import SYSTEM_VIEWER, Viewer
from tourniquet.flows.moving import LINES_AT_ONCE, Moving, PlannedLine, apply_lines, route_hours
from tourniquet.flows.outlook import Shortage, read_shortage
from tourniquet.flows.reaching import find_reachable
from tourniquet.flows.set_up_region import batches
from tourniquet.incident.queries import find_running
from tourniquet.kernel.clock import service_day
from tourniquet.kernel.identifiers import IdSource, RandomIds
from tourniquet.record.journal import Act, writing
from tourniquet.triage.building import Window as Days
from tourniquet.triage.building import build_problem, count_seats
from tourniquet.triage.calling import Waiting, in_turn, measure_scarcity
from tourniquet.triage.first_fit import FirstFit
from tourniquet.triage.problem import Seats

REASON = "a laboratory has room today"
REASON_SOON = "the turn came; a word in time needs a day or two"
SOON_DAYS = 7  # how far ahead those are booked whose turn came and whom no text reaches; proposed
CANDIDATES_A_PLACE = 2  # how many of those with the same tubes are weighed for each place left
CANDIDATES_LEAST = 30
URGENT_MOST = 2_000  # of the urgent with the same tubes; keeps the morning short
NO_TUBES_ROOM = 100  # a paper form takes a seat and no tube
_FIELDS = (
    "id",
    "priority",
    "tubes",
    "number",
    "due",
    "safe_until",
    "harm_per_day",
    "escalates_on",
    "escalated_harm_per_day",
)
Queues = Mapping[str, float]


@dataclass(frozen=True)
class Called:
    """What came of it, in needs."""

    weighed: int
    called: int


def call_in(
    *,
    now: datetime,
    viewer: Viewer = SYSTEM_VIEWER,
    ids: IdSource | None = None,
    only_urgent: bool = False,
    shortage: Shortage | None = None,
) -> Called:
    """Fill what is left of today, with anybody or only with the urgent; what came of it."""
    # 1. Only in an incident.
    if find_running() is None:
        return Called(0, 0)
    today = service_day(now)
    # 2. What is left.
    left = _tubes_left(today)
    sessions = read_sessions(today, today)
    if not sessions or not any(left.values()):
        return Called(0, 0)
    places = read_places()
    # 3. Who could come.
    shortage = shortage or read_shortage(now)
    found = _candidates(today, left, shortage.queues)
    needs = read_needs(one.id for one in found)
    rows = [
        needs[one.id]
        for one in found
        if one.id in needs
        and _can_come(needs[one.id], today)
        and (one.priority in URGENT or not only_urgent)
    ]
    reachable = find_reachable(rows, today)
    if not shortage.is_short:
        rows = [row for row in rows if row.id in reachable]
    # 4. In turn.
    seats = count_seats(sessions, read_taken_seats(today, today), Days(today, 1))
    lines, passed_over = _place_today(
        rows, reachable, places=places, seats=seats, left=left, today=today
    )
    # 5. Whose turn it is and who cannot be told in time.
    lines += _place_soon(passed_over, places, today)
    # 6. Into effect.
    _put_into_effect(lines, places, today, now=now, viewer=viewer, ids=ids or RandomIds())
    return Called(len(reachable), sum(line.day == today for line in lines))


def _place_today(
    rows: Sequence[NeedRow],
    reachable: Set[str],
    *,
    places: Places,
    seats: Sequence[Seats],
    left: Mapping[tuple[str, str], int],
    today: date,
) -> tuple[list[PlannedLine], list[NeedRow]]:
    """Who comes today, and whose turn it is as well but who cannot be told in time."""
    problem = build_problem(
        [row._replace(released=min(row.released, today)) for row in rows],
        places=places,
        seats=seats,
        capacity={(lab, name, 0): tubes for (lab, name), tubes in left.items()},
        window=Days(today, 1),
        fixed=frozenset(row.id for row in rows),
    )
    fit = FirstFit(problem)
    lines, passed_over = [], []
    for row, need in zip(rows, problem.needs, strict=True):
        place = fit.place(need)
        if place is None:
            continue
        if row.id in reachable:
            lines.append(_line(row, place[1], place[2], today, REASON))
        else:
            fit.give_back(need, place)
            passed_over.append(row)
    return lines, passed_over


def _place_soon(passed_over: Sequence[NeedRow], places: Places, today: date) -> list[PlannedLine]:
    """Book those whose turn it is on the next day with room of which they can be told.

    They are few, and nobody else is booked ahead: capacity counts as declared, without a margin.
    """
    rows = [row for row in passed_over if row.day is None]
    if not rows:
        return []
    window = Days(today, SOON_DAYS)
    used = read_used_tubes(today, window.last_day)
    problem = build_problem(
        [row._replace(released=max(row.released, today + timedelta(days=1))) for row in rows],
        places=places,
        seats=count_seats(
            read_sessions(today, window.last_day),
            read_taken_seats(today, window.last_day),
            window,
        ),
        capacity={
            (lab, name, window.number(day)): max(0, tubes - used.get((lab, name, day), 0))
            for (lab, name, day), (tubes, _) in read_capacity(today, window.last_day).items()
        },
        window=window,
    )
    fit = FirstFit(problem)
    found = [(row, fit.place(need)) for row, need in zip(rows, problem.needs, strict=True)]
    return [
        _line(row, place[1], place[2], window.day(place[0]), REASON_SOON)
        for row, place in found
        if place is not None
    ]


def _tubes_left(today: date) -> dict[tuple[str, str], int]:
    """Confirmed tubes less what the gate has reserved, and what is booked and not yet gated."""
    left = read_left(today).tubes
    for row in read_booked(today, today):
        for name, count in parse_tubes(row.tubes):
            left[row.laboratory, name] = left.get((row.laboratory, name), 0) - count
    return {key: max(0, tubes) for key, tubes in left.items()}


def _candidates(today: date, left: Mapping[tuple[str, str], int], queues: Queues) -> list[Waiting]:
    """Those worth weighing, in turn: of those with the same tubes the most urgent, the latest."""
    total: Counter[str] = Counter()
    for (_, name), tubes in left.items():
        total[name] += tubes
    most: dict[str, int] = {}

    def most_of(pattern: str) -> int:
        """How many of the others with these tubes are weighed; 0 where none fits today."""
        if pattern not in most:
            room = _room(parse_tubes(pattern), left)
            most[pattern] = CANDIDATES_LEAST + CANDIDATES_A_PLACE * room if room else 0
        return most[pattern]

    waiting = Need.objects.filter(status="waiting", released__lte=today)
    # Booked later than is safe: coming today would spare them the wait.
    late = Need.objects.filter(
        status="booked",
        released__lte=today,
        appointment_id__in=Appointment.objects.filter(status="booked", day__gt=today).values("id"),
    )
    found: dict[str, Waiting] = {}
    for rows in (waiting, late):
        patterns = rows.values_list("tubes", flat=True).distinct()
        longest = max((most_of(pattern) for pattern in patterns), default=0)
        if not longest:
            continue
        numbered = rows.annotate(
            is_urgent=Case(When(priority__in=URGENT, then=True), default=False),
            number=Window(
                RowNumber(),
                partition_by=["tubes", "is_urgent"],
                order_by=["priority", "safe_until", "id"],
            ),
        ).filter(number__lte=Case(When(is_urgent=True, then=URGENT_MOST), default=longest))
        for key, priority, pattern, number, *terms in numbered.values_list(*_FIELDS):
            fits = most_of(pattern)
            if fits and number <= (URGENT_MOST if priority in URGENT else fits):
                found[key] = Waiting(key, priority, parse_tubes(pattern), *terms)
    wanted: Counter[str] = Counter()
    for one in found.values():
        wanted.update(dict(one.tubes))
    return in_turn(list(found.values()), today, measure_scarcity(wanted, total), queues)


def _room(tubes: Tubes, left: Mapping[tuple[str, str], int]) -> int:
    """How many visits with these tubes laboratories could still take, were there no others."""
    if not tubes:
        return NO_TUBES_ROOM
    return sum(
        min(max(0, left.get((laboratory, name), 0)) // count for name, count in tubes)
        for laboratory in {laboratory for laboratory, _ in left}
    )


def _can_come(row: NeedRow, today: date) -> bool:
    """Who waits, or is booked later than is safe."""
    return row.day is None or (row.day > today and row.day > row.safe_until)


def _line(row: NeedRow, clinic: str, laboratory: str, day: date, reason: str) -> PlannedLine:
    return PlannedLine(
        row.id,
        row.patient,
        "book" if row.day is None else "move",
        clinic,
        laboratory,
        day,
        row.clinic,
        row.day,
        None,
        reason,
        row.priority,
    )


def _put_into_effect(
    lines: Sequence[PlannedLine],
    places: Places,
    today: date,
    *,
    now: datetime,
    viewer: Viewer,
    ids: IdSource,
) -> None:
    work = Moving(
        plan=None,
        now=now,
        today=today,
        parent=None,
        sessions=read_sessions(today, today + timedelta(days=SOON_DAYS)),
        routes=route_hours(places),
        ids=ids,
    )
    act = Act(viewer.account, now, viewer.organisation)
    for part in batches(lines, LINES_AT_ONCE):
        with writing(act) as journal:
            apply_lines(journal, work, part, is_last=True)
