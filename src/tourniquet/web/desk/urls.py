"""Addresses of the downtime desk. None of the console's is served by it."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, URLResolver, path, register_converter

from tourniquet.web.access import public
from tourniquet.web.desk import patients, session
from tourniquet.web.urls import IdConverter

register_converter(IdConverter, "id")


@public
def alive(http_request: HttpRequest) -> HttpResponse:
    """The process answers; says nothing of anybody."""
    return HttpResponse("ok\n", content_type="text/plain; charset=utf-8")


urlpatterns: list[URLPattern | URLResolver] = [
    path("", patients.find),
    path("healthz", alive),
    path("sign-in/", session.sign_in),
    path("sign-out/", session.sign_out),
    path("unlock/", session.unlock),
    path("patients/<id:patient_id>/", patients.record),
    path("patients/<id:patient_id>/open/", patients.open_record),
]
