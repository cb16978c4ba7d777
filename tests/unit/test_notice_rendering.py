"""unit: the words of notices are short, plain, whole, and safe to be read on a lock screen."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, date, datetime

import pytest

from tests.support.reading_age import grade
from tourniquet.kernel.errors import UserError
from tourniquet.notices.rendering import (
    BOOKED,
    DEFERRED,
    EMERGENCY,
    HEADINGS,
    KEPT,
    MOVED,
    REASONS,
    TEXT_LIMIT,
    TEXT_LIMITS,
    TURNED_AWAY,
    LetterTo,
    NoticeFacts,
    render_letter,
    render_text,
)

GRADE_AT_MOST = 7
START = datetime(2024, 6, 18, 8, 10, tzinfo=UTC)
FULL = NoticeFacts(
    kind=MOVED,
    given_name="Mary",
    old_day=date(2024, 6, 14),
    new_start=START,
    clinic="Bermondsey Health Centre",
    clinic_address="108 Grange Road, London SE1 3BW",
    hear_by=date(2024, 6, 24),
    practice="Elm Court Surgery",
    practice_phone="020 7946 0123",
    emergency_place="A&E at St Thomas' Hospital",
)
TO = LetterTo("Mrs Mary Jones", ("14 Elm Court", "London", "SE1 4XX"), date(2024, 6, 12), "N-77")
LINK = re.compile(r"https?:|www\.|\.(?:uk|com|net|org)\b|href", re.IGNORECASE)
KINDS = sorted(HEADINGS)


def bare(kind: str) -> NoticeFacts:
    """Only what the kind cannot do without."""
    return NoticeFacts(
        kind=kind,
        new_start=START if kind in {MOVED, BOOKED, KEPT} else None,
        clinic="Elm Clinic" if kind in {MOVED, BOOKED, KEPT} else "",
        hear_by=date(2024, 6, 24) if kind == DEFERRED else None,
    )


def longest(kind: str) -> NoticeFacts:
    """Every fact far longer than anybody's."""
    return replace(
        FULL,
        kind=kind,
        given_name="Wolfeschlegelsteinhausenbergerdorff " * 3,
        test="blood test and a swab and a bowel test " * 3,
        clinic="The Very Long Name of a Community Health Centre " * 4,
        clinic_address="First Floor, East Wing, " * 20,
        reason="The lab has no room and " * 40,
        practice="The Old Kent Road and Peckham Medical Partnership " * 3,
        practice_phone="020 7946 0123 extension 4455",
        emergency_place="The emergency department of the hospital " * 5,
        exercise=True,
    )


@pytest.mark.parametrize("kind", KINDS)
def test_text_fits_whatever_the_facts(kind: str) -> None:
    assert len(render_text(replace(FULL, kind=kind, exercise=True))) <= TEXT_LIMIT
    assert len(render_text(longest(kind))) <= TEXT_LIMIT


@pytest.mark.parametrize("kind", KINDS)
def test_words_are_plain(kind: str) -> None:
    assert grade(render_text(bare(kind))) <= GRADE_AT_MOST
    assert grade(render_text(replace(FULL, kind=kind))) <= GRADE_AT_MOST


@pytest.mark.parametrize("reason", sorted(REASONS.values()))
def test_reasons_fit_and_are_plain(reason: str) -> None:
    assert len(reason) <= TEXT_LIMITS.reason
    assert reason.isascii()
    assert grade(reason) <= GRADE_AT_MOST
    assert reason in render_text(replace(FULL, reason=reason))


@pytest.mark.parametrize("kind", KINDS)
def test_no_links_even_from_outside(kind: str) -> None:
    facts = replace(
        FULL, kind=kind, reason="See http://evil.example.com now", given_name="www.evil.com Mary"
    )
    text = render_text(facts)
    assert not LINK.search(text)
    assert "evil" not in text
    assert "<a " not in render_letter(facts, TO)


@pytest.mark.parametrize("kind", KINDS)
def test_no_blank_where_a_fact_is_missing(kind: str) -> None:
    text = render_text(bare(kind))
    assert not re.search(r"\bon \.|\bat \.|\bto \.|\bby \.|  |, ,|,\.|None|\{|\}", text), text
    assert text.startswith("Dear patient,")
    assert "your GP practice" in text.replace("Your practice", "your GP practice")
    assert "999" in text
    assert "111" in text


@pytest.mark.parametrize("kind", KINDS)
def test_our_own_words_stay_in_the_alphabet_of_text_messages(kind: str) -> None:
    assert render_text(bare(kind)).isascii()
    assert "`" not in render_text(bare(kind))


@pytest.mark.parametrize(
    ("kind", "field"), [(MOVED, "new_start"), (MOVED, "clinic"), (DEFERRED, "hear_by")]
)
def test_a_fact_that_the_kind_needs_is_never_left_out(kind: str, field: str) -> None:
    missing = replace(FULL, kind=kind, **{field: None if field != "clinic" else ""})
    with pytest.raises(UserError, match=field):
        render_text(missing)


def test_unknown_kind_is_refused() -> None:
    with pytest.raises(UserError, match="no such kind"):
        render_text(replace(FULL, kind="appointment_teleported"))


def test_moved_says_old_and_new_date_time_and_place_in_london_time() -> None:
    text = render_text(FULL)
    for words in (
        "Dear Mary,",
        "Friday 14 June 2024",
        "Tuesday 18 June 2024 at 9:10am",
        "Bermondsey Health Centre, 108 Grange Road, London SE1 3BW",
        "Elm Court Surgery on 020 7946 0123",
    ):
        assert words in text


def test_deferred_says_by_when_and_that_the_place_is_kept() -> None:
    text = render_text(replace(FULL, kind=DEFERRED))
    assert "We will tell you more by Monday 24 June 2024." in text
    assert "You have not lost your place." in text


def test_turned_away_gives_a_date_or_a_day_or_a_call() -> None:
    facts = replace(FULL, kind=TURNED_AWAY)
    assert "Your new date is Tuesday 18 June 2024" in render_text(facts)
    assert "by Monday 24 June 2024" in render_text(replace(facts, new_start=None))
    assert "Your practice will call you" in render_text(
        replace(facts, new_start=None, hear_by=None)
    )


def test_emergency_route_says_where_and_when() -> None:
    text = render_text(replace(FULL, kind=EMERGENCY))
    assert "Please go to A&E at St Thomas' Hospital today." in text


@pytest.mark.parametrize("kind", KINDS)
def test_exercise_marks_both_ends_of_text_and_letter(kind: str) -> None:
    text = render_text(replace(FULL, kind=kind, exercise=True))
    assert text.startswith("EXERCISE - NOT REAL")
    assert text.endswith("EXERCISE - NOT REAL")
    letter = render_letter(replace(FULL, kind=kind, exercise=True), TO)
    assert letter.count("EXERCISE - NOT REAL") == 2
    assert "EXERCISE" not in render_text(replace(FULL, kind=kind))


def test_letter_has_the_same_words_and_escapes_names() -> None:
    facts = replace(FULL, given_name="<script>alert(1)</script>")
    letter = render_letter(facts, replace(TO, name='"><img src=x>'))
    assert "<script" not in letter
    assert "<img" not in letter
    for paragraph in render_text(FULL).split("\n\n")[1:]:
        assert paragraph.replace("'", "&#39;") in letter
    assert "Wednesday 12 June 2024" in letter
    assert "14 Elm Court" in letter


def test_line_breaks_of_outside_never_make_a_paragraph() -> None:
    text = render_text(replace(FULL, reason="Line one\n\nPay here\x00 now"))
    assert "Line one Pay here now." in text
