"""From the cells of one column to fields: each different value is read once.

Invariants:
- A cell gives the fields that its column's meaning says, or none; never another cell's.
- Placeholders (`N/A`, `NULL`, `-`) are no values.
- Pure; nothing raises on any text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

import numpy as np

from tourniquet.breach import canonical
from tourniquet.breach.columns import Column, read_cell_name, read_dates, read_near
from tourniquet.breach.draft import VALUE_CHARACTERS_MOST
from tourniquet.breach.fragments import Field, FieldKind
from tourniquet.breach.headers import Meaning
from tourniquet.breach.lookup import Lookup, word_key
from tourniquet.breach.names import NAME_CHARACTERS_MOST, family
from tourniquet.breach.numbers import DIGITS, has_right_check_digit

CELL_CHARACTERS_MOST = 300  # of an address, a test or a result
_PLACEHOLDERS = frozenset(
    {
        "",
        "-",
        "--",
        "?",
        ".",
        "N/A",
        "NULL",
        "NONE",
        "NIL",
        "NOT KNOWN",
        "UNKNOWN",
        "NAN",
        "#N/A",
        "\\N",
        "TBC",
    }
)
_BRACKETS = re.compile(r"\([^)]*\)?")
_ODS = re.compile(r"(?=[A-Z0-9]*\d)[A-Z0-9]{3,12}", re.ASCII)
_NUMBER_IN = re.compile(r"(?<!\d)\d{3}[ \-.]?\d{3}[ \-.]?\d{4}(?!\d)", re.ASCII)
_NUMBER_CHARACTERS_LEAST = 10
_BLANKS = str.maketrans("", "", " -\u00a0")
Fields = tuple[Field, ...]


def read_column(column: Column, different: Mapping[str, None], lookup: Lookup) -> dict[str, Fields]:
    """The fields of each different value of a column; values without fields are left out."""
    read = _READERS.get(column.meaning)
    if read is None:
        if column.is_headed and column.meaning == Meaning.OTHER:
            return {}  # a lot, a barcode or a run that looks like somebody's number
        return _numbers_within(column, different, lookup)
    out = _plain_numbers(column, different) if column.meaning == Meaning.NHS_NUMBER else {}
    for raw in different:
        if raw in out:
            continue
        text = raw.strip()
        if text.upper() in _PLACEHOLDERS:
            continue
        if fields := read(text, column, lookup):
            out[raw] = fields
    if column.meaning == Meaning.NARRATIVE:
        for raw, fields in _numbers_within(column, different, lookup).items():
            out[raw] = (*out.get(raw, ()), *fields)
    return out


def _plain_numbers(column: Column, different: Mapping[str, None]) -> dict[str, Fields]:
    """Those values that are ten digits, all at once, where their check digits are right."""
    plain = {one: digits for one in different if len(digits := one.translate(_BLANKS)) == DIGITS}
    plain = {one: digits for one, digits in plain.items() if digits.isascii() and digits.isdigit()}
    if not plain:
        return {}
    joined = np.frombuffer("".join(plain.values()).encode("ascii"), np.uint8).reshape(-1, DIGITS)
    right = has_right_check_digit(joined.astype(np.int64) - ord("0"))
    return {
        one: (Field(FieldKind.NHS_NUMBER, digits, one, column.at),)
        for (one, digits), is_right in zip(plain.items(), right.tolist(), strict=True)
        if is_right
    }


def _numbers_within(
    column: Column, different: Mapping[str, None], lookup: Lookup
) -> dict[str, Fields]:
    """NHS numbers of the index in cells of which nothing else is known."""
    out: dict[str, Fields] = {}
    for raw in different:
        if len(raw) < _NUMBER_CHARACTERS_LEAST:
            continue
        for match in _NUMBER_IN.finditer(raw[:VALUE_CHARACTERS_MOST]):
            digits = canonical.nhs_number(match[0].replace(".", ""))
            if digits and lookup.knows_number(digits):
                one = Field(FieldKind.NHS_NUMBER, digits, match[0], column.at)
                out[raw] = (*out.get(raw, ()), one)
    return out


def _nhs_number(text: str, column: Column, _lookup: Lookup) -> Fields:
    if found := canonical.nhs_number(
        text.replace(".", "").removesuffix("0") if ".0" in text else text
    ):
        return (Field(FieldKind.NHS_NUMBER, found, text, column.at),)
    if found := canonical.nhs_number(re.sub(r"[\s.\-]", "", text)):
        return (Field(FieldKind.NHS_NUMBER, found, text, column.at),)
    near = read_near(text)
    if near.isdigit() and (right := canonical.nhs_number(near)):
        return (Field(FieldKind.NHS_NUMBER, right, text, column.at),)
    return (Field(FieldKind.NHS_NUMBER_NEAR, near, text, column.at),) if near else ()


def _local_number(text: str, column: Column, lookup: Lookup) -> Fields:
    number = canonical.local_number(text.removesuffix(".0"))[:CELL_CHARACTERS_MOST]
    whose, colon, rest = number.partition(":")
    if colon and whose in lookup.by_code:
        return (
            Field(FieldKind.LOCAL_NUMBER, f"{lookup.by_code[whose].code}:{rest}", text, column.at),
        )
    if len(number) < 3 or not any(sign.isdigit() for sign in number):
        return ()
    return (
        Field(FieldKind.LOCAL_NUMBER, f"{lookup.local_owner(number)}:{number}", text, column.at),
    )


def _name(text: str, column: Column, lookup: Lookup) -> Fields:
    parts = read_cell_name(text, column, lookup)
    return tuple(Field(FieldKind(kind), value, text, column.at) for kind, value in parts)


def _family_name(text: str, column: Column, _lookup: Lookup) -> Fields:
    value = family(_BRACKETS.sub(" ", text[:NAME_CHARACTERS_MOST]))
    return (Field(FieldKind.FAMILY_NAME, value, text, column.at),) if value else ()


def _given_names(text: str, column: Column, _lookup: Lookup) -> Fields:
    value = family(_BRACKETS.sub(" ", text[:NAME_CHARACTERS_MOST]))
    return (Field(FieldKind.GIVEN_NAMES, value, text, column.at),) if value else ()


def _birth_date(text: str, column: Column, _lookup: Lookup) -> Fields:
    found = read_dates(text, month_first=column.month_first)
    return tuple(Field(FieldKind.BIRTH_DATE, one, text, column.at) for one in found)


def _date(text: str, column: Column, _lookup: Lookup) -> Fields:
    found = read_dates(text, month_first=column.month_first)
    return (Field(FieldKind.DATE, found[0], text, column.at),) if found else ()


def _phone(text: str, column: Column, _lookup: Lookup) -> Fields:
    parts = [text] if canonical.phone(text) else re.split(r"[/;,|]| or ", text)[:4]
    if not any(map(canonical.phone, parts)):
        joined = re.sub(r"[^\d+]", "", text)
        parts = [f"0{joined}"] if len(joined) == 10 and joined[0] in "127" else []
    return tuple(
        Field(FieldKind.PHONE, value, text, column.at)
        for one in parts
        if (value := canonical.phone(one))
    )


def _one(kind: FieldKind, of: Callable[[str], str]) -> Callable[[str, Column, Lookup], Fields]:
    def read(text: str, column: Column, _lookup: Lookup) -> Fields:
        value = of(text)
        return (Field(kind, value, text, column.at),) if value else ()

    return read


def _address_text(text: str) -> str:
    return canonical.letters(" ".join(text[:CELL_CHARACTERS_MOST].split()))


def _organisation(text: str, column: Column, lookup: Lookup) -> Fields:
    if found := lookup.organisation(text):
        return (Field(FieldKind.ORGANISATION, found.code, text, column.at),)
    code = text.upper()
    is_code = _ODS.fullmatch(code) is not None
    return (Field(FieldKind.ORGANISATION, code, text, column.at),) if is_code else ()


def _practice(text: str, column: Column, lookup: Lookup) -> Fields:
    found = lookup.organisation(text)
    code = found.code if found else text.upper()
    is_code = _ODS.fullmatch(code) is not None
    return (Field(FieldKind.PRACTICE, code, text, column.at),) if is_code else ()


def _test(text: str, column: Column, lookup: Lookup) -> Fields:
    parts = [text] if word_key(text) in lookup.by_test else re.split(r"[;|+/]", text)
    if not any(word_key(one) in lookup.by_test for one in parts):
        parts = [text]
    return tuple(
        Field(FieldKind.TEST, test_value(one, lookup), text, column.at)
        for one in parts
        if one.strip()
    )


def test_value(text: str, lookup: Lookup) -> str:
    """A test's code where it is known, else what was written."""
    known = lookup.by_test.get(word_key(text[:CELL_CHARACTERS_MOST]))
    return known.code if known else canonical.letters(" ".join(text[:CELL_CHARACTERS_MOST].split()))


def _result(text: str, column: Column, lookup: Lookup) -> Fields:
    result = Field(FieldKind.RESULT, text[:CELL_CHARACTERS_MOST], text, column.at)
    if not column.test:
        return (result,)
    return (Field(FieldKind.TEST, test_value(column.test, lookup), column.test, column.at), result)


def _narrative(text: str, column: Column, _lookup: Lookup) -> Fields:
    return (
        Field(
            FieldKind.NARRATIVE,
            text[:VALUE_CHARACTERS_MOST],
            text[:VALUE_CHARACTERS_MOST],
            column.at,
        ),
    )


_READERS: dict[Meaning, Callable[[str, Column, Lookup], Fields]] = {
    Meaning.NHS_NUMBER: _nhs_number,
    Meaning.LOCAL_NUMBER: _local_number,
    Meaning.NAME: _name,
    Meaning.FAMILY_NAME: _family_name,
    Meaning.PREVIOUS_FAMILY_NAME: _family_name,
    Meaning.GIVEN_NAMES: _given_names,
    Meaning.BIRTH_DATE: _birth_date,
    Meaning.DATE: _date,
    Meaning.SEX: _one(FieldKind.SEX, canonical.sex),
    Meaning.ADDRESS: _one(FieldKind.ADDRESS, _address_text),
    Meaning.POSTCODE: _one(FieldKind.POSTCODE, canonical.postcode),
    Meaning.PHONE: _phone,
    Meaning.EMAIL: _one(FieldKind.EMAIL, canonical.email),
    Meaning.PRACTICE: _practice,
    Meaning.ORGANISATION: _organisation,
    Meaning.TEST: _test,
    Meaning.RESULT: _result,
    Meaning.NARRATIVE: _narrative,
}
