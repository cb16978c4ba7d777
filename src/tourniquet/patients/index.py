"""The part of the patient index that a group of messages needs, read at once.

Invariants:
- Read inside the transaction that decides, so nobody else changes it meanwhile.
- What an entry of the group changes is told to it (`add`, `hold`), or it is read anew.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from tourniquet.kernel.errors import IntegrityError
from tourniquet.patients.entries import Demographics, IdentifierFact
from tourniquet.patients.models import Identifier, Patient
from tourniquet.patients.reading import PersonDraft
from tourniquet.patients.rules import (
    CURRENT,
    DOUBTFUL,
    MERGE_STEPS_MAX,
    NHS,
    Known,
    Match,
    SentIdentifier,
    find_survivor,
    match,
)
from tourniquet.record.tables import select_in

_KNOWN = (
    "id",
    "state",
    "merged_into",
    "family_key",
    "birth_date",
    "registered_organisation",
    "postcode",
)


@dataclass
class Index:
    """Who holds which number, and what is known of those people."""

    holders: dict[tuple[str, str], list[str]] = field(default_factory=dict)
    known: dict[str, Known] = field(default_factory=dict)
    nhs_numbers: dict[str, str] = field(default_factory=dict)
    fingerprints: dict[str, str] = field(default_factory=dict)

    def identify(self, person: PersonDraft) -> Match:
        """The patient that a person is, or why that is not known."""
        found = match(
            person.identifiers,
            family=person.family,
            birth_date=person.birth_date,
            holders=self.holders,
            known=self.known,
            nhs_numbers=self.nhs_numbers,
        )
        if found.patient is not None:
            return found
        same = self._same_provisional(person.fingerprint())
        return found if same is None else Match(same)

    def _same_provisional(self, fingerprint: str) -> Known | None:
        """The patient that the same PID stood for before."""
        if not fingerprint:
            return None
        if fingerprint not in self.fingerprints:
            row = (
                Patient.objects.filter(fingerprint=fingerprint)
                .order_by("id")
                .values_list("id", flat=True)
                .first()
            )
            self.fingerprints[fingerprint] = row or ""
            if row:
                self.read_patients([row])
        return self.survivor(self.fingerprints[fingerprint])

    def survivor(self, patient_id: str) -> Known | None:
        """The patient that an id stands for today, among those read."""
        return find_survivor(patient_id, self.known)

    def read_patients(self, ids: Iterable[str]) -> None:
        """Read these patients, and those that they were merged into."""
        wanted = {patient_id for patient_id in ids if patient_id not in self.known}
        read = set(wanted)
        for _ in range(MERGE_STEPS_MAX):
            if not wanted:
                break
            for row in select_in(Patient, _KNOWN, "id", wanted):
                self.known[row[0]] = Known(*row)
            wanted = {
                known.merged_into
                for patient_id in wanted
                if (known := self.known.get(patient_id)) is not None
                and known.merged_into is not None
                and known.merged_into not in self.known
            }
            read |= wanted
        if read:
            names = ("patient_id", "value", "system", "state")
            for patient_id, value, system, state in select_in(
                Identifier, names, "patient_id", read
            ):
                if system == NHS and state == CURRENT:
                    self.nhs_numbers[patient_id] = value

    def add(self, known: Known, identifiers: Iterable[SentIdentifier], *, fingerprint: str) -> None:
        """Tell of somebody registered in this group."""
        self.known[known.id] = known
        if fingerprint:
            self.fingerprints[fingerprint] = known.id
        self.hold(known.id, identifiers)

    def hold(self, patient_id: str, identifiers: Iterable[SentIdentifier]) -> None:
        """Tell of numbers that a patient has from now on."""
        for item in identifiers:
            if item.doubtful:
                continue
            holders = self.holders.setdefault((item.system, item.value), [])
            if patient_id not in holders:
                holders.append(patient_id)
            if item.system == NHS:
                self.nhs_numbers[patient_id] = item.value


def read_index(identifiers: Iterable[SentIdentifier]) -> Index:
    """Read who holds these numbers: three queries, however many there are."""
    index = Index()
    keys = {(item.system, item.value) for item in identifiers if not item.doubtful}
    if not keys:
        return index
    names = ("system", "value", "patient_id", "state")
    for system, value, patient_id, state in select_in(
        Identifier, names, "value", {value for _, value in keys}
    ):
        if state != DOUBTFUL and (system, value) in keys:
            index.holders.setdefault((system, value), []).append(patient_id)
    for holders in index.holders.values():
        holders.sort()
    index.read_patients({holder for holders in index.holders.values() for holder in holders})
    return index


def read_demographics(patient_id: str) -> Demographics:
    """What is known of one patient. Raises: IntegrityError where there is none."""
    names = Demographics.__struct_fields__
    row = Patient.objects.filter(id=patient_id).values_list(*names).first()
    if row is None:
        raise IntegrityError("A patient of the index cannot be found again.")
    return Demographics(**dict(zip(names, row, strict=True)))


def read_identifiers(patient_id: str) -> dict[tuple[str, str], IdentifierFact]:
    """The numbers of one patient."""
    rows = Identifier.objects.filter(patient_id=patient_id).order_by("system", "value")
    return {
        (system, value): IdentifierFact(
            system=system,
            value=value,
            kind=kind,
            state=state,  # type: ignore[arg-type] # the table holds what entries said
        )
        for system, value, kind, state in rows.values_list("system", "value", "kind", "state")
    }
