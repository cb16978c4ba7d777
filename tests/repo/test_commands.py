"""Every command helps, with an example; asking for help costs nothing."""

from __future__ import annotations

import json
import subprocess
import sys

import click
import pytest

from tools import make_docs
from tourniquet.cli.main import COMMANDS
from tourniquet.cli.main import command as root

_SLOW = ("django", "numpy", "highspy", "rich", "psycopg", "uvicorn", "cryptography", "jinja2")
_LIST_LOADED = """
import json, sys
from tourniquet.cli.main import main
try:
    main(["--help"])
except SystemExit as end:
    assert end.code == 0, end.code
print(json.dumps([name for name in sys.argv[1:] if name in sys.modules]), file=sys.stderr)
"""


def test_help_imports_nothing_slow() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _LIST_LOADED, *_SLOW], capture_output=True, text=True, check=True
    )
    assert json.loads(done.stderr) == []
    for entry in COMMANDS:
        assert entry.name in done.stdout
        assert entry.help in done.stdout


def test_the_table_names_every_command_once() -> None:
    names = [entry.name for entry in COMMANDS]
    assert len(set(names)) == len(names)
    assert all(entry.help.endswith(".") for entry in COMMANDS)


@pytest.mark.parametrize("name", [entry.name for entry in COMMANDS])
def test_command_helps_with_an_example(name: str) -> None:
    seen = 0
    for full_name, command, context in make_docs.list_commands_of(root, name):
        text = make_docs.help_of(command, context)
        assert text.startswith(f"Usage: {full_name}"), full_name
        assert "Example:" in text, f"{full_name} --help has no example"
        assert f"tourniquet {name}" in text.split("Example:")[1], full_name
        if not isinstance(command, click.Group):
            assert "--json" in text, f"{full_name} has no --json"
        seen += 1
    assert seen
