"""The only writer of this package's tables."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from tourniquet.kernel.clock import service_day
from tourniquet.patients.entries import (
    AccessListed,
    AccessSeen,
    CanarySet,
    Demographics,
    ExportAllowed,
    ExportStopped,
    FirstRecordRead,
    GlassBroken,
    IdentifierFact,
    PatientAbsorbed,
    PatientIdentified,
    PatientMerged,
    PatientRegistered,
    PatientUpdated,
    ReadingUnnamed,
    RecordRead,
)
from tourniquet.patients.grounds import CONSOLE, FHIR
from tourniquet.patients.models import (
    BrokenGlass,
    Canary,
    ExportAllowance,
    ExportStop,
    Identifier,
    Patient,
    Reading,
    ReadingDay,
)
from tourniquet.patients.rules import ACTIVE, MERGED, family_key
from tourniquet.record.divergence import row_at_entry, row_named
from tourniquet.record.registry import Entry, applies
from tourniquet.record.tables import Row, insert_rows, put_rows, update_rows

PERSON = (
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


def person_row(person: Demographics, moment: datetime, position: int) -> Row:
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
            *PERSON,
        ),
        [
            (
                e.subject,
                e.body.state,
                None,
                e.body.why_provisional,
                e.body.fingerprint,
                e.recorded_at,
                *person_row(e.body.person, e.recorded_at, e.position),
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
        PERSON,
        [(*person_row(e.body.person, e.recorded_at, e.position), e.subject) for e in entries],
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


# Who reads, and why -------------------------------------------------------------------------------

_READING = (
    "position",
    "patient_id",
    "account",
    "organisation",
    "role",
    "at",
    "what",
    "channel",
    "ground",
    "reason",
    "words",
    "late_by",
)


def _put_readings(rows: Sequence[tuple[object, ...]]) -> None:
    """Readings, and for the ceilings that this account read this patient on that day."""
    insert_rows(Reading, _READING, rows)
    days = {(row[2], service_day(_moment(row[5])), row[1]): None for row in rows}
    names = ("account", "day", "patient_id")
    put_rows(ReadingDay, names, list(days), key=names)


def _moment(value: object) -> datetime:
    assert isinstance(value, datetime)
    return value


@applies(FirstRecordRead)
def first_record_read(entries: Sequence[Entry[FirstRecordRead]]) -> None:
    """A reading of which role and ground were not written down."""
    _put_readings(
        [
            (
                e.position,
                e.subject,
                e.actor,
                e.organisation,
                "",
                e.happened_at,
                e.body.what,
                FHIR if e.body.what == FHIR else CONSOLE,
                "",
                "",
                "",
                e.body.late_by,
            )
            for e in entries
        ]
    )


@applies(RecordRead)
def record_read(entries: Sequence[Entry[RecordRead]]) -> None:
    """One reading each."""
    _put_readings(
        [
            (
                e.position,
                e.subject,
                e.actor,
                e.organisation,
                e.body.role,
                e.happened_at,
                e.body.what,
                e.body.channel,
                e.body.ground,
                e.body.reason,
                e.body.words,
                e.body.late_by,
            )
            for e in entries
        ]
    )


@applies(ReadingUnnamed)
def reading_unnamed(entries: Sequence[Entry[ReadingUnnamed]]) -> None:
    """No table: whose reading it was is not known."""


@applies(GlassBroken)
def glass_broken(entries: Sequence[Entry[GlassBroken]]) -> None:
    """One row each."""
    insert_rows(
        BrokenGlass,
        ("position", "patient_id", "account", "reason", "words", "at", "until"),
        [
            (
                e.position,
                e.subject,
                e.actor,
                e.body.reason,
                e.body.words,
                e.happened_at,
                e.body.until,
            )
            for e in entries
        ],
    )


@applies(CanarySet)
def canary_set(entries: Sequence[Entry[CanarySet]]) -> None:
    """One row for each patient; the newest word stands."""
    put_rows(
        Canary,
        ("patient_id", "on", "comment", "set_at", "set_by", "position"),
        [
            (e.subject, e.body.on, e.body.comment, e.recorded_at, e.actor, e.position)
            for e in entries
        ],
        key=("patient_id",),
    )


@applies(ExportStopped)
def export_stopped(entries: Sequence[Entry[ExportStopped]]) -> None:
    """One row for each account and day."""
    put_rows(
        ExportStop,
        ("account", "day", "limit", "position"),
        [(e.body.account, e.body.day, e.body.limit, e.position) for e in entries],
        key=("account", "day"),
    )


@applies(ExportAllowed)
def export_allowed(entries: Sequence[Entry[ExportAllowed]]) -> None:
    """One row each."""
    insert_rows(
        ExportAllowance,
        ("position", "account", "until", "reason", "allowed_by", "allowed_at"),
        [
            (e.position, e.body.account, e.body.until, e.body.reason, e.actor, e.recorded_at)
            for e in entries
        ],
    )


@applies(AccessSeen)
def access_seen(entries: Sequence[Entry[AccessSeen]]) -> None:
    """No table: the record's journal shows it."""


@applies(AccessListed)
def access_listed(entries: Sequence[Entry[AccessListed]]) -> None:
    """No table: it is asked of the journal itself."""


row_named(Patient, PatientRegistered, lambda entry: (entry.subject or "",))
row_at_entry(Reading, FirstRecordRead, RecordRead)
row_at_entry(BrokenGlass, GlassBroken)
row_at_entry(ExportAllowance, ExportAllowed)
