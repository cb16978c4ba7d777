"""Django's handle on this package: its label, and the loading of what it registers."""

from __future__ import annotations

import importlib

from django.apps import AppConfig


class IncidentConfig(AppConfig):
    """The incident package as a Django app."""

    name = "tourniquet.incident"
    label = "incident"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        importlib.import_module("tourniquet.incident.apply")
        importlib.import_module("tourniquet.incident.belongings")
