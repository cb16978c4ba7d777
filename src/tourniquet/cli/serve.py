"""`tourniquet serve`: everything in one process, with one command."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from tourniquet.cli import output
from tourniquet.kernel.errors import OperatorError


@click.command(
    name="serve",
    epilog=output.example(
        "tourniquet serve", "tourniquet serve --home /srv/tourniquet --port 8080 --mllp-port 2575"
    ),
)
@output.home_option
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port", type=click.IntRange(0, 65535), default=8000, show_default=True, help="HTTP; 0: any."
)
@click.option(
    "--mllp-port",
    type=click.IntRange(0, 65535),
    default=2575,
    show_default=True,
    help="HL7 v2 over MLLP; 0: any.",
)
@click.option(
    "--migrate",
    "may_migrate",
    is_flag=True,
    help="Bring PostgreSQL's tables up to date first. SQLite's always are.",
)
@output.json_option
def command(
    *,
    home: Path | None,
    host: str,
    port: int,
    mllp_port: int,
    may_migrate: bool,
    as_json: bool,
) -> None:
    """Serve the console, the public pages, FHIR and the MLLP listener.

    Prints one line when it is ready. SIGTERM and Ctrl-C stop it in order, within 5 seconds. An
    embedded database (SQLite) is made and brought up to date by itself; PostgreSQL, which others
    may share, only with --migrate or `tourniquet migrate`.
    """
    output.configure_django(home=home)
    import uvloop

    from tourniquet.edge.log import log_to_stderr
    from tourniquet.kernel.settings import home as home_folder
    from tourniquet.record.home import open_home
    from tourniquet.site import server

    log_to_stderr()
    with server.home_lock(home_folder()):
        prepare(may_migrate=may_migrate)
        home_mark = open_home()
        (home_folder() / "static").mkdir(exist_ok=True)
        from tourniquet.site.asgi import application

        def ready(addresses: server.Addresses) -> None:
            shown = f"[{addresses.host}]" if ":" in addresses.host else addresses.host
            url = f"http://{shown}:{addresses.port}/"
            mllp = f"{shown}:{addresses.mllp_port}"
            if as_json:
                output.emit_json({"url": url, "mllp": mllp, "home": home_folder()})
            else:
                output.say(
                    f"Tourniquet is ready: {url} (console), MLLP {mllp}, home {home_folder()}"
                )
            sys.stdout.flush()

        addresses = server.Addresses(host, port, mllp_port)
        real = not home_mark.exercise  # an exercise's days are run from outside
        uvloop.run(server.serve(application, addresses, ready, daily_work=real))


def prepare(*, may_migrate: bool) -> None:
    """Bring the tables up to date, where that is ours to decide.

    Raises: OperatorError when it is not.
    """
    from django.core.management import call_command
    from django.db import connection

    from tourniquet.cli.migrate import pending_migrations

    names = pending_migrations()
    if not names:
        return
    if connection.vendor == "postgresql" and not may_migrate:
        raise OperatorError(
            f"The database's tables are not up to date ({len(names)} migrations are pending).",
            where="TOURNIQUET_DATABASE_URL",
            remedy="Run 'tourniquet migrate', or serve with --migrate.",
        )
    call_command("migrate", verbosity=0, interactive=False)
