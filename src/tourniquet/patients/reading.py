"""Read who a message is about: PID and PD1 in, a frozen draft out. Pure.

Invariants:
- What is absent is "", None or empty; a date that cannot be read is kept as text.
- A number without an assigning authority belongs to the sending facility: it says nothing outside.
- An NHS number is one in form and check digit; one that is not is kept, marked doubtful.
- A value longer than its column is refused, never cut.

Source: HL7 v2.5.1 chapter 3 (PID, PD1, MRG); NHS England's HL7 v2 messages put NHS numbers, with
and without spaces, into PID-2, PID-3 and PID-19.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from datetime import date
from functools import lru_cache

import msgspec

from tourniquet.kernel.errors import SenderError
from tourniquet.kernel.identifiers import NhsNumber
from tourniquet.patients.rules import NHS, SentIdentifier, family_key
from tourniquet.wire.hl7v2 import Delimiters, Repetition, Segment
from tourniquet.wire.hl7v2_time import PartialDate, Precision, parse_date

_NHS_AUTHORITIES = frozenset({"NHS", "NHSNMBR", "NHSNBR", "NHSNO"})
_NHS_OIDS = frozenset({"2.16.840.1.113883.2.1.4.1"})
_NHS_TYPES = frozenset({"NH", "NHS", "NHSN", "NHSNMBR"})
_TEN_DIGITS = re.compile(r"[0-9]{3}[ \-]?[0-9]{3}[ \-]?[0-9]{4}\Z")
_PRACTICE = re.compile(r"[A-Z][0-9]{5}\Z")
_SEXES = frozenset({"F", "M", "O", "U", "A", "N"})
_SEX_WORDS = {"FEMALE": "F", "MALE": "M", "1": "M", "2": "F", "0": "U", "9": "U"}
IDENTIFIERS_MAX = 50
READ_LATELY_MOST = 4_096  # people; some 10 MB


class PersonDraft(msgspec.Struct, frozen=True):
    """A person as a message names them. `nulls` are the fields that the sender deletes."""

    identifiers: tuple[SentIdentifier, ...]
    family_name: str = ""
    given_names: str = ""
    title: str = ""
    birth_date: date | None = None
    birth_text: str = ""
    sex: str = ""
    address: str = ""
    postcode: str = ""
    phone: str = ""
    email: str = ""
    language: str = ""
    registered_organisation: str = ""
    zone: str = ""
    died_on: date | None = None
    recorded_dead: bool = False
    nulls: frozenset[str] = frozenset()

    @property
    def family(self) -> str:
        """The family name for comparing."""
        return family_key(self.family_name)

    def fingerprint(self) -> str:
        """The same for the same numbers and demographics; "" where there is no number at all."""
        if not self.identifiers:
            return ""
        parts = sorted(f"{i.system}\x1f{i.value}" for i in self.identifiers)
        parts += [self.family, family_key(self.given_names), self.birth_text, self.sex]
        return hashlib.sha256("\x1e".join(parts).encode()).hexdigest()


def fit(text: str, longest: int, where: str) -> str:
    """The text without blanks around it. Raises: SenderError where it is longer than its column."""
    text = text.strip()
    if len(text) > longest:
        raise SenderError(
            f"A value is longer than {longest} characters.", where=where, remedy="Shorten it."
        )
    return text


def read_person(pid: Segment, pd1: Segment | None = None, *, facility: str) -> PersonDraft:
    """Read PID and PD1. `facility` is the sending facility, whose numbers need no authority.

    Feeds name the same person many times on end, in the same words: what was read lately is kept.

    Raises: SenderError for values that are too long.
    """
    key = (facility, pid.key(), pd1.key() if pd1 is not None else None)
    found = _read_lately.get(key)
    if found is None:
        if len(_read_lately) >= READ_LATELY_MOST:
            _read_lately.clear()
        found = _read_lately[key] = _read_person(pid, pd1, facility)
    return found


def _read_person(pid: Segment, pd1: Segment | None, facility: str) -> PersonDraft:
    name = _best_name(pid)
    born, birth_text = _read_day(pid.value(7))
    dead = pid.value(30).strip().upper()
    died_on, died_text = _read_day(pid.value(29))
    phone, email = _telecom(pid)
    where = pid.where
    address = _address(pid)
    return PersonDraft(
        identifiers=tuple(_identifiers(pid, facility)),
        family_name=fit(name[0], 200, where(5)),
        given_names=fit(name[1], 200, where(5)),
        title=fit(name[2], 40, where(5)),
        birth_date=born,
        birth_text=fit(birth_text, 40, where(7)),
        sex=_sex(pid.value(8)),
        address=address[0],
        postcode=fit(address[1], 20, where(11)),
        phone=fit(phone, 60, where(13)),
        email=fit(email, 200, where(13)),
        language=fit(pid.value(15), 20, where(15)),
        registered_organisation=_practice(pd1) if pd1 is not None else "",
        zone=address[2],
        died_on=died_on,
        recorded_dead=dead in ("Y", "YES", "TRUE", "1") or bool(died_text),
        nulls=(
            frozenset(field for number, field in _NULLABLE if pid.is_null(number))
            if '""' in pid.line
            else frozenset()
        ),
    )


_Key = tuple[str, tuple[str, Delimiters, str], tuple[str, Delimiters, str] | None]
_read_lately: dict[_Key, PersonDraft] = {}
_NULLABLE = ((11, "address"), (13, "phone"), (29, "died_on"), (30, "died_on"), (15, "language"))


def read_merged(mrg: Segment, *, facility: str) -> tuple[SentIdentifier, ...]:
    """The numbers of the patient that disappears: MRG-1, MRG-2 and MRG-4."""
    found: dict[tuple[str, str], SentIdentifier] = {}
    for field in (1, 2, 4):
        for repetition in mrg.repetitions(field):
            _add(found, _read_cx(repetition, facility, where=mrg.where(field)))
    return tuple(found.values())


# Numbers ------------------------------------------------------------------------------------------


def _identifiers(pid: Segment, facility: str) -> Iterable[SentIdentifier]:
    found: dict[tuple[str, str], SentIdentifier] = {}
    for repetition in pid.repetitions(3):
        _add(found, _read_cx(repetition, facility, where=pid.where(3)))
    for repetition in pid.repetitions(4):
        _add(found, _read_cx(repetition, facility, where=pid.where(4)))
    for repetition in pid.repetitions(2):
        _add(found, _read_external(repetition, facility, where=pid.where(2)))
    number = pid.value(19)
    if number and _TEN_DIGITS.match(number):
        _add(found, _nhs_number(number))
    if len(found) > IDENTIFIERS_MAX:
        raise SenderError(
            f"A patient has more than {IDENTIFIERS_MAX} numbers.",
            where=pid.where(3),
            remedy="Send those that are in use.",
        )
    # The same number sent both as valid and as doubtful is the valid one.
    return found.values()


def _add(found: dict[tuple[str, str], SentIdentifier], item: SentIdentifier | None) -> None:
    if item is not None:
        found.setdefault((item.system, item.value), item)


def _nhs_number(text: str) -> SentIdentifier:
    number = NhsNumber.find(text)
    if number is None:
        return SentIdentifier(NHS, text.replace(" ", "")[:100], "NH", doubtful=True)
    return SentIdentifier(NHS, number.digits, "NH")


def _read_cx(repetition: Repetition, facility: str, *, where: str) -> SentIdentifier | None:
    parts = [part.strip() for part in repetition.components()]
    parts += [""] * (5 - len(parts))
    value, authority, kind = parts[0], parts[3], parts[4]
    if not value:
        return None
    oid = repetition.value(4, 2) if "&" in repetition.raw else ""
    if authority.upper() in _NHS_AUTHORITIES or kind.upper() in _NHS_TYPES or oid in _NHS_OIDS:
        return _nhs_number(value)
    return SentIdentifier(
        fit(authority or oid or facility or "?", 100, where), fit(value, 100, where), kind[:20]
    )


def _read_external(repetition: Repetition, facility: str, *, where: str) -> SentIdentifier | None:
    """PID-2: the NHS number in NHS messages, somebody's own number elsewhere."""
    value = repetition.value(1).strip()
    if not value:
        return None
    authority = repetition.value(4).strip()
    if not authority and not repetition.value(5) and _TEN_DIGITS.match(value):
        return _nhs_number(value)
    return _read_cx(repetition, facility, where=where)


# Demographics -------------------------------------------------------------------------------------


def _best_name(pid: Segment) -> tuple[str, str, str]:
    """Family, given names and title of the legal or first name."""
    names = pid.repetitions(5)
    if not names:
        return "", "", ""
    chosen = names[0]
    if len(names) > 1:
        chosen = next((name for name in names if name.value(7).upper() == "L"), chosen)
    parts = [part.strip() for part in chosen.components()]
    parts += [""] * (5 - len(parts))
    return parts[0], f"{parts[1]} {parts[2]}".strip(), parts[4]


@lru_cache(maxsize=50_000)  # there are not more birthdays than that
def _read_day(text: str) -> tuple[date | None, str]:
    """The day where it is whole and real, and the text as sent where there is any."""
    text = text.strip()
    if not text:
        return None, ""
    try:
        found: PartialDate = parse_date(text)
    except SenderError:
        return None, text[:40]
    return (found.day if found.precision is Precision.DAY else None), text


def _sex(text: str) -> str:
    word = text.strip().upper()
    if word in _SEXES:
        return word
    return _SEX_WORDS.get(word, "")


def _address(pid: Segment) -> tuple[str, str, str]:
    """Address on lines, postcode, and the county or parish code, which names the zone."""
    homes = pid.repetitions(11)
    if not homes:
        return "", "", ""
    home = homes[0]
    if len(homes) > 1:
        home = next((a for a in homes if a.value(7).upper() == "H"), home)
    parts = [part.strip() for part in home.components()]
    parts += [""] * (9 - len(parts))
    return "\n".join(line for line in parts[:4] if line), parts[4], parts[8]


def _telecom(pid: Segment) -> tuple[str, str]:
    phone = email = ""
    for repetition in pid.repetitions(13):
        parts = [part.strip() for part in repetition.components()]
        parts += [""] * (12 - len(parts))
        if "@" in parts[3]:
            email = email or parts[3]
        number = parts[0] or parts[11] or ("".join(parts[4:7]) if parts[6] else "")
        if "@" in number:
            email = email or number
        else:
            phone = phone or number
    return phone, email


def _practice(pd1: Segment) -> str:
    """The practice's code from PD1-3 (organisation) or PD1-4 (who sent as a person)."""
    for field, components in ((3, (10, 3, 1)), (4, (1, 14, 9))):
        for component in components:
            code = pd1.value(field, component).strip().upper()
            if _PRACTICE.match(code):
                return code
    return ""
