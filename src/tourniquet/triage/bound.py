"""Prove a lower bound on harm from prices on capacity.

Let every tube of a laboratory's discipline on a day, and every seat of a clinic on a day, have a
price of 0 or more. A need cannot do better than the cheapest of: not being served, or one of
its options with its harm and its prices. The sum of these over all needs, less the price of all
capacity, is at most the harm of any feasible plan (weak duality): whoever pays for what is there
pays no more than all of it costs. That holds for any prices, so it does not matter where they come
from; the solver's own objective is not trusted.

Invariants:
- `prove_bound` computes in whole numbers from end to end: prices are rounded to whole fractions of
  a unit first, and nothing after that is rounded but the final result, up to the next whole unit,
  which is sound because the harm of every plan is a whole number of units.
- No feasible plan is cut off: an option is left out only where a single need exceeds the capacity.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from tourniquet.triage.network import SAFE_INTEGER, Array, Network

PRICE_FRACTION = 1024  # prices are rounded to this part of a unit
CHUNK_CELLS = 3_000_000
NO_PLACE_FACTOR = 4.0  # a price this many times the worst harm stands for "there is no place"


@dataclass(frozen=True, slots=True)
class Prices:
    """What a tube and a seat cost on each day, in units of harm."""

    tubes: Array  # [L, K, T]
    seats: Array  # [C, T]


@dataclass(frozen=True, slots=True)
class Quote:
    """The cheapest priced service for some classes: `classes` are their numbers."""

    classes: Array
    service: Array  # cheapest price of a place for each class and day, capped, [class, T]
    lab_cost: Array  # [kind in chunk, C, L, T]
    clinic_cost: Array  # [kind in chunk, C + 1, T]
    kind_in_chunk: Array  # [class]


def iterate_quotes(network: Network, prices: Prices, cap: int | float) -> Iterator[Quote]:
    """Yield the prices of service class by class, in chunks. A price is at most `cap`."""
    clinics, labs = network.links.shape[1:]
    days = network.days
    step = max(1, CHUNK_CELLS // max(1, clinics * labs * days))
    kind_of_class = network.classes[:, 1]
    closed = network.seats <= 0
    for start in range(0, len(network.kinds), step):
        kinds = np.arange(start, min(start + step, len(network.kinds)))
        low, high = np.searchsorted(kind_of_class, [start, start + step])
        wanted = network.kinds[kinds]
        if prices.tubes.dtype == object:
            wanted = wanted.astype(object)
        cost = np.tensordot(wanted, prices.tubes, axes=(1, 1))  # [kind, L, T]
        cost = np.where(network.lab_days(kinds), np.minimum(cost, cap), cap)
        lab_cost = np.where(network.links[kinds][..., None], cost[:, None], cap)
        clinic_cost = np.full((len(kinds), clinics + 1, days), cap, dtype=prices.tubes.dtype)
        if labs:
            cheapest = np.minimum(lab_cost.min(axis=2) + prices.seats[None], cap)
            clinic_cost[:, :-1] = np.where(closed[None], cap, cheapest)
        groups, group_of = np.unique(network.classes[low:high, :2], axis=0, return_inverse=True)
        service = np.empty((len(groups), days), dtype=prices.tubes.dtype)
        width = network.reach_table.shape[1]
        block = max(1, CHUNK_CELLS // max(1, width * days))
        for first in range(0, len(groups), block):
            part = groups[first : first + block]
            table = clinic_cost[(part[:, 1] - start)[:, None], network.reach_table[part[:, 0]]]
            service[first : first + block] = table.min(axis=1)
        yield Quote(
            classes=np.arange(low, high),
            service=service[group_of.reshape(-1)],
            lab_cost=lab_cost,
            clinic_cost=clinic_cost,
            kind_in_chunk=kind_of_class[low:high] - start,
        )


def no_place(network: Network) -> float:
    """Give the price that stands for "there is no place"."""
    return NO_PLACE_FACTOR * float(network.harm.max(initial=0)) + 1.0


def quote_classes(network: Network, prices: Prices) -> Array:
    """Give the least price of a place for each class and day, [class, T]."""
    cap = no_place(network)
    service = np.full((len(network.classes), network.days), cap)
    for quote in iterate_quotes(network, prices, cap):
        service[quote.classes] = quote.service
    return service


def route(network: Network, quote: Quote, picked: Array, day: Array) -> tuple[Array, Array]:
    """Give the cheapest clinic and laboratory on `day` of each picked class of `quote`."""
    rows = network.classes[quote.classes[picked]]
    kind = quote.kind_in_chunk[picked]
    reach = network.reach_table[rows[:, 0]]
    place = quote.clinic_cost[kind[:, None], reach, day[:, None]].argmin(axis=1)
    clinic = reach[np.arange(len(place)), place]
    return clinic, quote.lab_cost[kind, clinic, :, day].argmin(axis=1)


def prove_bound(network: Network, prices: Prices) -> int:
    """Prove a lower bound from `prices` (floating point), in units; 0 or more."""
    ceiling = int(network.harm.max()) if network.harm.size else 0
    if ceiling == 0:
        return 0
    most_tubes = min(int(network.kinds.max(initial=0)), int(network.capacity.max(initial=0)))
    factor = max(network.need_count, most_tubes * network.kinds.shape[1]) + 1
    worst = ceiling * PRICE_FRACTION * 4 * factor
    kind: type = np.int64 if worst < SAFE_INTEGER else object
    exact = Prices(
        tubes=_round_prices(prices.tubes, ceiling, kind),
        seats=_round_prices(prices.seats, ceiling, kind),
    )
    harm: Array = network.harm.astype(kind) * PRICE_FRACTION
    total = 0
    for quote in iterate_quotes(network, exact, ceiling * PRICE_FRACTION):
        best = _best_costs(network, harm, quote)
        total += sum(
            size * cost
            for size, cost in zip(
                network.class_sizes[quote.classes].tolist(), best.tolist(), strict=True
            )
        )
    total -= sum(
        int(price) * int(count)
        for price, count in zip(exact.tubes.flat, _useful_tubes(network).flat, strict=True)
        if price
    )
    total -= sum(
        int(price) * int(count)
        for price, count in zip(exact.seats.flat, network.seats.flat, strict=True)
        if price
    )
    return max(0, -(-total // PRICE_FRACTION))


def _best_costs(network: Network, harm: Array, quote: Quote) -> Array:
    """Give the least harm plus price of each class, served or not."""
    rows = network.classes[quote.classes]
    curve = harm[rows[:, 2]]
    offered = curve[:, :-1] + quote.service
    too_early = np.arange(network.days)[None, :] < rows[:, 3, None]
    offered = np.where(too_early, curve[:, -1:], offered)
    return np.asarray(np.minimum(offered.min(axis=1), curve[:, -1]))


def _round_prices(prices: Array, ceiling: int, kind: type) -> Array:
    """Round prices to whole parts of a unit, within 0 and the ceiling; what is not finite to 0."""
    values = [
        min(max(round(value * PRICE_FRACTION), 0), ceiling * PRICE_FRACTION)
        if np.isfinite(value)
        else 0
        for value in prices.ravel().tolist()
    ]
    return np.array(values, dtype=kind).reshape(prices.shape)


def _useful_tubes(network: Network) -> Array:
    """Give the tubes that are worth having: never more than all needs together ask for."""
    counts = np.bincount(network.kind_of, minlength=len(network.kinds))
    demand = [
        sum(int(tubes) * int(count) for tubes, count in zip(column, counts, strict=True))
        for column in network.kinds.T
    ]
    useful = network.capacity.astype(object)
    for at, most in enumerate(demand):
        useful[:, at, :] = np.minimum(useful[:, at, :], most)
    return useful
