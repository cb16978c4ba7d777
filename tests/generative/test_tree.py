"""The tree against RFC 6962's own recursive definition, which shares no code with it."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tourniquet.kernel.errors import IntegrityError
from tourniquet.record.tree import (
    EMPTY_ROOT,
    HASH_BYTES,
    Frontier,
    Tile,
    Tree,
    check_consistency,
    check_inclusion,
    hash_leaf,
    hash_node,
    read_frontier,
)

SIZE_MOST = 70_000  # beyond 256 * 256: three levels of tiles


def define_root(leaves: Sequence[bytes]) -> bytes:
    """RFC 6962, 2.1, word for word."""
    if not leaves:
        return hashlib.sha256().digest()
    if len(leaves) == 1:
        return hashlib.sha256(b"\x00" + leaves[0]).digest()
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    return hashlib.sha256(b"\x01" + define_root(leaves[:k]) + define_root(leaves[k:])).digest()


class Store:
    """Tiles as a log keeps them: partial ones under a name of their own, none overwritten."""

    def __init__(self) -> None:
        self.tiles: dict[tuple[int, int, int], bytes] = {}

    def put(self, tiles: Sequence[Tile]) -> None:
        """Keep them; a tile that is there already must be the same."""
        for tile in tiles:
            kept = self.tiles.setdefault((tile.level, tile.number, tile.width), tile.hashes)
            assert kept == tile.hashes

    def read(self, level: int, number: int, width: int) -> bytes:
        """A tile, or a KeyError where the log would not have it."""
        return self.tiles[level, number, width]


def make(leaves: Sequence[bytes], steps: Sequence[int] = ()) -> tuple[Store, Frontier]:
    """A tree grown in these steps, and whatever is left in one."""
    store, frontier, at = Store(), Frontier(), 0
    for step in (*steps, len(leaves)):
        part = [hash_leaf(leaf) for leaf in leaves[at : at + step]]
        at += len(part)
        frontier, tiles = frontier.grow(part)
        store.put(tiles)
    return store, frontier


def leaves_of(count: int) -> list[bytes]:
    """As many different leaves."""
    return [number.to_bytes(4, "big") for number in range(count)]


sizes = st.one_of(
    st.integers(0, 40), st.sampled_from([255, 256, 257, 511, 512, 513, 700]), st.integers(0, 1500)
)


@given(sizes, st.lists(st.integers(0, 300), max_size=6))
def test_the_root_is_the_one_that_is_defined_however_the_tree_grew(
    size: int, steps: list[int]
) -> None:
    leaves = leaves_of(size)
    store, frontier = make(leaves, steps)
    assert frontier.size == size
    assert frontier.root() == define_root(leaves)
    assert Tree(size, store.read).root() == define_root(leaves)
    again = read_frontier(size, store.read)
    assert (again.size, again.root()) == (size, frontier.root())
    assert again.grow([b"x" * HASH_BYTES]) == frontier.grow([b"x" * HASH_BYTES])


@given(st.data())
def test_every_proof_holds_and_none_of_another_leaf_or_root(data: st.DataObject) -> None:
    size = data.draw(st.one_of(st.integers(1, 40), st.integers(250, 800)))
    leaves = leaves_of(size)
    tree = Tree(size, make(leaves)[0].read)
    part = data.draw(st.integers(1, size))
    index = data.draw(st.integers(0, part - 1))
    root, old_root = define_root(leaves), define_root(leaves[:part])
    proof = tree.prove_inclusion(index, part)
    leaf = hash_leaf(leaves[index])
    check_inclusion(leaf, index=index, size=part, root=old_root, proof=proof)
    steps = tree.prove_consistency(part)
    check_consistency(old=part, old_root=old_root, size=size, root=root, proof=steps)
    assert tree.root(part) == old_root

    with pytest.raises(IntegrityError):
        check_inclusion(hash_leaf(b"!"), index=index, size=part, root=old_root, proof=proof)
    for wrong in _spoil(proof, data):
        with pytest.raises(IntegrityError):
            check_inclusion(leaf, index=index, size=part, root=old_root, proof=wrong)
    for wrong in _spoil(steps, data):
        with pytest.raises(IntegrityError):
            check_consistency(old=part, old_root=old_root, size=size, root=root, proof=wrong)
    other = bytes(HASH_BYTES)
    with pytest.raises(IntegrityError):
        check_consistency(old=part, old_root=other, size=size, root=root, proof=steps)
    with pytest.raises(IntegrityError):
        check_consistency(old=part, old_root=old_root, size=size, root=other, proof=steps)


def _spoil(proof: list[bytes], data: st.DataObject) -> list[list[bytes]]:
    """A hash too many, one too few, one with a bit changed."""
    found = [[*proof, bytes(HASH_BYTES)], [*proof, b""]]
    if len(proof) > 1:  # the border between two of them moved
        found.append([proof[0] + proof[1][:1], proof[1][1:], *proof[2:]])
    if proof:
        at = data.draw(st.integers(0, len(proof) - 1))
        byte = data.draw(st.integers(0, HASH_BYTES - 1))
        changed = bytearray(proof[at])
        changed[byte] ^= 1 << data.draw(st.integers(0, 7))
        found += [proof[:-1], [*proof[:at], bytes(changed), *proof[at + 1 :]]]
    return found


def test_a_tree_of_three_levels_of_tiles_proves_as_a_small_one() -> None:
    leaves = leaves_of(SIZE_MOST)
    store, frontier = make(leaves, (1000, 255, 1, 64_280))
    assert max(level for level, _, _ in store.tiles) == 2
    tree = Tree(SIZE_MOST, store.read)
    root = frontier.root()
    assert root == tree.root() == define_root(leaves)
    for index in (0, 65_535, 65_536, SIZE_MOST - 1):
        proof = tree.prove_inclusion(index)
        check_inclusion(
            hash_leaf(leaves[index]), index=index, size=SIZE_MOST, root=root, proof=proof
        )
    for old in (1, 65_535, 65_536, 65_537, SIZE_MOST):
        check_consistency(
            old=old,
            old_root=tree.root(old),
            size=SIZE_MOST,
            root=root,
            proof=tree.prove_consistency(old),
        )


def test_the_published_roots_of_eight_leaves() -> None:
    """Test vectors of Certificate Transparency, which other implementations share."""
    leaves = [
        bytes.fromhex(text)
        for text in (
            "",
            "00",
            "10",
            "2021",
            "3031",
            "40414243",
            "5051525354555657",
            "606162636465666768696a6b6c6d6e6f",
        )
    ]
    roots = (
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
        "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
        "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    )
    for count, root in enumerate(roots, 1):
        assert make(leaves[:count])[1].root().hex() == root
    assert Frontier().root() == EMPTY_ROOT == define_root([])


def test_what_is_not_in_the_tree_cannot_be_asked_for() -> None:
    tree = Tree(5, make(leaves_of(5))[0].read)
    for ask in (
        lambda: tree.prove_inclusion(5),
        lambda: tree.prove_inclusion(-1),
        lambda: tree.prove_inclusion(0, 6),
        lambda: tree.prove_consistency(0),
        lambda: tree.prove_consistency(6),
        lambda: tree.root(6),
    ):
        with pytest.raises(IntegrityError):
            ask()
    short = Tree(5, lambda *_: b"")
    with pytest.raises(IntegrityError, match="not whole"):
        short.root()


def test_a_proof_of_parts_that_are_no_hashes_is_refused() -> None:
    """Parts of other lengths would let a log put another leaf under a root given out before."""
    leaves = [hash_leaf(bytes([number])) for number in range(3)]
    first = hash_node(leaves[0], leaves[1])
    old, evil, part = hash_node(first, leaves[2]), hash_leaf(b"evil"), b"p" * HASH_BYTES
    root = hash_node(first + leaves[2], hash_node(b"", evil + part))
    with pytest.raises(IntegrityError, match="32 bytes"):
        check_consistency(
            old=3, old_root=old, size=4, root=root, proof=[b"", evil + part, first + leaves[2]]
        )
    with pytest.raises(IntegrityError, match="32 bytes"):
        check_inclusion(evil, index=2, size=4, root=root, proof=[part, first + leaves[2]])


def test_a_history_that_is_shorter_or_other_is_refused() -> None:
    old, new = define_root(leaves_of(5)), define_root(leaves_of(3))
    with pytest.raises(IntegrityError, match="can't go on"):
        check_consistency(old=5, old_root=old, size=3, root=new, proof=[])
    with pytest.raises(IntegrityError, match="different roots"):
        check_consistency(old=5, old_root=old, size=5, root=new, proof=[])
    with pytest.raises(IntegrityError, match="empty tree"):
        check_consistency(old=0, old_root=old, size=5, root=old, proof=[])
    check_consistency(old=0, old_root=EMPTY_ROOT, size=5, root=old, proof=[])
    check_consistency(old=5, old_root=old, size=5, root=old, proof=[])
