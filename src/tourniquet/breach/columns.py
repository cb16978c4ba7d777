"""What the columns of a table hold: by their headings, by their content against the index, or both.

1. A heading says what a column means (headers.toml), unless its content flatly contradicts it.
2. Without one, the content says: what share of it are surnames, dates, numbers of the index …
3. Columns are then looked at together: which dates are birth dates, whether months come first,
   in which order names stand.

Invariants:
- Decided on a sample of different values, SAMPLE_MOST of them; applied to every value.
- A column's dates are all read in one order; a value that is impossible in it keeps its own.
- Pure: values in, values out; nothing raises on any text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from tourniquet.breach import canonical
from tourniquet.breach.headers import Heading, Meaning
from tourniquet.breach.lookup import Lookup, word_key
from tourniquet.breach.names import read_name

SAMPLE_MOST = 600  # different values of a column that are looked at
CONTRADICTED_LEAST = 8  # different values before content overrules a heading
_MOST, _HALF, _SOME, _FEW = 0.8, 0.5, 0.3, 0.1
BIRTH_SPREAD_YEARS = 25  # between the tenth and the ninetieth of a hundred birth dates
SERIAL_LEAST, SERIAL_MOST = 1_000, 46_500  # 1902 to 2027
SERIAL_SPREAD = 5_000
INITIALS_LEAST = 4  # different ones, to tell them from a code of few letters
_NUMBER_FORM = re.compile(r"\d{3}[ \-.]?\d{3}[ \-.]?\d{4}(?:\.0)?", re.ASCII)
_SCIENTIFIC = re.compile(r"(\d)\.?(\d*)E\+?0?9", re.ASCII | re.IGNORECASE)
_MEASURED = re.compile(
    r"[<>]?\s?\d+(?:\.\d+)?(?:\s+[A-Za-zµμ%][\w*/^.²³%]{0,15}|\s?%|\s?[A-Za-zµμ]{1,5}/[A-Za-z]{1,5}"
    r"|\s?x?10[*^]\d+/L)",
    re.ASCII,
)
_STREET = re.compile(
    r"\d+[A-Za-z]?,? [A-Z].*|.*\b(?:ROAD|STREET|AVENUE|LANE|CLOSE|DRIVE|WAY|COURT|HOUSE|FLAT"
    r"|GARDENS|TERRACE|CRESCENT|PLACE|SQUARE|RD|ST|AVE|GROVE|HILL)\b.*",
    re.IGNORECASE,
)
_STAFF = re.compile(r"(?:DR|PROF|PROFESSOR|NURSE|SISTER|MIDWIFE|CONSULTANT)\.? ", re.IGNORECASE)
_SEXES = frozenset({"M", "F", "MALE", "FEMALE", "U", "UNKNOWN", "I", "MAN", "WOMAN", "BOY", "GIRL"})
_NAME_LIKE = re.compile(
    r"[^\W\d_][^\W\d_'\u2019`.\-]*(?:['\u2019`.\- ,()]+[^\W\d_'\u2019`.\-]+)*[.)]?"
)
_NUMBERS_DATE = re.compile(r"(\d{1,2})([/.\- ])(\d{1,2})[/.\- ](\d{4}|\d{2})(?:[ T].*)?", re.ASCII)
_YEAR = re.compile(r"(?:19|20)\d\d", re.ASCII)
_NAMING = frozenset(
    {Meaning.NAME, Meaning.FAMILY_NAME, Meaning.GIVEN_NAMES, Meaning.PREVIOUS_FAMILY_NAME}
)
_VAGUE = frozenset({Meaning.OTHER, Meaning.LOCAL_NUMBER, Meaning.RESULT, Meaning.STAFF})


@dataclass(frozen=True)
class Column:
    """One column of a table. at: its letters in a sheet; test: whose results stand in it."""

    at: str
    meaning: Meaning
    whose: str = ""
    month_first: bool = False
    family_first: bool | None = None
    test: str = ""
    is_headed: bool = False  # a heading that is known stands above it


@dataclass(frozen=True)
class _Sample:
    """Different values of a column, without those that are empty; how often is not kept."""

    values: tuple[str, ...]

    def share(self, fits: Callable[[str], object]) -> float:
        if not self.values:
            return 0.0
        return sum(1 for one in self.values if fits(one)) / len(self.values)


def decide(
    headings: Sequence[str],
    found: Sequence[Heading | None],
    values: Sequence[Iterable[str]],
    lookup: Lookup,
    *,
    offset: int = 0,
) -> tuple[Column, ...]:
    """One column for each of `values`, which are the columns' different cells.

    headings, found: what stands above each and what it means; empty and None where nothing does.
    offset: how many columns of the sheet are before the first.
    """
    samples = [_sample(cells) for cells in values]
    columns = []
    for at, sample in enumerate(samples):
        heading = found[at] if at < len(found) else None
        text = headings[at] if at < len(headings) else ""
        columns.append(_decide_one(column_letters(offset + at), text, heading, sample, lookup))
    columns = _birth_dates(_initials(columns, samples, headings), samples, headings)
    is_american = any(
        _is_month_first(s) for c, s in zip(columns, samples, strict=True) if _dated(c)
    )
    return tuple(
        _ordered(column, sample, lookup, is_american=is_american)
        for column, sample in zip(columns, samples, strict=True)
    )


def column_letters(at: int) -> str:
    """The letters of a column of a sheet, counted from 0: A, B, …, Z, AA."""
    letters = ""
    at += 1
    while at:
        at, rest = divmod(at - 1, 26)
        letters = chr(ord("A") + rest) + letters
    return letters


def _sample(cells: Iterable[str]) -> _Sample:
    values: dict[str, None] = {}
    for cell in cells:
        if cell and not cell.isspace():
            values[cell.strip()] = None
            if len(values) == SAMPLE_MOST:
                break
    return _Sample(tuple(values))


def _dated(column: Column) -> bool:
    return column.meaning in {Meaning.BIRTH_DATE, Meaning.DATE}


def _decide_one(
    at: str, text: str, heading: Heading | None, sample: _Sample, lookup: Lookup
) -> Column:
    if heading is None:
        key = word_key(text)
        if key and key in lookup.by_test:
            return Column(at, Meaning.RESULT, test=text.strip())
        return Column(at, by_content(sample.values, lookup))
    meaning = heading.meaning
    if meaning in _VAGUE and _is_nhs(sample, lookup, is_labelled=meaning != Meaning.OTHER):
        meaning = Meaning.NHS_NUMBER
    elif meaning in _NAMING:
        meaning = _name_meaning(meaning, sample, lookup)
    elif (meaning == Meaning.LOCAL_NUMBER and sample.share(_has_digit) < _FEW) or (
        meaning == Meaning.BIRTH_DATE and sample.share(_is_date_like) < _FEW
    ):
        meaning = by_content(sample.values, lookup)
    elif meaning == Meaning.STAFF and sample.share(_is_practice_code(lookup)) >= _HALF:
        meaning = Meaning.PRACTICE
    return Column(at, meaning, heading.whose, is_headed=True)


def _has_digit(text: str) -> bool:
    return any("0" <= sign <= "9" for sign in text)


def _is_date_like(text: str) -> bool:
    return _has_digit(text) and (bool(canonical.dates(text)) or text.replace(".", "").isdigit())


def _is_practice_code(lookup: Lookup) -> Callable[[str], bool]:
    return lambda text: text.upper() in lookup.practices


def _name_meaning(meaning: Meaning, sample: _Sample, lookup: Lookup) -> Meaning:
    """What a column headed as names is, where its content is looked at too."""
    if sample.share(_NAME_LIKE.fullmatch) < _SOME and len(sample.values) >= CONTRADICTED_LEAST:
        return by_content(sample.values, lookup)
    if sample.share(_STAFF.match) >= _HALF:
        return Meaning.STAFF
    if meaning == Meaning.FAMILY_NAME and sample.share(lambda one: "," in one) >= _HALF:
        return Meaning.NAME
    is_known = lookup.family and len(sample.values) >= CONTRADICTED_LEAST
    if meaning == Meaning.NAME and is_known and sample.share(_known_word(lookup)) < _FEW:
        return Meaning.OTHER  # a ward's, a drug's or a file's name
    return meaning


def _known_word(lookup: Lookup) -> Callable[[str], bool]:
    return lambda text: any(
        word in lookup.family or word in lookup.given for word in canonical.name_words(text[:80])
    )


def _is_nhs(sample: _Sample, lookup: Lookup, *, is_labelled: bool) -> bool:
    """Whether a column that is not headed as NHS numbers holds them all the same."""
    digits = [canonical.nhs_number(one) for one in sample.values if _NUMBER_FORM.fullmatch(one)]
    right = [one for one in digits if one]
    if not sample.values or len(right) < _HALF * len(sample.values):
        return False
    if not lookup.numbers.size:
        return is_labelled and len(right) >= _MOST * len(sample.values)
    known = lookup.count_numbers(np.array([int(one) for one in right], np.int64))
    return known >= (_SOME if is_labelled else _HALF) * len(right)


def by_content(values: tuple[str, ...], lookup: Lookup) -> Meaning:
    """What a column without a heading holds; OTHER where that can't be told."""
    sample = _Sample(values)
    if not values:
        return Meaning.OTHER
    if _is_nhs(sample, lookup, is_labelled=True) or sample.share(_SCIENTIFIC.fullmatch) >= _MOST:
        return Meaning.NHS_NUMBER
    coded = _coded(sample, lookup)
    return coded if coded is not None else _written(sample, lookup)


def _coded(sample: _Sample, lookup: Lookup) -> Meaning | None:
    """Codes and numbers: the first meaning of which enough of the column is."""
    tests: tuple[tuple[Meaning, float, Callable[[str], object]], ...] = (
        (Meaning.EMAIL, _HALF, canonical.email),
        (Meaning.POSTCODE, _HALF, canonical.postcode),
        (Meaning.PHONE, _HALF, lambda one: one[0] in "0+" and canonical.phone(one)),
        (Meaning.SEX, 1.0, lambda one: one.upper() in _SEXES),
        (Meaning.ORGANISATION, _HALF, lambda one: one.upper() in lookup.by_code),
        (Meaning.PRACTICE, _HALF, _is_practice_code(lookup)),
        (Meaning.TEST, _HALF, lambda one: word_key(one) in lookup.by_test),
        (Meaning.DATE, _MOST, lambda one: _has_digit(one) and canonical.dates(one)),
    )
    for meaning, least, fits in tests:
        if sample.share(fits) >= least:
            return meaning
    local = [canonical.local_number(one) for one in sample.values]
    is_local = lookup.count_local(local) >= max(1, _SOME * len(local))
    return Meaning.LOCAL_NUMBER if is_local else None


def _written(sample: _Sample, lookup: Lookup) -> Meaning:
    """Names and texts."""
    if sample.share(_STAFF.match) >= _HALF:
        return Meaning.STAFF
    if sample.share(_MEASURED.fullmatch) >= _HALF:
        return Meaning.RESULT
    if sample.share(_NAME_LIKE.fullmatch) >= _HALF and (named := _named(sample, lookup)):
        return named
    if sample.share(_STREET.fullmatch) >= _HALF:
        return Meaning.ADDRESS
    words = sum(len(one.split()) for one in sample.values) / len(sample.values)
    return Meaning.NARRATIVE if words >= 2 else Meaning.OTHER


def _named(sample: _Sample, lookup: Lookup) -> Meaning | None:
    """Whether these are whole names, family names or given names of the index's people."""
    whole = family = given = 0
    for one in sample.values:
        words = canonical.name_words(one[:80])
        in_family = [word in lookup.family for word in words]
        in_given = [word in lookup.given for word in words]
        if len(words) > 1 and any(in_family) and any(in_given):
            whole += 1
        key = "".join(words)
        as_family, as_given = lookup.family.get(key, 0), lookup.given.get(key, 0)
        if as_family > as_given:
            family += 1
        elif as_given or (words and all(in_given)):
            given += 1
    least = _HALF * len(sample.values)
    if whole >= least:
        return Meaning.NAME
    if family + given < least:
        return None
    return Meaning.FAMILY_NAME if family > given else Meaning.GIVEN_NAMES


def _initials(
    columns: list[Column], samples: list[_Sample], headings: Sequence[str]
) -> list[Column]:
    """Without headings, single letters in a table with family names are initials."""
    named = {column.meaning for column in columns}
    if Meaning.FAMILY_NAME not in named or Meaning.GIVEN_NAMES in named:
        return columns
    return [
        replace(one, meaning=Meaning.GIVEN_NAMES)
        if one.meaning == Meaning.OTHER
        and not (at < len(headings) and headings[at].strip())
        and len(sample.values) >= INITIALS_LEAST
        and sample.share(lambda text: len(text.strip(".")) == 1 and text[0].isalpha()) >= _MOST
        else one
        for at, (one, sample) in enumerate(zip(columns, samples, strict=True))
    ]


def _birth_dates(
    columns: list[Column], samples: list[_Sample], headings: Sequence[str]
) -> list[Column]:
    """Where no column is headed as birth dates: the one whose dates are spread as lives are."""
    if any(column.meaning == Meaning.BIRTH_DATE and not column.whose for column in columns):
        return columns
    if not any(
        column.meaning in _NAMING or column.meaning == Meaning.NHS_NUMBER for column in columns
    ):
        return columns
    best, widest = -1, 0.0
    for at, (column, sample) in enumerate(zip(columns, samples, strict=True)):
        heading = word_key(headings[at]) if at < len(headings) else ""
        if column.meaning == Meaning.DATE and heading in {"", "DATE"}:
            spread = _spread_years(sample)
        elif column.meaning == Meaning.OTHER and not heading and _are_serials(sample):
            spread = float(BIRTH_SPREAD_YEARS)
        else:
            continue
        if spread > widest:
            best, widest = at, spread
    enough = BIRTH_SPREAD_YEARS if best >= 0 and len(samples[best].values) > 3 else 1
    if best < 0 or widest < enough:
        return columns
    return [
        replace(one, meaning=Meaning.BIRTH_DATE) if at == best else one
        for at, one in enumerate(columns)
    ]


def _spread_years(sample: _Sample) -> float:
    """Years between early and late ones; of a few values, how long ago the first is."""
    years = sorted(int(found[0][:4]) for one in sample.values if (found := canonical.dates(one)))
    if not years:
        return 0.0
    if len(years) <= 3:
        return float(max(0, 2010 - years[0]))
    return float(years[int(0.9 * (len(years) - 1))] - years[int(0.1 * (len(years) - 1))])


def _are_serials(sample: _Sample) -> bool:
    if len(sample.values) < CONTRADICTED_LEAST:
        return False
    numbers = [
        int(one) for one in sample.values if one.isascii() and one.isdigit() and len(one) < 6
    ]
    if len(numbers) < len(sample.values):
        return False
    low, high = min(numbers), max(numbers)
    return low >= SERIAL_LEAST and high <= SERIAL_MOST and high - low >= SERIAL_SPREAD


def _is_month_first(sample: _Sample) -> bool:
    """Whether a value is only possible with its month first, and none only with its day first."""
    first = second = 0
    for one in sample.values:
        if match := _NUMBERS_DATE.fullmatch(one):
            first += int(match[1]) > 12
            second += int(match[3]) > 12
    return second > 0 and first * 20 < second


def _ordered(column: Column, sample: _Sample, lookup: Lookup, *, is_american: bool) -> Column:
    """The order of day and month, or of names, in this column as a whole."""
    if _dated(column):
        day_first = any(
            int(match[1]) > 12
            for one in sample.values
            if (match := _NUMBERS_DATE.fullmatch(one)) is not None
        )
        month_first = _is_month_first(sample) or (is_american and not day_first)
        return replace(column, month_first=month_first)
    if column.meaning != Meaning.NAME:
        return column
    first = last = 0
    for one in sample.values:
        words = canonical.name_words(one[:80])
        if "," in one or len(words) < 2:
            continue
        forward = (lookup.given.get(words[0], 0) + 0.2) * (lookup.family.get(words[-1], 0) + 0.2)
        backward = (lookup.family.get(words[0], 0) + 0.2) * (lookup.given.get(words[-1], 0) + 0.2)
        last += forward > backward
        first += backward > forward
    if first + last >= 3 and max(first, last) >= _MOST * (first + last):
        return replace(column, family_first=first > last)
    return column


def read_dates(text: str, *, month_first: bool) -> tuple[str, ...]:
    """A value of a column of dates: its readings in the column's order.

    A serial number is the day that it counts; a year or a month alone stays what it is. A year of
    two digits may be two years.
    """
    text = text.strip().removesuffix(".0")
    if text.isascii() and text.isdigit():
        if len(text) == 4 and _YEAR.fullmatch(text):
            return (text,)
        if len(text) in {4, 5} and SERIAL_LEAST <= int(text) <= SERIAL_MOST:
            return (canonical.from_serial(int(text)),)
    match = _NUMBERS_DATE.fullmatch(text)
    if match is None:
        return canonical.dates(text)
    first, _, second, year = match.groups()
    day, month = (second, first) if month_first else (first, second)
    if len(year) == 4 and 0 < int(day) <= 28 and 0 < int(month) <= 12 and year[:2] in {"19", "20"}:
        return (f"{year}-{month:0>2}-{day:0>2}",)  # nearly all: without a detour
    readings = canonical.dates(f"{day}/{month}/{year}")
    wanted = [one for one in readings if int(one[5:7]) == int(month)]
    return tuple(wanted) if wanted else readings


def read_near(text: str) -> str:
    """A value labelled as an NHS number that is none: its digits, `?` for each that is lost.

    "" where it is nothing like one. `9.99149E+09` is 999149????.
    """
    text = text.strip()
    if match := _SCIENTIFIC.fullmatch(text):
        return (match[1] + match[2])[:10].ljust(10, "?")
    digits = re.sub(r"[\s\-.]", "", text.removesuffix(".0"))
    is_near = digits.isascii() and 7 <= len(digits) <= 11 and sum(map(str.isdigit, digits)) >= 7
    return digits.upper() if is_near and digits.isalnum() else ""


def read_cell_name(text: str, column: Column, lookup: Lookup) -> tuple[tuple[str, str], ...]:
    """A cell of a NAME column, taken apart."""
    found = read_name(text, lookup, family_first=column.family_first)
    return tuple((kind.value, value) for kind, value in found.parts)
