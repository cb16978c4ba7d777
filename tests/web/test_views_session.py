"""web: signing in and out, as a browser does it, and slowing down who guesses."""

from __future__ import annotations

import pytest

from tests.support.console import PASSWORD, client_of, post, stranger, text_of
from tests.support.database import Database
from tourniquet.web.throttle import (
    FORGET_SECONDS,
    FREE_FAILURES,
    LONGEST_WAIT_SECONDS,
    MOST_NAMES,
    Throttle,
)


@pytest.fixture(autouse=True)
def throttle(monkeypatch: pytest.MonkeyPatch) -> Throttle:
    """A fresh throttle for each test, so that no test waits for another."""
    made = Throttle()
    monkeypatch.setattr("tourniquet.web.views.session.SIGN_INS", made)
    return made


@pytest.fixture
def account(database: Database, monkeypatch: pytest.MonkeyPatch) -> str:
    """An account with a password, hashed quickly."""
    from django.conf import settings

    from tourniquet.flows.manage_accounts import add_account

    monkeypatch.setattr(
        settings, "PASSWORD_HASHERS", ["django.contrib.auth.hashers.MD5PasswordHasher"]
    )
    add_account(
        name="amara", role="incident_lead", organisation=None, password=PASSWORD, actor="test"
    )
    return "amara"


def sign_in(client, name: str, password: str, onward: str = ""):
    values = {"username": name, "password": password, "next": onward}
    return post(client, "/sign-in/", values)


def test_signing_in_leads_on_and_signing_out_ends_it(account: str) -> None:
    client = stranger()
    first = client.get("/incident/")
    assert (first.status_code, first["Location"]) == (302, "/sign-in/?next=%2Fincident%2F")
    assert 'value="/incident/"' in client.get(first["Location"]).content.decode()
    answer = sign_in(client, account, PASSWORD, "/incident/")
    assert (answer.status_code, answer["Location"]) == (303, "/incident/")
    assert client.get("/incident/").status_code == 200
    out = post(client, "/sign-out/", page="/incident/")
    assert (out.status_code, out["Location"]) == (303, "/sign-in/")
    assert client.get("/incident/").status_code == 302


@pytest.mark.parametrize("wrong", [("amara", "not it"), ("nobody", PASSWORD), ("", "")])
def test_a_wrong_name_and_a_wrong_password_are_told_alike(
    account: str, wrong: tuple[str, str]
) -> None:
    client = stranger()
    answer = sign_in(client, *wrong)
    assert answer.status_code == 400
    assert "The user name or the password is not right" in text_of(answer)
    assert client.get("/incident/").status_code == 302


def test_what_was_typed_is_shown_again_but_for_the_password(account: str) -> None:
    text = sign_in(stranger(), "amara", "wrong password").content.decode()
    assert 'value="amara"' in text
    assert "wrong password" not in text


@pytest.mark.parametrize("onward", ["https://evil.example/", "//evil.example", "javascript:x", "x"])
def test_nobody_is_sent_to_another_site(account: str, onward: str) -> None:
    answer = sign_in(stranger(), account, PASSWORD, onward)
    assert answer["Location"] == "/"


def test_a_form_without_its_token_is_refused_in_words(account: str) -> None:
    answer = stranger().post("/sign-in/", {"username": account, "password": PASSWORD})
    assert answer.status_code == 403
    assert "load the page again" in text_of(answer)


def test_after_several_failures_even_the_right_password_waits(
    account: str, throttle: Throttle
) -> None:
    client = stranger()
    for _ in range(FREE_FAILURES):
        assert sign_in(client, account, "wrong").status_code == 400
    answer = sign_in(client, account, PASSWORD)
    assert answer.status_code == 429
    assert "Try again in" in text_of(answer)
    throttle.passed(account)
    assert sign_in(client, account, PASSWORD).status_code == 303


def test_an_account_that_was_closed_is_signed_out_at_once(account: str) -> None:
    from tourniquet.directory.models import Account

    client = client_of(account)
    assert client.get("/incident/").status_code == 200
    Account.objects.filter(pk=account).update(active=False)
    assert client.get("/incident/").status_code == 302


def test_signing_out_is_only_ever_a_form(account: str) -> None:
    answer = client_of(account).get("/sign-out/")
    assert (answer.status_code, answer["Allow"]) == (405, "POST")


class TestThrottle:
    """Pure: time is an argument."""

    def setup_method(self) -> None:
        self.now = 0.0
        self.throttle = Throttle(lambda: self.now)

    def test_waits_double_up_to_the_longest(self) -> None:
        waits = []
        for _ in range(FREE_FAILURES + 8):
            self.throttle.failed("a")
            waits.append(self.throttle.wait_seconds("a"))
        assert waits[: FREE_FAILURES - 1] == [0.0] * (FREE_FAILURES - 1)
        assert waits[FREE_FAILURES - 1 : FREE_FAILURES + 2] == [30.0, 60.0, 120.0]
        assert waits[-1] == LONGEST_WAIT_SECONDS

    def test_waiting_ends_and_is_forgotten(self) -> None:
        for _ in range(FREE_FAILURES):
            self.throttle.failed("a")
        self.now = 31.0
        assert self.throttle.wait_seconds("a") == 0.0
        self.now += FORGET_SECONDS
        self.throttle.failed("a")
        assert self.throttle.wait_seconds("a") == 0.0

    def test_names_are_one_whatever_their_case_and_do_not_harm_each_other(self) -> None:
        for _ in range(FREE_FAILURES):
            self.throttle.failed("Amara")
        assert self.throttle.wait_seconds("amara") > 0
        assert self.throttle.wait_seconds("other") == 0

    def test_memory_is_bounded(self) -> None:
        for number in range(MOST_NAMES + 1):
            self.throttle.failed(f"name-{number}")
        assert len(self.throttle._held) == MOST_NAMES
