"""web: whole paths through the console in a real browser, against the server as it is run.

On a phone and on a desk, with the keyboard alone, and without scripts. On every page that a path
comes to: no error in the browser's console, nothing asked of another host, nothing wider than the
window, and no fault that axe finds (WCAG 2.2 A and AA).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import axe_playwright_python
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from tests.support.browser import find_chromium
from tests.support.console import AID, LABORATORY, PASSWORD, TODAY, seed_region, seed_results
from tests.support.database import Database
from tests.support.effort import only_long
from tourniquet.kernel.identifiers import synthetic_nhs_numbers

PHONE = {"width": 375, "height": 800}
DESK = {"width": 1280, "height": 900}
SIZES = [  # every page is laid out at both widths in test_page_layout.py
    pytest.param(PHONE, id="phone"),
    pytest.param(DESK, id="desk", marks=only_long),
]
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]


@dataclass
class Visit:
    """One person's browser, and what went wrong in it."""

    context: BrowserContext
    page: Page
    base: str
    faults: list[str] = field(default_factory=list)
    checked: list[str] = field(default_factory=list)

    def open(self, path: str) -> None:
        """Go to a page and check it."""
        self.page.goto(self.base + path)
        self.check()

    def press(self, name: str) -> None:
        """Press a button, wait for the page it leads to, and check that."""
        with self.page.expect_navigation():
            self.page.get_by_role("button", name=name, exact=True).click()
        self.check()

    def check(self) -> None:
        """The page keeps the rules above."""
        page = self.page
        width = page.evaluate("document.documentElement.scrollWidth")
        assert page.viewport_size is not None
        assert width <= page.viewport_size["width"], (page.url, width)
        assert find_violations(page) == []
        assert self.faults == []
        self.checked.append(urlsplit(page.url).path)


def find_violations(page: Page) -> list[str]:
    """What axe finds wrong with a page, each with where."""
    page.evaluate((Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text())
    found = page.evaluate("rules => axe.run({runOnly: {type: 'tag', values: rules}})", RULES)
    return [
        f"{fault['id']}: {node['html'][:120]}"
        for fault in found["violations"]
        for node in fault["nodes"]
    ]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    # Playwright's loop runs in this thread, and Django then refuses its database; here nothing
    # of Django's runs inside the loop.
    with pytest.MonkeyPatch.context() as patch, sync_playwright() as playwright:
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "1")
        opened = playwright.chromium.launch(
            executable_path=find_chromium(), args=["--no-sandbox", "--disable-gpu"]
        )
        yield opened
        opened.close()


@pytest.fixture
def server(sqlite_database: Database) -> Iterator[tuple[str, list[str]]]:
    """The server as it is run, on a small region: its address and the people."""
    from django.db import connections

    from tourniquet.exercise.server import running_server
    from tourniquet.flows.manage_accounts import add_account

    people = seed_region()
    seed_results(0)
    staff = (("amara", "incident_lead"), ("bola", "hospital"), ("dora", "data_protection"))
    for name, role in (*staff, ("ada", "administrator")):
        add_account(name=name, role=role, organisation=None, password=PASSWORD, actor="test")
    connections.close_all()
    (sqlite_database.home / "logs").mkdir(exist_ok=True)
    with running_server(sqlite_database.home, sqlite_database.url) as address:
        yield f"http://{address.host}:{address.port}", people


@contextmanager
def visiting(
    browser: Browser, base: str, size: dict[str, int], *, scripts: bool = True
) -> Iterator[Visit]:
    """A fresh browser window that notes errors and requests to elsewhere."""
    context = browser.new_context(
        viewport={"width": size["width"], "height": size["height"]}, java_script_enabled=scripts
    )
    page = context.new_page()
    visit = Visit(context, page, base)
    page.on("console", lambda said: _note(visit, said.type, said.text))
    page.on("pageerror", lambda error: visit.faults.append(f"script: {error}"))
    page.on(
        "request",
        lambda sent: (
            None
            if sent.url.startswith((base, "data:"))
            else visit.faults.append(f"asked elsewhere: {sent.url}")
        ),
    )
    page.on(
        "response",
        lambda got: (
            visit.faults.append(f"{got.status} {got.url}")
            if got.status >= 404 and got.url != page.url
            else None
        ),
    )
    yield visit
    context.close()


def _note(visit: Visit, kind: str, text: str) -> None:
    if kind in {"error", "warning"} and "status of 400" not in text:
        visit.faults.append(f"{kind}: {text}")


def sign_in(visit: Visit, name: str) -> None:
    visit.open("/sign-in/")
    visit.page.get_by_label("User name").fill(name)
    visit.page.get_by_label("Password").fill(PASSWORD)
    visit.press("Sign in")
    assert urlsplit(visit.page.url).path == "/"


def open_for_a_reason(visit: Visit, patient: str) -> None:
    """Open a record without a tie: the page asks why, and leads on."""
    visit.open(f"/patients/{patient}/")
    assert "/break-glass/" in visit.page.url
    visit.page.get_by_label("Work of the incident").check()
    visit.press("Open the record")
    assert visit.page.url.endswith(f"/patients/{patient}/")


def fall_to(tubes: int) -> str:
    """A pasted table: the laboratories can take so little for two weeks."""
    from datetime import timedelta

    from tourniquet.pathology.catalogue import DISCIPLINES

    rows = ["laboratory,discipline,day,tubes"]
    rows += [
        f"{laboratory},{name},{TODAY + timedelta(days=number)},{tubes}"
        for laboratory in (LABORATORY, AID)
        for name in DISCIPLINES
        for number in range(28)
    ]
    return "\n".join(rows)


@pytest.mark.parametrize("size", SIZES)
def test_from_the_attack_to_the_adopted_plan(
    browser: Browser, server: tuple[str, list[str]], size: dict[str, int]
) -> None:
    base, people = server
    with visiting(browser, base, size) as lead, visiting(browser, base, size) as clinician:
        sign_in(lead, "amara")
        # a fault first: what was typed stays, the fault is named and led to
        lead.open("/incident/")
        lead.page.get_by_label("What is it called").fill("Pathology provider attacked")
        lead.press("Declare the incident")
        assert lead.page.get_by_label("What is it called").input_value().startswith("Pathology")
        lead.page.get_by_role("link", name="Choose a level.").click()
        lead.page.get_by_label("Level 3").check()
        lead.page.get_by_label("Hazards").fill("No results reach the wards")
        lead.press("Declare the incident")
        assert lead.page.get_by_text("Incident declared: level 3.").is_visible()
        # capacity
        lead.page.get_by_text("Paste a table of capacity").click()
        lead.page.locator("#rows").fill(fall_to(0))
        with lead.page.expect_navigation():
            lead.page.locator("form[action='/incident/capacity/table/'] button").click()
        lead.check()
        assert lead.page.get_by_text("Capacity is written").is_visible()
        # the plan
        lead.open("/plan/")
        lead.press("Make a plan")
        where = urlsplit(lead.page.url).path
        sign_in(clinician, "bola")
        clinician.open(where)
        boxes = clinician.page.locator("input[name=need]")
        assert boxes.count() > 0
        for number in range(boxes.count()):
            boxes.nth(number).check()
        clinician.press("Acknowledge those ticked")
        lead.open(where)
        lead.page.get_by_label("Your full name").fill("Amara Osei")
        lead.press("Adopt the plan")
        assert lead.page.get_by_text("In effect", exact=True).is_visible()
        # what it means, on every page
        open_for_a_reason(lead, people[0])
        for path in (f"/patients/{people[0]}/", "/patients/?family=Okafor", "/diary/", "/"):
            lead.open(path)
        for key in ("critical", "urgent", "waiting", "undelivered", "provisional", "refused"):
            lead.open(f"/worklists/{key}/")
        lead.open(f"/patients/{people[0]}/")
        lead.page.locator("#journal ~ div a").first.click()
        lead.check()
        assert "/entries/" in lead.page.url
        lead.press("Sign out")
        assert "/sign-in/" in lead.page.url
    assert len(set(lead.checked)) >= 12


def test_with_the_keyboard_alone(browser: Browser, server: tuple[str, list[str]]) -> None:
    base, people = server
    with visiting(browser, base, DESK) as visit:
        page = visit.page
        visit.open("/sign-in/")
        tab_to(page, "#username")
        page.keyboard.type("amara")
        page.keyboard.press("Tab")
        page.keyboard.type(PASSWORD)
        with page.expect_navigation():
            page.keyboard.press("Enter")
        tab_to(page, "nav a[href='/patients/']")
        with page.expect_navigation():
            page.keyboard.press("Enter")
        tab_to(page, "#number")
        page.keyboard.type("H00000")
        with page.expect_navigation():
            page.keyboard.press("Enter")
        tab_to(page, f"a[href='/patients/{people[0]}/']")
        with page.expect_navigation():
            page.keyboard.press("Enter")
        visit.check()
        tab_to(page, "#reason-emergency")
        page.keyboard.press("Space")
        tab_to(page, "main button")
        with page.expect_navigation():
            page.keyboard.press("Enter")
        assert page.get_by_role("heading", name="OKAFOR, Mary").is_visible()
        visit.check()


def tab_to(page: Page, selector: str, most: int = 60) -> None:
    """Press Tab until the control has the focus, which must then be seen."""
    for _ in range(most):
        page.keyboard.press("Tab")
        focused = page.locator(":focus")
        if focused.count() and focused.evaluate("(node, wanted) => node.matches(wanted)", selector):
            style = focused.evaluate(
                "n => getComputedStyle(n).boxShadow + getComputedStyle(n).outlineStyle"
            )
            assert style != "nonenone"
            return
    raise AssertionError(f"Tab never comes to {selector}")


def test_without_scripts(browser: Browser, server: tuple[str, list[str]]) -> None:
    base, people = server
    with visiting(browser, base, PHONE, scripts=False) as visit:
        page = visit.page
        page.goto(f"{base}/sign-in/")
        page.get_by_label("User name").fill("amara")
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Sign in").click()
        page.goto(f"{base}/incident/")
        page.get_by_label("What is it called").fill("Attack")
        page.get_by_label("Level 2").check()
        page.get_by_role("button", name="Declare the incident").click()
        assert page.get_by_text("Incident declared: level 2.").is_visible()
        page.get_by_text("Stand down", exact=True).click()
        page.get_by_label("Why the incident can end").fill("A test")
        page.get_by_role("button", name="Stand down the incident").click()
        assert page.get_by_text("Stood down", exact=True).first.is_visible()
        page.goto(f"{base}/patients/{people[0]}/")
        page.get_by_label("Something else").check()
        page.get_by_role("button", name="Open the record").click()
        page.get_by_role("link", name="Say in a few words").click()
        page.get_by_label("In a few words").fill("A test without scripts")
        page.get_by_role("button", name="Open the record").click()
        page.get_by_text("Earlier", exact=True).first.click()
        assert page.get_by_text("131 g/L, final").is_visible()
        assert visit.faults == []


@pytest.mark.parametrize("size", SIZES)
def test_from_the_reason_to_who_opened_it_and_the_alarm(
    browser: Browser, server: tuple[str, list[str]], size: dict[str, int]
) -> None:
    base, people = server
    number = next(iter(synthetic_nhs_numbers())).digits
    with visiting(browser, base, size) as guard, visiting(browser, base, size) as nosy:
        # a trap is set
        sign_in(guard, "dora")
        guard.open("/access/canaries/")
        guard.page.get_by_label("NHS number").fill(number)
        guard.page.get_by_label("Why", exact=True).fill("Made up for this test")
        guard.press("Put it on the list")
        assert guard.page.get_by_text("The record is on the list.").is_visible()
        # somebody without a tie walks into it, with a reason
        sign_in(nosy, "bola")
        nosy.open(f"/patients/{people[0]}/")
        nosy.press("Open the record")  # a fault first: no reason chosen
        nosy.page.get_by_role("link", name="Choose why you open this record.").click()
        nosy.page.get_by_label("The patient, or who cares for them").check()
        nosy.press("Open the record")
        assert nosy.page.get_by_role("heading", name="OKAFOR, Mary").is_visible()
        nosy.open("/worklists/alarms/")
        assert nosy.page.get_by_text("opened by account").count() == 0
        # who opened it, when, why
        guard.open("/access/")
        guard.page.get_by_label("NHS number").fill(number)
        guard.press("See who")
        assert guard.page.get_by_role("cell", name="The patient, or who cares").is_visible()
        with guard.page.expect_navigation():
            guard.page.get_by_role("link", name="bola", exact=True).click()
        guard.check()
        assert guard.page.get_by_role("heading", name="Whose records bola opened").is_visible()
        # the alarm, and what was done
        guard.open("/worklists/alarms/")
        with guard.page.expect_navigation():
            row = guard.page.locator("tr", has_text="A record that nobody should read")
            row.get_by_role("link").click()
        guard.check()
        guard.page.get_by_label("What was done").fill("Spoke with Bola")
        guard.press("Take it off the list")
        assert guard.page.get_by_text("The alarm is off the list.").is_visible()
        assert guard.page.get_by_text("opened by account").count() == 0
    assert len(set(guard.checked)) >= 7
