"""What agreements and contradictions are worth: the plain scorer, and the rules above the score.

1. Compare what a fragment says with a person of the index: a level for each comparison (`compare`).
2. Weigh the levels; what lives in one household counts once (`weigh`).
3. Set limits that no score passes (`ceiling`): a number alone tells of nobody.
4. Share probability among all candidates and nobody in the index (`probabilities`).

linking.sql does the same for millions; a test holds both to the same answers, so that this page can
be read in its place.

Invariants:
- Pure. Weights are whole thousandths of a bit, so that the order of adding changes nothing.
- Every number that decides is in weights.toml, with its source; a new level needs a weight there.
- "Nobody in the index" is always one of the hypotheses.

Source: Fellegi and Sunter, A Theory for Record Linkage, JASA 64 (1969) 1183-1210.
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from importlib.resources import files
from typing import TypeAlias

import msgspec

from tourniquet.kernel.errors import OperatorError

COMPARISONS = (
    "nhs", "local", "family", "given", "birth", "sex",
    "postcode", "address", "phone", "email", "practice",
)  # fmt: skip
LOCATION = frozenset({"postcode", "address", "phone", "email", "practice"})
BY_NUMBER = frozenset({"nhs_agrees", "nhs_superseded", "nhs_agrees_beside_another"})
NEAR_LETTERS_LEAST = 4
SCALE = 1000  # of a bit
_RARITIES = {  # the `u` of a level, and the columns of a person that hold it
    "family": ("family_bits",), "previous": ("previous_bits",), "given": ("given_bits",),
    "given_twice": ("given_bits", "second_bits"), "postcode": ("postcode_bits",),
    "outcode": ("outcode_bits",), "address": ("address_bits",), "phone": ("phone_bits",),
    "email": ("email_bits",), "practice": ("practice_bits",),
}  # fmt: skip
_RANGES = ("numbers", "near_numbers", "begun_numbers", "locals", "bare_locals")
Levels: TypeAlias = Mapping[str, str | None]  # by comparison; None where one side says nothing


class _Level(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    m: float
    u: float | str
    most_bits: float = 99.0


class Decision(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Thresholds; see weights.toml."""

    notify: float
    review: float
    gain: float
    column_share: float
    column_lift: float
    column_share_most: float
    column_numbers_least: int


class Prior(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The share of fragments whose person is in the index: a first value and its bounds."""

    known: float
    known_least: float
    known_most: float


class Range(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How many numbers there are to agree by chance; see weights.toml."""

    locals_in_context: int
    locals_bare: int
    near_to_each: int


class Limit(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What bounds candidates and the weight of what is shared."""

    holders_most: int
    contact_holders_most: int
    bare_holders_most: int
    candidates_most: int
    location_most_bits: float
    household_most_bits: float


class Meaning(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Levels and dates with a meaning of their own."""

    corroborators: tuple[str, ...]
    default_births: tuple[str, ...]


class Weights(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """weights.toml."""

    version: str
    needs_sign_off: str
    decision: Decision
    prior: Prior
    range: Range
    limit: Limit
    level: dict[str, _Level]
    meaning: Meaning

    def base(self, name: str) -> int:
        """A level's weight without what the index says of rarity, in thousandths of a bit."""
        one = self.level[name]
        return round(SCALE * math.log2(one.m if isinstance(one.u, str) else one.m / one.u))

    def most(self, name: str) -> int:
        """A level's weight at most."""
        return round(SCALE * self.level[name].most_bits)

    def rarity(self, name: str) -> tuple[str, ...]:
        """What is added: columns of a person, or the name of a range; nothing where u is fixed."""
        u = self.level[name].u
        return () if not isinstance(u, str) else _RARITIES.get(u, (u,))


@dataclass(frozen=True)
class Ranges:
    """How rare a number is that agrees by chance, in thousandths of a bit.

    numbers: valid NHS numbers in the index's range; locals: see Range.
    """

    numbers: int
    near_numbers: int
    begun_numbers: int
    locals: int
    bare_locals: int


@dataclass(frozen=True)
class Says:
    """What a fragment says, in the words of the table `units`."""

    nhs: Sequence[int] = ()
    known: Sequence[int] = ()  # those that are in the index
    near: Sequence[int] = ()  # numbers of the index that are near to those that are not
    wrong: Sequence[str] = ()  # labelled as a number and none
    begins: Sequence[str] = ()  # of numbers whose last digits are lost
    locals: Sequence[str] = ()
    bare: Sequence[str] = ()
    givers: Sequence[str] = ()
    families: Sequence[str] = ()
    given: Sequence[str] = ()
    first_given: str = ""  # "" where family and given names are not told apart
    has_given: bool = False
    shorts: Sequence[str] = ()
    births: Sequence[date] = ()
    births_swapped: Sequence[date] = ()
    birth_texts: Sequence[str] = ()
    partials: Sequence[str] = ()
    sexes: Sequence[str] = ()
    postcodes: Sequence[str] = ()
    outcodes: Sequence[str] = ()
    places: Sequence[str] = ()
    phones: Sequence[str] = ()
    emails: Sequence[str] = ()
    practices: Sequence[str] = ()
    is_staff: bool = False
    in_column: bool = False


@dataclass(frozen=True)
class Known:
    """A person of the index, in the words of the table `people`."""

    row: int
    nhs: int | None = None
    old: Sequence[int] = ()
    locals: Sequence[str] = ()
    bare: Sequence[str] = ()
    givers: Sequence[str] = ()
    family: str = ""
    previous: str = ""
    parts: Sequence[str] = ()
    given: Sequence[str] = ()
    first_given: str = ""
    second_given: str = ""
    shorts: Sequence[str] = ()
    birth: date | None = None
    birth_text: str = ""
    sex: str = ""
    postcode: str = ""
    outcode: str = ""
    place: str = ""
    phones: Sequence[str] = ()
    email: str = ""
    practice: str = ""
    family_bits: int = 0
    previous_bits: int = 0
    given_bits: int = 0
    second_bits: int = 0
    postcode_bits: int = 0
    outcode_bits: int = 0
    address_bits: int = 0
    phone_bits: int = 0
    email_bits: int = 0
    practice_bits: int = 0


def load_weights(text: str = "") -> Weights:
    """The weights that are delivered, or those of a text. Raises: OperatorError."""
    text = text or files(__package__).joinpath("weights.toml").read_text(encoding="utf-8")
    try:
        weights = msgspec.convert(tomllib.loads(text), Weights)
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise OperatorError(
            f"The weights can't be read: {error}.",
            where="weights.toml",
            remedy="Compare it with the one that is delivered.",
        ) from None
    wrong = [name for name, one in weights.level.items() if not _is_right(one)]
    wrong += [name for name in weights.meaning.corroborators if name not in weights.level]
    wrong += [name for name in weights.level if name.partition("_")[0] not in COMPARISONS]
    if wrong:
        raise OperatorError(
            f"These weights have no meaning: {', '.join(wrong)}.",
            where="weights.toml",
            remedy="Compare it with the one that is delivered.",
        )
    return weights


def _is_right(one: _Level) -> bool:
    if isinstance(one.u, str):
        return 0 < one.m <= 1 and (one.u in _RARITIES or one.u in _RANGES)
    return 0 < one.m <= 1 and 0 < one.u <= 1


def nicknames() -> dict[str, list[str]]:
    """Names by whom they may stand for one: each with the names of its groups, its own too."""
    text = files(__package__).joinpath("nicknames.csv").read_text(encoding="utf-8")
    found: dict[str, set[str]] = {}
    for line in text.splitlines()[1:]:
        name, _, short = line.partition(",")
        found.setdefault(name, set()).add(name)
        found.setdefault(short, set()).add(name)
    return {name: sorted(groups) for name, groups in found.items()}


# 1.


def compare(says: Says, known: Known) -> Levels:
    """A level for each comparison, None where the fragment or the index says nothing."""
    return {
        "nhs": _nhs(says, known),
        "local": _first(
            (_any(says.locals, known.locals), "local_in_context"),
            (_any(says.bare, known.bare), "local_bare"),
            (_any(says.givers, known.givers), "local_other"),
        ),
        "family": _family(says, known),
        "given": _given(says, known),
        "birth": _birth(says, known),
        "sex": _either("sex", says.sexes, [known.sex]),
        "postcode": _first(
            (not says.postcodes or not known.postcode, None),
            (known.postcode in says.postcodes, "postcode_agrees"),
            (known.outcode in says.outcodes, "postcode_outcode"),
            (True, "postcode_differs"),
        ),
        "address": _either("address", says.places, [known.place]),
        "phone": _either("phone", says.phones, known.phones),
        "email": _either("email", says.emails, [known.email]),
        "practice": _either("practice", says.practices, [known.practice]),
    }


def _first(*choices: tuple[bool, str | None]) -> str | None:
    return next((level for holds, level in choices if holds), None)


def _any(some: Iterable[str], others: Iterable[str]) -> bool:
    return not set(some).isdisjoint(others)


def _either(name: str, some: Sequence[str], others: Sequence[str]) -> str | None:
    others = [one for one in others if one]
    if not some or not others:
        return None
    return f"{name}_agrees" if _any(some, others) else f"{name}_differs"


def _nhs(says: Says, known: Known) -> str | None:
    own = {*known.old, known.nhs}
    beside = len(says.known) > 1 and not own.issuperset(says.known)
    return _first(
        (not says.nhs and not says.wrong, None),
        (known.nhs in says.nhs and beside, "nhs_agrees_beside_another"),
        (known.nhs in says.nhs, "nhs_agrees"),
        (not set(says.nhs).isdisjoint(known.old), "nhs_superseded"),
        (known.nhs is None, None),
        (known.nhs in says.near, "nhs_near"),
        (any(f"{known.nhs or 0:010}".startswith(one) for one in says.begins), "nhs_begins"),
        (bool(says.known), "nhs_other"),
        (bool(says.nhs), "nhs_unknown"),
        (True, "nhs_wrong"),
    )


def _is_swapped(says: Says, known: Known) -> bool:
    return (
        says.first_given != "" and known.family in says.given and known.first_given in says.families
    )


def _family(says: Says, known: Known) -> str | None:
    initial = known.family[:1]
    return _first(
        (not says.families or not known.family, None),
        (known.family in says.families, "family_full"),
        (known.previous != "" and known.previous in says.families, "family_previous"),
        (_any(says.families, known.parts), "family_part"),
        (_is_swapped(says, known), "family_swapped"),
        (any(is_near(word, known.family) for word in says.families), "family_near"),
        (says.first_given != "" and initial in says.families, "family_initial"),
        (True, "family_differs"),
    )


def _given(says: Says, known: Known) -> str | None:
    apart, first = says.first_given != "", known.first_given
    same = says.first_given == first if apart else first in says.given
    twice = same and known.second_given != "" and known.second_given in says.given
    middle = says.first_given in known.given or first in says.given
    initial = says.first_given == first[:1] or (len(first) == 1 and says.first_given[:1] == first)
    near = [says.first_given] if apart else says.given
    return _first(
        (not says.has_given or not first, None),
        (twice, "given_and_second"),
        (same, "given_full"),
        (_is_swapped(says, known), "given_swapped"),
        (middle or (not apart and _any(says.given, known.given)), "given_middle"),
        (_any(says.shorts, known.shorts), "given_nickname"),
        (initial if apart else first[:1] in says.given, "given_initial"),
        (any(is_near(word, first) for word in near), "given_near"),
        (not apart and set(known.parts).issuperset(says.given), None),
        (True, "given_differs"),
    )


def _birth(says: Says, known: Known) -> str | None:
    text = known.birth_text
    return _first(
        (known.birth is None or not (says.births or says.partials), None),
        (known.birth in says.births, "birth_exact"),
        (known.birth in says.births_swapped, "birth_swapped"),
        (any(_apart(one, text) == 1 for one in says.birth_texts), "birth_digit"),
        (f"{text[:4]}-{text[4:6]}" in says.partials, "birth_month"),
        (text[:4] in says.partials, "birth_year"),
        (any(one[:6] == text[:6] for one in says.birth_texts), "birth_same_month"),
        (True, "birth_differs"),
    )


def _apart(some: str, other: str) -> int:
    return sum(one != two for one, two in zip(some, other, strict=True))


def is_near(some: str, other: str) -> bool:
    """At most one letter changed, added, left out, or exchanged with its neighbour."""
    short, long = sorted((some, other), key=len)
    if len(short) < NEAR_LETTERS_LEAST or len(long) - len(short) > 1:
        return False
    same = next((n for n, (a, b) in enumerate(zip(short, long, strict=False)) if a != b), None)
    if same is None:
        return True
    if len(short) < len(long):
        return short[same:] == long[same + 1 :]
    exchanged = short[same + 1 : same + 2] + short[same] + short[same + 2 :]
    return short[same + 1 :] == long[same + 1 :] or exchanged == long[same:]


# 2.


def weigh(levels: Levels, known: Known, weights: Weights, ranges: Ranges) -> dict[str, int]:
    """The weight of each comparison, in thousandths of a bit."""
    found = {}
    for comparison, name in levels.items():
        if name is None:
            continue
        more = sum(
            getattr(ranges if column in _RANGES else known, column)
            for column in weights.rarity(name)
        )
        found[comparison] = min(weights.most(name), weights.base(name) + more)
    return found


def total(levels: Levels, weighed: Mapping[str, int], weights: Weights) -> int:
    """All weights together; those of home and contact at most as much as a household shares."""
    other = levels["given"] == "given_differs" or levels["birth"] == "birth_differs"
    limit = weights.limit
    most = round(SCALE * (limit.household_most_bits if other else limit.location_most_bits))
    location = sum(weight for name, weight in weighed.items() if name in LOCATION)
    return sum(weighed.values()) - location + min(most, location)


# 3.


def ceiling(
    levels: Levels, weights: Weights, *, says: Says, own_local: bool = True, rival: bool = False
) -> str:
    """What a link may become at most: `notify`, `review` or `none`, whatever its score.

    own_local: the local number is not just ten digits, which could be anything. rival: somebody
    else has the fragment's birth date and given name: a twin, a baby under its mother's number.
    """
    corroborated = _any(
        (level for level in levels.values() if level), weights.meaning.corroborators
    )
    by_number = levels["nhs"] in BY_NUMBER
    in_context = levels["local"] == "local_in_context"
    exact = levels["birth"] == "birth_exact"
    given_other = levels["given"] == "given_differs"
    birth_other = levels["birth"] == "birth_differs" or (
        levels["birth"] == "birth_same_month" and levels["given"] is None
    )
    lone = not corroborated and not (by_number and levels["local"] == "local_bare")
    lone = lone and not (by_number and in_context)
    choices = (
        (says.is_staff and not (by_number or in_context or exact), "none"),
        (lone and by_number, "review" if says.in_column else "none"),
        (lone and not in_context and levels["local"] == "local_bare", "none"),
        (lone and not (in_context and own_local), "review"),
        (birth_other or (given_other and (rival or not exact)), "review"),
    )
    return _first(*choices) or "notify"


# 4.


def probabilities(totals: Sequence[int], *, known: float, people: int) -> list[float]:
    """For each candidate, that the fragment is about them, beside the others and nobody."""
    odds = known / (1 - known) / people
    evidence = [2 ** (one / SCALE) for one in totals]
    whole = 1 + odds * math.fsum(evidence)
    return [odds * one / whole for one in evidence]
