"""`tourniquet region`: the organisations of a region."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import click

from tourniquet.cli import output


@click.group(name="region", epilog=output.example("tourniquet region import-ods practices.csv"))
def command() -> None:
    """Import the organisations of a region."""


@command.command(
    name="import-ods", epilog=output.example("tourniquet region import-ods practices.csv --json")
)
@click.argument("file", type=output.path_argument_type())
@output.home_option
@output.json_option
def import_ods_command(*, file: Path, home: Path | None, as_json: bool) -> None:
    """Import FILE, a list of practices as the Organisation Data Service publishes it.

    No header, 27 columns. Closed practices are listed as closed. A fault in any row ends the import
    with its line and column, and nothing is imported.
    """
    output.configure_django(home=home)
    from tourniquet.flows.import_organisations import import_ods
    from tourniquet.record.home import clock, open_home

    open_home()
    done = import_ods(file, now=clock().now(), actor=output.operator())
    if as_json:
        output.emit_json(dataclasses.asdict(done))
        return
    output.say(
        f"{done.read} practices read: {done.open} open, {done.closed} not. "
        f"{done.listed} listed, {done.unchanged} as they were."
    )
