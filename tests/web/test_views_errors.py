"""web: what people see when something goes wrong, and the headers of every answer."""

from __future__ import annotations

import logging

import pytest
from django.db import OperationalError

from tests.support.console import client_of, seed_region, stranger, text_of
from tests.support.database import Database
from tourniquet.kernel.errors import IntegrityError, StorageUnavailable
from tourniquet.web.middleware import POLICY


@pytest.fixture
def region(database: Database) -> None:
    seed_region(people=2)


def break_home(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr("tourniquet.web.views.home.find_latest", refuse)


@pytest.mark.parametrize(
    "error", [OperationalError("server closed"), StorageUnavailable("The disk is full.")]
)
def test_a_database_that_is_away_is_said_with_what_to_do(
    region: None, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    lead = client_of("lead")
    break_home(monkeypatch, error)
    answer = lead.get("/")
    assert answer.status_code == 503
    text = text_of(answer)
    assert "Tourniquet cannot be used for a moment" in text
    assert "EXERCISE" in text  # watermarked without asking the database
    assert "server closed" not in text


def test_the_real_database_going_away_gives_a_page_too(
    region: None, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    from django.db import connection

    lead = client_of("lead")

    def refuse(*_: object, **__: object) -> None:
        raise OperationalError("gone")

    with connection.execute_wrapper(refuse):
        answer = lead.get("/incident/")
    assert answer.status_code == 503
    assert "Nothing that was acknowledged is lost" in text_of(answer)


def test_a_fault_of_ours_has_a_reference_and_tells_nothing_else(
    region: None, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    lead = client_of("lead")
    lead.raise_request_exception = False
    break_home(monkeypatch, IntegrityError("The chain is broken.", where="position 7"))
    with caplog.at_level(logging.ERROR, "tourniquet.web"):
        answer = lead.get("/")
    assert answer.status_code == 500
    reference = text_of(answer).partition("Reference: ")[2].split()[0]
    assert reference in caplog.text
    break_home(monkeypatch, ValueError("Okafor"))
    with caplog.at_level(logging.ERROR, "tourniquet.web"):
        answer = lead.get("/")
    assert answer.status_code == 500
    assert "Something went wrong here" in text_of(answer)
    assert "Okafor" not in text_of(answer)
    assert "Okafor" not in "".join(
        r.getMessage() for r in caplog.records if r.name == "tourniquet.web"
    )


def test_whoever_does_not_read_pages_gets_a_line(region: None) -> None:
    from django.test import Client

    client = Client(SERVER_NAME="127.0.0.1")
    answer = client.get("/nowhere/")
    assert answer.status_code == 404
    assert answer["Content-Type"].startswith("text/plain")
    assert answer.content.count(b"\n") == 1
    assert client.get("/sign-out/").status_code == 405


@pytest.mark.parametrize(
    ("name", "path", "status", "said"),
    [
        ("lead", "/nowhere/", 404, "There is no page at this address."),
        ("press", "/patients/", 403, "may not see clinical records"),
        ("lead", "/incident/declare/", 405, "target of a form"),
        ("lead", "/plan/nothing/", 404, "There is no plan with that id."),
    ],
)
def test_an_error_page_says_what_and_what_to_do(
    region: None, name: str, path: str, status: int, said: str
) -> None:
    answer = client_of(name).get(path)
    assert answer.status_code == status
    assert said in text_of(answer)
    assert "Go to what is happening now" in text_of(answer)


@pytest.mark.parametrize(
    "path", ["/", "/sign-in/", "/nowhere/", "/patients/", "/incident/declare/"]
)
def test_every_answer_has_the_strict_headers(region: None, path: str) -> None:
    for client in (client_of("lead"), stranger()):
        answer = client.get(path)
        assert answer["Content-Security-Policy"] == POLICY
        assert answer["X-Content-Type-Options"] == "nosniff"
        assert answer["X-Frame-Options"] == "DENY"
        assert answer["Referrer-Policy"] == "same-origin"
        assert answer["Cache-Control"] == "no-store"


def test_styles_and_scripts_are_served_from_here(region: None) -> None:
    client = stranger()
    html = client.get("/sign-in/").content.decode()
    for path in (
        "/static/tourniquet/console.css",
        "/static/tourniquet/console.js",
        "/static/vendor/nhsuk-frontend-10.6.1/nhsuk-frontend.min.css",
    ):
        assert path in html
        answer = client.get(path)
        assert answer.status_code == 200
        assert sum(len(part) for part in answer.streaming_content) > 100
    assert client.get("/static/../secret-key").status_code == 404


def test_an_exercise_is_said_on_every_page_and_a_real_home_is_not(database: Database) -> None:
    assert "EXERCISE" not in text_of(stranger().get("/sign-in/"))
    seed_region(people=0)
    assert "EXERCISE" in text_of(stranger().get("/sign-in/"))
    assert "EXERCISE" in text_of(stranger().get("/nowhere/"))
