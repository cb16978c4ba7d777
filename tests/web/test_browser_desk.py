"""web: the downtime desk as it is run, in a real browser, with the main database gone.

The same rules as for the console: no error, nothing asked of another host, nothing wider than the
window, no fault that axe finds; with the keyboard alone, and without scripts (it has none).
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.support.console import PASSWORD, seed_region, seed_results
from tests.support.database import Database
from tests.support.desk import make_shares
from tests.support.sealing import seal
from tests.web.test_browser_console import (  # noqa: F401 (a fixture is used by its name)
    DESK,
    SIZES,
    Visit,
    browser,
    tab_to,
    visiting,
)
from tourniquet.flows.desk_work import read_account
from tourniquet.flows.downtime_desk import DeskPlaces, DowntimeDesk
from tourniquet.kernel.clock import SystemClock
from tourniquet.record.keys import read_root, read_signer
from tourniquet.record.sealer import keys_folder

STARTING_SECONDS = 30


@dataclass
class Running:
    """A desk in a process of its own."""

    process: subprocess.Popen[bytes]
    base: str


def command(home: Path, *arguments: str | Path) -> list[str]:
    """The command, as a person types it."""
    start = [sys.executable, "-m", "tourniquet.cli.main", "record", "history"]
    return [*start, "--vault", str(home / "vault"), "--key", str(home / "vault.vkey"),
            "--desk", str(home / "desk"), *map(str, arguments)]  # fmt: skip


@contextmanager
def running(home: Path, *arguments: str | Path) -> Iterator[Running]:
    """Serve the desk of a home, and stop it."""
    process = subprocess.Popen(
        command(home, "--serve", "--port", "0", "--json", *arguments),
        env={**os.environ, "TOURNIQUET_DATABASE_URL": "postgresql://nobody@127.0.0.1:1/gone"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line, process.stderr.read() if process.stderr else b""
        yield Running(process, json.loads(line)["url"].rstrip("/"))
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=STARTING_SECONDS)


@pytest.fixture
def home(sqlite_database: Database) -> tuple[Path, list[str], list[str]]:
    """A sealed home whose database is gone; its people, and the words of three shares."""
    from django.db import connections

    people = seed_region()
    seed_results(0)
    seal()
    words = make_shares()
    connections.close_all()
    for file in sqlite_database.home.glob("tourniquet.sqlite3*"):
        file.unlink()
    for name, role in (("amara", "keeper"), ("bola", "keeper"), ("rec", "recorder")):
        add(sqlite_database.home, name, role)
    return sqlite_database.home, people, words


def add(home: Path, name: str, role: str) -> None:
    """Add an account to the desk, keepers as holders."""
    arguments = ["record", "desk-account", name, "--role", role, "--desk", str(home / "desk")]
    subprocess.run(
        [sys.executable, "-m", "tourniquet.cli.main", *arguments, "--password-stdin",
         *(["--holder"] if role == "keeper" else [])],
        input=f"{PASSWORD}\n".encode(),
        check=True,
        capture_output=True,
    )  # fmt: skip


def sign_in(visit: Visit, name: str) -> None:
    visit.open("/sign-in/")
    visit.page.get_by_label("User name at this desk").fill(name)
    visit.page.get_by_label("Password").fill(PASSWORD)
    visit.press("Sign in")


def hidden_columns(visit: Visit) -> list[str]:
    """Cells of tables that lie beyond the window's right edge (HAZ-068)."""
    found = visit.page.evaluate(
        """[...document.querySelectorAll('tbody th, tbody td')]
            .filter(cell => cell.getBoundingClientRect().right > window.innerWidth)
            .map(cell => cell.textContent.trim())"""
    )
    assert isinstance(found, list)
    return found


@pytest.mark.parametrize("size", SIZES)
def test_from_locked_to_a_result_keyed(
    browser: Browser,  # noqa: F811 (the fixture)
    home: tuple[Path, list[str], list[str]],
    size: dict[str, int],
) -> None:
    folder, people, words = home
    with (
        running(folder) as desk,
        visiting(browser, desk.base, size) as amara,
        visiting(browser, desk.base, size) as bola,
    ):
        for visit, name, share in ((amara, "amara", words[0]), (bola, "bola", words[2])):
            sign_in(visit, name)
            assert visit.page.get_by_role("heading", name="The desk is locked").is_visible()
            visit.page.get_by_label("The words of your share").fill(share)
            visit.press("Give my words")
        assert bola.page.get_by_text("The desk is unlocked.").is_visible()
        assert "Data as of 03-Jun-2024" in bola.page.content()
        bola.open("/?number=9990000018")
        with bola.page.expect_navigation():
            bola.page.get_by_role("link", name="OKAFOR, Mary").click()
        bola.check()
        bola.press("Open the record")  # nothing chosen: the fault is named and led to
        bola.page.get_by_role("link", name="Choose a reason.").click()
        bola.page.get_by_label("I treat this patient now").check()
        bola.press("Open the record")
        assert bola.page.get_by_role("heading", name="Blood group and antibodies").is_visible()
        assert hidden_columns(bola) == []
        amara.open("/forms/")
        amara.page.get_by_label("How many forms").fill("2")
        amara.press("Give out")
        number = amara.page.locator("th.tq-mono").first.inner_text().split(" to ")[0]
        amara.open("/results/")
        amara.page.get_by_label("Number of the form").fill(number)
        amara.page.get_by_label("Test", exact=True).select_option("UE")
        amara.press("Go on")
        amara.page.get_by_label("NHS number").fill("9990000018")
        amara.press("Look the person up")
        amara.page.get_by_label("OKAFOR, Mary").check()
        amara.page.get_by_label("Value of Potassium").fill("7.2")
        amara.page.get_by_label("Again, Potassium").fill("7.3")
        amara.press("Keep the result")
        amara.page.get_by_role("link", name="the two do not agree").click()
        amara.page.get_by_label("Value of Potassium").fill("7.2")
        amara.page.get_by_label("Again, Potassium").fill("7.2")
        amara.press("Keep the result")
        assert amara.page.get_by_text("phone it now").is_visible()
        amara.page.get_by_label("Told to").fill("Dr A, ward 3")
        amara.page.get_by_label("The figure was read back").check()
        amara.press("Note the call")
        amara.check()
        bola.open(f"/patients/{people[0]}/")
        assert bola.page.get_by_role("heading", name="Keyed at this desk since").is_visible()
        assert bola.faults == amara.faults == []


def test_with_the_keyboard_alone_and_without_scripts(
    browser: Browser,  # noqa: F811 (the fixture)
    home: tuple[Path, list[str], list[str]],
) -> None:
    folder, people, _ = home
    root = ("--root-key", keys_folder() / "root.key")
    with (
        running(folder, *root) as desk,
        visiting(browser, desk.base, DESK, scripts=False) as visit,
    ):
        page = visit.page
        page.goto(f"{desk.base}/sign-in/")
        for text in ("rec", PASSWORD):
            page.keyboard.press("Tab")
            while not page.locator("input:focus").count():
                page.keyboard.press("Tab")
            page.keyboard.type(text)
        with page.expect_navigation():
            page.keyboard.press("Enter")
        tab_to(page, "#number")
        page.keyboard.type("H00000")
        with page.expect_navigation():
            page.keyboard.press("Enter")
        tab_to(page, f"a[href='/patients/{people[0]}/']")
        with page.expect_navigation():
            page.keyboard.press("Enter")
        tab_to(page, "#reason-treating")
        page.keyboard.press("Space")
        with page.expect_navigation():
            page.keyboard.press("Enter")
        assert page.get_by_role("heading", name="OKAFOR, Mary").is_visible()
        assert visit.faults == []


def test_a_desk_that_is_killed_while_results_are_keyed_keeps_each_that_it_showed(
    browser: Browser,  # noqa: F811 (the fixture)
    home: tuple[Path, list[str], list[str]],
) -> None:
    folder, _, _ = home
    root = ("--root-key", keys_folder() / "root.key")
    shown: list[str] = []
    for _ in range(3):
        with running(folder, *root) as desk, visiting(browser, desk.base, DESK) as visit:
            sign_in(visit, "rec")
            visit.open("/forms/")
            visit.page.get_by_label("How many forms").fill("3")
            visit.press("Give out")
            first = visit.page.locator("th.tq-mono").first.inner_text().split(" to ")[0]
            visit.open(f"/results/key/?number={first}&test=UE")
            visit.page.get_by_label("Family name").fill("Nobody")
            visit.page.get_by_label("None of these").check()
            visit.page.get_by_label("Value of Sodium").fill("140")
            visit.page.get_by_label("Again, Sodium").fill("140")
            visit.press("Keep the result")
            shown.append(first)
            # The next one is on its way when the process is killed: it may be kept or not.
            visit.page.request.post(f"{desk.base}/forms/", data="count=1", timeout=5000)
            desk.process.kill()
            desk.process.wait()
    opened = reopen(folder)
    kept = {str(number) for number in read_account(opened).keyed}
    assert kept == set(shown)
    assert len(kept) == 3
    assert read_account(opened).total == 9


def reopen(folder: Path) -> DowntimeDesk:
    """The desk's book, opened in this process."""
    desk = DowntimeDesk(
        DeskPlaces(folder / "vault", keys_folder() / "ring.sqlite3", folder / "desk"),
        read_signer(keys_folder()).verifier,
        key_pinned=True,
        now=SystemClock().now,
    )
    desk.unlock_with_root(read_root(keys_folder()), ("test",))
    return desk
