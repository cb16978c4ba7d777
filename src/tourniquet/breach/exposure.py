"""What was exposed of somebody: INTERFACES' categories, and what is sensitive in it.

Rules, in the order of caution:
- A test, a word of a narrative, a result, a title or a heading of its table, and a word of the
  file's path each make a fragment sensitive by themselves.
- A negated one ("HIV not requested", "no evidence of malignancy") stays sensitive: that somebody
  thought of it is said. `negated` names the categories of which nothing but negations is said.
- A negative result ("HIV: not detected") is a result, and no negation.
- A blank form says nothing of anybody: no categories, nothing sensitive.

Invariants:
- Nothing that is sensitive is taken away again by another rule but the blank form's.
- Words are configuration (sensitive.toml), to be signed off by name.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files

from tourniquet.breach.fragments import FieldKind, Fragment, Mark
from tourniquet.breach.lookup import Lookup, word_key

TEXT_CHARACTERS_MOST = 20_000
SENTENCE_CHARACTERS_MOST = 400
CATEGORIES = {
    FieldKind.NAME: "name",
    FieldKind.FAMILY_NAME: "name",
    FieldKind.GIVEN_NAMES: "name",
    FieldKind.BIRTH_DATE: "birth_date",
    FieldKind.NHS_NUMBER: "nhs_number",
    FieldKind.NHS_NUMBER_NEAR: "nhs_number",
    FieldKind.LOCAL_NUMBER: "local_number",
    FieldKind.ADDRESS: "address",
    FieldKind.POSTCODE: "address",
    FieldKind.PHONE: "contact",
    FieldKind.EMAIL: "contact",
    FieldKind.TEST: "request",
    FieldKind.RESULT: "result",
    FieldKind.NARRATIVE: "narrative",
}
ORDER = tuple(dict.fromkeys(CATEGORIES.values()))
_TITLE = "title"  # where a field stands that is the table's, not the row's
_SENTENCE_END = re.compile(r"[.;\n!?]|,? but ")
_TOLD_BY_WORDS = frozenset(
    {FieldKind.TEST, FieldKind.RESULT, FieldKind.NARRATIVE, FieldKind.ORGANISATION}
)


@dataclass(frozen=True)
class Exposure:
    """What was exposed. negated: those of `sensitive` of which only negations are said."""

    categories: tuple[str, ...]
    sensitive: tuple[str, ...] = ()
    negated: tuple[str, ...] = ()


NOTHING = Exposure(())


@dataclass(frozen=True)
class _Rules:
    words: re.Pattern[str]
    before: re.Pattern[str]
    after: re.Pattern[str]


@lru_cache(maxsize=1)
def _rules() -> _Rules:
    read = tomllib.loads(files(__package__).joinpath("sensitive.toml").read_text(encoding="utf-8"))
    groups = "|".join(f"(?P<{name}>(?:{'|'.join(words)}))" for name, words in read["words"].items())
    before, after = (
        "|".join(re.escape(one) for one in sorted(read["negations"][side], key=len, reverse=True))
        for side in ("before", "after")
    )
    return _Rules(
        re.compile(rf"(?<![A-Za-z0-9])(?:{groups})(?![A-Za-z0-9])", re.IGNORECASE),
        re.compile(rf"\b(?:{before})\b", re.IGNORECASE),
        re.compile(rf"\b(?:{after})\b", re.IGNORECASE),
    )


@lru_cache(maxsize=100_000)  # the same remarks and titles come again and again
def sensitive_words(text: str) -> frozenset[str]:
    """The sensitive categories that words of a text name, negated or not."""
    return frozenset(name for name, _, _ in _mentions(text))


@lru_cache(maxsize=100_000)
def plain_words(text: str) -> frozenset[str]:
    """The sensitive categories that a text names at least once without a negation."""
    return frozenset(
        name for name, start, end in _mentions(text) if not _is_negated_at(text, start, end)
    )


@lru_cache(maxsize=100_000)
def is_negated(text: str) -> bool:
    """Whether a text says that something was not done or not found: a phrase, not a result."""
    rules = _rules()
    if rules.after.search(text):
        return True
    match = rules.before.search(text)
    return match is not None and match[0].lower() not in {"no", "without", "not for"}


def _mentions(text: str) -> list[tuple[str, int, int]]:
    text = text[:TEXT_CHARACTERS_MOST].replace("_", " ")
    return [
        (match.lastgroup, match.start(), match.end())
        for match in _rules().words.finditer(text)
        if match.lastgroup and not _is_word_by_chance(match)
    ]


def _is_word_by_chance(match: re.Match[str]) -> bool:
    """`aids`, `top`, `li` and `prep` are abbreviations in capitals alone."""
    word = match[0]
    return (
        word.upper() in {"AIDS", "TOP", "LI", "STD", "STI", "GUM", "GIC", "RPR"}
        and not word.isupper()
    )


def _is_negated_at(text: str, start: int, end: int) -> bool:
    low = max(0, start - SENTENCE_CHARACTERS_MOST)
    before = _SENTENCE_END.split(text[low:start])[-1]
    after = _SENTENCE_END.split(text[end : end + SENTENCE_CHARACTERS_MOST])[0]
    rules = _rules()
    return bool(rules.before.search(before) or rules.after.search(after))


def exposure_of(fragment: Fragment, lookup: Lookup, *, path: str = "") -> Exposure:
    """What a fragment exposes; path: where its file lies, as far as it is known."""
    if Mark.BLANK in fragment.marks:
        return NOTHING
    found = {
        CATEGORIES[one.kind]
        for one in fragment.fields
        if one.kind in CATEGORIES and one.at != _TITLE
    }
    sensitive: set[str] = set()
    plain: set[str] = set()
    tested: set[str] = set()
    for one in fragment.fields:
        if one.kind == FieldKind.TEST:
            test = lookup.by_test.get(word_key(one.value))
            tested |= {test.category} if test and test.category else set()
        if one.kind in _TOLD_BY_WORDS:
            for text in {one.value, one.raw}:
                sensitive |= sensitive_words(text)
                plain |= plain_words(text)
    if path:
        sensitive |= sensitive_words(path.replace("/", " / "))
        plain |= plain_words(path.replace("/", " / "))
    sensitive |= tested
    if Mark.NEGATED not in fragment.marks:
        plain |= tested
    return Exposure(
        tuple(one for one in ORDER if one in found),
        tuple(sorted(sensitive)),
        tuple(sorted(sensitive - plain)),
    )


def union(exposures: Iterable[Exposure]) -> Exposure:
    """What several fragments about one person expose together."""
    several = tuple(exposures)
    found = {one for exposure in several for one in exposure.categories}
    sensitive = {one for exposure in several for one in exposure.sensitive}
    plain = {
        one for exposure in several for one in exposure.sensitive if one not in exposure.negated
    }
    return Exposure(
        tuple(one for one in ORDER if one in found),
        tuple(sorted(sensitive)),
        tuple(sorted(sensitive - plain)),
    )
