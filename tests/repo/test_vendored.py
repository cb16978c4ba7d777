"""repo: what is vendored is what the manifest says, and no page of ours asks another host."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2] / "src" / "tourniquet"
VENDOR = ROOT / "web" / "static" / "vendor"
MANIFEST = json.loads((VENDOR / "manifest.json").read_text("utf-8"))

# Names of XML vocabularies; nothing is ever fetched from them.
NAMESPACES = ("http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink")
OUTSIDE = re.compile(r"(?:https?:)?//[a-z0-9-]+(?:\.[a-z0-9-]+)+", re.IGNORECASE)
PAGE_SUFFIXES = {".css", ".js", ".html", ".jinja", ".svg", ".txt", ".json"}
TRADE_MARKS = ("frutiger", "nhs-logo", "favicon", "icon-mask", "opengraph")


def page_files() -> list[Path]:
    folders = [ROOT / "web", ROOT / "notices" / "templates"]
    return sorted(
        path
        for folder in folders
        for path in folder.rglob("*")
        if path.is_file() and path.suffix in PAGE_SUFFIXES
    )


def test_every_vendored_file_has_the_hash_of_the_manifest() -> None:
    for row in MANIFEST["files"]:
        content = (VENDOR / row["file"]).read_bytes()
        assert hashlib.sha256(content).hexdigest() == row["sha256"], row["file"]


def test_manifest_names_every_vendored_file() -> None:
    named = {row["file"] for row in MANIFEST["files"]} | {"manifest.json"}
    present = {p.relative_to(VENDOR).as_posix() for p in VENDOR.rglob("*") if p.is_file()}
    assert present == named


def test_every_package_has_version_licence_and_what_was_stripped() -> None:
    for package in MANIFEST["packages"]:
        assert package["version"]
        assert package["licence"] == "MIT"
        assert package["stripped"]


@pytest.mark.parametrize("path", page_files(), ids=lambda path: path.name)
def test_no_file_names_an_outside_host(path: Path) -> None:
    text = path.read_text("utf-8")
    for namespace in NAMESPACES:
        text = text.replace(namespace, "")
    assert OUTSIDE.findall(text) == []


def test_no_trade_marked_font_or_image() -> None:
    for path in VENDOR.rglob("*"):
        assert not any(mark in path.name.lower() for mark in TRADE_MARKS), path
    for sheet in (ROOT / "web" / "static").rglob("*.css"):
        text = sheet.read_text("utf-8").lower()
        assert "@font-face" not in text
        assert "frutiger" not in text
