"""How far the vault is behind the journal, and whether the journal still has what was sealed.

It needs no witness, and no key but the one beside the vault.

Invariants:
- Late is measured by this process's own clock, from when it first saw that an entry waits: the
  times of entries are an exercise's, or were set by whoever has the machine.
- Only the database's word makes a journal another one. A vault that cannot be read leaves that
  open; that nothing is sealed is then said as late.
- Where no sealer is known to be due (a home that nobody serves yet) nothing is said.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from time import monotonic

from django.db import connection

from tourniquet.kernel import settings
from tourniquet.kernel.errors import IntegrityError, OperatorError
from tourniquet.record.database import storage_errors
from tourniquet.record.disk import Disk, LocalFiles
from tourniquet.record.journal import read_head
from tourniquet.record.models import JournalEntry
from tourniquet.record.notes import Checkpoint
from tourniquet.record.sealer import find_sealed, vault_folder
from tourniquet.record.vault import VaultReader
from tourniquet.record.witness import METER_SECONDS, NOTHING, Mark, is_in_journal

SEALER_SETTING = "TOURNIQUET_SEALER"
BESIDE, APART = "beside", "apart"
LATE_SECONDS = 60.0  # the sealer is within a second of the journal while all is well


class SealerState:
    """Whether the sealer beside this server runs; None where this process started none."""

    def __init__(self) -> None:
        self.running: bool | None = None
        self.gave_up = False  # it refused to go on, and a person must look first

    def tell(self, *, running: bool | None, gave_up: bool = False) -> None:
        """It runs, ended, or ended for good."""
        self.running, self.gave_up = running, gave_up


SEALER = SealerState()


@dataclass(frozen=True)
class Sealing:
    """Where sealing stands. `since` is when the oldest entry was recorded that is not sealed.

    `late`: the vault has not grown for LATE_SECONDS though entries wait. `fits` is False where the
    journal is not the one that was sealed: it was put back, or another one took its place.
    """

    position: int
    sealed: int
    root: bytes
    since: datetime | None
    late: bool
    fits: bool
    running: bool | None
    gave_up: bool

    @property
    def unsealed(self) -> int:
        """How many entries are in this database alone; not less than none, if it was put back."""
        return max(0, self.position - self.sealed)


class SealingMeter:
    """Where sealing stands, at most METER_SECONDS old, whoever asks how often."""

    def __init__(
        self, *, now: Callable[[], float] = monotonic, sealer: SealerState = SEALER
    ) -> None:
        self._now = now
        self._sealer = sealer
        self._lock = threading.Lock()
        self._home: tuple[object, ...] = ()
        self._forget()

    def _forget(self) -> None:
        self._found: Sealing | None = None
        self._until = 0.0
        self._sealed = 0
        self._waits_since: float | None = None
        self._compared: Checkpoint | None = None
        self._mark = NOTHING

    def read(self) -> Sealing | None:
        """Where sealing stands; None where nobody can say. Raises: StorageUnavailable."""
        home = (settings.home(), connection.settings_dict["NAME"])
        with self._lock:
            if home != self._home:  # a process that serves has one; tests and exercises have many
                self._home = home
                self._forget()
            if self._now() >= self._until:
                self._found = self._look()
                self._until = self._now() + METER_SECONDS
            return self._found

    def look(self) -> Sealing | None:
        """The same as of now. Raises: StorageUnavailable when the database does not answer."""
        with self._lock:
            self._until = 0.0
        return self.read()

    def _look(self) -> Sealing | None:
        is_apart = settings.read_choice(SEALER_SETTING, (BESIDE, APART)) == APART
        checkpoint: Checkpoint | None = None
        try:
            checkpoint = find_sealed()
        except IntegrityError:  # the sealer refuses it too: nothing counts as sealed
            pass
        except (OperatorError, OSError):
            if is_apart:  # this account may not read it
                return None
        else:
            if checkpoint is None and self._sealer.running is None and not is_apart:
                return None
        sealed = checkpoint.size if checkpoint else 0
        fits = checkpoint is None or is_in_journal(self._mark_of(checkpoint))
        with storage_errors():
            position = read_head().position  # behind the checkpoint: what it covers was there
            entry = JournalEntry.objects.filter(position=sealed + 1).values_list("recorded_at")
            row = entry.first()
        return Sealing(
            position=position,
            sealed=sealed,
            root=checkpoint.root if checkpoint else b"",
            since=row[0] if row else None,
            late=self._is_late(sealed, waits=row is not None),
            fits=fits,
            running=self._sealer.running,
            gave_up=self._sealer.gave_up,
        )

    def _mark_of(self, checkpoint: Checkpoint) -> Mark:
        """Where the vault ends in the journal; none while it cannot be read."""
        if checkpoint != self._compared:
            self._compared, self._mark = None, NOTHING
            with contextlib.suppress(IntegrityError, OperatorError, OSError):
                if checkpoint.size:
                    leaf = VaultReader(Disk(LocalFiles(vault_folder())), checkpoint.size).leaf(
                        checkpoint.size
                    )
                    self._mark = Mark(checkpoint.size, leaf.content_commitment)
                self._compared = checkpoint
        return self._mark

    def _is_late(self, sealed: int, *, waits: bool) -> bool:
        if not waits:
            self._waits_since = None
        elif self._waits_since is None or sealed != self._sealed:
            self._waits_since = self._now()
        self._sealed = sealed
        return self._waits_since is not None and self._now() - self._waits_since >= LATE_SECONDS


SEALING = SealingMeter()
