"""Django's handle on this package: its label, and the loading of what it registers."""

from __future__ import annotations

import importlib

from django.apps import AppConfig


class PatientsConfig(AppConfig):
    """The patients package as a Django app."""

    name = "tourniquet.patients"
    label = "patients"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        importlib.import_module("tourniquet.patients.apply")
        importlib.import_module("tourniquet.patients.belongings")
