"""Who people are, for lists and pages of the console: bounded, a viewer first.

Invariants:
- Names for a list go with rows that the caller has scoped already.
- A doubtful identifier is never shown as a patient's number.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date

from tourniquet.directory.roles import Task, Viewer
from tourniquet.patients.models import Identifier, Patient
from tourniquet.patients.rules import ACTIVE, CURRENT, DOUBTFUL, NHS

LIKE_MOST = 2000


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


def list_numbers(
    viewer: Viewer, ids: Iterable[str], *, doubtful: bool = False
) -> dict[str, list[Identifier]]:
    """Numbers of patients that this viewer was shown, by patient, in one read: the current ones.

    With `doubtful` also those that were sent and conflict: for the desk that identifies people.
    """
    viewer.demand(Task.SEE_CLINICAL)
    found: dict[str, list[Identifier]] = {}
    states = (CURRENT, DOUBTFUL) if doubtful else (CURRENT,)
    rows = Identifier.objects.filter(patient_id__in=sorted(set(ids)), state__in=states)
    for row in rows.order_by("patient_id", "system", "value"):
        found.setdefault(row.patient_id, []).append(row)
    return found


def count_alike(viewer: Viewer, patients: Sequence[Patient]) -> dict[str, int]:
    """For each provisional patient, how many known people have its name and birth date.

    One read whatever their number; the page of one patient lists them with their numbers.
    """
    viewer.demand(Task.SEE_CLINICAL)
    keys = {(one.family_key, one.birth_date) for one in patients if one.family_key}
    born = {day for _, day in keys if day is not None}
    counts: dict[tuple[str, date | None], int] = {}
    rows = Patient.objects.filter(
        family_key__in={key for key, _ in keys}, birth_date__in=born, state=ACTIVE
    )
    for row in rows.values_list("family_key", "birth_date")[:LIKE_MOST]:
        counts[row] = counts.get(row, 0) + 1
    return {one.id: counts.get((one.family_key, one.birth_date), 0) for one in patients}
