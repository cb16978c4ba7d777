"""The words of notices: text messages and letters to patients.

Invariants:
- Pure: facts in, words out. No Django, no clock, no setting.
- The letter and the text message have the same words, from one template for each kind.
- No notice has a blank where a fact should be: a missing fact that the kind needs is refused,
  one that it can do without has words of its own.
- No links, no request for details, nothing about the result or the illness (a lock screen shows
  it). At most TEXT_LIMIT characters; our own words stay within the alphabet of text messages.
- In an exercise every notice begins and ends with a mark that says so.

It refuses to decide who is told and how: that is for `rules` and the flow.
Source: DOMAIN section 5; GOV.UK Notify, text messages, length limits, read November 2026.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime
from functools import cache, lru_cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template

from tourniquet.kernel.clock import LONDON
from tourniquet.kernel.errors import UserError
from tourniquet.notices.wording import long_date, plain_time

TEMPLATES = Path(__file__).parent / "templates"
TEXT_LIMIT = 918
EXERCISE_MARK = "EXERCISE - NOT REAL"

MOVED = "appointment_moved"
DEFERRED = "appointment_deferred"
BOOKED = "appointment_booked"
KEPT = "appointment_kept_reassurance"
TURNED_AWAY = "turned_away_today"
EMERGENCY = "attend_emergency_route"
HEADINGS = {
    MOVED: "Your test has a new date",
    DEFERRED: "Your test has to wait",
    BOOKED: "Your test has a date",
    KEPT: "Your test is going ahead",
    TURNED_AWAY: "We could not do your test today",
    EMERGENCY: "You need a test today",
}
_NEEDS: dict[str, tuple[str, ...]] = {
    MOVED: ("new_start", "clinic"),
    DEFERRED: ("hear_by",),
    BOOKED: ("new_start", "clinic"),
    KEPT: ("new_start", "clinic"),
    TURNED_AWAY: (),
    EMERGENCY: (),
}
DEFAULT_REASON = "A computer attack means that our labs can do fewer tests."
# Reasons in words for patients. Whoever says that it is safe to wait has a policy that says so.
REASONS = {
    "fewer_tests": DEFAULT_REASON,
    "safe_to_wait": f"{DEFAULT_REASON} Your test can safely wait.",
    "lab_stopped": "The lab had to stop today. It is not because of you.",
    "working_again": "Our labs can do more tests again.",
    "urgent": "Your doctor or nurse needs the result soon.",
}


@dataclass(frozen=True)
class Limits:
    """How many characters of each fact there is room for; longer ones are cut at a word."""

    name: int
    clinic: int
    address: int
    reason: int


TEXT_LIMITS = Limits(name=30, clinic=80, address=120, reason=120)
LETTER_LIMITS = Limits(name=100, clinic=200, address=400, reason=600)
_LINK = re.compile(r"https?:|www\.|[a-z0-9-]+\.(?:uk|com|net|org|nhs)\b", re.IGNORECASE)
_CONTROL = re.compile(r"[\x00-\x1f\x7f]+")


@dataclass(frozen=True)
class NoticeFacts:
    """What a notice says. `new_start` is the visit that stands; `old_day` the one that fell."""

    kind: str
    given_name: str = ""
    test: str = "blood test"
    old_day: date | None = None
    new_start: datetime | None = None
    clinic: str = ""
    clinic_address: str = ""
    hear_by: date | None = None
    reason: str = DEFAULT_REASON
    practice: str = ""
    practice_phone: str = ""
    emergency_place: str = ""
    exercise: bool = False


@dataclass(frozen=True)
class LetterTo:
    """Who a letter is posted to and when it was written."""

    name: str
    address_lines: tuple[str, ...]
    written_on: date
    reference: str = ""


def render_text(facts: NoticeFacts) -> str:
    """The text message, at most TEXT_LIMIT characters.

    Raises: UserError when the kind is unknown or lacks a fact that it cannot do without; whoever
    made the notice must act.
    """
    mark = EXERCISE_MARK if facts.exercise else ""
    text = "\n\n".join(part for part in (mark, *paragraphs(facts), mark) if part)
    if len(text) > TEXT_LIMIT:
        raise UserError(
            f"A text message would have {len(text)} characters.",
            where=facts.kind,
            remedy=f"It may have {TEXT_LIMIT}: shorten the template.",
        )
    return text


def render_letter(facts: NoticeFacts, to: LetterTo) -> str:
    """The letter as one page of HTML to print, in large letters.

    Raises: UserError as `render_text`.
    """
    return _letter_page(facts.kind, paragraphs(facts, LETTER_LIMITS), to, exercise=facts.exercise)


def render_letter_of(kind: str, text: str, to: LetterTo, *, exercise: bool) -> str:
    """The letter that says what a text message of ours says, as `render_text` gave it.

    Raises: UserError when the kind is unknown.
    """
    if kind not in HEADINGS:
        raise UserError("There is no such kind of notice.", where=kind[:40])
    parts = tuple(part for part in text.split("\n\n") if part and part != EXERCISE_MARK)
    return _letter_page(kind, parts, to, exercise=exercise)


def _letter_page(kind: str, parts: tuple[str, ...], to: LetterTo, *, exercise: bool) -> str:
    limits = LETTER_LIMITS
    greeting, *body = parts
    return _template("notices/letter.html", escape=True).render(
        heading=HEADINGS[kind],
        greeting=greeting,
        paragraphs=body,
        name=clean(to.name, limits.name) or "The patient",
        address_lines=[clean(line, limits.address) for line in to.address_lines if line.strip()],
        written_on=long_date(to.written_on),
        reference=clean(to.reference, limits.name),
        exercise=exercise,
    )


def paragraphs(facts: NoticeFacts, limits: Limits = TEXT_LIMITS) -> tuple[str, ...]:
    """The notice's paragraphs, the greeting first."""
    if facts.kind not in HEADINGS:
        raise UserError("There is no such kind of notice.", where=facts.kind[:40])
    for name in _NEEDS[facts.kind]:
        if not getattr(facts, name):
            raise UserError("A notice lacks a fact.", where=f"{facts.kind}.{name}")
    template = _template(f"notices/{facts.kind}.txt", escape=False)
    text = template.render(_values(facts, limits))
    return tuple(" ".join(part.split()) for part in text.split("\n\n") if part.strip())


@lru_cache(maxsize=4096)
def clean(text: str, limit: int) -> str:
    """One line of text from outside: no control characters, no links, cut at a word."""
    line = " ".join(_CONTROL.sub(" ", text).split())
    line = " ".join(word for word in line.split(" ") if not _LINK.search(word))
    if len(line) <= limit:
        return line
    return line[: limit + 1].rpartition(" ")[0] or line[:limit]


def _values(facts: NoticeFacts, limits: Limits) -> dict[str, str]:
    start = facts.new_start.astimezone(LONDON) if facts.new_start else None
    practice = clean(facts.practice, limits.name) or "your GP practice"
    phone = clean(facts.practice_phone, limits.name)
    place = ", ".join(
        part
        for part in (
            clean(facts.clinic, limits.clinic),
            clean(facts.clinic_address, limits.address),
        )
        if part
    )
    given = clean(facts.given_name, limits.name)
    return {
        "greeting": f"Dear {given}" if given else "Dear patient",
        "test": clean(facts.test, limits.name) or "test",
        "old_day": long_date(facts.old_day) if facts.old_day else "",
        "new_day": long_date(start.date()) if start else "",
        "new_time": plain_time(start.time()) if start else "",
        "place": place,
        "hear_by": long_date(facts.hear_by) if facts.hear_by else "",
        "reason": _sentence(clean(facts.reason, limits.reason) or DEFAULT_REASON),
        "call_practice": f"{practice} on {phone}" if phone else practice,
        "emergency_place": clean(facts.emergency_place, limits.clinic) or "your nearest A&E",
    }


def _sentence(text: str) -> str:
    text = text[0].upper() + text[1:]
    return text if text[-1] in ".!?" else f"{text}."


@cache
def _template(name: str, *, escape: bool) -> Template:
    return _environment(escape=escape).get_template(name)


@cache
def _environment(*, escape: bool) -> Environment:
    return Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=escape,  # noqa: S701  # text messages are not HTML; letters are escaped
        undefined=StrictUndefined,
        auto_reload=False,
        trim_blocks=True,
        lstrip_blocks=True,
    )
