"""Column generation: the programme over all options, by looking only at those that pay.

A restricted programme is solved, its prices are shown to every class, each class answers with its
best options at those prices, and they join the programme, until nothing worth having is left out or
the rounds are used up.

Invariants:
- Advice only: prices and counts are checked by `bound` and `placement`.
- Rounds are counted, never timed; noise comes from the seed.
"""

from __future__ import annotations

from dataclasses import dataclass

import highspy
import numpy as np

from tourniquet.triage.bound import Prices, iterate_quotes, no_place, route
from tourniquet.triage.network import Array, Network
from tourniquet.triage.programme import Columns, Solution, new_solver

DAYS_FIRST = 5  # options of each class in the first programme, twice with different noise
DAYS_LATER = 2  # options that each class may add in a round
NOISE_SHARE = 0.02
SMOOTHING = 0.5


@dataclass(frozen=True, slots=True)
class Effort:
    """When to be content: rounds at most, and the gap to the bound that is good enough."""

    rounds_most: int = 40
    gap_goal: float = 0.0008


THOROUGH = Effort()
QUICK = Effort(rounds_most=8, gap_goal=0.01)
"""For a live region, where a plan is made in front of a person and again a week later."""


def generate(network: Network, start: Prices, *, seed: int, effort: Effort = THOROUGH) -> Solution:
    """Solve the programme of `network`'s classes by column generation from `start`."""
    noise = np.random.default_rng(seed)
    master = _Master(network, seed=seed)
    for _ in range(2):
        master.add(*_answer(network, _shake(start, noise), None, DAYS_FIRST)[1:])
    best, best_value = start, _answer(network, start, None, 0)[0]
    for _ in range(effort.rounds_most):
        objective, prices, class_prices = master.solve()
        if objective - best_value <= effort.gap_goal * max(objective, 1e-9):
            break
        shown = Prices(
            tubes=SMOOTHING * best.tubes + (1 - SMOOTHING) * prices.tubes,
            seats=SMOOTHING * best.seats + (1 - SMOOTHING) * prices.seats,
        )
        value, *columns = _answer(network, shown, class_prices, DAYS_LATER)
        if value > best_value:
            best, best_value = shown, value
        added = master.add(*columns)
        if not added:
            value, *columns = _answer(network, prices, class_prices, DAYS_LATER)
            if value > best_value:
                best, best_value = prices, value
            if not master.add(*columns):
                break
    else:
        master.solve()
    return Solution(prices=best, columns=master.columns(), counts=master.values())


def _shake(prices: Prices, noise: np.random.Generator) -> Prices:
    """Move prices a little, so that equal options are not all answered with the same one."""
    level = float(prices.tubes.max(initial=0.0) + prices.seats.max(initial=0.0)) or 1.0
    floor = NOISE_SHARE * level * 0.1
    return Prices(
        tubes=prices.tubes * (1 + NOISE_SHARE * noise.random(prices.tubes.shape))
        + floor * noise.random(prices.tubes.shape),
        seats=prices.seats * (1 + NOISE_SHARE * noise.random(prices.seats.shape))
        + floor * noise.random(prices.seats.shape),
    )


def _answer(
    network: Network, prices: Prices, class_prices: Array | None, most_days: int
) -> tuple[float, Array, Array, Array, Array]:
    """Value the bound at `prices`; give each class's best options (class, day, clinic, lab).

    With `class_prices`, only options that would still pay at them.
    """
    harm = network.harm.astype(float)
    total = -float((prices.tubes * network.capacity).sum() + (prices.seats * network.seats).sum())
    found: list[tuple[Array, Array, Array, Array]] = []
    for quote in iterate_quotes(network, prices, no_place(network)):
        rows = network.classes[quote.classes]
        curve = harm[rows[:, 2]]
        offered = curve[:, :-1] + quote.service
        offered[np.arange(network.days)[None, :] < rows[:, 3, None]] = np.inf
        best = np.minimum(offered.min(axis=1), curve[:, -1])
        total += float((best * network.class_sizes[quote.classes]).sum())
        if not most_days:
            continue
        profit = curve[:, -1:] - offered
        if class_prices is not None:
            profit = profit - class_prices[quote.classes, None]
        days = np.argsort(-profit, axis=1, kind="stable")[:, :most_days]
        pays = np.take_along_axis(profit, days, axis=1) > 1e-6 * (1 + curve[:, -1:])
        if class_prices is None:
            possible = np.take_along_axis(offered, days, axis=1) < no_place(network)
            pays = possible & (np.take_along_axis(curve, days, axis=1) < curve[:, -1:])
        picked, column = np.nonzero(pays)
        day = days[picked, column]
        clinic, lab = route(network, quote, picked, day)
        found.append((quote.classes[picked], day, clinic, lab))
    if not found:
        nothing = np.zeros(0, dtype=np.int64)
        return total, nothing, nothing, nothing, nothing
    class_at, day, clinic, lab = (np.concatenate(parts) for parts in zip(*found, strict=True))
    return total, class_at, day, clinic, lab


class _Master:
    """The restricted programme. Columns are only ever added; the solver keeps its basis."""

    def __init__(self, network: Network, *, seed: int) -> None:
        self._network = network
        self._solver = new_solver(seed)
        self._seen: set[int] = set()
        self._parts: list[tuple[Array, Array, Array, Array, Array]] = []
        harm = network.harm.astype(float)
        self._scale = max(float(harm.max(initial=0.0)), 1.0)
        self._unserved = float((harm[network.classes[:, 2], -1] * network.class_sizes).sum())
        self._classes = len(network.classes)
        clinics, days = network.seats.shape
        self._tube_start = self._classes + clinics * days
        upper = np.concatenate(
            [network.class_sizes, network.seats.ravel(), network.capacity.ravel()]
        ).astype(float)
        lp = highspy.HighsLp()
        lp.num_col_, lp.num_row_ = 0, len(upper)
        lp.row_lower_ = np.full(len(upper), -highspy.kHighsInf)
        lp.row_upper_ = upper
        self._solver.passModel(lp)

    def add(self, class_at: Array, day: Array, clinic: Array, lab: Array) -> int:
        """Add the options that are new. Gives how many."""
        network = self._network
        clinics, days = network.seats.shape
        labs, disciplines = network.capacity.shape[:2]
        keys = ((class_at * clinics + clinic) * labs + lab) * days + day
        fresh = [at for at, key in enumerate(keys.tolist()) if key not in self._seen]
        self._seen.update(keys[fresh].tolist())
        if not fresh:
            return 0
        class_at, day, clinic, lab = class_at[fresh], day[fresh], clinic[fresh], lab[fresh]
        curve = network.harm[network.classes[class_at, 2]]
        gain = (curve[:, -1] - curve[np.arange(len(day)), day]).astype(float)
        tubes = network.kinds[network.classes[class_at, 1]].astype(float)
        rows = np.empty((len(day), 2 + disciplines), dtype=np.int32)
        rows[:, 0] = class_at
        rows[:, 1] = self._classes + clinic * days + day
        for discipline in range(disciplines):
            rows[:, 2 + discipline] = (
                self._tube_start + (lab * disciplines + discipline) * days + day
            )
        values = np.concatenate([np.ones((len(day), 2)), tubes], axis=1)
        use = values > 0
        starts = np.concatenate([[0], np.cumsum(use.sum(axis=1))[:-1]]).astype(np.int32)
        self._solver.addCols(
            len(day),
            -gain / self._scale,
            np.zeros(len(day)),
            network.class_sizes[class_at].astype(float),
            int(use.sum()),
            starts,
            rows[use],
            values[use],
        )
        self._parts.append((class_at, day, clinic, lab, gain))
        return len(day)

    def solve(self) -> tuple[float, Prices, Array]:
        """Solve; give the harm reached, the prices, and what one more of each class is worth."""
        network = self._network
        self._solver.run()
        solution = self._solver.getSolution()
        duals = np.maximum(-np.array(solution.row_dual), 0.0) * self._scale
        harm = self._unserved + self._solver.getObjectiveValue() * self._scale
        prices = Prices(
            tubes=duals[self._tube_start :].reshape(network.capacity.shape),
            seats=duals[self._classes : self._tube_start].reshape(network.seats.shape),
        )
        return harm, prices, duals[: self._classes]

    def values(self) -> Array:
        """Give how many of its class each option takes."""
        return np.array(self._solver.getSolution().col_value)

    def columns(self) -> Columns:
        """Give the options, in the order of `values`."""
        if not self._parts:
            nothing = np.zeros(0, dtype=np.int64)
            return Columns(nothing, nothing, nothing, nothing, np.zeros(0))
        return Columns(*(np.concatenate(parts) for parts in zip(*self._parts, strict=True)))
