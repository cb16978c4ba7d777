"""Does the index say of each patient what the journal says? So many patients at a time.

Invariants:
- A patient's row follows from the patient's own entries alone, so it can be made anew here and
  compared, column by column, without touching the table.
- Bounded: a fixed number of questions for each look; a patient with more entries than
  ENTRIES_MOST is left to `record replay`.
- An erased entry makes the patient's row unknowable here: the patient is passed over.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tourniquet.patients.apply import PERSON, person_row
from tourniquet.patients.entries import (
    PatientAbsorbed,
    PatientIdentified,
    PatientMerged,
    PatientRegistered,
    PatientUpdated,
)
from tourniquet.patients.models import Patient
from tourniquet.patients.rules import ACTIVE, MERGED
from tourniquet.record.divergence import Divergence
from tourniquet.record.models import JournalEntry
from tourniquet.record.registry import get_kind

PATIENTS_MOST = 500
ENTRIES_MOST = 5000
_KINDS = (
    "patient.registered",
    "patient.updated",
    "patient.identified",
    "patient.merged",
    "patient.absorbed",
)
_COLUMNS = ("state", "merged_into", *PERSON)


@dataclass(frozen=True)
class LookedAtPatients:
    """The last patient looked at ("" where the end was reached), and the first disagreement."""

    last: str
    found: Divergence | None


def look_at_patients(after: str, *, patients: int) -> LookedAtPatients:
    """Compare so many patients, in the order of their ids, with what the journal says of them."""
    limit = min(patients, PATIENTS_MOST)
    rows = list(
        Patient.objects.filter(pk__gt=after).order_by("pk").values_list("id", *_COLUMNS)[:limit]
    )
    told = _told({row[0] for row in rows})
    for patient, *actual in rows:
        entries = told.get(patient, []) if told is not None else None
        expected = _expected(entries) if entries is not None else None
        if entries == [] or (expected is not None and expected != actual):
            newest = entries[-1]["position"] if entries else actual[-1]
            return LookedAtPatients(patient, Divergence("patients.Patient", f"position {newest}"))
    return LookedAtPatients(rows[-1][0] if len(rows) == limit else "", None)


def _told(patients: set[str]) -> dict[str, list[dict[str, Any]]] | None:
    """Entries of the index about these patients, oldest first; None where they are too many."""
    rows = JournalEntry.objects.filter(subject__in=patients, kind__in=_KINDS).order_by("position")
    names = ("position", "subject", "kind", "kind_version", "recorded_at", "body")
    found: dict[str, list[dict[str, Any]]] = {}
    count = 0
    for row in rows.values(*names)[: ENTRIES_MOST + 1]:
        count += 1
        found.setdefault(row["subject"], []).append(row)
    return None if count > ENTRIES_MOST else found


def _expected(entries: Sequence[dict[str, Any]]) -> list[Any] | None:
    """The row that a patient's entries make; None where one was erased."""
    state, into = ACTIVE, None
    person: list[Any] = [None] * len(PERSON)
    for entry in entries:
        if entry["body"] is None:
            return None
        decoder = get_kind(entry["kind"], entry["kind_version"]).decoder
        body = decoder.decode(bytes(entry["body"]))
        if isinstance(body, PatientRegistered):
            state = body.state
        elif isinstance(body, PatientIdentified):
            state = ACTIVE
        elif isinstance(body, PatientMerged):
            state, into = MERGED, body.into
        if isinstance(body, PatientRegistered | PatientUpdated):
            person = list(person_row(body.person, entry["recorded_at"], entry["position"]))
        else:
            assert isinstance(body, PatientIdentified | PatientMerged | PatientAbsorbed)
            person[PERSON.index("updated_at")] = entry["recorded_at"]
            person[PERSON.index("position")] = entry["position"]
    return [state, into, *person]
