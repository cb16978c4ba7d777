"""`tourniquet check`: every missing or unsafe setting, by name.

Invariants:
- Nothing is changed: a home that does not exist is reported and not made.
- A secret's value is never shown.
"""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import click

from tourniquet import __version__
from tourniquet.cli import output
from tourniquet.kernel import settings
from tourniquet.kernel.errors import OperatorError
from tourniquet.patients.ceilings import (
    CEILINGS,
    LIMITS,
    REASONS,
    read_ceilings,
    read_limits,
    read_reasons,
)

LEAST_SECRET_CHARACTERS = 32
LEAST_FREE_BYTES = 1024**3  # room for about a day of a region's messages at four times the usual
_TEST_PREFIX = "TOURNIQUET_TEST_"

Level = Literal["unsafe", "missing", "note"]


@dataclass(frozen=True)
class Finding:
    """One thing that was found: `unsafe` and `missing` ask for action, a `note` does not."""

    level: Level
    where: str
    what: str
    remedy: str = ""


@click.command(name="check", epilog=output.example("tourniquet check", "tourniquet check --json"))
@output.home_option
@output.json_option
def command(*, home: Path | None, as_json: bool) -> None:
    """Name every missing or unsafe setting; exit 1 where there is one."""
    if home is not None:
        os.environ["TOURNIQUET_HOME"] = str(home)
    findings = [*check_environment(), *check_home(), *check_listener(), *check_database()]
    bad = [finding for finding in findings if finding.level != "note"]
    if as_json:
        output.emit_json(
            {
                "ok": not bad,
                "version": __version__,
                "home": settings.home(),
                "settings": {setting.name: shown(setting) for setting in settings.SETTINGS},
                "findings": findings,
            }
        )
    else:
        for finding in findings:
            output.say(
                f"{finding.level:<8} {finding.where}: {finding.what} {finding.remedy}".rstrip()
            )
        if not bad:
            output.say("Every setting is present and safe.")
    if bad:
        raise OperatorError(
            f"{len(bad)} missing or unsafe: {', '.join(finding.where for finding in bad)}.",
            remedy="Each is explained on standard output.",
        )


def shown(setting: settings.Setting) -> str:
    """A setting's value as it may be shown."""
    if setting.secret:
        return "(set)" if os.environ.get(setting.name) else "(not set)"
    return settings.read(setting.name)


def check_environment() -> Iterator[Finding]:
    """The variables themselves: unknown names, bad numbers, debug, the key, the hosts."""
    known = {setting.name for setting in settings.SETTINGS}
    for name in sorted(os.environ):
        if (
            name.startswith("TOURNIQUET_")
            and name not in known
            and not name.startswith(_TEST_PREFIX)
        ):
            yield Finding("unsafe", name, "There is no such setting.", "Compare the spelling.")
    for setting in settings.SETTINGS:
        value = settings.read(setting.name)
        if setting.default.isdigit() and not (value.isascii() and value.isdigit()):
            yield Finding("unsafe", setting.name, "It must be a whole number.")
    yield from _check_ceilings()
    if settings.read("TOURNIQUET_DEBUG") == "1":
        yield Finding(
            "unsafe",
            "TOURNIQUET_DEBUG",
            "Errors show patients' data and secrets in the browser.",
            "Unset it.",
        )
    key = settings.read("TOURNIQUET_SECRET_KEY")
    if key and len(key) < LEAST_SECRET_CHARACTERS:
        yield Finding(
            "unsafe",
            "TOURNIQUET_SECRET_KEY",
            f"It has fewer than {LEAST_SECRET_CHARACTERS} characters.",
            "Unset it, and one is made and kept in the home.",
        )
    if "*" in settings.read("TOURNIQUET_ALLOWED_HOSTS").split(","):
        yield Finding(
            "unsafe",
            "TOURNIQUET_ALLOWED_HOSTS",
            "It lets pages be served under any name.",
            "Name the hosts.",
        )


def _check_ceilings() -> Iterator[Finding]:
    """Ceilings and limits of readings: a setting that cannot be read names what of it."""
    readers = ((CEILINGS, read_ceilings), (REASONS, read_reasons), (LIMITS, read_limits))
    for setting, reader in readers:
        try:
            reader(settings.read(setting))
        except OperatorError as error:
            yield Finding("unsafe", setting, error.what, error.remedy)


def check_home() -> Iterator[Finding]:
    """The folder with all state: there, ours alone, writable, with room left."""
    home = settings.home()
    where = "TOURNIQUET_HOME"
    if not home.is_dir():
        yield Finding("missing", where, f"{home} is not a folder.", "Run 'tourniquet migrate'.")
        return
    if stat.S_IMODE(home.stat().st_mode) & 0o077:
        yield Finding(
            "unsafe",
            where,
            "Others on this machine may look into the folder.",
            f"Run: chmod 700 {home}",
        )
    if not os.access(home, os.R_OK | os.W_OK | os.X_OK):
        yield Finding("unsafe", where, f"{home} cannot be written by this user.")
    free = shutil.disk_usage(home).free
    if free < LEAST_FREE_BYTES:
        yield Finding("unsafe", where, f"Its disk has {free // 1024**2} MiB left.", "Make room.")
    key_file = home / "secret-key"
    if key_file.exists() and stat.S_IMODE(key_file.stat().st_mode) & 0o077:
        yield Finding(
            "unsafe",
            "TOURNIQUET_SECRET_KEY",
            "Others on this machine may read the file that holds it.",
            f"Run: chmod 600 {key_file}",
        )


def check_listener() -> Iterator[Finding]:
    """MLLP over TLS: both files or neither."""
    names = ("TOURNIQUET_MLLP_CERTIFICATE", "TOURNIQUET_MLLP_KEY")
    given = [name for name in names if settings.read(name)]
    if not given:
        yield Finding(
            "note",
            names[0],
            "MLLP is plain TCP: keep its port inside a trusted network.",
        )
        return
    for name in names:
        if name not in given:
            yield Finding("missing", name, "Certificate and key go together.")
        elif not os.access(settings.read(name), os.R_OK):
            yield Finding("unsafe", name, "The file is not there or cannot be read.")


def check_database() -> Iterator[Finding]:
    """The database: reachable, durable, up to date; whether this is an exercise."""
    where = "TOURNIQUET_DATABASE_URL"
    embedded = not settings.read(where)
    if embedded and not (settings.home() / "tourniquet.sqlite3").exists():
        yield Finding("missing", where, "There is no database yet.", "Run 'tourniquet migrate'.")
        return
    try:
        output.configure_django()
    except OperatorError as error:
        yield Finding("unsafe", error.where or where, error.what, error.remedy)
        return
    from django.db import DatabaseError, connection

    try:
        connection.ensure_connection()
    except DatabaseError:
        yield Finding(
            "unsafe",
            where,
            "The database does not answer.",
            "Look whether it runs, and at the address, name and password.",
        )
        return
    if not embedded:
        yield from _check_durability(where)
    from tourniquet.cli.migrate import pending_migrations

    pending = pending_migrations()
    if pending:
        yield Finding(
            "missing", where, f"{len(pending)} migrations are pending.", "Run 'tourniquet migrate'."
        )
        return
    yield from _check_contents()


def _check_durability(where: str) -> Iterator[Finding]:
    """A message is acknowledged once it is durable: PostgreSQL must not be told to pretend."""
    from django.db import connection

    with connection.cursor() as cursor:
        for name in ("fsync", "full_page_writes", "synchronous_commit"):
            cursor.execute("SELECT current_setting(%s)", [name])
            if cursor.fetchone()[0] == "off":
                yield Finding(
                    "unsafe",
                    where,
                    f"PostgreSQL runs with {name} off: acknowledged messages can be lost.",
                    f"Set {name} to on.",
                )


def _check_contents() -> Iterator[Finding]:
    from tourniquet.directory.queries import list_accounts
    from tourniquet.record.home import exercise_name

    scenario = exercise_name()
    if scenario:
        yield Finding("note", "TOURNIQUET_HOME", f"This is an exercise ({scenario}), not real.")
    if not list_accounts(limit=1):
        yield Finding(
            "note", "accounts", "Nobody can sign in yet.", "Add one with 'tourniquet users add'."
        )
