"""Makes seeded random planning problems as folders of CSV files, awkward on purpose."""

from __future__ import annotations

import csv
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

NEED_COLUMNS = [
    "need",
    "patient",
    "zone",
    "indication",
    "priority",
    "released",
    "due",
    "safe_until",
    "harm_per_day",
    "escalates_on",
    "escalated_harm_per_day",
    "stability_hours",
    "travel_km",
    "booked_clinic",
    "booked_day",
]


@dataclass(frozen=True)
class Shape:
    """How large a random problem is."""

    needs: int
    zones: int
    clinics: int
    labs: int
    days: int
    disciplines: int


def write_rows(path: Path, header: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Write one CSV file."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        writer.writerows(rows)


def make_problem(folder: Path, seed: int, shape: Shape) -> Path:
    """Write a random problem: negative days, days beyond the end, decimal rates, absent rows."""
    chance = random.Random(seed)
    folder.mkdir(parents=True, exist_ok=True)
    days, tail = shape.days, chance.randint(0, 8)
    zones = [f"Z{at}" for at in range(shape.zones)]
    clinics = [f"C{at}" for at in range(shape.clinics)]
    labs = [f"L{at}" for at in range(shape.labs)]
    names = [f"D{at}" for at in range(shape.disciplines)]

    def place() -> list[object]:
        return [chance.randint(0, 12), chance.choice([0, 1.5, 4, 9.25])]

    write_rows(folder / "horizon.csv", ["days", "tail_days"], [[days, tail]])
    write_rows(
        folder / "zones.csv",
        ["zone", "borough", "x_km", "y_km"],
        [[zone, "B", *place()] for zone in zones],
    )
    write_rows(
        folder / "clinics.csv",
        ["clinic", "zone", "x_km", "y_km"],
        [[clinic, chance.choice(zones), *place()] for clinic in clinics],
    )
    write_rows(folder / "labs.csv", ["lab", "own"], [[lab, chance.randint(0, 1)] for lab in labs])
    seats = max(1, round(shape.needs * chance.uniform(0.4, 1.6) / (len(clinics) * days)))
    write_rows(
        folder / "seats.csv",
        ["clinic", "day", "seats"],
        [
            [clinic, day, chance.randint(0, 2 * seats)]
            for clinic in clinics
            for day in range(days + 1)
            if chance.random() < 0.85
        ],
    )
    tubes = max(1, round(shape.needs * chance.uniform(0.4, 1.6) / (len(labs) * days)))
    write_rows(
        folder / "lab_capacity.csv",
        ["lab", "discipline", "day", "tubes"],
        [
            [lab, name, day, chance.randint(0, 2 * tubes)]
            for lab in labs
            for name in [*names, "unused"]
            for day in range(days + 1)
            if chance.random() < 0.85
        ],
    )
    write_rows(
        folder / "couriers.csv",
        ["clinic", "lab", "hours"],
        [
            [clinic, lab, chance.choice([1, 2, 3, 5, 7.5])]
            for clinic in clinics
            for lab in labs
            if chance.random() < 0.85
        ],
    )
    write_rows(
        folder / "needs.csv",
        [*NEED_COLUMNS, *(f"tubes_{name}" for name in names), "note"],
        [
            _need(chance, at, zones=zones, clinics=clinics, days=days, disciplines=len(names))
            for at in range(shape.needs)
        ],
    )
    return folder


def _need(
    chance: random.Random,
    at: int,
    *,
    zones: list[str],
    clinics: list[str],
    days: int,
    disciplines: int,
) -> list[object]:
    rates = [0, 0, 1, 2, 5, 0.1, 0.25, 10, 50, 1000]
    is_booked = chance.random() < 0.5
    return [
        f"N{at}",
        f"S{at}",
        chance.choice(zones),
        "SYMP",
        f"P{chance.randint(1, 5)}",
        chance.choice([0, chance.randint(-5, days + 1)]),
        0,
        chance.randint(-4, days + 4),
        chance.choice(rates),
        chance.choice(["", chance.randint(-3, days + 6)]),
        chance.choice(rates),
        chance.choice([2, 4, 6, 8.5, 24]),
        chance.choice([0, 3, 6, 30]),
        chance.choice(clinics) if is_booked else "",
        chance.randint(-1, days + 1) if is_booked else "",
        *(chance.choice([0, 1, 1, 2]) for _ in range(disciplines)),
        f"note {at}",
    ]
