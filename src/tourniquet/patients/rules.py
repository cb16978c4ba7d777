"""Who is this? Matching a person named in a message to the regional index. Pure.

Invariants:
- Nobody is matched by guess. A number alone is not enough: birth date or family name must agree.
- A number that conflicts or is not valid is kept as doubtful and never matched on.
- Whoever cannot be matched becomes provisional, with the reason in plain words and without data.
- A merged patient stands for the one that stays.

It does not score likenesses, and proposes no candidate: that is a person's work.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from functools import lru_cache
from typing import Final

import msgspec

NHS = "NHS"
CURRENT: Final = "current"
SUPERSEDED: Final = "superseded"
DOUBTFUL: Final = "doubtful"
ACTIVE: Final = "active"
PROVISIONAL: Final = "provisional"
MERGED: Final = "merged"
MERGE_STEPS_MAX = 20  # a longer chain of merges is a fault in the index, not a person

UNKNOWN = "Nobody in the index has these numbers."
NO_NUMBERS = "The message gives no number that is valid."
DISAGREES = "The NHS number is known, but neither birth date nor family name agrees."
LOCAL_DISAGREES = "The local number is known, but neither birth date nor family name agrees."
TWO_PEOPLE = "The numbers belong to different people."
TWO_NHS_NUMBERS = "The message gives two different NHS numbers."
OTHER_NHS_NUMBER = "The local number is known with another NHS number."


class SentIdentifier(msgspec.Struct, frozen=True):
    """A number as sent: whose it is, its value, its kind, and whether it may be matched on."""

    system: str
    value: str
    kind: str = ""
    doubtful: bool = False


class Known(msgspec.Struct, frozen=True):
    """What matching needs to know of a patient in the index."""

    id: str
    state: str
    merged_into: str | None
    family_key: str
    birth_date: date | None
    registered_organisation: str
    postcode: str = ""


class Match(msgspec.Struct, frozen=True):
    """The patient that a person is, or why that is not known."""

    patient: Known | None
    why_not: str = ""


@lru_cache(maxsize=20_000)
def family_key(name: str) -> str:
    """A family name for comparing: letters only, without accents, in small letters."""
    plain = name if name.isascii() else unicodedata.normalize("NFKD", name)
    return "".join(c for c in plain if c.isalpha()).casefold()[:200]


def agrees(known: Known, *, family: str, birth_date: date | None) -> bool:
    """Whether birth date or family name (as a key) is the same; what is missing never agrees."""
    if birth_date is not None and known.birth_date == birth_date:
        return True
    return bool(family) and known.family_key == family


def find_survivor(patient_id: str, known: Mapping[str, Known]) -> Known | None:
    """The patient that this id stands for today, along its merges; None where it ends nowhere."""
    found = known.get(patient_id)
    for _ in range(MERGE_STEPS_MAX):
        if found is None or found.merged_into is None:
            return found
        found = known.get(found.merged_into)
    return None


def match(
    identifiers: Sequence[SentIdentifier],
    *,
    family: str,
    birth_date: date | None,
    holders: Mapping[tuple[str, str], Iterable[str]],
    known: Mapping[str, Known],
    nhs_numbers: Mapping[str, str],
) -> Match:
    """Match one person.

    `holders` are the patients that have a number as current or superseded, `nhs_numbers` the
    current NHS number of each patient. Steps:
    1. Two NHS numbers in one message match nobody.
    2. The NHS number, exact, where birth date or family name agrees.
    3. A local number of the same authority, likewise, unless that patient has another NHS number.
    """
    usable = [item for item in identifiers if not item.doubtful]
    numbers = {item.value for item in usable if item.system == NHS}
    if len(numbers) > 1:
        return Match(None, TWO_NHS_NUMBERS)
    if not usable:
        return Match(None, NO_NUMBERS)
    for number in numbers:
        people = _people((NHS, number), holders, known)
        if len(people) > 1:
            people = [person for person in people if nhs_numbers.get(person.id) == number]
        if len(people) > 1:
            return Match(None, TWO_PEOPLE)
        if people:
            if agrees(people[0], family=family, birth_date=birth_date):
                return Match(people[0])
            return Match(None, DISAGREES)
    return _match_local(
        [item for item in usable if item.system != NHS],
        number=next(iter(numbers), ""),
        family=family,
        birth_date=birth_date,
        holders=holders,
        known=known,
        nhs_numbers=nhs_numbers,
    )


def _people(
    key: tuple[str, str],
    holders: Mapping[tuple[str, str], Iterable[str]],
    known: Mapping[str, Known],
) -> list[Known]:
    found = {}
    for patient_id in holders.get(key, ()):
        person = find_survivor(patient_id, known)
        if person is not None:
            found[person.id] = person
    return list(found.values())


def _match_local(
    identifiers: Sequence[SentIdentifier],
    *,
    number: str,
    family: str,
    birth_date: date | None,
    holders: Mapping[tuple[str, str], Iterable[str]],
    known: Mapping[str, Known],
    nhs_numbers: Mapping[str, str],
) -> Match:
    agreeing: dict[str, Known] = {}
    why = UNKNOWN
    for item in identifiers:
        for person in _people((item.system, item.value), holders, known):
            if not agrees(person, family=family, birth_date=birth_date):
                why = LOCAL_DISAGREES
            elif number and nhs_numbers.get(person.id, number) != number:
                return Match(None, OTHER_NHS_NUMBER)
            else:
                agreeing[person.id] = person
    if len(agreeing) > 1:
        return Match(None, TWO_PEOPLE)
    if agreeing:
        return Match(next(iter(agreeing.values())))
    return Match(None, why)
