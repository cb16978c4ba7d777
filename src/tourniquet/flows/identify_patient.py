"""A provisional patient is identified by a named person.

1. The person may do clinical work and sees the patient, who is still provisional.
2. Either: somebody of their own. Doubtful numbers that nobody else has become theirs.
3. Or: the same person as a known one. The known one takes over numbers and history.
"""

from __future__ import annotations

from datetime import datetime

import msgspec

from tourniquet.directory.roles import Task, Viewer
from tourniquet.flows.merge import merge_patients
from tourniquet.kernel.errors import UserError
from tourniquet.kernel.identifiers import NhsNumber
from tourniquet.pathology.queries import named_patients
from tourniquet.patients.entries import IdentifierFact, PatientIdentified
from tourniquet.patients.index import Index, read_identifiers, read_index
from tourniquet.patients.models import Patient
from tourniquet.patients.queries import get_patient
from tourniquet.patients.rules import ACTIVE, CURRENT, DOUBTFUL, NHS, PROVISIONAL, SentIdentifier
from tourniquet.record.journal import Act, writing

COMMENT_LONGEST = 2000


def confirm_as_new(patient_id: str, *, viewer: Viewer, comment: str, now: datetime) -> int:
    """A provisional patient is somebody of their own; the entry's position.

    Raises: PermissionRefused, NotFound; UserError where the patient is not provisional any more.
    """
    viewer.demand(Task.RECORD_CLINICAL)  # 1.
    comment = _comment(comment)
    with writing(Act(viewer.account, now, viewer.organisation)) as journal:
        patient = _get(patient_id, viewer)
        _still_provisional(patient.state)
        cleared = _cleared(patient_id)  # 2.
        return journal.append(
            PatientIdentified(identifiers=cleared, comment=comment), subject=patient_id
        )


def merge_into(
    patient_id: str, known_id: str, *, viewer: Viewer, comment: str, now: datetime
) -> None:
    """A provisional patient is the same person as a known one.

    Raises: PermissionRefused, NotFound; UserError where either is not what it should be.
    """
    viewer.demand(Task.RECORD_CLINICAL)  # 1.
    comment = _comment(comment)
    act = Act(viewer.account, now, viewer.organisation)
    with writing(act) as journal:
        patient = _get(patient_id, viewer)
        _still_provisional(patient.state)
        known = _get(known_id, viewer)
        if known.id == patient.id or known.state != ACTIVE:
            raise UserError(
                "A provisional patient can only be merged into a known one.",
                remedy="Choose a patient that is not provisional and was not merged.",
            )
        merge_patients(  # 3.
            journal, Index(), gone=patient.id, stays=known.id, comment=comment, cause=None, act=act
        )


def _get(patient_id: str, viewer: Viewer) -> Patient:
    return get_patient(patient_id, viewer=viewer, named=named_patients(viewer))


def _cleared(patient_id: str) -> tuple[IdentifierFact, ...]:
    """Doubtful numbers that are valid and that nobody else has."""
    doubtful = [f for f in read_identifiers(patient_id).values() if f.state == DOUBTFUL]
    index = read_index(SentIdentifier(fact.system, fact.value) for fact in doubtful)
    return tuple(
        msgspec.structs.replace(fact, state=CURRENT)
        for fact in doubtful
        if not index.holders.get((fact.system, fact.value))
        and (fact.system != NHS or NhsNumber.find(fact.value) is not None)
    )


def _comment(comment: str) -> str:
    comment = comment.strip()
    if not comment:
        raise UserError("A comment is missing.", remedy="Say how you know who this is.")
    if len(comment) > COMMENT_LONGEST:
        raise UserError(f"The comment is longer than {COMMENT_LONGEST} characters.")
    return comment


def _still_provisional(state: str) -> None:
    if state != PROVISIONAL:
        raise UserError("This patient was identified already.", remedy="Look at the record again.")
