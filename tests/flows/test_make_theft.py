"""A developer makes a theft with the tool, answers it from the truth, and scores the answer."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.repo.tree import ROOT
from tests.support.theft_answers import perfect, write_answer
from tourniquet.exercise.theft.score import score_review


def run_tool(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "tools/make_theft.py", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        env={"PYTHONPATH": str(ROOT / "src"), "PATH": ""},
    )


def test_make_and_score(tmp_path: Path) -> None:
    out = tmp_path / "theft"
    asked = ("--out", str(out), "--people", "1500", "--megabytes", "0.1", "--seed", "3")
    done = run_tool(*asked)
    assert done.returncode == 0, done.stderr
    assert str(out / "TRUTH") in done.stdout
    names = {path.name for path in out.iterdir()}
    assert names == {"FILES", "TRUTH", "people.csv", "organisations.csv", "tests.csv"}
    assert not list((out / "FILES").rglob("truth*"))

    score = score_review(out / "TRUTH", write_answer(tmp_path / "answer", perfect(out)))
    assert score.recall_intact_notified.value == 1.0
    assert score.notify_precision.value == 1.0

    again = run_tool(*asked)
    assert again.returncode == 2
    assert "empty folder" in again.stderr
