"""A patient is registered, changed or merged (ADT A01 A02 A03 A04 A08 A28 A31 A40).

1. Find the patient; nobody known by these numbers is registered as active, a conflict as
   provisional.
2. Update what the message says; what it leaves out stays, HL7's null deletes.
3. A40: the patient of MRG stands for the one of PID from then on, and the history goes along.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec

from tourniquet.flows.intake import Desk, Meant, Origin
from tourniquet.flows.merge import merge_patients
from tourniquet.kernel.errors import SenderError
from tourniquet.patients.entries import Demographics, IdentifierFact, PatientUpdated
from tourniquet.patients.index import read_demographics, read_identifiers
from tourniquet.patients.reading import PersonDraft, read_merged, read_person
from tourniquet.patients.rules import CURRENT, NHS, PROVISIONAL, SentIdentifier
from tourniquet.record.journal import Writer
from tourniquet.wire.hl7v2 import Message

_UPDATES = frozenset({"A01", "A02", "A03", "A04", "A08", "A28", "A31"})
_MERGES = frozenset({"A40"})
_TEXTS = (
    "family_name",
    "given_names",
    "title",
    "birth_text",
    "sex",
    "address",
    "postcode",
    "phone",
    "email",
    "language",
    "registered_organisation",
)


@dataclass(frozen=True, slots=True)
class PreparedPatient:
    """What an ADT message says; `merged` are the numbers of the patient that disappears."""

    person: PersonDraft
    merged: tuple[SentIdentifier, ...] = ()


def read_patient(message: Message, trigger: str) -> PreparedPatient | None:
    """Read an ADT; None for an event that is not taken here.

    Raises: SenderError where the message names nobody, or several people.
    """
    if trigger not in _UPDATES and trigger not in _MERGES:
        return None
    pids = message.all("PID")
    if len(pids) != 1:
        raise SenderError(
            "The message names no patient." if not pids else "The message names several patients.",
            where="PID",
            remedy="Send one PID in each message.",
        )
    facility = message.sending_facility.strip() or message.sending_application.strip()
    person = read_person(pids[0], message.first("PD1"), facility=facility)
    if trigger in _UPDATES:
        return PreparedPatient(person)
    merges = message.all("MRG")
    if len(merges) != 1:
        raise SenderError(
            "A merge names one patient that disappears.", where="MRG", remedy="Send one MRG."
        )
    merged = tuple(item for item in read_merged(merges[0], facility=facility) if not item.doubtful)
    if not merged:
        raise SenderError(
            "The patient that disappears has no number that can be read.", where="MRG-1"
        )
    return PreparedPatient(person, merged)


def receive_patient(
    journal: Writer, desk: Desk, prepared: PreparedPatient, origin: Origin, meant: Meant
) -> None:
    """Update or merge; the registration of a new patient is appended already."""
    patient = meant.patient
    if meant.registration is None:
        _update(journal, desk, prepared.person, origin, meant)
    if not prepared.merged:
        return
    gone = _find_merged(desk, prepared, patient.id)
    if gone is None:
        # Nobody is known by that number: it leads to the one who stays from now on.
        fresh = [i for i in prepared.merged if not desk.index.holders.get((i.system, i.value))]
        _hold(journal, desk, fresh, origin, patient.id)
        return
    merge_patients(
        journal,
        desk.index,
        gone=gone,
        stays=patient.id,
        comment="Merged by a message.",
        cause=origin.position,
        act=origin.act,
    )


def _find_merged(desk: Desk, prepared: PreparedPatient, stays: str) -> str | None:
    found = set()
    for item in prepared.merged:
        for holder in desk.index.holders.get((item.system, item.value), ()):
            known = desk.index.survivor(holder)
            if known is not None and known.id != stays:
                found.add(known.id)
    if len(found) > 1:
        raise SenderError(
            "The numbers of the patient that disappears belong to different people.",
            where="MRG-1",
            remedy="Send one merge for each.",
        )
    return found.pop() if found else None


def _hold(
    journal: Writer,
    desk: Desk,
    identifiers: list[SentIdentifier],
    origin: Origin,
    patient_id: str,
) -> None:
    if not identifiers:
        return
    journal.flush()
    person = read_demographics(patient_id)
    facts = tuple(
        IdentifierFact(system=i.system, value=i.value, kind=i.kind, state="superseded")
        for i in identifiers
    )
    journal.append(
        PatientUpdated(person=person, identifiers=facts),
        subject=patient_id,
        cause=origin.position,
        act=origin.act,
    )
    desk.index.hold(patient_id, [i for i in identifiers if i.system != NHS])


def _update(journal: Writer, desk: Desk, draft: PersonDraft, origin: Origin, meant: Meant) -> None:
    patient = meant.patient
    journal.flush()
    before = read_demographics(patient.id)
    after = merged_demographics(before, draft)
    new = _new_identifiers(desk, draft, patient.id, provisional=patient.state == PROVISIONAL)
    if after == before and not new:
        return
    journal.append(
        PatientUpdated(person=after, identifiers=new),
        subject=patient.id,
        cause=origin.position,
        act=origin.act,
    )
    desk.index.known.pop(patient.id, None)
    desk.index.hold(
        patient.id, [SentIdentifier(i.system, i.value) for i in new if i.state == CURRENT]
    )
    journal.flush()
    desk.index.read_patients([patient.id])


def merged_demographics(before: Demographics, draft: PersonDraft) -> Demographics:
    """What is known after a message: what it says, and what it leaves out as before."""
    changes: dict[str, Any] = {
        name: getattr(draft, name) for name in _TEXTS if getattr(draft, name)
    }
    for name in draft.nulls:
        changes[name] = None if name == "died_on" else ""
    if draft.birth_text:
        changes["birth_date"] = draft.birth_date
    if draft.died_on is not None:
        changes["died_on"] = draft.died_on
    if draft.recorded_dead:
        changes["recorded_dead"] = True
    elif "died_on" in draft.nulls:
        changes["recorded_dead"] = False
    return msgspec.structs.replace(before, **changes)


def _new_identifiers(
    desk: Desk, draft: PersonDraft, patient_id: str, *, provisional: bool
) -> tuple[IdentifierFact, ...]:
    """Numbers that the patient did not have; one that somebody else has is doubtful."""
    have = read_identifiers(patient_id)
    out = []
    for item in draft.identifiers:
        if (item.system, item.value) in have:
            continue
        others = desk.index.holders.get((item.system, item.value), ())
        taken = any(
            (known := desk.index.survivor(other)) is not None and known.id != patient_id
            for other in others
        )
        state = "doubtful" if item.doubtful or taken or provisional else "current"
        out.append(
            msgspec.convert(
                {"system": item.system, "value": item.value, "kind": item.kind, "state": state},
                IdentifierFact,
            )
        )
    return tuple(out)
