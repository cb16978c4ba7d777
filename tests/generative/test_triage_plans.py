"""Plans of random problems, against an independent checker and, where small, all plans there are.

Two implementations must agree: the planner, and `plan_checker`, which reads only the files and the
interface's words. For tiny problems every feasible plan is looked at: the proven bound may not be
above the best of them, and no plan of ours may be below it.
"""

from __future__ import annotations

from collections import Counter
from fractions import Fraction
from pathlib import Path

import pytest

from tests.support.plan_checker import Region, check, rows_of
from tests.support.plan_problems import Shape, make_problem
from tourniquet.triage.problem import Plan
from tourniquet.triage.reading import read_problem
from tourniquet.triage.solver import prove_least_harm, solve
from tourniquet.triage.writing import write_plan

TINY_SEEDS = 200
TINY_OPTIMAL_SHARE_MIN = 0.95
TINY = (Shape(5, 3, 2, 2, 3, 2), Shape(6, 2, 2, 1, 2, 1), Shape(4, 2, 3, 2, 4, 2))


def plan_of(folder: Path) -> Plan:
    """Plan a folder and write the answer into it."""
    problem = read_problem(folder)
    plan = solve(problem)
    write_plan(problem, plan, folder / "out", seconds=0.0)
    return plan


def find_least_harm(region: Region) -> Fraction:
    """Find the least harm of all feasible plans by looking at all that could be better."""
    options: list[list[tuple[Fraction, str, str, int]]] = []
    for need in region.needs:
        mine = [(region.harm(need, None), "", "", -1)]
        mine += [
            (region.harm(need, day), clinic, lab, day)
            for day in range(max(0, int(need["released"])), region.days)
            for clinic in region.clinics_within(need)
            for lab in region.labs_in_time(need, clinic)
        ]
        options.append(sorted(mine))
    at_least = [Fraction(0)]
    for mine in reversed(options):
        at_least.insert(0, at_least[0] + mine[0][0])
    best = sum((mine[-1][0] for mine in options), Fraction(0)) + 1
    seats: Counter[tuple[str, int]] = Counter()
    tubes: Counter[tuple[str, str, int]] = Counter()

    def search(at: int, harm: Fraction) -> None:
        nonlocal best
        if harm + at_least[at] >= best:
            return
        if at == len(options):
            best = harm
            return
        need = region.needs[at]
        for more, clinic, lab, day in options[at]:
            if day < 0:
                search(at + 1, harm + more)
                continue
            wanted = {(lab, name, day): int(need[f"tubes_{name}"]) for name in region.disciplines}
            if seats[clinic, day] >= region.seats.get((clinic, day), 0) or any(
                tubes[key] + n > region.capacity.get(key, 0) for key, n in wanted.items()
            ):
                continue
            seats[clinic, day] += 1
            tubes.update(wanted)
            search(at + 1, harm + more)
            seats[clinic, day] -= 1
            tubes.subtract(wanted)

    search(0, Fraction(0))
    return best


def test_tiny_plans_against_all_plans(tmp_path: Path) -> None:
    """Bound <= optimum <= harm always, and harm is the optimum nearly always."""
    optimal = proved = 0
    for seed in range(TINY_SEEDS):
        folder = make_problem(tmp_path / str(seed), seed, TINY[seed % len(TINY)])
        plan = plan_of(folder)
        wrong, harm = check(folder, folder / "out")
        assert not wrong, (seed, wrong)
        least = find_least_harm(Region(folder))
        assert plan.summary.harm == harm, seed
        assert plan.summary.lower_bound <= least <= harm, seed
        quick = prove_least_harm(read_problem(folder))
        assert quick <= least, seed
        proved += quick > 0
        optimal += harm == least
    print(f"optimal: {optimal} of {TINY_SEEDS}")
    assert optimal >= TINY_OPTIMAL_SHARE_MIN * TINY_SEEDS
    assert proved  # a bound of nought would be true of everything


@pytest.mark.parametrize("seed", range(12))
def test_middling_plans_obey_every_rule(tmp_path: Path, seed: int) -> None:
    """A plan of hundreds of needs, all kinds of scarcity at once."""
    shape = Shape(60 + 60 * seed, 6 + seed, 3 + seed // 2, 3, 5 + seed, 1 + seed % 4)
    folder = make_problem(tmp_path, 1000 + seed, shape)
    plan_of(folder)
    wrong, _ = check(folder, folder / "out")
    assert not wrong


@pytest.mark.parametrize("seed", range(3))
def test_pooled_plans_obey_every_rule(
    tmp_path: Path, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The way that large problems go, on small ones."""
    monkeypatch.setattr("tourniquet.triage.programme.INTEGER_COLUMNS_MAX", 0)
    monkeypatch.setattr("tourniquet.triage.solver.GENERATION_CLASSES_MAX", 0)
    monkeypatch.setattr("tourniquet.triage.programme.POOLED_CLASSES_MAX", 20)
    folder = make_problem(tmp_path, 2000 + seed, Shape(200, 8, 5, 3, 7, 3))
    plan_of(folder)
    wrong, _ = check(folder, folder / "out")
    assert not wrong


def test_same_problem_same_plan(tmp_path: Path) -> None:
    """Nothing depends on the clock, on hash order or on what ran before."""
    folder = make_problem(tmp_path, 5, Shape(300, 8, 5, 3, 7, 3))
    assert plan_of(folder) == plan_of(folder)


def test_harm_counts_no_less_where_capacity_grows(tmp_path: Path) -> None:
    """Twice the seats and tubes: the proven bound does not rise."""
    folder = make_problem(tmp_path, 8, Shape(120, 6, 4, 3, 6, 2))
    before = plan_of(folder).summary.lower_bound
    for name, column in (("seats.csv", "seats"), ("lab_capacity.csv", "tubes")):
        rows = rows_of(folder / name)
        lines = [",".join(rows[0])]
        for row in rows:
            row[column] = str(2 * int(row[column]))
            lines.append(",".join(row.values()))
        (folder / name).write_text("\n".join(lines), encoding="utf-8")
    after = plan_of(folder).summary
    assert after.lower_bound <= after.harm
    assert after.lower_bound <= before * Fraction(1001, 1000)
