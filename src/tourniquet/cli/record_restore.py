"""`tourniquet record restore`: the database made anew from a vault, with a signed report."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tourniquet.cli import output
from tourniquet.kernel.errors import UserError

if TYPE_CHECKING:
    from tourniquet.cli.vault_place import VaultPlace
    from tourniquet.record.beyond import WholeReader
    from tourniquet.record.destroying import Destruction, MalformedErasure
    from tourniquet.record.keys import Keys
    from tourniquet.record.missing import Missing
    from tourniquet.record.moment import VaultMoment
    from tourniquet.record.notes import Signer
    from tourniquet.record.restore_report import RestoreReport
    from tourniquet.record.vault import VaultReader
    from tourniquet.record.verification import Verified

REPORT_FILE = "restore-report.note"
LEFT_OUT_TOLD_MOST = 3


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
@click.option(
    "--without-missing-keys",
    is_flag=True,
    help="The ring is older than the vault, and there is no newer: restore the entries whose key it"
    " has not without their content, and name them.",
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
    without_missing_keys: bool,
    as_json: bool,
) -> None:
    """Verify a vault, replay it into an empty database, compare, and write a signed report.

    Entries that lie whole behind its checkpoint, because a sealer or a pull was cut off, are
    restored too. An interrupted restore goes on where it stopped when it is started again. A
    folder gets the vault and its keys too, and can be served; with a URL, the one of --home does.
    Not with --at, which is for looking. Passwords and tokens are not in the record: issue them
    anew.
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
    from tourniquet.record.keys import open_keys
    from tourniquet.record.restoring import mark_restored

    place = open_vault(vault, key_file, where="--from")
    opened = open_keys(keys)
    # 1. Verify, and look what can be restored.
    found = _look(place, opened, folder)
    # 2. Replay and compare.
    with output.progress("Looking for erasures"):
        wanted = _wanted(found, opened, at, ignored=ignored, heed=heed_erasures)
    if not without_missing_keys:
        wanted.missing.demand_none()
    _tell_malformed(wanted.malformed)
    report = _restore(found, wanted, opened, key_pinned=key_file is not None)
    # 3. The vault and its keys, so that the new home goes on with them.
    lost = 0
    if folder is not None and at is None:
        lost = _complete(found, wanted, opened, keys, folder)
    # 4. Report.
    written = report_file or (folder or Path.cwd()) / REPORT_FILE
    with output.replacing(written) as file:
        file.write(str(report.signed(found.signer)))
    # 5. Only now it is a home: until then an interrupted restore goes on.
    mark_restored(report.checkpoint.origin)
    told = _Told(report, written, time.monotonic() - begun, lost, found.left_out())
    _tell(told, as_json=as_json)


@dataclass(frozen=True)
class _Found:
    """A verified vault as of one moment, up to its last whole entry."""

    place: VaultPlace
    disk: VaultMoment
    verified: Verified
    reader: WholeReader
    signer: Signer

    def left_out(self) -> list[str]:
        """What lies behind that entry."""
        from tourniquet.record.beyond import list_left_out

        return list_left_out(self.disk, self.reader, self.verified.beyond)


@dataclass(frozen=True)
class _Wanted:
    """What of a vault is restored: up to where, without what was destroyed, without which keys.

    `ignored`: erasures that are nobody's; `malformed`: those that are not in their form.
    """

    last: int
    ignored: Sequence[str]
    destructions: Sequence[Destruction]
    malformed: Sequence[MalformedErasure]
    missing: Missing


@dataclass(frozen=True)
class _Told:
    """What is said at the end; `lost`: entries that the keys saw in a longer vault."""

    report: RestoreReport
    written: Path
    seconds: float
    lost: int
    left_out: list[str]


def _look(place: VaultPlace, keys: Keys, folder: Path | None) -> _Found:
    """Verify a vault as it is now, and find what lies whole behind its checkpoint."""
    from tourniquet.record.beyond import demand_goes_on, read_beyond
    from tourniquet.record.key_list import read_key_list
    from tourniquet.record.log import read_last
    from tourniquet.record.moment import VaultMoment
    from tourniquet.record.verification import verify_vault

    disk = VaultMoment(place.vault)
    with steps_to("Verifying", read_last(disk, place.key).size) as moved:
        verified = verify_vault(disk, place.key, progress=moved)
    place.tell_foreign()
    with output.progress("Looking behind the checkpoint"):
        reader = read_beyond(disk, verified.checkpoint.size, keys.ring)
    if _is_in_place(place, folder):
        demand_goes_on(disk, reader)
    # Now rather than after hours: the report is signed with the newest key.
    signer = keys.get_signer(read_key_list(disk, place.key).newest)
    return _Found(place, disk, verified, reader, signer)


def _wanted(
    found: _Found, keys: Keys, at: str | None, *, ignored: Sequence[str], heed: bool
) -> _Wanted:
    """What to restore, by the words of the command. Raises: UserError, OperatorError."""
    from tourniquet.record.missing import find_missing
    from tourniquet.record.restoring import heeded_destructions

    reader, ring = found.reader, keys.ring
    malformed: list[MalformedErasure] = []
    destructions = heeded_destructions(
        reader, ring, ignore=ignored, heed=heed, malformed=malformed.append
    )
    destroyed = {key_id for one in destructions for key_id in one.keys}
    missing = find_missing(reader, ring, destroyed=destroyed)
    ring.leave_out(missing.keys)
    last = _last_position(at, reader, keys)
    return _Wanted(last, ignored, destructions, malformed, missing.up_to(last))


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


def _restore(found: _Found, wanted: _Wanted, keys: Keys, *, key_pinned: bool) -> RestoreReport:
    from django.db import connection

    from tourniquet.record.restore_report import RestoreReport
    from tourniquet.record.restoring import compare, prepare_target, restore

    reader, last, missing = found.reader, wanted.last, wanted.missing
    prepare_target()
    with steps_to("Restoring", last) as moved:
        restored = restore(
            reader, keys.ring, last=last, destructions=wanted.destructions, progress=moved
        )
    with steps_to("Comparing", last) as moved:
        tables = compare(reader, last=last, progress=moved)
    return RestoreReport(
        checkpoint=found.verified.checkpoint,
        key_pinned=key_pinned,
        position=restored.head.position,
        chain=restored.head.chain,
        erased=restored.erased - len(missing.positions),
        malformed=tuple(one.position for one in wanted.malformed),
        database=connection.vendor,
        tables=tables,
        finished_at=datetime.now(UTC),
        beyond=max(last - reader.signed, 0),
        unreadable=len(missing.positions),
        where_unreadable=missing.stretches(),
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


def _is_in_place(place: VaultPlace, folder: Path | None) -> bool:
    """Whether the vault is the new home's own already."""
    if place.folder is None or folder is None:
        return False
    return place.folder.resolve() == folder / "vault"


def _complete(found: _Found, wanted: _Wanted, opened: Keys, keys: Path, folder: Path) -> int:
    """Give a restored home its vault and keys; how many entries the keys saw more of."""
    from tourniquet.record.copying import copy_vault
    from tourniquet.record.destroying import ignore_erasures
    from tourniquet.record.disk import Disk, LocalFiles
    from tourniquet.record.finishing import finish_vault
    from tourniquet.record.key_list import read_steps
    from tourniquet.record.keys import copy_keys, settle_ring
    from tourniquet.record.notes import NOTE_BYTES_MOST
    from tourniquet.record.vault import KEY_FILE

    key = found.place.key
    (folder / "vault").mkdir(mode=0o700, exist_ok=True)
    vault = Disk(LocalFiles(folder / "vault"))
    if not _is_in_place(found.place, folder):
        with output.progress("Copying the vault") as steps:
            copy_vault(found.disk, vault, key, progress=steps.advance)
    with output.progress("Signing what was written down"):
        changes = read_steps(found.disk)
        checkpoint = finish_vault(vault, found.reader, changes, opened, key)
    Disk(LocalFiles(folder)).replace(KEY_FILE, vault.read(KEY_FILE, bytes_most=NOTE_BYTES_MOST))
    copy_keys(keys, folder / "keys")
    if wanted.ignored:
        ignore_erasures(folder / "keys", wanted.ignored)
    return settle_ring(folder / "keys", checkpoint, wanted.missing.keys, now=datetime.now(UTC))


def _tell(told: _Told, *, as_json: bool) -> None:
    report = told.report
    if as_json:
        output.emit_json(
            {
                "position": report.position,
                "chain": report.chain.hex(),
                "root": report.checkpoint.root.hex(),
                "key_pinned": report.key_pinned,
                "erased": report.erased,
                "malformed_erasures": list(report.malformed),
                "beyond": report.beyond,
                "left_out": told.left_out,
                "lost": told.lost,
                "unreadable": report.unreadable,
                "rows": sum(report.tables.values()),
                "report": told.written,
                "seconds": round(told.seconds, 2),
            }
        )
        return
    output.say(
        f"{report.position} entries restored and compared with the vault in {told.seconds:.1f} s: "
        f"{sum(report.tables.values())} rows in {len(report.tables)} tables."
    )
    if report.beyond:
        output.say(
            f"{report.beyond} entries lay whole behind the checkpoint of "
            f"{report.checkpoint.size}, and were restored too."
        )
    if told.left_out:
        names = ", ".join(told.left_out[:LEFT_OUT_TOLD_MOST])
        output.say(f"Behind the last whole entry something is torn, and left out: {names}")
    if told.lost:
        output.say(
            f"The keys saw a vault of {report.position + told.lost} entries; {told.lost} are lost "
            "with it. A newer copy of the vault would have them."
        )
    if report.erased:
        output.say(f"{report.erased} entries had been erased, and stay so.")
    if report.unreadable:
        output.say(
            f"{report.unreadable} entries were restored WITHOUT their content, because the ring "
            f"has no key for them: {report.where_unreadable}"
        )
    if not report.key_pinned:
        output.say("The key was not pinned: it came from beside the vault.")
    output.say(f"Report, signed: {told.written}")
    output.say("Passwords and tokens are not in the record: issue them anew.")
