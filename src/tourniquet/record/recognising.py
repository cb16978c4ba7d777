"""Whether the bytes of a message carry one person: theirs, a mention, or not. Pure.

What is theirs is emptied and its key destroyed, for ever; a mention is named, and a person decides
about it. So whatever is less than sure is a mention (HAZ-060).

A message that parses as HL7 v2 is read field by field. One PID is theirs when it gives
- their NHS number (PID-1 to 4, 19), and neither another valid NHS number nor, together, a family
  name and a birth date that both are not theirs; or
- family name, first given name (PID-5) and birth date (PID-7), all three of one name; or
- another number of theirs with the family name or the birth date, the other one not against it.
The message is theirs when all its PIDs are, or are of people erased before, and no MRG names
somebody else. A number in any other field (PID-21 of a newborn is the mother's) is a mention.

Where it does not parse, its PID lines are read alone, if it has any. Without a PID it is theirs
when it holds their NHS number and no other valid one, or another number of theirs with family name
and birth date. Names alone are a mention there: nothing tells a name from a street.

Invariants:
- Words and numbers are compared whole: "Ann" is not in "Joanna" or "Annfield".
- Names are compared without accents, apostrophes, hyphens, blanks and case, whether an accent is
  written as one character or as two.
- A number or a name that somebody else in the index has today makes nothing theirs.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence, Set
from dataclasses import dataclass, replace
from enum import Enum

from tourniquet.kernel.errors import SenderError
from tourniquet.kernel.identifiers import NhsNumber
from tourniquet.wire.hl7v2 import Segment, parse
from tourniquet.wire.hl7v2_text import utf16_order

NUMBER_LEAST = 5  # a shorter local number stands in many messages by chance
_NUMBER_FIELDS = (1, 2, 3, 4, 19)  # PID-1 in messages whose fields are one off
_MERGED_FIELDS = (1, 2, 4)
_LINES = re.compile("[\r\n\x0b\x1c]+")
_NOT_TEXT = re.compile("[\x00-\x08\x0b-\x1f]")
_SEPARATORS = re.compile(r"[\s\-]+")
_TEN_DIGITS = re.compile(r"(?<![0-9])[0-9](?:[\s\-]?[0-9]){9}(?![0-9])")
_NOT_WORD = re.compile(r"[\W_]+")
_APOSTROPHE = re.compile("['\u2019`\u00b4]")
_DIGIT = re.compile("[0-9]")
_HEADER = "MSH|^~\\&|\r"


@dataclass(frozen=True)
class Name:
    """A name under which a person is or was known; `birth` is YYYYMMDD, "" where not known."""

    family: str
    given: str
    birth: str


@dataclass(frozen=True)
class Written:
    """How one person is written down: NHS numbers, other numbers, names.

    `shared_numbers` are NHS numbers once theirs that somebody else has today, `shared_names` those
    that fit somebody else as well: what carries them is a mention.
    """

    nhs_numbers: frozenset[str] = frozenset()
    other_numbers: frozenset[str] = frozenset()
    names: frozenset[Name] = frozenset()
    shared_numbers: frozenset[str] = frozenset()
    shared_names: frozenset[Name] = frozenset()

    @staticmethod
    def joined(parts: Iterable[Written]) -> Written:
        """All of them together."""
        found = list(parts)
        return Written(
            frozenset().union(*(part.nhs_numbers for part in found)),
            frozenset().union(*(part.other_numbers for part in found)),
            frozenset().union(*(part.names for part in found)),
            frozenset().union(*(part.shared_numbers for part in found)),
            frozenset().union(*(part.shared_names for part in found)),
        )


class Whose(Enum):
    """What a message is to the person."""

    THEIRS = "theirs"
    MENTIONS = "mentions"
    NOT = "not"


@dataclass(frozen=True)
class Verdict:
    """Whose a message is; `pids` are the ordinals of those PIDs that are theirs, `of` so many."""

    whose: Whose
    pids: frozenset[int] = frozenset()
    of: int = 0


@dataclass(frozen=True)
class _Key:
    """A name for comparing."""

    family: str
    given: str
    birth: str
    family_forms: frozenset[str]
    given_forms: frozenset[str]


class Looker:
    """Decides whether text carries the person; made once for a search."""

    def __init__(self, written: Written) -> None:
        self._sure = written.nhs_numbers - written.shared_numbers
        self._numbers = sorted(filter(None, written.nhs_numbers | written.shared_numbers))
        spaced = "|".join(r"[\s\-]?".join(number) for number in self._numbers)
        self._nhs = re.compile(f"(?<![0-9])(?:{spaced})(?![0-9])") if spaced else None
        self._others = frozenset(
            _plain(number) for number in written.other_numbers if len(number) >= NUMBER_LEAST
        )
        others = "|".join(map(re.escape, sorted(self._others)))
        self._other = re.compile(f"(?<![0-9a-z])(?:{others})(?![0-9a-z])") if others else None
        self._names = _keys(written.names)
        self._all_names = self._names | _keys(written.shared_names)

    def has_number(self, text: str) -> bool:
        """An NHS number that is or was theirs is in it, however it is spaced."""
        if self._nhs is None:
            return False
        close = _SEPARATORS.sub("", text)  # quick, and mostly the end of it
        return any(number in close for number in self._numbers) and bool(self._nhs.search(text))

    def judge(self, raw: bytes, *, erased: frozenset[int] = frozenset()) -> Verdict:
        """Whose a message is. `erased`: PIDs in it that were of people erased before."""
        try:
            message = parse(raw)
            pids, merges = message.all("PID"), message.all("MRG")
            text = "\n".join(segment.line for segment in message.segments)
            verdicts = [self._judge_pid(pid) for pid in pids]
            others = any(self._is_another(number) for number in _numbers(merges, _MERGED_FIELDS))
        except SenderError:
            text = read_text(raw)
            verdicts = [self._judge_line(line) for line in _lines(text, "PID")]
            merged = _TEN_DIGITS.findall("\n".join(_lines(text, "MRG")))
            others = any(map(self._is_another, merged))
        if not verdicts:
            return Verdict(self._judge_text(text))
        theirs = frozenset(at for at, one in enumerate(verdicts, 1) if one is Whose.THEIRS)
        if theirs and len(theirs | erased) >= len(verdicts):
            whose = Whose.MENTIONS if others else Whose.THEIRS
        elif any(one is not Whose.NOT for one in verdicts) or self.has_number(text):
            whose = Whose.MENTIONS
        else:
            whose = Whose.NOT
        return Verdict(whose, theirs, len(verdicts))

    def _is_another(self, value: str) -> bool:
        """Whether it is a valid NHS number that is not surely this person's."""
        number = NhsNumber.find(value)
        return (
            number is not None
            and number.digits not in self._sure
            and _plain(value) not in self._others
        )

    def _judge_line(self, line: str) -> Whose:
        """One PID of a message that does not parse, read alone with the usual delimiters."""
        try:
            message = parse((_HEADER + _NOT_TEXT.sub(" ", line)).encode())
            return self._judge_pid(message.segments[1])
        except SenderError:
            return self._mentioned(line)

    def _judge_pid(self, pid: Segment) -> Whose:
        """One person as a message names them. Raises: SenderError past the limits of a field."""
        values = list(_numbers((pid,), _NUMBER_FIELDS))
        numbers = {_SEPARATORS.sub("", value) for value in values}
        has_other = any(_plain(value) in self._others for value in values)
        born = _day(pid.value(7))
        names = {
            (_key(one.value(1)), _key(next(iter(one.value(2).split()), "")))
            for one in pid.repetitions(5)
        }
        families = {family for family, _ in names if family}
        has_family = any(name.family in families for name in self._all_names)
        has_birth = bool(born) and any(name.birth == born for name in self._all_names)
        other_family = bool(families and self._all_names) and not has_family
        other_birth = not has_birth and any(
            name.birth and _DIGIT.search(pid.value(7)) for name in self._all_names
        )
        enough = (
            (not self._sure.isdisjoint(numbers) and not (other_family and other_birth))
            or self._is_whole(names, born)
            or (has_other and has_family and not other_birth)
            or (has_other and has_birth and not other_family)
        )
        if enough and not any(map(self._is_another, values)):
            return Whose.THEIRS
        if enough or not numbers.isdisjoint(self._numbers):
            return Whose.MENTIONS
        if has_other and (has_family or has_birth):
            return Whose.MENTIONS
        return self._mentioned(pid.line)

    def _is_whole(self, names: Set[tuple[str, str]], born: str) -> bool:
        """Whether family name, given name and birth date are of one name that is theirs alone."""
        return any(
            name.given and name.birth and name.birth == born and (name.family, name.given) in names
            for name in self._names
        )

    def _mentioned(self, text: str) -> Whose:
        """Whether text that is not theirs names them at all: a number, or a whole name."""
        if self.has_number(text):
            return Whose.MENTIONS
        if any(self._is_named(name, text) for name in self._all_names if name.given):
            return Whose.MENTIONS
        return Whose.NOT

    def _is_named(self, name: _Key, text: str) -> bool:
        """Birth date, family name and, where it is known, given name stand in it as whole words."""
        if not name.birth or not any(form in text for form in _dates(name.birth)):
            return False
        spelt = _spell(text)
        return all(
            any(f" {form} " in words for form in forms for words in spelt)
            for forms in (name.family_forms, name.given_forms)
            if forms
        )

    def _judge_text(self, text: str) -> Whose:
        """Text without any PID."""
        found = {_SEPARATORS.sub("", ten) for ten in _TEN_DIGITS.findall(text)}
        others = any(map(self._is_another, found))
        if self.has_number(text):
            return Whose.THEIRS if found & self._sure and not others else Whose.MENTIONS
        if self._other is not None and not others and self._other.search(_plain(text)):
            for name in self._names:
                if self._is_named(replace(name, given_forms=frozenset()), text):
                    return Whose.THEIRS
        return self._mentioned(text)


def _numbers(segments: Sequence[Segment], fields: Iterable[int]) -> Iterator[str]:
    """First components of these fields' repetitions, as sent, without blanks around them."""
    for segment in segments:
        for field in fields:
            for repetition in segment.repetitions(field):
                value = repetition.value(1).strip()
                if value:
                    yield value


def _keys(names: Iterable[Name]) -> frozenset[_Key]:
    return frozenset(
        _Key(
            _key(name.family),
            _key(name.given),
            name.birth,
            frozenset(_forms(name.family)),
            frozenset(_forms(name.given)),
        )
        for name in names
        if _key(name.family)
    )


def _fold(text: str) -> str:
    """Small letters without accents. Marks that make another letter (vowels in Hindi) stay."""
    if text.isascii():
        return text.casefold()
    folded = unicodedata.normalize("NFKD", text).casefold()
    return "".join(sign for sign in folded if not unicodedata.combining(sign))


def _key(name: str) -> str:
    """A name for comparing: letters, numerals and marks alone."""
    return "".join(sign for sign in _fold(name) if _is_of_word(sign))


def _is_of_word(sign: str) -> bool:
    return unicodedata.category(sign)[0] in "LNM"


def _spell(text: str) -> tuple[str, str]:
    """A text's words between blanks: with apostrophes left out, and with a blank for each."""
    folded = _fold(text)
    if folded.isascii():
        spaced, joined = _NOT_WORD.sub(" ", folded), _NOT_WORD.sub(" ", _APOSTROPHE.sub("", folded))
    else:
        spaced = "".join(sign if _is_of_word(sign) else " " for sign in folded)
        left_out = _APOSTROPHE.sub("", folded)
        joined = "".join(sign if _is_of_word(sign) else " " for sign in left_out)
    return f" {' '.join(joined.split())} ", f" {' '.join(spaced.split())} "


def _forms(name: str) -> set[str]:
    """How a name stands among words: in its own words, or as one."""
    return ({words.strip() for words in _spell(name)} | {_key(name)}) - {""}


def _plain(text: str) -> str:
    return text.strip().casefold()


def _dates(birth: str) -> tuple[str, ...]:
    """A birth date as HL7 v2 and as FHIR writes it."""
    return (birth, f"{birth[:4]}-{birth[4:6]}-{birth[6:]}")


def _day(text: str) -> str:
    """The day as YYYYMMDD, "" where there is none."""
    digits = text.strip().replace("-", "")[:8]
    return digits if len(digits) == 8 and digits.isascii() and digits.isdigit() else ""


def read_text(raw: bytes) -> str:
    """Bytes that may be of any encoding, as text."""
    order = utf16_order(raw)
    if order:
        return raw.decode(order, "replace")
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def _lines(text: str, name: str) -> list[str]:
    """Lines of broken text that begin as this segment does."""
    return [
        line
        for part in _LINES.split(text)
        if (line := part.lstrip(" \t\ufeff")).startswith(name) and not line[3:4].isalnum()
    ]
