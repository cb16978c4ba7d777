"""The planner's benchmark: a seeded synthetic region under reduced capacity, planned and measured.

Everything in it is synthetic and proposed; the indications follow the shape of a region's blood
tests, not anybody's data. Strict priority, which serves P1 first, then P2 and so on, each by safe
day at the first place with room, is the competitor that anyone could run on paper.
"""

from __future__ import annotations

import math
import random
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from tourniquet.triage.problem import Clinic, Need, Plan, Problem, Zone

DISCIPLINES = ("chemistry", "haematology", "coagulation", "immunology", "microbiology", "other")
REGION_KM = 24.0
COURIER_KM_PER_HOUR = 12.0
CAPACITY_SHARE_FIRST = 0.20
CAPACITY_SHARE_LAST = 0.80


@dataclass(frozen=True, slots=True)
class _Indication:
    code: str
    priority: str
    share: float
    deferral_days: int
    harm_per_day: int
    escalates_after_days: int | None
    escalated_harm_per_day: int
    stability_hours: int
    tubes: tuple[int, ...]


_INDICATIONS = (
    _Indication("SEPS", "P1", 0.01, 0, 100, 1, 400, 6, (1, 1, 0, 0, 1, 0)),
    _Indication("AKI", "P1", 0.02, 1, 60, 3, 200, 6, (1, 0, 0, 0, 0, 0)),
    _Indication("2WW", "P2", 0.06, 3, 20, 10, 60, 24, (1, 1, 0, 0, 0, 0)),
    _Indication("CHEMO", "P2", 0.03, 1, 30, 4, 80, 12, (1, 1, 0, 0, 0, 0)),
    _Indication("INR-U", "P2", 0.03, 1, 25, 5, 70, 8, (0, 0, 1, 0, 0, 0)),
    _Indication("ANC", "P2", 0.05, 5, 12, None, 12, 24, (1, 1, 0, 1, 0, 0)),
    _Indication("INR-S", "P3", 0.06, 7, 5, 21, 20, 8, (0, 0, 1, 0, 0, 0)),
    _Indication("SYMP", "P3", 0.16, 7, 6, 21, 15, 12, (1, 1, 0, 0, 0, 0)),
    _Indication("TITR", "P3", 0.08, 7, 4, 28, 10, 12, (1, 0, 0, 0, 0, 0)),
    _Indication("A1C-D", "P3", 0.05, 14, 3, None, 3, 48, (0, 1, 0, 0, 0, 0)),
    _Indication("SWAB", "P3", 0.05, 2, 4, 7, 8, 48, (0, 0, 0, 0, 1, 0)),
    _Indication("CKD", "P4", 0.12, 28, 2, 60, 6, 24, (1, 0, 0, 0, 0, 0)),
    _Indication("LIP", "P4", 0.10, 84, 1, None, 1, 24, (1, 0, 0, 0, 0, 0)),
    _Indication("HAEM", "P4", 0.06, 42, 1, 90, 3, 24, (0, 1, 0, 0, 0, 0)),
    _Indication("NHSHC", "P5", 0.08, 120, 1, None, 1, 24, (1, 1, 0, 0, 0, 0)),
    _Indication("OTHER", "P5", 0.04, 90, 1, None, 1, 48, (0, 0, 0, 1, 0, 1)),
)


def make_problem(
    *, needs: int, seed: int = 7, zones: int = 200, clinics: int = 60, labs: int = 8, days: int = 28
) -> Problem:
    """Make a synthetic region with `needs` needs; the same arguments make the same one."""
    from tourniquet.triage.problem import (
        Clinic,
        Courier,
        Lab,
        LabCapacity,
        Problem,
        Seats,
        Zone,
    )

    chance = random.Random(seed)  # noqa: S311 - a synthetic region, nothing secret

    def place() -> float:
        return round(chance.uniform(0, REGION_KM), 2)

    zone_rows = tuple(Zone(f"Z{at:03}", f"B{at % 6}", place(), place()) for at in range(zones))
    clinic_rows = tuple(
        Clinic(f"C{at:02}", chance.choice(zone_rows).zone, place(), place())
        for at in range(clinics)
    )
    lab_rows = tuple(Lab(f"L{at}", at < 2) for at in range(labs))
    lab_places = [(place(), place()) for _ in lab_rows]
    couriers = tuple(
        Courier(clinic.clinic, lab.lab, round(1.0 + _apart(clinic, at) / COURIER_KM_PER_HOUR, 1))
        for clinic in clinic_rows
        for lab, at in zip(lab_rows, lab_places, strict=True)
        if chance.random() < 0.9
    )
    a_day = needs / days
    demand = [
        sum(kind.share * kind.tubes[at] for kind in _INDICATIONS) for at in range(len(DISCIPLINES))
    ]
    weights = [chance.uniform(0.5, 2.0) for _ in lab_rows]
    capacity = []
    for day in range(days):
        share = CAPACITY_SHARE_FIRST + (CAPACITY_SHARE_LAST - CAPACITY_SHARE_FIRST) * day / days
        for lab, weight in zip(lab_rows, weights, strict=True):
            for name, tubes in zip(DISCIPLINES, demand, strict=True):
                mean = a_day * tubes * share * weight / sum(weights)
                capacity.append(
                    LabCapacity(lab.lab, name, day, round(mean * chance.uniform(0.7, 1.3)))
                )
    seats = tuple(
        Seats(clinic.clinic, day, round(a_day / clinics * chance.uniform(0.3, 0.9)))
        for clinic in clinic_rows
        for day in range(days)
        if day % 7 not in {5, 6}
    )
    return Problem(
        days=days,
        tail_days=14,
        disciplines=DISCIPLINES,
        zones=zone_rows,
        clinics=clinic_rows,
        labs=lab_rows,
        seats=seats,
        lab_capacity=tuple(capacity),
        couriers=couriers,
        needs=_make_needs(chance, needs, zone_rows, clinic_rows, days),
    )


def _apart(clinic: Clinic, place: tuple[float, float]) -> float:
    return math.hypot(float(clinic.x_km) - place[0], float(clinic.y_km) - place[1])


def _make_needs(
    chance: random.Random,
    count: int,
    zones: tuple[Zone, ...],
    clinics: tuple[Clinic, ...],
    days: int,
) -> tuple[Need, ...]:
    from tourniquet.triage.problem import Need

    shares = [kind.share for kind in _INDICATIONS]
    nearest: dict[str, str] = {}
    for zone in zones:
        place = (float(zone.x_km), float(zone.y_km))
        nearest[zone.zone] = min((_apart(clinic, place), clinic.clinic) for clinic in clinics)[1]
    rows = []
    for at, kind in enumerate(chance.choices(_INDICATIONS, shares, k=count)):
        home = chance.choice(zones).zone
        due = chance.randint(-7, days - 1)
        safe_until = due + kind.deferral_days
        after = kind.escalates_after_days
        is_booked = chance.random() < 0.6
        rows.append(
            Need(
                need=f"N{at:06}",
                patient=f"S{at:06}",
                zone=home,
                indication=kind.code,
                priority=kind.priority,
                released=due - 7 if kind.priority != "P1" else due,
                due=due,
                safe_until=safe_until,
                harm_per_day=kind.harm_per_day,
                escalates_on=None if after is None else safe_until + after,
                escalated_harm_per_day=kind.escalated_harm_per_day,
                stability_hours=kind.stability_hours,
                travel_km=chance.choice((3, 5, 8)),
                booked_clinic=nearest[home] if is_booked else "",
                booked_day=max(due, 0) if is_booked else None,
                tubes=kind.tubes,
            )
        )
    return tuple(rows)


def place_strictly(problem: Problem) -> tuple[float, int]:
    """Serve by strict priority, first place with room; give harm and how many were served."""
    from tourniquet.triage.network import build_network
    from tourniquet.triage.placement import Placement

    network = build_network(problem)
    placement = Placement(network)
    order = sorted(
        range(len(problem.needs)),
        key=lambda at: (problem.needs[at].priority, problem.needs[at].safe_until, at),
    )
    for need in order:
        placement.put_earliest(need)
    served = sum(day >= 0 for day in placement.day)
    return float(placement.total_harm() * network.unit), served


def run(*, needs: int = 40_000, seed: int = 7, echo: bool = True) -> dict[str, float | int | None]:
    """Plan a synthetic region and give (and print) the figures."""
    from tourniquet.triage.solver import solve

    problem = make_problem(needs=needs, seed=seed)
    started = time.perf_counter()
    plan: Plan = solve(problem)
    seconds = time.perf_counter() - started
    strict_harm, strict_served = place_strictly(problem)
    summary = plan.summary
    figures: dict[str, float | int | None] = {
        "needs": needs,
        "clinics": len(problem.clinics),
        "laboratories": len(problem.labs),
        "days": problem.days,
        "disciplines": len(problem.disciplines),
        "seed": seed,
        "seconds": round(seconds, 3),
        "harm": float(summary.harm),
        "lower_bound": float(summary.lower_bound),
        "gap": summary.gap,
        "served": summary.served,
        "kept": summary.kept,
        "urgent_unserved": summary.urgent_unserved,
        "strict_priority_harm": strict_harm,
        "strict_priority_served": strict_served,
    }
    if echo:
        gap = "none" if summary.gap is None else f"{summary.gap:.2%}"
        click.echo(f"plan of {needs} needs: {seconds:.2f} s, gap {gap} to the proven bound")
        click.echo(
            f"served {summary.served} (strict priority {strict_served}), "
            f"harm {float(summary.harm):.0f} (strict priority {strict_harm:.0f})"
        )
    return figures
