"""Drafts that people finish: the report to the regulator, and the data for letters.

The regulator's web form can't be saved half-way, so what is known is filled in here, under its own
headings, and what a person must say is marked. Phased reports are allowed: a later draft says what
changed since.

Invariants:
- The draft names nobody: it has counts alone.
- Letters' data name people by the key of the index; names and addresses stay in the index.
- Nobody who is recorded dead, and no child, gets a letter: these go to the practice's call list.

Source: the regulator's form for a personal data breach and Articles 33 and 34 of the UK GDPR, as
summed up in the project's own account of the domain; the words are proposed and need sign-off by
data protection.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import duckdb

from tourniquet.breach.answers import BASE

DRAFT = "regulator-draft.txt"
LETTERS = "letters.csv"
CHILD_UNDER_YEARS = 16  # proposed; who answers for a child's letter needs sign-off
TO_FILL_IN = "[to be filled in by a person]"
_PLAIN = {  # of INTERFACES' categories
    "name": "your name",
    "birth_date": "your date of birth",
    "nhs_number": "your NHS number",
    "local_number": "your hospital number",
    "address": "your address",
    "contact": "your telephone number or e-mail address",
    "request": "which tests were asked for",
    "result": "results of tests",
    "narrative": "what somebody wrote about your care",
}


@dataclass(frozen=True)
class Progress:
    """How far a review has come, and what it expects."""

    files: int
    files_parsed: int
    bytes: int
    bytes_parsed: int
    people_notify: int
    people_review: int
    unresolved: int
    expected_low: int
    expected_high: int


@dataclass(frozen=True)
class Known:
    """Counts over the answer: people by category, by sensitive category, by controller."""

    categories: tuple[tuple[str, int], ...]
    sensitive: tuple[tuple[str, int], ...]
    controllers: int
    records: int


def count_known(work: Path) -> Known:
    """Count over the database of an answer."""
    with duckdb.connect(work / BASE, read_only=True) as base:
        by_category, by_sensitive = (
            tuple(
                (str(name), int(count))
                for name, count in base.execute(
                    f"""SELECT name, count(DISTINCT person) FROM (SELECT person,
                        unnest(string_split({column}, ';')) AS name FROM affected)
                        WHERE name <> '' GROUP BY name ORDER BY 2 DESC, 1"""
                ).fetchall()
            )
            for column in ("categories", "sensitive")
        )
        row = base.execute(
            """SELECT (SELECT count(DISTINCT controller) FROM evidence WHERE controller <> ''),
                      (SELECT count(DISTINCT (content, number)) FROM evidence)"""
        ).fetchone()
    assert row is not None  # counts always are
    return Known(by_category, by_sensitive, int(row[0]), int(row[1]))


def regulator_draft(progress: Progress, known: Known, *, found_out: str = "") -> str:
    """The draft's text. `found_out`: when a controller became aware, as a person wrote it."""
    found = progress
    share = f"{found.files_parsed:,} of {found.files:,} files were read"
    parsed = f"{found.bytes_parsed / 1e6:,.0f} of {found.bytes / 1e6:,.0f} MB"
    lines = [
        "DRAFT of a report of a personal data breach. Not sent. It names nobody.",
        "",
        "1. When did you find out?",
        found_out or TO_FILL_IN,
        "",
        "2. What happened?",
        TO_FILL_IN,
        (
            f"Files were copied and examined: {share} ({parsed}); every byte of all of them was "
            "searched for NHS numbers."
        ),
        "",
        "3. Which categories of personal data, and of how many people?",
        (
            f"People whose data were found, to be told: {found.people_notify:,}. "
            f"People about whom somebody must decide: {found.people_review:,}."
        ),
        (
            f"Expected in the end, by the examination so far: {found.expected_low:,} to "
            f"{found.expected_high:,} people."
        ),
        *_counted("Of these people", known.categories),
        *_counted("Special categories, and what is as sensitive", known.sensitive),
        "",
        "4. How many records?",
        (
            f"About {known.records:,} records tied to a person, and {found.unresolved:,} fragments "
            "with personal data of people whom our index does not tell."
        ),
        "",
        "5. Whose responsibility?",
        f"{known.controllers:,} controllers are named by the data; each can be given its own part.",
        "",
        "6. Likely consequences for the people",
        TO_FILL_IN,
        "",
        "7. What was done, and what will be",
        TO_FILL_IN,
        "",
        "8. Who can be asked",
        TO_FILL_IN,
    ]
    return "\n".join(lines) + "\n"


def _counted(title: str, rows: tuple[tuple[str, int], ...]) -> list[str]:
    if not rows:
        return [f"{title}: none was found."]
    return [f"{title}:", *(f"  {name.replace('_', ' ')}: {count:,}" for name, count in rows)]


def write_letters(work: Path, people: str, file: Path, *, today: date) -> int:
    """Write who is to be told, of what and by which route; how many. `people`: the index's.

    A row: `person,route,what,sensitive,why`; route is `letter` or `practice`.
    """
    with duckdb.connect(work / BASE, read_only=True) as base:
        rows = base.execute(
            f"""SELECT a.person, a.categories, a.sensitive, p.birth, p.died
                FROM affected a JOIN read_parquet('{people.replace("'", "''")}') p
                ON p.person = a.person WHERE a.decision = 'notify' ORDER BY a.person"""
        ).fetchall()
    with file.open("w", encoding="utf-8", newline="") as opened:
        writer = csv.writer(opened)
        writer.writerow(["person", "route", "what", "sensitive", "why"])
        for person, categories, sensitive, birth, died in rows:
            why = _why_no_letter(birth, died, today)
            what = "; ".join(_PLAIN[one] for one in categories.split(";") if one)
            writer.writerow([person, "practice" if why else "letter", what, sensitive, why])
    return len(rows)


def _why_no_letter(birth: date | None, died: date | None, today: date) -> str:
    """Why somebody gets no letter; empty where they do."""
    if died is not None:
        return "recorded dead"
    if birth is None:
        return "birth date not known"
    turns = birth.year + CHILD_UNDER_YEARS
    is_child = (turns, birth.month, birth.day) > (today.year, today.month, today.day)
    return "a child" if is_child else ""
