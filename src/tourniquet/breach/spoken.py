"""Names in running text without a label, and tests by their names or codes.

Names: behind an honorific (`Mr J Smith`), around a comma (`SMITH, John`), words that the index
knows as given and family names beside each other, a family name in capitals beside a number.
Names of staff (`Dr Chan`, behind "signed by") and of relatives ("his mother Jane Smith") say so.

Invariants:
- Only called on text in which an anchor is; a name alone is no reason to read.
- Streets, hospitals and clinics that are called like people are none.
"""

from __future__ import annotations

import re
from bisect import bisect
from collections.abc import Mapping

from tourniquet.breach import canonical
from tourniquet.breach.anchors import words_before_capitals
from tourniquet.breach.finds import Find, Role, Taken, name_end
from tourniquet.breach.fragments import FieldKind
from tourniquet.breach.lookup import TEST_WORD, Lookup, Test, word_key
from tourniquet.breach.names import read_name

TEST_WORDS_MOST = 6
WORD_CHARACTERS_MOST = 30
CODE_CHARACTERS_ANY_CASE = 6  # a shorter code of a test must stand in capitals
_L = r"(?:[^\W\d_]|['\u2019\-])"  # what a word of a name is made of
_OF = r"(?:(?:de|van|der|von|la|le|al|bin) )?"
_HONORIFIC = re.compile(
    r"\b(Mr|Mrs|Miss|Ms|Mx|Master|Dr|Prof|Professor|Sister|Nurse|Baby|Twin)\b\.? "
    rf"((?:[A-Z]\.? ?){{0,3}}[A-Z]{_L}{{1,30}}(?: {_OF}[A-Z]{_L}{{0,30}}\b){{0,3}}"
    rf"(?:,? \(?(?:née|nee|formerly) [A-Z]{_L}{{1,30}}\)?)?)"
)
_STAFF_TITLES = frozenset({"DR", "PROF", "PROFESSOR", "SISTER", "NURSE"})
_COMMA = re.compile(
    rf"\b([A-Z]{_L}{{1,30}}(?: [A-Z]{_L}{{1,30}})?), ?"
    rf"([A-Z]{_L}{{0,30}}\b(?: [A-Z]{_L}{{0,30}}\b(?!\d)){{0,2}})"
    r"(?: \((?:Mrs?|Miss|Ms|Mx|Dr)\))?"
)
_CAPITAL = r"[^\W\d_a-z]"
_RUN = re.compile(
    rf"(?<![\w\u2019'])(?:{_CAPITAL}{_L}{{0,30}}\b\.?)(?: {_OF}{_CAPITAL}{_L}{{0,30}}\b\.?){{1,5}}"
)
_RUN_WORD = re.compile(r"[^\W\d_][\w'\u2019\-]*")
_CAPITALS = re.compile(r"\b[A-Z][A-Z'\u2019\-]{1,30}\b")
_PLACE = re.compile(
    r"\W{0,2}(?:Road|Rd|Street|St|Avenue|Ave|Lane|Close|Drive|Way|Court|House|Gardens|Terrace|Crescent"
    r"|Place|Square|Hospital|Ward|Clinic|Surgery|Practice|Centre|Wing|Unit|Building|Trust|Suite|Department"
    r"|Group|Laboratory)\b",
    re.IGNORECASE,
)
_RELATIVE_BEFORE = re.compile(
    r"\b(?:mother|mum|father|dad|next of kin|nok|husband|wife|partner|son|daughter|carer|guardian"
    r"|brother|parent|grand(?:mother|father|son|daughter)|neighbour|friend)(?:'s name)?"
    r"(?: is| called|,|:|\()? ?(?:(?:Mr|Mrs|Miss|Ms)\.? )?$",
    re.IGNORECASE,
)
_STAFF_BEFORE = re.compile(
    r"(?:\b(?:signed|authori[sz]ed|reported|validated|requested|entered|phoned|seen|dictated"
    r"|typed|checked)(?: by)?"
    r"|\b(?:consultant|gp|action|cc|clinician|doctor|registrar|nurse|midwife|biomedical scientist)"
    r"|yours (?:sincerely|faithfully),?|(?:kind |best )?regards,?|thanks,?)\W{0,6}$",
    re.IGNORECASE,
)
_BARE = re.compile(r"(?<![\w./\-])\d{6,9}(?![\w/\-]|\.\d)", re.ASCII)
_LINE_END = re.compile(r"\n")
_BETWEEN = " ,;|\t-\"'()"
_BESIDE = 4  # characters between a number and the family name beside it
_CONTEXT = 40


def find_names(text: str, lookup: Lookup, taken: Taken) -> None:
    """Add the names that stand in a text without labels."""
    for match in _HONORIFIC.finditer(text):
        whole = name_end(match[0])
        role = Role.STAFF if match[1].upper() in _STAFF_TITLES else None
        _add(text, match.start(), whole, lookup, taken, role=role)
    for match in _COMMA.finditer(text):
        if _is_comma_name(match, lookup):
            _add(text, match.start(), match[0], lookup, taken)
    for match in _RUN.finditer(text):
        if not taken.is_free(match.start(), match.start() + 1) and not taken.is_free(
            match.end() - 1, match.end()
        ):
            continue
        for start, end in _known_runs(match, lookup):
            _add(text, start, text[start:end], lookup, taken)
    numbers = [one for one in taken.finds if one.key in {"nhs", "local"}]
    starts, ends = {one.start for one in numbers}, {one.end for one in numbers}
    for match in _CAPITALS.finditer(text) if numbers else ():
        is_family = canonical.name_key(match[0]) in lookup.family
        if is_family and _is_beside(text, match, starts, ends):
            _add(text, match.start(), match[0], lookup, taken)


def has_known_name(text: str, lookup: Lookup) -> bool:
    """Whether a given and a family name of the index stand beside each other anywhere."""
    if not lookup.family:
        return False
    family, given = lookup.family, lookup.given
    for at in words_before_capitals(text):
        before = text[max(0, at - WORD_CHARACTERS_MOST) : at].split()
        if not before or not before[-1][0].isupper():
            continue
        first = canonical.name_key(before[-1])
        second = canonical.name_key(text[at : at + WORD_CHARACTERS_MOST].split(maxsplit=1)[0])
        if (first in given and second in family) or (first in family and second in given):
            return True
    return False


def find_local_beside(text: str, lookup: Lookup, taken: Taken) -> None:
    """Add bare numbers that are local numbers of the index, in a line with a name."""
    breaks = [match.start() for match in _LINE_END.finditer(text)]
    lines = {
        bisect(breaks, one.start) for one in taken.finds if one.key in {"name", "birth", "nhs"}
    }
    for match in _BARE.finditer(text):
        start, end = match.span()
        is_in_line = bisect(breaks, start) in lines and taken.is_free(start, end)
        if is_in_line and lookup.count_local([match[0]]):
            parts = ((FieldKind.LOCAL_NUMBER, f"{lookup.local_owner(match[0])}:{match[0]}"),)
            taken.add(Find(start, end, "local", parts))


def _add(
    text: str, start: int, name: str, lookup: Lookup, taken: Taken, *, role: Role | None = None
) -> None:
    end = start + len(name)
    if not taken.is_free(start, end) or _PLACE.match(text, end):
        return
    parts = read_name(name, lookup).parts
    if not parts:
        return
    if role is None:
        before = text[max(0, start - _CONTEXT) : start]
        if _RELATIVE_BEFORE.search(before):
            role = Role.RELATIVE
        elif _STAFF_BEFORE.search(before):
            role = Role.STAFF
        else:
            role = Role.PATIENT
    taken.add(Find(start, end, "name", parts, role))


def _is_comma_name(match: re.Match[str], lookup: Lookup) -> bool:
    first = canonical.name_words(match[1])
    second = canonical.name_words(match[2])
    if not first or not second:
        return False
    in_family = canonical.name_key(match[1]) in lookup.family or first[-1] in lookup.family
    in_given = second[0] in lookup.given or len(second[0]) == 1
    if match[1].isupper() and not match[2].isupper():
        return in_family or in_given
    return in_family and in_given


def _known_runs(match: re.Match[str], lookup: Lookup) -> list[tuple[int, int]]:
    """Within capitalised words: stretches in which given and family names of the index follow."""
    words = [
        (match.start() + one.start(), match.start() + one.end(), canonical.name_words(one[0]))
        for one in _RUN_WORD.finditer(match[0])
    ]
    found: list[tuple[int, int]] = []
    run: list[tuple[int, int, tuple[str, ...]]] = []
    for word in [*words, (0, 0, ())]:
        keys = word[2]
        is_initial = len(keys) == 1 and len(keys[0]) == 1
        if keys and (is_initial or all(_is_name(key, lookup) for key in keys)):
            run.append(word)
            continue
        if len(run) > 1 and _is_whole(run, lookup):
            found.append((run[0][0], run[-1][1]))
        run = []
    return found


def _is_name(key: str, lookup: Lookup) -> bool:
    return key in lookup.family or key in lookup.given


def _is_whole(run: list[tuple[int, int, tuple[str, ...]]], lookup: Lookup) -> bool:
    """Whether a family name and a given name, two different words, are among them."""
    keys = [key for _, _, some in run for key in some]
    families = [at for at, key in enumerate(keys) if key in lookup.family]
    givens = [at for at, key in enumerate(keys) if key in lookup.given]
    return any(one != other for one in families for other in givens)


def _is_beside(text: str, match: re.Match[str], starts: set[int], ends: set[int]) -> bool:
    """Whether a number of somebody, of these starts and ends, stands right before or behind."""
    start, end = match.span()
    return any(
        (start - gap in ends and not text[start - gap : start].strip(_BETWEEN))
        or (end + gap in starts and not text[end : end + gap].strip(_BETWEEN))
        for gap in range(_BESIDE + 1)
    )


def find_tests(text: str, lookup: Lookup, taken: Taken) -> None:
    """Add the tests that a text names, the longest name first."""
    by_test: Mapping[str, Test] = lookup.by_test
    if not by_test:
        return
    words = [(one.start(), one.end(), one[0]) for one in TEST_WORD.finditer(text)]
    keys = [one[2].upper() if one[2].isalnum() else word_key(one[2]) for one in words]
    starts = lookup.test_starts
    behind = 0
    for at in [at for at, key in enumerate(keys) if key in starts]:
        most = min(starts[keys[at]], TEST_WORDS_MOST, len(words) - at) if at >= behind else 0
        for count in range(most, 0, -1):
            test = by_test.get("".join(keys[at : at + count]))
            if test is None or not _is_written_as_test(words[at : at + count], test):
                continue
            start, end = words[at][0], words[at + count - 1][1]
            taken.add(Find(start, end, "test", ((FieldKind.TEST, test.code),)))
            behind = at + count
            break


def _is_written_as_test(words: list[tuple[int, int, str]], test: Test) -> bool:
    """Codes of few letters only as they are written; names whatever their case."""
    written = "".join(word for _, _, word in words)
    if len(words) > 1 or len(written) > CODE_CHARACTERS_ANY_CASE:
        return True
    return written in {test.code, test.name} or (
        len(written) > 3 and word_key(written) == word_key(test.name)
    )
