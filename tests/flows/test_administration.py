"""`migrate`, `users` and `check`, as an operator types them, on both databases."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from io import StringIO
from pathlib import Path

import pytest

from tests.support.database import Database
from tourniquet.cli import output
from tourniquet.cli.main import command

_PROGRAM = "from tourniquet.cli.main import main; main()"


def _tourniquet(
    *arguments: str, settings: dict[str, str], stdin: str = ""
) -> subprocess.CompletedProcess[str]:
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith("TOURNIQUET_")
    }
    return subprocess.run(
        [sys.executable, "-c", _PROGRAM, *arguments],
        env=environment | settings,
        input=stdin,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def new_home(tmp_path: Path) -> dict[str, str]:
    """The settings of an installation that nobody has made yet."""
    return {"TOURNIQUET_HOME": str(tmp_path / "new-home")}


def test_a_new_installation(new_home: dict[str, str]) -> None:
    home = Path(new_home["TOURNIQUET_HOME"])
    first = _tourniquet("check", settings=new_home)
    assert first.returncode == 1
    assert first.stderr.count("\n") == 1
    assert "Run 'tourniquet migrate'." in first.stdout
    assert not home.exists(), "check makes nothing"

    made = json.loads(_tourniquet("migrate", "--json", settings=new_home).stdout)
    assert "record.0001_initial" in made["applied"]
    assert home.stat().st_mode & 0o777 == 0o700
    assert _tourniquet("migrate", "--only-check", settings=new_home).returncode == 0
    assert json.loads(_tourniquet("migrate", "--json", settings=new_home).stdout) == {"applied": []}

    second = _tourniquet("check", "--json", settings=new_home)
    assert second.returncode == 0
    assert json.loads(second.stdout)["ok"] is True


def test_only_check_changes_nothing(new_home: dict[str, str]) -> None:
    done = _tourniquet("migrate", "--only-check", settings=new_home)
    assert done.returncode == 1
    assert "pending" in done.stderr
    assert done.stdout == ""


def test_accounts_and_tokens(database: Database) -> None:
    settings = database.environment()
    added = _tourniquet(
        *("users", "add", "kim", "--role", "laboratory", "--organisation", "rj1"),
        *("--password-stdin", "--json"),
        settings=settings,
        stdin="a long enough secret\n",
    )
    assert added.returncode == 0, added.stderr
    assert json.loads(added.stdout)["name"] == "kim"
    token = _tourniquet("users", "token", "kim", settings=settings)
    assert token.returncode == 0, token.stderr
    assert len(token.stdout.split()) == 1
    listed = json.loads(_tourniquet("users", "list", "--json", settings=settings).stdout)
    assert listed["accounts"] == [
        {"name": "kim", "role": "laboratory", "organisation": "RJ1", "active": True}
    ]

    from tourniquet.directory.queries import find_viewer_by_token

    viewer = find_viewer_by_token(token.stdout.strip())
    assert viewer is not None
    assert (viewer.account, viewer.role, viewer.organisation) == ("kim", "laboratory", "RJ1")


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (("users", "token", "nobody"), 1),
        (("users", "add", "a b", "--role", "auditor"), 1),
        (("users", "add", "kim", "--role", "auditor", "--organisation", "!"), 1),
        (("users", "add", "kim", "--role", "auditor", "--password-stdin"), 1),
        (("users", "add", "kim", "--role", "king"), 2),
        (("users", "add", "kim"), 2),
    ],
)
def test_refused(
    sqlite_database: Database,
    arguments: tuple[str, ...],
    status: int,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "stdin", StringIO(""))
    assert output.run(command, arguments) == status
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "Traceback" not in shown.err
    if status == 1:
        assert shown.err.count("\n") == 1


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("TOURNIQUET_DEBUG", "1"),
        ("TOURNIQUET_SECRET_KEY", "short"),
        ("TOURNIQUET_ALLOWED_HOSTS", "*"),
        ("TOURNIQUET_HOEM", "a slip of the pen"),
        ("TOURNIQUET_MLLP_MAX_CONNECTIONS", "many"),
        ("TOURNIQUET_MLLP_CERTIFICATE", "missing.pem"),
        ("TOURNIQUET_DATABASE_URL", "mysql://localhost/x"),
        ("TOURNIQUET_DATABASE_URL", "postgresql://nobody:hidden-word@127.0.0.1:1/x"),
    ],
)
def test_check_names_what_is_unsafe(sqlite_database: Database, name: str, value: str) -> None:
    done = _tourniquet("check", "--json", settings=sqlite_database.environment() | {name: value})
    assert done.returncode == 1
    assert name in done.stderr
    found = json.loads(done.stdout)["findings"]
    assert name in {finding["where"] for finding in found if finding["level"] != "note"}
    assert "hidden-word" not in done.stdout + done.stderr


def test_check_sees_a_folder_open_to_others(sqlite_database: Database) -> None:
    sqlite_database.home.chmod(0o755)
    done = _tourniquet("check", settings=sqlite_database.environment())
    assert done.returncode == 1
    assert "chmod 700" in done.stdout


def test_check_sees_a_database_that_pretends_to_be_durable(postgresql_database: Database) -> None:
    """The tests' own server runs without fsync, which no installation may."""
    done = _tourniquet("check", settings=postgresql_database.environment())
    assert done.returncode == 1
    assert "fsync off" in done.stdout


def test_a_database_without_tables_is_one_line(new_home: dict[str, str]) -> None:
    done = _tourniquet("users", "list", settings=new_home)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "tourniquet migrate" in done.stderr
