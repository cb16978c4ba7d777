"""The fields of one person in a message, put in one form as they come.

Invariants:
- Each value once for each place; what has no form (an impossible date) is left out.
- A local number keeps whose it is where the message says so, else its look tells.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from tourniquet.breach import canonical
from tourniquet.breach.columns import read_near
from tourniquet.breach.draft import IDENTITY, VALUE_CHARACTERS_MOST
from tourniquet.breach.fragments import Field, FieldKind
from tourniquet.breach.lookup import Lookup, word_key
from tourniquet.breach.names import family


@dataclass
class WirePerson:
    """Grows while a message is read; nobody else keeps it."""

    found: dict[Field, None] = field(default_factory=dict)

    def add(self, kind: FieldKind, value: str, raw: str, at: str) -> None:
        """Take a field, where there is a value."""
        if value:
            self.found[Field(kind, value, raw[:VALUE_CHARACTERS_MOST], at)] = None

    def names_somebody(self) -> bool:
        """Whether anything here names somebody."""
        return any(one.kind in IDENTITY for one in self.found)

    def nhs(self, text: str, at: str, *, is_certain: bool) -> None:
        """An NHS number; is_certain: labelled as one, so that a wrong one is a near one."""
        if right := canonical.nhs_number(text):
            self.add(FieldKind.NHS_NUMBER, right, text, at)
        elif is_certain:
            self.add(FieldKind.NHS_NUMBER_NEAR, read_near(text), text, at)

    def local(self, text: str, authority: str, at: str) -> None:
        """A local number; authority: a code of whose it is, or anything."""
        number = canonical.local_number(text)
        if number:
            self.add(FieldKind.LOCAL_NUMBER, f"{authority.strip().upper()}:{number}", text, at)

    def name(self, last: str, first: str, at: str) -> None:
        """A name whose parts are told apart."""
        self.add(FieldKind.FAMILY_NAME, family(last), last, at)
        self.add(FieldKind.GIVEN_NAMES, family(first), first.strip(), at)

    def birth(self, text: str, at: str) -> None:
        """A birth date; a year or a month alone too."""
        text = text.strip()
        readings = canonical.dates(text[:8] if text[:8].isdigit() else text)
        if readings:
            self.add(FieldKind.BIRTH_DATE, readings[0], text, at)
        elif text.isdigit() and len(text) in {4, 6}:
            year_month = text if len(text) == 4 else f"{text[:4]}-{text[4:]}"
            self.add(FieldKind.BIRTH_DATE, year_month, text, at)
        elif len(text) in {4, 7} and text.replace("-", "").isdigit():
            self.add(FieldKind.BIRTH_DATE, text, text, at)

    def sex(self, text: str, at: str) -> None:
        """A sex."""
        self.add(FieldKind.SEX, canonical.sex(text), text, at)

    def address(self, lines: str, code: str, at: str) -> None:
        """An address and its postcode."""
        self.add(FieldKind.ADDRESS, canonical.letters(" ".join(lines.split())), lines, at)
        self.add(FieldKind.POSTCODE, canonical.postcode(code), code, at)

    def contact(self, text: str, at: str) -> None:
        """A telephone number or a mail address."""
        self.add(FieldKind.PHONE, canonical.phone(text), text, at)
        self.add(FieldKind.EMAIL, canonical.email(text), text, at)

    def practice(self, code: str, at: str) -> None:
        """The person's own practice."""
        self.add(FieldKind.PRACTICE, code.strip().upper(), code, at)

    def organisation(self, text: str, at: str, lookup: Lookup) -> None:
        """Who asked or reported, where a code is known."""
        if (owner := lookup.organisation(text)) is not None:
            self.add(FieldKind.ORGANISATION, owner.code, text, at)

    def test(self, code: str, name: str, at: str, lookup: Lookup) -> None:
        """A test by its code or its name."""
        known = lookup.by_test.get(word_key(code)) or lookup.by_test.get(word_key(name))
        value = known.code if known else canonical.letters(name or code)
        self.add(FieldKind.TEST, value, " ".join(filter(None, (code, name))), at)

    def text(self, kind: FieldKind, text: str, at: str) -> None:
        """A result or a narrative."""
        self.add(kind, text.strip()[:VALUE_CHARACTERS_MOST], text, at)

    def fields(self, lookup: Lookup, hints: tuple[str, ...]) -> tuple[Field, ...]:
        """All fields, local numbers with whose they are as far as that can be told."""
        near = [one.value for one in self.found if one.kind == FieldKind.ORGANISATION]
        return tuple(_settled(one, lookup, (*near, *hints)) for one in self.found)


def _settled(one: Field, lookup: Lookup, hints: tuple[str, ...]) -> Field:
    if one.kind != FieldKind.LOCAL_NUMBER:
        return one
    authority, _, number = one.value.partition(":")
    owner = lookup.by_code.get(authority)
    code = owner.code if owner else lookup.local_owner(number, hints)
    if not code and authority.isalnum() and any(map(str.isdigit, authority)):
        code = authority  # an ODS code that the review's organisations do not have
    return Field(one.kind, f"{code}:{number}", one.raw, one.at)
