"""Every migration applies to both databases, and the models hold nothing that no migration has."""

from __future__ import annotations

from io import StringIO

from tests.support.database import Database, Databases


def test_models_and_migrations_agree(sqlite_database: Database) -> None:
    from django.core.management import call_command

    told = StringIO()
    try:
        call_command("makemigrations", check=True, dry_run=True, stdout=told, stderr=told)
    except SystemExit:
        raise AssertionError(f"a migration is missing:\n{told.getvalue()}") from None


def test_every_migration_applies(database: Database) -> None:
    from tourniquet.cli.migrate import pending_migrations

    assert pending_migrations() == []


def test_both_databases_get_the_same_tables(databases: Databases) -> None:
    databases.new("sqlite")
    embedded = _columns()
    databases.new("postgresql")
    assert _columns() == embedded
    assert any(table.startswith("record_") for table in embedded)


def test_no_table_of_ours_counts_its_rows_for_a_key(sqlite_database: Database) -> None:
    """Replay gives the same keys only where no database hands them out."""
    from django.apps import apps
    from django.db.models import AutoField

    counted = [
        model._meta.label
        for model in apps.get_models()
        if model.__module__.startswith("tourniquet.") and isinstance(model._meta.pk, AutoField)
    ]
    assert counted == []


def _columns() -> dict[str, set[str]]:
    from django.db import connection

    with connection.cursor() as cursor:
        return {
            table: {
                column.name
                for column in connection.introspection.get_table_description(cursor, table)
            }
            for table in connection.introspection.table_names(cursor)
        }
