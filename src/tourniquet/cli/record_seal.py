"""`tourniquet record seal`: the journal into the vault, once or as it grows."""

from __future__ import annotations

import os
import select
import signal
import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tourniquet.cli import output
from tourniquet.kernel.errors import StorageUnavailable

if TYPE_CHECKING:
    from tourniquet.record.sealer import Sealer

EVERY_SECONDS = 0.5
DATABASE_WAIT_SECONDS = 1.0
PARENT_WAIT_SECONDS = 15.0
LOCK_WAIT_SECONDS = 600.0  # PostgreSQL may keep the session of a broken connection so long
PIPE_BYTES = 65536
_STANDARD_INPUT = 0


@click.command(
    name="seal",
    epilog=output.example("tourniquet record seal", "tourniquet record seal --follow"),
)
@click.option("--follow", is_flag=True, help="Go on as the journal grows, until it is stopped.")
@click.option(
    "--every",
    "every_seconds",
    type=click.FloatRange(0.01, 3600),
    default=EVERY_SECONDS,
    show_default=True,
    help="With --follow: seconds between looks at the journal.",
)
@click.option(
    "--parent",
    type=int,
    hidden=True,
    help="End when this process is gone, and look at once when it writes to standard input.",
)
@output.home_option
@output.json_option
def command(
    *, follow: bool, every_seconds: float, parent: int | None, home: Path | None, as_json: bool
) -> None:
    """Seal the journal's entries into the vault, from where it ended to the journal's head.

    Makes vault and keys where there are neither. `tourniquet serve` does this by itself. Two at
    once are refused. After a write has failed nothing more is written: look at the disk, and start
    again.
    """
    output.configure_django(home=home)
    from tourniquet.record.keys import only_one
    from tourniquet.record.sealer import keys_folder, open_sealer

    wait_seconds = PARENT_WAIT_SECONDS if parent else 0.0  # that of a killed server is ending
    with only_one(keys_folder(), wait_seconds=wait_seconds):
        if follow:
            _wait_for_lock(parent)
        sealer = open_sealer(now=datetime.now(UTC))
        before = sealer.position
        try:
            if follow:
                _follow(sealer, every_seconds, parent)
            else:
                _to_the_head(sealer)
        finally:
            sealer.close()
    if as_json:
        output.emit_json(
            {
                "sealed": sealer.position - before,
                "position": sealer.position,
                "root": sealer.root.hex(),
            }
        )
    else:
        output.say(
            f"{sealer.position - before} entries sealed, up to position {sealer.position}; "
            f"root {sealer.root.hex()}."
        )


def _to_the_head(sealer: Sealer) -> None:
    from tourniquet.record.journal import read_head

    total = read_head().position - sealer.position
    with output.progress("Sealing", total) as steps:
        while count := sealer.seal_next(now=datetime.now(UTC)):
            steps.advance(count)


def _wait_for_lock(parent: int | None) -> None:
    """Have the database's lock before anything is opened.

    Raises: AnotherSealer when another session had it for LOCK_WAIT_SECONDS; StorageUnavailable when
    the database did not answer for as long.
    """
    from django.db import connection

    from tourniquet.record.database import AnotherSealer, storage_errors, take_sealer_lock

    until = time.monotonic() + LOCK_WAIT_SECONDS
    while True:
        try:
            with storage_errors():
                return take_sealer_lock()
        except (AnotherSealer, StorageUnavailable) as error:
            if time.monotonic() >= until or (parent is not None and os.getppid() != parent):
                raise
            if isinstance(error, StorageUnavailable):
                connection.close()
        time.sleep(DATABASE_WAIT_SECONDS)


def _follow(sealer: Sealer, every_seconds: float, parent: int | None) -> None:
    """Seal until a signal. A database that does not answer is asked again; a vault is not.

    Raises: AnotherSealer when another session had the lock for LOCK_WAIT_SECONDS.
    """
    from django.db import connection

    from tourniquet.record.database import AnotherSealer
    from tourniquet.record.sealer import ENTRIES_AT_ONCE

    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    had_lock_at = time.monotonic()
    while not stop.is_set():
        if parent is not None and os.getppid() != parent:
            return
        try:
            rows = sealer.read_next()
        except StorageUnavailable:
            connection.close()
            stop.wait(DATABASE_WAIT_SECONDS)
            continue
        except AnotherSealer:
            if time.monotonic() - had_lock_at >= LOCK_WAIT_SECONDS:
                raise
            stop.wait(DATABASE_WAIT_SECONDS)
            continue
        had_lock_at = time.monotonic()
        sealer.seal(rows, now=datetime.now(UTC))
        if len(rows) < ENTRIES_AT_ONCE:
            _pause(stop, every_seconds, is_woken=parent is not None)


def _pause(stop: threading.Event, seconds: float, *, is_woken: bool) -> None:
    """Wait so long, or until the server beside which we are writes to standard input."""
    if not is_woken or stop.is_set():
        stop.wait(seconds)
    elif select.select([_STANDARD_INPUT], [], [], seconds)[0] and not os.read(
        _STANDARD_INPUT, PIPE_BYTES
    ):
        stop.wait(seconds)  # its end: the server is gone, which the next look sees
