"""The routes under /fhir/.

Invariants:
- Every answer is application/fhir+json; every failure is an OperationOutcome.
- Nothing but /fhir/metadata is answered without a bearer token or a session.
- What a viewer may not see does not exist (404).
- Whose records an answer tells of is in the journal before the answer leaves.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from functools import wraps
from typing import Any, TypeAlias

import orjson
from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt

from tourniquet.directory.roles import Task, Viewer
from tourniquet.edge.access import access, is_session, viewer_of
from tourniquet.edge.fhir.bundle import outcome
from tourniquet.edge.fhir.capability import capability_statement
from tourniquet.edge.fhir.search import PARAMETERS, Parameters, read_one, search
from tourniquet.edge.log import log_fault
from tourniquet.flows.read_by_machine import read_by_machine
from tourniquet.kernel.clock import london_midnight, service_day
from tourniquet.kernel.errors import (
    LimitReached,
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
FORM = "application/x-www-form-urlencoded"


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
    if isinstance(error, LimitReached):
        response = refuse(429, "throttled", str(error))
        now = clock().now()
        tomorrow = london_midnight(service_day(now) + timedelta(days=1))
        response["Retry-After"] = str(max(1, int((tomorrow - now).total_seconds())))
        return response
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


def fhir_route(view: View) -> View:
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


def find_caller(http_request: HttpRequest, task: Task = Task.SEE_CLINICAL) -> Viewer | None:
    """Who asks, or None. Raises: PermissionRefused where the role does not allow the task."""
    viewer = viewer_of(http_request)
    if viewer is not None:
        viewer.demand(task)
    return viewer


def unknown_caller() -> HttpResponse:
    """401."""
    response = refuse(401, "login", "A bearer token is needed: tourniquet users token NAME.")
    response["WWW-Authenticate"] = 'Bearer realm="Tourniquet"'
    return response


def wrong_method(allowed: str) -> HttpResponse:
    """405."""
    response = refuse(405, "not-supported", f"This address takes {allowed}.")
    response["Allow"] = allowed
    return response


def base_of(http_request: HttpRequest) -> str:
    """The address under which this server is asked."""
    return http_request.build_absolute_uri("/fhir")


@access("public")
@fhir_route
def metadata(http_request: HttpRequest) -> HttpResponse:
    """The CapabilityStatement."""
    if http_request.method not in ("GET", "HEAD"):
        return wrong_method("GET")
    return answer(capability_statement(base_of(http_request), clock().now()))


@access(Task.SEE_CLINICAL.value)
@fhir_route
def search_by_get(http_request: HttpRequest, kind: str) -> HttpResponse:
    """GET /fhir/KIND?…"""
    if http_request.method not in ("GET", "HEAD"):
        return wrong_method("GET")
    return _search(http_request, kind, list(pairs(http_request.GET.lists())))


@access(Task.SEE_CLINICAL.value)
@fhir_route
def search_by_post(http_request: HttpRequest, kind: str) -> HttpResponse:
    """POST /fhir/KIND/_search with a form."""
    if http_request.method != "POST":
        return wrong_method("POST")
    if http_request.content_type != FORM:
        return refuse(415, "not-supported", f"The body must be {FORM}.")
    given = [*pairs(http_request.GET.lists()), *pairs(http_request.POST.lists())]
    return _search(http_request, kind, given)


@access(Task.SEE_CLINICAL.value)
@fhir_route
def read(http_request: HttpRequest, kind: str, id_: str) -> HttpResponse:
    """GET /fhir/KIND/ID."""
    if http_request.method not in ("GET", "HEAD"):
        return wrong_method("GET")
    viewer = find_caller(http_request)
    if viewer is None:
        return unknown_caller()
    _demand_kind(kind)
    resource = read_one(viewer, kind, id_) if len(id_) <= 64 else None
    if resource is None:
        raise NotFound("There is no such resource, or none that you may see.", where=kind)
    _note(http_request, viewer, [resource])
    response = answer(resource)
    if http_request.headers.get("If-None-Match", "") == response["ETag"]:
        etag = response["ETag"]
        response = HttpResponse(status=304)
        response["ETag"] = etag
    return response


@access(Task.SEE_CLINICAL.value)
@fhir_route
def elsewhere(http_request: HttpRequest, rest: str = "") -> HttpResponse:  # the route's
    """Whatever else is asked under /fhir/."""
    if find_caller(http_request) is None:
        return unknown_caller()
    return refuse(404, "not-found", "There is nothing at this address. See /fhir/metadata.")


def _demand_kind(kind: str) -> None:
    if kind not in PARAMETERS:
        raise NotFound("Resources of this type are not served.", remedy="See /fhir/metadata.")


def check_parameters(given: Parameters) -> None:
    """Raises: UserError where there are too many, or one holds what no value has."""
    if len(given) > PARAMETERS_MOST:
        raise UserError(f"A search has at most {PARAMETERS_MOST} parameters.")
    if any("\x00" in value for _, value in given):
        raise UserError("A parameter holds a character that no value has.")


def is_strict(http_request: HttpRequest) -> bool:
    """Whether a parameter that is not understood is to be an error."""
    return "handling=strict" in http_request.headers.get("Prefer", "").replace(" ", "")


def pairs(lists: Any) -> Parameters:  # Any: Django's QueryDict gives untyped lists
    """Parameters in order, a repeated one as often as it was sent."""
    return [(str(name), str(value)) for name, values in lists for value in values]


def _search(http_request: HttpRequest, kind: str, given: Parameters) -> HttpResponse:
    viewer = find_caller(http_request)
    if viewer is None:
        return unknown_caller()
    _demand_kind(kind)
    check_parameters(given)
    strict = is_strict(http_request)
    bundle = search(viewer, kind, given, base=base_of(http_request), strict=strict)
    _note(http_request, viewer, [entry["resource"] for entry in bundle.get("entry", [])])
    return answer(bundle)


def _note(http_request: HttpRequest, viewer: Viewer, resources: list[Json]) -> None:
    """Write down whose records are read, before they leave."""
    found = set()
    for resource in resources:
        if resource["resourceType"] == "Patient":
            found.add(resource["id"])
        elif "subject" in resource:
            found.add(resource["subject"]["reference"].removeprefix("Patient/"))
    read_by_machine(found, viewer=viewer, now=clock().now(), session=is_session(http_request))
