"""Addresses of the downtime desk. None of the console's is served by it."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, URLResolver, path

from tourniquet.web import urls as console  # declares the converters of ids
from tourniquet.web.access import public
from tourniquet.web.desk import forms, keying, patients, session


@public
def alive(http_request: HttpRequest) -> HttpResponse:
    """The process answers; says nothing of anybody."""
    return HttpResponse("ok\n", content_type="text/plain; charset=utf-8")


_CONVERTERS = (console.IdConverter, console.PositionConverter)
urlpatterns: list[URLPattern | URLResolver] = [
    path("", patients.find),
    path("healthz", alive),
    path("sign-in/", session.sign_in),
    path("sign-out/", session.sign_out),
    path("unlock/", session.unlock),
    path("patients/<id:patient_id>/", patients.record),
    path("patients/<id:patient_id>/open/", patients.open_record),
    path("forms/", forms.show),
    path("forms/<position:line>/requests.pdf", forms.requests_pdf),
    path("forms/<position:line>/labels.pdf", forms.labels_pdf),
    path("forms/void/", forms.void),
    path("forms/unused/", forms.unused),
    path("results/", keying.show),
    path("results/key/", keying.key),
    path("results/<position:line>/call/", keying.call),
]
