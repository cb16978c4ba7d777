"""Searches of each kind of resource: which parameters it has, and what they ask of the rows.

Steps of `search`:
1. Sort the parameters: understood, of the result (_count, _cursor, _format), and unknown. Under
   strict handling an unknown one is an error.
2. Read each into a condition; a value that cannot be read is an error.
3. Ask the domain for one page, as the viewer may see it.
4. Write the resources and the mark of the next page.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from tourniquet.directory.roles import Viewer
from tourniquet.edge.fhir import parameters as read
from tourniquet.edge.fhir import resources, systems
from tourniquet.edge.fhir.bundle import CURSOR, read_cursor, searchset, write_cursor
from tourniquet.kernel.errors import UserError
from tourniquet.pathology import fhir_queries as pathology
from tourniquet.pathology.fhir_queries import Search
from tourniquet.pathology.models import DiagnosticReport
from tourniquet.patients import fhir_queries as patients
from tourniquet.patients.fhir_queries import PatientSearch

Json: TypeAlias = dict[str, Any]  # Any: the shapes are FHIR's, checked against fhir.resources
Parameters: TypeAlias = list[tuple[str, str]]

COUNT_DEFAULT = 50
COUNT_MOST = 500
OF_THE_RESULT = ("_count", "_format", "_pretty", "_total", CURSOR)

PARAMETERS: dict[str, dict[str, str]] = {
    "Patient": {
        "_id": "token",
        "_lastUpdated": "date",
        "identifier": "token",
        "family": "string",
        "birthdate": "date",
    },
    "ServiceRequest": {
        "_id": "token",
        "_lastUpdated": "date",
        "authored": "date",
        "category": "token",
        "code": "token",
        "identifier": "token",
        "patient": "reference",
        "requisition": "token",
        "specimen": "reference",
        "status": "token",
        "subject": "reference",
    },
    "Specimen": {
        "_id": "token",
        "_lastUpdated": "date",
        "accession": "token",
        "collected": "date",
        "identifier": "token",
        "patient": "reference",
        "status": "token",
        "subject": "reference",
        "type": "token",
    },
    "DiagnosticReport": {
        "_id": "token",
        "_lastUpdated": "date",
        "based-on": "reference",
        "category": "token",
        "code": "token",
        "date": "date",
        "identifier": "token",
        "patient": "reference",
        "specimen": "reference",
        "status": "token",
        "subject": "reference",
    },
    "Observation": {
        "_id": "token",
        "_lastUpdated": "date",
        "based-on": "reference",
        "category": "token",
        "code": "token",
        "date": "date",
        "identifier": "token",
        "patient": "reference",
        "specimen": "reference",
        "status": "token",
        "subject": "reference",
    },
}
_CATEGORY = {
    "ServiceRequest": (systems.REQUEST_CATEGORY, systems.SNOMED),
    "DiagnosticReport": ("LAB", systems.V2_0074),
    "Observation": ("laboratory", systems.OBSERVATION_CATEGORY),
}


@dataclass
class _Gathered:
    """The conditions as they are read."""

    pathology: dict[str, list[Any]]  # Any: tuples of each field of Search
    nothing: bool = False

    def add(self, field: str, condition: object) -> None:
        self.pathology.setdefault(field, []).append(condition)

    def conditions(self) -> Search:
        found = {name: tuple(conditions) for name, conditions in self.pathology.items()}
        return Search(nothing=self.nothing, **found)


def is_understood(kind: str, name: str) -> bool:
    """Whether a search of this kind reads the parameter."""
    plain = name.removesuffix(":Patient") if name.startswith(("patient", "subject")) else name
    if plain in ("patient.identifier", "subject.identifier", "subject:Patient.identifier"):
        return "patient" in PARAMETERS[kind]
    return plain in PARAMETERS[kind]


def search(viewer: Viewer, kind: str, given: Parameters, *, base: str, strict: bool) -> Json:
    """The Bundle that answers a search.

    Raises: UserError naming the parameter that cannot be read.
    """
    # 1. Sort.
    names = [name for name, _ in given]
    unknown = sorted({n for n in names if n not in OF_THE_RESULT and not is_understood(kind, n)})
    if unknown and strict:
        raise UserError(
            "These parameters are not understood: " + ", ".join(unknown) + ".",
            remedy="See /fhir/metadata, or search without Prefer: handling=strict.",
        )
    asked = [(n, v) for n, v in given if n not in OF_THE_RESULT and n not in unknown]
    result = {name: value for name, value in given if name in OF_THE_RESULT}
    count = read_count(result.get("_count", ""))
    # 2. to 4.
    page = _PAGES[kind](viewer, asked, result.get(CURSOR, ""), count)
    used = [(n, v) for n, v in given if n not in unknown and n != "_format"]
    return searchset(
        base=base,
        kind=kind,
        parameters=used,
        resources=page.resources,
        total=page.total,
        following=page.following,
        ignored=unknown,
    )


def read_one(viewer: Viewer, kind: str, id_: str) -> Json | None:
    """One resource, or None where there is none that the viewer may see."""
    found = _PAGES[kind](viewer, [("_id", id_)], "", 1).resources
    return found[0] if found else None


@dataclass(frozen=True)
class _Page:
    resources: list[Json]
    total: int | None
    following: str


def read_count(text: str) -> int:
    """How many a page has. Raises: UserError where it is no number."""
    if not text:
        return COUNT_DEFAULT
    if not (text.isascii() and text.isdigit()) or len(text) > 9:
        raise read.bad("_count", "The parameter is not a whole number.")
    return max(1, min(int(text), COUNT_MOST))


# Patient ----------------------------------------------------------------------------------------


def _patients(viewer: Viewer, asked: Parameters, cursor: str, count: int) -> _Page:
    wanted: dict[str, list[Any]] = {}  # Any: tuples of each field of PatientSearch
    for name, value in asked:
        if name == "_id":
            wanted.setdefault("ids", []).append(read.ids(name, value))
        elif name == "_lastUpdated":
            wanted.setdefault("updated", []).append(read.dates(name, value))
        elif name == "identifier":
            wanted.setdefault("identifiers", []).append(_or_any(name, value))
        elif name == "family":
            wanted.setdefault("families", []).append(read.alternatives(name, value))
        else:
            wanted.setdefault("born", []).append(read.days(name, value))
    search_ = PatientSearch(**{name: tuple(each) for name, each in wanted.items()})
    page = patients.list_patients(
        viewer,
        search_,
        named=pathology.named_patients(viewer),
        before=read_cursor(cursor, str)[0] if cursor else None,
        limit=count,
    )
    found = [resources.patient(row, page.identifiers.get(row.id, [])) for row in page.patients]
    following = write_cursor([page.patients[-1].id]) if page.more else ""
    return _Page(found, page.total, following)


def _or_any(name: str, value: str) -> tuple[patients.Token, ...]:
    """Identifiers of patients; `system|` alone finds whoever has one of that system."""
    if value.endswith("|") and "," not in value:
        (token,) = read.tokens(name, value)
        return (patients.Token("", systems.authority_of(token.system or "")),)
    return read.patient_numbers(name, value)


# Requests, specimens, reports, observations -----------------------------------------------------


def _gather(viewer: Viewer, kind: str, asked: Parameters) -> Search:
    found = _Gathered({})
    for name, value in asked:
        if name.startswith(("patient", "subject")):
            _gather_patient(viewer, name, value, found)
        elif name == "category":
            if not _has_category(kind, name, value):
                found.nothing = True
        elif name == "code" and kind == "DiagnosticReport" and _is_any_report(name, value):
            continue
        else:
            field, reader = _READERS[name]
            found.add(field, reader(name, value))
    return found.conditions()


def _gather_patient(viewer: Viewer, name: str, value: str, found: _Gathered) -> None:
    if name.endswith(".identifier"):
        numbers = read.patient_numbers(name, value)
        found.add("patients", patients.find_ids_by_identifier(viewer, numbers))
    else:
        ids = read.ids(name, value, "Patient")
        found.add("patients", patients.same_person(viewer, ids))


def _has_category(kind: str, name: str, value: str) -> bool:
    code, system = _CATEGORY[kind]
    return any(
        token.value in ("", code) and token.system in (None, system)
        for token in read.tokens(name, value)
    )


def _is_any_report(name: str, value: str) -> bool:
    """Every report has this code beside its own."""
    return any(
        token.value == systems.REPORT_CODE and token.system in (None, systems.SNOMED)
        for token in read.tokens(name, value)
    )


def _statuses(name: str, value: str) -> tuple[str, ...]:
    return tuple(token.value for token in read.tokens(name, value))


def _requests(name: str, value: str) -> tuple[str, ...]:
    return read.ids(name, value, "ServiceRequest")


def _specimen_ids(name: str, value: str) -> tuple[str, ...]:
    return read.ids(name, value, "Specimen")


_Reader: TypeAlias = Callable[[str, str], Sequence[object]]
_READERS: dict[str, tuple[str, _Reader]] = {
    "_id": ("ids", read.ids),
    "_lastUpdated": ("updated", read.dates),
    "accession": ("accessions", read.numbers),
    "authored": ("dates", read.dates),
    "based-on": ("based_on", _requests),
    "code": ("codes", read.codes),
    "collected": ("dates", read.dates),
    "date": ("dates", read.dates),
    "identifier": ("identifiers", read.numbers),
    "requisition": ("requisitions", read.numbers),
    "specimen": ("specimens", _specimen_ids),
    "status": ("statuses", _statuses),
    "type": ("codes", read.codes),
}


def _service_requests(viewer: Viewer, asked: Parameters, cursor: str, count: int) -> _Page:
    before = read_cursor(cursor, str)[0] if cursor else None
    page = pathology.list_service_requests(
        viewer, _gather(viewer, "ServiceRequest", asked), before=before, limit=count
    )
    specimens = pathology.list_specimens_of(viewer, [row.id for row in page.requests])
    found = [resources.service_request(row, specimens.get(row.id, [])) for row in page.requests]
    return _Page(found, page.total, write_cursor([page.requests[-1].id]) if page.more else "")


def _specimens(viewer: Viewer, asked: Parameters, cursor: str, count: int) -> _Page:
    before = read_cursor(cursor, str)[0] if cursor else None
    page = pathology.list_specimens(
        viewer, _gather(viewer, "Specimen", asked), before=before, limit=count
    )
    requests = pathology.list_requests_of(viewer, [row.id for row in page.specimens])
    found = [resources.specimen(row, requests.get(row.id, [])) for row in page.specimens]
    return _Page(found, page.total, write_cursor([page.specimens[-1].id]) if page.more else "")


def _reports(viewer: Viewer, asked: Parameters, cursor: str, count: int) -> _Page:
    before = read_cursor(cursor, str)[0] if cursor else None
    page = pathology.list_reports(
        viewer, _gather(viewer, "DiagnosticReport", asked), before=before, limit=count
    )
    lines = pathology.list_lines_of(viewer, [row.id for row in page.reports])
    known = _authorities(viewer, page.reports)
    found = [
        resources.diagnostic_report(
            row, lines.get(row.id, []), resources.authorities_of(row, known)
        )
        for row in page.reports
    ]
    return _Page(found, page.total, write_cursor([page.reports[-1].id]) if page.more else "")


def _observations(viewer: Viewer, asked: Parameters, cursor: str, count: int) -> _Page:
    key = read_cursor(cursor, str, int) if cursor else None
    page = pathology.list_observations(
        viewer,
        _gather(viewer, "Observation", asked),
        before=(key[0], key[1]) if key else None,
        limit=count,
    )
    reports = {report.id: report for report in page.reports}
    known = _authorities(viewer, page.reports)
    found = [
        resources.observation(
            row, reports[row.report_id], resources.authorities_of(reports[row.report_id], known)
        )
        for row in page.observations
        if row.report_id in reports
    ]
    last = page.observations[-1] if page.more else None
    following = write_cursor([last.report_id, last.sequence]) if last else ""
    return _Page(found, page.total, following)


def _authorities(viewer: Viewer, reports: Sequence[DiagnosticReport]) -> dict[str, tuple[str, str]]:
    ids = {row.service_request_id for row in reports if row.service_request_id}
    return pathology.list_authorities(viewer, ids)


_PAGES: dict[str, Callable[[Viewer, Parameters, str, int], _Page]] = {
    "Patient": _patients,
    "ServiceRequest": _service_requests,
    "Specimen": _specimens,
    "DiagnosticReport": _reports,
    "Observation": _observations,
}
