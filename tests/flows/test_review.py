"""A review from the folder to the answer, by the command; killed half-way it ends the same."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.repo.tree import ROOT
from tourniquet.exercise.theft.make import make_theft
from tourniquet.exercise.theft.score import score_review
from tourniquet.exercise.world import make_world

ANSWER = ("affected.csv", "evidence.csv", "unresolved.csv", "files.csv")
COMMAND = [sys.executable, "-m", "tourniquet.cli.main", "review"]


@pytest.fixture(scope="module")
def theft(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small theft, and its hidden truth."""
    out = tmp_path_factory.mktemp("theft")
    world = make_world("june-2024", people=2_000, seed=5)
    make_theft(world.region, world.all_people(), out / "made", seed=5, megabytes=0.6)
    return out / "made"


def arguments(theft: Path, out: Path, *more: str) -> list[str]:
    """The command's words."""
    return [
        *COMMAND,
        str(theft / "FILES"),
        *("--people", str(theft / "people.csv"), "--out", str(out)),
        *("--organisations", str(theft / "organisations.csv")),
        *("--tests", str(theft / "tests.csv"), *more),
    ]


def run(theft: Path, out: Path, *more: str) -> subprocess.CompletedProcess[str]:
    """Run a review to its end."""
    return subprocess.run(
        arguments(theft, out, *more),
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
    )


@pytest.fixture(scope="module")
def answer(theft: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The answer of a review that nobody disturbed."""
    out = tmp_path_factory.mktemp("answers") / "out"
    done = run(theft, out, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == json.loads((out / "summary.json").read_text())
    return out


def test_who_is_found(theft: Path, answer: Path) -> None:
    score = score_review(theft / "TRUTH", answer)

    assert score.recall_intact_notified.value >= 0.995
    assert score.recall_identifiable.value >= 0.97
    assert score.notify_precision.value >= 0.999
    assert score.review_share.value <= 0.03
    assert score.files_accounted.value == 1.0
    assert score.bytes_accounted.value == 1.0


def test_what_goes_out(theft: Path, answer: Path) -> None:
    summary = json.loads((answer / "summary.json").read_text())
    assert {"files", "bytes", "people_notify", "people_review", "unresolved", "seconds"} < set(
        summary
    )
    with (answer / "affected.csv").open(encoding="utf-8", newline="") as file:
        affected = list(csv.DictReader(file))
    assert summary["people_notify"] == sum(one["decision"] == "notify" for one in affected)
    draft = (answer / "regulator-draft.txt").read_text(encoding="utf-8")
    assert f"to be told: {summary['people_notify']:,}" in draft
    with (answer / "packs" / "index.csv").open(encoding="utf-8", newline="") as file:
        assert {one["why"] for one in csv.DictReader(file)} <= {
            "no recipient was given",
            "no controller was found for these",
        }
    assert answer.stat().st_mode & 0o077 == 0
    assert not list(answer.rglob("scratch"))


def test_killed_half_way_and_gone_on_with_it_ends_the_same(
    theft: Path, answer: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    process = subprocess.Popen(
        arguments(theft, out),
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
    )
    assert process.stderr is not None
    for line in process.stderr:
        if "Reading contents" in line:
            break
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and not list((out / "work").glob("scratch/*")):
        assert process.poll() is None
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (out / "summary.json").exists()

    refused = run(theft, out)
    assert refused.returncode == 1
    assert "--resume" in refused.stderr

    done = run(theft, out, "--resume")
    assert done.returncode == 0, done.stderr
    for name in ANSWER:
        assert (out / name).read_bytes() == (answer / name).read_bytes(), name


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (["--people", "nobody.csv"], "can't be read"),
        (["--out", "."], "is not empty"),
    ],
)
def test_what_is_asked_wrongly_is_answered_in_one_line(
    theft: Path, tmp_path: Path, change: list[str], says: str
) -> None:
    done = run(theft, tmp_path / "out", *change)

    assert done.returncode == 1
    assert says in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr


def test_the_answer_may_not_lie_in_the_stolen_files(theft: Path) -> None:
    done = run(theft, theft / "FILES" / "out")

    assert done.returncode == 1
    assert "may not lie in the stolen files" in done.stderr
    assert not (theft / "FILES" / "out").exists()
