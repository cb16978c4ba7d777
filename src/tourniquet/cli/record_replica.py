"""`tourniquet record replica`: a vault pulled, checked, kept elsewhere and countersigned."""

from __future__ import annotations

import signal
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tourniquet.cli import output
from tourniquet.cli.record_verify import read_key
from tourniquet.kernel.errors import IntegrityError, OperatorError, StorageUnavailable

if TYPE_CHECKING:
    from tourniquet.record.replica import Pulled
    from tourniquet.record.replica_home import ReplicaHome

EVERY_SECONDS = 1.0
RETRY_SECONDS = 5.0


@click.command(
    name="replica",
    epilog=output.example(
        "tourniquet record replica --from /srv/tourniquet/vault --to /replica --key vault.vkey",
        "tourniquet record replica --from /srv/tourniquet/vault --to /replica --follow",
    ),
)
@click.option(
    "--from", "source", required=True, metavar="FOLDER", help="The vault that is to be copied."
)
@click.option(
    "--to",
    "target",
    type=output.path_argument_type(),
    required=True,
    help="The replica's folder; made where there is none.",
)
@click.option(
    "--key",
    "key_file",
    type=output.path_argument_type(),
    help="File with the log's verifier key, to pin it when a replica is begun.",
)
@click.option(
    "--from-keys",
    type=output.path_argument_type(),
    help="Folder with the source's key ring. Default: keys beside the vault.",
)
@click.option(
    "--keys-to",
    type=output.path_argument_type(),
    help="Where the wrapped keys are copied to: best another disk. Default: keys in --to.",
)
@click.option("--follow", is_flag=True, help="Go on pulling until it is stopped.")
@click.option(
    "--every",
    "every_seconds",
    type=click.FloatRange(0.01, 3600),
    default=EVERY_SECONDS,
    show_default=True,
    help="With --follow: seconds between pulls.",
)
@output.json_option
def command(
    *,
    source: str,
    target: Path,
    key_file: Path | None,
    from_keys: Path | None,
    keys_to: Path | None,
    follow: bool,
    every_seconds: float,
    as_json: bool,
) -> None:
    """Pull what is new in a vault, verify every byte, and countersign it with this clock.

    A history that is shorter or rewritten is refused, and the evidence kept. The replica opens
    nothing: the keys that it copies are wrapped. Run it on another machine, as an account that
    the source's cannot become.
    """
    from tourniquet.record.replica_home import open_replica_home

    vault = Path(source).expanduser().resolve()
    if not vault.is_dir():
        raise OperatorError("There is no vault.", where=source, remedy="Name it with --from.")
    pinned = read_key(key_file, vault) if key_file else None
    target = target.expanduser().resolve()
    if target == vault or vault in target.parents or target in vault.parents:
        raise OperatorError("A replica can't lie in its source, or about it.", where="--to")
    with open_replica_home(target, keys_to, pinned) as home:
        loop = _Puller(home, vault, from_keys or vault.parent / "keys")
        if follow:
            loop.follow(every_seconds)
            return
        found = loop.pull()
    _tell(found, as_json=as_json)


class _Puller:
    """Pulls from a folder."""

    def __init__(self, home: ReplicaHome, vault: Path, keys: Path) -> None:
        from tourniquet.record.disk import Disk, LocalFiles
        from tourniquet.record.ring import RingFile

        self._home = home
        self._source = Disk(LocalFiles(vault))
        self._ring = home.ring(RingFile(keys / "ring.sqlite3"))

    def pull(self) -> Pulled:
        """One pull."""
        replica, _ = self._home.open()
        with output.progress("Pulling", None) as steps:
            return replica.pull(
                self._source,
                self._ring,
                now=datetime.now(UTC),
                progress=lambda position: steps.describe(f"Pulled up to {position}"),
            )

    def follow(self, every_seconds: float) -> None:
        """Pull until a signal. A source that does not answer is asked again; our disk is not."""
        stop = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        while not stop.is_set():
            replica, vault = self._home.open()
            try:
                while not stop.is_set():
                    replica.pull(self._source, self._ring, now=datetime.now(UTC))
                    stop.wait(every_seconds)
            except StorageUnavailable as error:
                if vault.failure:
                    raise
                output.note(f"tourniquet: {error}")
            except IntegrityError as error:
                if type(error) is not IntegrityError:
                    raise  # a rewritten history
                output.note(f"tourniquet: {error}")
            stop.wait(RETRY_SECONDS)


def _tell(found: Pulled, *, as_json: bool) -> None:
    checkpoint = found.checkpoint
    if as_json:
        output.emit_json(
            {
                "position": checkpoint.size,
                "root": checkpoint.root.hex(),
                "pulled": found.entries,
                "keys": found.keys,
            }
        )
        return
    output.say(
        f"{found.entries} entries pulled and verified, up to position {checkpoint.size}; "
        f"{found.keys} wrapped keys; countersigned."
    )
