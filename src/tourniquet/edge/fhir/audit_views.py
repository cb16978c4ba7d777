"""The routes under /fhir/AuditEvent: who read whose record, for those who watch over records.

Invariants:
- That somebody looked is an entry before the answer leaves; without it nothing is answered.
- The role decides, not whether it may see clinical records: an administrator sees who read.
"""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse

from tourniquet.directory.roles import Task, Viewer
from tourniquet.edge.access import access
from tourniquet.edge.fhir.audit import find_event, search_events
from tourniquet.edge.fhir.search import Parameters
from tourniquet.edge.fhir.views import (
    FORM,
    answer,
    base_of,
    check_parameters,
    fhir_route,
    find_caller,
    is_strict,
    pairs,
    refuse,
    unknown_caller,
    wrong_method,
)
from tourniquet.flows.see_access import see_access
from tourniquet.kernel.errors import NotFound
from tourniquet.patients.grounds import FHIR
from tourniquet.patients.readings import ReadingSearch
from tourniquet.record.home import clock


@access(Task.SEE_ACCESS.value)
@fhir_route
def search_by_get(http_request: HttpRequest) -> HttpResponse:
    """GET /fhir/AuditEvent?…"""
    if http_request.method not in ("GET", "HEAD"):
        return wrong_method("GET")
    return _search(http_request, pairs(http_request.GET.lists()))


@access(Task.SEE_ACCESS.value)
@fhir_route
def search_by_post(http_request: HttpRequest) -> HttpResponse:
    """POST /fhir/AuditEvent/_search with a form."""
    if http_request.method != "POST":
        return wrong_method("POST")
    if http_request.content_type != FORM:
        return refuse(415, "not-supported", f"The body must be {FORM}.")
    given = [*pairs(http_request.GET.lists()), *pairs(http_request.POST.lists())]
    return _search(http_request, given)


@access(Task.SEE_ACCESS.value)
@fhir_route
def read(http_request: HttpRequest, id_: str) -> HttpResponse:
    """GET /fhir/AuditEvent/ID."""
    if http_request.method not in ("GET", "HEAD"):
        return wrong_method("GET")
    viewer = find_caller(http_request, Task.SEE_ACCESS)
    if viewer is None:
        return unknown_caller()
    found = find_event(viewer, id_)
    if found is None:
        raise NotFound("There is no such AuditEvent, or none that you may see.", where="AuditEvent")
    event, reading = found
    see_access(viewer=viewer, now=clock().now(), patient_ids=(reading.patient_id,), channel=FHIR)
    return answer(event)


def _search(http_request: HttpRequest, given: Parameters) -> HttpResponse:
    viewer = find_caller(http_request, Task.SEE_ACCESS)
    if viewer is None:
        return unknown_caller()
    check_parameters(given)
    bundle, asked = search_events(
        viewer, given, base=base_of(http_request), strict=is_strict(http_request)
    )
    _note(viewer, asked)
    return answer(bundle)


def _note(viewer: Viewer, asked: ReadingSearch) -> None:
    """Whose readings were looked at: one patient's, one account's, or everybody's."""
    now = clock().now()
    people = {one for ids in asked.patients for one in ids}
    accounts = {one for names in asked.accounts for one in names}
    if people and len(asked.patients) == 1:
        see_access(viewer=viewer, now=now, patient_ids=people, channel=FHIR)
        return
    account = accounts.pop() if len(accounts) == 1 else ""
    see_access(viewer=viewer, now=now, account=account, channel=FHIR)
