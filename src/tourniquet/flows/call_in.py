"""A laboratory has more left this morning than was promised: who waits is asked to come today.

Forecasts are held back from, reserves are kept for the urgent, people cancel. What is left of today
when the laboratories have confirmed would be lost by noon.

1. Only while an incident runs: otherwise nobody is asked at short notice.
2. Count what is left of today: confirmed tubes and seats, less what the gate has reserved.
3. Take who waits, or is booked later than is safe, and could be told within the hour.
4. In turn of the harm that waiting on would do, place each where clinic, courier and laboratory
   still fit today.
5. Put it into effect as any booking; the gate and the notices follow.

Invariants:
- Nobody waits longer by it: who is booked later comes earlier; a visit missed goes back to
  waiting, with a review day.
- Nobody who can wait is asked who must be told by letter or by the practice; the urgent are
  phoned.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from tourniquet.diary.models import Appointment, Need
from tourniquet.diary.planning import (
    read_booked,
    read_left,
    read_needs,
    read_places,
    read_sessions,
    read_taken_seats,
)
from tourniquet.diary.rows import NeedRow, Places
from tourniquet.diary.rules import URGENT, parse_tubes
from tourniquet.directory.roles import SYSTEM_VIEWER, Viewer
from tourniquet.flows.moving import LINES_AT_ONCE, Moving, PlannedLine, apply_lines, route_hours
from tourniquet.flows.set_up_region import batches
from tourniquet.incident.queries import find_running
from tourniquet.kernel.clock import service_day
from tourniquet.kernel.identifiers import IdSource, RandomIds
from tourniquet.notices.rendering import BOOKED
from tourniquet.notices.rules import TEXT, Recipient, choose_channel
from tourniquet.patients.models import Patient
from tourniquet.record.journal import Act, writing
from tourniquet.triage.building import Window, build_problem, count_seats
from tourniquet.triage.calling import Waiting, in_turn, measure_scarcity
from tourniquet.triage.first_fit import FirstFit

REASON = "a laboratory has room today"
CANDIDATES_A_TUBE = 3  # how many of those waiting are weighed for each tube left
CANDIDATES_LEAST = 300
CANDIDATES_MOST = 20_000
PATIENTS_AT_ONCE = 500
_FIELDS = (
    "id",
    "due",
    "safe_until",
    "harm_per_day",
    "escalates_on",
    "escalated_harm_per_day",
    "tubes",
)


@dataclass(frozen=True)
class Called:
    """What came of it, in needs."""

    weighed: int
    called: int


def call_in(
    *, now: datetime, viewer: Viewer = SYSTEM_VIEWER, ids: IdSource | None = None
) -> Called:
    """Fill what is left of today; what came of it."""
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
    found = _candidates(today, left)
    rows = _reachable(read_needs(one.id for one in found), today)
    # 4. In turn.
    window = Window(today, 1)
    order = [rows[one.id] for one in found if one.id in rows]
    problem = build_problem(
        [row._replace(released=min(row.released, today)) for row in order],
        places=places,
        seats=count_seats(sessions, read_taken_seats(today, today), window),
        capacity={(lab, name, 0): tubes for (lab, name), tubes in left.items()},
        window=window,
        fixed=frozenset(row.id for row in order),
    )
    fit = FirstFit(problem)
    lines = []
    for row, need in zip(order, problem.needs, strict=True):
        place = fit.place(need)
        if place is not None:
            lines.append(_line(row, clinic=place[1], laboratory=place[2], today=today))
    # 5. Into effect.
    _put_into_effect(lines, places, today, now=now, viewer=viewer, ids=ids or RandomIds())
    return Called(len(order), len(lines))


def _tubes_left(today: date) -> dict[tuple[str, str], int]:
    """Confirmed tubes less what the gate has reserved, and what is booked and not yet gated."""
    left = read_left(today).tubes
    for row in read_booked(today, today):
        for name, count in parse_tubes(row.tubes):
            left[row.laboratory, name] = left.get((row.laboratory, name), 0) - count
    return {key: max(0, tubes) for key, tubes in left.items()}


def _candidates(today: date, left: dict[tuple[str, str], int]) -> list[Waiting]:
    """Those worth weighing: their tubes fit somewhere today; the most urgent, the latest first."""
    total: Counter[str] = Counter()
    for (_, name), tubes in left.items():
        total[name] += tubes
    most = min(CANDIDATES_MOST, CANDIDATES_LEAST + CANDIDATES_A_TUBE * sum(total.values()))
    waiting = Need.objects.filter(status="waiting", released__lte=today)
    # Booked later than is safe: coming today would spare them the wait.
    late = Need.objects.filter(
        status="booked",
        released__lte=today,
        appointment_id__in=Appointment.objects.filter(status="booked", day__gt=today).values("id"),
    )
    found: dict[str, Waiting] = {}
    for rows in (waiting, late):
        patterns = _fitting(set(rows.values_list("tubes", flat=True).distinct()), left)
        chosen = rows.filter(tubes__in=patterns).order_by("priority", "safe_until", "id")
        for key, due, safe, harm, turn, later, tubes in chosen.values_list(*_FIELDS)[:most]:
            found[key] = Waiting(key, due, safe, harm, turn, later, parse_tubes(tubes))
    wanted: Counter[str] = Counter()
    for one in found.values():
        wanted.update(dict(one.tubes))
    return in_turn(list(found.values()), today, measure_scarcity(wanted, total))


def _fitting(patterns: Iterable[str], left: dict[tuple[str, str], int]) -> list[str]:
    """Tubes that some one laboratory could still take all of."""
    laboratories = {laboratory for laboratory, _ in left}
    return sorted(
        pattern
        for pattern in patterns
        if any(
            all(left.get((laboratory, name), 0) >= count for name, count in parse_tubes(pattern))
            for laboratory in laboratories
        )
    )


def _reachable(rows: dict[str, NeedRow], today: date) -> dict[str, NeedRow]:
    """Those who can be told by text, and the urgent, whom somebody phones if need be."""
    recipients = _recipients({row.patient for row in rows.values()})
    return {
        row.id: row
        for row in rows.values()
        if (row.day is None or (row.day > today and row.day > row.safe_until))
        and row.patient in recipients
        and (
            row.priority in URGENT
            or choose_channel(recipients[row.patient], BOOKED, today=today) == TEXT
        )
    }


def _recipients(patients: set[str]) -> dict[str, Recipient]:
    wanted = sorted(patients)
    found: dict[str, Recipient] = {}
    for start in range(0, len(wanted), PATIENTS_AT_ONCE):
        for row in Patient.objects.filter(
            id__in=wanted[start : start + PATIENTS_AT_ONCE]
        ).values_list(
            "id",
            "recorded_dead",
            "sensitive",
            "unsafe_contact",
            "state",
            "birth_date",
            "phone",
            "address",
        ):
            found[row[0]] = Recipient(*row[1:4], row[4] == "active", *row[5:])
    return found


def _line(row: NeedRow, *, clinic: str, laboratory: str, today: date) -> PlannedLine:
    return PlannedLine(
        row.id,
        row.patient,
        "book" if row.day is None else "move",
        clinic,
        laboratory,
        today,
        row.clinic,
        row.day,
        None,
        REASON,
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
        sessions=read_sessions(today, today),
        routes=route_hours(places),
        ids=ids,
    )
    act = Act(viewer.account, now, viewer.organisation)
    for part in batches(lines, LINES_AT_ONCE):
        with writing(act) as journal:
            apply_lines(journal, work, part, is_last=True)
