"""The Merkle tree of RFC 6962, its proofs, and the tiles of C2SP tlog-tiles that keep it. Pure.

A tile holds up to 256 hashes: tile N of level L holds the roots of the perfect subtrees of 256^L
leaves each, from the (256 N)th on. A tree grows at its right edge only, so a full tile never
changes, and of each level at most one tile is partial.

Invariants:
- A leaf's hash and a node's never collide: each begins with a byte of its own (RFC 6962, 2.1).
- What a proof is checked against comes from a signed checkpoint, never from the tiles that it was
  made of: tiles may lie, and then the proof fails.
- Nothing here reads or writes a file.

Source: RFC 6962, 2.1; RFC 9162, 2.1.3.2 and 2.1.4.2, for the checks of proofs; C2SP tlog-tiles.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from tourniquet.kernel.errors import IntegrityError

HASH_BYTES = 32
TILE_BITS = 8
TILE_WIDTH = 1 << TILE_BITS
LEVELS_MOST = 64 // TILE_BITS  # of tiles: trees of up to 2^64 leaves
PROOF_MOST = 64  # hashes of an inclusion proof; of a consistency proof one more
ROOTS_HELD = 10_000  # of subtrees: about 2 MB
EMPTY_ROOT = hashlib.sha256(b"").digest()

ReadTile = Callable[[int, int, int], bytes]
"""The hashes, one after the other, of a tile by its level, number and width."""


def hash_leaf(entry: bytes) -> bytes:
    """The hash of a leaf. Source: RFC 6962, 2.1."""
    return hashlib.sha256(b"\x00" + entry).digest()


def hash_node(left: bytes, right: bytes) -> bytes:
    """The hash of an inner node. Source: RFC 6962, 2.1."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def hash_perfect(hashes: Sequence[bytes]) -> bytes:
    """The root of a perfect subtree over 2^k hashes, k from 0 on."""
    row = list(hashes)
    while len(row) > 1:
        row = [hash_node(row[at], row[at + 1]) for at in range(0, len(row), 2)]
    return row[0]


# Growing ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Tile:
    """A tile that has changed: `hashes` one after the other, 32 bytes each."""

    level: int
    number: int
    hashes: bytes

    @property
    def width(self) -> int:
        """How many hashes; less than 256 in a partial tile."""
        return len(self.hashes) // HASH_BYTES


@dataclass(frozen=True)
class Frontier:
    """What is needed to go on: the hashes of each level's partial tile, lowest level first."""

    size: int = 0
    partial: tuple[tuple[bytes, ...], ...] = ()

    def root(self) -> bytes:
        """The root of the tree of `size` leaves."""
        left_to_right: list[bytes] = []
        for row in reversed(self.partial):
            at = 0
            for bit in reversed(range(TILE_BITS)):
                if len(row) >> bit & 1:
                    left_to_right.append(hash_perfect(row[at : at + (1 << bit)]))
                    at += 1 << bit
        return _fold(left_to_right)

    def grow(self, leaf_hashes: Sequence[bytes]) -> tuple[Frontier, list[Tile]]:
        """The frontier after these leaves, and every tile that changed, lowest level first."""
        partial: list[tuple[bytes, ...]] = []
        tiles: list[Tile] = []
        new: Sequence[bytes] = leaf_hashes
        size, level = self.size, 0
        while new or level < len(self.partial):
            row = [*(self.partial[level] if level < len(self.partial) else ()), *new]
            first = size >> TILE_BITS  # the number of the tile in which the row begins
            full, rest = divmod(len(row), TILE_WIDTH)
            above: list[bytes] = []
            for at in range(full):
                hashes = row[at * TILE_WIDTH : (at + 1) * TILE_WIDTH]
                tiles.append(Tile(level, first + at, b"".join(hashes)))
                above.append(hash_perfect(hashes))
            if rest and new:
                tiles.append(Tile(level, first + full, b"".join(row[full * TILE_WIDTH :])))
            partial.append(tuple(row[full * TILE_WIDTH :]))
            new, size, level = above, size >> TILE_BITS, level + 1
        return Frontier(self.size + len(leaf_hashes), tuple(partial)), tiles


def read_frontier(size: int, read: ReadTile) -> Frontier:
    """The frontier of a tree of this size, from its tiles."""
    partial: list[tuple[bytes, ...]] = []
    rest = size
    while rest:
        number, width = divmod(rest, TILE_WIDTH)
        hashes = read(len(partial), number, width) if width else b""
        _demand_whole(hashes, len(partial), number, width)
        partial.append(tuple(_split(hashes)))
        rest = number
    return Frontier(size, tuple(partial))


def _demand_whole(hashes: bytes, level: int, number: int, width: int) -> None:
    _demand(len(hashes) == width * HASH_BYTES, f"Tile {number} of level {level} is not whole.")


def _split(hashes: bytes) -> list[bytes]:
    return [hashes[at : at + HASH_BYTES] for at in range(0, len(hashes), HASH_BYTES)]


def _fold(left_to_right: Sequence[bytes]) -> bytes:
    """The root over perfect subtrees, each smaller than the one to its left."""
    if not left_to_right:
        return EMPTY_ROOT
    *rest, root = left_to_right
    for left in reversed(rest):
        root = hash_node(left, root)
    return root


# Proofs -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Tree:
    """A tree of `size` leaves that is read from tiles; what neighbours' proofs share is held."""

    size: int
    read: ReadTile
    _held: dict[tuple[int, int], bytes] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    def root(self, size: int | None = None) -> bytes:
        """The root, or that of the first `size` leaves."""
        wanted = self.size if size is None else size
        _demand(0 <= wanted <= self.size, f"There is no tree of {wanted} leaves in {self.size}.")
        return self._range(0, wanted) if wanted else EMPTY_ROOT

    def prove_inclusion(self, index: int, size: int | None = None) -> list[bytes]:
        """The proof that leaf `index` is in the tree of the first `size` leaves, lowest first."""
        size = self.size if size is None else size
        _demand(0 <= index < size <= self.size, f"There is no leaf {index} in {size} leaves.")
        proof: list[bytes] = []
        start, end = 0, size
        while end - start > 1:
            middle = start + _largest_power_below(end - start)
            if index < middle:
                proof.append(self._range(middle, end))
                end = middle
            else:
                proof.append(self._range(start, middle))
                start = middle
        return proof[::-1]

    def prove_consistency(self, old: int, size: int | None = None) -> list[bytes]:
        """The proof that the tree of the first `old` leaves is the beginning of that of `size`."""
        size = self.size if size is None else size
        _demand(0 < old <= size <= self.size, f"There is no tree of {old} leaves in {size}.")
        proof: list[bytes] = []
        start, end, is_whole = 0, size, True
        while old != end:
            middle = start + _largest_power_below(end - start)
            if old <= middle:
                proof.append(self._range(middle, end))
                end = middle
            else:
                proof.append(self._range(start, middle))
                start, is_whole = middle, False
        if not is_whole:
            proof.append(self._range(start, end))
        return proof[::-1]

    def _range(self, start: int, end: int) -> bytes:
        """The root over leaves from `start` to before `end`; a range as proofs cut them."""
        perfect: list[bytes] = []
        while start < end:
            bits = (end - start).bit_length() - 1
            perfect.append(self._perfect(bits, start >> bits))
            start += 1 << bits
        return _fold(perfect)

    def _perfect(self, bits: int, index: int) -> bytes:
        """The root of the perfect subtree `index` among those of 2^bits leaves."""
        held = self._held.get((bits, index))
        if held is not None:
            return held
        level, inner = divmod(bits, TILE_BITS)
        number, at = divmod(index << inner, TILE_WIDTH)
        width = min(TILE_WIDTH, (self.size >> TILE_BITS * level) - number * TILE_WIDTH)
        hashes = self.read(level, number, width)
        _demand_whole(hashes, level, number, width)
        root = hash_perfect(_split(hashes[at * HASH_BYTES : (at + (1 << inner)) * HASH_BYTES]))
        if len(self._held) == ROOTS_HELD:
            self._held.clear()
        self._held[bits, index] = root
        return root


def check_inclusion(
    leaf_hash: bytes, *, index: int, size: int, root: bytes, proof: Sequence[bytes]
) -> None:
    """Check that a leaf is in the tree of `size` leaves with this root.

    Raises: IntegrityError. Source: RFC 9162, 2.1.3.2.
    """
    _demand(0 <= index < size, f"There is no leaf {index} in a tree of {size}.")
    _demand(len(proof) <= PROOF_MOST, "The proof is too long.")
    _demand_hashes(leaf_hash, root, *proof)
    at, last, found = index, size - 1, leaf_hash
    for one in proof:
        _demand(last > 0, "The proof is too long.")
        if at & 1 or at == last:
            found = hash_node(one, found)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            found = hash_node(found, one)
        at, last = at >> 1, last >> 1
    _demand(last == 0, "The proof is too short.")
    _demand(found == root, f"Leaf {index} is not in the tree of {size} leaves with that root.")


def check_consistency(
    *, old: int, old_root: bytes, size: int, root: bytes, proof: Sequence[bytes]
) -> None:
    """Check that the tree of `old` leaves is the beginning of the tree of `size` leaves.

    Raises: IntegrityError. Source: RFC 9162, 2.1.4.2.
    """
    _demand(0 <= old <= size, f"A tree of {size} leaves can't go on from one of {old}.")
    _demand(len(proof) <= PROOF_MOST + 1, "The proof is too long.")
    _demand_hashes(old_root, root, *proof)
    if old in {0, size}:
        _demand(not proof, "The proof is too long.")
        _demand(old == 0 or old_root == root, f"Two trees of {size} leaves have different roots.")
        _demand(old != 0 or old_root == EMPTY_ROOT, "The empty tree has another root.")
        return
    path = list(proof)
    if old & (old - 1) == 0:
        path.insert(0, old_root)
    _demand(bool(path), "The proof is too short.")
    at, last = old - 1, size - 1
    while at & 1:
        at, last = at >> 1, last >> 1
    before = after = path[0]
    for one in path[1:]:
        _demand(last > 0, "The proof is too long.")
        if at & 1 or at == last:
            before, after = hash_node(one, before), hash_node(one, after)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            after = hash_node(after, one)
        at, last = at >> 1, last >> 1
    _demand(last == 0, "The proof is too short.")
    _demand(before == old_root, f"The tree of {old} leaves had another root.")
    _demand(after == root, f"The tree of {size} leaves does not go on from that of {old}.")


def _demand_hashes(*hashes: bytes) -> None:
    """Demand their length: of parts of other lengths a node could be made to mean anything."""
    _demand(all(len(one) == HASH_BYTES for one in hashes), "A hash is not 32 bytes.")


def _largest_power_below(count: int) -> int:
    """The largest power of two smaller than `count`, which is 2 or more."""
    return 1 << (count - 1).bit_length() - 1


def _demand(holds: bool, what: str) -> None:  # noqa: FBT001 (reads as the sentence that it checks)
    if not holds:
        raise IntegrityError(what)
