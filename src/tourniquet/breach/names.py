"""A person's name as somebody wrote it, taken apart where the writing or the index says how.

    SMITH, John A (Mrs)   family SMITH, given JOHN A
    Mr J Smith            family SMITH, given J
    SMITH John            family SMITH, given JOHN     (capitals tell)
    John Smith            family SMITH, given JOHN     (the index tells)
    Lee James             name LEE JAMES               (nothing tells)
    Jane Smith née Jones  family SMITH and JONES, given JANE
    Baby Smith            family SMITH

Invariants:
- Pure. Nothing raises; what is no name gives nothing.
- Where the order is in doubt it stays in doubt: NAME, and linking tries both.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from tourniquet.breach import canonical
from tourniquet.breach.fragments import FieldKind
from tourniquet.breach.lookup import Lookup

NAME_CHARACTERS_MOST = 80
NAME_WORDS_MOST = 7
TOLD_RATIO = 8.0  # so much likelier one order must be than the other
INITIALS_MOST = 3
FORMERLY_CHARACTERS_LEAST = 8  # `A née B`
Part = tuple[FieldKind, str]

_TITLES = frozenset(
    {"MR", "MRS", "MISS", "MS", "MX", "DR", "PROF", "PROFESSOR", "REV", "REVD", "SIR", "LADY"}
    | {"DAME", "MASTER", "LORD", "FR", "SR"}
)
_BABY = re.compile(
    r"^(?:(?:BABY|INFANT|TWIN)(?: (?:BOY|GIRL|[12I]{1,2}|ONE|TWO|A|B))?(?: OF)?|B/O)\s+",
    re.IGNORECASE,
)
_FORMERLY = re.compile(
    r"[\s,(]+(?:n[ée]e|formerly|previously|f/k/a|maiden name|prev\.?)[:\s]+"
    r"([^\W\d_][\w'\u2019\-]*(?:[ \-][A-Z][\w'\u2019\-]*)?)\)?",
    re.IGNORECASE,
)
_BRACKETS = re.compile(r"\([^)]*\)?")
_WORD = re.compile(r"[^\W\d_][^\W\d_'\u2019`\-.]*(?:['\u2019`\-.][^\W\d_'\u2019`\-.]+)*\.?")
_DIGIT = re.compile(r"\d")
_TEST_PATIENT = re.compile(
    r"(?:^|\b)(?:[XZ]{2,}[A-Z]*|TEST[\s_-]?(?:PATIENT|PERSON|\d*)|DO ?NOT ?USE|DUMMY"
    r"|[A-Z]*TESTPATIENT|TEST\d*)(?:$|\b)",
    re.IGNORECASE,
)
_PARTICLES = frozenset(
    {"DE", "DA", "DI", "DEL", "DELLA", "DOS", "VAN", "VON", "DER", "DEN", "EL", "AL", "BIN", "IBN"}
    | {"LE", "LA", "ST", "O", "MC", "MAC", "DU"}
)


@dataclass(frozen=True)
class ReadName:
    """A name taken apart: what to say of it, and whether it had a title before it."""

    parts: tuple[Part, ...]
    has_title: bool = False


NO_NAME = ReadName(())


def is_test_patient(text: str) -> bool:
    """Whether a name is one that laboratories give to patients who do not exist."""
    return bool(_TEST_PATIENT.search(text))


def family(text: str) -> str:
    """A family name in one form: its words."""
    return " ".join(canonical.name_words(text))


def read_name(text: str, lookup: Lookup, *, family_first: bool | None = None) -> ReadName:
    """Take a name apart. family_first: what its column says of the order, if it says anything."""
    text = " ".join(text.split())
    if not text or len(text) > NAME_CHARACTERS_MOST or _DIGIT.search(text):
        return NO_NAME
    former: list[Part] = []
    if len(text) > FORMERLY_CHARACTERS_LEAST and (match := _FORMERLY.search(text)):
        former = [(FieldKind.FAMILY_NAME, family(match[1]))]
        text = text[: match.start()] + text[match.end() :]
    text = (_BRACKETS.sub(" ", text) if "(" in text else text).strip(" ,;:-")
    if text[:1] in "BbIiTt" and (match := _BABY.match(text)):
        return _baby(text[match.end() :], former)
    left, comma, right = text.partition(",")
    if comma:
        return _around_comma(left, right, former)
    words = _WORD.findall(text)
    bare = [word for word in words if canonical.name_key(word) not in _TITLES]
    if not bare or len(bare) > NAME_WORDS_MOST:
        return NO_NAME
    found = _taken_apart(bare, lookup, family_first=family_first, has_title=len(bare) < len(words))
    return ReadName((*found, *former), len(bare) < len(words)) if found else NO_NAME


def _baby(rest: str, former: list[Part]) -> ReadName:
    words = [word for word in _WORD.findall(rest) if canonical.name_key(word) not in _TITLES]
    last = family(words[-1]) if words else ""
    return ReadName(((FieldKind.FAMILY_NAME, last), *former)) if last else NO_NAME


def _around_comma(left: str, right: str, former: list[Part]) -> ReadName:
    words = [one for one in _WORD.findall(right) if canonical.name_key(one) not in _TITLES]
    before = [one for one in _WORD.findall(left) if canonical.name_key(one) not in _TITLES]
    if not before or len(before) + len(words) > NAME_WORDS_MOST:
        return NO_NAME
    return ReadName((*_parts(before, words), *former))


def _parts(of_family: list[str], of_given: list[str]) -> tuple[Part, ...]:
    found = ((FieldKind.FAMILY_NAME, of_family), (FieldKind.GIVEN_NAMES, of_given))
    told = ((kind, " ".join(_key_words(words))) for kind, words in found if words)
    return tuple((kind, value) for kind, value in told if value)


def _key_words(words: list[str]) -> list[str]:
    """Words in one form; initials that are written together (`J.A.`) part."""
    out: list[str] = []
    for word in words:
        if "." in word.strip("."):
            out += [canonical.name_key(one) for one in word.split(".")]
        else:
            out += canonical.name_words(word) or [canonical.name_key(word)]
    return [one for one in out if one]


def _taken_apart(
    words: list[str], lookup: Lookup, *, family_first: bool | None, has_title: bool
) -> tuple[Part, ...]:
    if len(words) == 1:
        return _single(words[0], lookup, has_title=has_title)
    if written := _as_written(words, lookup):
        return written
    if family_first is None:
        family_first = _order(words, lookup)
    if family_first is None:
        return ((FieldKind.NAME, " ".join(_key_words(words))),)
    at = _family_words(words if family_first else words[::-1], lookup, forward=family_first)
    if family_first:
        return _parts(words[:at], words[at:])
    return _parts(words[-at:], words[:-at])


def _as_written(words: list[str], lookup: Lookup) -> tuple[Part, ...]:
    """What initials and capitals say; nothing where they say nothing."""
    if all(_is_initial(word) for word in words[:-1]):
        return _parts(words[-1:], words[:-1])
    if all(_is_initial(word) for word in words[1:]) or (
        len(words) == 2 and _are_initials(words[1], lookup)
    ):
        return _parts(words[:1], list(words[1]) if len(words) == 2 else words[1:])
    capitals = [word for word in words if len(canonical.name_key(word)) > 1 and word.isupper()]
    others = [word for word in words if word not in capitals]
    is_apart = capitals in (words[: len(capitals)], words[-len(capitals) :])
    if capitals and is_apart and any(len(canonical.name_key(word)) > 1 for word in others):
        return _parts(capitals, others)
    return ()


def _single(word: str, lookup: Lookup, *, has_title: bool) -> tuple[Part, ...]:
    key = canonical.name_key(word)
    if len(key) < 2:
        return ()
    as_family, as_given = lookup.family.get(key, 0), lookup.given.get(key, 0)
    if has_title or as_family > TOLD_RATIO * as_given:
        return ((FieldKind.FAMILY_NAME, family(word) or key),)
    if as_given > TOLD_RATIO * as_family:
        return ((FieldKind.GIVEN_NAMES, key),)
    return ((FieldKind.NAME, " ".join(canonical.name_words(word)) or key),)


def _is_initial(word: str) -> bool:
    return len(canonical.name_key(word)) == 1 or (
        "." in word.strip(".") and all(len(one) <= 1 for one in word.split("."))
    )


def _are_initials(word: str, lookup: Lookup) -> bool:
    """`Smith JA`: two or three capitals that nobody is called."""
    return (
        1 < len(word) <= INITIALS_MOST
        and word.isalpha()
        and word.isupper()
        and word not in lookup.given
        and word not in lookup.family
    )


def _order(words: list[str], lookup: Lookup) -> bool | None:
    """Whether the family name stands first, as far as the index's names tell; None: they do not."""
    first, last = canonical.name_key(words[0]), canonical.name_key(words[-1])
    given_first = (lookup.given.get(first, 0) + 0.2) * (lookup.family.get(last, 0) + 0.2)
    family_first = (lookup.family.get(first, 0) + 0.2) * (lookup.given.get(last, 0) + 0.2)
    if given_first > TOLD_RATIO * family_first:
        return False
    return True if family_first > TOLD_RATIO * given_first else None


def _family_words(words: list[str], lookup: Lookup, *, forward: bool) -> int:
    """How many words from this end are the family name: `De Silva` is two where known as one."""
    count = 1
    while count < len(words) - 1:
        more = words[: count + 1] if forward else words[: count + 1][::-1]
        particle = canonical.name_key(words[0] if forward else words[count])
        if canonical.name_key("".join(more)) not in lookup.family and particle not in _PARTICLES:
            break
        count += 1
    return count
