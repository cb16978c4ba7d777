"""Addresses for machines."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, path

from tourniquet.edge import health

urlpatterns: list[URLPattern | URLResolver] = [
    path("healthz", health.healthz),
    path("readyz", health.readyz),
    path("metrics", health.metrics),
]
