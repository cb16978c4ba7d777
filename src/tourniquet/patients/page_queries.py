"""Who people are, for lists and pages of the console: bounded, a viewer first.

Invariants:
- Names for a list go with rows that the caller has scoped already.
- A doubtful identifier is never shown as a patient's number.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

from tourniquet.directory.roles import Task, Viewer
from tourniquet.patients.models import Identifier, Patient
from tourniquet.patients.rules import CURRENT, NHS


@dataclass(frozen=True, slots=True)
class Person:
    """Enough to tell two people apart. `nhs_number` is "" where none is known."""

    id: str
    family_name: str
    given_names: str
    title: str
    birth_date: date | None
    nhs_number: str
    registered_organisation: str


def list_people(viewer: Viewer, ids: Iterable[str]) -> dict[str, Person]:
    """People by id, for rows that this viewer may see; two reads whatever their number."""
    viewer.demand(Task.SEE_CLINICAL)
    wanted = sorted(set(ids))
    if not wanted:
        return {}
    numbers = dict(
        Identifier.objects.filter(patient_id__in=wanted, system=NHS, state=CURRENT).values_list(
            "patient_id", "value"
        )
    )
    rows = Patient.objects.filter(pk__in=wanted).values_list(
        "id", "family_name", "given_names", "title", "birth_date", "registered_organisation"
    )
    return {
        row[0]: Person(row[0], row[1], row[2], row[3], row[4], numbers.get(row[0], ""), row[5])
        for row in rows
    }


def list_numbers(viewer: Viewer, ids: Iterable[str]) -> dict[str, list[Identifier]]:
    """Current numbers of patients that this viewer was shown, by patient, in one read."""
    viewer.demand(Task.SEE_CLINICAL)
    found: dict[str, list[Identifier]] = {}
    rows = Identifier.objects.filter(patient_id__in=sorted(set(ids)), state=CURRENT)
    for row in rows.order_by("patient_id", "system", "value"):
        found.setdefault(row.patient_id, []).append(row)
    return found
