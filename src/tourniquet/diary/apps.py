"""Django's handle on this package: its label, and the loading of what it registers."""

from __future__ import annotations

import importlib

from django.apps import AppConfig


class DiaryConfig(AppConfig):
    """The diary package as a Django app."""

    name = "tourniquet.diary"
    label = "diary"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        importlib.import_module("tourniquet.diary.apply")
        importlib.import_module("tourniquet.diary.belongings")
