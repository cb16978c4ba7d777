"""Some lives of a vault on one simulated disk, and what must hold after them.

A life goes on with the vault, or begins it, publishes, and ends: well, by a power cut or a kill in
the middle of any call, or by a call that fails. After the kill or the failure the power may go too.

What must hold, for a reader who saw each checkpoint that `publish` returned, and each that lay
there after a life: at the end of each life the vault verifies; once it was opened again after the
last, its tree extends every checkpoint that was seen, and nothing is left unfinished. (One that a
reader saw after a kill may go with the power, until the vault is opened again.)
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

from tests.support.narrow_vault import QUICK_SIGNER
from tests.support.simulated_files import PowerCut, SimulatedFiles
from tourniquet.kernel.errors import IntegrityError, StorageUnavailable
from tourniquet.record.bodies import Body
from tourniquet.record.disk import Disk, Files
from tourniquet.record.leaves import pack_head
from tourniquet.record.log import CHECKPOINT, read_tile
from tourniquet.record.notes import Checkpoint, Signer, read_checkpoint
from tourniquet.record.tree import Tree
from tourniquet.record.vault import KEY_FILE, Vault
from tourniquet.record.verification import verify_vault

LIVES = 5
PUBLICATIONS_MOST = 4
CALLS_MOST = 160  # after which a life is struck, if it lasts so long
FAILS = 0.4  # of the strikes; the others are cuts
POWER_GOES = 0.6  # of the ends of a life


@dataclass(frozen=True)
class Kind:
    """What lives: how much is published at once, by which code, on which disk."""

    batches: tuple[int, ...] = (0, 1, 1, 2, 3, 4, 5, 8, 13)
    sector_bytes: int = 32
    signer: Signer = QUICK_SIGNER
    files: type[SimulatedFiles] = SimulatedFiles
    disk: Callable[[Files], Disk] = Disk
    vault: type[Vault] = Vault


NARROW = Kind()


class Broken(AssertionError):
    """What must hold does not."""


@dataclass
class Lives:
    """The lives of one seed."""

    seed: int
    kind: Kind
    random: Random = field(init=False)
    files: SimulatedFiles = field(init=False)
    seen: list[Checkpoint] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.random = Random(self.seed)
        self.files = self.kind.files(self.random, sector_bytes=self.kind.sector_bytes)

    def run(self) -> int:
        """Live, die, and look; the size that was reached. Raises: Broken."""
        try:
            for _ in range(LIVES):
                self._live()
                self.seen += self._verified()
                if self.files.is_shut or self.random.random() < POWER_GOES:
                    self.files.cut_power()
            self.files.cut_power()
            for _ in range(2):  # opened once more, and nothing is left unfinished
                if Disk(self.files).size(CHECKPOINT) is not None:
                    self.kind.vault(self.kind.disk(self.files), self.kind.signer)
            self._check_end()
        except (IntegrityError, StorageUnavailable) as error:
            raise Broken(f"seed {self.seed}: {error}") from error
        return max((one.size for one in self.seen), default=0)

    def _live(self) -> None:
        files, random = self.files, self.random
        strike = files.calls + random.randrange(1, CALLS_MOST)
        fails = random.random() < FAILS
        files.cut_at, files.fail_at = (None, strike) if fails else (strike, None)
        try:
            self._publish()
        except StorageUnavailable as error:
            self._demand(fails, f"a call failed by itself: {error}")
        except PowerCut:
            self._demand(not fails, "the power went by itself")
        files.cut_at = files.fail_at = None

    def _publish(self) -> None:
        disk = self.kind.disk(self.files)
        is_new = disk.size(CHECKPOINT) is None
        open_vault = self.kind.vault.begin if is_new else self.kind.vault
        one = open_vault(disk, self.kind.signer)
        self.seen.append(one.checkpoint)
        for _ in range(self.random.randrange(1, PUBLICATIONS_MOST + 1)):
            start = one.checkpoint.size
            count = self.random.choice(self.kind.batches)
            note = one.publish(bodies_from(start, count, self.random))
            self.seen.append(read_checkpoint(note, self.kind.signer.verifier))

    def _verified(self) -> list[Checkpoint]:
        """Verify what lies there; its checkpoint, if the vault was begun."""
        disk = Disk(self.files)
        if disk.size(CHECKPOINT) is None or disk.size(KEY_FILE) is None:
            return []
        return [verify_vault(disk, self.kind.signer.verifier).checkpoint]

    def _check_end(self) -> None:
        disk = Disk(self.files)
        if disk.size(CHECKPOINT) is None:
            self._demand(not self.seen, "a vault that was seen is gone")
            return
        last = max(self.seen, key=lambda one: one.size)
        found = verify_vault(disk, self.kind.signer.verifier, since=last)
        self._demand(found.beyond == [], f"left unfinished: {found.beyond}")
        tree = Tree(found.checkpoint.size, lambda *tile: read_tile(disk, *tile))
        for one in set(self.seen):
            self._demand(tree.root(one.size) == one.root, f"the tree of {one.size} was forked")

    def _demand(self, holds: bool, what: str) -> None:  # noqa: FBT001 (reads as the sentence that it checks)
        if not holds:
            raise Broken(f"seed {self.seed}: {what}")


def live(seed: int, kind: Kind = NARROW) -> int:
    """The lives of one seed; the size that was reached. Raises: Broken."""
    return Lives(seed, kind).run()


def bodies_from(start: int, count: int, random: Random) -> list[Body]:
    """Bodies for the positions behind `start`: another one each time, as a sealer makes them."""
    return [
        Body(
            pack_head(position, random.randbytes(32), position.to_bytes(32, "big")),
            random.randbytes(random.randrange(20, 60)),
        )
        for position in range(start + 1, start + count + 1)
    ]
