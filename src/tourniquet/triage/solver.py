"""Plan a region: from a problem to a decision, a day and a reason for every need.

1. Turn the problem into arrays and classes of interchangeable needs (`network`).
2. Ask HiGHS for prices on capacity and for counts: all options at once where the problem is small
   (`programme`), those that pay where it is larger (`generation`), pooled where it is large.
3. Place single needs by counts and by prices, never beyond a seat or a tube (`placement`).
4. Improve the best placement; then, without more harm, serve more, keep bookings, serve earlier.
5. Prove the lower bound from the best prices, in whole numbers (`bound`).
6. Say why, need by need (`reasons`).

Invariants:
- Pure and deterministic: the same problem and seed give the same plan; no clock, no hash order.
- Every plan is feasible, and 0 <= lower_bound <= harm.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from tourniquet.triage import generation, programme, rules
from tourniquet.triage.bound import Prices, prove_bound, quote_classes
from tourniquet.triage.generation import QUICK, THOROUGH, Effort
from tourniquet.triage.network import Array, Network, build_network, merge_clinics
from tourniquet.triage.placement import NOWHERE, Placement
from tourniquet.triage.problem import (
    BOOK,
    DEFER,
    KEEP,
    MOVE,
    Decision,
    Plan,
    Problem,
    Summary,
)
from tourniquet.triage.reasons import Reasons

GENERATION_CLASSES_MAX = 1_500
MERGED_CLASSES_MAX = 2_500
IMPROVE_CHECKS = 40_000
TIE_SHARE = 1e-7  # priced costs closer than this part of the worst harm are equal
ORDERS = ("stake", "rent", "density")
ORDERS_TRIED_MAX_NEEDS = 3_000


@dataclass(frozen=True, slots=True)
class _Candidate:
    harm: int
    served: int
    placement: Placement


def solve(problem: Problem, *, seed: int = 0, effort: Effort = THOROUGH) -> Plan:
    """Plan `problem`. Expects a consistent problem, as `reading.read_problem` gives."""
    network = build_network(problem)
    placement, bound = _plan_network(network, seed=seed, effort=effort)
    assert bound <= placement.total_harm()
    return _write_plan(problem, network, placement, bound)


def solve_quickly(problem: Problem) -> Plan:
    """Plan a live region: a person waits for it, and a percent of harm is content enough."""
    return solve(problem, effort=QUICK)


def prove_least_harm(problem: Problem) -> Fraction:
    """A harm that no plan of `problem` can be below, without making one; sound, not the best."""
    network = build_network(problem)
    if network.need_count == 0 or not network.links.size:
        return prove_bound(network, _no_prices(network)) * network.unit
    prices = (_no_prices(network), programme.solve_pooled(network, seed=0))
    return max(prove_bound(network, each) for each in prices) * network.unit


def _plan_network(network: Network, *, seed: int, effort: Effort) -> tuple[Placement, int]:
    if network.need_count == 0 or not network.links.size:
        return Placement(network), prove_bound(network, _no_prices(network))
    prices: list[Prices] = [_no_prices(network)]
    found: list[Placement] = []
    if effort is THOROUGH and programme.count_columns(network) <= programme.INTEGER_COLUMNS_MAX:
        solution = programme.solve_exact(network, seed=seed)
        prices.append(solution.prices)
        found.append(_place_counts(network, solution))
    else:
        pooled = programme.solve_pooled(network, seed=seed)
        prices.append(pooled)
        merged, merged_of = merge_clinics(network)
        if len(network.classes) <= GENERATION_CLASSES_MAX:
            solution = generation.generate(network, pooled, seed=seed, effort=effort)
            prices.append(solution.prices)
            found.append(_place_counts(network, solution))
        elif 0 < len(merged.classes) <= MERGED_CLASSES_MAX:
            start = Prices(tubes=pooled.tubes, seats=pooled.seats[:1])
            solution = generation.generate(merged, start, seed=seed, effort=effort)
            prices.append(_spread(network, solution.prices))
            found.append(_place_merged(network, solution, merged_of, prices[-1]))
    for each in prices if network.need_count <= ORDERS_TRIED_MAX_NEEDS or not found else ():
        found.extend(_place_by_prices(network, each))
    bounds = [prove_bound(network, each) for each in prices]
    best = _choose(found)
    if best.harm > max(bounds):
        best.placement.improve(checks=IMPROVE_CHECKS)
    best.placement.prefer()
    return best.placement, min(max(bounds), best.placement.total_harm())


def _no_prices(network: Network) -> Prices:
    return Prices(tubes=np.zeros(network.capacity.shape), seats=np.zeros(network.seats.shape))


def _choose(placements: list[Placement]) -> _Candidate:
    """Choose the placement of least harm, then most served, then first."""
    candidates = [
        _Candidate(each.total_harm(), sum(day != NOWHERE for day in each.day), each)
        for each in placements
    ]
    return min(candidates, key=lambda each: (each.harm, -each.served))


def _new_placement(network: Network, prices: Prices) -> Placement:
    return Placement(
        network,
        seat_prices=prices.seats.tolist() if prices.seats.any() else None,
        lab_prices=prices.tubes.transpose(0, 2, 1).tolist() if prices.tubes.any() else None,
    )


def _place_counts(network: Network, solution: programme.Solution) -> Placement:
    """Place as many of each class as the programme says, then the rest by its prices."""
    placement = _new_placement(network, solution.prices)
    counts = np.floor(solution.counts + 1e-6).astype(int)
    members: list[list[int]] = [[] for _ in range(len(network.classes))]
    for need in range(network.need_count - 1, -1, -1):
        members[network.class_of[need]].append(need)
    columns = solution.columns
    for at in np.flatnonzero(counts).tolist():
        waiting = members[columns.class_at[at]]
        clinic, lab, day = int(columns.clinic[at]), int(columns.lab[at]), int(columns.day[at])
        wanted = min(int(counts[at]), len(waiting))
        booked = [
            need
            for need in waiting
            if network.booked_day[need] == day and network.booked_clinic[need] == clinic
        ]
        chosen = (booked + [need for need in reversed(waiting) if need not in booked])[:wanted]
        for need in chosen:
            if placement.fits(need, clinic, lab, day):
                placement.put(need, clinic, lab, day)
                waiting.remove(need)
    service = quote_classes(network, solution.prices)
    _place_rest(network, placement, service, order="rent")
    return placement


def _spread(network: Network, prices: Prices) -> Prices:
    """Give every clinic the seat prices of the one that stood for all."""
    return Prices(tubes=prices.tubes, seats=np.repeat(prices.seats, len(network.seats), axis=0))


def _place_merged(
    network: Network, solution: programme.Solution, merged_of: Array, prices: Prices
) -> Placement:
    """Place as many of each merged class on each day in each laboratory as the programme says.

    Each goes to the nearest clinic from which a courier reaches that laboratory; the rest go by
    prices. The most harm avoided goes first.
    """
    placement = _new_placement(network, prices)
    columns, counts = solution.columns, np.floor(solution.counts + 0.5).astype(int)
    order = np.argsort(merged_of, kind="stable")
    ends = np.searchsorted(merged_of[order], np.arange(int(merged_of.max()) + 2))
    members: dict[int, list[int]] = {}
    used = np.flatnonzero(counts)
    for at in used[np.lexsort((columns.day[used], -columns.gain[used]))].tolist():
        group = int(columns.class_at[at])
        if group not in members:
            members[group] = order[ends[group] : ends[group + 1]].tolist()
        day, lab = int(columns.day[at]), int(columns.lab[at])
        members[group] = _place_some(placement, members[group], int(counts[at]), day, lab)
    _place_rest(network, placement, quote_classes(network, prices), order="stake")
    return placement


def _place_some(
    placement: Placement, waiting: list[int], wanted: int, day: int, lab: int
) -> list[int]:
    """Place up to `wanted` of those waiting, the ones booked that day first; give who is left."""
    if any(placement.booked_day[need] == day for need in waiting):
        waiting = sorted(waiting, key=lambda need: placement.booked_day[need] != day)
    left: list[int] = []
    for at, need in enumerate(waiting):
        if wanted == 0:
            return left + waiting[at:]
        if placement.put_in_lab(need, lab, day):
            wanted -= 1
        else:
            left.append(need)
    return left


def _place_by_prices(network: Network, prices: Prices) -> list[Placement]:
    service = quote_classes(network, prices)
    orders = ORDERS if network.need_count <= ORDERS_TRIED_MAX_NEEDS else ORDERS[:1]
    placements = []
    for order in orders:
        placement = _new_placement(network, prices)
        _place_rest(network, placement, service, order=order)
        placements.append(placement)
    return placements


def _place_rest(network: Network, placement: Placement, service: Array, *, order: str) -> None:
    """Place whoever is nowhere: those who gain most first, each on its cheapest day with room."""
    rows = network.classes
    curve = network.harm.astype(float)[rows[:, 2]]
    tie = TIE_SHARE * max(float(curve.max(initial=0.0)), 1.0)
    cost = curve[:, :-1] + service
    cost[np.arange(network.days)[None, :] < rows[:, 3, None]] = np.inf
    best = cost.min(axis=1)
    ranked = np.round(cost / tie) if tie > 0 else cost
    days = np.argsort(ranked, axis=1, kind="stable")
    worth = (np.take_along_axis(cost, days, axis=1) <= curve[:, -1:] + tie).sum(axis=1)
    score = _score(order, curve, best, network)
    class_of = network.class_of
    sequence = np.lexsort((np.arange(network.need_count), -score[class_of])).tolist()
    day_lists: list[list[int]] = days.tolist()
    worth_list: list[int] = worth.tolist()
    ranked_lists: list[list[float]] = ranked.tolist()
    class_list: list[int] = class_of.tolist()
    left: list[int] = []
    for need in sequence:
        if placement.day[need] != NOWHERE or placement.has_nothing(need):
            continue
        at = class_list[need]
        wanted = day_lists[at][: worth_list[at]]
        if not _place_one(placement, need, wanted, ranked_lists[at]):
            left.append(need)
    for need in left:  # whoever the prices would leave out takes what is left over
        placement.put_earliest(need)


def _place_one(placement: Placement, need: int, wanted: list[int], ranked: list[float]) -> bool:
    """Place a need on the first of the wanted days with room, as booked where that is as good."""
    booked = placement.booked_day[need]
    for day in wanted:
        if booked != NOWHERE and ranked[booked] <= ranked[day]:
            clinic = placement.booked_clinic[need]
            if booked >= placement.first_day[need]:
                lab = placement.find_clinic_place(need, clinic, booked)
                if lab is not None:
                    placement.put(need, clinic, lab, booked)
                    return True
            booked = NOWHERE
        place = placement.find_place(need, day)
        if place is not None:
            placement.put(need, place[0], place[1], day)
            return True
    return False


def _score(order: str, curve: Array, best: Array, network: Network) -> Array:
    unserved = curve[:, -1]
    rent = np.where(np.isfinite(best), unserved - best, 0.0)
    if order == "stake":
        return unserved
    if order == "density":
        tubes = network.kinds[network.classes[:, 1]].sum(axis=1)
        return np.asarray(unserved / (1.0 + tubes))
    return np.asarray(rent)


def _write_plan(problem: Problem, network: Network, placement: Placement, bound: int) -> Plan:
    reasons = Reasons(problem, network, placement)
    decisions: list[Decision] = []
    counts = {KEEP: 0, MOVE: 0, BOOK: 0, DEFER: 0}
    urgent = 0
    for at, need in enumerate(problem.needs):
        day = placement.day[at] if placement.day[at] != NOWHERE else None
        urgent += rules.is_urgent_unserved(need, day)
        clinic = problem.clinics[placement.clinic[at]].clinic if day is not None else ""
        lab = problem.labs[placement.lab[at]].lab if day is not None else ""
        if day is None:
            word = DEFER
        elif need.booked_day is None:
            word = BOOK
        elif (clinic, day) == (need.booked_clinic, need.booked_day):
            word = KEEP
        else:
            word = MOVE
        counts[word] += 1
        decisions.append(
            Decision(
                need.need,
                word,
                clinic,
                lab,
                day,
                rules.choose_review_day(need, day),
                reasons.explain(at, word),
            )
        )
    return Plan(
        decisions=tuple(decisions),
        summary=Summary(
            harm=placement.total_harm() * network.unit,
            lower_bound=bound * network.unit,
            kept=counts[KEEP],
            moved=counts[MOVE],
            booked=counts[BOOK],
            deferred=counts[DEFER],
            urgent_unserved=urgent,
        ),
    )
