"""Names as pages show them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class PersonName:
    """The parts of a name; any may be blank."""

    family: str = ""
    given: str = ""
    title: str = ""


@dataclass(frozen=True)
class PatientLink:
    """A patient in a list: enough to tell two people apart, and the way to the record."""

    patient_id: str
    name: PersonName | None
    nhs_number: str | None
    href: str
