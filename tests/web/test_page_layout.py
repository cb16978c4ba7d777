"""web: in a real browser, no page is wider than its window, and every text has contrast.

Pages are rendered from invented values and opened as files, so that the look is tested without
a server; whole paths through the console are tested elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TypedDict

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from tests.support import page_samples
from tests.support.browser import find_chromium
from tools.page_gallery import render_all, render_public

NAMES = sorted([*page_samples.pages(), *page_samples.public_files(), "charts"])
PHONE = 375
# A window of 1280 pixels at 200 % zoom is laid out as one of 640.
ZOOMED = 640
WIDE = 1280
# Source: WCAG 2.2, 1.4.3 (large text is 24 px, or 18.66 px in bold) and 2.5.8.
CONTRAST, CONTRAST_LARGE = 4.5, 3.0
TARGET_PIXELS = 24

CONTRAST_SCRIPT = """
() => {
  const linear = v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
  const channel = v => linear(v / 255);
  const light = c => 0.2126 * channel(c[0]) + 0.7152 * channel(c[1]) + 0.0722 * channel(c[2]);
  const parse = s => (s.match(/[\\d.]+/g) || []).map(Number);
  const behind = node => {
    for (let n = node; n; n = n.parentElement) {
      const c = parse(getComputedStyle(n).backgroundColor);
      if (c.length === 3 || c[3] === 1) return c;
    }
    return [255, 255, 255];
  };
  const found = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const text = walker.currentNode.textContent.trim();
    const node = walker.currentNode.parentElement;
    if (!text || node.closest("svg, option, .nhsuk-u-visually-hidden")) continue;
    if (!node.checkVisibility()) continue;
    const style = getComputedStyle(node);
    const a = light(parse(style.color)), b = light(behind(node));
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    found.push({text: text.slice(0, 40), ratio, size: parseFloat(style.fontSize),
                bold: Number(style.fontWeight) >= 600});
  }
  return found;
}
"""
SMALL_TARGETS_SCRIPT = """
(least) => [...document.querySelectorAll("button, input:not([type=hidden]), select, summary")]
  .filter(n => n.checkVisibility())
  .map(n => [n.outerHTML.slice(0, 80), n.getBoundingClientRect()])
  .filter(([_, box]) => box.width < least || box.height < least)
  .map(([name, _]) => name)
"""


class TextFound(TypedDict):
    """One text of a page, as the browser drew it."""

    text: str
    ratio: float
    size: float
    bold: bool


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    out = tmp_path_factory.mktemp("pages")
    return render_all(out) | render_public(out)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(
            executable_path=find_chromium(), args=["--no-sandbox", "--disable-gpu"]
        )
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def page(browser: Browser) -> Iterator[Page]:
    opened = browser.new_page()
    yield opened
    opened.close()


@pytest.mark.parametrize("name", NAMES)
def test_no_page_is_wider_than_its_window(name: str, files: dict[str, Path], page: Page) -> None:
    page.goto(files[name].as_uri())
    for width in (PHONE, ZOOMED, WIDE):
        page.set_viewport_size({"width": width, "height": 900})
        drawn = page.evaluate("document.documentElement.scrollWidth")
        assert drawn <= width, (width, drawn)


@pytest.mark.parametrize("name", NAMES)
def test_every_text_has_contrast_and_every_control_can_be_hit(
    name: str, files: dict[str, Path], page: Page
) -> None:
    page.goto(files[name].as_uri())
    texts: list[TextFound] = page.evaluate(CONTRAST_SCRIPT)
    assert len(texts) > 5
    for found in texts:
        large = found["size"] >= 24 or (found["bold"] and found["size"] >= 18.66)
        assert found["ratio"] >= (CONTRAST_LARGE if large else CONTRAST), found
    assert page.evaluate(SMALL_TARGETS_SCRIPT, TARGET_PIXELS) == []


def test_the_first_tab_shows_the_skip_link_and_focus_is_seen(
    files: dict[str, Path], page: Page
) -> None:
    page.emulate_media(media="screen")
    page.goto(files["home"].as_uri())
    page.keyboard.press("Tab")
    skip = page.locator(":focus")
    assert skip.inner_text() == "Skip to main content"
    box = skip.bounding_box()
    assert box is not None
    assert box["x"] >= 0
    page.keyboard.press("Tab")
    assert page.locator(":focus").evaluate("n => getComputedStyle(n).boxShadow") != "none"


def test_without_scripts_nothing_is_missing(files: dict[str, Path], browser: Browser) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    for name in ("home", "plan", "patient", "incident-declare"):
        page.goto(files[name].as_uri())
        assert page.locator("main").is_visible()
        for button in page.locator("main button").all()[:3]:
            assert button.is_visible()
    context.close()


def test_print_leaves_out_the_controls_and_keeps_the_exercise_mark(
    files: dict[str, Path], page: Page
) -> None:
    page.goto(files["plan"].as_uri())
    page.emulate_media(media="print")
    assert not page.locator(".tq-nav").is_visible()
    assert not page.locator(".tq-filters").is_visible()
    assert page.locator(".tq-exercise").is_visible()
    assert page.locator("#changes").is_visible()
    page.emulate_media(media="screen")
