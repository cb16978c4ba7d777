"""The list of a day for clinics' own systems: GET /diary/YYYY-MM-DD.json."""

from __future__ import annotations

from datetime import date

from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed

from tourniquet.diary.day_queries import list_day
from tourniquet.directory.roles import Task
from tourniquet.edge.access import access, viewer_of
from tourniquet.edge.machine import nothing_here, token_needed, write_json


@access(Task.SEE_CLINICAL.value)
def day_list(http_request: HttpRequest, day: str) -> HttpResponse:
    """The appointments of a service day; a clinic sees its own. `?clinic=ODS` narrows it."""
    if http_request.method not in ("GET", "HEAD"):
        return HttpResponseNotAllowed(["GET", "HEAD"])
    viewer = viewer_of(http_request)
    if viewer is None:
        return token_needed()
    try:
        wanted = date.fromisoformat(day)
    except ValueError:
        return nothing_here()
    return write_json(list_day(viewer, wanted, clinic=http_request.GET.get("clinic", "")))
