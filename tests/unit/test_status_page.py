"""unit: the patients' page is plain, safe, and says when it will next be written."""

from __future__ import annotations

import html
import json
import re
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from tests.support.reading_age import grade
from tourniquet.kernel.errors import UserError
from tourniquet.notices.status_page import StatusPage, TestLine, render_status, usual_tests

PAGE = StatusPage(
    state="incident",
    headline="Some blood tests have to wait",
    what_happened=(
        "On Monday 3 June a computer attack hit the labs that do our blood tests.",
        "The labs can do fewer tests than before. We give the room to those who need it most.",
    ),
    tests=usual_tests("incident"),
    published_at=datetime(2024, 6, 12, 9, 0, tzinfo=UTC),
    next_update_at=datetime(2024, 6, 12, 16, 30, tzinfo=UTC),
    area="South East London",
)


def words_of(page: bytes) -> str:
    body = page.decode().split("<body>")[1]
    body = re.sub(r"</(?:p|li|h1|h2|dt|dd|div)>", "\n\n", body)
    return html.unescape(re.sub(r"<[^>]+>", " ", body))


def test_files_of_the_page() -> None:
    assert set(render_status(PAGE)) == {
        "index.html", "large-print.html", "status.css", "status.json",
    }  # fmt: skip


@pytest.mark.parametrize("state", ["incident", "normal", "ended"])
def test_reading_age(state: str) -> None:
    page = replace(PAGE, state=state, tests=usual_tests(state))
    assert grade(words_of(render_status(page)["index.html"])) <= 6


def test_says_when_it_was_written_and_when_the_next_is_due() -> None:
    page = render_status(PAGE)["index.html"].decode()
    assert "Wednesday 12 June 2024 at 10am" in page
    assert "Wednesday 12 June 2024 at 5:30pm" in page


def test_no_scripts_no_forms_and_links_only_to_its_own_files() -> None:
    for name in ("index.html", "large-print.html"):
        page = render_status(PAGE)[name].decode()
        assert "<script" not in page
        assert "<form" not in page
        assert " style=" not in page
        assert "<style" not in page
        assert set(re.findall(r'(?:href|src)="([^"]+)"', page)) <= {
            "status.css", "#main", "index.html", "large-print.html",
        }  # fmt: skip


def test_everything_from_outside_is_escaped() -> None:
    evil = "<script>alert(1)</script>"
    page = replace(PAGE, headline=evil, what_happened=(evil,), tests=(TestLine(evil, "no", evil),))
    assert "<script" not in render_status(page)["index.html"].decode()


def test_an_exercise_says_so_at_both_ends_and_in_the_title() -> None:
    page = render_status(replace(PAGE, exercise=True))["index.html"].decode()
    assert page.count("EXERCISE. This is not real.") == 2
    assert "(exercise, not real)</title>" in page
    assert "EXERCISE" not in render_status(PAGE)["index.html"].decode()


def test_json_says_the_same() -> None:
    content = json.loads(render_status(PAGE)["status.json"])
    assert content["state"] == "incident"
    assert content["next_update_at"] == "2024-06-12T16:30:00+00:00"
    assert [line["going_ahead"] for line in content["tests"]] == ["some", "some", "some", "no"]


@pytest.mark.parametrize(
    "page",
    [
        replace(PAGE, state="fine"),
        replace(PAGE, headline=" "),
        replace(PAGE, what_happened=("x",) * 41),
        replace(PAGE, tests=(TestLine("All", "perhaps", ""),)),
    ],
)
def test_a_page_that_cannot_be_is_refused(page: StatusPage) -> None:
    with pytest.raises(UserError):
        render_status(page)
