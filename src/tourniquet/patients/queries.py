"""Bounded reads of the patient index, for people.

Invariants:
- Every function takes a viewer and demands that it may see clinical records.
- A viewer of an organisation sees patients registered there, and those whom a clinical row of
  theirs names; that part is handed in as `named` (pathology.queries.named_patients), because this
  package knows no clinical rows.
- Pages run by key: `after` is the last row's key of the page before.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from django.db.models import Q, QuerySet

from tourniquet.directory.roles import Task, Viewer
from tourniquet.kernel.errors import NotFound
from tourniquet.kernel.identifiers import NhsNumber
from tourniquet.patients.models import Identifier, Patient
from tourniquet.patients.rules import (
    DOUBTFUL,
    MERGE_STEPS_MAX,
    MERGED,
    NHS,
    PROVISIONAL,
    family_key,
)

MOST = 200
NOBODY_ELSE = Q(pk__in=())


@dataclass(frozen=True)
class Wanted:
    """Whom a person looks for: by number, or by name and birth date. Empty parts do not count."""

    number: str = ""
    family_name: str = ""
    given_names: str = ""
    birth_date: date | None = None


def _seen(viewer: Viewer, named: Q) -> QuerySet[Patient]:
    viewer.demand(Task.SEE_CLINICAL)
    if not viewer.organisation:
        return Patient.objects.all()
    return Patient.objects.filter(Q(registered_organisation=viewer.organisation) | named)


def get_patient(patient_id: str, *, viewer: Viewer, named: Q = NOBODY_ELSE) -> Patient:
    """The patient that an id stands for today: along its merges.

    Raises: NotFound where there is none that this viewer may see.
    """
    seen = _seen(viewer, named)
    for _ in range(MERGE_STEPS_MAX):
        found = Patient.objects.filter(pk=patient_id).first()
        if found is None or found.merged_into is None:
            break
        patient_id = found.merged_into
    shown = seen.filter(pk=patient_id).exclude(state=MERGED).first()
    if shown is None:
        raise NotFound("There is no such patient, or none that you may see.")
    return shown


def search_patients(
    wanted: Wanted, *, viewer: Viewer, named: Q = NOBODY_ELSE, after: str = "", limit: int = 50
) -> list[Patient]:
    """Patients by number (NHS or local), or by family name and birth date; by id.

    A number that led to somebody merged leads to the one that stays. Nothing wanted finds nobody.
    """
    seen = _seen(viewer, named).exclude(state=MERGED)
    if wanted.number.strip():
        seen = seen.filter(pk__in=holders_of(wanted.number))
    elif not wanted.family_name.strip():
        return []
    if wanted.family_name.strip():
        key = family_key(wanted.family_name)
        seen = (
            seen.filter(family_key=key)
            if wanted.birth_date
            else seen.filter(family_key__startswith=key)
        )
    if wanted.given_names.strip():
        seen = seen.filter(given_names__istartswith=wanted.given_names.strip())
    if wanted.birth_date is not None:
        seen = seen.filter(birth_date=wanted.birth_date)
    return list(seen.filter(pk__gt=after).order_by("pk")[: min(limit, MOST)])


def holders_of(number: str) -> set[str]:
    """Ids of those who have this number, NHS or local, and of those they were merged into."""
    text = number.strip()
    nhs = NhsNumber.find(text)
    values = Q(system=NHS, value=nhs.digits) if nhs is not None else Q(value=text)
    if nhs is not None:
        values |= Q(value=text)
    ids = set(
        Identifier.objects.filter(values)
        .exclude(state=DOUBTFUL)
        .values_list("patient_id", flat=True)[:MOST]
    )
    out = set(ids)
    for _ in range(MERGE_STEPS_MAX):
        moved = set(
            Patient.objects.filter(pk__in=ids, merged_into__isnull=False).values_list(
                "merged_into", flat=True
            )
        )
        ids = {patient_id for patient_id in moved if patient_id is not None} - out
        if not ids:
            break
        out |= ids
    return out


def list_identifiers(patient_id: str, *, viewer: Viewer) -> list[Identifier]:
    """A patient's numbers, current first. The caller was shown the patient."""
    viewer.demand(Task.SEE_CLINICAL)
    return list(
        Identifier.objects.filter(patient_id=patient_id).order_by("state", "system", "value")[:MOST]
    )


def list_provisional(
    *, viewer: Viewer, named: Q = NOBODY_ELSE, after: str = "", limit: int = 50
) -> list[Patient]:
    """People whom nobody has identified yet, oldest first."""
    seen = _seen(viewer, named).filter(state=PROVISIONAL, pk__gt=after)
    return list(seen.order_by("pk")[: min(limit, MOST)])


def count_provisional(*, viewer: Viewer, named: Q = NOBODY_ELSE) -> int:
    """How many people wait to be identified."""
    return _seen(viewer, named).filter(state=PROVISIONAL).count()


def list_candidates(patient_id: str, *, viewer: Viewer, named: Q = NOBODY_ELSE) -> list[Patient]:
    """Known patients with the family name and birth date of a provisional one, or a number of it.

    For a person to look at: nothing is decided by it.
    """
    patient = get_patient(patient_id, viewer=viewer, named=named)
    values = Identifier.objects.filter(patient_id=patient.pk).values("value")
    holders = Identifier.objects.filter(value__in=values).values("patient_id")
    alike = Q(pk__in=holders)
    if patient.family_key and patient.birth_date is not None:
        alike |= Q(family_key=patient.family_key, birth_date=patient.birth_date)
    seen = _seen(viewer, named).filter(alike).exclude(pk=patient.pk)
    return list(seen.exclude(state__in=(MERGED, PROVISIONAL)).order_by("pk")[:MOST])
