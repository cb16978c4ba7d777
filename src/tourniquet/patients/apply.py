"""The only writer of this package's tables."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from tourniquet.patients.entries import (
    Demographics,
    IdentifierFact,
    PatientAbsorbed,
    PatientIdentified,
    PatientMerged,
    PatientRegistered,
    PatientUpdated,
    RecordRead,
)
from tourniquet.patients.models import Identifier, Patient
from tourniquet.patients.rules import ACTIVE, MERGED, family_key
from tourniquet.record.registry import Entry, applies
from tourniquet.record.tables import Row, insert_rows, put_rows, update_rows

_PERSON = (
    "family_name",
    "given_names",
    "title",
    "family_key",
    "birth_date",
    "birth_text",
    "sex",
    "address",
    "postcode",
    "phone",
    "email",
    "language",
    "registered_organisation",
    "died_on",
    "recorded_dead",
    "sensitive",
    "unsafe_contact",
    "updated_at",
    "position",
)
_IDENTIFIER = ("system", "value", "patient_id", "kind", "state", "position")


def _person(person: Demographics, moment: datetime, position: int) -> Row:
    return (
        person.family_name,
        person.given_names,
        person.title,
        family_key(person.family_name),
        person.birth_date,
        person.birth_text,
        person.sex,
        person.address,
        person.postcode,
        person.phone,
        person.email,
        person.language,
        person.registered_organisation,
        person.died_on,
        person.recorded_dead,
        person.sensitive,
        person.unsafe_contact,
        moment,
        position,
    )


def _put_identifiers(changes: Sequence[tuple[str | None, int, Sequence[IdentifierFact]]]) -> None:
    put_rows(
        Identifier,
        _IDENTIFIER,
        [
            (fact.system, fact.value, subject, fact.kind, fact.state, position)
            for subject, position, facts in changes
            for fact in facts
        ],
        key=("system", "value", "patient_id"),
    )


@applies(PatientRegistered)
def patient_registered(entries: Sequence[Entry[PatientRegistered]]) -> None:
    """One patient each, with their numbers."""
    insert_rows(
        Patient,
        (
            "id",
            "state",
            "merged_into",
            "why_provisional",
            "fingerprint",
            "registered_at",
            *_PERSON,
        ),
        [
            (
                e.subject,
                e.body.state,
                None,
                e.body.why_provisional,
                e.body.fingerprint,
                e.recorded_at,
                *_person(e.body.person, e.recorded_at, e.position),
            )
            for e in entries
        ],
    )
    _put_identifiers([(e.subject, e.position, e.body.identifiers) for e in entries])


@applies(PatientUpdated)
def patient_updated(entries: Sequence[Entry[PatientUpdated]]) -> None:
    """What is known of the patient is replaced."""
    update_rows(
        Patient,
        _PERSON,
        [(*_person(e.body.person, e.recorded_at, e.position), e.subject) for e in entries],
        key=("id",),
    )
    _put_identifiers([(e.subject, e.position, e.body.identifiers) for e in entries])


@applies(PatientIdentified)
def patient_identified(entries: Sequence[Entry[PatientIdentified]]) -> None:
    """The patient is provisional no longer."""
    update_rows(
        Patient,
        ("state", "why_provisional", "updated_at", "position"),
        [(ACTIVE, "", e.recorded_at, e.position, e.subject) for e in entries],
        key=("id",),
    )
    _put_identifiers([(e.subject, e.position, e.body.identifiers) for e in entries])


@applies(PatientMerged)
def patient_merged(entries: Sequence[Entry[PatientMerged]]) -> None:
    """The patient stands for another one from now on."""
    update_rows(
        Patient,
        ("state", "merged_into", "updated_at", "position"),
        [(MERGED, e.body.into, e.recorded_at, e.position, e.subject) for e in entries],
        key=("id",),
    )


@applies(PatientAbsorbed)
def patient_absorbed(entries: Sequence[Entry[PatientAbsorbed]]) -> None:
    """The numbers of the one who disappeared lead to this one, too."""
    update_rows(
        Patient,
        ("updated_at", "position"),
        [(e.recorded_at, e.position, e.subject) for e in entries],
        key=("id",),
    )
    _put_identifiers([(e.subject, e.position, e.body.identifiers) for e in entries])


@applies(RecordRead)
def record_read(entries: Sequence[Entry[RecordRead]]) -> None:
    """No table: who read a record is asked of the journal itself."""
