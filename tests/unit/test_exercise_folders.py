"""The folder of an exercise: only its own is ever cleared (HAZ-013)."""

from __future__ import annotations

import fcntl
import subprocess
import sys
from pathlib import Path

import pytest

from tourniquet.exercise.folders import MARK, prepare_folder
from tourniquet.kernel.errors import UserError


def test_a_new_folder_is_made_and_marked(tmp_path: Path) -> None:
    for home in (tmp_path / "deep" / "new", tmp_path / "empty"):
        if home.name == "empty":
            home.mkdir()
        prepare_folder(home)
        assert (home / MARK).is_file()
        assert (home / "logs").is_dir()
    assert (tmp_path / "deep" / "new").stat().st_mode & 0o077 == 0, "nobody else may look"


@pytest.mark.parametrize("name", ["tourniquet.sqlite3", "notes.txt", ".hidden", MARK + "/file"])
def test_a_folder_of_something_else_is_refused_and_left_as_it_is(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_text("somebody's")
    with pytest.raises(UserError) as refused:
        prepare_folder(tmp_path)
    assert "--home" in refused.value.remedy
    assert path.read_text() == "somebody's"
    assert [one.name for one in tmp_path.iterdir()] == [Path(name).parts[0]]


def test_an_earlier_exercise_is_cleared_and_what_it_did_not_make_stays(tmp_path: Path) -> None:
    home = tmp_path / "home"
    prepare_folder(home)
    (home / "tourniquet.sqlite3").write_text("the earlier exercise")
    (home / "outbox" / "text").mkdir(parents=True)
    (home / "outbox" / "text" / "1-2.jsonl").write_text("{}")
    (home / "accounts.json").write_text("{}")
    (home / "my-notes.txt").write_text("mine")
    prepare_folder(home)
    assert sorted(one.name for one in home.iterdir()) == sorted([MARK, "logs", "my-notes.txt"])
    assert (home / "my-notes.txt").read_text() == "mine"


def test_an_exercise_that_is_served_is_not_cleared(tmp_path: Path) -> None:
    prepare_folder(tmp_path)
    database = tmp_path / "tourniquet.sqlite3"
    database.write_text("in use")
    with (tmp_path / "serve.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(UserError) as refused:
            prepare_folder(tmp_path)
        assert "server" in refused.value.what
        assert database.read_text() == "in use"
    prepare_folder(tmp_path)  # the server ended
    assert not database.exists()


def test_the_command_refuses_a_foreign_folder_with_one_line(tmp_path: Path) -> None:
    (tmp_path / "patients.csv").write_text("somebody's")
    ran = subprocess.run(
        [
            *(sys.executable, "-m", "tourniquet.cli.main", "exercise", "june-2024"),
            *("--people", "2000", "--home", str(tmp_path)),
        ],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert ran.returncode == 1
    assert len(ran.stderr.strip().splitlines()) == 1
    assert "not an exercise's" in ran.stderr
    assert [one.name for one in tmp_path.iterdir()] == ["patients.csv"]
