"""What a replica does to its bucket beside pulling: whole segments, and locks renewed.

1. **Whole segments.** Once a segment is full, it is read back, every body compared with its leaf,
   and put again as one object. Readers need one call where there were thousands, and its pieces
   need no renewing.
2. **Renewal.** Time is cut into spans of half the retention. What was put in an earlier span and is
   still needed is locked anew, for the whole retention, once in each span. So nothing that is
   needed is ever locked for less than half of it, unless the replica is away for as long.

Needed are: whole tiles and bundles; whole segments, and the pieces of those that are not; the
newest checkpoint and the partial tiles under it; keys and evidence. Not needed are partial tiles,
checkpoints and pieces that something later has replaced: their lock ends, and they stay until the
owner of the bucket clears them.

Invariants:
- Only this machine's clock says which span it is, and only the files `renewed` and `merged` in the
  replica's own folder say what was done; where they are lost, it is done and verified once more.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice

from tourniquet.kernel.errors import IntegrityError
from tourniquet.record.bucket import (
    CHECKPOINTS,
    VAULT,
    BucketDisk,
    BucketVault,
    is_partial_tile,
    segment_of_piece,
)
from tourniquet.record.disk import Disk
from tourniquet.record.leaves import segment_path
from tourniquet.record.notes import VerifierKey
from tourniquet.record.objects import Objects, Stored
from tourniquet.record.tiles import ENTRIES, tile_path
from tourniquet.record.tree import LEVELS_MOST, TILE_BITS, TILE_WIDTH
from tourniquet.record.vault import VaultReader, find_last
from tourniquet.record.verification import check_bodies

MERGED = "merged"
RENEWED = "renewed"
_NUMBER_BYTES_MOST = 64
LOOKED_AT_ONCE = 1_000  # some seconds
_EVIDENCE = "evidence/"


@dataclass
class _Round:
    """A renewal that was begun: what is still to be looked at, and how many were locked."""

    span: int
    begun: datetime
    needed: Iterator[Stored | None]
    count: int = 0


class Upkeep:
    """The upkeep of one prefix, for the replica that writes it."""

    def __init__(
        self,
        objects: Objects,
        vault: BucketDisk,
        own: Disk,
        keys: Sequence[VerifierKey],
        retention: timedelta,
    ) -> None:
        """`keys` are the log's that people pinned, in that order."""
        self._objects, self._vault, self._own, self._keys = objects, vault, own, keys
        self._half_seconds = int(retention.total_seconds()) // 2
        self._retention = retention
        self._round: _Round | None = None
        self._merged: int | None = None  # segments before this one are whole, and verified

    def merge(self) -> int:
        """Put full segments as one object each; how many. Raises: IntegrityError: not as signed."""
        if self._merged is None:
            self._merged = self._read_number(MERGED)
        size = self._vault.checkpoint_size()
        last = find_last(self._vault, size)
        count = 0
        while last is not None and self._merged < last.place.segment:
            self._put_whole(self._merged, size)
            self._merged += 1
            count += 1
            self._own.replace(MERGED, f"{self._merged}\n".encode())
        return count

    def _put_whole(self, segment: int, size: int) -> None:
        """Read a segment back as anybody would, compare each body with its leaf, put it whole."""
        path, vault = segment_path(segment), BucketVault(self._objects, self._keys)
        try:
            reader = VaultReader(vault, size)
            first, after = (_first_in(reader, segment + more) for more in (0, 1))
            leaves = [reader.leaf(position) for position in range(first, after)]
            check_bodies(vault, leaves, reader.leaf(first - 1) if first > 1 else None)
            whole = vault.read_part(path, 0, leaves[-1].place.end)
        finally:
            vault.close()
        self._vault.put(path, whole)

    def renew(self, now: datetime, *, at_once: bool) -> int | None:
        """Lock anew what is needed, once in each span; how many objects when it is done.

        None where nothing was due, or it is not yet done: without `at_once` a call does one lot, so
        that pulls go on between. Interrupted, it begins again.
        """
        span = int(now.timestamp()) // self._half_seconds
        if self._read_number(RENEWED) >= span:
            return None
        if self._round is None or self._round.span != span:
            begun = datetime.fromtimestamp(span * self._half_seconds, UTC)
            self._round = _Round(span, begun, self._needed())
        while not self._renew_lot(self._round, now + self._retention):
            if not at_once:
                return None
        count, self._round = self._round.count, None
        self._own.replace(RENEWED, f"{span} {count}\n".encode())
        return count

    def _renew_lot(self, given: _Round, until: datetime) -> bool:
        """Lock the next lot; whether it was the last."""
        some = list(islice(given.needed, LOOKED_AT_ONCE))
        due = [one for one in some if one is not None and one.changed_at < given.begun]
        for _ in self._vault.each(lambda one: self._objects.retain(one, until), due):
            pass
        given.count += len(due)
        return len(some) < LOOKED_AT_ONCE

    def _read_number(self, name: str) -> int:
        if self._own.size(name) is None:
            return 0
        words = self._own.read(name, bytes_most=_NUMBER_BYTES_MOST).split()
        if not words or not words[0].isdigit():
            raise IntegrityError("The file is not in its form.", where=name, remedy="Delete it.")
        return int(words[0])

    def _needed(self) -> Iterator[Stored | None]:
        """What is needed, as the module says; None for each that is not."""
        partial, whole = self._partial_tiles(), self._read_number(MERGED)
        for one in self._objects.list(VAULT):
            assert isinstance(one, Stored)
            segment = segment_of_piece(one)
            is_replaced = (
                one.name.startswith(CHECKPOINTS)
                or (segment is not None and segment < whole)
                or (is_partial_tile(one) and one.name not in partial)
            )
            yield None if is_replaced else one
        newest = self._vault.newest_checkpoint()
        if newest is not None:
            yield newest
        for prefix in ("witness.vkey", _EVIDENCE):
            for one in self._objects.list(prefix):
                assert isinstance(one, Stored)
                yield one

    def _partial_tiles(self) -> set[str]:
        """The partial tiles under the newest checkpoint, by the names of their objects."""
        size = self._vault.checkpoint_size()
        found = set()
        for level in (ENTRIES, *range(LEVELS_MOST)):
            number, width = divmod(size >> TILE_BITS * max(level, 0), TILE_WIDTH)
            if width:
                found.add(VAULT + tile_path(level, number, width))
        return found


def _first_in(reader: VaultReader, segment: int) -> int:
    """The first position whose body lies in a segment or behind it."""
    low, high = 1, reader.size + 1
    while low < high:
        middle = (low + high) // 2
        if reader.leaf(middle).place.segment < segment:
            low = middle + 1
        else:
            high = middle
    return low
