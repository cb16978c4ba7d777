"""May this viewer open this record now, and on what ground?

1. A viewer whose organisation a row names, or where the patient is registered, reads in the
   course of care, and sees what names that organisation.
2. Anybody else whose role may open a record for a reason must have given one that still holds;
   they see the record whole. Nothing of the patient is shown before.
3. For everybody else the record does not exist.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from tourniquet.diary.page_queries import named_patients as named_in_diary
from tourniquet.directory.roles import Task, Viewer
from tourniquet.kernel.errors import NotFound
from tourniquet.pathology.queries import named_patients
from tourniquet.patients.fhir_queries import same_person
from tourniquet.patients.grounds import CARE, Why
from tourniquet.patients.models import Patient
from tourniquet.patients.queries import get_patient
from tourniquet.patients.readings import find_reasons


@dataclass(frozen=True)
class Opening:
    """A patient, on what ground their record is read (None: no reason is given yet), and with
    whose eyes its rows are asked for. `ids`: all under which the index knows the person.
    """

    patient: Patient
    ids: frozenset[str]
    eyes: Viewer
    why: Why | None


def open_patient(patient_id: str, *, viewer: Viewer, now: datetime) -> Opening:
    """The patient that an id stands for today, and the ground.

    Raises: PermissionRefused; NotFound where there is none that this viewer may ever see.
    """
    # 1.
    if viewer.organisation:
        named = named_patients(viewer) | named_in_diary(viewer)
        try:
            patient = get_patient(patient_id, viewer=viewer, named=named)
        except NotFound:
            if not viewer.may(Task.BREAK_GLASS):
                raise  # 3.
        else:
            return Opening(patient, same_person(viewer, {patient.id}), viewer, Why(CARE))
    # 2.
    eyes = replace(viewer, organisation="")
    patient = get_patient(patient_id, viewer=eyes)
    if not viewer.may(Task.BREAK_GLASS):
        raise NotFound("There is no such patient, or none that you may see.")  # 3.
    ids = same_person(eyes, {patient.id})
    reasons = find_reasons(viewer.account, ids, now=now)
    why = reasons.get(patient.id) or next(iter(reasons.values()), None)
    return Opening(patient, ids, eyes, why)
