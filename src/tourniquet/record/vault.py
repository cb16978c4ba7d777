"""The vault: bodies in segments, their leaves in a signed log.

One publication, each step durable before the next:
1. Append the bodies to their segment, going over to a new one where it is full.
2. Write down the leaves that are about to be published.
3. Publish them in the log. Only now are the entries sealed.
4. Clear the partial tiles that a full one has replaced.

Invariants:
- A leaf that was written down in step 2 is published as it is, whatever happens in between: opening
  the vault again finishes it. So no position ever has two leaves.
- Bodies that no leaf names (a power cut between 1 and 2) are dropped when the vault is opened;
  their keys were derived with a salt of theirs and are used for nothing else.
- Segments hold bodies end to end, in the order of the leaves, and nothing else.

The form: docs/reference/vault.md.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache

from tourniquet.kernel.errors import IntegrityError
from tourniquet.record.bodies import Body
from tourniquet.record.disk import Disk, Keeper, Reader
from tourniquet.record.key_list import KeyList
from tourniquet.record.leaves import (
    LEAF_BYTES,
    Leaf,
    Place,
    follows,
    next_place,
    pack_leaf,
    parse_leaf,
    segment_path,
)
from tourniquet.record.log import ENTRIES_AT_ONCE, Log, read_entries, read_last
from tourniquet.record.notes import NOTE_BYTES_MOST, Checkpoint, Note, Signer, VerifierKey
from tourniquet.record.tiles import ENTRIES, tile_path
from tourniquet.record.tree import LEVELS_MOST, TILE_BITS, TILE_WIDTH

PENDING = "pending"
KEY_FILE = "vault.vkey"
_START_BYTES = 8
PENDING_BYTES_MOST = _START_BYTES + ENTRIES_AT_ONCE * LEAF_BYTES
BUNDLES_HELD = 64
PARTIAL_AT_ONCE = 8  # a publication of one entry leaves two
BYTES_AT_ONCE = 8 * 1024 * 1024  # of bodies that are read together


class Vault:
    """The one writer of a vault."""

    def __init__(self, disk: Disk, signer: Signer, former: Signer | None = None) -> None:
        """Go on with a vault, finishing what was interrupted; `former` is the key before.

        Raises: IntegrityError when its end is not as its checkpoint says.
        """
        self._disk = disk
        self._log = Log(disk, signer, former)
        keep_key_line(disk, self._log.keys)
        self._last = find_last(disk, self._log.checkpoint.size)
        self._broom = Broom(disk)
        self._finish()
        drop_unnamed(disk, self._last)

    @classmethod
    def begin(cls, disk: Disk, signer: Signer) -> Vault:
        """Begin a vault in an empty place. Raises: OperatorError when it is not empty."""
        Log.begin(disk, signer)
        return cls(disk, signer)

    @property
    def checkpoint(self) -> Checkpoint:
        """How far the vault has come."""
        return self._log.checkpoint

    @property
    def last(self) -> Leaf | None:
        """The newest leaf; None in an empty vault."""
        return self._last

    @property
    def keys(self) -> KeyList:
        """The keys that have signed it, and the one that does."""
        return self._log.keys

    def change_key(self, new: Signer, former: Signer | None) -> None:
        """From the next publication on this key signs, that first time together with the former.

        Raises: StorageUnavailable; open the vault again then.
        """
        self._log.change_key(new, former)
        keep_key_line(self._disk, self._log.keys)

    def publish(self, bodies: Sequence[Body]) -> Note:
        """Publish these bodies at the positions after the last; the signed checkpoint.

        Raises: IntegrityError; StorageUnavailable: open the vault again to see what came of it.
        """
        # 1. Bodies.
        start = self._log.checkpoint.size
        places, leaves = self._placed(bodies)
        sealed = [body.sealed for body in bodies]
        append_bodies(self._disk, zip(places, sealed, strict=True))
        # 2. Leaves, written down.
        write_pending(self._disk, start, leaves)
        # 3. The log.
        return self._publish(start, leaves)

    def publish_sealed(self, entries: Sequence[tuple[bytes, bytes]]) -> Note:
        """Publish entries that were sealed already, each its leaf and its body, as they are.

        Raises: IntegrityError when they are not the next; StorageUnavailable, as `publish`.
        """
        start, before = self._log.checkpoint.size, self._last.place if self._last else None
        bodies = []
        for position, (packed, sealed) in enumerate(entries, start + 1):
            leaf = parse_leaf(packed, position)
            if not follows(leaf.place, before):
                raise _misplaced(position)
            bodies.append((leaf.place, sealed))
            before = leaf.place
        append_bodies(self._disk, bodies)
        leaves = [packed for packed, _ in entries]
        write_pending(self._disk, start, leaves)
        return self._publish(start, leaves)

    def _publish(self, start: int, leaves: Sequence[bytes]) -> Note:
        note = self._log.publish(leaves)
        if leaves:
            self._last = parse_leaf(leaves[-1], start + len(leaves))
        # 4. Partial tiles.
        self._broom.sweep(start, start + len(leaves))
        return note

    def _placed(self, bodies: Sequence[Body]) -> tuple[list[Place], list[bytes]]:
        """Where the bodies go, and their leaves."""
        places, leaves = [], []
        place = self._last.place if self._last else None
        for body in bodies:
            place = next_place(place, len(body.sealed))
            places.append(place)
            leaves.append(pack_leaf(body.head, hashlib.sha256(body.sealed).digest(), place))
        return places, leaves

    def _finish(self) -> None:
        """Publish what was written down and not published."""
        if self._disk.size(PENDING) is None:
            return
        start, leaves = read_pending(self._disk)
        size = self._log.checkpoint.size
        if start > size or start < size < start + len(leaves):
            raise IntegrityError(
                f"Leaves from {start} on were to be published, but the log ends at {size}.",
                where=PENDING,
                remedy="The folder is not as it was left. Verify it against the replica.",
            )
        if start < size:
            return
        before = self._last.place if self._last else None
        for position, packed in enumerate(leaves, start + 1):
            leaf = parse_leaf(packed, position)
            read_body(self._disk, leaf)
            if not follows(leaf.place, before):
                raise _misplaced(position)
            before = leaf.place
        self._publish(start, leaves)


def _misplaced(position: int) -> IntegrityError:
    return IntegrityError(
        "A body was written down in the wrong place.", where=f"position {position}"
    )


def keep_key_line(disk: Keeper, keys: KeyList) -> None:
    """Have the key beside it from which the list leads to the newest.

    It changes only where the former key was lost. Raises: IntegrityError when a key lies there
    that is none of the list.
    """
    line = f"{keys.start}\n".encode()
    if disk.size(KEY_FILE) is not None:
        there = disk.read(KEY_FILE, bytes_most=NOTE_BYTES_MOST)
        if there != line and there in {f"{key}\n".encode() for key in keys.keys}:
            disk.replace(KEY_FILE, line)
            return
    disk.create({KEY_FILE: line})


def write_pending(disk: Keeper, start: int, leaves: Sequence[bytes]) -> None:
    """Write down the leaves that are about to be published behind `start`."""
    disk.replace(PENDING, start.to_bytes(_START_BYTES, "big") + b"".join(leaves))


def append_bodies(disk: Keeper, bodies: Iterable[tuple[Place, bytes]]) -> None:
    """Append bodies where their leaves say, right behind those that are there, and flush them."""
    pieces: dict[int, tuple[int, list[bytes]]] = {}
    for place, sealed in bodies:
        pieces.setdefault(place.segment, (place.offset, []))[1].append(sealed)
    for number, (at, some) in pieces.items():
        disk.append(segment_path(number), b"".join(some), at=at)
        disk.flush(segment_path(number))


def drop_unnamed(disk: Keeper, last: Leaf | None) -> None:
    """Cut the last segment to what leaves name, and let it be gone on with."""
    end = -1
    if last is not None:
        end = last.place.segment
        read_body(disk, last)
        disk.go_on(segment_path(end), at=last.place.end)
    for name in disk.names("body"):
        if end < 0 or name > f"{end:09d}":
            disk.discard(f"body/{name}")


class Broom:
    """Takes partial tiles away that a full one has replaced, a few with each publication.

    All of them at once would be a hundred and more changes of the disk's, while somebody waits.
    """

    def __init__(self, disk: Keeper) -> None:
        self._disk = disk
        self._left: deque[str] = deque()
        self._knows_rest = False

    def sweep(self, old: int, new: int) -> None:
        """Go on, the log having grown from size `old` to `new`."""
        if not self._knows_rest:  # what an earlier process had left to do
            self._list(max(old - TILE_WIDTH, 0), old)
            self._knows_rest = True
        self._list(old, new)
        some = [self._left.popleft() for _ in range(min(PARTIAL_AT_ONCE, len(self._left)))]
        if some:
            self._disk.drop(*some)

    def _list(self, old: int, new: int) -> None:
        for level in (ENTRIES, *range(LEVELS_MOST)):
            shift = TILE_BITS * (max(level, 0) + 1)
            number = old >> shift
            if new >> shift > number:
                folder = f"{tile_path(level, number)}.p"
                self._left.extend(f"{folder}/{name}" for name in self._disk.names(folder))


def read_pending(disk: Reader) -> tuple[int, list[bytes]]:
    """Where the leaves that were last written down begin, and they. Raises: IntegrityError."""
    content = disk.read(PENDING, bytes_most=PENDING_BYTES_MOST)
    start, rest = int.from_bytes(content[:_START_BYTES], "big"), content[_START_BYTES:]
    if len(content) < _START_BYTES or len(rest) % LEAF_BYTES:
        raise IntegrityError("The file is not in its form.", where=PENDING)
    return start, [rest[at : at + LEAF_BYTES] for at in range(0, len(rest), LEAF_BYTES)]


def read_body(disk: Reader, leaf: Leaf) -> bytes:
    """The body that a leaf names. Raises: IntegrityError when it is missing or another."""
    path = segment_path(leaf.place.segment)
    sealed = disk.read_part(path, leaf.place.offset, leaf.place.length)
    if hashlib.sha256(sealed).digest() != leaf.body_hash:
        raise IntegrityError(
            f"The body at position {leaf.position} is not the one that its leaf names.",
            where=f"{path}, byte {leaf.place.offset}",
        )
    return sealed


def read_bodies(disk: Reader, leaves: Sequence[Leaf]) -> Iterator[tuple[Leaf, bytes]]:
    """Neighbouring leaves with their bodies, which are read together. Raises: IntegrityError."""
    at = 0
    while at < len(leaves):
        first = leaves[at].place
        end = at + 1
        while (
            end < len(leaves)
            and leaves[end].place.segment == first.segment
            and leaves[end].place.end - first.offset <= BYTES_AT_ONCE
        ):
            end += 1
        run = leaves[at:end]
        path = segment_path(first.segment)
        content = disk.read_part(path, first.offset, run[-1].place.end - first.offset)
        for leaf in run:
            start = leaf.place.offset - first.offset
            sealed = content[start : start + leaf.place.length]
            if hashlib.sha256(sealed).digest() != leaf.body_hash:
                raise IntegrityError(
                    f"The body at position {leaf.position} is not the one that its leaf names.",
                    where=f"{path}, byte {leaf.place.offset}",
                )
            yield leaf, sealed
        at = end


def find_last(disk: Reader, size: int) -> Leaf | None:
    """The leaf of the last position; None in an empty vault."""
    if not size:
        return None
    return VaultReader(disk, size).leaf(size)


class VaultReader:
    """A vault as it is read: leaves and bodies by position, up to a size that was verified."""

    def __init__(self, disk: Reader, size: int) -> None:
        self._disk = disk
        self.size = size
        self._bundle = lru_cache(maxsize=BUNDLES_HELD)(self._read_bundle)

    @classmethod
    def at_checkpoint(cls, disk: Reader, key: VerifierKey) -> VaultReader:
        """The vault as far as its checkpoint, which this key must have signed."""
        return cls(disk, read_last(disk, key).size)

    def leaf(self, position: int) -> Leaf:
        """The leaf of a position. Raises: IntegrityError when there is none."""
        return parse_leaf(self.packed(position), position)

    def packed(self, position: int) -> bytes:
        """The leaf of a position as it is kept. Raises: IntegrityError when there is none."""
        if not 0 < position <= self.size:
            raise IntegrityError("The vault has no such position.", where=f"position {position}")
        number, at = divmod(position - 1, TILE_WIDTH)
        return self._bundle(number)[at]

    def body(self, leaf: Leaf) -> bytes:
        """The body of a leaf. Raises: IntegrityError."""
        return read_body(self._disk, leaf)

    def bodies(self, positions: range) -> Iterator[tuple[Leaf, bytes]]:
        """Leaves and bodies of neighbouring positions, read together. Raises: IntegrityError."""
        yield from read_bodies(self._disk, [self.leaf(position) for position in positions])

    def _read_bundle(self, number: int) -> list[bytes]:
        width = min(TILE_WIDTH, self.size - number * TILE_WIDTH)
        return read_entries(self._disk, number, width)
