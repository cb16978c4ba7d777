"""One form for names, postcodes, telephones, numbers and dates, whoever wrote them.

The index and the fragments are brought into it by these same functions; equal means equal.

Invariants:
- Pure, without limits of their own: callers give short text. Nothing raises; "" means none.
- What is lost (accents, case, punctuation) tells nobody apart in practice; `raw` keeps it.
- A date of which day and month could be exchanged gives both readings; nothing is guessed here.
"""

from __future__ import annotations

import re
import unicodedata
from datetime import date
from functools import lru_cache

from tourniquet.kernel.identifiers import NhsNumber

YEAR_LEAST, YEAR_MOST = 1890, 2100
TWO_DIGIT_PIVOT = 30  # 31 is 1931; 30 may be 2030 or 1930
_LETTERS = {"ß": "SS", "Æ": "AE", "Œ": "OE", "Ø": "O", "Ł": "L", "Đ": "D", "Þ": "TH", "Ð": "D"}
_NOT_LETTERS = re.compile(r"[^A-Z]+")
_BETWEEN_NAMES = re.compile(r"[\s\-\u2013\u2014_/,.;]+")
_TITLES = frozenset(
    {"MR", "MRS", "MISS", "MS", "MX", "DR", "PROF", "REV", "SIR", "LADY", "DAME", "MASTER", "LORD"}
    | {"BABY", "INFANT", "TWIN", "SISTER"}
)
_POSTCODE = re.compile(
    r"(GIR ?0AA|[A-PR-UWYZ](?:[0-9]{1,2}|[A-HK-Y][0-9]|[A-HK-Y][0-9][0-9ABEHMNPRV-Y]"
    r"|[0-9][A-HJKPS-UW])) ?([0-9][ABD-HJLNP-UW-Z]{2})",
    re.ASCII,
)
_MONTH_NAMES = (
    "JANUARY", "FEBRUARY", "MARCH", "APRIL", "MAY", "JUNE", "JULY", "AUGUST", "SEPTEMBER",
    "OCTOBER", "NOVEMBER", "DECEMBER",
)  # fmt: skip
_MONTHS = {
    **{name: number for number, name in enumerate(_MONTH_NAMES, 1)},
    **{name[:3]: number for number, name in enumerate(_MONTH_NAMES, 1)},
    "SEPT": 9,
}
_DATE_NUMBERS = re.compile(r"(\d{1,4})[/.\- ](\d{1,2})[/.\- ](\d{1,4})", re.ASCII)
_DATE_WORDS = re.compile(
    r"(\d{1,2})(?:ST|ND|RD|TH)?[\s,.\-/]*([A-Z]{3,9})[\s,.\-/]*(\d{4}|\d{2})", re.ASCII
)
_DATE_MONTH_FIRST = re.compile(
    r"([A-Z]{3,9})[\s.\-]*(\d{1,2})(?:ST|ND|RD|TH)?[\s,]+(\d{4})", re.ASCII
)
_DATE_CLOSE = re.compile(r"(\d{4})(\d{2})(\d{2})(?:\d{4,6}(?:\.\d+)?(?:[+-]\d{4})?)?", re.ASCII)
_TIME_BEHIND = re.compile(
    r"[T ]\d{1,2}:\d{2}(?::\d{2}(?:\.\d+)?)?\s*(?:[AP]M|Z|[+-]\d{2}:?\d{2})?$"
)
_EMAIL = re.compile(r"[A-Z0-9._%+\-']+@[A-Z0-9\-]+(?:\.[A-Z0-9\-]+)+", re.ASCII)
_PHONE_DIGITS = range(10, 12)
_YEAR_DIGITS = 4
_DAY_DIGITS_MOST = 2
_EXCEL_DAY_ZERO = date(1899, 12, 30).toordinal()


def letters(text: str) -> str:
    """Upper case, without accents; what is no letter stays."""
    if text.isascii():
        return text.upper()
    plain = unicodedata.normalize("NFKD", text.upper())
    plain = "".join(_LETTERS.get(sign, sign) for sign in plain)
    return "".join(sign for sign in plain if not unicodedata.combining(sign))


@lru_cache(maxsize=200_000)  # the same names come again and again
def name_key(text: str) -> str:
    """A name's letters alone: `O'Neil-Smith` is `ONEILSMITH`."""
    return _NOT_LETTERS.sub("", letters(text))


@lru_cache(maxsize=200_000)
def name_words(text: str) -> tuple[str, ...]:
    """The words of a name, titles left out: `Mrs Anne-Marie O'Neil` is ANNE, MARIE, ONEIL."""
    words = (_NOT_LETTERS.sub("", word) for word in _BETWEEN_NAMES.split(letters(text)))
    return tuple(word for word in words if word and word not in _TITLES)


def postcode(text: str) -> str:
    """A postcode with its space, where the text is one: `se16ba` is `SE1 6BA`."""
    match = _POSTCODE.fullmatch(text.strip().upper())
    return f"{match[1].replace(' ', '')} {match[2]}" if match else ""


def phone(text: str) -> str:
    """The digits of a UK telephone number in national form: `+44 (0)7700 900161` is 07700900161."""
    digits = re.sub(r"[^0-9+]", "", text.replace("(0)", ""))
    digits = re.sub(r"^(?:\+44|0044)", "0", digits).lstrip("+")
    is_one = len(digits) in _PHONE_DIGITS and digits.isdecimal() and digits.startswith("0")
    return digits if is_one else ""


def email(text: str) -> str:
    """A mail address in lower case, where the text is one."""
    found = text.strip().strip("<>").upper()
    return found.lower() if _EMAIL.fullmatch(found) else ""


def nhs_number(text: str) -> str:
    """Ten digits with the check digit right, from text, or from a number with `.0` behind it."""
    found = NhsNumber.find(text.strip().removesuffix(".0"))
    return found.digits if found else ""


def local_number(text: str) -> str:
    """A hospital's number: upper case, without spaces; leading zeros count."""
    return re.sub(r"\s+", "", text.strip().upper())


def sex(text: str) -> str:
    """`female`, `male` or ""; NHS codes 1 and 2 are male and female."""
    known = {"F": "female", "FEMALE": "female", "2": "female", "WOMAN": "female", "GIRL": "female"}
    known |= {"M": "male", "MALE": "male", "1": "male", "MAN": "male", "BOY": "male"}
    return known.get(text.strip().upper(), "")


def dates(text: str) -> tuple[str, ...]:
    """Every reading of a date as ISO 8601, the likeliest in England first; none where it is none.

    Day before month; where both could be a month, the other reading comes second.
    """
    return _dates(_TIME_BEHIND.sub("", text.strip().upper())) if text else ()


@lru_cache(maxsize=100_000)
def _dates(text: str) -> tuple[str, ...]:
    if match := _DATE_NUMBERS.fullmatch(text):
        return _from_numbers(*match.groups())
    if match := _DATE_WORDS.fullmatch(text):
        return _valid((match[3], _MONTHS.get(match[2], 0), match[1]))
    if match := _DATE_CLOSE.fullmatch(text):
        return _valid((match[1], int(match[2]), match[3]))
    if match := _DATE_MONTH_FIRST.fullmatch(text):
        return _valid((match[3], _MONTHS.get(match[1], 0), match[2]))
    return ()


def _from_numbers(first: str, second: str, third: str) -> tuple[str, ...]:
    if len(first) == _YEAR_DIGITS:
        return _valid((first, int(second), third))
    if len(first) > _DAY_DIGITS_MOST or len(third) not in {_DAY_DIGITS_MOST, _YEAR_DIGITS}:
        return ()
    return _valid((third, int(second), first), (third, int(first), second))


def _valid(*readings: tuple[str, int, str]) -> tuple[str, ...]:
    """Those of (year, month, day) that are days, each once; a year of two digits may be two."""
    found: dict[str, None] = {}
    for year_text, month, day in readings:
        for year in _years(year_text):
            try:
                one = date(year, month, int(day))
            except ValueError:
                continue
            if YEAR_LEAST <= one.year <= YEAR_MOST:
                found[one.isoformat()] = None
    return tuple(found)


def _years(text: str) -> tuple[int, ...]:
    value = int(text)
    if len(text) == _YEAR_DIGITS:
        return (value,)
    if value > TWO_DIGIT_PIVOT:
        return (1900 + value,)
    return (2000 + value, 1900 + value)


def from_serial(number: int) -> str:
    """The day that a spreadsheet counts from 1899-12-30; "" where it is no plausible day."""
    try:
        found = date.fromordinal(_EXCEL_DAY_ZERO + number)
    except (ValueError, OverflowError):
        return ""
    return found.isoformat() if YEAR_LEAST <= found.year <= YEAR_MOST else ""
