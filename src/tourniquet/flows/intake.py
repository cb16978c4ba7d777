"""What the flows behind the listener share: the desk of a group of messages, and who is meant.

The desk holds what a group of messages needs to know, read at once and kept up to date while the
group is worked through. Whoever undoes a message's entries must throw the desk away.
"""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from tourniquet.kernel.identifiers import IdSource
from tourniquet.pathology.shelf import Shelf
from tourniquet.patients.entries import Demographics, IdentifierFact, PatientRegistered
from tourniquet.patients.index import Index
from tourniquet.patients.reading import PersonDraft
from tourniquet.patients.rules import ACTIVE, CURRENT, DOUBTFUL, PROVISIONAL, Known
from tourniquet.record.journal import Act, Writer
from tourniquet.record.registry import Body


@dataclass
class Desk:
    """What is known that a group of messages refers to."""

    index: Index
    shelf: Shelf
    ids: IdSource
    laboratory: str = ""


class Origin(msgspec.Struct, frozen=True):
    """The message that leads to entries: its sender, its own entry, and the act."""

    sender: str
    position: int
    act: Act


class FollowUp(msgspec.Struct, frozen=True):
    """An entry that follows from another, and may be appended after others of its kind."""

    body: Body
    subject: str
    cause: int
    act: Act

    def append_to(self, journal: Writer) -> None:
        """Append it."""
        journal.append(self.body, subject=self.subject, cause=self.cause, act=self.act)


class Meant(msgspec.Struct, frozen=True):
    """The patient that a message is about, and what must be appended first where they are new."""

    patient: Known
    registration: PatientRegistered | None = None


def find_out(desk: Desk, person: PersonDraft, act: Act, *, register: bool = False) -> Meant:
    """Find the patient, or decide on a new one: provisional, or active where `register` allows.

    A new one is told to the desk; the caller appends `registration`, about `patient.id`.
    """
    found = desk.index.identify(person)
    if found.patient is not None:
        return Meant(found.patient)
    why = found.why_not
    usable = [item for item in person.identifiers if not item.doubtful]
    conflict = any(desk.index.holders.get((item.system, item.value)) for item in usable)
    active = register and bool(usable) and not conflict
    fingerprint = "" if active else person.fingerprint()
    patient = Known(
        id=desk.ids.new(act.moment),
        state=ACTIVE if active else PROVISIONAL,
        merged_into=None,
        family_key=person.family,
        birth_date=person.birth_date,
        registered_organisation=person.registered_organisation,
        postcode=person.postcode,
    )
    # Numbers that somebody else has, too, are kept but never matched on.
    facts = tuple(
        IdentifierFact(
            system=item.system,
            value=item.value,
            kind=item.kind,
            state=DOUBTFUL if item.doubtful or conflict else CURRENT,
        )
        for item in person.identifiers
    )
    registration = PatientRegistered(
        person=demographics(person),
        identifiers=facts,
        state="active" if active else "provisional",
        why_provisional="" if active else why,
        fingerprint=fingerprint,
    )
    desk.index.add(patient, [] if conflict else usable, fingerprint=fingerprint)
    return Meant(patient, registration)


def demographics(person: PersonDraft) -> Demographics:
    """A draft as the facts of an entry."""
    return Demographics(
        family_name=person.family_name,
        given_names=person.given_names,
        title=person.title,
        birth_date=person.birth_date,
        birth_text=person.birth_text,
        sex=person.sex,
        address=person.address,
        postcode=person.postcode,
        phone=person.phone,
        email=person.email,
        language=person.language,
        registered_organisation=person.registered_organisation,
        died_on=person.died_on,
        recorded_dead=person.recorded_dead,
    )


def append_registration(journal: Writer, meant: Meant, origin: Origin) -> None:
    """Append the registration of a new patient, caused by the message."""
    if meant.registration is not None:
        journal.append(
            meant.registration, subject=meant.patient.id, cause=origin.position, act=origin.act
        )
