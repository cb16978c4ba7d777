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
- A change of the key is in the list beside the checkpoint before the new key signs, and the former
  never signs a longer tree alone: whoever goes on after a crash signs what was to be signed.

Source: C2SP tlog-tiles.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from tourniquet.kernel.errors import IntegrityError, OperatorError, StorageUnavailable
from tourniquet.record.disk import Disk, Keeper, Reader
from tourniquet.record.key_list import (
    KEYS_FILE,
    KeyList,
    KeyStep,
    make_step,
    read_key_list,
    write_steps,
)
from tourniquet.record.notes import (
    NOTE_BYTES_MOST,
    Checkpoint,
    Note,
    Signer,
    VerifierKey,
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
    Tree,
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
        self.keys = read_key_list(disk, key)
        if may_be_new and disk.size(CHECKPOINT) is None:
            self.checkpoint = Checkpoint(key.name, 0, Frontier().root())
        else:
            if disk.size(CHECKPOINT) is not None:
                disk.keep(CHECKPOINT)  # one that is not yet sure to stay is not built on
            self.checkpoint = _read_last(disk, self.keys)
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
        return Checkpoint(self.keys.pinned.name, frontier.size, frontier.root())

    def keep_keys(self, keys: KeyList) -> None:
        """Put a longer list of keys in place; it is durable before the new key signs."""
        self._disk.replace(KEYS_FILE, write_steps(keys.steps))
        self.keys = keys

    def conclude(self, note: Note) -> None:
        """Put a checkpoint in place of the last. Step 3.

        Raises: IntegrityError when it is not signed, or not of what was written.
        """
        checkpoint = self.keys.read_checkpoint(note)
        written = self._end.frontier
        if (checkpoint.size, checkpoint.root) != (written.size, written.root()):
            raise IntegrityError("The checkpoint is not that of what was written.")
        self._disk.replace(CHECKPOINT, str(note).encode())
        self.checkpoint = checkpoint


class Log(LogFiles):
    """The one writer of a log that has its key."""

    def __init__(self, disk: Disk, signer: Signer, former: Signer | None = None) -> None:
        """Go on with a log; `former` is the key before, where there was one.

        Raises: IntegrityError when its end is not as its checkpoint says; OperatorError when the
        key was changed, and this is not the new one.
        """
        super().__init__(disk, signer.verifier)
        if self.keys.newest != signer.verifier:
            raise OperatorError(
                "The log's key was changed; this one signs no more.",
                where=KEYS_FILE,
                remedy="Go on with the newest key of the list. Nothing was signed.",
            )
        self._signer, self._former = signer, former

    @classmethod
    def begin(cls, disk: Disk, signer: Signer) -> Log:
        """Begin a log in an empty place. Raises: OperatorError when it is not empty."""
        if disk.names(""):
            raise OperatorError(
                "A log can't begin here: there are files already.",
                remedy="Choose an empty folder, or go on with the log that is there.",
            )
        empty = Checkpoint(signer.name, 0, Frontier().root())
        disk.replace(CHECKPOINT, str(_signed(empty, signer)).encode())
        return cls(disk, signer)

    def publish(self, entries: Sequence[bytes]) -> Note:
        """Publish these entries after those that are there; the signed checkpoint.

        Raises: IntegrityError; nothing is published then. StorageUnavailable; then the checkpoint
        may be in place or not: open the log again to see.
        """
        before = self.checkpoint.size
        note = self._sign(self.write(entries), before)
        self.conclude(note)
        return note

    def change_key(self, new: Signer, former: Signer | None) -> KeyStep:
        """From here on another key signs; the list says so before it does.

        `former` is the key that signed so far. Raises: StorageUnavailable; open the log again then.
        """
        step = make_step(self.checkpoint, self.keys.newest, new, former)
        self.keep_keys(KeyList.follow(new.verifier, (*self.keys.steps, step)))
        self._signer, self._former = new, former
        return step

    def _sign(self, checkpoint: Checkpoint, before: int) -> Note:
        """Sign; the first checkpoint behind a change is signed by the former key too.

        Raises: OperatorError when that key is not at hand.
        """
        last = self.keys.steps[-1] if self.keys.steps else None
        if last is None or last.size != before or not last.is_handed_over:
            return _signed(checkpoint, self._signer)
        if self._former is None or self._former.verifier != last.former:
            raise OperatorError(
                "The first checkpoint behind a change of the key needs the former key too.",
                where=KEYS_FILE,
                remedy="Bring the key ring back from its copy: the former key is in it.",
            )
        return _signed(checkpoint, self._former, self._signer)


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


def _signed(checkpoint: Checkpoint, *signers: Signer) -> Note:
    text = checkpoint.text()
    return Note(text, tuple(sign(text, one) for one in signers))


def read_last(disk: Reader, key: VerifierKey) -> Checkpoint:
    """The checkpoint of a log, signed by the key in charge, to which the pinned one leads.

    Raises: IntegrityError when there is none, or OperatorError, as `KeyList.follow`.
    """
    return read_signed(disk, key)[0]


def read_signed(disk: Reader, key: VerifierKey) -> tuple[Checkpoint, Note, KeyList]:
    """The checkpoint of a log, its note, and the keys that lie beside it. Raises: see above."""
    with _at_checkpoint():
        note = read_note(disk.read(CHECKPOINT, bytes_most=NOTE_BYTES_MOST))
        keys = read_key_list(disk, key)  # behind the note: a step is written before it is used
        return keys.read_checkpoint(note), note, keys


def _read_last(disk: Reader, keys: KeyList) -> Checkpoint:
    """The same, for the one writer, who has read the list."""
    with _at_checkpoint():
        return keys.read_checkpoint(read_note(disk.read(CHECKPOINT, bytes_most=NOTE_BYTES_MOST)))


@contextmanager
def _at_checkpoint() -> Iterator[None]:
    """Say that it was in the checkpoint's file, where nothing better is known."""
    try:
        yield
    except IntegrityError as error:
        if error.where:
            raise
        raise IntegrityError(error.what, where=CHECKPOINT) from error


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
    checkpoint, _, keys = read_signed(disk, key)
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
    keys.demand_roots(Tree(checkpoint.size, lambda *tile: read_tile(disk, *tile)))
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
