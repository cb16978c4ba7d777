"""A replica in object storage: the prefix in its bucket, and the folder with what is its own.

    s3://BUCKET/PREFIX/vault/…        the copy (record.bucket)
    s3://BUCKET/PREFIX/witness.vkey   the witness that writes here; there is one
    s3://BUCKET/PREFIX/evidence/…     what a source that rewrote its history gave

The folder is that of any replica (record.replica_home), without `vault`: the pinned key, the
witness's key, `last-checkpoint`, the copy of the wrapped keys, and `evidence` once more.

Invariants:
- The newest countersigned note lies in both. A bucket that shows an older one is refused.
- What is put is locked at once; a bucket that does not lock is refused before anything is built
  on it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tourniquet.kernel import settings
from tourniquet.kernel.errors import OperatorError
from tourniquet.record.bucket import BucketDisk
from tourniquet.record.bucket_keys import BucketKeys
from tourniquet.record.bucket_upkeep import Upkeep
from tourniquet.record.disk import Disk, LocalFiles
from tourniquet.record.notes import NOTE_BYTES_MOST
from tourniquet.record.objects import COMPLIANCE, Objects
from tourniquet.record.replica import EVIDENCE, Replica
from tourniquet.record.replica_home import WITNESS_KEY_FILE, ReplicaHome
from tourniquet.record.ring import RingCopy, RingFile, RingSource
from tourniquet.record.vault import KEY_FILE

REFRESH_SECONDS = 3600  # each cosignature is an object that stays
RETENTION_DAYS_MOST = 3650
LOCK_TOLERANCE = timedelta(minutes=1)  # stores cut off parts of a second, calls take time
_RING = "ring.sqlite3"


def retention() -> timedelta:
    """How long what is put is locked. Raises: OperatorError."""
    name = "TOURNIQUET_STORE_RETENTION_DAYS"
    return timedelta(days=settings.read_number(name, least=2, most=RETENTION_DAYS_MOST))


def keys_retention() -> timedelta | None:
    """The same for wrapped keys; None: not locked. Raises: OperatorError."""
    name = "TOURNIQUET_STORE_KEYS_RETENTION_DAYS"
    days = settings.read_number(name, least=0, most=RETENTION_DAYS_MOST)
    return timedelta(days=days) if days else None


class _Own(Disk):
    """The replica's own folder; evidence is put into the bucket too."""

    def __init__(self, folder: Path, vault: BucketDisk) -> None:
        super().__init__(LocalFiles(folder))
        self._vault = vault

    def create(self, files: Mapping[str, bytes]) -> None:
        """See `Disk`."""
        super().create(files)
        for path, content in files.items():
            if path.startswith(f"{EVIDENCE}/"):
                self._vault.put_beside(path, content)


@dataclass
class StoreHome:
    """An opened replica in object storage: a `ReplicaHome` whose vault lies there."""

    home: ReplicaHome
    objects: Objects
    keys_objects: Objects | None
    retention: timedelta
    keys_retention: timedelta | None = None
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    upkeep: Upkeep | None = None

    def open(self) -> tuple[Replica, BucketDisk]:
        """The replica, opened anew. Raises: IntegrityError; OperatorError: another's, not locked.

        1. The first objects say whose bucket it is, and show whether it locks.
        2. Its state is read and compared with ours.
        """
        vault = BucketDisk(
            self.objects, self.home.log_keys, self.home.witness.verifier, until=self._until
        )
        # 1. Whose it is.
        self._demand_ours(vault)
        self._demand_lock(vault)
        # 2. State.
        own = _Own(self.home.folder, vault)
        replica = Replica(
            vault, own, self.home.log_keys, self.home.witness, refresh_seconds=REFRESH_SECONDS
        )
        self.upkeep = Upkeep(self.objects, vault, own, self.home.log_keys, self.retention)
        return replica, vault

    @property
    def folder(self) -> Path:
        """The replica's own folder."""
        return self.home.folder

    def ring(self, source: RingSource) -> RingCopy | BucketKeys:
        """Where the wrapped keys go: into the folder, and where asked for into a bucket too."""
        copy: RingCopy = self.home.ring(source)
        if self.keys_objects is None:
            return copy
        rows = RingFile(self.home.keys_folder / _RING)
        own = Disk(LocalFiles(self.home.folder))
        return BucketKeys(copy, rows, self.keys_objects, own, until=self._keys_until)

    def keep_up(self, *, at_once: bool = True) -> int | None:
        """Merge and renew after a pull; see `Upkeep.renew`."""
        assert self.upkeep is not None  # `open` came before
        self.upkeep.merge()
        return self.upkeep.renew(self.clock(), at_once=at_once)

    def _until(self) -> datetime:
        return self.clock() + self.retention

    def _keys_until(self) -> datetime | None:
        return None if self.keys_retention is None else self.clock() + self.keys_retention

    def _demand_ours(self, vault: BucketDisk) -> None:
        first = self.objects.find(WITNESS_KEY_FILE)
        line = f"{self.home.witness.verifier}\n".encode()
        if first is None:
            vault.put_beside(WITNESS_KEY_FILE, line)
        elif first.size > NOTE_BYTES_MOST or self.objects.get(first, 0, first.size) != line:
            raise OperatorError(
                "Another witness's replica lies there. Nothing was written.",
                where=WITNESS_KEY_FILE,
                remedy="Bring back that replica's folder with its witness.key, or name a new "
                "prefix.",
            )

    def _demand_lock(self, vault: BucketDisk) -> None:
        """Demand that what was put is locked as it was asked for."""
        stored = vault.put(KEY_FILE, f"{self.home.log_keys[0]}\n".encode())
        found = self.objects.retention(stored)
        least = self._until() - LOCK_TOLERANCE
        if found is None or found.mode != COMPLIANCE or found.until < least:
            raise OperatorError(
                "The store took the object and did not lock it as it was asked to.",
                where=stored.name,
                remedy="Make a bucket with object lock, on a store that keeps it; try it with "
                "'tourniquet record doctor'.",
            )
