"""Make prices better: subgradient ascent on the priced bound, with all needs and all clinics.

Advice only, in floating point; the bound is proved again in whole numbers by `bound.prove_bound`.
The number of steps depends on the problem's size alone, never on a clock.
"""

from __future__ import annotations

import numpy as np

from tourniquet.triage.bound import Prices, Quote, iterate_quotes
from tourniquet.triage.network import Array, Network

STEP_START = 1.0
STEP_SHRINK = 0.6
PATIENCE = 3
NO_CAP = 4.0  # a price this many times the worst harm is as good as none


def quote_classes(network: Network, prices: Prices) -> Array:
    """Give the least price of a place for each class and day, [class, T]."""
    cap = _cap(network)
    service = np.full((len(network.classes), network.days), cap)
    for quote in iterate_quotes(network, prices, cap):
        service[quote.classes] = quote.service
    return service


def _cap(network: Network) -> float:
    return NO_CAP * float(network.harm.max(initial=0)) + 1.0


def ascend(network: Network, prices: Prices, *, target: float, steps: int) -> tuple[Prices, float]:
    """Take `steps` steps from `prices` towards `target` (the harm of a plan); give the best found."""
    best, best_value = prices, -np.inf
    at = prices
    share, stale = STEP_START, 0
    for _ in range(steps + 1):
        value, tubes_used, seats_used = _evaluate(network, at)
        if value > best_value + 1e-9 * max(1.0, abs(best_value)):
            best, best_value, stale = at, value, 0
        else:
            stale += 1
            if stale >= PATIENCE:
                share, stale, at = share * STEP_SHRINK, 0, best
                value, tubes_used, seats_used = _evaluate(network, at)
        slope_tubes = tubes_used - network.capacity
        slope_seats = seats_used - network.seats
        slope_tubes = np.where((at.tubes <= 0) & (slope_tubes < 0), 0.0, slope_tubes)
        slope_seats = np.where((at.seats <= 0) & (slope_seats < 0), 0.0, slope_seats)
        norm = float((slope_tubes**2).sum() + (slope_seats**2).sum())
        if norm <= 0 or target - value <= 0:
            break
        step = share * (target - value) / norm
        at = Prices(
            tubes=np.maximum(at.tubes + step * slope_tubes, 0.0),
            seats=np.maximum(at.seats + step * slope_seats, 0.0),
        )
    return best, best_value


def _evaluate(network: Network, prices: Prices) -> tuple[float, Array, Array]:
    """Value the bound at `prices`, and count tubes and seats of the choices that it rests on."""
    harm = network.harm.astype(float)
    tubes_used = np.zeros(network.capacity.shape)
    seats_used = np.zeros(network.seats.shape)
    total = -float((prices.tubes * network.capacity).sum() + (prices.seats * network.seats).sum())
    for quote in iterate_quotes(network, prices, _cap(network)):
        rows = network.classes[quote.classes]
        curve = harm[rows[:, 2]]
        offered = curve[:, :-1] + quote.service
        offered[np.arange(network.days)[None, :] < rows[:, 3, None]] = np.inf
        day = offered.argmin(axis=1)
        best = offered[np.arange(len(day)), day]
        served = np.flatnonzero(best < curve[:, -1])
        sizes = network.class_sizes[quote.classes]
        total += float((np.minimum(best, curve[:, -1]) * sizes).sum())
        _count_use(network, quote, served, day[served], tubes_used, seats_used)
    return total, tubes_used, seats_used


def _count_use(
    network: Network,
    quote: Quote,
    served: Array,
    day: Array,
    tubes_used: Array,
    seats_used: Array,
) -> None:
    rows = network.classes[quote.classes[served]]
    sizes = network.class_sizes[quote.classes[served]]
    kind = quote.kind_in_chunk[served]
    reach = network.reach_table[rows[:, 0]]
    place = quote.clinic_cost[kind[:, None], reach, day[:, None]].argmin(axis=1)
    clinic = reach[np.arange(len(place)), place]
    lab = quote.lab_cost[kind, clinic, :, day].argmin(axis=1)
    np.add.at(seats_used, (clinic, day), sizes)
    tubes = network.kinds[rows[:, 1]] * sizes[:, None]
    for discipline in range(tubes.shape[1]):
        np.add.at(tubes_used, (lab, discipline, day), tubes[:, discipline])
