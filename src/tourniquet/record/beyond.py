"""Entries that lie whole behind a vault's checkpoint: written down, and not signed for.

A sealer that was killed leaves them in `pending`, their bundles perhaps written; a replica whose
source went away leaves whole parts of a pull. Both are records that somebody may have been
acknowledged, so a restore takes them too.

1. Go through the leaves behind the checkpoint: a bundle's first, then those of `pending`.
2. Take a leaf whose body lies right behind the one before and has its hash.
3. Open its header under the site's key, its content where the key is at hand, and check the link of
   the chain: whoever wrote it had the keys, and wrote it as the next entry.

Invariants:
- The first leaf that does not hold ends them. What lies there because of a torn write, or because
  somebody put it there, keeps nobody from restoring what is signed.
- Nothing is read into memory but one bundle, and what `pending` holds.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import count

from tourniquet.kernel.errors import IntegrityError, UserError
from tourniquet.record import bodies, sealing
from tourniquet.record.disk import Reader
from tourniquet.record.leaves import Leaf, follows, parse_leaf
from tourniquet.record.log import read_entries
from tourniquet.record.ring import KeyRing
from tourniquet.record.tiles import ENTRIES, parse_tile_path, tile_path
from tourniquet.record.tree import TILE_WIDTH
from tourniquet.record.unsealing import KeyNotHere, find_key
from tourniquet.record.vault import (
    PENDING,
    VaultReader,
    find_last,
    read_bodies,
    read_body,
    read_pending,
)


class WholeReader(VaultReader):
    """A vault up to its last whole entry; `signed`: up to where a checkpoint covers it."""

    def __init__(
        self, disk: Reader, signed: int, size: int, bundles: dict[int, list[bytes]]
    ) -> None:
        """`bundles`: the leaves of those that no file has whole, by their number."""
        super().__init__(disk, size)
        self.signed = signed
        self._bundles = bundles

    def _read_bundle(self, number: int) -> list[bytes]:
        return self._bundles.get(number) or super()._read_bundle(number)


def read_beyond(disk: Reader, signed: int, ring: KeyRing) -> WholeReader:
    """The vault with what lies whole behind its checkpoint, which was verified. See above."""
    walk = _Walk(disk, signed, ring)
    walk.go()
    return WholeReader(disk, signed, walk.size, walk.bundles)


class _Walk:
    """How far one has come behind a checkpoint."""

    def __init__(self, disk: Reader, signed: int, ring: KeyRing) -> None:
        self._disk, self._ring = disk, ring
        self.size = signed
        self.bundles: dict[int, list[bytes]] = {}
        self._last = find_last(disk, signed)
        self._chain = sealing.GENESIS
        if self._last is not None:
            body = read_body(disk, self._last)
            self._chain = bodies.open_header(self._last, body, ring.site.key).chain
        self._start, self._pending = _pending(disk)

    def go(self) -> None:
        """Go as far as everything holds."""
        is_whole = True
        while is_whole:
            # 1. Leaves.
            number, known = divmod(self.size, TILE_WIDTH)
            row = read_entries(self._disk, number, known) if known else []
            there = _bundle(self._disk, number, known)
            row += self._whole(there[known:]) if there[:known] == row else []
            if len(row) == TILE_WIDTH:
                continue
            at = self.size - self._start
            if at >= 0:
                row += self._whole(self._pending[at : at + TILE_WIDTH - len(row)])
            is_whole = len(row) == TILE_WIDTH
            if len(row) > known:
                self.bundles[number] = row

    def _whole(self, packed: Sequence[bytes]) -> list[bytes]:
        """Of the leaves that come next those that hold, up to the first that does not."""
        # 2. Bodies.
        leaves: list[Leaf] = []
        before = self._last
        for one, position in zip(packed, count(self.size + 1), strict=False):
            try:
                leaf = parse_leaf(one, position)
            except IntegrityError:
                break
            if not follows(leaf.place, before.place if before else None):
                break
            leaves.append(leaf)
            before = leaf
        taken = 0
        for leaf, sealed in _read_whole(self._disk, leaves):
            chain = self._opened(leaf, sealed)
            if chain is None:
                break
            self._last, self._chain = leaf, chain
            taken += 1
        self.size += taken
        return list(packed[:taken])

    def _opened(self, leaf: Leaf, sealed: bytes) -> bytes | None:
        """The chain at an entry; None where it does not open, or is not the next."""
        # 3. The entry.
        try:
            header = bodies.open_header(leaf, sealed, self._ring.site.key)
            if bodies.has_content(sealed):
                key = find_key(self._ring, header.key_id)
                if key is not None:
                    bodies.open_content(leaf, sealed, key)
        except KeyNotHere:
            pass  # an older ring: what becomes of it is asked later (record.missing)
        except IntegrityError:
            return None
        link = sealing.link_bytes(self._chain, header.content, leaf.content_commitment)
        return link if link == header.chain else None


def _pending(disk: Reader) -> tuple[int, list[bytes]]:
    """Where the leaves that were last written down begin, and they; none where it is torn."""
    try:
        return read_pending(disk) if disk.size(PENDING) is not None else (0, [])
    except IntegrityError:
        return 0, []


def _bundle(disk: Reader, number: int, known: int) -> list[bytes]:
    """The leaves of the widest bundle that lies there with more than the known; none: it is bad."""
    path = tile_path(ENTRIES, number)
    names = disk.names(f"{path}.p")
    widths = [int(name) for name in names if name.isascii() and name.isdigit()]
    width = TILE_WIDTH if disk.size(path) is not None else max(widths, default=0)
    if not known < width <= TILE_WIDTH:
        return []
    try:
        return read_entries(disk, number, width)
    except IntegrityError:
        return []


def _read_whole(disk: Reader, leaves: Sequence[Leaf]) -> Iterator[tuple[Leaf, bytes]]:
    """Neighbouring leaves with their bodies, up to the first whose body is not there whole."""
    done = 0
    try:
        for pair in read_bodies(disk, leaves):
            yield pair
            done += 1
    except IntegrityError:
        pass  # one of those that were read together: which one is found below
    for leaf in leaves[done:]:
        try:
            sealed = read_body(disk, leaf)
        except IntegrityError:
            return
        yield leaf, sealed


def list_left_out(disk: Reader, reader: WholeReader, beyond: Sequence[str]) -> list[str]:
    """What lies behind the last whole entry, and is not restored; `beyond`: see `Verified`."""
    found = []
    last = reader.leaf(reader.size).place if reader.size else None
    for name in disk.names("body"):
        number = last.segment if last else -1
        end = last.end if last and name == f"{number:09d}" else 0
        size = disk.size(f"body/{name}") or 0
        if name >= f"{max(number, 0):09d}" and size > end:
            found.append(f"body/{name}: {size - end} bytes")
    start, leaves = _pending(disk)
    if start + len(leaves) > reader.size:
        found.append(f"{PENDING}: {start + len(leaves) - max(start, reader.size)} leaves")
    for path in beyond:
        if path.startswith(tile_path(ENTRIES, 0)[:-3]):
            _, number, width = parse_tile_path(path)
            if number * TILE_WIDTH + width > reader.size:
                found.append(path)
    return found


def demand_goes_on(disk: Reader, reader: WholeReader) -> None:
    """Demand that a vault can be gone on with where it lies, up to its last whole entry.

    Raises: UserError: it is a replica's, whose source went away, or torn.
    """
    start, leaves = _pending(disk)
    if start > reader.signed or start + len(leaves) > reader.size:
        raise UserError(
            "A publication or a pull was cut off in this vault; it can't be gone on with where it "
            "lies. Nothing was changed.",
            where="--into",
            remedy="Restore into another folder: what is whole is taken along.",
        )
