"""Linear and integer programmes over classes, solved by HiGHS.

Invariants:
- One thread, a fixed seed, limits in nodes and columns, not in seconds: the same answer each time.
- What comes back is advice (prices, counts). Nobody trusts it: placement checks every seat and
  tube, and the bound is proved again in whole numbers.
"""

from __future__ import annotations

from dataclasses import dataclass

import highspy
import numpy as np

from tourniquet.triage.bound import Prices
from tourniquet.triage.network import Array, Network

INTEGER_COLUMNS_MAX = 6_000
INTEGER_NODES_MAX = 400
POOLED_CLASSES_MAX = 900
PREFERENCE_SHARE = 0.4  # of one unit of harm: what all preferences together may weigh


@dataclass(frozen=True, slots=True)
class Columns:
    """The options of an exact programme, one row each."""

    class_at: Array
    day: Array
    clinic: Array
    lab: Array
    gain: Array  # harm avoided, in units, floating point


@dataclass(frozen=True, slots=True)
class Solution:
    """Prices, and how many of each class each option takes."""

    prices: Prices
    columns: Columns
    counts: Array


def count_columns(network: Network) -> int:
    """Count the options of the exact programme, one for each class, day, clinic and laboratory."""
    groups, group_of, per_day = _group_options(network)
    del groups
    later = np.cumsum(per_day[:, ::-1], axis=1)[:, ::-1]
    later = np.concatenate([later, np.zeros((len(later), 1), dtype=np.int64)], axis=1)
    return int(later[group_of, network.classes[:, 3]].sum())


def _group_options(network: Network) -> tuple[Array, Array, Array]:
    """Give the distinct (reach, kind), which each class has, and their options by day."""
    if not len(network.classes):
        empty = np.zeros((0, network.days), dtype=np.int64)
        return network.classes[:, :2], np.zeros(0, dtype=np.int64), empty
    groups, group_of = np.unique(network.classes[:, :2], axis=0, return_inverse=True)
    per_day = np.zeros((len(groups), network.days), dtype=np.int64)
    is_open = (network.seats > 0).astype(np.int64)
    for kind in np.unique(groups[:, 1]).tolist():
        lab_days = network.lab_days(np.array([kind]))[0].astype(np.int64)
        by_clinic = network.links[kind].astype(np.int64) @ lab_days * is_open  # [C, T]
        padded = np.concatenate([by_clinic, np.zeros((1, network.days), dtype=np.int64)])
        mine = np.flatnonzero(groups[:, 1] == kind)
        for at in mine.tolist():
            per_day[at] = padded[list(network.reaches[groups[at, 0]])].sum(axis=0)
    return groups, group_of.reshape(-1), per_day


def list_columns(network: Network) -> Columns:
    """List the options of every class, those too that avoid no harm."""
    groups, group_of, _ = _group_options(network)
    is_open = network.seats > 0
    options: list[tuple[Array, Array, Array]] = []
    for reach, kind in groups.tolist():
        lab_days = network.lab_days(np.array([kind]))[0]
        clinics = np.array(network.reaches[reach], dtype=np.int64)
        table = (
            network.links[kind][clinics][None]
            & lab_days.T[:, None, :]
            & is_open[clinics].T[:, :, None]
        )
        day, clinic, lab = np.nonzero(table)
        options.append((day, clinics[clinic] if len(clinics) else clinic, lab))
    found: list[tuple[Array, ...]] = []
    for at, row in enumerate(network.classes.tolist()):
        day, clinic, lab = options[group_of[at]]
        curve = network.harm[row[2]]
        gain = (curve[-1] - curve[:-1]).astype(float)[day]
        picked = np.flatnonzero(day >= row[3])
        found.append(
            (np.full(len(picked), at), day[picked], clinic[picked], lab[picked], gain[picked])
        )
    merged = [np.concatenate(parts) for parts in zip(*found, strict=True)] if found else []
    if not merged:
        merged = [np.zeros(0, dtype=np.int64)] * 4 + [np.zeros(0)]
    return Columns(*merged)


def solve_exact(network: Network, *, seed: int) -> Solution:
    """Solve the programme over all options: prices first, then whole counts."""
    columns = list_columns(network)
    clinics, labs = network.links.shape[1:]
    days, kinds = network.days, network.kinds
    class_count = len(network.classes)
    seat_start = class_count
    tube_start = seat_start + clinics * days
    disciplines = kinds.shape[1]
    row_count = tube_start + labs * disciplines * days
    at = np.arange(len(columns.day))
    entries = [
        (at, columns.class_at, np.ones(len(at))),
        (at, seat_start + columns.clinic * days + columns.day, np.ones(len(at))),
    ]
    tubes = kinds[network.classes[columns.class_at, 1]]
    for discipline in range(disciplines):
        row = tube_start + (columns.lab * disciplines + discipline) * days + columns.day
        entries.append((at, row, tubes[:, discipline].astype(float)))
    upper = np.concatenate(
        [network.class_sizes, network.seats.ravel(), network.capacity.ravel()]
    ).astype(float)
    scale = max(float(columns.gain.max(initial=0.0)), 1.0)
    weight = (columns.gain + _preferences(network, columns)) / scale
    model = _Model(weight, entries, upper, network.class_sizes[columns.class_at].astype(float))
    values, duals = model.solve(seed=seed, as_integers=True)
    assert row_count == len(upper)
    return Solution(
        prices=Prices(
            tubes=(duals[tube_start:] * scale).reshape(labs, disciplines, days),
            seats=(duals[seat_start:tube_start] * scale).reshape(clinics, days),
        ),
        columns=columns,
        counts=values,
    )


def _preferences(network: Network, columns: Columns) -> Array:
    """Weigh being served, and earlier, by less than one unit of harm for all needs together."""
    share = PREFERENCE_SHARE / (network.need_count + 1)
    return share * (1 - 0.3 * columns.day / network.days)


def solve_pooled(network: Network, *, seed: int) -> Prices:
    """Solve a coarse programme: laboratories and clinics pooled, classes grouped. Prices only."""
    tubes, first_day, curve, sizes = _coarse_classes(network)
    days, disciplines = network.days, network.kinds.shape[1]
    gain = np.maximum(curve[:, -1:] - curve[:, :-1], 0.0)
    usable = (gain > 0) & (np.arange(days)[None, :] >= first_day[:, None])
    class_at, day = np.nonzero(usable)
    at = np.arange(len(day))
    seat_start = len(sizes)
    tube_start = seat_start + days
    entries = [(at, class_at, np.ones(len(at))), (at, seat_start + day, np.ones(len(at)))]
    for discipline in range(disciplines):
        row = tube_start + discipline * days + day
        entries.append((at, row, tubes[class_at, discipline]))
    pooled = network.capacity.sum(axis=0).astype(float)
    upper = np.concatenate([sizes, network.seats.sum(axis=0).astype(float), pooled.ravel()])
    weight = gain[class_at, day]
    scale = max(float(weight.max(initial=0.0)), 1.0)
    model = _Model(weight / scale, entries, upper, sizes[class_at])
    _, duals = model.solve(seed=seed, as_integers=False)
    labs, clinics = network.capacity.shape[0], network.seats.shape[0]
    tube_prices = (duals[tube_start:] * scale).reshape(disciplines, days)
    seat_prices = duals[seat_start:tube_start] * scale
    return Prices(
        tubes=np.repeat(tube_prices[None], labs, axis=0),
        seats=np.repeat(seat_prices[None], clinics, axis=0),
    )


def _coarse_classes(network: Network) -> tuple[Array, Array, Array, Array]:
    """Group classes of similar tubes and harm: mean tubes, first day, harm curve, sizes."""
    rows, sizes = network.classes, network.class_sizes
    kinds = network.kinds[rows[:, 1]]
    curve = network.harm[rows[:, 2]].astype(float)
    keep = np.flatnonzero((curve[:, -1] > 0) & (rows[:, 3] < network.days))
    rows, sizes, kinds, curve = rows[keep], sizes[keep].astype(float), kinds[keep], curve[keep]
    order = np.lexsort((curve[:, network.days // 2], rows[:, 3], curve[:, -1], *kinds.T[::-1]))
    rows, sizes, kinds, curve = rows[order], sizes[order], kinds[order], curve[order]
    same = np.zeros(len(order), dtype=bool)
    if len(order):
        same[1:] = (
            (kinds[1:] == kinds[:-1]).all(axis=1)
            & (rows[1:, 3] == rows[:-1, 3])
            & (rows[1:, 2] == rows[:-1, 2])
        )
    label = np.cumsum(~same) - 1 if len(order) else np.zeros(0, dtype=np.int64)
    distinct = int(label[-1]) + 1 if len(order) else 0
    if distinct > POOLED_CLASSES_MAX:
        label = label * POOLED_CLASSES_MAX // distinct
        distinct = POOLED_CLASSES_MAX
    total = np.bincount(label, weights=sizes, minlength=distinct)

    def mean(values: Array) -> Array:
        columns = [
            np.bincount(label, weights=column * sizes, minlength=distinct) / total
            for column in values.T
        ]
        return np.array(columns).T.reshape(distinct, len(columns))

    first_day = mean(rows[:, 3:4].astype(float))[:, 0]
    return mean(kinds.astype(float)), np.floor(first_day), mean(curve), total


def new_solver(seed: int) -> highspy.Highs:
    """Make a solver that gives the same answer every time: one thread, a seed, limits in nodes."""
    solver = highspy.Highs()  # type: ignore[no-untyped-call] # highspy has no type information
    for name, value in (
        ("output_flag", False),
        ("threads", 1),
        ("parallel", "off"),
        ("random_seed", seed % 2**31),
        ("mip_max_nodes", INTEGER_NODES_MAX),
        ("mip_rel_gap", 1e-6),
    ):
        solver.setOptionValue(name, value)
    return solver


class _Model:
    """Maximise weight · x under rows that may not exceed `upper`, 0 <= x <= most."""

    def __init__(
        self,
        weight: Array,
        entries: list[tuple[Array, Array, Array]],
        upper: Array,
        most: Array,
    ) -> None:
        column, row, value = (np.concatenate(parts) for parts in zip(*entries, strict=True))
        order = np.flatnonzero(value != 0)
        order = order[np.argsort(column[order], kind="stable")]
        used, row = np.unique(row[order], return_inverse=True)
        self._used, self._row_count = used, len(upper)
        starts = np.searchsorted(column[order], np.arange(len(weight) + 1))
        lp = highspy.HighsLp()
        lp.num_col_, lp.num_row_ = len(weight), len(used)
        lp.col_cost_ = -weight
        lp.col_lower_, lp.col_upper_ = np.zeros(len(weight)), most
        lp.row_lower_ = np.full(len(used), -highspy.kHighsInf)
        lp.row_upper_ = upper[used]
        lp.a_matrix_.format_ = highspy.MatrixFormat.kColwise
        lp.a_matrix_.start_ = starts.astype(np.int32)
        lp.a_matrix_.index_ = row.astype(np.int32).reshape(-1)
        lp.a_matrix_.value_ = value[order].astype(float)
        self._lp = lp

    def solve(self, *, seed: int, as_integers: bool) -> tuple[Array, Array]:
        """Give the values, and the price of each row (0 where the solver gave none)."""
        lp = self._lp
        duals = np.zeros(self._row_count)
        if lp.num_col_ == 0:
            return np.zeros(0), duals
        solver = new_solver(seed)
        solver.passModel(lp)
        solver.run()
        solution = solver.getSolution()
        if solution.dual_valid:
            duals[self._used] = np.maximum(-np.array(solution.row_dual), 0.0)
        values = np.array(solution.col_value) if solution.value_valid else np.zeros(lp.num_col_)
        if as_integers:
            solver.changeColsIntegrality(
                lp.num_col_,
                np.arange(lp.num_col_, dtype=np.int32),
                np.array([highspy.HighsVarType.kInteger] * lp.num_col_),
            )
            solver.run()
            better = solver.getSolution()
            if better.value_valid:
                values = np.array(better.col_value)
        return values, duals
