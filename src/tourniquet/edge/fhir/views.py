"""The routes under /fhir/.

Invariants:
- Every answer is application/fhir+json; every failure is an OperationOutcome.
- Nothing but /fhir/metadata is answered without a bearer token or a session.
- What a viewer may not see does not exist (404).
- Whose records an answer tells of is in the journal before the answer leaves.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeAlias

import orjson
from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt

from tourniquet.directory.roles import Task, Viewer
from tourniquet.edge.access import access, viewer_of
from tourniquet.edge.fhir.bundle import outcome
from tourniquet.edge.fhir.capability import capability_statement
from tourniquet.edge.fhir.search import PARAMETERS, Parameters, read_one, search
from tourniquet.edge.log import log_fault
from tourniquet.flows.read_by_machine import read_by_machine
from tourniquet.kernel.errors import (
    NotFound,
    PermissionRefused,
    SenderError,
    StorageUnavailable,
    TourniquetError,
    UserError,
)
from tourniquet.record.database import storage_errors
from tourniquet.record.home import clock

Json: TypeAlias = dict[str, Any]  # Any: the shapes are FHIR's, checked against fhir.resources
View: TypeAlias = Callable[..., HttpResponse]
CONTENT_TYPE = "application/fhir+json; charset=utf-8"
PARAMETERS_MOST = 100
_FORMATS = frozenset({"json", "application/json", "application/fhir+json", "text/json"})
_ACCEPTED = ("application/fhir+json", "application/json", "application/*", "*/*", "text/json")
_FORM = "application/x-www-form-urlencoded"


def answer(resource: Json, status: int = 200) -> HttpResponse:
    """A resource as FHIR JSON, with its version where it has one."""
    response = HttpResponse(orjson.dumps(resource), status=status, content_type=CONTENT_TYPE)
    meta = resource.get("meta") or {}
    if "versionId" in meta:
        response["ETag"] = f'W/"{meta["versionId"]}"'
    return response


def refuse(status: int, code: str, text: str) -> HttpResponse:
    """An OperationOutcome."""
    return answer(outcome("error", code, text), status)


def _refusal(error: TourniquetError) -> HttpResponse:
    if isinstance(error, PermissionRefused):
        return refuse(403, "forbidden", str(error))
    if isinstance(error, NotFound):
        return refuse(404, "not-found", str(error))
    if isinstance(error, UserError | SenderError):
        return refuse(400, "invalid", str(error))
    if isinstance(error, StorageUnavailable):
        return refuse(503, "transient", "The database does not answer. Try again.")
    log_fault("fhir.failed", error)
    return refuse(500, "exception", "Something went wrong here. Try again later.")


def _fhir(view: View) -> View:
    """What every route has in common: formats, errors."""

    @csrf_exempt
    @wraps(view)
    def wrapped(http_request: HttpRequest, **kwargs: str) -> HttpResponse:
        if not _accepts(http_request):
            return refuse(406, "not-supported", "Only application/fhir+json is served.")
        try:
            with storage_errors():
                return view(http_request, **kwargs)
        except TourniquetError as error:
            return _refusal(error)

    return wrapped


def _accepts(http_request: HttpRequest) -> bool:
    wanted = http_request.GET.get("_format", "")
    if wanted:
        return wanted.split(";")[0].replace(" ", "+").lower() in _FORMATS
    accepted = http_request.headers.get("Accept", "*/*")
    return any(part.split(";")[0].strip().lower() in _ACCEPTED for part in accepted.split(","))


def _viewer(http_request: HttpRequest) -> Viewer | None:
    viewer = viewer_of(http_request)
    if viewer is not None:
        viewer.demand(Task.SEE_CLINICAL)
    return viewer


def _unknown_caller() -> HttpResponse:
    response = refuse(401, "login", "A bearer token is needed: tourniquet users token NAME.")
    response["WWW-Authenticate"] = 'Bearer realm="Tourniquet"'
    return response


def _wrong_method(allowed: str) -> HttpResponse:
    response = refuse(405, "not-supported", f"This address takes {allowed}.")
    response["Allow"] = allowed
    return response


def _base(http_request: HttpRequest) -> str:
    return http_request.build_absolute_uri("/fhir")


@access("public")
@_fhir
def metadata(http_request: HttpRequest) -> HttpResponse:
    """The CapabilityStatement."""
    if http_request.method not in ("GET", "HEAD"):
        return _wrong_method("GET")
    return answer(capability_statement(_base(http_request), clock().now()))


@access(Task.SEE_CLINICAL.value)
@_fhir
def search_by_get(http_request: HttpRequest, kind: str) -> HttpResponse:
    """GET /fhir/KIND?…"""
    if http_request.method not in ("GET", "HEAD"):
        return _wrong_method("GET")
    return _search(http_request, kind, list(_pairs(http_request.GET.lists())))


@access(Task.SEE_CLINICAL.value)
@_fhir
def search_by_post(http_request: HttpRequest, kind: str) -> HttpResponse:
    """POST /fhir/KIND/_search with a form."""
    if http_request.method != "POST":
        return _wrong_method("POST")
    if http_request.content_type != _FORM:
        return refuse(415, "not-supported", f"The body must be {_FORM}.")
    given = [*_pairs(http_request.GET.lists()), *_pairs(http_request.POST.lists())]
    return _search(http_request, kind, given)


@access(Task.SEE_CLINICAL.value)
@_fhir
def read(http_request: HttpRequest, kind: str, id_: str) -> HttpResponse:
    """GET /fhir/KIND/ID."""
    if http_request.method not in ("GET", "HEAD"):
        return _wrong_method("GET")
    viewer = _viewer(http_request)
    if viewer is None:
        return _unknown_caller()
    _demand_kind(kind)
    resource = read_one(viewer, kind, id_) if len(id_) <= 64 else None
    if resource is None:
        raise NotFound("There is no such resource, or none that you may see.", where=kind)
    _note(viewer, [resource])
    response = answer(resource)
    if http_request.headers.get("If-None-Match", "") == response["ETag"]:
        etag = response["ETag"]
        response = HttpResponse(status=304)
        response["ETag"] = etag
    return response


@access(Task.SEE_CLINICAL.value)
@_fhir
def elsewhere(http_request: HttpRequest, rest: str = "") -> HttpResponse:  # the route's
    """Whatever else is asked under /fhir/."""
    if _viewer(http_request) is None:
        return _unknown_caller()
    return refuse(404, "not-found", "There is nothing at this address. See /fhir/metadata.")


def _demand_kind(kind: str) -> None:
    if kind not in PARAMETERS:
        raise NotFound("Resources of this type are not served.", remedy="See /fhir/metadata.")


def _pairs(lists: Any) -> Parameters:  # Any: Django's QueryDict gives untyped lists
    return [(str(name), str(value)) for name, values in lists for value in values]


def _search(http_request: HttpRequest, kind: str, given: Parameters) -> HttpResponse:
    viewer = _viewer(http_request)
    if viewer is None:
        return _unknown_caller()
    _demand_kind(kind)
    if len(given) > PARAMETERS_MOST:
        raise UserError(f"A search has at most {PARAMETERS_MOST} parameters.")
    if any("\x00" in value for _, value in given):
        raise UserError("A parameter holds a character that no value has.")
    strict = "handling=strict" in http_request.headers.get("Prefer", "").replace(" ", "")
    bundle = search(viewer, kind, given, base=_base(http_request), strict=strict)
    _note(viewer, [entry["resource"] for entry in bundle.get("entry", [])])
    return answer(bundle)


def _note(viewer: Viewer, resources: list[Json]) -> None:
    """Write down whose records are read, before they leave."""
    found = set()
    for resource in resources:
        if resource["resourceType"] == "Patient":
            found.add(resource["id"])
        elif "subject" in resource:
            found.add(resource["subject"]["reference"].removeprefix("Patient/"))
    read_by_machine(found, viewer=viewer, now=clock().now())
