"""`tourniquet record`: the journal, looked at, replayed, sealed and verified."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tourniquet.cli import (
    output,
    record_desk,
    record_doctor,
    record_erase,
    record_history,
    record_keys,
    record_prove,
    record_replica,
    record_restore,
    record_seal,
    record_verify,
)
from tourniquet.kernel.errors import IntegrityError, UserError

if TYPE_CHECKING:
    from tourniquet.record.replay import TableComparison
    from tourniquet.record.witness import Protection


@click.group(
    name="record",
    epilog=output.example("tourniquet record status", "tourniquet record replay --into ./copy"),
)
def command() -> None:
    """Look at the journal, replay it, seal it into the vault, and verify the vault."""


command.add_command(record_seal.command)
command.add_command(record_verify.command)
command.add_command(record_restore.command)
command.add_command(record_replica.command)
command.add_command(record_prove.command)
command.add_command(record_keys.command)
command.add_command(record_doctor.command)
command.add_command(record_erase.command)


command.add_command(record_history.command)
for desk_command in (record_desk.account, record_desk.reserve, record_desk.reconcile):
    command.add_command(desk_command)


@command.command(name="status", epilog=output.example("tourniquet record status --json"))
@output.home_option
@output.json_option
def status(*, home: Path | None, as_json: bool) -> None:
    """Where the journal stands: head, chain, what is sealed, entries by kind, the mark."""
    output.configure_django(home=home)
    from django.db.models import Count

    from tourniquet.kernel.settings import home as home_folder
    from tourniquet.record.home import find_home
    from tourniquet.record.journal import read_head
    from tourniquet.record.models import JournalEntry
    from tourniquet.record.sealer import find_sealed
    from tourniquet.record.witness import ProtectionReader

    head = read_head()
    rows = JournalEntry.objects.values_list("kind").annotate(count=Count("position"))
    kinds = dict(sorted(rows))
    erased = JournalEntry.objects.filter(body__isnull=True).count()
    mark = find_home()
    sealed = find_sealed()
    protection = ProtectionReader().read()
    if as_json:
        output.emit_json(
            {
                "home": home_folder(),
                "sealed": sealed.size if sealed else 0,
                "log": sealed.origin if sealed else "",
                "protection": protection,
                "position": head.position,
                "chain": head.chain.hex(),
                "kinds": kinds,
                "erased": erased,
                "exercise": mark.exercise if mark else "",
                "made_at": mark.made_at if mark else None,
                "clock_at": mark.clock_at if mark else None,
            }
        )
        return
    exercise = f"an exercise ({mark.exercise})" if mark and mark.exercise else "a real home"
    output.say(f"{home_folder()}: {exercise if mark else 'never served yet'}")
    output.say(f"position {head.position}, chain {head.chain.hex()}")
    if sealed:
        waiting = head.position - sealed.size
        output.say(f"sealed up to {sealed.size} in {sealed.origin}, {waiting} not yet")
    else:
        output.say("nothing sealed yet")
    output.say(_protection_line(protection))
    for kind, count in kinds.items():
        output.say(f"{count:>10} {kind}")
    if erased:
        output.say(f"{erased:>10} erased (their bodies are gone, the chain stands)")


def _protection_line(found: Protection | None) -> str:
    if found is None:
        return "no replica is pinned (TOURNIQUET_WITNESS_KEY)"
    if not found.fits:
        return "the replica's countersigned copy DOES NOT FIT this journal: nothing is protected"
    if found.witnessed_at is None:
        return f"the replica has countersigned nothing yet: {found.unprotected} unprotected"
    heard = f"countersigned up to {found.witnessed} at {found.witnessed_at.isoformat()}"
    if not found.unprotected:
        return f"{heard}, nothing unprotected"
    since = found.since.isoformat() if found.since else "unknown"
    return f"{heard}, {found.unprotected} unprotected since {since}"


@command.command(
    name="replay",
    epilog=output.example(
        "tourniquet record replay --into ./copy",
        "tourniquet record replay --into postgresql://USER@HOST/EMPTY --json",
    ),
)
@click.option(
    "--into",
    "target",
    required=True,
    metavar="FOLDER|URL",
    help="An empty folder (SQLite) or the URL of an empty PostgreSQL database.",
)
@output.home_option
@output.json_option
def replay_command(*, target: str, home: Path | None, as_json: bool) -> None:
    """Replay this home's journal into an empty database and compare every table.

    Exit status 0 where all are equal, 1 where one differs, which is named. The home itself is only
    read; it may be serving meanwhile.
    """
    output.configure_django(home=home)
    from django.db import transaction

    from tourniquet.record.replay import SOURCE, compare_tables, replay

    begun = time.monotonic()
    _point(target)
    with transaction.atomic(using=SOURCE):  # one moment of the source, whatever arrives meanwhile
        _prepare_target()
        total = _source_position()
        with output.progress("Replaying", total) as steps:
            at = 0

            def moved(position: int) -> None:
                nonlocal at
                steps.advance(position - at)
                at = position

            head = replay(moved)
            steps.describe("Comparing")
            tables = compare_tables()
        _copy_mark()
    unequal = [table for table in tables if not table.equal]
    if as_json:
        output.emit_json(
            {
                "entries": head.position,
                "chain": head.chain.hex(),
                "equal": not unequal,
                "rows": sum(table.rows for table in tables),
                "tables": tables,
                "seconds": round(time.monotonic() - begun, 2),
            }
        )
    else:
        _tell(tables, head.position, time.monotonic() - begun)
    if unequal:
        raise IntegrityError(
            f"The replayed table {unequal[0].table} differs from the home's.",
            where=unequal[0].first_difference,
            remedy="Keep both databases and ask the maintainers.",
        )


def _tell(tables: list[TableComparison], entries: int, seconds: float) -> None:
    for table in tables:
        state = "equal" if table.equal else f"DIFFERS at {table.first_difference}"
        output.say(f"{table.rows:>10} {table.table}: {state}")
    output.say(f"{entries} entries replayed and compared in {seconds:.1f} s.")


def _point(target: str) -> None:
    """Let "source" be this home's database and "default" the target.

    Raises: UserError when the target cannot be had or is this home's own.
    """
    from tourniquet.kernel import settings
    from tourniquet.record.database import point
    from tourniquet.record.replay import SOURCE
    from tourniquet.site.settings import database

    own_url = settings.read("TOURNIQUET_DATABASE_URL")
    source = database(own_url, settings.home())
    is_url = "://" in target
    folder = Path(target).expanduser().resolve()
    if (is_url and target == own_url) or (not is_url and not own_url and folder == settings.home()):
        raise UserError("The target is this home itself.", where="--into", remedy="Name another.")
    if not is_url:
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise UserError("The folder is not empty.", where=str(folder), remedy="Name a new one.")
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    point("default", database(target if is_url else "", folder))
    point(SOURCE, _of_one_moment(source))


def _of_one_moment(description: dict[str, Any]) -> dict[str, Any]:
    """The source, read as it stands at one moment and without keeping its writers waiting."""
    options = dict(description["OPTIONS"])
    if description["ENGINE"].endswith("sqlite3"):
        options["transaction_mode"] = "DEFERRED"
    else:
        from psycopg import IsolationLevel

        options["isolation_level"] = IsolationLevel.REPEATABLE_READ
    return {**description, "OPTIONS": options}


def _prepare_target() -> None:
    """Make the target's tables. Raises: UserError when it holds anything."""
    from django.core.management import call_command
    from django.db import connection

    if connection.introspection.table_names():
        raise UserError(
            "The target database is not empty.", where="--into", remedy="Name an empty one."
        )
    call_command("migrate", verbosity=0, interactive=False)


def _source_position() -> int:
    from tourniquet.record.models import JournalEntry
    from tourniquet.record.replay import SOURCE

    newest = JournalEntry.objects.using(SOURCE).order_by("-position").values_list("position")
    row = newest.first()
    return row[0] if row else 0


def _copy_mark() -> None:
    """A copy of an exercise is an exercise."""
    from tourniquet.record.models import Home
    from tourniquet.record.replay import SOURCE

    mark = Home.objects.using(SOURCE).filter(pk=1).first()
    if mark is not None:
        mark.save(using="default", force_insert=True)
