"""Entries about nobody that carry somebody: messages never tied to a patient, and mentions.

A message that was refused or failed has no subject, and yet its bytes may name the person.
It is taken for theirs when it carries
- the NHS number, however it is spaced; or
- family name, first given name and birth date, all three; or
- another number of theirs together with the family name or the birth date.

Two of three are not enough for a name: twins share a family name and a birth date. Where a message
has PID segments, all of them must carry the person: a child's message may hold the mother's
number, and it waits for somebody who looks at it (HAZ-060).
A message that was refused and taken in later for the person, byte for byte, is theirs as well.

Invariants:
- Every entry without a subject is looked at once, in order; memory is bounded by one batch.
- What carries the person and is not theirs alone is named and left: a message about others too,
  an entry of another kind with the NHS number in it. A person must decide.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import Enum

from tourniquet.record.entries import MessageReceived, MessageReviewed
from tourniquet.record.models import JournalEntry, Message
from tourniquet.record.registry import get_kind
from tourniquet.record.tables import IN_MOST

BATCH = 500
_RECEIVED = "message.received"
_REVIEWED = "message.reviewed"
_SEGMENTS = re.compile("[\r\n]+")
_NUMBER_LEAST = 5  # a shorter number stands in many messages by chance


@dataclass(frozen=True)
class Name:
    """A name under which a person is or was known; `birth` is YYYYMMDD, "" where not known."""

    family: str
    given: str
    birth: str


@dataclass(frozen=True)
class Written:
    """How one person is written down: NHS numbers, other numbers, names."""

    nhs_numbers: frozenset[str] = frozenset()
    other_numbers: frozenset[str] = frozenset()
    names: frozenset[Name] = frozenset()

    @staticmethod
    def joined(parts: Iterable[Written]) -> Written:
        """All of them together."""
        found = list(parts)
        return Written(
            frozenset().union(*(part.nhs_numbers for part in found)),
            frozenset().union(*(part.other_numbers for part in found)),
            frozenset().union(*(part.names for part in found)),
        )


@dataclass(frozen=True)
class Stray:
    """Positions: messages that carry the person, reviews of their messages, other mentions.

    For whom was looked, as what, with which digests of messages taken in, and through which
    position.
    """

    people: tuple[str, ...]
    written: Written
    taken_in: frozenset[str]
    through: int = 0
    messages: tuple[int, ...] = ()
    reviews: tuple[int, ...] = ()
    mentions: tuple[int, ...] = ()

    def is_for_same(self, other: Stray) -> bool:
        """Whether both looked for the same."""
        ours = (self.people, self.written, self.taken_in)
        return ours == (other.people, other.written, other.taken_in)


class _Looker:
    """Decides whether text carries the person; made once for a search."""

    def __init__(self, written: Written) -> None:
        self._numbers = sorted(number for number in written.nhs_numbers if number)
        spaced = "|".join("[ -]?".join(number) for number in self._numbers)
        self._nhs = re.compile(f"(?<![0-9])(?:{spaced})(?![0-9])") if spaced else None
        others = "|".join(
            re.escape(number.casefold())
            for number in sorted(written.other_numbers)
            if len(number) >= _NUMBER_LEAST
        )
        self._others = re.compile(f"(?<![0-9a-z])(?:{others})(?![0-9a-z])") if others else None
        self._names = [
            (name.family.casefold(), name.given.casefold(), _dates(name.birth))
            for name in written.names
            if name.family
        ]

    def has_number(self, text: str) -> bool:
        """The NHS number is in it."""
        if self._nhs is None:
            return False
        close = text.replace(" ", "").replace("-", "")  # quick, and mostly the end of it
        return any(number in close for number in self._numbers) and bool(self._nhs.search(text))

    def has_person(self, text: str) -> bool:
        """It carries the person, as the module says."""
        if self.has_number(text):
            return True
        folded = text.casefold()
        other = self._others is not None and self._others.search(folded) is not None
        for family, given, dates in self._names:
            has_family = family in folded
            has_birth = any(date in folded for date in dates)
            if other and (has_family or has_birth):
                return True
            if has_family and has_birth and given and given in folded:
                return True
        return False


def _dates(birth: str) -> tuple[str, ...]:
    """A birth date as HL7 v2 and as FHIR writes it."""
    return (birth, f"{birth[:4]}-{birth[4:6]}-{birth[6:]}") if birth else ()


def _text(raw: bytes) -> str:
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def _without_subject(after: int) -> Iterator[tuple[int, str, int, bytes]]:
    """Position, kind, version and body of every later entry about nobody that is still there."""
    while True:
        rows = list(
            JournalEntry.objects.filter(subject__isnull=True, position__gt=after)
            .order_by("position")
            .values_list("position", "kind", "kind_version", "body")[:BATCH]
        )
        if not rows:
            return
        for position, kind, version, body in rows:
            if body is not None:
                yield position, kind, version, bytes(body)
        after = rows[-1][0]


class _Whose(Enum):
    THEIRS = "theirs"
    MENTIONS = "mentions"
    NOT = "not"


def _whose(looker: _Looker, message: MessageReceived) -> _Whose:
    text = _text(message.raw)
    about = [part for part in _SEGMENTS.split(text) if part.startswith("PID")]
    carried = [looker.has_person(part) for part in about or [text]]
    if all(carried):
        return _Whose.THEIRS
    return _Whose.MENTIONS if any(carried) or looker.has_number(text) else _Whose.NOT


def positions_about(people: Sequence[str]) -> tuple[int, ...]:
    """Where the entries about these people stand."""
    found: list[int] = []
    for start in range(0, len(people), IN_MOST):
        rows = JournalEntry.objects.filter(subject__in=people[start : start + IN_MOST])
        found.extend(rows.values_list("pk", flat=True))
    return tuple(found)


def _digests_at(positions: Sequence[int]) -> frozenset[str]:
    """Digests of the messages that were taken in at these positions."""
    found: set[str] = set()
    for start in range(0, len(positions), IN_MOST):
        rows = Message.objects.filter(pk__in=positions[start : start + IN_MOST])
        found.update(rows.values_list("digest", flat=True))
    return frozenset(found)


def find_strays(written: Written, people: Sequence[str], looked: Stray | None = None) -> Stray:
    """Look through entries about nobody, in order, for the person with these ids.

    What was `looked` through before, for the same, is not looked at again.
    """
    theirs = positions_about(people)
    anew = Stray(tuple(people), written, _digests_at(theirs))
    if looked is None or not looked.is_for_same(anew):
        looked = anew
    looker = _Looker(written)
    messages, reviews = list(looked.messages), list(looked.reviews)
    mentions = list(looked.mentions)
    emptied = {*theirs, *messages}
    last = looked.through
    for position, kind, version, body in _without_subject(looked.through):
        last = position
        if kind == _RECEIVED:
            message = get_kind(kind, version).decoder.decode(body)
            assert isinstance(message, MessageReceived)
            whose = _whose(looker, message)
            if whose is _Whose.THEIRS or message.digest in anew.taken_in:
                messages.append(position)
                emptied.add(position)
            elif whose is _Whose.MENTIONS:
                mentions.append(position)
            continue
        if kind == _REVIEWED:
            review = get_kind(kind, version).decoder.decode(body)
            assert isinstance(review, MessageReviewed)
            if review.message in emptied:  # a review comes after its message
                reviews.append(position)
                continue
        if looker.has_number(_text(body)):
            mentions.append(position)
    return replace(
        anew,
        through=last,
        messages=tuple(messages),
        reviews=tuple(reviews),
        mentions=tuple(mentions),
    )
