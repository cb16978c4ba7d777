"""The simulated disk finds what a vault may not do: each mutant leaves out or turns round one step.

A mutant that outlives SEEDS seeds means that the simulation no longer tries what it is there for.
"""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from tests.support.narrow_vault import narrow
from tests.support.simulated_files import SimulatedFiles
from tests.support.vault_lives import NARROW, Broken, Kind, live
from tourniquet.kernel.errors import StorageUnavailable
from tourniquet.record.bodies import Body
from tourniquet.record.disk import Disk
from tourniquet.record.log import CHECKPOINT
from tourniquet.record.notes import Note
from tourniquet.record.vault import PENDING, Broom, Vault, append_bodies, write_pending

pytestmark = pytest.mark.no_cover  # a tracer would triple its time; flows cover the lines
SEEDS = 300  # in which each must be found; the slowest is found within the first thirty


class LeavesBeforeBodies(Vault):
    """Writes the leaves down before the bodies that they name are flushed."""

    def publish(self, bodies: Sequence[Body]) -> Note:
        start = self._log.checkpoint.size
        places, leaves = self._placed(bodies)
        write_pending(self._disk, start, leaves)
        sealed = [body.sealed for body in bodies]
        append_bodies(self._disk, zip(places, sealed, strict=True))
        return self._publish(start, leaves)


class LeavesNotWrittenDown(Vault):
    """Publishes leaves that were not written down before."""

    def publish(self, bodies: Sequence[Body]) -> Note:
        start = self._log.checkpoint.size
        places, leaves = self._placed(bodies)
        append_bodies(self._disk, zip(places, [body.sealed for body in bodies], strict=True))
        note = self._publish(start, leaves)
        write_pending(self._disk, start, leaves)
        return note


class OtherLeavesPublished(Vault):
    """Does not publish what was written down: others take those places."""

    def _finish(self) -> None:
        pass


class ClearedTooSoon(Vault):
    """Takes partial tiles away before the checkpoint that stands on the full ones is in place."""

    def _publish(self, start: int, leaves: Sequence[bytes]) -> Note:
        Broom(self._disk).sweep(start, start + len(leaves))
        return super()._publish(start, leaves)


class SegmentNotFlushed(Disk):
    """Takes an appended body for durable at once."""

    def flush(self, path: str) -> None:
        pass


class EndNotCut(Disk):
    """Goes on in a segment behind bodies that no leaf names."""

    def go_on(self, path: str, *, at: int) -> None:
        self._kept.add(path)


class CutByWritingOver(Disk):
    """Goes on in a segment from where leaves end, without looking what is there."""

    def append(self, path: str, content: bytes, *, at: int) -> None:
        self._writing(path, lambda: self._write(path, content, at))

    def _write(self, path: str, content: bytes, at: int) -> None:
        self._keep_folders(path)
        self._files.write_at(path, at, content)
        self._files.flush_folder("body")

    def go_on(self, path: str, *, at: int) -> None:
        self._kept.add(path)


class FlushTriedAgain(Disk):
    """Asks a second time where a flush failed, and believes the answer."""

    def flush(self, path: str) -> None:
        try:
            super().flush(path)
        except StorageUnavailable:
            self._failed = ""
            super().flush(path)


class PartNotFlushed(Disk):
    """Gives a file its name before its content is flushed."""

    def _write_beside(self, path: str, content: bytes) -> str:
        return self._write_part(path, content)


class WrittenInPlace(Disk):
    """Writes a new checkpoint or new leaves over the old ones."""

    def _replace(self, path: str, content: bytes) -> None:
        if path not in {CHECKPOINT, PENDING}:
            super()._replace(path, content)
            return
        self._files.write_at(path, 0, content)
        self._files.flush(path)
        self._files.flush_folder("")


class FoldersNotKept(Disk):
    """Does not flush the name of a folder that it makes."""

    def _keep_folders(self, path: str) -> None:
        above = ""
        for name in path.split("/")[:-1]:
            above = f"{above}/{name}" if above else name
            self._files.make_folder(above)


class NamesNotFlushed(SimulatedFiles):
    """Takes a new name for durable at once."""

    def flush_folder(self, folder: str) -> None:
        pass


class ContentNotFlushed(SimulatedFiles):
    """Takes content for durable at once."""

    def flush(self, path: str) -> None:
        pass


VAULTS = (LeavesBeforeBodies, LeavesNotWrittenDown, OtherLeavesPublished, ClearedTooSoon)
DISKS = (
    SegmentNotFlushed,
    EndNotCut,
    CutByWritingOver,
    FlushTriedAgain,
    PartNotFlushed,
    WrittenInPlace,
    FoldersNotKept,
)
FILES = (NamesNotFlushed, ContentNotFlushed)
MUTANTS = (
    *(Kind(vault=one) for one in VAULTS),
    *(Kind(disk=one) for one in DISKS),
    *(Kind(files=one) for one in FILES),
)


def name_of(kind: Kind) -> str:
    """What of it is another than in the record."""
    parts: tuple[tuple[object, object], ...] = (
        (kind.vault, NARROW.vault),
        (kind.disk, NARROW.disk),
        (kind.files, NARROW.files),
    )
    return " ".join(getattr(one, "__name__", "") for one, usual in parts if one is not usual)


def first_found(kind: Kind) -> Broken | None:
    """What finds a mutant first; its seed is in the words."""
    with narrow():
        for seed in range(SEEDS):
            try:
                live(seed, kind)
            except Broken as broken:
                return broken
    return None


@pytest.mark.parametrize("kind", MUTANTS, ids=name_of)
def test_a_step_that_is_left_out_is_found(kind: Kind) -> None:
    found = first_found(kind)
    assert found is not None, f"{name_of(kind)} outlived {SEEDS} seeds"
    print(f"{name_of(kind)}: found by {found}")
