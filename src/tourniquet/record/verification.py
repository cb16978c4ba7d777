"""A vault verified from its first byte to its last, with nothing trusted but the pinned key.

1. The log: the list of keys, checkpoint, leaves, tiles, root, and the roots at changes of the key.
2. An earlier checkpoint, where one was brought: the tree must extend it.
3. The bodies: each where its leaf says, right behind the one before, with the hash of its leaf.
4. Everything else in the folder: known by its name, and what it must be. What lies beyond the
   checkpoint, because a sealer is at work or was interrupted, is named and not vouched for.

Invariants:
- A byte that was changed, added or taken away below the checkpoint is found, wherever it lies.
- No index and no stored size is trusted: what a leaf says is believed once the root was compared.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import groupby

from tourniquet.kernel.errors import IntegrityError
from tourniquet.record.disk import Reader
from tourniquet.record.key_list import KEYS_FILE, read_key_list
from tourniquet.record.leaves import SEGMENT_BYTES_MOST, Leaf, follows, parse_leaf, segment_path
from tourniquet.record.log import CHECKPOINT, read_entries, read_tile
from tourniquet.record.log import verify as verify_log
from tourniquet.record.notes import NOTE_BYTES_MOST, Checkpoint, VerifierKey
from tourniquet.record.tiles import ENTRIES, parse_tile_path, tile_path
from tourniquet.record.tree import HASH_BYTES, TILE_BITS, TILE_WIDTH, Tree
from tourniquet.record.vault import KEY_FILE, PENDING, VaultReader, read_pending

LEAVES_AT_ONCE = 16 * TILE_WIDTH
BYTES_AT_ONCE = 8 * 1024 * 1024
FOLDER_DEPTH_MOST = 12
_SEGMENT = re.compile(r"[0-9]{9}", re.ASCII)


@dataclass(frozen=True)
class Verified:
    """What was verified: a checkpoint, the bytes of bodies under it, what lies beyond it."""

    checkpoint: Checkpoint
    body_bytes: int
    beyond: list[str] = field(default_factory=list)


def verify_vault(
    disk: Reader,
    key: VerifierKey,
    *,
    since: Checkpoint | None = None,
    progress: Callable[[int], None] = lambda _: None,
) -> Verified:
    """Verify a vault; `progress` is told the position that was reached.

    Raises: IntegrityError naming the first position or file that does not hold.
    """
    # 1. The log.
    checkpoint = verify_log(disk, key)
    keys = read_key_list(disk, key)
    # 2. An earlier checkpoint.
    if since is not None:
        _extends(disk, checkpoint, since)
    # 3. Bodies.
    reader = VaultReader(disk, checkpoint.size)
    last, total = None, 0
    ends: dict[int, int] = {}
    for first in range(1, checkpoint.size + 1, LEAVES_AT_ONCE):
        positions = range(first, min(first + LEAVES_AT_ONCE, checkpoint.size + 1))
        leaves = [reader.leaf(position) for position in positions]
        total += check_bodies(disk, leaves, last)
        ends |= {leaf.place.segment: leaf.place.end for leaf in leaves}
        last = leaves[-1]
        progress(last.position)
    # 4. The rest.
    beyond = [*_check_segments(disk, ends), *_check_pending(disk, reader)]
    if disk.read(KEY_FILE, bytes_most=NOTE_BYTES_MOST) != f"{keys.start}\n".encode():
        raise IntegrityError("The file holds another key than the pinned one.", where=KEY_FILE)
    beyond += [f"{KEYS_FILE}: a step" for step in keys.steps if step.size > checkpoint.size]
    for path in list_files(disk):
        if path not in {CHECKPOINT, KEYS_FILE, KEY_FILE, PENDING} and not path.startswith("body/"):
            beyond += _check_tile(disk, path, checkpoint.size)
    return Verified(checkpoint, total, beyond)


def _extends(disk: Reader, checkpoint: Checkpoint, since: Checkpoint) -> None:
    if since.origin != checkpoint.origin:
        raise IntegrityError(
            f"The earlier checkpoint is of another log, {since.origin}.", where=CHECKPOINT
        )
    if since.size > checkpoint.size:
        raise IntegrityError(
            f"The vault ends at {checkpoint.size}; it had {since.size} entries before.",
            where=f"position {checkpoint.size + 1}",
            remedy="Entries are gone. Bring them back from the replica.",
        )
    tree = Tree(checkpoint.size, lambda *tile: read_tile(disk, *tile))
    if tree.root(since.size) != since.root:
        raise IntegrityError(
            f"The first {since.size} entries are not those of the earlier checkpoint.",
            where=CHECKPOINT,
            remedy="The history was rewritten. Keep the evidence; compare with the replica.",
        )


def check_bodies(disk: Reader, leaves: list[Leaf], before: Leaf | None) -> int:
    """Check the places and hashes of neighbouring leaves; how many bytes their bodies have."""
    for leaf in leaves:
        if not follows(leaf.place, before.place if before else None):
            raise IntegrityError(
                "The body does not lie right behind the one before.",
                where=f"position {leaf.position}",
            )
        before = leaf
    for segment, group in groupby(leaves, key=lambda leaf: leaf.place.segment):
        for run in _runs(list(group)):
            _check_run(disk, segment_path(segment), run)
    return sum(leaf.place.length for leaf in leaves)


def _runs(leaves: list[Leaf]) -> Iterator[list[Leaf]]:
    """Neighbours in a segment, as many as are read at once."""
    run: list[Leaf] = []
    for leaf in leaves:
        if run and leaf.place.end - run[0].place.offset > BYTES_AT_ONCE:
            yield run
            run = []
        run.append(leaf)
    yield run


def _check_run(disk: Reader, path: str, run: list[Leaf]) -> None:
    start = run[0].place.offset
    size = disk.size(path)
    if size is None:
        raise IntegrityError(
            f"The file is missing; bodies from position {run[0].position} on lie in it.", where=path
        )
    there = max(0, min(run[-1].place.end, size) - start)
    content = memoryview(disk.read_part(path, start, there) if there else b"")
    for leaf in run:
        place = leaf.place
        body = content[place.offset - start : place.end - start]
        if len(body) != place.length:
            raise IntegrityError(
                f"The file ends in the body of position {leaf.position}.", where=path
            )
        if hashlib.sha256(body).digest() != leaf.body_hash:
            raise IntegrityError(
                f"The body at position {leaf.position} was changed.",
                where=f"{path}, bytes {place.offset} to {place.end - 1}",
            )


def _check_segments(disk: Reader, ends: dict[int, int]) -> Iterator[str]:
    """Check how long the segments are, and that there are no others; what lies beyond."""
    last = max(ends, default=0)
    for name in disk.names("body"):
        path = f"body/{name}"
        size = disk.size(path)
        if not _SEGMENT.fullmatch(name) or size is None or size > SEGMENT_BYTES_MOST:
            raise IntegrityError("The file does not belong in a vault.", where=path)
        end = ends.get(int(name), 0)
        if size != end and int(name) < last:
            raise IntegrityError(f"The file has {size} bytes; leaves name {end}.", where=path)
        if size > end:
            yield f"{path}: {size - end} bytes"


def _check_pending(disk: Reader, reader: VaultReader) -> Iterator[str]:
    """Check the leaves that were last written down against the tree; what lies beyond."""
    if disk.size(PENDING) is None:
        if reader.size:
            raise IntegrityError("The file is missing.", where=PENDING)
        return
    start, leaves = read_pending(disk)
    if start + len(leaves) < reader.size:
        raise IntegrityError(
            f"Its leaves end at {start + len(leaves)}, those of the tree at {reader.size}.",
            where=PENDING,
            remedy="It is an older copy. Bring the newest back from the replica.",
        )
    if start > reader.size:  # the vault has grown meanwhile, or a replica is at work
        if not _reaches(disk, start):
            raise IntegrityError(f"No leaf is there before {start}.", where=PENDING)
        yield f"{PENDING}: begins at {start}"
    for position, packed in enumerate(leaves, start + 1):
        if position > reader.size:
            parse_leaf(packed, position)
            if position == start + len(leaves):
                yield f"{PENDING}: {position - reader.size} leaves"
        elif reader.packed(position) != packed:
            raise IntegrityError(
                f"The leaf of position {position} is not the one of the tree.", where=PENDING
            )


def _reaches(disk: Reader, position: int) -> bool:
    """Whether there is a bundle with the leaf of this position, beyond the checkpoint too."""
    number, at = divmod(position - 1, TILE_WIDTH)
    path = tile_path(ENTRIES, number)
    widths = [int(name) for name in disk.names(f"{path}.p") if name.isascii() and name.isdigit()]
    return disk.size(path) is not None or max(widths, default=0) > at


def _check_tile(disk: Reader, path: str, size: int) -> Iterator[str]:
    """Check a tile or bundle that is there by its name; say so where it lies beyond."""
    try:
        level, number, width = parse_tile_path(path)
    except IntegrityError:
        raise IntegrityError("The file does not belong in a vault.", where=path) from None
    shift = TILE_BITS * max(level, 0)
    if (number * TILE_WIDTH + width) << shift > size:
        yield path
        return
    if width == TILE_WIDTH:
        return  # compared with the log
    current = min(TILE_WIDTH, (size >> shift) - number * TILE_WIDTH)
    if level == ENTRIES:
        is_beginning = (
            read_entries(disk, number, width) == read_entries(disk, number, current)[:width]
        )
    else:
        hashes = read_tile(disk, level, number, current)
        is_beginning = read_tile(disk, level, number, width) == hashes[: width * HASH_BYTES]
    if not is_beginning:
        raise IntegrityError("The partial tile is not the beginning of the whole one.", where=path)


def list_files(disk: Reader) -> Iterator[str]:
    """Every file, by its path."""
    waiting = [("", 0)]
    while waiting:
        folder, depth = waiting.pop()
        if depth > FOLDER_DEPTH_MOST:
            raise IntegrityError("The folder does not belong in a vault.", where=folder)
        for name in disk.names(folder):
            path = f"{folder}/{name}" if folder else name
            if disk.size(path) is None:
                waiting.append((path, depth + 1))
            else:
                yield path
