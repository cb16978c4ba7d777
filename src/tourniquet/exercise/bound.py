"""A proven lower bound of the harm of the whole exercise, for every policy.

Whoever plans, with whatever foresight: each need is processed on one day, on or after its release,
on which its patient would come, or never; and on no day do the processed tubes of a discipline
exceed what all laboratories together could do in truth, nor the visits the seats. That is all that
this bound asks. It leaves out travel, couriers, stability, the split between laboratories, notice,
ignorance of the future, and what missed visits cost, all of which can only add harm. So it is a
relaxation, and for any prices p >= 0 of tubes and seats

    sum over needs of min over allowed days (harm + priced tubes and seat) - priced capacity

is no more than the harm of any policy (Lagrangian duality). Prices come from a coarse linear
program and are then improved by subgradients; the bound holds however poor they are.

Invariants:
- The value returned was evaluated need by need, and a margin for rounding is taken off.
- Needs seen in the warm-up may be free of harm here. The bound is of policies from day 0 on.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass

import highspy
import numpy as np
from numpy.typing import NDArray

from tourniquet.diary.harm import NEVER, harm_of_all
from tourniquet.exercise.demand import Needs, Seats
from tourniquet.exercise.truth import Truth

CHUNK = 20_000
STEPS = 40
MANY_NEEDS = 400_000
STEPS_FOR_MANY = 0
ROUNDING_MARGIN = 1e-9
FIRST_STEP = 0.4

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Bound:
    """The bound, and what it rests on."""

    harm: float
    steps: int
    needs: int


@dataclass(frozen=True)
class _Problem:
    """Columns that every chunk needs. `days` are the open days; row 0.. of `capacity` tubes."""

    needs: Needs
    truth: Truth
    days: NDArray[np.int32]
    capacity: Floats  # days by resources: disciplines, then seats
    uses: Floats  # indications by resources
    free: NDArray[np.bool_]
    end: int


def lower_bound(needs: Needs, seats: Seats, truth: Truth) -> Bound:
    """The best bound found within a fixed number of steps; never depends on a clock."""
    problem = _problem(needs, seats, truth)
    prices = _coarse_prices(problem)
    best, gradient = _evaluate(problem, prices)
    best = max(best, 0.0)
    steps = STEPS if len(needs) <= MANY_NEEDS else STEPS_FOR_MANY
    best_prices, scale = prices, FIRST_STEP
    for _ in range(steps):
        norm = float((gradient**2 / np.maximum(problem.capacity, 1.0)).sum())
        if norm <= 0:
            break
        step = scale * 0.02 * max(best, 1.0) / norm
        trial = np.maximum(0.0, best_prices + step * gradient / np.maximum(problem.capacity, 1.0))
        value, slope = _evaluate(problem, trial)
        if value > best:
            best, best_prices, gradient = value, trial, slope
            scale *= 1.3
        else:
            scale *= 0.5
    margin = ROUNDING_MARGIN * (abs(best) + float((best_prices * problem.capacity).sum()))
    return Bound(harm=max(0.0, best - margin), steps=steps, needs=len(needs))


def _problem(needs: Needs, seats: Seats, truth: Truth) -> _Problem:
    scenario = truth.scenario
    days = np.array(scenario.open_days(0, scenario.days - 1), dtype=np.int32)
    tubes = np.array([truth.capacity.actual_on(int(d)).sum(axis=0) for d in days], dtype=float)
    chairs = np.array([[float(seats.on(int(d)).sum())] for d in days])
    kinds = range(len(needs.indications))
    first = np.array([np.flatnonzero(needs.indication == kind)[:1].sum() for kind in kinds])
    uses = np.c_[needs.tubes[first].astype(float), np.ones(len(first))]
    free = (needs.booked_day < 0) & (needs.booked_day >= -scenario.warm_up_days)
    return _Problem(
        needs=needs,
        truth=truth,
        days=days,
        capacity=np.c_[tubes, chairs],
        uses=uses,
        free=free,
        end=scenario.days + scenario.tail_days,
    )


def _harm_table(problem: _Problem, rows: NDArray[np.int64]) -> Floats:
    """Harm of needs (rows) by open day, infinite where not allowed; last column: never."""
    needs = problem.needs
    served = np.r_[problem.days, NEVER].astype(np.int32)[None, :]
    table = harm_of_all(
        served_on=served,
        safe_until=needs.safe_until[rows, None],
        harm_per_day=needs.harm_per_day[rows, None],
        escalates_on=needs.escalates_on[rows, None],
        escalated_harm_per_day=needs.escalated_harm_per_day[rows, None],
        end=problem.end,
    )
    table[:, :-1][problem.days[None, :] < needs.released[rows, None]] = np.inf
    return table


def _evaluate(problem: _Problem, prices: Floats) -> tuple[float, Floats]:
    """The dual value at these prices, and a subgradient (use less capacity)."""
    total, used = 0.0, np.zeros_like(problem.capacity)
    priced = problem.uses @ prices.T
    waiting = np.flatnonzero(~problem.free)
    for start in range(0, len(waiting), CHUNK):
        rows = waiting[start : start + CHUNK]
        kind = problem.needs.indication[rows]
        table = _harm_table(problem, rows)
        for column, day in enumerate(problem.days):
            come = problem.truth.attends(problem.needs, rows, int(day))
            table[~come, column] = np.inf
        table[:, :-1] += priced[kind]
        choice = table.argmin(axis=1)
        total += float(table[np.arange(len(rows)), choice].sum())
        taken = choice < len(problem.days)
        np.add.at(used, choice[taken], problem.uses[kind[taken]])
    return total - float((prices * problem.capacity).sum()), used - problem.capacity


@dataclass(frozen=True)
class _Classes:
    """Needs that differ little, counted together: one row for each."""

    first: NDArray[np.int64]
    count: Floats
    kind: NDArray[np.int64]


def _classes(problem: _Problem) -> _Classes:
    """By indication, week of release and week of the safe day; P1 and P2 by day."""
    needs = problem.needs
    waiting = np.flatnonzero(~problem.free)
    step = np.where(needs.priority[waiting] <= 2, 1, 7)
    released = np.maximum(needs.released[waiting], 0) // step
    safe = np.minimum(np.maximum(needs.safe_until[waiting], 0), problem.end) // step
    kind = needs.indication[waiting].astype(np.int64)
    key = (kind * 1000 + released) * 1000 + safe
    _, first, count = np.unique(key, return_index=True, return_counts=True)
    return _Classes(waiting[first], count.astype(float), kind[first])


def _coarse_prices(problem: _Problem) -> Floats:
    """Prices from a linear program over classes; nought where the solver finds none."""
    classes = _classes(problem)
    table = _harm_table(problem, classes.first)
    groups, days = len(classes.first), len(problem.days)
    allowed = np.isfinite(table[:, :-1])
    group, day = np.nonzero(allowed)
    resources = problem.capacity.shape[1]
    uses = problem.uses[classes.kind[group]]
    wanted = uses > 0
    per_column = 1 + wanted.sum(axis=1)
    starts = np.r_[0, np.cumsum(per_column)]
    index = np.zeros(starts[-1], dtype=np.int32)
    value = np.ones(starts[-1])
    index[starts[:-1]] = group
    column, resource = np.nonzero(wanted)
    offset = starts[column] + 1 + (np.cumsum(wanted, axis=1)[column, resource] - 1)
    index[offset] = groups + day[column] * resources + resource
    value[offset] = uses[column, resource]
    saved = table[group, day] - table[group, -1]
    duals = _solve(
        costs=saved,
        starts=starts,
        index=index,
        value=value,
        limits=np.r_[classes.count, problem.capacity.ravel()],
    )
    if duals is None:
        return np.zeros_like(problem.capacity)
    return np.maximum(0.0, -duals[groups:]).reshape(days, resources)


def _solve(
    *,
    costs: Floats,
    starts: NDArray[np.int64],
    index: NDArray[np.int32],
    value: Floats,
    limits: Floats,
) -> Floats | None:
    """Minimise costs within limits; the duals of the rows, None where there are none."""
    program = highspy.HighsLp()
    program.num_col_, program.num_row_ = len(costs), len(limits)
    program.col_cost_ = costs
    program.col_lower_ = np.zeros(len(costs))
    program.col_upper_ = np.full(len(costs), highspy.kHighsInf)
    program.row_lower_ = np.full(len(limits), -highspy.kHighsInf)
    program.row_upper_ = limits
    program.a_matrix_.format_ = highspy.MatrixFormat.kColwise
    program.a_matrix_.start_ = starts.astype(np.int32)
    program.a_matrix_.index_ = index
    program.a_matrix_.value_ = value
    solver = highspy.Highs()  # type: ignore[no-untyped-call]  # highspy has no types
    quiet = False
    solver.setOptionValue("output_flag", quiet)
    solver.setOptionValue("threads", 1)
    solver.setOptionValue("solver", "ipm")
    solver.setOptionValue("run_crossover", "off")
    solver.setOptionValue("ipm_iteration_limit", 200)
    with contextlib.suppress(RuntimeError):
        solver.passModel(program)
        solver.run()
        duals = np.array(solver.getSolution().row_dual)
        if len(duals) == len(limits) and np.isfinite(duals).all():
            return duals
    return None
