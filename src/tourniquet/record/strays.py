"""Entries about nobody that carry somebody, and entries about others that name them.

A message that was refused or failed has no subject, and yet its bytes may name the person.
record.recognising says whether it is theirs. A message that was refused and taken in later for the
person, byte for byte, is theirs as well.

Invariants:
- Every entry without a subject is looked at once, in order, and so is every entry about somebody
  else; memory is bounded by one batch and the positions that were found.
- What carries the person and is not theirs alone is named and left: a message about others too,
  an entry of another kind or about somebody else with the NHS number in it. A person must decide.
- A message about several people goes with the last of them: each erasure says which PIDs were
  theirs (`covered`), and those of people erased before need not be anybody's.
"""

from __future__ import annotations

import base64
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import msgspec
from django.db.models import QuerySet

from tourniquet.kernel.errors import IntegrityError
from tourniquet.record.entries import (
    ErasureCarriedOut,
    MessageApplied,
    MessageReceived,
    MessageReviewed,
)
from tourniquet.record.models import Erasure, JournalEntry, Message
from tourniquet.record.recognising import Looker, Whose, Written, read_text
from tourniquet.record.registry import Body, get_kind
from tourniquet.record.tables import IN_MOST

BATCH = 500
_CARRIED_OUT = "erasure.carried_out"
Covered = tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Elsewhere:
    """Positions of entries about others in which one of these people's NHS numbers stands."""

    people: tuple[str, ...] = ()
    numbers: frozenset[str] = frozenset()
    through: int = 0
    positions: tuple[int, ...] = ()


@dataclass(frozen=True)
class Stray:
    """Positions: messages that carry the person, reviews of their messages, other mentions.

    For whom was looked, as what, with which digests of messages taken in and PIDs erased before,
    and through which position. `covered`: position, and ordinal of a PID in it that is theirs, for
    each message about others too.
    """

    people: tuple[str, ...]
    written: Written
    taken_in: frozenset[str]
    erased: Covered = ()
    through: int = 0
    messages: tuple[int, ...] = ()
    reviews: tuple[int, ...] = ()
    about_nobody: tuple[int, ...] = ()
    covered: Covered = ()
    elsewhere: Elsewhere = Elsewhere()

    @property
    def mentions(self) -> tuple[int, ...]:
        """What is left as it is, and a person must look at."""
        return tuple(sorted({*self.about_nobody, *self.elsewhere.positions}))

    def is_for_same(self, other: Stray) -> bool:
        """Whether both looked for the same."""
        ours = (self.people, self.written, self.taken_in, self.erased)
        return ours == (other.people, other.written, other.taken_in, other.erased)


def _after(
    entries: QuerySet[JournalEntry], after: int
) -> Iterator[tuple[int, str, int, str | None, bytes | None]]:
    """Position, kind, version, subject and body of every later one of these entries, in order."""
    columns = ("position", "kind", "kind_version", "subject", "body")
    while True:
        later = entries.filter(position__gt=after).order_by("position")
        rows = list(later.values_list(*columns)[:BATCH])
        if not rows:
            return
        for position, kind, version, subject, body in rows:
            yield position, kind, version, subject, None if body is None else bytes(body)
        after = rows[-1][0]


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


def _pids_erased() -> Covered:
    """Position and ordinal of each PID that was of somebody who was erased."""
    ended = Erasure.objects.filter(ended_position__isnull=False)
    at = ended.order_by("ended_position").values_list("ended_position", flat=True)
    positions = [position for position in at if position is not None]
    found: set[tuple[int, int]] = set()
    for start in range(0, len(positions), IN_MOST):
        rows = JournalEntry.objects.filter(
            pk__in=positions[start : start + IN_MOST], kind=_CARRIED_OUT, body__isnull=False
        )
        for kind, version, body in rows.values_list("kind", "kind_version", "body"):
            assert body is not None
            try:
                carried_out = get_kind(kind, version).decoder.decode(bytes(body))
            except (IntegrityError, msgspec.MsgspecError):
                continue  # not in its form: it destroys nothing and covers nothing
            assert isinstance(carried_out, ErasureCarriedOut)
            found.update(carried_out.covered)
    return tuple(sorted(found))


def find_strays(written: Written, people: Sequence[str], looked: Stray | None = None) -> Stray:
    """Look through entries about nobody, in order, for the person with these ids.

    What was `looked` through before, for the same, is not looked at again.
    """
    theirs = positions_about(people)
    anew = Stray(tuple(people), written, _digests_at(theirs), _pids_erased())
    elsewhere = _find_elsewhere(written, anew.people, looked.elsewhere if looked else Elsewhere())
    if looked is None or not looked.is_for_same(anew):
        looked = anew
    looking = _Looking(looked, theirs)
    through = looked.through
    nobodys = JournalEntry.objects.filter(subject__isnull=True)
    for position, kind, version, _, body in _after(nobodys, through):
        through = position
        if body is not None:
            looking.look(position, get_kind(kind, version).decoder.decode(body), body)
    return replace(
        anew,
        through=through,
        messages=tuple(looking.messages),
        reviews=tuple(looking.reviews),
        about_nobody=tuple(looking.mentions),
        covered=tuple(looking.covered),
        elsewhere=elsewhere,
    )


class _Looking:
    """One look through entries about nobody: what was found, and what it is judged by."""

    def __init__(self, looked: Stray, theirs: Iterable[int]) -> None:
        self.messages, self.reviews = list(looked.messages), list(looked.reviews)
        self.mentions, self.covered = list(looked.about_nobody), list(looked.covered)
        self._looker = Looker(looked.written)
        self._taken_in = looked.taken_in
        self._emptied = {*theirs, *looked.messages}
        self._erased: dict[int, set[int]] = defaultdict(set)
        for position, pid in looked.erased:
            self._erased[position].add(pid)

    def look(self, position: int, body: Body, content: bytes) -> None:
        """Look at one entry; `content` is its body as it is kept."""
        if isinstance(body, MessageReceived):
            self._look_at_message(position, body)
        elif isinstance(body, MessageReviewed) and body.message in self._emptied:
            self.reviews.append(position)  # a review comes after its message
        elif self._looker.has_number(read_text(content)):
            self.mentions.append(position)

    def _look_at_message(self, position: int, message: MessageReceived) -> None:
        erased = frozenset(self._erased.get(position, ()))
        found = self._looker.judge(message.raw, erased=erased)
        if found.whose is Whose.THEIRS or message.digest in self._taken_in:
            self.messages.append(position)
            self._emptied.add(position)
        elif found.whose is Whose.MENTIONS:
            self.mentions.append(position)
            self.covered += [(position, pid) for pid in sorted(found.pids)]


# Entries about others -----------------------------------------------------------------------------


def _find_elsewhere(written: Written, people: tuple[str, ...], looked: Elsewhere) -> Elsewhere:
    """Look through entries about others, in order, for NHS numbers that are the person's alone."""
    numbers = written.nhs_numbers
    if (looked.people, looked.numbers) != (people, numbers):
        looked = Elsewhere(people, numbers)
    pattern = _quick(numbers)
    if pattern is None:
        return looked
    looker, ours = Looker(Written(numbers)), frozenset(people)
    positions, through = list(looked.positions), looked.through
    others = JournalEntry.objects.filter(subject__isnull=False)
    for position, kind, version, subject, body in _after(others, through):
        through = position
        if body is None or subject in ours or not pattern.search(body):
            continue
        if looker.has_number(_text_of(get_kind(kind, version).decoder.decode(body), body)):
            positions.append(position)
    return replace(looked, through=through, positions=tuple(positions))


def _text_of(body: Body, content: bytes) -> str:
    """What an entry says; the bytes of a message stand in its body in base 64."""
    text = read_text(content)
    return f"{text}\n{read_text(body.raw)}" if isinstance(body, MessageApplied) else text


def _quick(numbers: Iterable[str]) -> re.Pattern[bytes] | None:
    """Finds each body that may hold one of the numbers: as it is, spaced, or in base 64."""
    forms: set[bytes] = set()
    for number in filter(None, numbers):
        digits = number.encode()
        for mark in (b"", b" ", b"-"):
            spaced = mark.join((digits[:3], digits[3:6], digits[6:]))
            forms.update(_in_base64(spaced))
            forms.add(spaced)
    return re.compile(b"|".join(map(re.escape, sorted(forms)))) if forms else None


def _in_base64(content: bytes) -> Iterator[bytes]:
    """What stands in base 64 wherever the content begins; signs that neighbours change left out."""
    for before in range(3):
        whole = base64.b64encode(bytes(before) + content)
        yield whole[(before * 8 + 5) // 6 : (before + len(content)) * 8 // 6]
