"""Whose the finds of a text are: one group for each person.

1. Lines are taken in order. In a line, a find that contradicts what the person at hand has of its
   kind (another NHS number, another birth date, another name) begins another person.
2. A line joins the person at hand, or an earlier one that it agrees with, unless it contradicts.
3. What names nobody (a telephone, a test, a result) goes to the person of its line, else to the one
   before it, else to the first. What stands before everybody (a letter's head) goes to all.

Invariants:
- Every find goes somewhere; staff are nobody's, relatives are persons of their own.
- Pure: depends on the finds and the text alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from tourniquet.breach.finds import Find, Role
from tourniquet.breach.fragments import FieldKind

PEOPLE_MOST = 2_000  # of one passage
NEIGHBOURS = 12  # finds before and behind a date that are looked at
RECENT_PEOPLE = 20  # whom a line may be about again
DATE_AROUND = 80  # characters in which a labelled birth date makes another date none
_NAMING = frozenset({"nhs", "birth", "name", "local", "given"})
_BESIDE = re.compile(r"[\s,;|()\-\u2013:'\"]{0,6}")
_FAMILY = frozenset({FieldKind.FAMILY_NAME, FieldKind.NAME})


@dataclass
class Person:
    """The finds that are somebody's. Grows while a text is read; nobody else keeps it."""

    finds: list[Find] = field(default_factory=list)
    values: dict[str, set[str]] = field(default_factory=dict)
    families: set[str] = field(default_factory=set)
    givens: set[str] = field(default_factory=set)
    is_relative: bool = False

    def add(self, find: Find) -> None:
        """Take a find."""
        self.finds.append(find)
        for kind, value in find.parts:
            self.values.setdefault(find.key, set()).add(value)
            words = value.split()
            if kind in _FAMILY:
                self.families.update(words)
            if kind in {FieldKind.GIVEN_NAMES, FieldKind.NAME}:
                self.givens.update(words)

    def contradicts(self, other: Person) -> bool:
        """Whether these can't be one."""
        for key in ("nhs", "birth", "local"):
            mine, theirs = self.values.get(key), other.values.get(key)
            if mine and theirs and not mine & theirs:
                return True
        return self._has_other_name(other)

    def _has_other_name(self, other: Person) -> bool:
        if self.families and other.families and not self.families & other.families:
            return True
        if not self.givens or not other.givens:
            return False
        initials = {one[0] for one in self.givens} & {one[0] for one in other.givens}
        if not initials:
            return True
        whole, of_other = ({one for one in x.givens if len(one) > 1} for x in (self, other))
        return bool(whole and of_other and not whole & of_other)

    def agrees(self, other: Person) -> bool:
        """Whether something that names somebody is equal, and nothing contradicts."""
        if self.contradicts(other):
            return False
        same = any(
            self.values.get(key, set()) & other.values.get(key, set())
            for key in ("nhs", "local", "birth")
        )
        return same or bool(self.families & other.families)


@dataclass(frozen=True)
class Grouped:
    """People in order, and what belongs to all of them."""

    people: list[Person]
    shared: list[Find]


def group(text: str, finds: Iterable[Find]) -> Grouped:
    """Tell the finds of a text apart by person."""
    ordered = sorted((one for one in finds if one.role != Role.STAFF), key=lambda one: one.start)
    ordered = _with_birth_dates(text, ordered)
    people: list[Person] = []
    waiting: list[Find] = []
    shared: list[Find] = []
    current: Person | None = None
    for line in _lines(text, ordered):
        # 1.
        parts = _persons_of_line(line)
        if not parts:
            (current.finds if current else waiting).extend(line)
            continue
        for part in parts:
            # 2.
            joined = _join(people, current, part)
            if joined is None:
                if len(people) == PEOPLE_MOST:
                    break
                people.append(part)
                joined = part
            if not part.is_relative or len(parts) == 1:
                current = joined
        # 3.
        if waiting:
            shared += [one for one in waiting if one.key == "organisation"]
            parts[0].finds.extend(one for one in waiting if one.key != "organisation")
            waiting = []
    if waiting:
        rest = Person(waiting)
        people.append(rest)
    return Grouped(people, shared)


def _lines(text: str, finds: list[Find]) -> list[list[Find]]:
    lines: list[list[Find]] = []
    end = -1
    for one in finds:
        if one.start >= end:
            lines.append([])
            found = text.find("\n", one.start)
            end = found if found >= 0 else len(text)
        lines[-1].append(one)
    return lines


def _persons_of_line(line: list[Find]) -> list[Person]:
    """The persons whom a line names; what names nobody goes to the one before it, or the first."""
    people: list[Person] = []
    early: list[Find] = []
    for one in line:
        if one.key not in _NAMING:
            if people:
                people[-1].finds.append(one)
            else:
                early.append(one)
            continue
        single = Person(is_relative=one.role == Role.RELATIVE)
        single.add(one)
        last = people[-1] if people else None
        if last is not None and _is_same(last, single):
            last.add(one)
        else:
            people.append(single)
    if people:
        people[0].finds[:0] = early
    return people


def _is_same(last: Person, single: Person) -> bool:
    if single.is_relative and not last.is_relative:
        return False
    if last.is_relative and "name" in single.values and "name" in last.values:
        return bool(single.families & last.families) and not last.contradicts(single)
    return not last.contradicts(single)


def _join(people: list[Person], current: Person | None, part: Person) -> Person | None:
    """The person to whom a line's person belongs; it takes the finds over. None: a new one."""
    if part.is_relative:
        return None
    near: list[Person] = [current] if current is not None else []
    for one in (*near, *reversed(people[-RECENT_PEOPLE:])):
        if one.is_relative:
            continue
        is_one = not one.contradicts(part) if one is current else one.agrees(part)
        if is_one:
            for find in part.finds:
                if find.key in _NAMING:
                    one.add(find)
                else:
                    one.finds.append(find)
            return one
    return None


def _with_birth_dates(text: str, finds: list[Find]) -> list[Find]:
    """A date right beside a name or a number, in a line without a labelled one, is a birth date."""
    out: list[Find] = []
    for at, one in enumerate(finds):
        if one.key == "date" and _is_beside_naming(text, finds, at):
            parts = tuple((FieldKind.BIRTH_DATE, value) for _, value in one.parts)
            out.append(replace(one, key="birth", parts=parts))
        else:
            out.append(one)
    return out


def _is_beside_naming(text: str, finds: list[Find], at: int) -> bool:
    one = finds[at]
    line = text.rfind("\n", 0, one.start)
    if not text[line + 1 : one.start].strip():
        return False  # a time stamp
    for neighbour in (
        finds[at - 1] if at else None,
        finds[at + 1] if at + 1 < len(finds) else None,
    ):
        if neighbour is None or neighbour.key not in {"name", "nhs", "local", "given", "sex"}:
            continue
        low, high = (
            (neighbour.end, one.start)
            if neighbour.start < one.start
            else (one.end, neighbour.start)
        )
        if "\n" not in text[low:high] and _BESIDE.fullmatch(text[low:high]):
            return not any(
                other.key == "birth" and line < other.start < one.end + DATE_AROUND
                for other in finds[max(0, at - NEIGHBOURS) : at + NEIGHBOURS]
            )
    return False
