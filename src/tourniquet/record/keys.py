"""The folder of keys beside the vault: what signs it, and what opens it.

Invariants:
- The ring holds every key that has signed the log; `log.key` is the one that signs now, or is put
  right when the vault is opened. Which key is in charge, the vault's list of keys alone says.
- Keys are made once, in an empty folder; nothing here makes a second set beside a vault that is
  there. The ring is made last, so an interrupted beginning is gone on with.
- One process at a time holds the folder to write: the lock is taken before anything is read.
- Files are readable by their owner only. No key is ever shown, logged or part of a `repr`.
"""

from __future__ import annotations

import base64
import binascii
import fcntl
import os
import re
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tourniquet.kernel.errors import OperatorError, UserError
from tourniquet.record.bodies import KEY_BYTES
from tourniquet.record.disk import Disk, LocalFiles
from tourniquet.record.notes import (
    LOG_KEY,
    NAME_CHARACTERS_MOST,
    Checkpoint,
    Signer,
    VerifierKey,
)
from tourniquet.record.ring import KeyRing, Reached, copy_ring

ROOT_FILE = "root.key"
LOG_FILE = "log.key"
RING_FILE = "ring.sqlite3"
LOCK_FILE = "sealer.lock"
KEY_FILE_BYTES_MOST = 1024
_PRIVATE = "PRIVATE+KEY+"
_REAL, _EXERCISE = "tourniquet/", "tourniquet-exercise/"
_LOOK_SECONDS = 0.1
_UNFIT = re.compile(r"[^A-Za-z0-9._/-]+")


@dataclass(frozen=True)
class Keys:
    """An opened folder of keys."""

    root: bytes = field(repr=False)
    signer: Signer
    ring: KeyRing

    def find_signer(self, key: VerifierKey) -> Signer | None:
        """The log's key, new or former, that others know as this one; None where it is not here."""
        seeds = () if self.signer.verifier == key else self.ring.log_seeds()
        found = [self.signer, *(signer_of(seed, key.name) for seed in seeds)]
        return next((one for one in found if one.verifier == key), None)

    def get_signer(self, key: VerifierKey) -> Signer:
        """The same. Raises: OperatorError when it is not here."""
        found = self.find_signer(key)
        if found is None:
            raise OperatorError(
                f"The log's key {key.key_id.hex()} is neither in its file nor in the ring.",
                where=LOG_FILE,
                remedy="Bring the folder of keys that belongs to this vault.",
            )
        return found


def have_keys(folder: Path) -> bool:
    """Whether a set of keys was made here, to its end."""
    return (folder / RING_FILE).exists()


def open_keys(folder: Path) -> Keys:
    """Open the keys of a vault. Raises: OperatorError when one is missing or does not fit."""
    root, signer = read_root(folder), read_signer(folder)
    return Keys(root, signer, KeyRing(folder / RING_FILE, root))


def begin_keys(folder: Path, *, site: str, exercise: str, now: datetime) -> Keys:
    """Make the keys of a new vault, going on where that was interrupted.

    The log's name says for ever whether it is an exercise's: a restored one must be one too.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    disk = Disk(LocalFiles(folder))
    if disk.size(ROOT_FILE) is None:
        disk.create({ROOT_FILE: base64.b64encode(os.urandom(KEY_BYTES)) + b"\n"})
    if disk.size(LOG_FILE) is None:
        signer = make_signer(
            f"{_EXERCISE}{exercise}/{site}" if exercise else f"{_REAL}{site}", LOG_KEY
        )
        disk.create({LOG_FILE: f"{private_line(signer)}\n".encode()})
    seed = read_signer(folder).private.private_bytes_raw()
    KeyRing.begin(folder / RING_FILE, read_root(folder), log_seed=seed, now=now).close()
    return open_keys(folder)


def rebuild_keys(folder: Path, ring: Path, root: bytes, log_key: VerifierKey) -> Keys:
    """Make a lost folder of keys again, from a copy of the ring and the root key.

    `log_key` is the pinned verifier key of the log, whose name the signing key has.
    Raises: OperatorError when ring, root and log do not belong together, or keys are there.
    """
    if have_keys(folder):
        raise OperatorError("There are keys here already.", where=str(folder))
    bring_back_keys(folder, ring, root, log_key)
    return open_keys(folder)


def bring_back_keys(
    folder: Path, ring: Path | None, root: bytes, log_key: VerifierKey | None
) -> list[str]:
    """Write a root key into a folder of keys that has none, beside its ring; the files written.

    `ring` is a copy to take the ring from; None: it lies in the folder. With the log's key the
    signing key is written too. The root key is tried on the ring before anything is written.
    Raises: OperatorError when a key is there already, or ring, root and log do not belong together.
    """
    there = ring is None or ring.resolve() == (folder / RING_FILE).resolve()
    source = folder / RING_FILE if there or ring is None else ring
    opened = KeyRing(source, root)
    files = {ROOT_FILE: base64.b64encode(root) + b"\n"}
    try:
        if log_key is not None:
            files[LOG_FILE] = f"{private_line(_signer_of(opened, log_key))}\n".encode()
    finally:
        opened.close()
    others = [name for name in files if _is_other(folder / name, files[name])]
    if others or (not there and have_keys(folder)):
        raise OperatorError(
            "There are keys here already. Nothing was written.",
            where=str(folder),
            remedy="Name an empty folder, or one that holds the ring alone.",
        )
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    Disk(LocalFiles(folder)).create(files)
    if not there:
        copy_ring(source, folder / RING_FILE)
    return [*files, *([] if there else [RING_FILE])]


def _is_other(file: Path, content: bytes) -> bool:
    """Whether a file is there that holds something else."""
    return file.exists() and file.read_bytes() != content


def _signer_of(ring: KeyRing, log_key: VerifierKey) -> Signer:
    """The log's newest signing key, from the ring; any of its keys says that it is that log's.

    Raises: OperatorError when it is another log's.
    """
    signers = [signer_of(seed, log_key.name) for seed in ring.log_seeds()]
    if log_key not in [one.verifier for one in signers]:
        raise OperatorError("The ring is that of another log.", where=RING_FILE)
    return signers[-1]


def signer_of(seed: bytes, name: str) -> Signer:
    """The key that signs a log of this name, from its seed."""
    return Signer(name, LOG_KEY, Ed25519PrivateKey.from_private_bytes(seed))


def keep_signer(folder: Path, signer: Signer) -> None:
    """Put the key that signs now in its file. The former one stays in the ring."""
    Disk(LocalFiles(folder)).replace(LOG_FILE, f"{private_line(signer)}\n".encode())


def exercise_of(log_name: str) -> str:
    """The scenario of an exercise's log; "" for a real one's."""
    if not log_name.startswith(_EXERCISE):
        return ""
    return log_name.removeprefix(_EXERCISE).partition("/")[0] or "exercise"


def copy_keys(source: Path, target: Path) -> None:
    """Copy a folder of keys; one that is there already is not changed.

    Raises: OperatorError when another one is there.
    """
    if source.resolve() == target.resolve():
        return
    if have_keys(target):
        if read_root(source) != read_root(target):
            raise OperatorError("Other keys are there already.", where=str(target))
        return
    target.mkdir(parents=True, exist_ok=True, mode=0o700)
    disk = Disk(LocalFiles(target))
    disk.create({name: _read(source, name) for name in (ROOT_FILE, LOG_FILE)})
    copy_ring(source / RING_FILE, target / RING_FILE)


def settle_ring(
    folder: Path, checkpoint: Checkpoint, nobodys: Iterable[bytes], *, now: datetime
) -> int:
    """Have the ring of a restored home go on with this vault, and make none of these keys again.

    `nobodys`: keys that no copy of the ring has. How many entries the ring had seen more of in a
    longer vault, which is gone: without this the sealer would wait for it for ever.
    """
    ring = KeyRing(folder / RING_FILE, read_root(folder))
    try:
        ring.enter_as_erased(nobodys, now=now)
        more = ring.reached.size - checkpoint.size
        if more > 0:
            ring.keep_reached(Reached(checkpoint.size, checkpoint.root))
        return max(more, 0)
    finally:
        ring.close()


def make_signer(name: str, kind: int) -> Signer:
    """A new key that signs. Its name ends in a part of the public key, so that no two share one."""
    private = Ed25519PrivateKey.generate()
    tail = private.public_key().public_bytes_raw()[:4].hex()
    fit = _UNFIT.sub("-", name)[: NAME_CHARACTERS_MOST - len(tail) - 1]
    return Signer(f"{fit}/{tail}", kind, private)


def private_line(signer: Signer) -> str:
    """A signing key as it is kept: the line that Go's note package and its relatives read."""
    key = base64.b64encode(bytes([signer.kind]) + signer.private.private_bytes_raw()).decode()
    return f"{_PRIVATE}{signer.name}+{signer.verifier.key_id.hex()}+{key}"


def parse_private_line(line: str, *, where: str) -> Signer:
    """A signing key from its line. Raises: OperatorError."""
    name, _, rest = line.strip().removeprefix(_PRIVATE).partition("+")
    key_id, _, encoded = rest.partition("+")
    try:
        content = base64.b64decode(encoded, validate=True)
        private = Ed25519PrivateKey.from_private_bytes(content[1:])
        signer = Signer(name, content[0], private)
        fits = line.startswith(_PRIVATE) and signer.verifier.key_id.hex() == key_id
    except (binascii.Error, ValueError, IndexError):
        fits = False
    if not fits:
        raise OperatorError(
            "The file holds no signing key.", where=where, remedy="Bring it back from its copy."
        )
    return signer


def read_signer(folder: Path, name: str = LOG_FILE) -> Signer:
    """The signing key of a folder. Raises: OperatorError."""
    return parse_private_line(_read(folder, name).decode("utf-8", "replace"), where=name)


def read_root(folder: Path) -> bytes:
    """The root key of a folder. Raises: OperatorError."""
    return parse_root(_read(folder, ROOT_FILE), where=ROOT_FILE)


def parse_root(content: bytes, *, where: str) -> bytes:
    """The root key from its file's content. Raises: OperatorError."""
    try:
        root = base64.b64decode(content.strip(), validate=True)
    except binascii.Error:
        root = b""
    if len(root) != KEY_BYTES:
        raise OperatorError(
            "The file holds no root key.", where=where, remedy="Bring it back from its copy."
        )
    return root


def _read(folder: Path, name: str) -> bytes:
    disk = Disk(LocalFiles(folder))
    if disk.size(name) is None:
        raise OperatorError(
            "A key is missing.",
            where=name,
            remedy="Bring it back from its copy. A vault is not gone on with under other keys.",
        )
    return disk.read(name, bytes_most=KEY_FILE_BYTES_MOST)


@contextmanager
def only_one(folder: Path, name: str = LOCK_FILE, *, wait_seconds: float = 0.0) -> Iterator[None]:
    """Hold a folder for as long as this process works in it.

    Raises: UserError when another does, and does not end meanwhile.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    number = os.open(folder / name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        deadline = time.monotonic() + wait_seconds
        while not _locked(number):
            if time.monotonic() >= deadline:
                raise UserError(
                    "Another process is at work here already. Nothing was changed.",
                    where=name,
                    remedy="Stop the other one first, or let it go on.",
                )
            time.sleep(_LOOK_SECONDS)
        yield
    finally:
        os.close(number)


def _locked(number: int) -> bool:
    try:
        fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
