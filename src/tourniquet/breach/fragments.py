"""Fragments: what was written about somebody in one place, as typed fields.

A fragment has at most one person in mind. A row is a fragment; a letter's page with a list of eight
people is eight, each with the fields beside its own name or number.

Invariants:
- Values are in one form: numbers without spaces, dates ISO 8601, names and postcodes upper case
  without accents, as `canonical` makes them. `raw` keeps what was written.
- A field says where in the piece it stands, so that a person sees it marked.
- Nothing here knows the index: what was found is not yet tied to anybody.
- `gc=False`: they hold text and tuples of each other alone, so they can never make a ring.
"""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct

FIELDS_MOST = 200  # of a fragment


class FieldKind(StrEnum):
    """What a value is."""

    NHS_NUMBER = "nhs_number"  # ten digits, modulus 11 right
    NHS_NUMBER_NEAR = "nhs_number_near"  # labelled as one, and wrong: digits lost or changed
    LOCAL_NUMBER = "local_number"  # value `RJ1:1234567`, or `:1234567` where whose it is is unknown
    NAME = "name"  # whole name whose parts are not told apart, as written
    FAMILY_NAME = "family_name"
    GIVEN_NAMES = "given_names"
    BIRTH_DATE = "birth_date"  # `1945-07-14`; `1945-07` and `1945` where no more is said
    SEX = "sex"  # `female`, `male`
    ADDRESS = "address"
    POSTCODE = "postcode"
    PHONE = "phone"  # digits, national form
    EMAIL = "email"
    PRACTICE = "practice"  # ODS code of the person's own practice
    ORGANISATION = "organisation"  # ODS or client code, or domain, of who asked, reported or wrote
    TEST = "test"  # a code or a name of a test
    RESULT = "result"
    NARRATIVE = "narrative"
    DATE = "date"  # any other date


class Field(Struct, frozen=True, array_like=True, gc=False):
    """A value and where it stands: `C` for a column, `120-130` for characters, `PID-5` in HL7."""

    kind: FieldKind
    value: str
    raw: str
    at: str = ""


class Mark(StrEnum):
    """What else is to be known of a fragment."""

    BLANK = "blank"  # a form that nobody filled in, a template, a header alone
    TEST_PATIENT = "test_patient"
    STAFF = "staff"  # names somebody as who signed, wrote or did it
    NEGATED = "negated"  # says that something was not done or not found
    CUT = "cut"  # begins or ends in the middle
    HIDDEN = "hidden"  # a hidden sheet, row or text


class Fragment(Struct, frozen=True, gc=False):
    """Fields about one person in one place of one content.

    content: SHA-256 in hexadecimal digits; number: counted from 0 in the content, in reading order.
    place: as in `evidence.csv`. table: names rows that share columns, for decisions on a template.
    """

    content: str
    number: int
    place: str
    shape: str
    fields: tuple[Field, ...]
    marks: tuple[Mark, ...] = ()
    table: str = ""
    truncated: bool = False  # there were more than FIELDS_MOST

    def values(self, kind: FieldKind) -> list[str]:
        """All values of one kind, in order, each once."""
        return list(dict.fromkeys(one.value for one in self.fields if one.kind == kind))
