"""What a witness has countersigned of this home's vault, and what it has not yet.

The file `witnessed` in the home holds the newest checkpoint with the cosignature of the witness
that is pinned (TOURNIQUET_WITNESS_KEY).

Invariants:
- Nothing counts as out of reach but what the pinned witness signed, of a tree that is ours, over a
  journal that is still the one that was sealed. The database is asked for the last each time: it
  may be put back, or fail over to a copy that lacks the newest, under a server that runs.
- A file that is not as it should be counts as none.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic

from django.db import connection

from tourniquet.kernel import settings
from tourniquet.kernel.errors import IntegrityError, OperatorError
from tourniquet.record.database import storage_errors
from tourniquet.record.disk import Disk, LocalFiles
from tourniquet.record.journal import read_head
from tourniquet.record.key_list import read_key_list
from tourniquet.record.log import read_tile
from tourniquet.record.models import JournalEntry
from tourniquet.record.notes import (
    NOTE_BYTES_MOST,
    WITNESS_KEY,
    Checkpoint,
    Note,
    VerifierKey,
    check,
    parse_verifier_key,
    read_note,
)
from tourniquet.record.sealer import find_log_key, find_sealed, vault_folder
from tourniquet.record.tree import Tree
from tourniquet.record.vault import VaultReader

WITNESSED_FILE = "witnessed"
SETTING = "TOURNIQUET_WITNESS_KEY"
METER_SECONDS = 1.0
OWN_MOST = 64


@dataclass(frozen=True)
class Witnessed:
    """A checkpoint that the witness countersigned, and when, by the witness's clock."""

    checkpoint: Checkpoint
    at: datetime


@dataclass(frozen=True)
class Mark:
    """A position of the journal, and what the entry there commits to.

    A journal that was put back and grew again has another commitment there: each has a random salt.
    """

    position: int
    commitment: bytes


NOTHING = Mark(0, b"")


@dataclass(frozen=True)
class Protection:
    """How much of the journal lies out of reach of who takes over this machine.

    `since` is when the oldest entry was recorded that does not; `fits` is False where the journal
    is not the one that was countersigned: then nothing counts as protected.
    """

    position: int
    witnessed: int
    witnessed_at: datetime | None
    since: datetime | None
    fits: bool

    @property
    def unprotected(self) -> int:
        """How many entries are not out of reach."""
        return self.position - self.witnessed


def find_witness_key() -> VerifierKey | None:
    """The key of the witness that is pinned; None where there is none. Raises: OperatorError."""
    line = settings.read(SETTING)
    if not line:
        return None
    key = parse_verifier_key(line)
    if key.kind != WITNESS_KEY:
        raise OperatorError(
            "The key is a log's, not a witness's.",
            where=SETTING,
            remedy="Take the line in witness.vkey of the replica's folder.",
        )
    return key


def read_cosigned(content: bytes, witness: VerifierKey) -> tuple[Note, Witnessed]:
    """A note that our log and the witness signed. Raises: IntegrityError."""
    note = read_note(content)
    log_key = find_log_key()
    if log_key is None:
        raise IntegrityError("Nothing was sealed here yet.")
    checkpoint = read_key_list(_vault(), log_key).read_checkpoint(note)
    seconds = check(note, witness)
    assert seconds is not None  # a witness's signature says when
    try:
        at = datetime.fromtimestamp(seconds, UTC)
    except (OverflowError, OSError, ValueError):
        raise IntegrityError("The time of the cosignature is none.") from None
    return note, Witnessed(checkpoint, at)


class OwnCheckpoints:
    """Checkpoints of this vault that were read lately, with the commitment in the last leaf.

    What is handed out comes back countersigned a moment later, and need not be looked for again.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._found: dict[tuple[Path, Checkpoint], bytes] = {}

    def note(self, checkpoint: Checkpoint, commitment: bytes) -> None:
        """This is one of ours."""
        with self._lock:
            self._found[vault_folder(), checkpoint] = commitment
            while len(self._found) > OWN_MOST:
                del self._found[next(iter(self._found))]

    def find(self, checkpoint: Checkpoint) -> bytes | None:
        """The commitment in the last leaf of one that was noted."""
        with self._lock:
            return self._found.get((vault_folder(), checkpoint))


OWN = OwnCheckpoints()


@dataclass(frozen=True)
class Ours:
    """A checkpoint of this vault: where it ends in the journal, and the vault's newest one."""

    mark: Mark
    sealed: Checkpoint


def demand_ours(checkpoint: Checkpoint, *, noted: bool = False) -> Ours:
    """Demand that a checkpoint is of this vault, and its journal still ours.

    With `noted` one that this process noted as `OWN` is not looked for again. Raises:
    IntegrityError: there are two histories under one key.
    """
    found = find_in_vault(checkpoint, noted=noted)
    if not is_in_journal(found.mark):
        raise IntegrityError(
            "The journal is not the one that was countersigned.",
            where=f"position {checkpoint.size}",
            remedy="The database was put back to an older state. Restore it from the vault.",
        )
    return found


def is_in_journal(mark: Mark) -> bool:
    """Whether the journal still has this entry. Raises: StorageUnavailable: nobody can say."""
    if not mark.position:
        return True
    with storage_errors():
        row = JournalEntry.objects.filter(position=mark.position).values_list("commitment").first()
    return row is not None and bytes(row[0]) == mark.commitment


def find_in_vault(checkpoint: Checkpoint, *, noted: bool = False) -> Ours:
    """A checkpoint, found in this vault. Raises: IntegrityError: it is of another history."""
    sealed = find_sealed()
    disk = _vault()
    if sealed is None or checkpoint.size > sealed.size:
        raise IntegrityError(
            f"The vault ends at {sealed.size if sealed else 0}; the witness saw {checkpoint.size}.",
            where=WITNESSED_FILE,
            remedy="This vault is an older copy, or another has its key. Compare with the replica.",
        )
    if not checkpoint.size:
        return Ours(NOTHING, sealed)
    commitment = OWN.find(checkpoint) if noted else None
    if commitment is None:
        commitment = _commitment_in_vault(disk, sealed, checkpoint)
    return Ours(Mark(checkpoint.size, commitment), sealed)


def _commitment_in_vault(disk: Disk, sealed: Checkpoint, checkpoint: Checkpoint) -> bytes:
    """What the last leaf below a checkpoint commits to. Raises: IntegrityError: it is not ours."""
    root = Tree(sealed.size, lambda *tile: read_tile(disk, *tile)).root(checkpoint.size)
    if root != checkpoint.root:
        raise IntegrityError(
            "The witness countersigned another history under this log's key.",
            where=f"position {checkpoint.size}",
            remedy="Keep both vaults. Believe the replica, and find out who has the key.",
        )
    return VaultReader(disk, checkpoint.size).leaf(checkpoint.size).content_commitment


def _vault() -> Disk:
    return Disk(LocalFiles(vault_folder()))


def find_witnessed() -> Witnessed | None:
    """The newest countersigned checkpoint; None where there is none yet.

    Raises: IntegrityError when the file is not what the pinned keys signed.
    """
    found = find_cosigned()
    return found[1] if found else None


def find_cosigned() -> tuple[Note, Witnessed] | None:
    """The same with the note that says it. Raises: IntegrityError."""
    witness = find_witness_key()
    if witness is None or not (settings.home() / WITNESSED_FILE).exists():
        return None
    content = Disk(LocalFiles(settings.home())).read(WITNESSED_FILE, bytes_most=NOTE_BYTES_MOST)
    return read_cosigned(content, witness)


def keep_witnessed(note: Note) -> None:
    """Keep a checkpoint as the newest. The caller has compared it, and is the only one."""
    Disk(LocalFiles(settings.home())).replace(WITNESSED_FILE, str(note).encode())


class ProtectionReader:
    """Says how much is protected.

    What was found in the vault once is not looked for there again; the journal is asked each time.
    """

    def __init__(self) -> None:
        self._compared: Checkpoint | None = None
        self.mark = NOTHING  # how far the witness has come, as of the last reading

    def read(self) -> Protection | None:
        """How much is protected now; None where no witness is pinned.

        Raises: StorageUnavailable when the database does not answer.
        """
        if find_witness_key() is None:
            return None
        found, fits = self._find()
        if not is_in_journal(self.mark):
            found, fits, self.mark = None, False, NOTHING
            self._compared = None
        with storage_errors():
            position = read_head().position  # after the file: what it covers is in the journal
        witnessed = found.checkpoint.size if found else 0
        return Protection(
            position=position,
            witnessed=witnessed,
            witnessed_at=found.at if found else None,
            since=_recorded_at(witnessed + 1) if witnessed < position else None,
            fits=fits,
        )

    def _find(self) -> tuple[Witnessed | None, bool]:
        try:
            found = find_witnessed()
            if found is None:
                self._compared, self.mark = None, NOTHING
            elif found.checkpoint != self._compared:
                self.mark = find_in_vault(found.checkpoint).mark
                self._compared = found.checkpoint
        except (IntegrityError, OperatorError):  # also files that this account may not read
            self._compared, self.mark = None, NOTHING
            return None, False
        return found, True


class ProtectionMeter:
    """The same for pages and metrics, at most METER_SECONDS old, whoever asks how often."""

    def __init__(self, *, now: Callable[[], float] = monotonic) -> None:
        self._now = now
        self._lock = threading.Lock()
        self._reader = ProtectionReader()
        self._home: tuple[object, ...] = ()
        self._found: Protection | None = None
        self._until = 0.0

    def read(self) -> Protection | None:
        """How much is protected; None where no witness is pinned. Raises: StorageUnavailable."""
        home = (settings.home(), settings.read(SETTING), connection.settings_dict["NAME"])
        with self._lock:
            if home != self._home:  # a process that serves has one; tests and exercises have many
                self._home, self._reader, self._until = home, ProtectionReader(), 0.0
            if self._now() >= self._until:
                self._found = self._reader.read()
                self._until = self._now() + METER_SECONDS
            return self._found


METER = ProtectionMeter()


def _recorded_at(position: int) -> datetime | None:
    with storage_errors():
        row = JournalEntry.objects.filter(position=position).values_list("recorded_at").first()
    return row[0] if row else None
