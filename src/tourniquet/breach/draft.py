"""What finders make before a fragment has its number and its content, and hints on whose it is."""

from __future__ import annotations

from msgspec import Struct

from tourniquet.breach.fragments import Field, FieldKind, Mark

VALUE_CHARACTERS_MOST = 2_000
IDENTITY = frozenset(
    {
        FieldKind.NHS_NUMBER,
        FieldKind.NHS_NUMBER_NEAR,
        FieldKind.LOCAL_NUMBER,
        FieldKind.NAME,
        FieldKind.FAMILY_NAME,
        FieldKind.BIRTH_DATE,
        FieldKind.PHONE,
        FieldKind.EMAIL,
    }
)


class Draft(Struct, frozen=True, gc=False):
    """A fragment but for its content and number."""

    place: str
    shape: str
    fields: tuple[Field, ...]
    marks: tuple[Mark, ...] = ()
    table: str = ""


def is_about_somebody(fields: tuple[Field, ...]) -> bool:
    """Whether one of the fields names somebody, or could."""
    return any(one.kind in IDENTITY for one in fields)
