"""`tourniquet record restore`: the database made anew from a vault, with a signed report."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tourniquet.cli import output
from tourniquet.kernel.errors import UserError

if TYPE_CHECKING:
    from tourniquet.cli.vault_place import VaultPlace
    from tourniquet.record.destroying import Destruction, MalformedErasure
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
    "--from",
    "vault",
    required=True,
    metavar="FOLDER|s3://BUCKET/PREFIX",
    help="The vault: its folder, or a replica in object storage.",
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
    help="Folder with the keys. Default: keys beside the vault's folder.",
)
@click.option(
    "--key",
    "key_file",
    type=output.path_argument_type(),
    help="File with the verifier key that you pinned. Default: vault.vkey in or beside the vault.",
)
@click.option(
    "--home",
    type=output.path_argument_type(),
    help="With a URL: the folder of the new home, which gets the vault and its keys.",
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
    vault: str,
    target: str,
    keys: Path | None,
    key_file: Path | None,
    home: Path | None,
    at: str | None,
    report_file: Path | None,
    heed_erasures: bool,
    ignored: tuple[str, ...],
    as_json: bool,
) -> None:
    """Verify a vault, replay it into an empty database, compare, and write a signed report.

    An interrupted restore goes on where it stopped when it is started again. A folder gets the
    vault and its keys too, and can be served; with a URL, the one of --home does. Not with --at,
    which is for looking. Passwords and tokens are not in the record: issue them anew.
    """
    begun = time.monotonic()
    url = target if "://" in target else ""
    if home and not url:
        raise UserError("--home goes with a URL: a folder is its own home.", where="--home")
    place_of_home = home if url else Path(target)
    folder = place_of_home.expanduser().resolve() if place_of_home else None
    keys = _keys_folder(vault, keys)
    output.configure_django(home=folder or keys.parent, database_url=url)
    from tourniquet.cli.vault_place import open_vault
    from tourniquet.record.destroying import ignore_erasures
    from tourniquet.record.key_list import read_key_list
    from tourniquet.record.keys import open_keys
    from tourniquet.record.log import read_last
    from tourniquet.record.restoring import heeded_destructions, mark_restored
    from tourniquet.record.vault import VaultReader
    from tourniquet.record.verification import verify_vault

    opened_vault = open_vault(vault, key_file, where="--from")
    key, disk = opened_vault.key, opened_vault.vault
    opened = open_keys(keys)
    # 1. Verify.
    with steps_to("Verifying", read_last(disk, key).size) as moved:
        verified = verify_vault(disk, key, progress=moved)
    opened_vault.tell_foreign()
    reader = VaultReader(disk, verified.checkpoint.size)
    last = _last_position(at, reader, opened)
    # 2. Replay and compare.
    with output.progress("Looking for erasures"):
        malformed: list[MalformedErasure] = []
        destructions = heeded_destructions(
            reader, opened.ring, ignore=ignored, heed=heed_erasures, malformed=malformed.append
        )
    _tell_malformed(malformed)
    found = _restore(reader, opened, last, verified, destructions, key_pinned=key_file is not None)
    report = replace(found, malformed=tuple(one.position for one in malformed))
    # 3. The vault and its keys, so that the new home goes on with them.
    if folder is not None and at is None:
        _complete(opened_vault, keys, folder)
        if ignored:
            ignore_erasures(folder / "keys", ignored)
    # 4. Report.
    note = report.signed(opened.get_signer(read_key_list(disk, key).newest))
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


def _tell_malformed(malformed: Sequence[MalformedErasure]) -> None:
    """Say which entries would erase something and are not in their form: nothing is left out."""
    from tourniquet.record.restore_report import POSITIONS_NAMED_MOST

    for one in malformed[:POSITIONS_NAMED_MOST]:
        output.note(f"tourniquet: not heeded as an erasure: {one}")
    more = len(malformed) - POSITIONS_NAMED_MOST
    if more > 0:
        output.note(f"tourniquet: and {more} more that are not heeded.")
    if malformed:
        output.note("tourniquet: no sealer of ours writes these. Find out who ran production then.")


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
        malformed=(),
        database=connection.vendor,
        tables=tables,
        finished_at=datetime.now(UTC),
    )


def _keys_folder(vault: str, keys: Path | None) -> Path:
    """Where the keys lie. Raises: UserError: object storage has none beside."""
    from tourniquet.record.s3 import is_store

    if keys is not None:
        return keys
    if is_store(vault):
        raise UserError(
            "The keys are not in the bucket.",
            where="--keys",
            remedy="Name their folder; 'tourniquet record keys combine' makes it again.",
        )
    return Path(vault).expanduser().parent / "keys"


def _complete(place: VaultPlace, keys: Path, folder: Path) -> None:
    """Give a restored home its vault and keys."""
    from tourniquet.record.copying import copy_vault
    from tourniquet.record.disk import Disk, LocalFiles
    from tourniquet.record.keys import copy_keys
    from tourniquet.record.vault import KEY_FILE

    if place.folder is not None and place.folder.resolve() == folder / "vault":
        return
    (folder / "vault").mkdir(mode=0o700, exist_ok=True)
    source = place.vault
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
                "malformed_erasures": list(report.malformed),
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
