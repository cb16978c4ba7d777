"""Checks a plan against its problem, from the files alone and from the interface's words alone.

It shares no code with the planner on purpose: it reads both folders with the csv module and counts
in fractions. `check` gives the list of everything that is wrong, and the harm as it finds it.
"""

from __future__ import annotations

import csv
import json
from collections import Counter
from fractions import Fraction
from pathlib import Path
from typing import Any

PLAN_COLUMNS = ["need", "decision", "clinic", "lab", "day", "review_on", "reason"]


def rows_of(path: Path) -> list[dict[str, str]]:
    """Read a CSV file as dictionaries."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


class Region:
    """A problem as the interface's page words it."""

    def __init__(self, folder: Path) -> None:
        horizon = rows_of(folder / "horizon.csv")[0]
        self.days, self.tail = int(horizon["days"]), int(horizon["tail_days"])
        zones = rows_of(folder / "zones.csv")
        clinics = rows_of(folder / "clinics.csv")
        self.labs = [row["lab"] for row in rows_of(folder / "labs.csv")]
        self.clinics = [row["clinic"] for row in clinics]
        self.seats = {
            (row["clinic"], int(row["day"])): int(row["seats"])
            for row in rows_of(folder / "seats.csv")
        }
        self.capacity = {
            (row["lab"], row["discipline"], int(row["day"])): int(row["tubes"])
            for row in rows_of(folder / "lab_capacity.csv")
        }
        self.hours = {
            (row["clinic"], row["lab"]): Fraction(row["hours"])
            for row in rows_of(folder / "couriers.csv")
        }
        self.needs = rows_of(folder / "needs.csv")
        self.apart = {
            (zone["zone"], clinic["clinic"]): (Fraction(zone["x_km"]) - Fraction(clinic["x_km"]))
            ** 2
            + (Fraction(zone["y_km"]) - Fraction(clinic["y_km"])) ** 2
            for zone in zones
            for clinic in clinics
        }
        self.disciplines = [
            column.removeprefix("tubes_")
            for column in (self.needs[0] if self.needs else {})
            if column.startswith("tubes_")
        ]

    def clinics_within(self, need: dict[str, str]) -> list[str]:
        """List the clinics that a need may go to."""
        distance = {clinic: self.apart[need["zone"], clinic] for clinic in self.clinics}
        if not distance:
            return []
        nearest = min(distance.values())
        limit = Fraction(need["travel_km"]) ** 2
        return [name for name, value in distance.items() if value <= limit or value == nearest]

    def labs_in_time(self, need: dict[str, str], clinic: str) -> list[str]:
        """List the laboratories that a need's tubes reach in time from a clinic."""
        limit = Fraction(need["stability_hours"]) - 1
        return [
            lab
            for lab in self.labs
            if (clinic, lab) in self.hours and self.hours[clinic, lab] <= limit
        ]

    def harm(self, need: dict[str, str], day: int | None) -> Fraction:
        """Sum the harm day by day, exactly as the interface words it."""
        end = self.days + self.tail
        total = Fraction(0)
        for t in range(min(end if day is None else day, end)):
            if need["escalates_on"] and t >= int(need["escalates_on"]):
                total += Fraction(need["escalated_harm_per_day"])
            elif t >= int(need["safe_until"]):
                total += Fraction(need["harm_per_day"])
        return total


def check(problem: Path, out: Path) -> tuple[list[str], Fraction]:
    """Give everything that is wrong with the plan in `out`, and its harm."""
    region = Region(problem)
    with (out / "plan.csv").open(encoding="utf-8", newline="") as file:
        header = next(csv.reader(file))
    lines = rows_of(out / "plan.csv")
    wrong: list[str] = []
    if header[: len(PLAN_COLUMNS)] != PLAN_COLUMNS:
        wrong.append(f"header {header}")
    if [line["need"] for line in lines] != [need["need"] for need in region.needs]:
        wrong.append("needs and lines differ")
        return wrong, Fraction(0)
    seats: Counter[tuple[str, int]] = Counter()
    tubes: Counter[tuple[str, str, int]] = Counter()
    harm = Fraction(0)
    for need, line in zip(region.needs, lines, strict=True):
        day = int(line["day"]) if line["day"] else None
        harm += region.harm(need, day)
        wrong += [f"{need['need']}: {fault}" for fault in _check_line(region, need, line, day)]
        if day is not None:
            seats[line["clinic"], day] += 1
            for name in region.disciplines:
                tubes[line["lab"], name, day] += int(need[f"tubes_{name}"])
    wrong += [f"seats {key}" for key, n in seats.items() if n > region.seats.get(key, 0)]
    wrong += [f"tubes {key}" for key, n in tubes.items() if n > region.capacity.get(key, 0)]
    summary = json.loads((out / "summary.json").read_text(encoding="utf-8"))
    return wrong + _check_summary(region, lines, summary, harm), harm


def _check_line(
    region: Region, need: dict[str, str], line: dict[str, str], day: int | None
) -> list[str]:
    wrong = []
    late = day is None or day > int(need["safe_until"])
    emergency = need["priority"] == "P1" and late
    start = max(0, int(need["released"]))
    if not line["reason"]:
        wrong.append("no reason")
    if emergency and line["review_on"] != str(start):
        wrong.append("P1 late without its review day")
    if emergency != line["reason"].startswith("emergency route"):
        wrong.append("emergency route")
    if day is None:
        if line["decision"] != "defer" or line["clinic"] or line["lab"]:
            wrong.append("unserved but not deferred")
        if not line["review_on"] or not start <= int(line["review_on"]) <= start + 14:
            wrong.append("review day")
        return wrong
    if line["review_on"] and not emergency:
        wrong.append("review day of a served need")
    if not start <= day < region.days:
        wrong.append("day out of range")
    if line["clinic"] not in region.clinics_within(need):
        wrong.append("clinic out of reach")
    if line["lab"] not in region.labs_in_time(need, line["clinic"]):
        wrong.append("laboratory not in time")
    as_booked = line["clinic"] == need["booked_clinic"] and str(day) == need["booked_day"]
    expected = "book" if not need["booked_day"] else "keep" if as_booked else "move"
    if line["decision"] != expected:
        wrong.append(f"{line['decision']} should be {expected}")
    return wrong


def _check_summary(
    region: Region, lines: list[dict[str, str]], summary: dict[str, Any], harm: Fraction
) -> list[str]:
    wrong = []
    counts = Counter(line["decision"] for line in lines)
    served = counts["keep"] + counts["move"] + counts["book"]
    expected = {
        "served": served,
        "kept": counts["keep"],
        "moved": counts["move"],
        "booked": counts["book"],
        "deferred": counts["defer"],
        "urgent_unserved": sum(
            need["priority"] in {"P1", "P2"}
            and (not line["day"] or int(line["day"]) > int(need["safe_until"]))
            for need, line in zip(region.needs, lines, strict=True)
        ),
    }
    wrong += [f"summary {key}" for key, n in expected.items() if summary[key] != n]
    if abs(Fraction(summary["harm"]) - harm) > Fraction(1, 10**9) * max(1, harm):
        wrong.append(f"summary harm {summary['harm']}, found {float(harm)}")
    if not 0 <= summary["lower_bound"] <= summary["harm"]:
        wrong.append("bound out of range")
    if not isinstance(summary["seconds"], int | float):
        wrong.append("seconds")
    bound = summary["lower_bound"]
    gap = (summary["harm"] / bound - 1) if bound else (None if summary["harm"] else 0)
    same = summary["gap"] is gap if gap is None else abs(summary["gap"] - gap) < 1e-9
    if not same:
        wrong.append(f"gap {summary['gap']}, expected {gap}")
    return wrong
