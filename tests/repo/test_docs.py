"""The generated pages say what the code says; every setting is in the table and is read."""

from __future__ import annotations

import ast
import re
import subprocess
import sys

from tests.repo.tree import SOURCE, list_modules, parse
from tools import make_docs
from tourniquet.kernel.settings import SETTINGS

_SETTING = re.compile(r"TOURNIQUET_[A-Z0-9_]+")
_TABLE = SOURCE / "kernel" / "settings.py"


def _settings_named_in_code() -> set[str]:
    """Every setting that a string of the code names exactly, outside the table itself."""
    return {
        node.value
        for path in list_modules("src")
        if path != _TABLE
        for node in ast.walk(parse(path))
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and _SETTING.fullmatch(node.value)
    }


def test_generated_pages_are_fresh() -> None:
    # In a process of its own: click keeps a command's help option as its first use made it.
    checked = subprocess.run(
        [sys.executable, "tools/make_docs.py", "--check"],
        cwd=SOURCE.parent.parent,
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_every_setting_that_the_code_names_is_in_the_table() -> None:
    assert {name for name in _settings_named_in_code() if not name.endswith("_")} <= {
        setting.name for setting in SETTINGS
    }


def test_every_setting_is_documented() -> None:
    page = (make_docs.REFERENCE / "settings.md").read_text(encoding="utf-8")
    assert [setting.name for setting in SETTINGS if f"`{setting.name}`" not in page] == []
    assert len({setting.name for setting in SETTINGS}) == len(SETTINGS)


def test_every_setting_is_read_somewhere() -> None:
    read_in_table = set(
        re.findall(r'read(?:_number)?\(\s*"(TOURNIQUET_\w+)"', _TABLE.read_text(encoding="utf-8"))
    )
    # `check` looks at every setting; that alone is not a use.
    named = {
        node.value
        for path in list_modules("src")
        if path not in (_TABLE, SOURCE / "cli" / "check.py")
        for node in ast.walk(parse(path))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    unread = [s.name for s in SETTINGS if s.name not in named | read_in_table]
    assert unread == []


def test_only_the_table_reads_the_environment() -> None:
    """Besides, commands and asgi name Django's settings module, `check` lists variables, and the
    exercise's home has a default of its own."""
    beside = ("cli/output.py", "cli/check.py", "cli/exercise.py", "site/asgi.py")
    allowed = {_TABLE, *(SOURCE / name for name in beside)}
    found = [
        f"{path.relative_to(SOURCE)}:{node.lineno}"
        for path in list_modules("src")
        if path not in allowed
        for node in ast.walk(parse(path))
        if (isinstance(node, ast.Attribute) and node.attr in ("environ", "getenv"))
    ]
    assert found == []
