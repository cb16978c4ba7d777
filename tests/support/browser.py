"""The system's Chromium, for tests in a real browser."""

from __future__ import annotations

import shutil

_NAMES = ("chromium", "chromium-browser", "google-chrome")


def find_chromium() -> str:
    """The path of the browser's program."""
    for name in _NAMES:
        path = shutil.which(name)
        if path is not None:
            return path
    raise RuntimeError(
        "These tests need Chromium on the PATH. "
        "'make test' installs it; by hand: apt-get install chromium"
    )
