"""The project's own files, for tests that ask about them."""

from __future__ import annotations

import ast
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "src" / "tourniquet"
VERIFIER = ROOT / "src" / "tourniquet_verify.py"  # stands outside the package: decision 0017


@cache
def list_files() -> tuple[Path, ...]:
    """Every file that is, or is about to be, committed."""
    named = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    paths = (ROOT / name for name in sorted(set(named.split("\0"))) if name)
    return tuple(path for path in paths if path.is_file())


def list_texts() -> Iterator[tuple[str, str]]:
    """The name and text of every file that is text."""
    for path in list_files():
        data = path.read_bytes()
        if b"\0" in data:
            continue
        yield name_of(path), data.decode("utf-8", errors="replace")


def list_modules(*folders: str) -> list[Path]:
    """The Python files below these folders."""
    wanted = tuple(f"{folder}/" for folder in folders)
    return [
        path for path in list_files() if path.suffix == ".py" and name_of(path).startswith(wanted)
    ]


@cache
def parse(path: Path) -> ast.Module:
    """The syntax tree of a Python file."""
    return ast.parse(path.read_text(encoding="utf-8"), filename=name_of(path))


def name_of(path: Path) -> str:
    """The path as seen from the project's root."""
    return path.relative_to(ROOT).as_posix()
