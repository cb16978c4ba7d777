"""Django's handle on this package: its label, and the loading of what it registers."""

from __future__ import annotations

import importlib

from django.apps import AppConfig


class TriageConfig(AppConfig):
    """The triage package as a Django app."""

    name = "tourniquet.triage"
    label = "triage"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        importlib.import_module("tourniquet.triage.apply")
        importlib.import_module("tourniquet.triage.belongings")
