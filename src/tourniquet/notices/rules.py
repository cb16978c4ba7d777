"""Who is told what, how, and when. Pure.

Invariants:
- No automatic notice to people recorded dead, with a sensitive or unsafe-contact flag, under 16, or
  not yet identified: their practice calls. The emergency route is always a call.
- The same thing is not told twice; at most one notice a patient a day, but what is about today or
  tomorrow never waits.

Source: DOMAIN section 5.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from tourniquet.notices.rendering import BOOKED, DEFERRED, EMERGENCY, MOVED, TURNED_AWAY

CHILD_UNDER_YEARS = 16
TEXT, LETTER, CALL_LIST = "text", "letter", "call_list"
DID_NOT_COME = "did not come"
BOOKED_BEFORE = "booked before"
NEXT_CHANNEL = {TEXT: LETTER, LETTER: CALL_LIST}


@dataclass(frozen=True, slots=True)
class Recipient:
    """What decides how somebody is told."""

    recorded_dead: bool
    sensitive: bool
    unsafe_contact: bool
    identified: bool
    birth_date: date | None
    phone: str
    address: str


@dataclass(frozen=True, slots=True)
class Visit:
    """An appointment as far as telling is concerned."""

    id: str
    day: date
    status: str
    reason: str


@dataclass(frozen=True, slots=True)
class Told:
    """What was told last about a need."""

    kind: str
    appointment: str | None
    review_on: date | None


@dataclass(frozen=True, slots=True)
class ToTell:
    """What must be told now; `fell` is the visit that does not go ahead."""

    kind: str
    appointment: str | None
    review_on: date | None
    fell: Visit | None


def choose_channel(recipient: Recipient, kind: str, *, today: date) -> str:
    """Text, letter, or the practice's call list."""
    if (
        kind == EMERGENCY
        or recipient.recorded_dead
        or recipient.sensitive
        or recipient.unsafe_contact
        or not recipient.identified
        or is_child(recipient.birth_date, today)
    ):
        return CALL_LIST
    if recipient.phone.strip():
        return TEXT
    return LETTER if recipient.address.strip() else CALL_LIST


def is_child(birth_date: date | None, today: date) -> bool:
    """Under 16 on that day; not known counts as a child, because nobody is told by guess."""
    if birth_date is None:
        return True
    had_birthday = (today.month, today.day) >= (birth_date.month, birth_date.day)
    return today.year - birth_date.year - (not had_birthday) < CHILD_UNDER_YEARS


def decide(
    *,
    status: str,
    reason: str,
    review_on: date | None,
    current: Visit | None,
    last: Visit | None,
    told: Told | None,
) -> ToTell | None:
    """What a need's patient must be told now; None where they know it all.

    `current` is the appointment that stands, `last` the one before it or the last that stood.
    """
    if status == "booked":
        return _decide_booked(current, last, told)
    if status == "emergency":
        return None if told and told.kind == EMERGENCY else ToTell(EMERGENCY, None, None, last)
    if status == "waiting" and reason and reason != DID_NOT_COME and review_on is not None:
        return _decide_waiting(review_on, last, told)
    return None


def _decide_booked(current: Visit | None, last: Visit | None, told: Told | None) -> ToTell | None:
    if current is None or current.reason == BOOKED_BEFORE:
        return None
    if told and told.appointment == current.id:
        return None
    if told:
        knew_date = told.appointment is not None and told.kind in {BOOKED, MOVED}
    else:
        knew_date = last is not None and last.status == "moved"
    return ToTell(MOVED if knew_date else BOOKED, current.id, None, last if knew_date else None)


def _decide_waiting(review_on: date, last: Visit | None, told: Told | None) -> ToTell | None:
    if told and told.appointment is None and told.review_on == review_on:
        return None
    if last is not None and last.status == "attended":
        return ToTell(TURNED_AWAY, None, review_on, last)
    fell = last if last is not None and last.status in {"cancelled", "turned_away"} else None
    if told is not None and told.appointment is None:
        fell = None  # they know already that it fell
    return ToTell(DEFERRED, None, review_on, fell)


def may_wait(found: ToTell, day: date | None, *, today: date) -> bool:
    """Whether it may be held until tomorrow because something was sent today already."""
    if found.kind in {EMERGENCY, TURNED_AWAY}:
        return False
    days = [one for one in (day, found.fell.day if found.fell else None) if one is not None]
    return all((one - today).days > 1 for one in days)
