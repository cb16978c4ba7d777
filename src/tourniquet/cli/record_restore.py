"""`tourniquet record restore`: the database made anew from a vault, with a signed report."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tourniquet.cli import output
from tourniquet.cli.record_verify import read_key
from tourniquet.kernel.errors import OperatorError, UserError

if TYPE_CHECKING:
    from tourniquet.record.destroying import Destruction
    from tourniquet.record.keys import Keys
    from tourniquet.record.restore_report import RestoreReport
    from tourniquet.record.vault import VaultReader
    from tourniquet.record.verification import Verified

REPORT_FILE = "restore-report.note"


@click.command(
    name="restore",
    epilog=output.example(
        "tourniquet record restore --from /replica/vault --keys /safe/keys --key /pinned/vault.vkey"
        " --into ./new-home",
        "tourniquet record restore --from ./vault --at 2024-06-04T09:00:00+01:00 --into ./tuesday",
    ),
)
@click.option(
    "--from", "vault", type=output.path_argument_type(), required=True, help="Folder of the vault."
)
@click.option(
    "--into",
    "target",
    required=True,
    metavar="FOLDER|URL",
    help="An empty folder (SQLite), which becomes a home, or the URL of an empty PostgreSQL.",
)
@click.option(
    "--keys",
    type=output.path_argument_type(),
    help="Folder with the keys. Default: keys beside the vault.",
)
@click.option(
    "--key",
    "key_file",
    type=output.path_argument_type(),
    help="File with the verifier key that you pinned. Default: vault.vkey in or beside the vault.",
)
@click.option(
    "--at",
    metavar="POSITION|TIME",
    help="Stop after a position, or before what was recorded after a time (with its offset).",
)
@click.option(
    "--report",
    "report_file",
    type=output.path_argument_type(),
    help=f"Where the signed report goes. Default: {REPORT_FILE} in the folder of --into, or here.",
)
@click.option(
    "--heed-erasures",
    is_flag=True,
    help="The keys are an old copy: leave out what the vault says was erased, however many.",
)
@click.option(
    "--ignore-erasure",
    "ignored",
    multiple=True,
    metavar="ERASURE",
    help="This erasure is nobody's (production was in others' hands): restore what it names.",
)
@output.json_option
def command(
    *,
    vault: Path,
    target: str,
    keys: Path | None,
    key_file: Path | None,
    at: str | None,
    report_file: Path | None,
    heed_erasures: bool,
    ignored: tuple[str, ...],
    as_json: bool,
) -> None:
    """Verify a vault, replay it into an empty database, compare, and write a signed report.

    An interrupted restore goes on where it stopped when it is started again. A folder gets the
    vault and its keys too, and can be served; not with --at, which is for looking. Passwords and
    tokens are not in the record: issue them anew.
    """
    begun = time.monotonic()
    folder = None if "://" in target else Path(target).expanduser().resolve()
    output.configure_django(home=folder or vault.parent, database_url="" if folder else target)
    from tourniquet.record.destroying import ignore_erasures
    from tourniquet.record.disk import Disk, LocalFiles
    from tourniquet.record.keys import open_keys
    from tourniquet.record.log import read_last
    from tourniquet.record.restoring import heeded_destructions, mark_restored
    from tourniquet.record.vault import VaultReader
    from tourniquet.record.verification import verify_vault

    if not vault.is_dir():
        raise OperatorError("There is no vault.", where=str(vault), remedy="Name it with --from.")
    key = read_key(key_file, vault)
    opened = open_keys(keys or vault.parent / "keys")
    disk = Disk(LocalFiles(vault))
    # 1. Verify.
    with steps_to("Verifying", read_last(disk, key).size) as moved:
        verified = verify_vault(disk, key, progress=moved)
    reader = VaultReader(disk, verified.checkpoint.size)
    last = _last_position(at, reader, opened)
    # 2. Replay and compare.
    with output.progress("Looking for erasures"):
        destructions = heeded_destructions(reader, opened.ring, ignore=ignored, heed=heed_erasures)
    report = _restore(reader, opened, last, verified, destructions, key_pinned=key_file is not None)
    # 3. The vault and its keys, so that the new home goes on with them.
    if folder is not None and at is None:
        _complete(vault, keys or vault.parent / "keys", folder)
        if ignored:
            ignore_erasures(folder / "keys", ignored)
    # 4. Report.
    note = report.signed(opened.signer)
    place = report_file or (folder or Path.cwd()) / REPORT_FILE
    with output.replacing(place) as file:
        file.write(str(note))
    # 5. Only now it is a home: until then an interrupted restore goes on.
    mark_restored(verified.checkpoint.origin)
    _tell(report, place, time.monotonic() - begun, as_json=as_json)


@contextmanager
def steps_to(description: str, total: int) -> Iterator[Callable[[int], None]]:
    """A progress bar that is told positions."""
    with output.progress(description, total) as steps:
        at = 0

        def moved(position: int) -> None:
            nonlocal at
            steps.advance(position - at)
            at = position

        yield moved


def _last_position(at: str | None, reader: VaultReader, keys: Keys) -> int:
    """Up to where to restore. Raises: UserError."""
    from tourniquet.record.restoring import find_position

    if at is None:
        return reader.size
    if at.isascii() and at.isdigit():
        position = int(at)
        if not 0 < position <= reader.size:
            raise UserError(f"The vault ends at position {reader.size}.", where="--at")
        return position
    try:
        moment = datetime.fromisoformat(at)
    except ValueError:
        moment = datetime.min  # noqa: DTZ901 (refused below, as every time without an offset)
    if moment.tzinfo is None:
        raise UserError(
            "This is neither a position nor a time with its offset.",
            where="--at",
            remedy="Write 1234, or 2024-06-04T09:00:00+01:00.",
        )
    return find_position(reader, keys.ring, moment)


def _restore(
    reader: VaultReader,
    keys: Keys,
    last: int,
    verified: Verified,
    destructions: Sequence[Destruction],
    *,
    key_pinned: bool,
) -> RestoreReport:
    from django.db import connection

    from tourniquet.record.restore_report import RestoreReport
    from tourniquet.record.restoring import compare, prepare_target, restore

    prepare_target()
    with steps_to("Restoring", last) as moved:
        restored = restore(reader, keys.ring, last=last, destructions=destructions, progress=moved)
    with steps_to("Comparing", last) as moved:
        tables = compare(reader, last=last, progress=moved)
    return RestoreReport(
        checkpoint=verified.checkpoint,
        key_pinned=key_pinned,
        position=restored.head.position,
        chain=restored.head.chain,
        erased=restored.erased,
        database=connection.vendor,
        tables=tables,
        finished_at=datetime.now(UTC),
    )


def _complete(vault: Path, keys: Path, folder: Path) -> None:
    """Give a restored home its vault and keys."""
    from tourniquet.record.copying import copy_vault
    from tourniquet.record.disk import Disk, LocalFiles
    from tourniquet.record.keys import copy_keys
    from tourniquet.record.vault import KEY_FILE

    if vault.resolve() == folder / "vault":
        return
    (folder / "vault").mkdir(mode=0o700, exist_ok=True)
    source = Disk(LocalFiles(vault))
    with output.progress("Copying the vault") as steps:
        copy_vault(source, Disk(LocalFiles(folder / "vault")), progress=steps.advance)
    line = source.read(KEY_FILE, bytes_most=4096)
    Disk(LocalFiles(folder)).create({KEY_FILE: line})
    copy_keys(keys, folder / "keys")


def _tell(report: RestoreReport, place: Path, seconds: float, *, as_json: bool) -> None:
    if as_json:
        output.emit_json(
            {
                "position": report.position,
                "chain": report.chain.hex(),
                "root": report.checkpoint.root.hex(),
                "key_pinned": report.key_pinned,
                "erased": report.erased,
                "rows": sum(report.tables.values()),
                "report": place,
                "seconds": round(seconds, 2),
            }
        )
        return
    output.say(
        f"{report.position} entries restored and compared with the vault in {seconds:.1f} s: "
        f"{sum(report.tables.values())} rows in {len(report.tables)} tables."
    )
    if report.erased:
        output.say(f"{report.erased} entries had been erased, and stay so.")
    if not report.key_pinned:
        output.say("The key was not pinned: it came from beside the vault.")
    output.say(f"Report, signed: {place}")
    output.say("Passwords and tokens are not in the record: issue them anew.")
