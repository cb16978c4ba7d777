"""What may not be in the project's files: machines' paths, hosts, people, other people's files."""

from __future__ import annotations

import hashlib
import re
import tomllib
from pathlib import Path, PurePosixPath

from tests.repo.tree import ROOT, SOURCE, list_files, list_texts, name_of
from tourniquet.kernel.identifiers import NhsNumber

_MACHINE_PATH = re.compile(
    r"(?<![\w./}$\"'<>-])/(?:home|root|Users|work|private/var|opt)/[\w.-]+"
    r"|\b[A-Z]:\\Users\\"
)
# Put together here, so that this file does not name them either.
_REGISTRIES = [
    ".".join(parts)
    for parts in (
        ("pypi", "org"),
        ("pythonhosted", "org"),
        ("registry", "npmjs", "org"),
        ("registry", "yarnpkg", "com"),
        ("deb", "debian", "org"),
        ("archive", "ubuntu", "com"),
        ("crates", "io"),
    )
]
_BESIDE_THE_CHECKOUT = "/".join(("..", "shared"))
_TEN_DIGITS = re.compile(r"(?<![\w.+-])(\d{10}|\d{3} \d{3} \d{4}|\d{3}-\d{3}-\d{4})(?![\w.]|-\d)")
_NUMBERS_OF_OTHERS = ("requirements/", "src/tourniquet/web/static/")


def test_no_file_names_a_path_of_a_machine() -> None:
    found = [
        f"{name}: {match.group()}"
        for name, text in list_texts()
        for match in _MACHINE_PATH.finditer(text)
    ]
    assert found == []


def test_no_file_names_a_registry() -> None:
    found = [
        f"{name}: {host}" for name, text in list_texts() for host in _REGISTRIES if host in text
    ]
    assert found == []


def test_only_ci_looks_beside_the_checkout() -> None:
    found = [name for name, text in list_texts() if _BESIDE_THE_CHECKOUT in text]
    assert found == [".ci/run"]


def test_real_input_is_not_committed(material: Path) -> None:
    theirs = {
        hashlib.sha256(path.read_bytes()).digest(): path
        for path in material.rglob("*")
        if path.is_file() and path.stat().st_size
    }
    copied = [
        name_of(path)
        for path in list_files()
        if hashlib.sha256(path.read_bytes()).digest() in theirs
    ]
    assert copied == []


def test_tests_hold_no_folder_of_material() -> None:
    assert [path for path in list_files() if path.is_relative_to(ROOT / "tests/material")] == []


def test_every_valid_nhs_number_is_from_the_range_for_tests() -> None:
    found = []
    for name, text in list_texts():
        if name.startswith(_NUMBERS_OF_OTHERS):
            continue
        for match in _TEN_DIGITS.finditer(text):
            number = NhsNumber.find(match.group())
            if number is not None and not number.digits.startswith("999"):
                found.append(f"{name}:{text.count(chr(10), 0, match.start()) + 1}")
    assert found == []


def test_the_package_carries_every_file_below_it() -> None:
    """A template or a catalogue that is not package data is missing from an installation."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    patterns = project["tool"]["setuptools"]["package-data"]["tourniquet"]
    endings = {PurePosixPath(pattern).suffix for pattern in patterns if "*" in pattern}
    names = {pattern for pattern in patterns if "*" not in pattern}
    left_out = [
        name_of(path)
        for path in list_files()
        if path.is_relative_to(SOURCE)
        and path.suffix not in {".py", *endings}
        and path.relative_to(SOURCE).as_posix() not in names
    ]
    assert left_out == []
