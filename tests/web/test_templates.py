"""web: every page renders whole, escaped, without scripts of its own, and says "Not known"."""

from __future__ import annotations

import dataclasses
import re
import time
from collections.abc import Callable
from datetime import date, datetime
from html.parser import HTMLParser
from pathlib import Path

import pytest
from jinja2 import UndefinedError

from tests.support import page_samples
from tourniquet.web import addresses
from tourniquet.web.jinja import TEMPLATES, build_environment
from tourniquet.web.presenters.people import PatientLink, PersonName
from tourniquet.web.presenters.shell import ERROR_HEADINGS, Shell

ENVIRONMENT = build_environment(static=lambda path: f"/static/{path}")
PAGES = page_samples.pages()
VOID = {"meta", "link", "input", "br", "img", "hr", "path", "rect", "line"}
EVIL = "\"'><script>alert(1)</script><img src=x onerror=alert(1)>"


def render(name: str) -> str:
    template, shell, page = PAGES[name]
    return ENVIRONMENT.get_template(template).render(shell=shell, page=page)


class Outline(HTMLParser):
    """What a page is made of; fails on a tag that is closed in the wrong place."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.tags.append((tag, found))
        if found.get("id"):
            self.ids.append(str(found["id"]))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag


def outline(text: str) -> Outline:
    parsed = Outline()
    parsed.feed(text)
    assert parsed.open == []
    return parsed


def hostile(value: object) -> object:
    """The presenter with every text replaced by an attack."""
    if isinstance(value, str):
        return EVIL
    if isinstance(value, tuple):
        return tuple(hostile(item) for item in value)
    if isinstance(value, dict):
        return {key: hostile(item) for key, item in value.items()}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        changes = {f.name: hostile(getattr(value, f.name)) for f in dataclasses.fields(value)}
        return dataclasses.replace(value, **changes)
    return value


@pytest.mark.parametrize("name", sorted(PAGES))
def test_page_is_well_formed_with_one_heading_and_unique_ids(name: str) -> None:
    parsed = outline(render(name))
    assert sum(tag == "h1" for tag, _ in parsed.tags) == 1
    assert sum(tag == "main" for tag, _ in parsed.tags) == 1
    assert len(parsed.ids) == len(set(parsed.ids))


@pytest.mark.parametrize("name", sorted(PAGES))
def test_labels_headings_and_described_by_point_at_something(name: str) -> None:
    parsed = outline(render(name))
    for _, found in parsed.tags:
        for attribute in ("for", "aria-labelledby", "aria-describedby"):
            for target in (found.get(attribute) or "").split():
                assert target in parsed.ids, (attribute, target)
        href = found.get("href") or ""
        if href.startswith("#"):
            assert href[1:] in parsed.ids, href


@pytest.mark.parametrize("name", sorted(PAGES))
def test_page_keeps_the_strictest_content_policy(name: str) -> None:
    text = render(name)
    parsed = outline(text)
    assert "<style" not in text
    for tag, found in parsed.tags:
        assert "style" not in found, tag
        assert not any(key.startswith("on") for key in found), tag
        assert tag != "iframe"
        if tag == "script":
            assert str(found.get("src")).startswith("/static/")
        for attribute in ("href", "src", "action"):
            target = found.get(attribute)
            assert target is None or target.startswith(("/", "#")), target


@pytest.mark.parametrize("name", sorted(PAGES))
def test_every_form_that_changes_something_posts_and_has_a_submit(name: str) -> None:
    parsed = outline(render(name))
    forms = [found for tag, found in parsed.tags if tag == "form"]
    submits = [found for tag, found in parsed.tags if tag == "button"]
    assert len(submits) >= len(forms) - 1  # an acknowledgement form may have nothing left to do
    for found in forms:
        assert found.get("method") in {"get", "post"}


@pytest.mark.parametrize("name", [name for name in sorted(PAGES) if "post" in render(name)])
def test_every_form_carries_the_token_against_forgery(name: str) -> None:
    template, shell, page = PAGES[name]
    text = ENVIRONMENT.get_template(template).render(shell=shell, page=page, csrf_input="TOKEN")
    assert text.count('method="post"') == text.count("TOKEN")


@pytest.mark.parametrize("name", sorted(PAGES))
def test_hostile_text_is_never_markup(name: str) -> None:
    template, shell, page = PAGES[name]
    text = ENVIRONMENT.get_template(template).render(shell=hostile(shell), page=hostile(page))
    assert "<script>" not in text
    assert "<img" not in text
    for tag, found in outline(text).tags:
        assert "onerror" not in found, tag


@pytest.mark.parametrize("name", sorted(PAGES))
def test_no_cell_definition_or_heading_is_blank(name: str) -> None:
    cells = re.findall(r"<(td|th|dd|dt|h1|h2|h3)\b[^>]*>(.*?)</\1>", render(name), re.DOTALL)
    for tag, inner in cells:
        assert re.sub(r"<[^>]+>", "", inner).strip(), (name, tag, inner)
    # Python's None, not the word at the head of a sentence.
    assert not re.search(r"[>(,]\s*None\s*[<),]", render(name))


def test_somebody_of_whom_nothing_is_known_is_shown_as_not_known() -> None:
    text = render("patient-blank")
    assert text.count("Not known") >= 7
    assert "Not identified yet" in text


def test_exercise_is_said_at_the_head_at_the_foot_and_in_the_title() -> None:
    text = render("home")
    assert text.count("EXERCISE \u2013 not real.") == 2
    assert "Exercise clock: Wed 12-Jun-2024 10:05" in text
    assert "(exercise)</title>" in text
    assert "EXERCISE" not in render("home-quiet")


def test_incident_strip_is_on_every_page_while_an_incident_runs() -> None:
    for name in ("home", "plan", "patient", "diary", "entry", "critical"):
        assert "Incident declared: level 3." in render(name), name


def test_nobody_signed_in_sees_no_navigation() -> None:
    assert "<nav" not in render("sign-in")
    assert "Sign out" not in render("error-403")


def test_a_result_without_value_or_flag_is_not_called_normal() -> None:
    row = re.search(r"<tr[^>]*><th[^>]*>eGFR.*?</tr>", render("patient"), re.DOTALL)
    assert row is not None
    assert "Not known" in row.group()
    assert "Not flagged" not in row.group(), "nobody gave a range to judge it by"
    assert row.group().count("Not given") == 2
    assert "normal" not in row.group().lower()


def test_flags_are_words_and_a_corrected_result_keeps_what_it_said() -> None:
    text = render("patient")
    assert "Critical high" in text
    assert "184 µmol/L, final" in text


def test_no_date_and_no_day_is_called_what_it_is() -> None:
    page = page_samples.patient_page()
    lost = dataclasses.replace(page.next_dates[1], tell_by=None)
    template, shell, _ = PAGES["patient"]
    text = ENVIRONMENT.get_template(template).render(
        shell=shell, page=dataclasses.replace(page, next_dates=(lost,))
    )
    assert "This must not be" in text


def test_urgent_not_served_comes_before_the_rest_and_blocks_adoption() -> None:
    text = render("plan")
    assert text.index('id="urgent"') < text.index('id="changes"')
    assert addresses.plan_adopt("k7") not in text
    assert addresses.plan_adopt("k7") in render("plan-adoptable")


@pytest.mark.parametrize("status", sorted(ERROR_HEADINGS))
def test_error_pages_say_what_to_do(status: int) -> None:
    text = render(f"error-{status}")
    assert ERROR_HEADINGS[status] in text
    assert text.count("<p>") >= 3


def test_a_field_that_a_presenter_lacks_is_an_error_not_a_blank() -> None:
    template = ENVIRONMENT.from_string("{{ shell.titel }}")
    with pytest.raises(UndefinedError, match="titel"):
        template.render(shell=Shell(title="x"))


def test_nhs_macros_can_be_imported() -> None:
    template = ENVIRONMENT.from_string(
        '{% from "nhsuk/components/button/macro.jinja" import button %}{{ button({"text": "Go"}) }}'
    )
    assert "nhsuk-button" in template.render()


def test_every_template_is_shown_by_a_sample() -> None:
    shown = {template for template, _, _ in PAGES.values()}
    parts = {"base.html", "parts.html", "patients/banner.html", "access/rows.html"}
    parts.add("erasures/parts.html")
    found = {path.relative_to(TEMPLATES).as_posix() for path in TEMPLATES.rglob("*.html")}
    # The downtime desk's are shown by its own process: test_browser_desk.py.
    assert {name for name in found if not name.startswith("desk/")} == shown | parts


def test_a_page_of_sixty_rows_is_fast(benchmark_seconds: Callable[[str], float]) -> None:
    assert benchmark_seconds("plan") < 0.25


@pytest.fixture
def benchmark_seconds() -> Callable[[str], float]:
    """The best of five renderings, in seconds; generous, to fail on a macro in a row only."""

    def best(name: str) -> float:
        render(name)
        times = []
        for _ in range(5):
            start = time.perf_counter()
            render(name)
            times.append(time.perf_counter() - start)
        return min(times)

    return best


FILTERS: tuple[tuple[str, object, str], ...] = (
    ("nhs_number", "9991234567", "999 123 4567"),
    ("nhs_number", None, "Not known"),
    ("nhs_number", "12", "12"),
    ("person_name", PersonName("Jones", "Mary", "Mrs"), "JONES, Mary (Mrs)"),
    ("person_name", PersonName("Jones"), "JONES"),
    ("person_name", PersonName(), "Not known"),
    ("person_name", None, "Not known"),
    ("staff_date", date(1945, 7, 14), "14-Jul-1945"),
    ("staff_date", None, "Not known"),
    ("staff_datetime", datetime.fromisoformat("2024-06-03T07:10:00+00:00"), "03-Jun-2024 08:10"),
    ("staff_datetime", datetime.fromisoformat("2024-12-03T07:10:00+00:00"), "03-Dec-2024 07:10"),
    ("staff_date", datetime.fromisoformat("2024-06-03T23:30:00+00:00"), "04-Jun-2024"),
    ("staff_day", date(2024, 6, 3), "Mon 03-Jun-2024"),
    ("long_date", date(2024, 6, 3), "Monday 3 June 2024"),
    ("long_datetime", datetime.fromisoformat("2024-06-03T11:00:00+00:00"),
     "Monday 3 June 2024 at midday"),
    ("count", 1234567, "1,234,567"),
    ("count", 0, "0"),
    ("count", None, "Not known"),
    ("percent", 0.54, "54%"),
    ("percent", None, "Not known"),
    ("known", "  ", "Not known"),
    ("known", 0, "0"),
    ("level_number", "Level 3", "3"),
    ("level_number", "3", "3"),
    ("waited", 1630, "1 d 3 h"),
    ("waited", 52, "52 min"),
    ("waited", 120, "2 h"),
)  # fmt: skip


@pytest.mark.parametrize(("name", "value", "shown"), FILTERS)
def test_filter(name: str, value: object, shown: str) -> None:
    assert ENVIRONMENT.filters[name](value) == shown


@pytest.mark.parametrize(
    ("born", "shown"),
    [
        (date(2024, 6, 12), "0d"),
        (date(2024, 5, 16), "27d"),
        (date(2024, 5, 15), "4w"),
        (date(2023, 6, 13), "52w"),
        (date(2023, 6, 12), "12m"),
        (date(2022, 6, 13), "23m"),
        (date(2022, 6, 12), "2y"),
        (date(1945, 7, 14), "78y"),
        (date(2024, 6, 13), "Not known"),
        (None, "Not known"),
    ],
)
def test_age(born: date | None, shown: str) -> None:
    assert ENVIRONMENT.filters["age"](born, date(2024, 6, 12)) == shown


def test_addresses_hold_no_text_of_a_patient() -> None:
    link = PatientLink("p1", PersonName("Jones"), "9991234567", addresses.patient("p1"))
    assert "Jones" not in link.href
    assert "999" not in link.href


def test_static_files_of_the_layout_exist() -> None:
    static = Path(TEMPLATES).parent / "static"
    for path in re.findall(r'(?:href|src)="/static/([^"]+)"', render("home")):
        assert (static / path).is_file(), path
