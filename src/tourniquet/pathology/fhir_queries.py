"""Reads of pathology for FHIR: bounded, scoped, in pages that neither repeat nor leave out.

Invariants:
- Every function takes a viewer first and demands that it may see clinical records.
- A viewer of an organisation sees rows that name it; an Observation is seen with its report.
- Pages run from the newest id to the oldest, as in patients.fhir_queries.
- Reports and their Observations are served in their newest version.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from django.db.models import Exists, OuterRef, Q, QuerySet

from tourniquet.directory.roles import Task, Viewer
from tourniquet.pathology.models import (
    DiagnosticReport,
    Observation,
    ServiceRequest,
    Specimen,
    SpecimenRequest,
)
from tourniquet.patients.fhir_queries import COUNT_MOST, PAGE_MOST, Span, Token, any_of, spans

Row = TypeVar("Row", ServiceRequest, Specimen, DiagnosticReport)


@dataclass(frozen=True)
class Search:
    """What is looked for: each tuple's members all hold, of each inner one at least one."""

    ids: tuple[tuple[str, ...], ...] = ()
    patients: tuple[frozenset[str], ...] = ()
    identifiers: tuple[tuple[Token, ...], ...] = ()
    accessions: tuple[tuple[Token, ...], ...] = ()
    requisitions: tuple[tuple[Token, ...], ...] = ()
    statuses: tuple[tuple[str, ...], ...] = ()
    codes: tuple[tuple[Token, ...], ...] = ()
    based_on: tuple[tuple[str, ...], ...] = ()
    specimens: tuple[tuple[str, ...], ...] = ()
    dates: tuple[tuple[Span, ...], ...] = ()
    updated: tuple[tuple[Span, ...], ...] = ()
    nothing: bool = False


@dataclass(frozen=True)
class Found:
    """One page; `total` is None where there are more than COUNT_MOST."""

    more: bool
    total: int | None
    requests: list[ServiceRequest] = field(default_factory=list)
    specimens: list[Specimen] = field(default_factory=list)
    reports: list[DiagnosticReport] = field(default_factory=list)
    observations: list[Observation] = field(default_factory=list)


_NOTHING = Found(more=False, total=0)
# Which numbers identify a row, and which column says who gave them ("" where none does).
_NUMBERS: dict[type, tuple[tuple[str, str], ...]] = {
    ServiceRequest: (
        ("placer_number", "placer_authority"),
        ("filler_number", "filler_authority"),
    ),
    Specimen: (("accession", ""), ("placer_number", "")),
    DiagnosticReport: (("placer_number", ""), ("filler_number", "")),
}
_DATES: dict[type, str] = {
    ServiceRequest: "authored_at",
    Specimen: "collected_at",
    DiagnosticReport: "effective_at",
}


def named_patients(viewer: Viewer) -> Q:
    """Patients, by their id, of whom a clinical row names the viewer's organisation."""
    viewer.demand(Task.SEE_CLINICAL)
    rows = Q()
    for model in (ServiceRequest, DiagnosticReport, Specimen):
        rows |= Q(Exists(model.objects.filter(_scope(viewer), patient_id=OuterRef("id"))))
    return rows


def list_service_requests(
    viewer: Viewer, search: Search, *, before: str | None, limit: int
) -> Found:
    """One page of requests."""
    query = _query(viewer, ServiceRequest, search)
    if query is None:
        return _NOTHING
    rows, more, total = _page(query, before, limit)
    return Found(more, total, requests=rows)


def list_specimens(viewer: Viewer, search: Search, *, before: str | None, limit: int) -> Found:
    """One page of specimens."""
    query = _query(viewer, Specimen, search)
    if query is None:
        return _NOTHING
    rows, more, total = _page(query, before, limit)
    return Found(more, total, specimens=rows)


def list_reports(viewer: Viewer, search: Search, *, before: str | None, limit: int) -> Found:
    """One page of reports, each in its newest version."""
    query = _query(viewer, DiagnosticReport, search)
    if query is None:
        return _NOTHING
    rows, more, total = _page(query, before, limit)
    return Found(more, total, reports=rows)


def list_observations(
    viewer: Viewer, search: Search, *, before: tuple[str, int] | None, limit: int
) -> Found:
    """One page of result lines, the newest report's first, and their reports."""
    viewer.demand(Task.SEE_CLINICAL)
    if search.nothing:
        return _NOTHING
    current = DiagnosticReport.objects.filter(
        _scope(viewer), id=OuterRef("report_id"), version=OuterRef("version")
    )
    wanted = Q(Exists(current)) & _of_the_line(search)
    of_the_report = Search(
        identifiers=search.identifiers,
        based_on=search.based_on,
        specimens=search.specimens,
        updated=search.updated,
    )
    if of_the_report != Search():
        reports = _query(viewer, DiagnosticReport, of_the_report)
        assert reports is not None
        wanted &= Q(report_id__in=reports.values("id"))
    query = Observation.objects.filter(wanted)
    page = query
    if before is not None:
        report_id, sequence = before
        page = query.filter(
            Q(report_id__lt=report_id) | Q(report_id=report_id, sequence__gt=sequence)
        )
    limit = min(limit, PAGE_MOST)
    lines = list(page.order_by("-report_id", "sequence")[: limit + 1])
    more = len(lines) > limit
    lines = lines[:limit]
    reports_by_id = DiagnosticReport.objects.filter(pk__in={line.report_id for line in lines})
    return Found(more, _total(query), observations=lines, reports=list(reports_by_id))


def list_lines_of(viewer: Viewer, report_ids: Iterable[str]) -> dict[str, list[int]]:
    """The numbers of the result lines of each report's newest version."""
    viewer.demand(Task.SEE_CLINICAL)
    current = DiagnosticReport.objects.filter(
        _scope(viewer), id=OuterRef("report_id"), version=OuterRef("version")
    )
    rows = Observation.objects.filter(Exists(current), report_id__in=list(report_ids))
    found: dict[str, list[int]] = {}
    for report_id, sequence in rows.order_by("report_id", "sequence").values_list(
        "report_id", "sequence"
    ):
        found.setdefault(report_id, []).append(sequence)
    return found


def list_authorities(viewer: Viewer, request_ids: Iterable[str]) -> dict[str, tuple[str, str]]:
    """Who gave the placer and filler numbers of each request."""
    viewer.demand(Task.SEE_CLINICAL)
    rows = ServiceRequest.objects.filter(_scope(viewer), pk__in=list(request_ids))
    return {
        request_id: (placer, filler)
        for request_id, placer, filler in rows.values_list(
            "id", "placer_authority", "filler_authority"
        )
    }


def list_requests_of(viewer: Viewer, specimen_ids: Iterable[str]) -> dict[str, list[str]]:
    """The requests that each specimen serves; the caller has been shown the specimens."""
    viewer.demand(Task.SEE_CLINICAL)
    rows = SpecimenRequest.objects.filter(specimen_id__in=list(specimen_ids))
    found: dict[str, list[str]] = {}
    for specimen_id, request_id in rows.order_by("specimen_id", "service_request_id").values_list(
        "specimen_id", "service_request_id"
    ):
        found.setdefault(specimen_id, []).append(request_id)
    return found


def list_specimens_of(viewer: Viewer, request_ids: Iterable[str]) -> dict[str, list[str]]:
    """The specimens that serve each request; the caller has been shown the requests."""
    viewer.demand(Task.SEE_CLINICAL)
    rows = SpecimenRequest.objects.filter(service_request_id__in=list(request_ids))
    found: dict[str, list[str]] = {}
    for request_id, specimen_id in rows.order_by("service_request_id", "specimen_id").values_list(
        "service_request_id", "specimen_id"
    ):
        found.setdefault(request_id, []).append(specimen_id)
    return found


def _scope(viewer: Viewer) -> Q:
    code = viewer.organisation
    if not code:
        return Q()
    return (
        Q(requesting_organisation=code)
        | Q(performing_organisation=code)
        | Q(registered_organisation=code)
    )


def _query(viewer: Viewer, model: type[Row], search: Search) -> QuerySet[Row] | None:
    """The rows that are looked for and may be seen; None where there can be none."""
    viewer.demand(Task.SEE_CLINICAL)
    if search.nothing:
        return None
    wanted = _scope(viewer) & _of_numbers(model, search)
    for ids in search.ids:
        wanted &= Q(pk__in=ids)
    for patients in search.patients:
        wanted &= Q(patient_id__in=patients)
    for statuses in search.statuses:
        wanted &= Q(status__in=statuses)
    for tokens in search.codes:
        wanted &= _coded(tokens, model)
    for ids in search.based_on:
        wanted &= Q(service_request_id__in=ids)
    for ids in search.specimens:
        wanted &= _from_specimens(model, ids)
    for stretch in search.dates:
        wanted &= spans(_DATES[model], stretch)
    for stretch in search.updated:
        wanted &= spans("updated_at", stretch)
    return model.objects.filter(wanted)


def _of_numbers(model: type[Row], search: Search) -> Q:
    """The conditions on the numbers by which senders know a row."""
    wanted = Q()
    for tokens in search.identifiers:
        wanted &= _numbered(model, tokens)
    for tokens in search.accessions:
        wanted &= Q(accession__in=[token.value for token in tokens if not token.system])
    for tokens in search.requisitions:
        wanted &= Q(requisition__in=[token.value for token in tokens if not token.system])
    return wanted


def _of_the_line(search: Search) -> Q:
    """The conditions on an Observation's own columns."""
    wanted = Q()
    for ids in search.ids:
        wanted &= any_of([_line(name) for name in ids])
    for patients in search.patients:
        reports = DiagnosticReport.objects.filter(patient_id__in=patients)
        wanted &= Q(patient_id__in=patients, report_id__in=reports.values("id"))
    for statuses in search.statuses:
        wanted &= Q(status__in=statuses)
    for tokens in search.codes:
        wanted &= _coded(tokens, Observation)
    for stretch in search.dates:
        wanted &= spans("effective_at", stretch)
    return wanted


def _line(name: str) -> Q:
    report_id, _, sequence = name.rpartition("-")
    if report_id and sequence.isascii() and sequence.isdigit() and len(sequence) < 9:
        return Q(report_id=report_id, sequence=int(sequence))
    return Q(report_id__in=[])


def _numbered(model: type[Row], tokens: Sequence[Token]) -> Q:
    """One of these numbers; where the row does not say who gave it, its request may."""
    wanted = []
    for token in tokens:
        for number, authority in _NUMBERS[model]:
            one = Q(**{number: token.value})
            if token.system and authority:
                one &= Q(**{authority: token.system})
            elif token.system:
                one &= _numbered_by_request(model, token, number)
            elif token.system == "" and authority:
                one &= Q(**{authority: ""})
            wanted.append(one)
    return any_of(wanted)


def _numbered_by_request(model: type[Row], token: Token, number: str) -> Q:
    """A report's number was given by who its request says; a specimen's by nobody named."""
    if model is not DiagnosticReport:
        return Q(patient_id__in=[])
    giver = {number.replace("number", "authority"): token.system, number: token.value}
    rows = ServiceRequest.objects.filter(id=OuterRef("service_request_id"), **giver)
    return Q(Exists(rows))


def _coded(tokens: Sequence[Token], model: type) -> Q:
    """One of these codes. A specimen's type does not say whose code it is."""
    column = "type_code" if model is Specimen else "code"
    wanted = []
    for token in tokens:
        one = Q(**{column: token.value}) if token.value else Q()
        if token.system is not None and model is not Specimen:
            one &= Q(**{f"{column}_system": token.system})
        wanted.append(one)
    return any_of(wanted)


def _from_specimens(model: type[Row], ids: Sequence[str]) -> Q:
    if model is DiagnosticReport:
        return Q(specimen_id__in=ids)
    rows = SpecimenRequest.objects.filter(specimen_id__in=ids).values("service_request_id")
    return Q(pk__in=rows)


def _page(
    query: QuerySet[Row], before: str | None, limit: int
) -> tuple[list[Row], bool, int | None]:
    limit = min(limit, PAGE_MOST)
    page = query if before is None else query.filter(pk__lt=before)
    rows = list(page.order_by("-id")[: limit + 1])
    return rows[:limit], len(rows) > limit, _total(query)


def _total(query: QuerySet[Row] | QuerySet[Observation]) -> int | None:
    total = query.order_by()[: COUNT_MOST + 1].count()
    return total if total <= COUNT_MOST else None
