"""Entries about nobody that carry somebody: messages never tied to a patient, and mentions.

A message that was refused or failed has no subject, and yet its bytes may name the person.
It is taken for theirs when it carries
- the NHS number, however it is spaced; or
- family name, first given name and birth date, all three; or
- another number of theirs together with the family name or the birth date.

Two of three are not enough for a name: twins share a family name and a birth date.

Invariants:
- Every entry without a subject is looked at once, in order; memory is bounded by one batch.
- An entry of another kind that carries the NHS number is named and left: it is about other
  things too, and a person must decide.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from tourniquet.record.entries import MessageReceived, MessageReviewed
from tourniquet.record.models import JournalEntry
from tourniquet.record.registry import get_kind

BATCH = 500
_RECEIVED = "message.received"
_REVIEWED = "message.reviewed"
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
    """Positions: messages that carry the person, reviews of their messages, other mentions."""

    messages: tuple[int, ...]
    reviews: tuple[int, ...]
    mentions: tuple[int, ...]


class _Looker:
    """Decides whether text carries the person; made once for a search."""

    def __init__(self, written: Written) -> None:
        spaced = "|".join("[ -]?".join(number) for number in sorted(written.nhs_numbers) if number)
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
        return self._nhs is not None and self._nhs.search(text) is not None

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


def _without_subject() -> Iterator[tuple[int, str, int, bytes]]:
    """Position, kind, version and body of every entry about nobody that is still there."""
    after = 0
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


def find_strays(written: Written, theirs: Iterable[int]) -> Stray:
    """Look through every entry about nobody. `theirs` are positions of entries about the person."""
    looker = _Looker(written)
    messages, reviews, mentions = [], [], []
    emptied = set(theirs)
    for position, kind, version, body in _without_subject():
        if kind == _RECEIVED:
            message = get_kind(kind, version).decoder.decode(body)
            assert isinstance(message, MessageReceived)
            if looker.has_person(_text(message.raw)) or looker.has_person(message.reason):
                messages.append(position)
                emptied.add(position)
            continue
        if kind == _REVIEWED:
            review = get_kind(kind, version).decoder.decode(body)
            assert isinstance(review, MessageReviewed)
            if review.message in emptied:  # a review comes after its message
                reviews.append(position)
                continue
        if looker.has_number(_text(body)):
            mentions.append(position)
    return Stray(tuple(messages), tuple(reviews), tuple(mentions))
