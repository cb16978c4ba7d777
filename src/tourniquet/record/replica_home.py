"""The folder of a replica: its copy of the vault, of the wrapped keys, and what is its own.

    vault/            the copy, in the layout of docs/reference/vault.md
    keys/ring.sqlite3 the wrapped keys; another place with --keys-to
    log.vkey          the log's key, pinned when the replica was begun; below it those pinned since
    witness.key       signs cosignatures; never leaves this folder
    witness.vkey      its verifier key: production pins it
    last-checkpoint   the newest countersigned note, apart from the vault
    pulling           the source's note of the last pull of more than one part
    set-aside/        what a pull that was cut off left, and the source did not sign in the end
    evidence/         what a source that rewrote its history gave; normally not there

Invariants:
- The log's key is pinned by a person when the replica is begun, and never taken from the source.
  What it leads to is in the list of keys; where the former key was lost, a person pins again.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tourniquet.kernel.errors import OperatorError, UserError
from tourniquet.record.disk import Disk, LocalFiles
from tourniquet.record.keys import make_signer, only_one, private_line, read_signer
from tourniquet.record.notes import WITNESS_KEY, Signer, VerifierKey, parse_verifier_key
from tourniquet.record.replica import Replica
from tourniquet.record.ring import RingCopy, RingSource

LOG_KEY_FILE = "log.vkey"
WITNESS_FILE = "witness.key"
WITNESS_KEY_FILE = "witness.vkey"
LOCK_FILE = "replica.lock"
KEY_LINE_BYTES_MOST = 4096


@dataclass
class ReplicaHome:
    """An opened folder of a replica."""

    folder: Path
    keys_folder: Path
    log_keys: tuple[VerifierKey, ...]
    witness: Signer

    def open(self) -> tuple[Replica, Disk]:
        """The replica, opened anew, and the disk of its vault. Raises: IntegrityError."""
        (self.folder / "vault").mkdir(mode=0o700, exist_ok=True)
        vault = Disk(LocalFiles(self.folder / "vault"))
        return Replica(vault, Disk(LocalFiles(self.folder)), self.log_keys, self.witness), vault

    def keep_up(self, *, at_once: bool) -> None:
        """A folder needs nothing beside pulling."""

    def ring(self, source: RingSource) -> RingCopy:
        """The copy of the wrapped keys."""
        self.keys_folder.mkdir(parents=True, mode=0o700, exist_ok=True)
        return RingCopy(source, self.keys_folder / "ring.sqlite3")


@contextmanager
def open_replica_home(
    folder: Path, keys_folder: Path | None, pinned: VerifierKey | None, *, again: bool = False
) -> Iterator[ReplicaHome]:
    """Hold a replica's folder; `pinned` begins one, or must be a key that was pinned before.

    With `again` it is pinned below those: the former key was lost, and leads nowhere.

    Raises: UserError when another process has it, or no key was ever pinned; OperatorError when
    another key was.
    """
    with only_one(folder, LOCK_FILE):
        own = Disk(LocalFiles(folder))
        if own.size(LOG_KEY_FILE) is None:
            if pinned is None:
                raise UserError(
                    "No key of the log is pinned here yet.",
                    where="--key",
                    remedy="Bring vault.vkey from the source by another way, and name it.",
                )
            own.create({LOG_KEY_FILE: f"{pinned}\n".encode()})
        line = own.read(LOG_KEY_FILE, bytes_most=KEY_LINE_BYTES_MOST)
        lines = line.decode("utf-8", "replace").splitlines()
        log_keys = tuple(parse_verifier_key(one) for one in lines)
        if again and pinned is not None and pinned not in log_keys:
            _demand_same_log(pinned, log_keys[0])
            log_keys = (*log_keys, pinned)
            own.replace(LOG_KEY_FILE, "".join(f"{key}\n" for key in log_keys).encode())
        if pinned is not None and pinned not in log_keys:
            raise OperatorError(
                "Another key was pinned when this replica was begun. Nothing was pulled.",
                where=LOG_KEY_FILE,
                remedy="Find out which one is right. A new log needs a new replica; a key that was "
                "changed without the former one is pinned with --pin-again.",
            )
        if own.size(WITNESS_FILE) is None:
            signer = make_signer("tourniquet-witness", WITNESS_KEY)
            own.create({WITNESS_FILE: f"{private_line(signer)}\n".encode()})
        witness = read_signer(folder, WITNESS_FILE)
        own.create({WITNESS_KEY_FILE: f"{witness.verifier}\n".encode()})
        yield ReplicaHome(folder, keys_folder or folder / "keys", log_keys, witness)


def _demand_same_log(pinned: VerifierKey, first: VerifierKey) -> None:
    """Demand that a key is one of the log that is copied here. Raises: OperatorError."""
    if pinned.name != first.name:
        raise OperatorError(
            f"The key is that of another log, {pinned.name}. Nothing was pulled.",
            where="--key",
            remedy="A new log needs a new replica.",
        )
