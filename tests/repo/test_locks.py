"""The locks install the same bytes from any mirror, and name none."""

from __future__ import annotations

import re
import tomllib

import pytest

from tests.repo.tree import ROOT

LOCKS = ("run", "dev")
_PIN = re.compile(r"[a-z0-9][a-z0-9._-]*(\[[a-z,]+\])?==[0-9][^ ;]*( ; [^\\]+)? \\\Z")
_HASH = re.compile(r"    --hash=sha256:[0-9a-f]{64}( \\)?\Z")


def _lines(lock: str) -> list[str]:
    text = (ROOT / "requirements" / f"{lock}.txt").read_text(encoding="utf-8")
    return [line for line in text.splitlines() if line and not line.startswith("#")]


def _pins(lock: str) -> set[str]:
    return {line.removesuffix(" \\") for line in _lines(lock) if not line.startswith(" ")}


@pytest.mark.parametrize("lock", LOCKS)
def test_every_line_is_a_pin_or_its_hash(lock: str) -> None:
    lines = _lines(lock)
    assert lines
    wrong = [line for line in lines if not _PIN.match(line) and not _HASH.match(line)]
    assert wrong == []


@pytest.mark.parametrize("lock", LOCKS)
def test_every_pin_has_a_hash(lock: str) -> None:
    lines = _lines(lock)
    bare = [
        line
        for line, following in zip(lines, [*lines[1:], ""], strict=True)
        if not line.startswith(" ") and not following.startswith("    --hash=")
    ]
    assert bare == []


@pytest.mark.parametrize("lock", LOCKS)
def test_lock_names_no_host(lock: str) -> None:
    text = (ROOT / "requirements" / f"{lock}.txt").read_text(encoding="utf-8")
    assert "://" not in text
    assert not re.search(r"^\s*-", text.replace("    --hash=", ""), flags=re.MULTILINE)
    assert "index-url" not in text
    assert "find-links" not in text


def test_dev_lock_holds_the_versions_of_the_run_lock() -> None:
    run = {pin.split(" ;")[0] for pin in _pins("run")}
    dev = {pin.split(" ;")[0] for pin in _pins("dev")}
    assert run - dev == set()


def test_every_dependency_is_locked() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = {
        "run": project["dependencies"],
        "dev": project["dependencies"] + project["optional-dependencies"]["dev"],
    }
    for lock, requirements in wanted.items():
        locked = {re.split(r"[\[=]", pin)[0] for pin in _pins(lock)}
        names = {
            re.split(r"[\[<>=!~;]", text)[0].strip().lower().replace(".", "-")
            for text in requirements
        }
        assert names - locked == set(), f"run 'make lock': {lock}.txt lacks these"


def test_only_what_is_locked_is_installed() -> None:
    """pip may not look for newer releases of what the locks pin (an extra once made it do so)."""
    lines = (ROOT / "Makefile").read_text(encoding="utf-8").splitlines()
    installs = [line for line in lines if "-r requirements/" in line]
    assert len(installs) == len(LOCKS)
    for line in installs:
        assert "--no-deps" in line
        assert "--require-hashes" in line
        assert "--only-binary :all:" in line
