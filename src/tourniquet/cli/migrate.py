"""`tourniquet migrate`: bring the database's tables up to date."""

from __future__ import annotations

from pathlib import Path

import click

from tourniquet.cli import output
from tourniquet.kernel.errors import OperatorError


@click.command(
    name="migrate",
    epilog=output.example("tourniquet migrate", "tourniquet migrate --only-check"),
)
@output.home_option
@click.option("--only-check", is_flag=True, help="Change nothing; exit 1 if there is work to do.")
@output.json_option
def command(*, home: Path | None, only_check: bool, as_json: bool) -> None:
    """Bring the database's tables up to date, making them where there are none.

    Safe to repeat: what was done is not done again. Make a backup before an upgrade.
    """
    output.configure_django(home=home)
    names = pending_migrations()
    if names and only_check:
        raise OperatorError(
            f"{len(names)} migrations are pending ({names[0]} first).",
            remedy="Run 'tourniquet migrate'.",
        )
    if names:
        from django.core.management import call_command

        call_command("migrate", verbosity=0, interactive=False)
    if as_json:
        output.emit_json({"applied": names})
    elif names:
        output.say(f"Applied {len(names)} migrations: {', '.join(names)}.")
    else:
        output.say("The tables are up to date.")


def pending_migrations() -> list[str]:
    """The migrations not yet applied, as APP.NAME, in the order in which they would be."""
    from django.db import connection
    from django.db.migrations.executor import MigrationExecutor

    executor = MigrationExecutor(connection)
    plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    return [f"{migration.app_label}.{migration.name}" for migration, _ in plan]
