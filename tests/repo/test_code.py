"""Rules about the code that no tool of others checks."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.repo.tree import ROOT, SOURCE, VERIFIER, list_files, list_modules, name_of, parse

MOST_MODULE_LINES = 700  # house style: mostly under 300
MOST_VERIFIER_LINES = 250
MOST_FUNCTION_LINES = 70  # house style: mostly under 40
_IGNORE = re.compile(r"#\s*(noqa|type:\s*ignore)(.*)")
_CODES_AND_REASON = re.compile(r"(:\s*[A-Z]+\d+(,\s*[A-Z]+\d+)*|\[[a-z-]+(,\s*[a-z-]+)*\])\s*\W*\w")


def test_modules_are_short_enough() -> None:
    long = [
        name_of(path)
        for path in list_modules("src", "tools", "tests")
        if path.read_text(encoding="utf-8").count("\n") > MOST_MODULE_LINES
    ]
    assert long == []


def test_functions_are_short_enough() -> None:
    long = []
    for path in list_modules("src", "tools"):
        for node in ast.walk(parse(path)):
            if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                continue
            assert node.end_lineno is not None
            lines = node.end_lineno - node.lineno + 1
            if lines > MOST_FUNCTION_LINES:
                long.append(f"{name_of(path)}:{node.lineno} {node.name} has {lines}")
    assert long == []


def test_nothing_but_the_command_line_prints() -> None:
    printing = [
        f"{name_of(path)}:{node.lineno}"
        for path in list_modules("src")
        if not path.is_relative_to(SOURCE / "cli") and path != VERIFIER  # a command of its own
        for node in ast.walk(parse(path))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "print"
    ]
    assert printing == []


def test_the_import_contract_holds() -> None:
    done = subprocess.run(
        [Path(sys.executable).parent / "lint-imports", "--no-cache"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]


def test_the_verifier_is_one_short_file_that_shares_no_code_with_ours() -> None:
    """Decision 0017: an auditor reads it in one sitting and runs it without an installation."""
    assert VERIFIER.read_text(encoding="utf-8").count("\n") <= MOST_VERIFIER_LINES
    assert _imported(VERIFIER) - set(sys.stdlib_module_names) == {"cryptography"}
    importing = [name_of(path) for path in list_modules("src") if VERIFIER.stem in _imported(path)]
    assert importing == []


def _imported(path: Path) -> set[str]:
    """The top-level names that a module imports, anywhere in it."""
    found: set[str] = set()
    for node in ast.walk(parse(path)):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add((node.module or ".").partition(".")[0])
    return found


def test_pure_modules_import_neither_django_nor_io() -> None:
    """`rules.py`, and everything in kernel and wire, decide; they do not reach out."""
    refused = ("django", "psycopg", "sqlite3", "requests", "urllib.request", "subprocess")
    found = []
    for path in list_modules("src"):
        parts = path.relative_to(SOURCE.parent).parts[1:] or ("",)
        if path.name != "rules.py" and parts[0] not in ("kernel", "wire"):
            continue
        for node in ast.walk(parse(path)):
            names: list[str] = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
                names = [node.module]
            found += [
                f"{name_of(path)}: {name}"
                for name in names
                if name in refused or name.startswith(tuple(f"{entry}." for entry in refused))
            ]
    assert found == []


@pytest.mark.parametrize("section", ["ignore", "per-file-ignores"])
def test_every_rule_that_ruff_ignores_has_a_reason(section: str) -> None:
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    settings = tomllib.loads(text)["tool"]["ruff"]["lint"][section]
    codes = (
        settings
        if isinstance(settings, list)
        else [code for codes in settings.values() for code in codes]
    )
    assert codes
    for code in codes:
        lines = re.findall(rf'^\s*"{code}",(.*)$', text, flags=re.MULTILINE)
        assert lines, f"{code} has a line of its own"
        assert all(re.match(r"\s+# \w+", rest) for rest in lines), f"{code} has no reason"


def test_every_ignore_in_the_code_has_a_code_and_a_reason() -> None:
    bare = []
    for path in list_modules("src", "tools", "tests"):
        if path == Path(__file__):
            continue
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
            for match in _IGNORE.finditer(line):
                if not _CODES_AND_REASON.match(match.group(2)):
                    bare.append(f"{name_of(path)}:{number}: {line.strip()}")
                break  # what follows on the line belongs to the same comment
    assert bare == []


def test_scripts_may_be_run() -> None:
    dull = [
        name_of(path)
        for path in list_files()
        if path.read_bytes()[:2] == b"#!" and not path.stat().st_mode & 0o100
    ]
    assert dull == []
