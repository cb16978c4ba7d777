"""The patients' page: a few static files that any web server can hold.

Invariants:
- Pure: facts in, files out. The caller writes them, each whole, into the public folder.
- Plain English, long dates, no scripts, no links but to the page's own other files, and no
  request for anybody's details.
- It says when it was written and when it will next be; a reader can tell that it is old.
- Nobody is named. Every text is escaped.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from tourniquet.kernel.errors import UserError
from tourniquet.notices.wording import long_datetime

TEMPLATES = Path(__file__).parent / "templates"
FORMAT_VERSION = 1
LINES_AT_MOST = 40
GOING_AHEAD = {"yes": "Going ahead", "some": "Some have to wait", "no": "Not for now"}
STATES = {
    "normal": "Tests are running as normal",
    "incident": "Some tests have to wait",
    "ended": "The problem has ended",
}


@dataclass(frozen=True)
class TestLine:
    """One kind of test: does it go ahead? `going_ahead` is yes, some or no."""

    __test__ = False  # not a test class

    kind: str
    going_ahead: str
    words: str


@dataclass(frozen=True)
class StatusPage:
    """What the page says. `what_happened` is one text for each paragraph."""

    state: str
    headline: str
    what_happened: tuple[str, ...]
    tests: tuple[TestLine, ...]
    published_at: datetime
    next_update_at: datetime | None
    area: str = ""
    exercise: bool = False


def usual_tests(state: str) -> tuple[TestLine, ...]:
    """What is said of each kind of test where nothing else was decided."""
    if state != "incident":
        return (TestLine("All tests", "yes", "Please come on the date you were given."),)
    return (
        TestLine(
            "Urgent tests",
            "some",  # HAZ-020: not all can be served in an incident; nobody may rely on it
            "These go first. It may be in another place. If yours has to wait, we tell you.",
        ),
        TestLine(
            "Routine blood tests",
            "some",
            "Some have a new date. If yours does, we tell you before the day.",
        ),
        TestLine(
            "Tests in pregnancy",
            "some",
            "These go first, too. Please come as planned, unless we have told you not to.",
        ),
        TestLine(
            "Health checks, vitamin D and allergy tests",
            "no",
            "These can wait. You keep your place and we tell you when.",
        ),
    )


def render_status(page: StatusPage) -> dict[str, bytes]:
    """The files of the patients' page, by their path.

    Raises: UserError when the state is unknown or the text is too long; whoever publishes must act.
    """
    if page.state not in STATES or any(line.going_ahead not in GOING_AHEAD for line in page.tests):
        raise UserError("The status page has a state that is not known.", where="status")
    if len(page.what_happened) + len(page.tests) > LINES_AT_MOST or not page.headline.strip():
        raise UserError("The status page is too long, or has no headline.", where="status")
    values = {
        "page": page,
        "going_ahead": GOING_AHEAD,
        "published": long_datetime(page.published_at),
        "next_update": long_datetime(page.next_update_at) if page.next_update_at else "",
    }
    template = _environment().get_template("status/index.html")
    css = (TEMPLATES / "status" / "status.css").read_bytes()
    return {
        "index.html": template.render(values, large=False).encode(),
        "large-print.html": template.render(values, large=True).encode(),
        "status.css": css,
        "status.json": _as_json(page),
    }


def _as_json(page: StatusPage) -> bytes:
    due = page.next_update_at
    content = {
        "format": "tourniquet-status",
        "format_version": FORMAT_VERSION,
        "exercise": page.exercise,
        "state": page.state,
        "headline": page.headline,
        "what_happened": list(page.what_happened),
        "tests": [
            {"kind": line.kind, "going_ahead": line.going_ahead, "words": line.words}
            for line in page.tests
        ],
        "area": page.area,
        "published_at": page.published_at.isoformat(),
        "next_update_at": due.isoformat() if due else None,
    }
    return (json.dumps(content, indent=2, ensure_ascii=False) + "\n").encode()


@cache
def _environment() -> Environment:
    return Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
