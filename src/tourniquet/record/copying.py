"""A vault copied into another folder as of one checkpoint, whole and flushed.

1. The list of keys as far as that tree, and the line of the key that leads along it.
2. Segments, each cut behind the last body that the tree names.
3. Full tiles, and the partial ones of exactly that size.
4. The checkpoint: only now the copy is a vault.

Invariants:
- Only what the checkpoint covers is copied. What lies behind it is brought by whoever may sign for
  it (record.finishing), so a copy is never in the midst of a publication.
- A copy that was interrupted goes on, also to a later checkpoint of the same log. What is there is
  never changed for anything else: another tile, segment or log is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from tourniquet.kernel.errors import IntegrityError
from tourniquet.record.disk import Disk, Reader
from tourniquet.record.key_list import KEYS_FILE, KeyList, write_steps
from tourniquet.record.leaves import Leaf, segment_path
from tourniquet.record.log import CHECKPOINT, read_entries, read_signed, read_tile
from tourniquet.record.notes import NOTE_BYTES_MOST, Checkpoint, VerifierKey, parse_verifier_key
from tourniquet.record.tiles import ENTRIES, pack_entries, tile_path
from tourniquet.record.tree import LEVELS_MOST, TILE_BITS, TILE_WIDTH, Tree
from tourniquet.record.vault import KEY_FILE, VaultReader, write_pending

FILES_AT_ONCE = 64


def copy_vault(
    source: Reader,
    target: Disk,
    key: VerifierKey,
    *,
    progress: Callable[[int], None] = lambda _: None,
) -> None:
    """Copy a vault that was verified, which must not change its checkpoint (record.moment).

    `progress` is told how many files were copied. Raises: IntegrityError when the target holds
    something else; StorageUnavailable.
    """
    checkpoint, note, keys = read_signed(source, key)
    if _is_there(source, target, checkpoint):
        return
    # 1. Keys.
    steps = tuple(step for step in keys.steps if step.size <= checkpoint.size)
    first = steps[0].former if steps else keys.in_charge(checkpoint.size)
    line = f"{KeyList(first, steps).start}\n".encode()
    if target.size(CHECKPOINT) is None:
        target.create({KEY_FILE: line})  # another log's is not written over
    else:
        target.replace(KEY_FILE, line)
    if steps:
        target.replace(KEYS_FILE, write_steps(steps))
    # 2. Segments.
    reader = VaultReader(source, checkpoint.size)
    if checkpoint.size:
        for number, end in _segments(reader):
            _copy_segment(source, target, number, end)
            progress(1)
    # 3. Tiles.
    files: dict[str, bytes] = {}
    for level, number, width in _tiles(checkpoint.size):
        files[tile_path(level, number, width)] = _read(source, level, number, width)
        if len(files) == FILES_AT_ONCE:
            target.create(files)
            progress(len(files))
            files = {}
    target.create(files)
    if checkpoint.size:
        write_pending(target, checkpoint.size - 1, [reader.packed(checkpoint.size)])
    # 4. The checkpoint.
    target.replace(CHECKPOINT, str(note).encode())


def _is_there(source: Reader, target: Disk, checkpoint: Checkpoint) -> bool:
    """Whether the target is a vault already that has all of it.

    Raises: IntegrityError when it is one that neither extends this, nor is its beginning.
    """
    if target.size(CHECKPOINT) is None:
        return False
    line = target.read(KEY_FILE, bytes_most=NOTE_BYTES_MOST).decode("utf-8", "replace")
    there = read_signed(target, parse_verifier_key(line))[0]
    longer, shorter = (target, checkpoint) if there.size >= checkpoint.size else (source, there)
    size = max(there.size, checkpoint.size)
    root = Tree(size, lambda *tile: read_tile(longer, *tile)).root(shorter.size)
    if there.origin != checkpoint.origin or root != shorter.root:
        raise IntegrityError(
            "Another vault is there already; nothing was changed.",
            where=CHECKPOINT,
            remedy="Name an empty folder.",
        )
    return there.size >= checkpoint.size


def _segments(reader: VaultReader) -> Iterator[tuple[int, int]]:
    """Each segment, and how long it is as far as leaves name it."""
    last = reader.leaf(reader.size).place
    for number in range(last.segment):
        yield number, _last_in(reader, number).place.end
    yield last.segment, last.end


def _last_in(reader: VaultReader, segment: int) -> Leaf:
    """The last leaf whose body lies in a segment behind which there is another."""
    low, high = 1, reader.size
    while low < high:
        middle = (low + high + 1) // 2
        if reader.leaf(middle).place.segment > segment:
            high = middle - 1
        else:
            low = middle
    return reader.leaf(low)


def _copy_segment(source: Reader, target: Disk, number: int, end: int) -> None:
    path = segment_path(number)
    content = source.read_part(path, 0, end)
    there = target.size(path)
    if there is None:
        target.create({path: content})
        return
    if target.read_part(path, 0, min(there, end)) != content[:there]:
        raise IntegrityError(
            "Another file has this name already; nothing was changed.",
            where=path,
            remedy="Name an empty folder.",
        )
    if there != end:  # of an earlier checkpoint, or a publication's that was cut off
        target.replace(path, content)
    else:
        target.keep(path)


def _tiles(size: int) -> Iterator[tuple[int, int, int]]:
    """Level, number and width of each tile and bundle of a tree of this size."""
    for level in (ENTRIES, *range(LEVELS_MOST)):
        full, width = divmod(size >> TILE_BITS * max(level, 0), TILE_WIDTH)
        yield from ((level, number, TILE_WIDTH) for number in range(full))
        if width:
            yield level, full, width


def _read(source: Reader, level: int, number: int, width: int) -> bytes:
    if level == ENTRIES:
        return pack_entries(read_entries(source, number, width))
    return read_tile(source, level, number, width)
