"""Django's handle on this package: its label, and the loading of what it registers."""

from __future__ import annotations

import importlib

from django.apps import AppConfig


class DirectoryConfig(AppConfig):
    """The directory package as a Django app."""

    name = "tourniquet.directory"
    label = "directory"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        importlib.import_module("tourniquet.directory.apply")
        importlib.import_module("tourniquet.directory.belongings")
