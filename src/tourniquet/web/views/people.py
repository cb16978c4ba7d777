"""Names for rows: people and organisations, read once for a page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from tourniquet.pathology.catalogue import load_catalogue
from tourniquet.patients.page_queries import Person
from tourniquet.web import addresses
from tourniquet.web.presenters.people import PatientLink, PersonName


@dataclass(frozen=True)
class Names:
    """What ids and codes of a page stand for."""

    people: Mapping[str, Person] = field(default_factory=dict)
    organisations: Mapping[str, str] = field(default_factory=dict)

    def organisation(self, code: str) -> str:
        """The name of an organisation, or its code where no list names it."""
        return self.organisations.get(code, code)


def person_name(person: Person) -> PersonName:
    """The name as pages show it."""
    return PersonName(person.family_name, person.given_names, person.title)


def link(names: Names, patient_id: str) -> PatientLink:
    """The way to a patient's record, with enough to tell two people apart."""
    person = names.people.get(patient_id)
    return PatientLink(
        patient_id,
        person_name(person) if person else None,
        person.nhs_number if person else None,
        addresses.patient(patient_id),
    )


def indication_words(code: str) -> str:
    """An indication in words, or its code where the catalogue does not have it."""
    found = load_catalogue().indications.get(code)
    return found.name if found else code
