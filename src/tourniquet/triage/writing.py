"""Write a plan into its folder: plan.csv and summary.json.

Invariants:
- Each file is written beside its place, flushed to disk and renamed into it: never half a file.
- summary.json goes first and comes back last, so that where it is, plan.csv is of the same run.
"""

from __future__ import annotations

import csv
import io
import json
import os
import tempfile
from fractions import Fraction
from pathlib import Path

from tourniquet.kernel.errors import UserError
from tourniquet.triage.problem import Plan, Problem

PLAN_FILE = "plan.csv"
SUMMARY_FILE = "summary.json"
PLAN_COLUMNS = ("need", "decision", "clinic", "lab", "day", "review_on", "reason")
CLASH_PREFIX = "needs_"  # put before a carried column that has the name of one of ours


def render_plan(problem: Problem, plan: Plan) -> bytes:
    """Render plan.csv: our columns, then the unknown columns of needs.csv in their order."""
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow([*PLAN_COLUMNS, *_name_extra_columns(problem.extra_columns)])
    for need, decision in zip(problem.needs, plan.decisions, strict=True):
        writer.writerow([*decision, *need.extra])
    return buffer.getvalue().encode()


def _name_extra_columns(columns: tuple[str, ...]) -> list[str]:
    taken = {*PLAN_COLUMNS, *columns}
    names = []
    for column in columns:
        name = column
        while name in PLAN_COLUMNS or (name != column and name in taken):
            name = CLASH_PREFIX + name
        names.append(name)
    return names


def summarise(plan: Plan, *, seconds: float) -> dict[str, int | float | None]:
    """Give the fields of summary.json."""
    summary = plan.summary
    return {
        "harm": _as_number(summary.harm),
        "lower_bound": _as_number(summary.lower_bound),
        "gap": summary.gap,
        "needs": len(plan.decisions),
        "served": summary.served,
        "kept": summary.kept,
        "moved": summary.moved,
        "booked": summary.booked,
        "deferred": summary.deferred,
        "urgent_unserved": summary.urgent_unserved,
        "seconds": round(seconds, 3),
    }


def _as_number(value: Fraction) -> int | float:
    """Give a number for JSON: whole where it is whole."""
    return int(value) if value.denominator == 1 else float(value)


def check_out(out: Path) -> None:
    """Make the folder `out` and see that it can be written to, before any work is done.

    Raises: UserError where it cannot; the person at the keyboard names another.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=out):
            pass
    except OSError as error:
        raise _not_writable(out) from error


def write_plan(problem: Problem, plan: Plan, out: Path, *, seconds: float) -> None:
    """Write both files into `out`, each whole or not at all. Raises UserError."""
    files = {
        PLAN_FILE: render_plan(problem, plan),
        SUMMARY_FILE: (json.dumps(summarise(plan, seconds=seconds), indent=2) + "\n").encode(),
    }
    written: dict[str, Path] = {}
    try:
        out.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            handle, path = tempfile.mkstemp(prefix=f".{name}.", suffix=".part", dir=out)
            written[name] = Path(path)
            with os.fdopen(handle, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            written[name].chmod(0o644)
        (out / SUMMARY_FILE).unlink(missing_ok=True)
        for name in files:
            written[name].replace(out / name)
    except OSError as error:
        raise _not_writable(out) from error
    finally:
        for part in written.values():
            part.unlink(missing_ok=True)


def _not_writable(out: Path) -> UserError:
    return UserError(
        "The plan cannot be written here.",
        where=str(out),
        remedy="Name a folder that you may write to, on a disk with room.",
    )
