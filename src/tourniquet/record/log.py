"""A log on a disk: it grows by entries, and a signed checkpoint says how far.

1. Write the entries into bundles, full ones and the one that is partial.
2. Write the tiles that changed.
3. Sign the checkpoint and put it in place of the last. Only now are the entries published.

Invariants:
- A checkpoint never says more than what is on the disk, whole, below it.
- What a power cut left behind beyond the checkpoint is never overwritten. Whoever goes on brings
  the same entries again, in the same order; others are refused.
- A log is begun once, by `begin`. One whose checkpoint is gone is not begun anew by accident.
- `verify` trusts nothing but the pinned key: it hashes every entry again.

Source: C2SP tlog-tiles.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tourniquet.kernel.errors import IntegrityError, OperatorError, StorageUnavailable
from tourniquet.record.disk import Disk, Keeper, Reader
from tourniquet.record.notes import (
    NOTE_BYTES_MOST,
    Checkpoint,
    Note,
    Signer,
    VerifierKey,
    read_checkpoint,
    read_note,
    sign,
)
from tourniquet.record.tiles import (
    ENTRIES,
    ENTRY_BYTES_MOST,
    pack_entries,
    tile_path,
    unpack_entries,
)
from tourniquet.record.tree import (
    HASH_BYTES,
    TILE_BITS,
    TILE_WIDTH,
    Frontier,
    hash_leaf,
    hash_perfect,
    read_frontier,
)

CHECKPOINT = "checkpoint"
BUNDLE_BYTES_MOST = TILE_WIDTH * (ENTRY_BYTES_MOST + 2)
ENTRIES_AT_ONCE = 100_000  # of one publication, so that it ends in seconds


@dataclass(frozen=True)
class _End:
    """Where a log stands: its frontier, and the entries of its partial bundle."""

    frontier: Frontier
    entries: tuple[bytes, ...]


class LogFiles:
    """The files of a log, grown by whoever has a signed checkpoint for it; one writer."""

    def __init__(self, disk: Keeper, key: VerifierKey, *, may_be_new: bool = False) -> None:
        """Go on with a log; with `may_be_new` one without a checkpoint has no entry yet.

        Raises: IntegrityError when its end is not as its checkpoint says.
        """
        self._disk = disk
        self._key = key
        if may_be_new and disk.size(CHECKPOINT) is None:
            self.checkpoint = Checkpoint(key.name, 0, Frontier().root())
        else:
            if disk.size(CHECKPOINT) is not None:
                disk.keep(CHECKPOINT)  # one that is not yet sure to stay is not built on
            self.checkpoint = read_last(disk, key)
        self._end = _read_end(disk, self.checkpoint)

    @property
    def frontier(self) -> Frontier:
        """The frontier of what was written, which may lie beyond the checkpoint."""
        return self._end.frontier

    def write(self, entries: Sequence[bytes]) -> Checkpoint:
        """Write entries and tiles; what a checkpoint would have to say now. Steps 1 and 2.

        Raises: IntegrityError; nothing is written then. StorageUnavailable.
        """
        if len(entries) > ENTRIES_AT_ONCE:
            raise IntegrityError(f"{len(entries)} entries at once are more than {ENTRIES_AT_ONCE}.")
        # 1. Entries.
        frontier, tiles = self._end.frontier.grow([hash_leaf(entry) for entry in entries])
        row, published = [*self._end.entries, *entries], len(self._end.entries)
        number = self._end.frontier.size // TILE_WIDTH
        files: dict[str, bytes] = {}
        for at in range(0, len(row) if entries else 0, TILE_WIDTH):
            part = row[at : at + TILE_WIDTH]
            _demand_same(self._disk, number + at // TILE_WIDTH, part, 0 if at else published)
            files[tile_path(ENTRIES, number + at // TILE_WIDTH, len(part))] = pack_entries(part)
        # 2. Tiles.
        files |= {tile_path(tile.level, tile.number, tile.width): tile.hashes for tile in tiles}
        self._disk.create(files)
        self._end = _End(frontier, tuple(row[len(row) - frontier.size % TILE_WIDTH :]))
        return Checkpoint(self._key.name, frontier.size, frontier.root())

    def conclude(self, note: Note) -> None:
        """Put a checkpoint in place of the last. Step 3.

        Raises: IntegrityError when it is not signed, or not of what was written.
        """
        checkpoint = read_checkpoint(note, self._key)
        written = self._end.frontier
        if (checkpoint.size, checkpoint.root) != (written.size, written.root()):
            raise IntegrityError("The checkpoint is not that of what was written.")
        self._disk.replace(CHECKPOINT, str(note).encode())
        self.checkpoint = checkpoint


class Log(LogFiles):
    """The one writer of a log that has its key."""

    def __init__(self, disk: Disk, signer: Signer) -> None:
        """Go on with a log. Raises: IntegrityError when its end is not as its checkpoint says."""
        super().__init__(disk, signer.verifier)
        self._signer = signer

    @classmethod
    def begin(cls, disk: Disk, signer: Signer) -> Log:
        """Begin a log in an empty place. Raises: OperatorError when it is not empty."""
        if disk.names(""):
            raise OperatorError(
                "A log can't begin here: there are files already.",
                remedy="Choose an empty folder, or go on with the log that is there.",
            )
        empty = Checkpoint(signer.name, 0, Frontier().root())
        disk.replace(CHECKPOINT, str(_sign(empty, signer)).encode())
        return cls(disk, signer)

    def publish(self, entries: Sequence[bytes]) -> Note:
        """Publish these entries after those that are there; the signed checkpoint.

        Raises: IntegrityError; nothing is published then. StorageUnavailable; then the checkpoint
        may be in place or not: open the log again to see.
        """
        note = _sign(self.write(entries), self._signer)
        self.conclude(note)
        return note


def _demand_same(disk: Reader, number: int, part: Sequence[bytes], published: int) -> None:
    """Demand that what an interrupted publication left in a bundle are these entries."""
    full = tile_path(ENTRIES, number)
    widths = [TILE_WIDTH] if disk.size(full) is not None else []
    widths += [int(name) for name in disk.names(f"{full}.p") if name.isascii() and name.isdigit()]
    for width in widths:
        # Those of earlier checkpoints are the beginning of what the tree vouches for.
        if width > published and read_entries(disk, number, width)[: len(part)] != part[:width]:
            raise IntegrityError(
                "Other entries were to be published here; nothing was written.",
                where=tile_path(ENTRIES, number, width),
                remedy="Publish those, or keep the evidence and see what wrote them.",
            )


def _sign(checkpoint: Checkpoint, signer: Signer) -> Note:
    text = checkpoint.text()
    return Note(text, (sign(text, signer),))


def read_last(disk: Reader, key: VerifierKey) -> Checkpoint:
    """The checkpoint of a log. Raises: IntegrityError when there is none that the key signed."""
    try:
        return read_checkpoint(read_note(disk.read(CHECKPOINT, bytes_most=NOTE_BYTES_MOST)), key)
    except IntegrityError as error:
        raise IntegrityError(error.what, where=error.where or CHECKPOINT) from error


def read_tile(disk: Reader, level: int, number: int, width: int) -> bytes:
    """A tile's hashes; a partial one's from the full one where that is all there is.

    Raises: IntegrityError when there is none.
    """
    path, wide, hashes = _read(disk, level, number, width, TILE_WIDTH * HASH_BYTES)
    if len(hashes) != wide * HASH_BYTES:
        raise IntegrityError(f"The tile does not hold {wide} hashes.", where=path)
    return hashes[: width * HASH_BYTES]


def _read(
    disk: Reader, level: int, number: int, width: int, bytes_most: int
) -> tuple[str, int, bytes]:
    """The file, its width and its content: of a partial one the full where that is all there is."""
    path, full = tile_path(level, number, width), tile_path(level, number)
    if width < TILE_WIDTH:
        try:
            return path, width, disk.read(path, bytes_most=bytes_most)
        except (IntegrityError, StorageUnavailable):  # cleared, perhaps just now
            if disk.size(full) is None:
                raise
    return full, TILE_WIDTH, disk.read(full, bytes_most=bytes_most)


def _read_end(disk: Reader, checkpoint: Checkpoint) -> _End:
    frontier = read_frontier(checkpoint.size, lambda *tile: read_tile(disk, *tile))
    if frontier.root() != checkpoint.root:
        raise IntegrityError(
            f"The tiles do not have the root of the checkpoint at {checkpoint.size}.",
            where=CHECKPOINT,
            remedy="Do not write on. Verify the log from its beginning.",
        )
    number, width = divmod(checkpoint.size, TILE_WIDTH)
    entries = read_entries(disk, number, width) if width else []
    if width and [hash_leaf(entry) for entry in entries] != list(frontier.partial[0]):
        raise IntegrityError(
            "The last entries are not those of the tree.", where=tile_path(ENTRIES, number, width)
        )
    return _End(frontier, tuple(entries))


def read_entries(disk: Reader, number: int, width: int) -> list[bytes]:
    """The entries of a bundle; a partial one's from the full one where that is all there is.

    Raises: IntegrityError when it is missing or holds others.
    """
    path, wide, bundle = _read(disk, ENTRIES, number, width, BUNDLE_BYTES_MOST)
    try:
        return unpack_entries(bundle, wide)[:width]
    except IntegrityError as error:
        raise IntegrityError(error.what, where=path) from error


def verify(disk: Reader, key: VerifierKey) -> Checkpoint:
    """Hash a log again from its first entry; its checkpoint, where everything holds.

    Raises: IntegrityError that names the first bad file, or where none is the checkpoint.
    """
    checkpoint = read_last(disk, key)
    frontier = Frontier()
    while frontier.size < checkpoint.size:
        number = frontier.size // TILE_WIDTH
        width = min(TILE_WIDTH, checkpoint.size - frontier.size)
        entries = read_entries(disk, number, width)
        frontier, tiles = frontier.grow([hash_leaf(entry) for entry in entries])
        is_last = frontier.size == checkpoint.size
        for tile in tiles:
            if tile.width == TILE_WIDTH or is_last:
                _compare(disk, checkpoint.size, tile.level, tile.number, tile.hashes)
    for level, row in enumerate(frontier.partial):
        if row:  # also those that the last entries did not change
            number = checkpoint.size >> TILE_BITS * (level + 1)
            _compare(disk, checkpoint.size, level, number, b"".join(row))
    if frontier.root() != checkpoint.root:
        raise IntegrityError(
            f"The first {checkpoint.size} entries do not have the root of the checkpoint.",
            where=CHECKPOINT,
        )
    return checkpoint


def _compare(disk: Reader, size: int, level: int, number: int, hashes: bytes) -> None:
    """Compare a tile of a log of `size` entries with the hashes that the entries have."""
    width = len(hashes) // HASH_BYTES
    path, wide, kept = _read(disk, level, number, width, TILE_WIDTH * HASH_BYTES)
    if len(kept) == wide * HASH_BYTES:
        kept = kept[: len(hashes)]  # the log may have grown meanwhile
    if kept != hashes:
        at = next(
            (at for at, pair in enumerate(zip(kept, hashes, strict=False)) if pair[0] != pair[1]),
            min(len(kept), len(hashes)),
        )
        position = ((number * TILE_WIDTH + at // HASH_BYTES) << TILE_BITS * level) + 1
        if level:
            what = f"The hash over position {position} and on is not that of the entries."
        elif _fits_above(disk, size, number, kept):
            path = tile_path(ENTRIES, number)
            what = f"The leaf of position {position} was changed."
        else:
            what = f"The hash of position {position}, or the leaf, was changed."
        raise IntegrityError(what, where=path)


def _fits_above(disk: Reader, size: int, number: int, hashes: bytes) -> bool:
    """Whether a tile of level 0 has the hash that lies over it: then the entries are to blame."""
    above, at = divmod(number, TILE_WIDTH)
    if len(hashes) != TILE_WIDTH * HASH_BYTES:
        return False
    width = min(TILE_WIDTH, (size >> TILE_BITS) - above * TILE_WIDTH)
    try:
        over = read_tile(disk, 1, above, width)[at * HASH_BYTES : (at + 1) * HASH_BYTES]
    except IntegrityError:
        return False
    rows = [hashes[start : start + HASH_BYTES] for start in range(0, len(hashes), HASH_BYTES)]
    return hash_perfect(rows) == over
