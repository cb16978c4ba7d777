"""The problem as arrays: who can be served where and when, and what each day costs each need.

Invariants:
- Reach, stability and harm are decided exactly, in whole numbers or fractions.
- `harm` counts in whole multiples of `unit`, so the harm of every plan is a whole number of units.
- Needs of one class may be exchanged for one another in any plan: feasibility and harm stay.

A *kind* is a tubes vector with the couriers that are quick enough for it; a *reach* is a set of
clinics; a *profile* is a harm curve. A class is a reach, a kind, a profile and a first day.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tourniquet.triage.problem import Clinic, Number, Problem, Zone

Array = NDArray[Any]

COURIER_MARGIN_HOURS = 1  # Source: the interface; a specimen must arrive one hour before it spoils
SAFE_INTEGER = 2**60  # sums below this are exact in 64-bit integers
NO_RANK = 2**30


@dataclass(frozen=True, slots=True)
class Network:
    """Arrays of one problem. Axes: C clinics, L laboratories, K disciplines, T days."""

    days: int
    seats: Array  # [C, T]
    capacity: Array  # [L, K, T]
    kinds: Array  # tubes, [kind, K]
    links: Array  # a courier is quick enough, [kind, C, L]
    reaches: tuple[tuple[int, ...], ...]  # clinics, [reach]
    reach_table: Array  # the same, padded with C, [reach, widest]
    rank: Array  # how near a clinic is, [zone, C]
    harm: Array  # units; the last column is "not served", [profile, T + 1]
    unit: Fraction
    zone_of: Array  # [need]
    reach_of: Array
    kind_of: Array
    profile_of: Array
    first_day: Array  # first day of service, T where there is none, [need]
    class_of: Array  # [need]
    classes: Array  # columns reach, kind, profile, first day; sorted by kind
    class_sizes: Array
    booked_clinic: Array  # -1 where there is none, [need]
    booked_day: Array  # -1 where there is none or it is outside the horizon

    @property
    def need_count(self) -> int:
        """Count the needs."""
        return len(self.class_of)

    def lab_days(self, kinds: Array) -> Array:
        """Say on which days a laboratory could take each of `kinds` at all: [kind, L, T]."""
        wanted = self.kinds[kinds]
        return np.asarray((self.capacity[None] >= wanted[:, None, :, None]).all(axis=2))


def build_network(problem: Problem) -> Network:
    """Build the arrays of `problem`."""
    days = problem.days
    clinic_at = {row.clinic: at for at, row in enumerate(problem.clinics)}
    lab_at = {row.lab: at for at, row in enumerate(problem.labs)}
    discipline_at = {name: at for at, name in enumerate(problem.disciplines)}
    needs = problem.needs

    seats = np.zeros((len(clinic_at), days), dtype=np.int64)
    for row in problem.seats:
        if 0 <= row.day < days:
            seats[clinic_at[row.clinic], row.day] = min(row.seats, len(needs))
    capacity = np.zeros((len(lab_at), len(discipline_at), days), dtype=np.int64)
    for line in problem.lab_capacity:
        at = discipline_at.get(line.discipline)
        if at is not None and 0 <= line.day < days:
            capacity[lab_at[line.lab], at, line.day] = line.tubes

    zone_of, reach_of, reaches, rank = _reaches(problem)
    kind_of, kinds, links = _kinds(problem, clinic_at, lab_at)
    profile_of, harm, unit = _profiles(problem)
    first_day = np.array([min(max(need.released, 0), days) for need in needs], dtype=np.int64)
    widest = max((len(reach) for reach in reaches), default=0)
    reach_table = np.full((len(reaches), max(widest, 1)), len(clinic_at), dtype=np.int64)
    for at, reach in enumerate(reaches):
        reach_table[at, : len(reach)] = reach
    keys = np.stack([kind_of, reach_of, profile_of, first_day], axis=1)
    classes, class_of, sizes = _unique_rows(keys)
    return Network(
        days=days,
        seats=seats,
        capacity=capacity,
        kinds=kinds,
        links=links,
        reaches=reaches,
        reach_table=reach_table,
        rank=rank,
        harm=harm,
        unit=unit,
        zone_of=zone_of,
        reach_of=reach_of,
        kind_of=kind_of,
        profile_of=profile_of,
        first_day=first_day,
        class_of=class_of,
        classes=classes[:, [1, 0, 2, 3]],
        class_sizes=sizes,
        booked_clinic=np.array(
            [clinic_at[n.booked_clinic] if n.booked_clinic else -1 for n in needs], dtype=np.int64
        ),
        booked_day=np.array(
            [
                n.booked_day if n.booked_day is not None and 0 <= n.booked_day < days else -1
                for n in needs
            ],
            dtype=np.int64,
        ),
    )


def merge_clinics(network: Network) -> tuple[Network, Array]:
    """Make the network with all clinics as one; give it, and the merged class of each need.

    The merged class is -1 for needs that no day can help. Advice only: the merged network's
    needs travel for nothing, so its plans are not plans.
    """
    rows = network.classes
    helped = np.flatnonzero((network.harm[rows[:, 2], -1] > 0) & (rows[:, 3] < network.days))
    classes, class_of, _ = _unique_rows(rows[helped][:, 1:])
    merged_of = np.full(len(rows), -1, dtype=np.int64)
    merged_of[helped] = class_of
    sizes = np.zeros(len(classes), dtype=np.int64)
    np.add.at(sizes, class_of, network.class_sizes[helped])
    merged = dataclasses.replace(
        network,
        seats=network.seats.sum(axis=0, keepdims=True),
        links=np.asarray(network.links.any(axis=1, keepdims=True)),
        reaches=((0,),),
        reach_table=np.zeros((1, 1), dtype=np.int64),
        classes=np.concatenate([np.zeros((len(classes), 1), dtype=np.int64), classes], axis=1),
        class_sizes=sizes,
    )
    return merged, merged_of[network.class_of]


def _unique_rows(keys: Array) -> tuple[Array, Array, Array]:
    """Give the distinct rows in order, which of them each row is, and how often each occurs."""
    if not len(keys):
        return keys, np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)
    order = np.lexsort(keys.T[::-1])
    ordered = keys[order]
    starts = np.concatenate([[True], (ordered[1:] != ordered[:-1]).any(axis=1)])
    of_ordered = np.cumsum(starts) - 1
    class_of = np.empty(len(keys), dtype=np.int64)
    class_of[order] = of_ordered
    return ordered[starts], class_of, np.bincount(of_ordered)


def _whole(values: Sequence[Number]) -> tuple[list[int], int]:
    """Bring numbers to a common denominator: their numerators, and that denominator."""
    distinct = {value: Fraction(value) for value in set(values)}
    denominator = math.lcm(*(value.denominator for value in distinct.values()), 1)
    scaled = {key: int(value * denominator) for key, value in distinct.items()}
    return [scaled[value] for value in values], denominator


def _integers(values: list[int], shape: tuple[int, ...], *, limit: int) -> Array:
    """Make an array of 64-bit integers where all are below `limit`, of Python's integers else."""
    fits = all(abs(value) < limit for value in values)
    return np.array(values, dtype=np.int64 if fits else object).reshape(shape)


def _reaches(problem: Problem) -> tuple[Array, Array, tuple[tuple[int, ...], ...], Array]:
    """Find which clinics each need may go to: within travel of its zone, or nearest to it."""
    zones, clinics = problem.zones, problem.clinics
    places: list[Zone | Clinic] = [*zones, *clinics]
    coordinates, scale = _whole([value for place in places for value in (place.x_km, place.y_km)])
    points = _integers(coordinates, (len(places), 2), limit=2**29)
    apart = points[: len(zones), None, :] - points[None, len(zones) :, :]
    squared = (apart * apart).sum(axis=2)  # [zone, clinic], in 1/scale² km²
    zone_at = {row.zone: at for at, row in enumerate(zones)}
    found: dict[tuple[int, ...], int] = {}
    known: dict[tuple[str, Number], int] = {}
    reach_of: list[int] = []
    for need in problem.needs:
        key = (need.zone, need.travel_km)
        reach = known.get(key)
        if reach is None:
            row = squared[zone_at[need.zone]]
            limit = (Fraction(need.travel_km) * scale) ** 2
            furthest = max(limit.numerator // limit.denominator, row.min() if len(clinics) else 0)
            inside = tuple(at for at, value in enumerate(row.tolist()) if value <= furthest)
            reach = known[key] = found.setdefault(inside, len(found))
        reach_of.append(reach)
    rank = np.argsort(np.argsort(squared, axis=1, kind="stable"), axis=1, kind="stable")
    zone_of = np.array([zone_at[need.zone] for need in problem.needs], dtype=np.int64)
    return zone_of, np.array(reach_of, dtype=np.int64), tuple(found), rank


def _kinds(
    problem: Problem, clinic_at: dict[str, int], lab_at: dict[str, int]
) -> tuple[Array, Array, Array]:
    """Find the distinct pairs of tubes and couriers that are quick enough."""
    hours = {
        (clinic_at[row.clinic], lab_at[row.lab]): Fraction(row.hours) for row in problem.couriers
    }
    ladder = sorted(set(hours.values()))  # what matters of a stability is how many rungs it passes
    rungs: dict[Number, int] = {}
    for stability in {need.stability_hours for need in problem.needs}:
        limit = Fraction(stability) - COURIER_MARGIN_HOURS
        rungs[stability] = sum(1 for value in ladder if value <= limit)
    found: dict[tuple[tuple[int, ...], int], int] = {}
    kind_of = np.array(
        [
            found.setdefault((need.tubes, rungs[need.stability_hours]), len(found))
            for need in problem.needs
        ],
        dtype=np.int64,
    )
    by_rung: dict[int, Array] = {}
    for rung in sorted({rung for _, rung in found}):
        table = np.zeros((len(clinic_at), len(lab_at)), dtype=bool)
        for (clinic, lab), value in hours.items():
            table[clinic, lab] = rung > 0 and value <= ladder[rung - 1]
        by_rung[rung] = table
    kinds = np.array([tubes for tubes, _ in found], dtype=np.int64)
    kinds = kinds.reshape(len(found), len(problem.disciplines))
    links = np.array([by_rung[rung] for _, rung in found], dtype=bool)
    return kind_of, kinds, links.reshape(len(found), len(clinic_at), len(lab_at))


def _profiles(problem: Problem) -> tuple[Array, Array, Fraction]:
    """Compute the harm of each distinct curve for each day and for "not served", in units."""
    end = problem.days + problem.tail_days
    base, scale = _whole([need.harm_per_day for need in problem.needs])
    escalated, escalated_scale = _whole([need.escalated_harm_per_day for need in problem.needs])
    common = math.lcm(scale, escalated_scale)
    found: dict[tuple[int, int, int, int], int] = {}
    profile_of: list[int] = []
    for at, need in enumerate(problem.needs):
        escalates = end if need.escalates_on is None else min(max(need.escalates_on, 0), end)
        key = (
            min(max(need.safe_until, 0), end),
            escalates,
            base[at] * (common // scale),
            escalated[at] * (common // escalated_scale),
        )
        profile_of.append(found.setdefault(key, len(found)))
    step = math.gcd(*(rate for key in found for rate in key[2:])) or 1
    largest = sum((key[2] + key[3]) // step * end for key in found)
    kind: Any = np.int64 if largest * (len(profile_of) + 1) < SAFE_INTEGER else object
    table = np.zeros((len(found), 4), dtype=kind)
    for row, key in enumerate(found):
        table[row] = [key[0], key[1], key[2] // step, key[3] // step]
    until = np.array([*range(problem.days), end], dtype=kind)[None, :]
    safe, escalates_on, low, high = (table[:, column, None] for column in range(4))
    harm = low * np.maximum(np.minimum(until, escalates_on) - safe, 0)
    harm = harm + high * np.maximum(until - escalates_on, 0)
    return np.array(profile_of, dtype=np.int64), harm, Fraction(step, common)
