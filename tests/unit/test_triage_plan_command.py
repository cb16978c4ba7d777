"""`tourniquet plan`: what it writes, what it prints, and what an interruption leaves."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from tests.support.plan_checker import check
from tests.support.plan_problems import Shape, make_problem
from tourniquet.cli.plan import command
from tourniquet.kernel.errors import UserError
from tourniquet.triage.problem import Plan
from tourniquet.triage.reading import read_problem
from tourniquet.triage.solver import solve
from tourniquet.triage.writing import write_plan

SHAPE = Shape(40, 4, 3, 2, 4, 2)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make_problem(tmp_path / "problem", 3, SHAPE)


def test_writes_a_checked_plan_and_one_json_object(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "deep" / "out"
    result = CliRunner().invoke(command, [str(folder), "--out", str(out), "--json"])
    assert result.exit_code == 0, result.output
    printed = json.loads(result.stdout)
    assert printed == json.loads((out / "summary.json").read_text(encoding="utf-8"))
    wrong, _ = check(folder, out)
    assert not wrong
    assert sorted(path.name for path in out.iterdir()) == ["plan.csv", "summary.json"]


def test_unknown_columns_are_copied_in_order(folder: Path, tmp_path: Path) -> None:
    needs = folder / "needs.csv"
    lines = needs.read_text(encoding="utf-8").splitlines()
    lines[0] = "day,colour," + lines[0]
    lines[1:] = [f"monday,red {at}," + line for at, line in enumerate(lines[1:])]
    needs.write_text("\n".join(lines), encoding="utf-8")
    CliRunner().invoke(command, [str(folder), "--out", str(tmp_path)], catch_exceptions=False)
    with (tmp_path / "plan.csv").open(encoding="utf-8", newline="") as file:
        header, first, *_ = csv.reader(file)
    assert header[7:] == ["needs_day", "colour", "note"]
    assert first[7:] == ["monday", "red 0", "note 0"]


@pytest.mark.parametrize("emptied", ["seats.csv", "couriers.csv", "lab_capacity.csv", "needs.csv"])
def test_files_without_rows(folder: Path, tmp_path: Path, emptied: str) -> None:
    header = (folder / emptied).read_text(encoding="utf-8").splitlines()[0]
    (folder / emptied).write_text(header, encoding="utf-8")
    out = tmp_path / "out"
    CliRunner().invoke(command, [str(folder), "--out", str(out)], catch_exceptions=False)
    wrong, _ = check(folder, out)
    assert not wrong
    summary = json.loads((out / "summary.json").read_text(encoding="utf-8"))
    if emptied == "needs.csv":
        assert (summary["harm"], summary["gap"]) == (0, 0)


def test_no_clinics_and_no_laboratories(folder: Path, tmp_path: Path) -> None:
    for name in ("clinics.csv", "labs.csv", "seats.csv", "couriers.csv", "lab_capacity.csv"):
        header = (folder / name).read_text(encoding="utf-8").splitlines()[0]
        (folder / name).write_text(header, encoding="utf-8")
    lines = (folder / "needs.csv").read_text(encoding="utf-8").splitlines()
    kept = [line for line in lines if ",C" not in line]
    (folder / "needs.csv").write_text("\n".join(kept), encoding="utf-8")
    CliRunner().invoke(command, [str(folder), "--out", str(tmp_path)], catch_exceptions=False)
    wrong, _ = check(folder, tmp_path)
    assert not wrong


def test_out_that_is_a_file(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "out").write_text("mine", encoding="utf-8")
    result = CliRunner().invoke(command, [str(folder), "--out", str(tmp_path / "out")])
    assert isinstance(result.exception, UserError)
    assert (tmp_path / "out").read_text(encoding="utf-8") == "mine"


def test_wrong_usage(folder: Path) -> None:
    assert CliRunner().invoke(command, [str(folder)]).exit_code == 2


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError])
@pytest.mark.parametrize("call", ["os.fsync", "pathlib.Path.replace"])
def test_an_interrupted_write_leaves_nothing_half_written(
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    call: str,
    error: type[BaseException],
) -> None:
    problem = read_problem(folder)
    plan: Plan = solve(problem)
    out = tmp_path / "out"
    write_plan(problem, plan, out, seconds=1.0)
    before = (out / "plan.csv").read_bytes()

    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(call, fail)
    with pytest.raises((KeyboardInterrupt, UserError)):
        write_plan(problem, plan, out, seconds=2.0)
    monkeypatch.undo()
    assert (out / "plan.csv").read_bytes() == before
    assert not list(out.glob("*.part"))
    assert not list(out.glob(".*"))


def test_every_need_has_a_reason_that_says_what_binds(folder: Path) -> None:
    plan = solve(read_problem(folder))
    for decision in plan.decisions:
        assert decision.reason
        assert "\n" not in decision.reason
