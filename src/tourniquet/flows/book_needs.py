"""Each morning, and whenever something urgent arrived: needs that wait get a date.

1. Take who waits and is looked at today (new, urgent, to be reviewed, and the longest waiting of
   the others), and bookings of the next days that no longer fit what the laboratories can take.
   While capacity is short only P1, and P2 for whom hardly anybody waits, are booked ahead; the
   others are called in when their turn comes (`call_in`), or hear by when (`keep_waiting`).
2. Place the urgent ones, each on the earliest day with room. Where one would be late, less urgent
   bookings of the next days give way, if that helps the urgent.
3. Place the others with what is left, less the reserve for the urgent still to come. Where all are
   served in safe time harm is nought, and no plan is better; the rest is for the next full plan.
4. Put the decisions into effect: booked, moved, deferred with a review day, or sent by the
   emergency route, one entry a patient.

Invariants:
- Everybody looked at ends with an appointment, a review day within 14 days, or the emergency route.
- A review day that was promised and has not come is kept.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta

from tourniquet.diary.harm import HarmTerms, harm_of
from tourniquet.diary.planning import (
    read_booked,
    read_capacity,
    read_needs_to_book,
    read_places,
    read_sessions,
    read_taken_seats,
    read_used_tubes,
)
from tourniquet.diary.rows import NeedRow, Places
from tourniquet.diary.rules import (
    BOOK_AHEAD_DAYS,
    URGENT,
    Comer,
    Hours,
    Left,
    choose_review_day,
    parse_tubes,
    pass_gate,
)
from tourniquet.directory.roles import SYSTEM_VIEWER, Viewer
from tourniquet.flows.moving import (
    LINES_AT_ONCE,
    NO_PLACE,
    Moving,
    PlannedLine,
    apply_lines,
    is_emergency,
    route_hours,
)
from tourniquet.flows.outlook import Shortage, forecast_capacity, read_shortage, urgent_rate
from tourniquet.flows.propose_plan import Line, draw_line, let_wait, split_patient, wait_turn
from tourniquet.flows.set_up_region import batches
from tourniquet.incident.queries import find_running
from tourniquet.kernel.clock import service_day
from tourniquet.kernel.identifiers import IdSource, RandomIds
from tourniquet.record.journal import Act, writing
from tourniquet.triage.building import TAIL_DAYS, Window, build_problem, count_seats
from tourniquet.triage.first_fit import fit_first, fit_giving_way
from tourniquet.triage.forecast import Capacity, hold_back
from tourniquet.triage.problem import Decision, Problem
from tourniquet.triage.rules import EMERGENCY_WORDS

CLOSE_DAYS = 3  # days ahead whose bookings are looked at again each morning
FILLING = 400  # needs with a review day to come that are offered what has come free; proposed
MOVABLE_MOST = 5_000  # bookings that are looked at for it; keeps the morning short
P1_WEIGHT = 10.0  # a P1 goes before any number of others that it can displace; proposed
MOVABLE = ("P3", "P4", "P5")


@dataclass(frozen=True)
class Booking:
    """What came of it, in needs."""

    looked_at: int
    booked: int
    moved: int
    deferred: int
    redirected: int


@dataclass
class _State:
    """What is known of the days ahead; used up as needs are placed."""

    window: Window
    today: date
    places: Places
    sessions: dict[tuple[str, date], list[Hours]]
    taken: dict[tuple[str, date], int]
    capacity: Capacity
    used: dict[tuple[str, str, int], int]
    placed_at: dict[str, str] = field(default_factory=dict)
    """By appointment, the laboratory that the gate would choose now instead of the booked one."""

    def left(self, capacity: Capacity) -> Capacity:
        """What these capacities leave over after what is used."""
        return {key: max(0, tubes - self.used.get(key, 0)) for key, tubes in capacity.items()}

    def take_out(self, rows: Iterable[NeedRow], sign: int = -1) -> None:
        """Count bookings out, so that they may be placed anew, or in again."""
        for row in rows:
            if row.day is not None:
                laboratory = self.placed_at.get(row.appointment, row.laboratory)
                self.count(row.clinic, row.day, laboratory, row.tubes, sign)

    def count(self, clinic: str, day: date, laboratory: str, tubes: str, sign: int) -> None:
        """Count one booking in or out."""
        number = self.window.number(day)
        self.taken[clinic, day] = self.taken.get((clinic, day), 0) + sign
        for name, count in parse_tubes(tubes):
            key = (laboratory, name, number)
            self.used[key] = self.used.get(key, 0) + sign * count


def book_needs(
    *,
    now: datetime,
    viewer: Viewer = SYSTEM_VIEWER,
    ids: IdSource | None = None,
    only_urgent: bool = False,
    shortage: Shortage | None = None,
) -> Booking:
    """Give dates to those who wait, or only to the urgent of them; what came of it."""
    today = service_day(now)
    window = Window(today, BOOK_AHEAD_DAYS)
    # 1. Who is looked at.
    shortage = shortage or read_shortage(now)
    waiting = [
        row
        for row in read_needs_to_book(
            today, window.last_day, filling=0 if shortage.is_short else FILLING
        )
        if not shortage.calls_in(row.priority, parse_tubes(row.tubes))
    ]
    state = _read_state(window, today)
    misfits = _find_misfits(state)
    state.take_out(misfits)  # those left for later hold no tubes against the urgent, either
    if only_urgent:
        misfits = [row for row in misfits if row.priority in URGENT]
    if find_running() is not None:
        misfits += _booked_late(state, {row.id for row in misfits}, shortage)
    lines = _let_go(misfits, shortage, window, today=today)
    let_go = {line.row.id for line in lines}
    rows = sorted(
        [*waiting, *(row for row in misfits if row.id not in let_go)], key=lambda row: row.id
    )
    if not rows and not lines:
        return Booking(0, 0, 0, 0, 0)
    # 2. and 3. Plan.
    urgent = [row for row in rows if row.priority in URGENT]
    others = [row for row in rows if row.priority not in URGENT and not only_urgent]
    if urgent:
        lines += _plan_urgent(state, urgent)
    if others:
        reserved = state.left(hold_back(state.capacity, urgent_rate(now)))
        planned = {line.row.id for line in lines}
        rest = [row for row in others if row.id not in planned]
        if find_running() is not None:
            rest, patient = split_patient(rest, window, today=today)
            lines += [draw_line(row, let_wait(row, window), window, today=today) for row in patient]
        lines += _plan(state, rest, reserved, days=BOOK_AHEAD_DAYS)
    # 4. Into effect.
    return _put_into_effect(lines, state, now=now, viewer=viewer, ids=ids or RandomIds())


def _read_state(window: Window, today: date) -> _State:
    used = read_used_tubes(today, window.last_day)
    return _State(
        window=window,
        today=today,
        places=read_places(),
        sessions=read_sessions(today, window.last_day),
        taken=read_taken_seats(today, window.last_day),
        capacity=forecast_capacity(window, today=today),
        used={(lab, name, window.number(day)): count for (lab, name, day), count in used.items()},
    )


def _find_misfits(state: _State) -> list[NeedRow]:
    """Bookings of the next days that the gate would refuse with the capacity as now declared.

    The others are counted at the laboratory that the gate would choose now; in an incident for
    every one of these days, so that the urgent find what narrower laboratories could free.
    """
    last = state.today + timedelta(days=CLOSE_DAYS - 1)
    known = read_capacity(state.today, last)
    over = {
        number
        for (lab, name, number), count in state.used.items()
        if number < CLOSE_DAYS
        and count > known.get((lab, name, state.window.day(number)), (0, ""))[0]
    }
    if find_running() is not None:
        over = set(range(CLOSE_DAYS))
    routes = state.places.routes()
    found: list[NeedRow] = []
    for number in sorted(over):
        day = state.window.day(number)
        rows = {row.appointment: row for row in read_booked(day, day)}
        left = Left(
            {(lab, name): tubes for (lab, name, on), (tubes, _) in known.items() if on == day}
        )
        _count_gated(state, rows.values(), left, number)
        comers = [as_comer(row, state.sessions.get((row.clinic, day), ())) for row in rows.values()]
        for passed in pass_gate(comers, left, routes):
            row = rows[passed.comer.appointment]
            if not passed.is_reserved:
                found.append(row)
            elif passed.laboratory != row.laboratory:
                state.take_out([row])
                state.placed_at[row.appointment] = passed.laboratory
                state.take_out([row], 1)
    return found


def _let_go(
    rows: Sequence[NeedRow], shortage: Shortage, window: Window, *, today: date
) -> list[Line]:
    """Bookings that do not fit: who is called in when the turn comes gets no other date now."""
    return [
        draw_line(row, wait_turn(row, shortage, window), window, today=today)
        for row in rows
        if shortage.calls_in(row.priority, parse_tubes(row.tubes))
    ]


def _booked_late(state: _State, known: set[str], shortage: Shortage) -> list[NeedRow]:
    """Urgent needs booked later than is safe: each morning an earlier day is looked for.

    Who is called in when the turn comes keeps the later booking until then.
    """
    rows = read_booked(
        state.today + timedelta(days=1), state.window.last_day, priorities=tuple(sorted(URGENT))
    )
    late = [
        row
        for row in rows
        if row.id not in known
        and row.day is not None
        and row.day > row.safe_until
        and not shortage.calls_in(row.priority, parse_tubes(row.tubes))
    ]
    state.take_out(late)
    return late


def _count_gated(state: _State, open_rows: Iterable[NeedRow], left: Left, number: int) -> None:
    """Take out of `left` what the gate has given: all that is used but the open bookings."""
    open_tubes: dict[tuple[str, str], int] = defaultdict(int)
    for row in open_rows:
        for name, count in parse_tubes(row.tubes):
            open_tubes[row.laboratory, name] += count
    for (lab, name, on), count in state.used.items():
        if on == number:
            gated = count - open_tubes.get((lab, name), 0)
            left.tubes[lab, name] = left.tubes.get((lab, name), 0) - gated


def as_comer(row: NeedRow, sessions: Sequence[Hours]) -> Comer:
    """A booking as the gate sees it. A P1's specimens go at once, not with the next courier."""
    assert row.at is not None
    return Comer(
        row.appointment,
        row.id,
        row.patient,
        row.clinic,
        row.laboratory,
        parse_tubes(row.tubes),
        row.stability_hours,
        0.0 if row.priority == "P1" else wait_until_courier(row.at, sessions),
        row.priority,
        row.due,
    )


def wait_until_courier(at: object, sessions: Sequence[Hours]) -> float:
    """Hours from a place's time to the next courier, in the session that has the place."""
    for hours in sessions:
        if any(hours.seat_time(seat) == at for seat in range(hours.seats)):
            return hours.wait_hours(at)  # type: ignore[arg-type] # it is a place's time
    return 0.0


def _plan_urgent(state: _State, urgent: list[NeedRow]) -> list[Line]:
    """Lines of the urgent. Less urgent bookings of the next days give way where that helps."""
    lines = _plan(state, urgent, state.left(state.capacity), days=BOOK_AHEAD_DAYS)
    late = [line.row for line in lines if line.urgent_unserved]
    if not late:
        return lines
    last = state.today + timedelta(days=CLOSE_DAYS - 1)
    planned = {row.id for row in urgent}
    able = ("P2", *MOVABLE) if any(row.priority == "P1" for row in late) else MOVABLE
    movable = [
        row for row in read_booked(state.today, last, priorities=able) if row.id not in planned
    ]
    if len(movable) > MOVABLE_MOST:
        movable = sorted(movable, key=lambda row: (row.priority, row.id), reverse=True)
        movable = movable[:MOVABLE_MOST]  # the least urgent give way first
    if not movable:
        return lines
    asked = {row.id for row in late}
    first = [line for line in lines if line.row.id in asked]
    # Only the urgent are compared: who gives way to them waits for the day that they leave free
    # later, and a day of theirs harms less (HAZ-007).
    before = sum(_harm(state, line.row, line.day) for line in first)
    before += sum(_harm(state, row, row.day) for row in movable if row.priority in URGENT)
    _count_lines(state, first, -1)
    state.take_out(movable)
    # Who is booked late asks as if they had no booking: keeping it is what is to be bettered.
    asking = [row._replace(day=None, clinic="") for row in late]
    again = _plan(
        state,
        [*asking, *movable],
        state.left(state.capacity),
        days=BOOK_AHEAD_DAYS,
        solver=fit_giving_way,
    )
    after = sum(_harm(state, line.row, line.day) for line in again if line.row.priority in URGENT)
    if after < before:
        as_booked = {row.id: row for row in late}
        again = [replace(line, row=as_booked.get(line.row.id, line.row)) for line in again]
        return [line for line in lines if line.row.id not in asked] + again
    # Nobody urgent is helped by it: everything stays as it was.
    _count_lines(state, again, -1)
    state.take_out(movable, 1)
    _count_lines(state, first, 1)
    return lines


def _harm(state: _State, row: NeedRow, day: date | None) -> float:
    """Harm of a need from today until its day; a P1 late counts before everything (HAZ-007)."""
    number = state.window.number
    harm = harm_of(
        HarmTerms(
            number(row.safe_until),
            row.harm_per_day,
            None if row.escalates_on is None else number(row.escalates_on),
            row.escalated_harm_per_day,
        ),
        None if day is None else number(day),
        horizon_days=state.window.days,
        tail_days=TAIL_DAYS,
    )
    return harm * P1_WEIGHT if row.priority == "P1" else harm


def _plan(
    state: _State,
    rows: Sequence[NeedRow],
    capacity: Capacity,
    *,
    days: int,
    solver: Callable[[Problem], Sequence[Decision]] = fit_first,
) -> list[Line]:
    """Place these needs and draw their lines; what they take counts as used."""
    window = Window(state.today, days)
    problem = build_problem(
        rows,
        places=state.places,
        seats=count_seats(state.sessions, state.taken, window),
        capacity=capacity,
        window=window,
    )
    lines = [
        draw_line(row, decision, window, today=state.today)
        for row, decision in zip(rows, solver(problem), strict=True)
    ]
    _count_lines(state, lines, 1)
    return lines


def _count_lines(state: _State, lines: Iterable[Line], sign: int) -> None:
    for line in lines:
        if line.day is not None:
            state.count(line.clinic, line.day, line.laboratory, line.row.tubes, sign)


def _put_into_effect(
    lines: Sequence[Line], state: _State, *, now: datetime, viewer: Viewer, ids: IdSource
) -> Booking:
    act = Act(viewer.account, now, viewer.organisation)
    work = Moving(
        plan=None,
        now=now,
        today=state.today,
        parent=None,
        sessions=state.sessions,
        routes=route_hours(state.places),
        ids=ids,
    )
    changes = [_as_planned(line) for line in lines if _changes(line, state.today)]
    for part in batches(changes, LINES_AT_ONCE):
        with writing(act) as journal:
            apply_lines(journal, work, part, is_last=False)
    if work.waiting:
        rest, work.waiting = work.waiting, []
        with writing(act) as journal:
            apply_lines(journal, work, rest, is_last=True)
    if work.without_place:
        rows = {line.row.id: line.row for line in lines}
        late = [_without_place(line, rows[line.need], state.today) for line in work.without_place]
        with writing(act) as journal:
            apply_lines(journal, work, late, is_last=True)
    counts: dict[str, int] = defaultdict(int)
    for line in changes:
        counts["redirect" if is_emergency(line) else line.decision] += 1
    return Booking(len(lines), counts["book"], counts["move"], counts["defer"], counts["redirect"])


def _changes(line: Line, today: date) -> bool:
    """Whether the line is news: a promise that stands is none, a booking that stands is none."""
    if line.decision == "keep":
        return False  # the gate chooses the laboratory anew on the day
    if line.decision != "defer" or line.row.priority == "P1" or line.row.appointment:
        return True
    promised = line.row.review_on if line.row.reason else None
    return promised is None or promised <= today


def _as_planned(line: Line) -> PlannedLine:
    row = line.row
    return PlannedLine(
        row.id,
        row.patient,
        line.decision,
        line.clinic,
        line.laboratory,
        line.day,
        row.clinic,
        row.day,
        line.review_on,
        line.reason,
        row.priority,
    )


def _without_place(line: PlannedLine, row: NeedRow, today: date) -> PlannedLine:
    """The planner counts places, not their times: who found none in time waits, or is sent on."""
    review_on = choose_review_day(row.priority, today=today, released=today)
    is_p1_late = row.priority == "P1" and row.safe_until <= today
    reason = f"{EMERGENCY_WORDS}: {NO_PLACE}" if is_p1_late else NO_PLACE
    return line._replace(
        decision="defer", clinic="", laboratory="", day=None, review_on=review_on, reason=reason
    )
