"""How commands end: exit status, one line on standard error, and nothing of a patient's."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, date, datetime
from pathlib import Path

import click
import pytest

from tourniquet.cli import output
from tourniquet.cli.main import main
from tourniquet.kernel.errors import OperatorError, SenderError, UserError

NAME_OF_A_PATIENT = "Synthetic Person"

_NO_FILE = (
    "tourniquet: needs.csv: No such file or directory. "
    "Check the path, its permissions and the disk.\n"
)


def _command_that_raises(error: BaseException) -> click.Command:
    @click.command()
    def command() -> None:
        raise error

    return command


@pytest.mark.parametrize(
    ("error", "status", "line"),
    [
        (
            UserError("It is empty.", where="needs.csv:1", remedy="Give it a header."),
            1,
            "tourniquet: needs.csv:1: It is empty. Give it a header.\n",
        ),
        (OperatorError("Two\nlines."), 1, "tourniquet: Two lines.\n"),
        (SenderError("Bad."), 1, "tourniquet: Bad.\n"),
        (
            FileNotFoundError(2, "No such file or directory", "needs.csv"),
            1,
            _NO_FILE,
        ),
        (click.ClickException("No."), 1, "tourniquet: No.\n"),
        (KeyboardInterrupt(), 130, "tourniquet: Interrupted; nothing was left half-written.\n"),
        (click.Abort(), 130, "tourniquet: Interrupted; nothing was left half-written.\n"),
    ],
)
def test_a_failure_is_one_line(
    error: BaseException, status: int, line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert output.run(_command_that_raises(error), []) == status
    assert capsys.readouterr() == ("", line)


def test_wrong_usage_is_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert output.run(_command_that_raises(UserError("unused")), ["--nonsense"]) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "--nonsense" in shown.err
    assert "Traceback" not in shown.err


@pytest.mark.parametrize("returned", [None, 0, "text"])
def test_a_command_that_ends_is_0(returned: object) -> None:
    @click.command()
    def command() -> object:
        return returned

    assert output.run(command, []) == 0


def test_a_command_may_choose_its_status() -> None:
    @click.command()
    def command() -> None:
        click.get_current_context().exit(1)

    assert output.run(command, []) == 1


def test_an_unforeseen_error_goes_to_a_log_and_not_to_the_screen(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOURNIQUET_HOME", str(tmp_path / "home"))
    assert output.run(_command_that_raises(KeyError(NAME_OF_A_PATIENT)), []) == 1
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.count("\n") == 1
    assert "Traceback" not in shown.err
    assert NAME_OF_A_PATIENT not in shown.err
    (log,) = (tmp_path / "home" / "logs").iterdir()
    assert str(log) in shown.err
    assert NAME_OF_A_PATIENT in log.read_text(encoding="utf-8")
    assert log.stat().st_mode & 0o777 == 0o600


def test_an_unforeseen_error_without_a_place_for_a_log_is_still_one_line(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "home").write_text("a file where the folder should be", encoding="utf-8")
    monkeypatch.setenv("TOURNIQUET_HOME", str(tmp_path / "home"))
    assert output.run(_command_that_raises(KeyError(NAME_OF_A_PATIENT)), []) == 1
    shown = capsys.readouterr()
    assert shown.err.count("\n") == 1
    assert NAME_OF_A_PATIENT not in shown.err


def test_a_reader_who_leaves_is_no_error() -> None:
    """`tourniquet … | head -1` says nothing on standard error."""
    program = (
        "import sys, click\n"
        "from tourniquet.cli import output\n"
        "@click.command()\n"
        "def command():\n"
        "    for _ in range(100_000): output.say('x' * 80)\n"
        "sys.exit(output.run(command, []))\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait() == 1


def test_json_is_one_object_and_nothing_else(capsys: pytest.CaptureFixture[str]) -> None:
    output.emit_json(
        {
            "path": Path("a/b"),
            "day": date(2024, 6, 3),
            "moment": datetime(2024, 6, 3, 12, tzinfo=UTC),
            "kinds": {"b", "a"},
            "name": "Siân",
        }
    )
    written = capsys.readouterr().out
    assert written.count("\n") == 1
    assert json.loads(written) == {
        "path": "a/b",
        "day": "2024-06-03",
        "moment": "2024-06-03T12:00:00+00:00",
        "kinds": ["a", "b"],
        "name": "Siân",
    }


def test_progress_is_silent_where_standard_error_is_no_terminal(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with output.progress("Counting", 3) as steps:
        steps.advance()
        steps.describe("Counting on")
    assert capsys.readouterr() == ("", "")


def test_a_replaced_file_appears_whole(tmp_path: Path) -> None:
    target = tmp_path / "out" / "plan.csv"
    with output.replacing(target) as file:
        file.write("need,decision\n")
        assert not target.exists()
    assert target.read_text(encoding="utf-8") == "need,decision\n"
    assert [path.name for path in target.parent.iterdir()] == ["plan.csv"]


def test_an_interrupted_replacement_leaves_the_old_file(tmp_path: Path) -> None:
    target = tmp_path / "plan.csv"
    target.write_text("old", encoding="utf-8")

    def interrupted() -> None:
        with output.replacing(target) as file:
            file.write("ne")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert target.read_text(encoding="utf-8") == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["plan.csv"]


def test_main_leaves_with_the_status() -> None:
    with pytest.raises(SystemExit) as end:
        main(["no-such-command"])
    assert end.value.code == 2
