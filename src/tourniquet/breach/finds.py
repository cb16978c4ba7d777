"""Typed values in a piece of text that is worth reading: numbers, dates, names, addresses, tests.

1. Labels: words before `:` or `=` that headers.toml knows, and what is written behind them.
2. Numbers, dates, postcodes, telephones, mail addresses wherever they stand.
3. Names beside them (breach.spoken) in what is left.

Invariants:
- No two finds overlap; a labelled one wins over one by its form.
- A find says whose it is, as far as its label does: the patient's, a relative's, a staff member's.
- Nothing raises on any text; callers give no more than TEXT_CHARACTERS_MOST.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from tourniquet.breach import canonical
from tourniquet.breach.columns import read_near
from tourniquet.breach.fragments import FieldKind
from tourniquet.breach.headers import Heading, Meaning, find_label
from tourniquet.breach.lookup import Lookup, word_key
from tourniquet.breach.names import family, read_name

TEXT_CHARACTERS_MOST = 256 * 1024
LABEL_CHARACTERS_MOST = 45
LABEL_WORDS_MOST = 4
VALUE_CHARACTERS_MOST = 200
LOCAL_DIGITS_LEAST = 4
_MONTH = r"(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]{0,6}"
DATE = (
    r"(?<![\d/.\-])(?:\d{1,2}([/.\- ])\d{1,2}\1(?:19|20)?\d{2}(?![\d/]|[.\-]\d)"
    r"|(?:19|20)\d{2}-\d{2}-\d{2}(?!\d)"
    rf"|\d{{1,2}}(?:st|nd|rd|th)?[ \-.]?(?:of )?{_MONTH}[ \-.,]{{1,2}}(?:\d{{4}}|\d{{2}})(?!\d)"
    rf"|{_MONTH} \d{{1,2}}(?:st|nd|rd|th)?,? \d{{4}}(?!\d)|(?:19|20)\d{{6}}(?!\d))"
)
_OF = re.compile(r"\bof\b", re.IGNORECASE)
_DATE = re.compile(DATE, re.IGNORECASE | re.ASCII)
_SEPARATOR = re.compile(r"(?<!\d\d)[:=](?!//)")
_DELIMITERS = str.maketrans(
    dict.fromkeys('=:;,"{}()[]<>|\t\r\n', "\n") | dict.fromkeys("_/-'", " ")
)  # labels lie between these
_STAMP = re.compile(
    r"[\[(]?\d{4}[-/]\d{2}[-/]\d{2}[T ]\d{2}:\d{2}[\d:.,]*(?:Z|[+-]\d{2}:?\d{2})?", re.ASCII
)
_NUMBER = re.compile(r"(?<![\d.])\d{3}([ .\-\u00a0]?)\d{3}\1\d{4}(?!\d|\.\d)", re.ASCII)
_NHS_BARE = re.compile(
    r"\bnhs(?:[ _]?(?:no|number|num|id))?\b\.?[ \"']*(?:is|of|:|=|#)?[ \"']*"
    r"(\d[\d \-.]{5,14}\d)(?!\d)",
    re.IGNORECASE | re.ASCII,
)
_BORN_BARE = re.compile(
    r"\b(?:d\.? ?o\.? ?b\b\.?|date of birth|birth ?da(?:te|y)|born|b\.)[ \"']*"
    r"(?:on|is|was|:|=)?[ \"']*(?=[\dA-Z])",
    re.IGNORECASE,
)
_LOCAL_BARE = re.compile(
    r"\b(?:hosp(?:ital)?|unit|mrn|pas|case ?notes?|patient|pt)\b\.? ?(?:no|num|number|id|ref)?"
    r"\b\.?[ \"']*[:=#]?[ \"']*([A-Z]{0,3}\d{4,9}[A-Z]?)\b",
    re.IGNORECASE | re.ASCII,
)
_LOCAL_VALUE = re.compile(r"[A-Z]{0,3}[ \-]?\d[\dA-Z/]{2,11}", re.IGNORECASE | re.ASCII)
_LOCAL_SHAPED = re.compile(r"\b(?:[A-Z]{1,3}\d{4,9}|\d{5,9}[A-Z])\b", re.ASCII)
_POSTCODE = re.compile(r"\b[A-Z]{1,2}\d[A-Z\d]? ?\d[ABD-HJLNP-UW-Z]{2}\b", re.ASCII)
_STREET_BEFORE = re.compile(
    r"(?:^|[\n:;\"|]|, (?=\d)|  )\s*((?:Flat |Apt )?\d+[A-Za-z]?,? [A-Z][^\n:;\"|]{3,90}?)[,\s]*$"
)
_PHONE = re.compile(
    r"(?<![\d.])(?:\+44 ?(?:\(0\) ?)?|\(?0)[1237]\d{1,4}\)?(?:[ \-]?\d{2,6}){1,3}(?!\d)", re.ASCII
)
_EMAIL = re.compile(
    r"(?<![A-Za-z0-9._%+\-])[A-Za-z0-9._%+\-']{1,64}@"
    r"[A-Za-z0-9\-]{1,63}(?:\.[A-Za-z0-9\-]{1,63}){1,8}",
    re.ASCII,
)
_CODE = re.compile(r"(?<![A-Za-z0-9@.])[A-Z][A-Z0-9]{2,9}(?![A-Za-z0-9@])", re.ASCII)
_SEX = re.compile(r"\b(?:female|male)\b", re.IGNORECASE)
_RESULT = re.compile(
    r"\b(?:result(?:s|ed)?|reported(?: on [^:\n]{5,30})?)(?: was| is| were| as|:)?:? "
    r"((?:[<>]?\d+(?:\.\d+)?(?: ?[a-zA-Zµ%][\w/*^]*)?)|(?:not )?detected|positive|negative"
    r"|(?:non-?)?reactive"
    r"|[AB0O]{1,2} RhD \w+|equivocal|normal|raised|(?<=result was )[A-Z][^?.\n]{2,60}"
    r"|(?<=: )[A-Z][a-z][^?.\n]{2,60})",
    re.IGNORECASE,
)


class Role(StrEnum):
    """Whose a find is."""

    PATIENT = "patient"
    RELATIVE = "relative"
    STAFF = "staff"


@dataclass(frozen=True, slots=True)
class Find:
    """A value in a text. parts: its fields; key: what there is one of to a person."""

    start: int
    end: int
    key: str
    parts: tuple[tuple[FieldKind, str], ...]
    role: Role = Role.PATIENT
    is_labelled: bool = False


class Taken:
    """Which places of a text are told already."""

    def __init__(self, length: int) -> None:
        self._taken = bytearray(length)
        self.finds: list[Find] = []

    def is_free(self, start: int, end: int) -> bool:
        """Whether nothing between is told yet."""
        return self._taken.find(1, start, end) < 0

    def add(self, find: Find) -> None:
        """Tell a find, where its place is free."""
        if find.end > find.start and self.is_free(find.start, find.end):
            self.cover(find.start, find.end)
            if find.parts:
                self.finds.append(find)

    def cover(self, start: int, end: int) -> None:
        """Tell a place without a find."""
        self._taken[start:end] = b"\x01" * (end - start)


def find_values(text: str, lookup: Lookup) -> Taken:
    """Everything but names without labels; the caller adds those (breach.spoken)."""
    taken = Taken(len(text))
    if stamp := _STAMP.match(text):
        taken.cover(0, stamp.end())
    # 1.
    _labelled(text, lookup, taken)
    # 2.
    _numbers(text, lookup, taken)
    small = text.lower()
    if "@" in text:
        for match in _EMAIL.finditer(text):
            taken.add(_mail(match.start(), match[0], lookup))
    for match in _POSTCODE.finditer(text):
        if found := canonical.postcode(match[0]):
            taken.add(Find(match.start(), match.end(), "postcode", ((FieldKind.POSTCODE, found),)))
            _address_before(text, match.start(), taken)
    _dates(text, taken)
    for match in _PHONE.finditer(text):
        if found := canonical.phone(match[0]):
            taken.add(Find(match.start(), match.end(), "phone", ((FieldKind.PHONE, found),)))
    _codes(text, lookup, taken)
    if "result" in small or "reported" in small:
        for match in _RESULT.finditer(text):
            parts = ((FieldKind.RESULT, match[1]),)
            taken.add(Find(match.start(1), match.end(1), "result", parts))
    if "male" in small:
        for match in _SEX.finditer(text):
            parts_of = ((FieldKind.SEX, canonical.sex(match[0])),)
            taken.add(Find(match.start(), match.end(), "sex", parts_of))
    return taken


def _mail(at: int, text: str, lookup: Lookup) -> Find:
    """A mail address: the organisation's where its domain is one's, else the person's."""
    owner = lookup.organisation(text)
    if owner is not None:
        return Find(at, at + len(text), "organisation", ((FieldKind.ORGANISATION, owner.code),))
    value = canonical.email(text)
    return Find(at, at + len(text), "email", ((FieldKind.EMAIL, value),) if value else ())


def _labelled(text: str, lookup: Lookup, taken: Taken) -> None:
    labels: list[tuple[int, int, Heading]] = []
    flat = text.translate(_DELIMITERS)
    for match in _SEPARATOR.finditer(text):
        found = _label_before(flat, match.start())
        if found is not None:
            labels.append((found[0], match.end(), found[1]))
    for number, (start, end, heading) in enumerate(labels):
        limit = labels[number + 1][0] if number + 1 < len(labels) else len(text)
        value = text[end : min(limit, end + VALUE_CHARACTERS_MOST)]
        skipped = len(value) - len(value.lstrip(" \"'\t"))
        find = _read_value(value[skipped:], end + skipped, heading, lookup)
        if find is not None:
            taken.cover(start, end)
            taken.add(find)


def _label_before(flat: str, at: int) -> tuple[int, Heading] | None:
    """The label that ends right before a separator: where it begins and what it means."""
    before = flat[max(0, at - LABEL_CHARACTERS_MOST) : at].rstrip("\n ")
    end = max(0, at - LABEL_CHARACTERS_MOST) + len(before)
    words = before[before.rfind("\n") + 1 :].split(" ")[-LABEL_WORDS_MOST:]
    start = end - len(" ".join(words))
    for word in words:
        if word and word[0].isalpha():
            label = flat[start:end]
            if (heading := find_label(label)) is not None:
                return start, heading
            if label.upper() == "RE":
                return start, Heading(Meaning.NAME)
        start += len(word) + 1
    return None


def _role(heading: Heading) -> Role:
    if heading.meaning == Meaning.STAFF:
        return Role.STAFF
    return Role.RELATIVE if heading.whose else Role.PATIENT


def _read_value(value: str, at: int, heading: Heading, lookup: Lookup) -> Find | None:
    """What stands behind a label; None where it is nothing of the kind."""
    meaning = heading.meaning
    role = _role(heading)
    if meaning in {Meaning.NAME, Meaning.FAMILY_NAME, Meaning.GIVEN_NAMES, Meaning.STAFF} or (
        meaning == Meaning.PREVIOUS_FAMILY_NAME
    ):
        return _named_value(value, at, meaning, role, lookup)
    if meaning == Meaning.NHS_NUMBER:
        return nhs_find(
            re.match(r"\d[\d \-.]{5,14}\d(?!\d)|[\d.]+E\+\d+", value, re.ASCII), at, role
        )
    if meaning == Meaning.LOCAL_NUMBER:
        match = _LOCAL_VALUE.match(value)
        return _local(match[0], at, role, lookup) if match else None
    if meaning in {Meaning.BIRTH_DATE, Meaning.DATE}:
        match = _DATE.match(value)
        key = "birth" if meaning == Meaning.BIRTH_DATE else "date"
        return date_find(match, at, key, role=role) if match else None
    ends = r"[\n\r|;\"{}\t]|   " if meaning == Meaning.RESULT else r"[\n\r|;\"{}<>\t]|   "
    end = found.start() if (found := re.search(ends, value)) else len(value)
    return _coded_value(value[:end].strip(" ,'"), at, meaning, role, lookup)


def _coded_value(text: str, at: int, meaning: Meaning, role: Role, lookup: Lookup) -> Find | None:
    parts: tuple[tuple[FieldKind, str], ...] = ()
    if meaning == Meaning.SEX:
        parts = ((FieldKind.SEX, canonical.sex(text.split(" ", maxsplit=1)[0])),)
    elif meaning == Meaning.TEST and text:
        known = lookup.by_test.get(word_key(text))
        parts = ((FieldKind.TEST, known.code if known else canonical.letters(text)),)
    elif meaning == Meaning.RESULT:
        parts = ((FieldKind.RESULT, text),)
    elif meaning == Meaning.ADDRESS:
        if match := _POSTCODE.search(text):
            text = text[: match.start()].rstrip(" ,")
        parts = ((FieldKind.ADDRESS, canonical.letters(text)),)
    elif meaning in {Meaning.ORGANISATION, Meaning.PRACTICE}:
        kind = FieldKind(meaning.value)
        code = text.split(" ")[0].strip(",.()")
        owner = lookup.organisation(text) or lookup.organisation(code)
        parts = ((kind, owner.code),) if owner else ()
        text = text if lookup.organisation(text) else code
    parts = tuple((kind, value) for kind, value in parts if value)
    return Find(at, at + len(text), meaning.value, parts, role, is_labelled=True) if parts else None


_NAME_VALUE = re.compile(
    r"(?:(?:[^\W\d_a-z][\w.'\u2019\-]*|de|van|von|der|la|le|al|bin|el|née|nee|formerly)(?:,? |,|$)?"
    r"|\((?:Mrs?|Miss|Ms|Mx|née [^)]*|formerly [^)]*)\)){1,7}"
)
_NOT_NAMES = frozenset(
    {"NHS", "DOB", "DATE", "BORN", "HOSP", "HOSPITAL", "UNIT", "MRN", "NO", "NUMBER", "PLEASE"}
    | {"THE", "DEAR", "THANK", "YOURS", "REF", "RE", "SEX", "MALE", "FEMALE", "ADDRESS", "TEL"}
    | {"PHONE", "POSTCODE", "COLLEAGUE", "SIR", "MADAM", "DOCTOR", "PATIENT", "CLINIC", "WARD"}
    | {"RESULT", "RESULTS", "ACTION", "WHO", "HAS", "IS", "WAS", "AND", "CONSULTANT", "GP", "NAME"}
    | {"SURNAME", "FORENAME", "AGE", "LAB", "SAMPLE", "TEST", "REPORT", "ALL", "TEAM", "BOTH"}
    | {"COLLEAGUES", "EVERYONE", "TO", "FROM", "CC"}
)


def _named_value(value: str, at: int, meaning: Meaning, role: Role, lookup: Lookup) -> Find | None:
    match = _NAME_VALUE.match(value)
    if match is None:
        match = re.match(r"[^\W\d_]{2,}(?:[ ,]+[^\W\d_]+){0,3}", value)
        if match is None or not _is_known(match[0], lookup):
            return None
    text = name_end(match[0])
    if meaning in {Meaning.NAME, Meaning.STAFF}:
        parts = read_name(text, lookup).parts
    else:
        kind = FieldKind.GIVEN_NAMES if meaning == Meaning.GIVEN_NAMES else FieldKind.FAMILY_NAME
        parts = ((kind, family(text)),) if family(text) else ()
    key = "given" if meaning == Meaning.GIVEN_NAMES else "name"
    return Find(at, at + len(text), key, parts, role, is_labelled=True) if parts else None


def name_end(text: str) -> str:
    """A run of capitalised words up to the first that is in no name."""
    words = re.split(r"(?<=[ ,])", text)
    kept = ""
    for word in words:
        if canonical.name_key(word) in _NOT_NAMES:
            break
        kept += word
    return kept.rstrip(" ,-.")


def _is_known(text: str, lookup: Lookup) -> bool:
    words = canonical.name_words(text)
    return any(word in lookup.family for word in words) or any(
        word in lookup.given for word in words
    )


def nhs_find(match: re.Match[str] | None, at: int, role: Role = Role.PATIENT) -> Find | None:
    """A labelled NHS number: right, or near one. The match's last group, or all of it, is it."""
    if match is None:
        return None
    text = match[match.lastindex or 0]
    start = at + match.start(match.lastindex or 0)
    inner = _NUMBER.match(text)
    if inner and (right := canonical.nhs_number(re.sub(r"\D", "", inner[0]))):
        return Find(
            start,
            start + inner.end(),
            "nhs",
            ((FieldKind.NHS_NUMBER, right),),
            role,
            is_labelled=True,
        )
    near = read_near(text)
    if right := canonical.nhs_number(near):
        return Find(
            start,
            start + len(text),
            "nhs",
            ((FieldKind.NHS_NUMBER, right),),
            role,
            is_labelled=True,
        )
    parts = ((FieldKind.NHS_NUMBER_NEAR, near),)
    return Find(start, start + len(text), "nhs", parts, role, is_labelled=True) if near else None


def _local(text: str, at: int, role: Role, lookup: Lookup) -> Find | None:
    number = canonical.local_number(text)
    if sum(map(str.isdigit, number)) < LOCAL_DIGITS_LEAST:
        return None
    parts = ((FieldKind.LOCAL_NUMBER, f"{lookup.local_owner(number)}:{number}"),)
    return Find(at, at + len(text), "local", parts, role, is_labelled=True)


def date_find(match: re.Match[str], at: int, key: str, *, role: Role = Role.PATIENT) -> Find | None:
    """A date: its first reading, and the same day of another century."""
    text = match[0]
    readings = canonical.dates(_OF.sub("", text) if " of " in text.lower() else text)
    alike = [one for one in readings if one[5:] == readings[0][5:]]
    kind = FieldKind.BIRTH_DATE if key == "birth" else FieldKind.DATE
    parts = tuple((kind, one) for one in alike)
    start = at + match.start()
    end = at + match.end()
    return Find(start, end, key, parts, role, is_labelled=key == "birth") if parts else None


def _numbers(text: str, lookup: Lookup, taken: Taken) -> None:
    for match in _NHS_BARE.finditer(text):
        if not taken.is_free(match.start(1), match.end(1)):
            continue
        if (find := nhs_find(match, 0)) is not None:
            taken.add(find)
    for match in _LOCAL_BARE.finditer(text):
        if (found := _local(match[1], match.start(1), Role.PATIENT, lookup)) is not None:
            taken.add(found)
    for match in _NUMBER.finditer(text):
        if not taken.is_free(match.start(), match.end()):
            continue
        if right := canonical.nhs_number(re.sub(r"\D", "", match[0])):
            taken.add(Find(match.start(), match.end(), "nhs", ((FieldKind.NHS_NUMBER, right),)))
    for match in _LOCAL_SHAPED.finditer(text):
        if lookup.count_local([match[0]]):
            one = _local(match[0], match.start(), Role.PATIENT, lookup)
            if one is not None:
                taken.add(one)


def _dates(text: str, taken: Taken) -> None:
    for match in _BORN_BARE.finditer(text):
        date = _DATE.match(text, match.end())
        find = date_find(date, 0, "birth") if date else None
        if find is not None:
            taken.add(find)
    for match in _DATE.finditer(text):
        if not taken.is_free(match.start(), match.end()):
            continue
        if (find := date_find(match, 0, "date")) is not None:
            taken.add(find)


def _address_before(text: str, at: int, taken: Taken) -> None:
    low = max(0, at - 120)
    match = _STREET_BEFORE.search(text[low:at])
    if match is None:
        return
    start, end = low + match.start(1), low + match.end(1)
    value = canonical.letters(" ".join(match[1].split()))
    taken.add(Find(start, end, "address", ((FieldKind.ADDRESS, value),)))


def _codes(text: str, lookup: Lookup, taken: Taken) -> None:
    for match in _CODE.finditer(text):
        owner = lookup.by_code.get(match[0])
        if owner is not None:
            parts = ((FieldKind.ORGANISATION, owner.code),)
            taken.add(Find(match.start(), match.end(), "organisation", parts))
