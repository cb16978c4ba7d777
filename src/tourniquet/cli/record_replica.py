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
from tourniquet.kernel.errors import (
    IntegrityError,
    OperatorError,
    StorageUnavailable,
    TourniquetError,
    UserError,
)

if TYPE_CHECKING:
    from tourniquet.record.destroying import Published
    from tourniquet.record.disk import Reader
    from tourniquet.record.notes import Note
    from tourniquet.record.remote import Remote
    from tourniquet.record.replica import Pulled, Replica
    from tourniquet.record.replica_home import ReplicaHome
    from tourniquet.record.ring import RingSource
    from tourniquet.record.store_home import StoreHome

EVERY_SECONDS = 1.0
STORE_EVERY_SECONDS = 5.0
AT_ONCE_SECONDS = 0.02  # a server that answers at once and has nothing is asked no more often
RETRY_SECONDS = 5.0
ERASURES_EVERY_SECONDS = 60.0


@click.command(
    name="replica",
    epilog=output.example(
        "tourniquet record replica --from /srv/tourniquet/vault --to /replica --key vault.vkey",
        "tourniquet record replica --from https://pathology.example --to /replica --follow",
        "tourniquet record replica --from https://pathology.example --to s3://BUCKET/PREFIX "
        "--own /replica --follow",
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
    required=True,
    metavar="FOLDER|s3://BUCKET/PREFIX",
    help="The replica's folder, made where there is none; or a place in object storage.",
)
@click.option(
    "--own",
    type=output.path_argument_type(),
    help="With s3://: the folder with what is the replica's own, its witness's key above all.",
)
@click.option(
    "--key",
    "key_file",
    type=output.path_argument_type(),
    help="File with the log's verifier key, to pin it when a replica is begun.",
)
@click.option(
    "--pin-again",
    is_flag=True,
    help="With --key: pin this key too. Only after a change without the former key, and only one "
    "that a person brought.",
)
@click.option(
    "--token-file",
    type=output.path_argument_type(),
    help="With a URL: file with the bearer token. Default: token in --to or --own.",
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
    metavar="FOLDER|s3://BUCKET/PREFIX",
    help="Where the wrapped keys are copied to: best another disk. Default: keys in --to or --own. "
    "With s3:// they are copied there too.",
)
@click.option("--follow", is_flag=True, help="Go on pulling until it is stopped.")
@click.option(
    "--every",
    "every_seconds",
    type=click.FloatRange(0.01, 3600),
    help=f"With --follow: seconds between pulls, by default {EVERY_SECONDS:g} from a folder; a "
    f"server tells when there is more. With s3:// also the least, by default "
    f"{STORE_EVERY_SECONDS:g}: every pull costs calls.",
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
    target: str,
    own: Path | None,
    key_file: Path | None,
    pin_again: bool,
    token_file: Path | None,
    ca: Path | None,
    from_keys: Path | None,
    keys_to: str | None,
    follow: bool,
    every_seconds: float | None,
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
    from tourniquet.record.s3 import is_store

    stored = is_store(target)
    folder = _own_folder(target, own)
    place = _Server(source, ca, from_keys) if "://" in source else _Folder(source, from_keys)
    place.demand_apart(folder)
    pinned = read_key(key_file, folder / "vault") if key_file else None
    keys_folder = Path(keys_to).expanduser() if keys_to and not is_store(keys_to) else None
    limits = _ErasureLimits(erasure_days, erased_keys_a_day)
    with open_replica_home(folder, keys_folder, pinned, again=pin_again) as home:
        place.open(token_file or folder / "token")
        loop = _Puller(_in_store(home, target, keys_to) if stored else home, place, limits)
        if follow:
            pause = (every_seconds or STORE_EVERY_SECONDS) if stored else 0.0
            loop.follow(every_seconds or EVERY_SECONDS, pause)
        found = loop.last if follow else loop.pull()
    if found is not None:
        _tell(found, as_json=as_json)


@dataclass(frozen=True)
class _ErasureLimits:
    days: int
    keys_a_day: int


def _own_folder(target: str, own: Path | None) -> Path:
    """The folder with what is the replica's own. Raises: UserError."""
    from tourniquet.record.s3 import is_store

    if is_store(target) and own is None:
        raise UserError(
            "The replica needs a folder of its own beside the object storage.",
            where="--own",
            remedy="Name it: its witness's key lies there, and never in the bucket.",
        )
    if own is not None and not is_store(target):
        raise UserError("A replica in a folder has no other.", where="--own")
    return (own or Path(target)).expanduser().resolve()


def _in_store(home: ReplicaHome, target: str, keys_to: str | None) -> StoreHome:
    """The replica in object storage. Raises: OperatorError."""
    from tourniquet.record.s3 import is_store, open_objects, parse_store_url
    from tourniquet.record.store_home import StoreHome, keys_retention, retention

    url, keys_url = parse_store_url(target, where="--to"), None
    if keys_to and is_store(keys_to):
        keys_url = parse_store_url(keys_to, where="--keys-to")
        if keys_url == url:
            raise UserError("Keys and vault can't share a place.", where="--keys-to")
    return StoreHome(
        home,
        open_objects(url),
        open_objects(keys_url) if keys_url else None,
        retention(),
        keys_retention(),
    )


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

    @property
    def takes_notes(self) -> bool:
        """Nobody is told."""
        return True

    def wait(
        self,
        size: int,  # noqa: ARG002 (a folder does not tell)
        note: Note | None,  # noqa: ARG002 (nobody is told)
        stop: threading.Event,
        every_seconds: float,
    ) -> str | None:
        """Until it is worth looking again."""
        stop.wait(every_seconds)
        return ""

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
        self._waited_at = -1  # the size that was ours when we waited last

    def demand_apart(self, target: Path) -> None:
        """An address is no folder."""

    def open(self, token_file: Path) -> None:
        """Begin to read. Raises: OperatorError when there is no token."""
        from tourniquet.record.remote import Remote, RemoteVault
        from tourniquet.record.ring import RingFile

        self._remote = Remote(self._url, _read_token(token_file), ca=self._ca)
        self._files = self.vault = RemoteVault(self._remote)
        self.ring = RingFile(self._keys / "ring.sqlite3") if self._keys else self._files

    @property
    def takes_notes(self) -> bool:
        """Whether it takes what was countersigned as we wait."""
        return self._files.takes_notes

    def wait(
        self, size: int, note: Note | None, stop: threading.Event, every_seconds: float
    ) -> str | None:
        """Until the server says that there is more.

        Why it refused the note, empty where it took it; None where it did not hear of it.
        """
        heard = False
        begun = time.monotonic()
        self._waits = True
        try:
            if not stop.is_set():
                heard = self._files.wait(size, note)
        finally:
            self._waits = False
        brought_nothing, self._waited_at = size == self._waited_at, size
        if brought_nothing and time.monotonic() - begun < AT_ONCE_SECONDS:
            stop.wait(min(every_seconds, AT_ONCE_SECONDS))
        return self._files.refusal if heard else None

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

    def __init__(
        self, home: ReplicaHome | StoreHome, place: _Folder | _Server, limits: _ErasureLimits
    ) -> None:
        self._home, self._place = home, place
        self._ring = home.ring(place.ring)
        self._limits = limits
        self._erasures_from = 0.0  # when the list is looked at next
        self._told = ""
        self._pause_seconds = 0.0
        self.last: Pulled | None = None

    def pull(self) -> Pulled:
        """One pull."""
        replica, vault = self._home.open()
        with output.progress("Pulling", None) as steps:
            found = replica.pull(
                self._place.vault,
                self._ring,
                now=datetime.now(UTC),
                progress=lambda position: steps.describe(f"Pulled up to {position}"),
            )
        _tell_aside(found)
        self._tell(replica)
        self._keep_up(at_once=True)
        self._erase(replica, vault, found)
        return found

    def follow(self, every_seconds: float, pause_seconds: float) -> None:
        """Pull until a signal. A source that does not answer is asked again; our disk is not."""
        stop = threading.Event()
        self._pause_seconds = pause_seconds

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
                _tell_aside(found)
                steps.describe(f"Countersigned up to {found.checkpoint.size}")
                if stop.is_set() or self._pause_seconds or not self._place.takes_notes:
                    self._tell(replica)
                self._keep_up(at_once=False)
                self._erase(replica, vault, found)
                stop.wait(self._pause_seconds)
                self._wait(replica, found.checkpoint.size, stop, every_seconds)
        except StorageUnavailable as error:
            if vault.failure:
                raise
            if not stop.is_set():
                output.note(f"tourniquet: {error}")
        except IntegrityError as error:
            if type(error) is not IntegrityError:
                raise  # a rewritten history
            output.note(f"tourniquet: {error}")

    def _wait(
        self, replica: Replica, size: int, stop: threading.Event, every_seconds: float
    ) -> None:
        """Wait for more, and tell the source on the way."""
        note = replica.countersigned()
        refusal = self._place.wait(
            size, None if str(note) == self._told else note, stop, every_seconds
        )
        if refusal:
            output.note(f"tourniquet: the source was not told: {refusal}")
        if refusal is not None:
            self._told = str(note)

    def _keep_up(self, *, at_once: bool) -> None:
        """What object storage needs beside."""
        renewed = self._home.keep_up(at_once=at_once)
        if renewed:
            output.note(f"{renewed} objects locked anew.")

    def _erase(self, replica: Replica, vault: Reader, found: Pulled) -> None:
        """Heed the source's erasures, now and then. What is pulled is countersigned before.

        Raises: ErasuresStopped: a person here decides, and the command ends.
        """
        from tourniquet.record.disk import Disk, LocalFiles
        from tourniquet.record.replica_erasures import ReplicaErasures
        from tourniquet.record.vault import VaultReader

        if time.monotonic() < self._erasures_from:
            return
        erasures = ReplicaErasures(
            Disk(LocalFiles(self._home.folder)),
            self._ring,
            days=self._limits.days,
            keys_a_day=self._limits.keys_a_day,
        )
        reader = VaultReader(vault, found.checkpoint.size)
        self._erasures_from = time.monotonic() + ERASURES_EVERY_SECONDS  # however this one ends
        try:
            looked = erasures.look(self._place.erasures(), reader, now=datetime.now(UTC))
        except TourniquetError:
            self._tell(replica)  # what is countersigned is, whatever is wrong with the list
            raise
        for one in looked.seen:
            what = "it waits here"
            if one in looked.again:
                what = "it was refused here before, and stays so. Ask data protection why"
            output.note(f"tourniquet: erasure {one} was approved; {what}.")
        for one in looked.done:
            output.note(f"tourniquet: erasure {one} was carried out here too.")
        for name in self._ring.left_behind():
            output.note(
                f"tourniquet: {name}: an erased key still lies in the bucket of the keys. Have its "
                "owner delete the object."
            )

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


def _tell_aside(found: Pulled) -> None:
    """Say that something was pulled once which the source has not signed in the end."""
    if found.aside:
        output.note(
            "tourniquet: a pull that was cut off had brought entries that the source does not have "
            f"now. They were never countersigned, and lie in {found.aside}. Where nobody restored "
            "the source meanwhile, find out who rewrote it."
        )


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
