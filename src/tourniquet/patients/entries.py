"""Bodies of the patient index's entries."""

from __future__ import annotations

from datetime import date, datetime
from typing import Literal

import msgspec

from tourniquet.record.registry import Body, kind


class IdentifierFact(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A number by which the patient is known."""

    system: str
    value: str
    kind: str = ""
    state: Literal["current", "superseded", "doubtful"] = "current"


class Demographics(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Who somebody is, where they live, and whether they died."""

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
    died_on: date | None = None
    recorded_dead: bool = False
    sensitive: bool = False
    unsafe_contact: bool = False


@kind("patient.registered", patient=True)
class PatientRegistered(Body, frozen=True):
    """Somebody new in the index: active, or provisional until a person confirms or merges."""

    person: Demographics
    identifiers: tuple[IdentifierFact, ...] = ()
    state: Literal["active", "provisional"] = "active"
    why_provisional: str = ""
    fingerprint: str = ""


@kind("patient.updated", patient=True)
class PatientUpdated(Body, frozen=True):
    """What is known of the patient now, whole; identifiers are those added or changed."""

    person: Demographics
    identifiers: tuple[IdentifierFact, ...] = ()


@kind("patient.identified", patient=True)
class PatientIdentified(Body, frozen=True):
    """A named person has confirmed that a provisional patient is somebody of their own."""

    identifiers: tuple[IdentifierFact, ...] = ()
    comment: str = ""


@kind("patient.merged", patient=True)
class PatientMerged(Body, frozen=True):
    """The subject was found to be the same person as another one, who stays."""

    into: str
    comment: str = ""


@kind("patient.absorbed", patient=True)
class PatientAbsorbed(Body, frozen=True):
    """The subject stays, and takes over the numbers of somebody found to be the same person."""

    identifiers: tuple[IdentifierFact, ...] = ()
    comment: str = ""


@kind("record.read", patient=True)
class FirstRecordRead(Body, frozen=True):
    """A reading as the first release wrote it: without why, as what, and from where."""

    what: str = "record"
    late_by: str = ""


@kind("record.read", version=2, patient=True)
class RecordRead(Body, frozen=True):
    """Somebody opened the subject's record: what of it, from where, in which role, and why.

    `ground`, `reason` and `channel` are words of patients.grounds; `words` is what the reader
    wrote; `late_by` names who noted it afterwards, if so.
    """

    what: str = "record"
    channel: str = "console"
    role: str = ""
    ground: str = ""
    reason: str = ""
    words: str = ""
    late_by: str = ""


@kind("reading.unnamed", patient=False)
class ReadingUnnamed(Body, frozen=True):
    """Somebody opened a record, and it is noted after the person was erased: not whose it was.

    `what` is a word of patients.grounds; what the reader wrote is not kept.
    """

    what: str = "record"
    channel: str = "console"
    role: str = ""
    late_by: str = ""


@kind("glass.broken", patient=True)
class GlassBroken(Body, frozen=True):
    """Somebody without a tie to the subject said why they open the record; it holds for a while."""

    role: str
    reason: str
    until: datetime
    words: str = ""


@kind("canary.set", patient=True)
class CanarySet(Body, frozen=True):
    """The subject's record is one that nobody should read, or is so no longer."""

    on: bool
    comment: str


@kind("access.seen", patient=True)
class AccessSeen(Body, frozen=True):
    """Somebody looked up who opened the subject's record."""

    channel: str = "console"


@kind("access.listed", patient=False)
class AccessListed(Body, frozen=True):
    """Somebody looked up whom an account read, or, where none is named, who read anybody."""

    account: str = ""
    channel: str = "console"


@kind("export.stopped", patient=False)
class ExportStopped(Body, frozen=True):
    """An account asked for the records of more people in a day than it may, and was refused."""

    account: str
    day: date
    read: int
    asked: int
    limit: int


@kind("export.allowed", patient=False)
class ExportAllowed(Body, frozen=True):
    """An administrator lifts the limit for an account, until a time and for a reason."""

    account: str
    until: datetime
    reason: str
