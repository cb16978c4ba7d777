"""Root of all addresses: the people's from web, the machines' from edge."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, include, path

urlpatterns: list[URLPattern | URLResolver] = [
    path("", include("tourniquet.edge.urls")),
    path("", include("tourniquet.web.urls")),
]
handler400 = "tourniquet.web.errors.bad_request"
handler403 = "tourniquet.web.errors.forbidden"
handler404 = "tourniquet.web.errors.not_found"
handler500 = "tourniquet.web.errors.server_error"
