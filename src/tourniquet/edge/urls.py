"""Addresses for machines."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, path

from tourniquet.edge import (
    day_list,
    exercise_control,
    health,
    public_pages,
    receipts,
    vault_files,
)
from tourniquet.edge.fhir import audit_views
from tourniquet.edge.fhir import views as fhir

urlpatterns: list[URLPattern | URLResolver] = [
    path("healthz", health.healthz),
    path("readyz", health.readyz),
    path("metrics", health.metrics),
    path("status/", public_pages.status_page),
    path("status/<str:name>", public_pages.status_page),
    path("fhir/metadata", fhir.metadata),
    path("fhir/AuditEvent/_search", audit_views.search_by_post),
    path("fhir/AuditEvent", audit_views.search_by_get),
    path("fhir/AuditEvent/<str:id_>", audit_views.read),
    path("fhir/<str:kind>/_search", fhir.search_by_post),
    path("fhir/<str:kind>", fhir.search_by_get),
    path("fhir/<str:kind>/<str:id_>", fhir.read),
    path("fhir/", fhir.elsewhere),
    path("fhir/<path:rest>", fhir.elsewhere),
    path("diary/<str:day>.json", day_list.day_list),
    path("notices/receipts", receipts.receipts),
    path("vault/checkpoint", vault_files.checkpoint),
    path("vault/vault.vkey", vault_files.verifier_key),
    path("vault/keys", vault_files.key_list),
    path("vault/tile/<path:name>", vault_files.tile),
    path("vault/body/<str:segment>", vault_files.body),
    path("vault/news", vault_files.news),
    path("vault/cosignature", vault_files.cosignature),
    path("vault-keys", vault_files.wrapped_keys),
    path("vault-erasures", vault_files.erasures),
    path("exercise/clock", exercise_control.clock_to),
    path("exercise/jobs", exercise_control.run_job),
]
