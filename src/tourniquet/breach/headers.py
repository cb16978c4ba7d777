"""What the head of a column, or the label of a form, means: words from headers.toml.

Invariants:
- A word means one thing; a test holds the table to that.
- What is not in the table means nothing: the content of the column decides then.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from importlib.resources import files

from tourniquet.breach.canonical import letters

HEADER_CHARACTERS_MOST = 60
HEADER_WORDS_LEAST = 2  # in a row that names columns
HEADER_SHARE = 0.5  # of its cells
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])")
_PARTS = re.compile(r"[^A-Z0-9]+")
_HAS_DIGITS = re.compile(r"\d\d\d")


class Meaning(StrEnum):
    """What a column holds. The names of `FieldKind`, and those that give no field."""

    NHS_NUMBER = "nhs_number"
    LOCAL_NUMBER = "local_number"
    NAME = "name"
    FAMILY_NAME = "family_name"
    PREVIOUS_FAMILY_NAME = "previous_family_name"
    GIVEN_NAMES = "given_names"
    BIRTH_DATE = "birth_date"
    DATE = "date"
    SEX = "sex"
    ADDRESS = "address"
    POSTCODE = "postcode"
    PHONE = "phone"
    EMAIL = "email"
    PRACTICE = "practice"
    ORGANISATION = "organisation"
    TEST = "test"
    RESULT = "result"
    NARRATIVE = "narrative"
    STAFF = "staff"  # who did it
    OTHER = "other"  # nothing about a person


@dataclass(frozen=True)
class Heading:
    """A meaning, and whose it is: `whose` is empty for the patient, or a word like MOTHER."""

    meaning: Meaning
    whose: str = ""


@dataclass(frozen=True)
class _Words:
    meanings: dict[str, Meaning]
    noise: frozenset[str]
    relatives: tuple[str, ...]
    staff: tuple[str, ...]


@lru_cache(maxsize=1)
def _words() -> _Words:
    read = tomllib.loads(files(__package__).joinpath("headers.toml").read_text(encoding="utf-8"))
    return _Words(
        {word: Meaning(name) for name, words in read["meanings"].items() for word in words},
        frozenset(read["noise"]),
        tuple(sorted(read["relatives"]["words"], key=len, reverse=True)),
        tuple(sorted(read["relatives"]["staff"], key=len, reverse=True)),
    )


@lru_cache(maxsize=50_000)  # of cells that may be headings; the same tables come again and again
def find_heading(text: str) -> Heading | None:
    """What a heading means; None where it is none that is known."""
    if not text or len(text) > HEADER_CHARACTERS_MOST or _HAS_DIGITS.search(text):
        return None
    parts = tuple(part for part in _PARTS.split(letters(_CAMEL.sub(" ", text.strip()))) if part)
    if not parts:
        return None
    if (known := _known(parts)) is not None:
        return known
    for tail in range(1, len(parts)):
        if found := _words().meanings.get("".join(parts[tail:])):
            return Heading(found)  # `Reg Surname`, `EPR Hosp No`: the last words decide
    return None


@lru_cache(maxsize=50_000)
def find_label(text: str) -> Heading | None:
    """What a label in running text means: as `find_heading`, but every word must be of it."""
    parts = tuple(part for part in _PARTS.split(letters(_CAMEL.sub(" ", text.strip()))) if part)
    return _known(parts) if parts else None


def _known(parts: tuple[str, ...]) -> Heading | None:
    words = _words()
    whole = "".join(parts)
    if found := words.meanings.get(whole):
        return Heading(found)
    stripped = _stripped(parts, words.noise)
    another = _of_another(whole, words) or _of_another("".join(stripped), words)
    if another is not None:
        return another
    found = words.meanings.get("".join(stripped))
    return Heading(found) if found else None


def _stripped(parts: tuple[str, ...], noise: frozenset[str]) -> tuple[str, ...]:
    """The parts without words of noise at either end."""
    while parts and parts[0] in noise:
        parts = parts[1:]
    while parts and parts[-1] in noise:
        parts = parts[:-1]
    return parts


def _of_another(whole: str, words: _Words) -> Heading | None:
    for word in words.relatives:
        if whole.startswith(word) and (found := words.meanings.get(whole[len(word) :] or "NAME")):
            return Heading(found, word.removesuffix("S"))
    for word in words.staff:
        if whole.startswith(word) and whole[len(word) :] in words.meanings:
            return Heading(Meaning.STAFF)
    return None


def find_headings(row: Sequence[str]) -> list[Heading | None] | None:
    """The headings of a row that names columns; None where it is no such row."""
    filled = [cell for cell in row if cell.strip()]
    if len(filled) < HEADER_WORDS_LEAST:
        return None
    found = [find_heading(cell) for cell in row]
    known = sum(1 for one in found if one is not None)
    different = len({one.meaning for one in found if one is not None})
    if known < HEADER_WORDS_LEAST or known < HEADER_SHARE * len(filled) or different == 1:
        return None
    return found
