"""`tourniquet record replica`: a vault pulled, checked, kept elsewhere and countersigned."""

from __future__ import annotations

import signal
import threading
import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tourniquet.cli import output
from tourniquet.cli.record_verify import read_key
from tourniquet.kernel.errors import IntegrityError, OperatorError, StorageUnavailable

if TYPE_CHECKING:
    from tourniquet.record.destroying import Published
    from tourniquet.record.disk import Reader
    from tourniquet.record.notes import Note
    from tourniquet.record.remote import Remote
    from tourniquet.record.replica import Pulled, Replica
    from tourniquet.record.replica_home import ReplicaHome
    from tourniquet.record.ring import RingSource

EVERY_SECONDS = 1.0
AT_ONCE_SECONDS = 0.02  # a server that answers at once is not asked more often than so
RETRY_SECONDS = 5.0
ERASURES_EVERY_SECONDS = 60.0


@click.command(
    name="replica",
    epilog=output.example(
        "tourniquet record replica --from /srv/tourniquet/vault --to /replica --key vault.vkey",
        "tourniquet record replica --from https://pathology.example --to /replica --follow",
    ),
)
@click.option(
    "--from",
    "source",
    required=True,
    metavar="FOLDER|URL",
    help="The vault that is to be copied: its folder, or the address of the server that has it.",
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
    "--token-file",
    type=output.path_argument_type(),
    help="With a URL: file with the bearer token. Default: token in --to.",
)
@click.option(
    "--ca",
    type=output.path_argument_type(),
    help="With a URL: file with the certificates to trust, instead of the system's.",
)
@click.option(
    "--from-keys",
    type=output.path_argument_type(),
    help="Folder with the source's key ring. Default: keys beside the vault, or the server.",
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
    help="With --follow: seconds between pulls from a folder. A server tells when there is more.",
)
@click.option(
    "--erasure-days",
    type=click.IntRange(1, 365),
    default=14,
    show_default=True,
    help="How many days an approved erasure waits here, from when this replica first saw it.",
)
@click.option(
    "--erased-keys-a-day",
    type=click.IntRange(0, 10_000),
    default=20,
    show_default=True,
    help="How many wrapped keys may be destroyed here on one day. More: none is, and it ends.",
)
@output.json_option
def command(
    *,
    source: str,
    target: Path,
    key_file: Path | None,
    token_file: Path | None,
    ca: Path | None,
    from_keys: Path | None,
    keys_to: Path | None,
    follow: bool,
    every_seconds: float,
    erasure_days: int,
    erased_keys_a_day: int,
    as_json: bool,
) -> None:
    """Pull what is new in a vault, verify every byte, and countersign it with this clock.

    A history that is shorter or rewritten is refused, and the evidence kept. The replica opens
    nothing: the keys that it copies are wrapped. Run it on another machine, as an account that
    the source's cannot become. A server is told what was countersigned.

    Erasures that two people approved at the source are carried out on the copied keys too, after
    this machine's own waiting time, and never more on one day than allowed.
    """
    from tourniquet.record.replica_home import open_replica_home

    target = target.expanduser().resolve()
    place = _Server(source, ca, from_keys) if "://" in source else _Folder(source, from_keys)
    place.demand_apart(target)
    pinned = read_key(key_file, target / "vault") if key_file else None
    with open_replica_home(target, keys_to, pinned) as home:
        place.open(token_file or target / "token")
        limits = _ErasureLimits(erasure_days, erased_keys_a_day)
        loop = _Puller(home, place, limits)
        if follow:
            loop.follow(every_seconds)
        found = loop.last if follow else loop.pull()
    if found is not None:
        _tell(found, as_json=as_json)


@dataclass(frozen=True)
class _ErasureLimits:
    days: int
    keys_a_day: int


class _Folder:
    """A source that is mounted here."""

    vault: Reader
    ring: RingSource

    def __init__(self, source: str, keys: Path | None) -> None:
        self._folder = Path(source).expanduser().resolve()
        self._keys = keys or self._folder.parent / "keys"
        if not self._folder.is_dir():
            raise OperatorError("There is no vault.", where=source, remedy="Name it with --from.")

    def demand_apart(self, target: Path) -> None:
        """Demand that source and replica are two places. Raises: OperatorError."""
        if target == self._folder or {target, self._folder} & {
            *target.parents,
            *self._folder.parents,
        }:
            raise OperatorError("A replica can't lie in its source, or about it.", where="--to")

    def open(self, token_file: Path) -> None:  # noqa: ARG002 (a folder needs none)
        """Begin to read."""
        from tourniquet.record.disk import Disk, LocalFiles
        from tourniquet.record.ring import RingFile

        self.vault = Disk(LocalFiles(self._folder))
        self.ring = RingFile(self._keys / "ring.sqlite3")

    def wait(self, size: int, stop: threading.Event, every_seconds: float) -> None:  # noqa: ARG002 (a folder does not tell)
        """Until it is worth looking again."""
        stop.wait(every_seconds)

    def erasures(self) -> Published:
        """The list beside the vault."""
        from tourniquet.record.destroying import read_published
        from tourniquet.record.disk import Disk, LocalFiles

        return read_published(Disk(LocalFiles(self._folder.parent)))

    def tell(self, note: Note) -> None:
        """Nobody is told."""

    def give_up(self) -> None:
        """Nothing here takes long."""


class _Server:
    """A source behind an address."""

    vault: Reader
    ring: RingSource

    def __init__(self, source: str, ca: Path | None, keys: Path | None) -> None:
        self._url, self._ca, self._keys = source, ca, keys
        self._remote: Remote | None = None
        self._waits = False

    def demand_apart(self, target: Path) -> None:
        """An address is no folder."""

    def open(self, token_file: Path) -> None:
        """Begin to read. Raises: OperatorError when there is no token."""
        from tourniquet.record.remote import Remote, RemoteRing, RemoteVault
        from tourniquet.record.ring import RingFile

        self._remote = Remote(self._url, _read_token(token_file), ca=self._ca)
        self._files = self.vault = RemoteVault(self._remote)
        self.ring = (
            RingFile(self._keys / "ring.sqlite3") if self._keys else RemoteRing(self._remote)
        )

    def wait(self, size: int, stop: threading.Event, every_seconds: float) -> None:
        """Until the server says that there is more."""
        begun = time.monotonic()
        self._waits = True
        try:
            if not stop.is_set():
                self._files.wait(size)
        finally:
            self._waits = False
        if time.monotonic() - begun < AT_ONCE_SECONDS:
            stop.wait(min(every_seconds, AT_ONCE_SECONDS))

    def erasures(self) -> Published:
        """The list that the server gives."""
        from tourniquet.record.remote import RemoteErasures

        assert self._remote is not None  # opened
        return RemoteErasures(self._remote).read()

    def tell(self, note: Note) -> None:
        """Hand over what was countersigned."""
        self._files.tell(note)

    def give_up(self) -> None:
        """End waiting; a pull at hand is finished."""
        if self._remote is not None and self._waits:
            self._remote.give_up()


class _Puller:
    """Pulls into a replica, and tells the source."""

    def __init__(self, home: ReplicaHome, place: _Folder | _Server, limits: _ErasureLimits) -> None:
        self._home, self._place = home, place
        self._ring = home.ring(place.ring)
        self._limits = limits
        self._erasures_from = 0.0  # when the list is looked at next
        self._told = ""
        self.last: Pulled | None = None

    def pull(self) -> Pulled:
        """One pull."""
        replica, _ = self._home.open()
        with output.progress("Pulling", None) as steps:
            found = replica.pull(
                self._place.vault,
                self._ring,
                now=datetime.now(UTC),
                progress=lambda position: steps.describe(f"Pulled up to {position}"),
            )
        self._tell(replica)
        self._erase(found)
        return found

    def follow(self, every_seconds: float) -> None:
        """Pull until a signal. A source that does not answer is asked again; our disk is not."""
        stop = threading.Event()

        def end(*_: object) -> None:
            stop.set()
            self._place.give_up()

        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, end)
        with output.progress("Following", None) as steps:
            while not stop.is_set():
                self._follow(stop, every_seconds, steps)
                stop.wait(RETRY_SECONDS)

    def _follow(self, stop: threading.Event, every_seconds: float, steps: output.Steps) -> None:
        """Pull until a signal, or until the source failed us; what it was is said."""
        replica, vault = self._home.open()
        try:
            while not stop.is_set():
                found = replica.pull(self._place.vault, self._ring, now=datetime.now(UTC))
                self._add(found)
                steps.describe(f"Countersigned up to {found.checkpoint.size}")
                self._tell(replica)
                self._erase(found)
                self._place.wait(found.checkpoint.size, stop, every_seconds)
        except StorageUnavailable as error:
            if vault.failure:
                raise
            if not stop.is_set():
                output.note(f"tourniquet: {error}")
        except IntegrityError as error:
            if type(error) is not IntegrityError:
                raise  # a rewritten history
            output.note(f"tourniquet: {error}")

    def _erase(self, found: Pulled) -> None:
        """Heed the source's erasures, now and then. What is pulled is countersigned before.

        Raises: ErasuresStopped: a person here decides, and the command ends.
        """
        from tourniquet.record.disk import Disk, LocalFiles
        from tourniquet.record.replica_erasures import ReplicaErasures
        from tourniquet.record.vault import VaultReader

        if time.monotonic() < self._erasures_from:
            return
        folder = self._home.folder
        erasures = ReplicaErasures(
            Disk(LocalFiles(folder)),
            self._ring,
            days=self._limits.days,
            keys_a_day=self._limits.keys_a_day,
        )
        reader = VaultReader(Disk(LocalFiles(folder / "vault")), found.checkpoint.size)
        looked = erasures.look(self._place.erasures(), reader, now=datetime.now(UTC))
        self._erasures_from = time.monotonic() + ERASURES_EVERY_SECONDS
        for one in looked.seen:
            output.note(f"tourniquet: erasure {one} was approved; it waits here.")
        for one in looked.done:
            output.note(f"tourniquet: erasure {one} was carried out here too.")

    def _add(self, found: Pulled) -> None:
        if self.last is None:
            output.note(f"Countersigned up to position {found.checkpoint.size}; following.")
            self.last = found
            return
        entries, keys = self.last.entries + found.entries, self.last.keys + found.keys
        self.last = replace(found, entries=entries, keys=keys)

    def _tell(self, replica: Replica) -> None:
        """Tell the source; one that does not listen hinders no pull."""
        note = replica.countersigned()
        if str(note) == self._told:
            return
        try:
            self._place.tell(note)
        except (OperatorError, IntegrityError) as error:
            output.note(f"tourniquet: the source was not told: {error}")
            if isinstance(error, StorageUnavailable):
                return  # told with the next pull
        self._told = str(note)


def _read_token(file: Path) -> str:
    from tourniquet.record.remote import TOKEN_BYTES_MOST

    try:
        with file.open("rb") as content:
            return content.read(TOKEN_BYTES_MOST).decode("ascii", "replace").strip()
    except OSError as error:
        raise OperatorError(
            "There is no token to show to the server.",
            where=str(file),
            remedy="Write the one of 'tourniquet users token' into a file, readable by you alone.",
        ) from error


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
