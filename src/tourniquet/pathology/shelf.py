"""The requests and reports that a group of messages refers to, read at once.

Invariants:
- Read inside the transaction that decides; what the group files is told to it.
- Numbers are the sender's: a report is the same one only where the sender is.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

import msgspec

from tourniquet.pathology.entries import ObservationFact, ReportFact
from tourniquet.pathology.models import (
    CriticalCall,
    DiagnosticReport,
    Observation,
    ServiceRequest,
    Specimen,
    SpecimenEvent,
    SpecimenRequest,
)
from tourniquet.pathology.orders import OrderDraft
from tourniquet.pathology.reading import ReportDraft
from tourniquet.pathology.rules import KnownReport
from tourniquet.record.tables import select_in

_REPORT = (
    "sender",
    "id",
    "patient_id",
    "version",
    "versions",
    "status",
    "content",
    "issued_at",
    "placer_number",
    "filler_number",
    "code",
    "ordinal",
    "service_request_id",
    "specimen_id",
)
_REQUEST = (
    "id",
    "patient_id",
    "placer_number",
    "placer_authority",
    "filler_number",
    "filler_authority",
    "requisition",
    "code",
    "status",
    "requesting_organisation",
    "sender",
)
_OBSERVATION = ObservationFact.__struct_fields__


class KnownRequest(msgspec.Struct, frozen=True):
    """A ServiceRequest in the tables, as far as a decision needs it."""

    id: str
    patient_id: str
    placer_number: str
    placer_authority: str
    filler_number: str
    filler_authority: str
    requisition: str
    code: str
    status: str
    requesting: str
    sender: str


class KnownSpecimen(msgspec.Struct, frozen=True):
    """A specimen in the tables, and the steps that are known of it."""

    id: str
    patient_id: str
    accession: str
    steps: frozenset[tuple[str, datetime]]


@dataclass
class Shelf:
    """Reports, requests and specimens by their numbers."""

    reports: dict[tuple[str, str], list[KnownReport]] = field(default_factory=dict)
    requests: dict[str, list[KnownRequest]] = field(default_factory=dict)
    requests_by_filler: dict[str, list[KnownRequest]] = field(default_factory=dict)
    specimens: dict[str, list[KnownSpecimen]] = field(default_factory=dict)
    specimens_of_request: dict[str, list[KnownSpecimen]] = field(default_factory=dict)

    def find_reports(self, sender: str, draft: ReportDraft) -> list[KnownReport]:
        """Reports of this sender with the draft's number, code and place, newest last."""
        number = draft.filler_number or draft.placer_number
        if not number:
            return []
        return [
            known
            for known in self.reports.get((sender, number), ())
            if known.code == draft.code.code
            and known.ordinal == draft.ordinal
            and (not draft.filler_number or known.filler_number == draft.filler_number)
        ]

    def find_request(self, draft: ReportDraft, patient_id: str) -> KnownRequest | None:
        """The one request of this patient that the report answers; None where that is not sure."""
        found = _compatible(self.requests.get(draft.placer_number, ()), draft, patient_id)
        if not found and draft.filler_number:
            found = [
                known
                for known in self.requests_by_filler.get(draft.filler_number, ())
                if known.patient_id == patient_id and known.code == draft.code.code
            ]
        if len(found) > 1:
            same = [known for known in found if known.code == draft.code.code]
            found = same if len(same) == 1 else []
        return found[0] if found else None

    def find_order(self, draft: OrderDraft, patient_id: str) -> KnownRequest | None:
        """The request that an order message is about; None where it is not known, or not sure."""
        found = _compatible(self.requests.get(draft.placer_number, ()), draft, patient_id)
        if not found and draft.filler_number:
            found = [
                known
                for known in self.requests_by_filler.get(draft.filler_number, ())
                if known.patient_id == patient_id
            ]
        if draft.code is not None:
            found = [known for known in found if known.code == draft.code.code]
        return found[0] if len(found) == 1 else None

    def find_specimen(self, accession: str, patient_id: str) -> KnownSpecimen | None:
        """The patient's specimen with that number."""
        if not accession:
            return None
        for known in self.specimens.get(accession, ()):
            if known.patient_id == patient_id:
                return known
        return None

    def put_specimen(self, known: KnownSpecimen) -> None:
        """Tell of a specimen received or moved in this group."""
        if known.accession:
            kept = self.specimens.setdefault(known.accession, [])
            kept[:] = [other for other in kept if other.id != known.id]
            kept.append(known)

    def put_report(self, sender: str, known: KnownReport) -> None:
        """Tell of a report filed in this group."""
        for number in {known.filler_number, known.placer_number} - {""}:
            kept = self.reports.setdefault((sender, number), [])
            kept[:] = [other for other in kept if other.id != known.id]
            kept.append(known)

    def put_request(self, known: KnownRequest) -> None:
        """Tell of a request received or changed in this group."""
        for table, number in (
            (self.requests, known.placer_number),
            (self.requests_by_filler, known.filler_number),
        ):
            if number:
                kept = table.setdefault(number, [])
                kept[:] = [other for other in kept if other.id != known.id]
                kept.append(known)

    def set_request_status(self, known: KnownRequest, status: str) -> None:
        """Tell of a request's new status."""
        self.put_request(msgspec.structs.replace(known, status=status))


def _compatible(
    requests: Iterable[KnownRequest], draft: ReportDraft | OrderDraft, patient_id: str
) -> list[KnownRequest]:
    """Requests of this patient whose number was given by the same authority, as far as is known."""
    authority = draft.placer_authority
    return [
        known
        for known in requests
        if known.patient_id == patient_id
        and (not known.placer_authority or not authority or known.placer_authority == authority)
    ]


def read_shelf(
    *,
    senders: Iterable[str],
    placers: Iterable[str],
    fillers: Iterable[str],
    accessions: Iterable[str],
    reported: bool,
) -> Shelf:
    """Read what has these numbers: seven queries at most, however many there are.

    `reported` asks for the specimens of the requests, too: reports tell what became of them.
    """
    shelf = Shelf()
    placers, fillers = set(placers) - {""}, set(fillers) - {""}
    of = set(senders)
    reports = [
        *select_in(DiagnosticReport, _REPORT, "filler_number", fillers if of else ()),
        *select_in(DiagnosticReport, _REPORT, "placer_number", placers if of else ()),
    ]
    for sender, *rest in sorted(reports, key=lambda row: row[1]):
        if sender in of:
            shelf.put_report(sender, KnownReport(*rest))
    requests = [
        *select_in(ServiceRequest, _REQUEST, "placer_number", placers),
        *select_in(ServiceRequest, _REQUEST, "filler_number", fillers),
    ]
    for row in sorted(requests, key=lambda row: str(row[0])):
        shelf.put_request(KnownRequest(*row))
    answered = {row[0] for row in requests} if reported else set()
    _read_specimens(shelf, set(accessions) - {""}, answered)
    return shelf


def _read_specimens(shelf: Shelf, accessions: set[str], requests: set[str]) -> None:
    """Specimens with these numbers, and those that serve these requests, each with its steps."""
    served: dict[str, list[str]] = {}
    links = select_in(
        SpecimenRequest, ("specimen_id", "service_request_id"), "service_request_id", requests
    )
    for specimen_id, request_id in sorted(links, key=lambda row: (str(row[0]), str(row[1]))):
        served.setdefault(specimen_id, []).append(request_id)
    names = ("id", "patient_id", "accession")
    found = {
        *map(tuple, select_in(Specimen, names, "id", served)),
        *map(tuple, select_in(Specimen, names, "accession", accessions)),
    }
    steps: dict[str, set[tuple[str, datetime]]] = {}
    events = select_in(
        SpecimenEvent, ("specimen_id", "kind", "at"), "specimen_id", {row[0] for row in found}
    )
    for specimen_id, kind, at in events:
        steps.setdefault(specimen_id, set()).add((kind, at))
    for specimen_id, patient_id, accession in sorted(found):
        seen = frozenset(steps.get(specimen_id, ()))
        known = KnownSpecimen(specimen_id, patient_id, accession, seen)
        shelf.put_specimen(known)
        for request_id in served.get(specimen_id, ()):
            shelf.specimens_of_request.setdefault(request_id, []).append(known)


def read_lines(report_id: str, version: int) -> list[ObservationFact]:
    """The result lines of one version of a report."""
    rows = Observation.objects.filter(report_id=report_id, version=version).order_by("sequence")
    return [
        ObservationFact(**dict(zip(_OBSERVATION, row, strict=True)))
        for row in rows.values_list(*_OBSERVATION)
    ]


def list_called_values(report_id: str) -> set[tuple[str, str]]:
    """Code and value of every call that a report ever opened."""
    rows = CriticalCall.objects.filter(report_id=report_id)
    return set(rows.values_list("code", "value_text"))


def known_of(fact: ReportFact, patient_id: str) -> KnownReport:
    """What is known of a report once this version of it is filed."""
    return KnownReport(
        fact.id,
        patient_id,
        fact.version,
        fact.version,
        fact.status,
        fact.content,
        fact.issued_at,
        fact.placer_number,
        fact.filler_number,
        fact.code,
        fact.ordinal,
        fact.service_request_id,
        fact.specimen_id,
    )
