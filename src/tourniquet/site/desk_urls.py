"""Root of the downtime desk's addresses."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, include, path

urlpatterns: list[URLPattern | URLResolver] = [path("", include("tourniquet.web.desk.urls"))]
handler400 = "tourniquet.web.desk.errors.bad_request"
handler403 = "tourniquet.web.desk.errors.forbidden"
handler404 = "tourniquet.web.desk.errors.not_found"
handler500 = "tourniquet.web.desk.errors.server_error"
