"""The scorecard as files that open without a server: one page and its style sheets.

Invariants: the page is the console's own template; it names no address but its own files.
"""

from __future__ import annotations

import re
from pathlib import Path

from tourniquet.web.jinja import VENDORED, build_environment
from tourniquet.web.presenters.scorecard import ScorecardPage
from tourniquet.web.presenters.shell import Shell

STATIC = Path(__file__).parent / "static"
_SHEETS = (f"{VENDORED}/nhsuk-frontend.min.css", "tourniquet/console.css")
_IMAGES = ("tourniquet/exercise.svg", "tourniquet/icon.svg")


def scorecard_files(shell: Shell, page: ScorecardPage) -> dict[str, bytes]:
    """The files by their path; `scorecard.html` is the page."""
    environment = build_environment(static=lambda path: f"assets/{path}")
    text = environment.get_template("scorecard.html").render(shell=shell, page=page)
    text = re.sub(r"\s*<script type=\"module\"[^>]*></script>", "", text)
    # There is no server behind a file: what leads to the console is left as words.
    text = re.sub(r'<a(?: [^>]*)? href="/[^"]*"[^>]*>(.*?)</a>', r"\1", text, flags=re.DOTALL)
    files = {"scorecard.html": text.encode()}
    for path in (*_SHEETS, *_IMAGES):
        files[f"assets/{path}"] = (STATIC / path).read_bytes()
    return files
