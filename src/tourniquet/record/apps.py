"""Django's handle on this package: its label, and the loading of what it registers."""

from __future__ import annotations

import importlib

from django.apps import AppConfig


class RecordConfig(AppConfig):
    """The record package as a Django app."""

    name = "tourniquet.record"
    label = "record"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        importlib.import_module("tourniquet.record.apply")
        importlib.import_module("tourniquet.record.belongings")
