"""A plan is made: who keeps, moves, is booked or waits, and why.

1. Reject a proposal that was interrupted: half a plan is never shown nor adopted.
2. Read the diary: needs, seats, capacity as declared, the last weeks' urgent arrivals.
3. Solve for those who get dates ahead, with what is not known yet held back: the forecast's margin,
   the reserve for the urgent. While capacity is short the others are called in; they hear by when.
4. Append `plan.proposed` with the figures; it is proposing.
5. Append one `plan.line` for each patient whose situation changes or who stays without a date, in
   batches; then `plan.completed`: it is proposed.

Invariants:
- Nothing moves: a plan changes the diary only when a person adopts it.
- A P1 need that cannot be served by its safe day gets no later date but the emergency route.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from tourniquet.diary.harm import HarmTerms, harm_of
from tourniquet.diary.models import Work
from tourniquet.diary.planning import (
    read_needs_to_plan,
    read_places,
    read_sessions,
)
from tourniquet.diary.rows import NeedRow, Places
from tourniquet.diary.rules import BOOK_AHEAD_DAYS, REVIEW_DAYS_MOST, URGENT, Hours, parse_tubes
from tourniquet.directory.roles import Task, Viewer
from tourniquet.flows.outlook import Shortage, forecast_capacity, read_shortage, urgent_rate
from tourniquet.flows.set_up_region import batches
from tourniquet.incident.entries import TimelineNoted
from tourniquet.incident.queries import find_running
from tourniquet.kernel.clock import service_day
from tourniquet.kernel.identifiers import IdSource, RandomIds
from tourniquet.patients.readings import list_there
from tourniquet.record.journal import Act, writing
from tourniquet.triage.building import TAIL_DAYS, Window, build_problem, count_seats, word_reason
from tourniquet.triage.calling import word_turn
from tourniquet.triage.entries import PlanCompleted, PlanLined, PlanProposed, PlanRejected
from tourniquet.triage.forecast import Capacity, hold_back
from tourniquet.triage.models import Plan
from tourniquet.triage.problem import BOOK, DEFER, KEEP, MOVE, Decision, Problem, Summary
from tourniquet.triage.problem import Plan as Solution
from tourniquet.triage.rules import EMERGENCY_WORDS
from tourniquet.triage.solver import prove_least_harm, solve_quickly

LATER_REVIEW_DAYS = {"P1": 1, "P2": 7, "P3": 14}  # a second review and later ones; proposed
TURN_REVIEW_DAYS = {"P2": 7}  # looked at each morning whatever it says; proposed
LET_WAIT = frozenset({"P4", "P5"})
LINES_AT_ONCE = 1500  # lines of one transaction: under a quarter of a second

Solver = Callable[[Problem], Solution]


@dataclass(frozen=True)
class Figures:
    """Counts of a plan's lines, after the emergency route has taken its own."""

    kept: int
    moved: int
    booked: int
    deferred: int
    urgent_unserved: int


def propose_plan(
    *,
    viewer: Viewer,
    now: datetime,
    first_day: date | None = None,
    days: int = BOOK_AHEAD_DAYS,
    ids: IdSource | None = None,
    solver: Solver = solve_quickly,
    between: Callable[[int], None] = lambda _: None,
) -> str:
    """Make a full plan; its id. `between` is called after each batch with the lines so far.

    Raises: PermissionRefused.
    """
    viewer.demand(Task.COMMAND_INCIDENT)
    act = Act(viewer.account, now, viewer.organisation)
    # 1. No halves.
    reject_interrupted(act)
    # 2. What is known.
    window = Window(first_day or choose_first_day(now), days)
    rows = read_needs_to_plan(window.first_day, window.last_day)
    # 3. Solve for those who wait and those whose booking cannot stand.
    stage = read_stage(window, now=now)
    loose, fixed = choose_loose(rows, stage, window)
    made = decide(loose, fixed, stage, window, now=now, solver=solver)
    lines, figures = draw_lines(made.rows, made.decisions, window, today=service_day(now))
    # 4. The parent.
    plan = (ids or RandomIds()).new(now)
    running = find_running()
    with writing(act) as journal:
        parent = journal.append(
            PlanProposed(
                plan=plan,
                scope="full",
                incident=running.id if running else None,
                first_day=window.first_day,
                days=days,
                needs=len(rows),
                harm=made.harm,
                lower_bound=made.lower_bound,
                gap=made.gap,
                kept=figures.kept + len(fixed),
                moved=figures.moved,
                booked=figures.booked,
                deferred=figures.deferred,
                urgent_unserved=figures.urgent_unserved,
            )
        )
    # 5. The lines.
    _write_lines(lines, act, plan=plan, parent=parent, between=between)
    with writing(act) as journal:
        journal.append(PlanCompleted(plan=plan, lines=len(lines)), cause=parent)
        if running is not None:
            note = TimelineNoted(
                incident=running.id,
                event="plan",
                text=_in_words(figures, len(rows), len(fixed), window),
                about=plan,
            )
            journal.append(note, cause=parent)
    return plan


@dataclass(frozen=True)
class Made:
    """A plan before it is written. Harm is that of the dates it gives or lets stand.

    The bound is of everybody, so there is a gap only where nobody is called in.
    """

    rows: list[NeedRow]
    decisions: list[Decision]
    harm: float
    lower_bound: float
    gap: float | None


def decide(
    loose: Sequence[NeedRow],
    fixed: Sequence[NeedRow],
    stage: Stage,
    window: Window,
    *,
    now: datetime,
    solver: Solver,
) -> Made:
    """Decide for each of `loose` what becomes of them."""
    loose, patient = split_patient(loose, window, today=service_day(now))
    shortage = read_shortage(now)
    planned, called = split_called(loose, shortage)
    solution = solver(build_stage_problem(planned, fixed, stage, window))
    decisions = leave_to_calls(planned, solution.decisions, shortage, window)
    decisions += [wait_turn(row, shortage, window) for row in called]
    decisions += [let_wait(row, window) for row in patient]
    summary, standing = solution.summary, harm_of_standing(fixed, window)
    least = summary.lower_bound
    if called:
        least = prove_least_harm(build_stage_problem(loose, fixed, stage, window))
    return Made(
        [*planned, *called, *patient],
        decisions,
        round(float(summary.harm) + standing, 6),
        round(float(least) + standing, 6),
        None if called else gap_of(summary, standing),
    )


def _write_lines(
    lines: Sequence[tuple[str, Line]],
    act: Act,
    *,
    plan: str,
    parent: int,
    between: Callable[[int], None],
) -> None:
    """One entry for each patient, in batches of one transaction each."""
    written = 0
    for part in batches(lines, LINES_AT_ONCE):
        with writing(act) as journal:
            there = list_there(patient for patient, _ in part)  # nobody erased meanwhile
            for patient, line in part:
                if patient not in there:
                    continue
                journal.append(line(plan), subject=patient, cause=parent)
        written += len(part)
        between(written)


def _in_words(figures: Figures, needs: int, fixed: int, window: Window) -> str:
    return (
        f"A plan for {needs} needs from {window.first_day:%d %b}: "
        f"{figures.kept + fixed} kept, {figures.moved} moved, {figures.booked} booked, "
        f"{figures.deferred} deferred, {figures.urgent_unserved} urgent not in time"
    )


def reject_interrupted(act: Act) -> None:
    """Reject proposals that never got all their lines."""
    stale = list(Plan.objects.filter(state="proposing").values_list("id", flat=True))
    if stale:
        with writing(act) as journal:
            for plan in stale:
                journal.append(PlanRejected(plan=plan, reason="its making was interrupted"))


def choose_first_day(now: datetime) -> date:
    """Today until the gate was opened for today, else tomorrow."""
    today = service_day(now)
    opened = Work.objects.filter(job="gate", day=today).exists()
    return today + timedelta(days=1) if opened else today


@dataclass(frozen=True)
class Stage:
    """What a plan is made on: places, sessions, and what may be promised of the laboratories."""

    places: Places
    sessions: dict[tuple[str, date], list[Hours]]
    capacity: Capacity
    known: Capacity
    """Before the reserve for the urgent still to come: what the urgent themselves may use."""


def read_stage(window: Window, *, now: datetime) -> Stage:
    """Read it; the reserve for the urgent still to come is held back."""
    known = forecast_capacity(window, today=service_day(now))
    return Stage(
        places=read_places(),
        sessions=read_sessions(window.first_day, window.last_day),
        capacity=hold_back(known, urgent_rate(now)),
        known=known,
    )


def choose_loose(
    rows: Sequence[NeedRow], stage: Stage, window: Window
) -> tuple[list[NeedRow], list[NeedRow]]:
    """Who the plan may place, and whose booking stands.

    A booking stands, so that nobody is moved for a little gain, unless more is booked on its day
    in one of its disciplines than may be promised, or it is urgent and later than is safe. A P1
    on time stands where the P1 alone fit (HAZ-007).
    """
    left: dict[tuple[str, int], int] = defaultdict(int)
    for (_, name, day), tubes in stage.capacity.items():
        left[name, day] += tubes
    for row in rows:
        if row.day is not None:
            for name, count in parse_tubes(row.tubes):
                left[name, window.number(row.day)] -= count
    first = _left_after_first(rows, stage, window)
    loose: list[NeedRow] = []
    fixed: list[NeedRow] = []
    for row in rows:
        on_time = row.day is not None and row.day <= row.safe_until
        stands = _goes_first(row, first, window) or (
            row.day is not None
            and not (
                (row.priority in URGENT and not on_time)
                or any(left[name, window.number(row.day)] < 0 for name, _ in parse_tubes(row.tubes))
            )
        )
        (fixed if stands else loose).append(row)
    return loose, fixed


def split_patient(
    rows: Sequence[NeedRow], window: Window, *, today: date
) -> tuple[list[NeedRow], list[NeedRow]]:
    """Who is planned, and who can wait beyond the plan without harm while others are late already.

    A forecast promises less than a morning has. Booked far ahead, those who can wait would take
    from the scarcest discipline what somebody late needs together with another; asked to come on
    the day, they take what is left.
    """
    if not any(row.priority < "P4" and row.day is None and row.safe_until < today for row in rows):
        return list(rows), []
    patient = [row for row in rows if can_wait(row, window)]
    keys = {row.id for row in patient}
    return [row for row in rows if row.id not in keys], patient


def can_wait(row: NeedRow, window: Window) -> bool:
    """Whether waiting does no harm for as long as the plan looks."""
    return row.priority in LET_WAIT and row.safe_until > window.last_day


def let_wait(row: NeedRow, window: Window) -> Decision:
    """The decision for somebody who can wait."""
    safe = window.number(row.safe_until)
    words = f"can wait safely to day {safe}; others are late already and go first"
    review = window.number(window.first_day) + REVIEW_DAYS_MOST
    return Decision(row.id, DEFER, "", "", None, review, words)


def split_called(
    rows: Sequence[NeedRow], shortage: Shortage
) -> tuple[list[NeedRow], list[NeedRow]]:
    """Who is planned, and who is called in while capacity is short: they get no date ahead.

    A date ahead would be broken by the next forecast, and holds tubes that each morning may give
    to whom waiting harms most. The urgent with a booking are planned, as the plan may keep it.
    """
    called = [
        row
        for row in rows
        if shortage.calls_in(row.priority, parse_tubes(row.tubes))
        and not (row.priority in URGENT and row.day is not None)
    ]
    keys = {row.id for row in called}
    return [row for row in rows if row.id not in keys], called


def leave_to_calls(
    rows: Sequence[NeedRow], decisions: Sequence[Decision], shortage: Shortage, window: Window
) -> list[Decision]:
    """The plan's decisions, but an urgent booking that it does not keep is called in instead."""
    return [
        wait_turn(row, shortage, window)
        if shortage.calls_in(row.priority, parse_tubes(row.tubes))
        and not (decision.decision == KEEP and row.priority in URGENT)
        else decision
        for row, decision in zip(rows, decisions, strict=True)
    ]


def wait_turn(row: NeedRow, shortage: Shortage, window: Window) -> Decision:
    """The decision for somebody who is called in when the turn comes."""
    words = word_turn(row.priority, parse_tubes(row.tubes), shortage.queues)
    days = TURN_REVIEW_DAYS.get(row.priority, REVIEW_DAYS_MOST)
    review = max(0, window.number(row.released)) + days
    return Decision(row.id, DEFER, "", "", None, review, words)


def _left_after_first(
    rows: Sequence[NeedRow], stage: Stage, window: Window
) -> dict[tuple[str, int], int]:
    """What the P1 booked on time leave of each discipline and day."""
    left: dict[tuple[str, int], int] = defaultdict(int)
    for (_, name, day), tubes in stage.known.items():
        left[name, day] += tubes
    for row in rows:
        if row.priority == "P1" and row.day is not None and row.day <= row.safe_until:
            for name, count in parse_tubes(row.tubes):
                left[name, window.number(row.day)] -= count
    return left


def _goes_first(row: NeedRow, left: Mapping[tuple[str, int], int], window: Window) -> bool:
    """Whether a P1 booked on time fits its day before everybody else."""
    day = row.day
    return (
        row.priority == "P1"
        and day is not None
        and day <= row.safe_until
        and all(left[name, window.number(day)] >= 0 for name, _ in parse_tubes(row.tubes))
    )


def build_stage_problem(
    loose: Sequence[NeedRow], fixed: Sequence[NeedRow], stage: Stage, window: Window
) -> Problem:
    """The problem of those who are loose, on what the bookings that stand leave over."""
    taken: dict[tuple[str, date], int] = defaultdict(int)
    capacity = dict(stage.capacity)
    able: dict[tuple[str, int], list[str]] = defaultdict(list)
    for laboratory, name, day in sorted(capacity):
        able[name, day].append(laboratory)
    for row in fixed:
        assert row.day is not None
        taken[row.clinic, row.day] += 1
        _take(capacity, row, window.number(row.day), able)
    return build_problem(
        loose,
        places=stage.places,
        seats=count_seats(stage.sessions, taken, window),
        capacity=capacity,
        window=window,
    )


def _take(
    capacity: Capacity, row: NeedRow, day: int, able: Mapping[tuple[str, int], Sequence[str]]
) -> None:
    """Take a booking's tubes at its laboratory, what that lacks at others: the gate may choose."""
    for name, count in parse_tubes(row.tubes):
        wanted = count
        for laboratory in (row.laboratory, *able.get((name, day), ())):
            part = min(wanted, capacity.get((laboratory, name, day), 0))
            if part > 0:
                capacity[laboratory, name, day] -= part
                wanted -= part
            if not wanted:
                break


def harm_of_standing(fixed: Sequence[NeedRow], window: Window) -> float:
    """Harm of the bookings that stand, counted as the planner counts."""
    return sum(
        harm_of(
            HarmTerms(
                window.number(row.safe_until),
                row.harm_per_day,
                None if row.escalates_on is None else window.number(row.escalates_on),
                row.escalated_harm_per_day,
            ),
            window.number(row.day),
            horizon_days=window.days,
            tail_days=TAIL_DAYS,
        )
        for row in fixed
        if row.day is not None and row.day > row.safe_until
    )


def gap_of(summary: Summary, standing_harm: float) -> float | None:
    """The gap with the bookings that stand counted in."""
    bound = float(summary.lower_bound) + standing_harm
    if bound == 0:
        return 0.0 if summary.harm == 0 else None
    return round((float(summary.harm) + standing_harm) / bound - 1, 9)


@dataclass(frozen=True)
class Line:
    """A line before its plan has a number."""

    row: NeedRow
    decision: str
    clinic: str
    laboratory: str
    day: date | None
    review_on: date | None
    reason: str
    urgent_unserved: bool

    def __call__(self, plan: str) -> PlanLined:
        """The line as an entry's body."""
        return PlanLined(
            plan=plan,
            need=self.row.id,
            indication=self.row.indication,
            priority=self.row.priority,
            decision=self.decision,
            clinic=self.clinic,
            laboratory=self.laboratory,
            day=self.day,
            was_clinic=self.row.clinic,
            was_day=self.row.day,
            review_on=self.review_on,
            reason=self.reason,
            urgent_unserved=self.urgent_unserved,
            requesting_organisation=self.row.requesting_organisation,
            registered_organisation=self.row.registered_organisation,
        )


def draw_lines(
    rows: Sequence[NeedRow], decisions: Sequence[Decision], window: Window, *, today: date
) -> tuple[list[tuple[str, Line]], Figures]:
    """The lines to write, each with its patient, and the counts of all decisions."""
    counts = {KEEP: 0, MOVE: 0, BOOK: 0, DEFER: 0}
    urgent = 0
    lines: list[tuple[str, Line]] = []
    for row, decision in zip(rows, decisions, strict=True):
        line = draw_line(row, decision, window, today=today)
        counts[line.decision] += 1
        urgent += line.urgent_unserved
        if line.urgent_unserved or not is_standing(line):
            lines.append((row.patient, line))
    figures = Figures(counts[KEEP], counts[MOVE], counts[BOOK], counts[DEFER], urgent)
    return lines, figures


def is_standing(line: Line) -> bool:
    """Whether a line changes nothing: a booking kept, or a promise to tell that still stands."""
    if line.decision == KEEP:
        return True
    row = line.row
    return (
        line.decision == DEFER
        and row.status == "waiting"
        and bool(row.reason)
        and row.review_on == line.review_on
    )


def draw_line(row: NeedRow, decision: Decision, window: Window, *, today: date) -> Line:
    """One decision in dates. A P1 that would be late is not booked late: it goes elsewhere."""
    day = None if decision.day is None else window.day(decision.day)
    late = row.priority in URGENT and (day is None or day > row.safe_until)
    reason = word_reason(decision.reason, window.first_day)
    if row.priority == "P1" and late:
        if not reason.startswith(EMERGENCY_WORDS):
            reason = f"{EMERGENCY_WORDS}: {reason}"
        return Line(row, DEFER, "", "", None, today, reason, urgent_unserved=True)
    if day is None:
        review_on = next_review(row, decision, window, today=today)
        return Line(row, DEFER, "", "", None, review_on, reason, urgent_unserved=late)
    word = decision.decision
    return Line(row, word, decision.clinic, decision.lab, day, None, reason, urgent_unserved=late)


def next_review(row: NeedRow, decision: Decision, window: Window, *, today: date) -> date:
    """The day by which the patient hears: a promise that stands is kept, never past 14 days."""
    latest = today + timedelta(days=REVIEW_DAYS_MOST)
    promised = row.review_on if row.status == "waiting" and row.reason else None
    if promised is not None and today < promised <= latest:
        return promised
    wanted = window.day(decision.review_on) if decision.review_on is not None else latest
    if row.status == "waiting" and row.reason:
        # Told once already: the next word comes less often, so that nobody is flooded.
        wanted = today + timedelta(days=LATER_REVIEW_DAYS.get(row.priority, REVIEW_DAYS_MOST))
    return min(max(wanted, today + timedelta(days=1)), latest)
