"""A vault followed as it grows: what its signed checkpoints cover, each new part hashed once.

1. Read the checkpoint; what is not signed by the pinned key, or by one in charge to which it leads
   in the list of keys, is not looked at.
2. Hash the leaves that came since into the tree, and compare the root.
3. Keep a digest of each whole bundle of leaves, so that one that is read later is known again.

Invariants:
- No leaf is handed out that a checkpoint did not cover when it was hashed.
- A vault that has become shorter, or whose past is another, is an error; what was verified before
  stays what it was.
- Safe for several threads that read while one looks.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from tourniquet.kernel.errors import IntegrityError
from tourniquet.record.disk import Reader
from tourniquet.record.key_list import KeyList, bad_step
from tourniquet.record.leaves import Leaf, parse_leaf
from tourniquet.record.log import (
    BUNDLE_BYTES_MOST,
    CHECKPOINT,
    read_entries,
    read_last,
    read_signed,
)
from tourniquet.record.notes import Checkpoint, VerifierKey
from tourniquet.record.tiles import (
    ENTRIES,
    LENGTH_BYTES,
    pack_entries,
    tile_path,
    unpack_entries,
)
from tourniquet.record.tree import TILE_WIDTH, Frontier, hash_leaf
from tourniquet.record.vault import read_bodies, read_body

MARK_EVERY = 64 * TILE_WIDTH  # positions at which somebody may later go on
BUNDLES_HELD = 256  # 8 MB of leaves
LOOKS_MOST = 3  # a writer may take a partial bundle away between two of our reads


@dataclass(frozen=True)
class _Seen:
    """What was verified: one value, so that threads see all of it or nothing."""

    checkpoint: Checkpoint
    frontier: Frontier
    digests: tuple[bytes, ...]
    tail: tuple[bytes, ...]


class Follower:
    """A vault as far as it was verified."""

    def __init__(self, disk: Reader, key: VerifierKey) -> None:
        self._disk = disk
        self._key = key
        empty = Checkpoint(key.name, 0, Frontier().root())
        self._seen = _Seen(empty, Frontier(), (), ())
        self._marks: list[Frontier] = []
        self._bundle = lru_cache(maxsize=BUNDLES_HELD)(self._read_bundle)

    @property
    def checkpoint(self) -> Checkpoint:
        """The last checkpoint that was verified."""
        return self._seen.checkpoint

    @property
    def size(self) -> int:
        """How many entries it covers."""
        return self._seen.checkpoint.size

    def go_on_from(self, frontier: Frontier, digests: Sequence[bytes]) -> None:
        """Go on where an earlier process had come to, with the digests of the bundles up to there.

        Both are that process's own, kept where nobody could change them.
        """
        at = Checkpoint(self._key.name, frontier.size, frontier.root())
        self._seen = _Seen(at, frontier, tuple(digests), ())
        self._bundle.cache_clear()

    def look(self) -> bool:
        """Verify what came since; whether anything did.

        Raises: IntegrityError when the vault is not what it was, grown; StorageUnavailable.
        """
        for left in reversed(range(LOOKS_MOST)):
            # 1. The checkpoint.
            checkpoint, _, keys = read_signed(self._disk, self._key)
            if checkpoint == self.checkpoint:
                return False
            try:
                self._extend(checkpoint, keys)
            except IntegrityError:
                if not left or read_last(self._disk, self._key) == checkpoint:
                    raise
            else:
                return True
        return False

    def _extend(self, checkpoint: Checkpoint, keys: KeyList) -> None:
        seen = self._seen
        if checkpoint.size <= seen.checkpoint.size:
            raise IntegrityError(
                f"The vault ends at {checkpoint.size}; {seen.checkpoint.size} were verified.",
                where=CHECKPOINT,
                remedy="It is an older copy, or another. Bring the newest.",
            )
        # 2. Leaves.
        frontier, digests, marks = seen.frontier, list(seen.digests), list[Frontier]()
        entries: list[bytes] = []
        while frontier.size < checkpoint.size:
            number, known = divmod(frontier.size, TILE_WIDTH)
            width = min(TILE_WIDTH, checkpoint.size - number * TILE_WIDTH)
            entries = read_entries(self._disk, number, width)
            if known and tuple(entries[:known]) != seen.tail:
                raise IntegrityError(
                    "Leaves that were verified are others now.", where=tile_path(ENTRIES, number)
                )
            hashes = [hash_leaf(one) for one in entries[known:]]
            _demand_roots(frontier, hashes, keys)
            frontier, _ = frontier.grow(hashes)
            # 3. Digests.
            if width == TILE_WIDTH:
                digests.append(_digest(entries))
            if frontier.size % MARK_EVERY == 0:
                marks.append(frontier)
        if frontier.root() != checkpoint.root:
            raise IntegrityError(
                f"The first {checkpoint.size} entries do not have the root of the checkpoint.",
                where=CHECKPOINT,
                remedy="Compare the vault with another copy; keep this one as evidence.",
            )
        tail = tuple(entries) if checkpoint.size % TILE_WIDTH else ()
        self._seen = _Seen(checkpoint, frontier, tuple(digests), tail)
        self._marks += marks

    def take_marks(self, *, up_to: int) -> list[Frontier]:
        """Sizes that end a bundle, up to one, each with what is needed to go on from there.

        In order; each is handed out once.
        """
        taken = [mark for mark in self._marks if mark.size <= up_to]
        self._marks = self._marks[len(taken) :]
        return taken

    def digests(self, first: int, last: int) -> list[bytes]:
        """Digests of the whole bundles from position `first` to position `last`."""
        return list(self._seen.digests[(first - 1) // TILE_WIDTH : last // TILE_WIDTH])

    def leaf(self, position: int) -> Leaf:
        """The leaf of a position. Raises: IntegrityError when there is none, or another now."""
        seen = self._seen
        if not 0 < position <= seen.checkpoint.size:
            raise IntegrityError("Nothing was verified there.", where=f"position {position}")
        number, at = divmod(position - 1, TILE_WIDTH)
        whole = number < len(seen.digests)
        return parse_leaf(_entry(self._bundle(number), at) if whole else seen.tail[at], position)

    def body(self, leaf: Leaf) -> bytes:
        """The body of a leaf. Raises: IntegrityError when it is missing or another."""
        return read_body(self._disk, leaf)

    def bodies(self, positions: range) -> Iterator[tuple[Leaf, bytes]]:
        """Leaves and bodies of neighbouring positions, read together. Raises: IntegrityError."""
        yield from read_bodies(self._disk, [self.leaf(position) for position in positions])

    def _read_bundle(self, number: int) -> bytes:
        path = tile_path(ENTRIES, number)
        bundle = self._disk.read(path, bytes_most=BUNDLE_BYTES_MOST)
        if hashlib.sha256(bundle).digest() != self._seen.digests[number]:
            raise IntegrityError(
                "Leaves that were verified are others now.",
                where=path,
                remedy="Compare the vault with another copy; keep this one as evidence.",
            )
        return bundle


def _demand_roots(frontier: Frontier, hashes: Sequence[bytes], keys: KeyList) -> None:
    """Demand that the changes of the key among these leaves tell the roots that the tree had."""
    for number, step in enumerate(keys.steps, 1):
        more = step.size - frontier.size
        if 0 < more <= len(hashes) and frontier.grow(hashes[:more])[0].root() != step.root:
            raise bad_step(number, f"has another root than the tree of {step.size} entries")


def _digest(entries: Sequence[bytes]) -> bytes:
    return hashlib.sha256(pack_entries(entries)).digest()


def _entry(bundle: bytes, at: int) -> bytes:
    """One entry of a whole bundle; where all are as long, without a look at the others."""
    stride = LENGTH_BYTES + int.from_bytes(bundle[:LENGTH_BYTES], "big")
    start = at * stride
    length = int.from_bytes(bundle[start : start + LENGTH_BYTES], "big")
    if len(bundle) == stride * TILE_WIDTH and length == stride - LENGTH_BYTES:
        return bundle[start + LENGTH_BYTES : start + stride]
    return unpack_entries(bundle, TILE_WIDTH)[at]
