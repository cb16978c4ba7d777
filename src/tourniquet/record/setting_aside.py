"""What lies in a replica behind its own checkpoint, and is not what the source has signed.

A pull was cut off, and the source was restored without what the replica had pulled of it; or a bad
disk changed it. It was never countersigned, so it is no part of the copy. But it may be the only
copy of somebody's results, or show that a source signed two histories: it is kept apart, and told.

1. Find the first leaf that does not fit the source's, in bundles and in `pending`.
2. Copy what lies from its bundle on into `set-aside/…` of the replica's own files, flushed: leaves,
   the bodies behind the last leaf that fits, and the signed note under which they were pulled.
3. Only then take it out of the vault: `pending`, then the last bundles first, so that at each
   moment the vault verifies, and what is left is found again should this be cut off.

Invariants:
- Nothing at or below the replica's checkpoint is touched.
- In object storage nothing can be taken away, and nothing is: see docs/how-to/object-storage.md.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from tourniquet.kernel.errors import IntegrityError
from tourniquet.record.disk import Keeper
from tourniquet.record.leaves import segment_path
from tourniquet.record.log import BUNDLE_BYTES_MOST, read_entries, read_tile
from tourniquet.record.notes import NOTE_BYTES_MOST
from tourniquet.record.tiles import ENTRIES, pack_entries, parse_tile_path, tile_path
from tourniquet.record.tree import LEVELS_MOST, TILE_BITS, TILE_WIDTH
from tourniquet.record.vault import (
    PENDING,
    PENDING_BYTES_MOST,
    VaultReader,
    find_last,
    read_pending,
    write_pending,
)

ASIDE = "set-aside"
PULLING = "pulling"
FILES_AT_ONCE = 64
BODY_BYTES_AT_ONCE = 16 * 1024 * 1024


def set_aside(vault: Keeper, own: Keeper, theirs: VaultReader, signed: int) -> str:
    """Set aside what does not fit behind `signed`; where it lies then, empty when all fits.

    `theirs` is the source as far as it is signed. Raises: IntegrityError; StorageUnavailable.
    """
    # 1. Find.
    misfits = [
        one
        for one in (_in_bundles(vault, theirs, signed), _in_pending(vault, theirs, signed))
        if one
    ]
    if not misfits:
        return ""
    keep = max(signed, (min(misfits) - 1) // TILE_WIDTH * TILE_WIDTH)
    # 2. Copy.
    tiles = [path for path in _tiles(vault, "tile") if _end(path) > keep]
    name = _copy(vault, own, tiles, keep)
    # 3. Take out.
    _keep_partial(vault, signed)
    if signed:
        write_pending(vault, signed - 1, [VaultReader(vault, signed).packed(signed)])
    else:
        vault.discard(PENDING)
    for path in sorted(tiles, key=_end, reverse=True):
        vault.discard(path)
    return name


def _in_bundles(vault: Keeper, theirs: VaultReader, signed: int) -> int | None:
    """The first position whose leaf, in a bundle, is not the source's."""
    number, known = divmod(signed, TILE_WIDTH)
    while widths := [width for width in _widths(vault, number) if width > known]:
        start = number * TILE_WIDTH
        for width in widths:
            try:
                entries = read_entries(vault, number, width)
            except IntegrityError:  # it is torn
                return start + known + 1
            for position, packed in enumerate(entries[known:], start + known + 1):
                if position > theirs.size or theirs.packed(position) != packed:
                    return position
        number, known = number + 1, 0
    return None


def _in_pending(vault: Keeper, theirs: VaultReader, signed: int) -> int | None:
    """The same, of the leaves that were last written down."""
    if vault.size(PENDING) is None:
        return None
    try:
        start, leaves = read_pending(vault)
    except IntegrityError:  # it is torn, and says nothing
        return None
    for position, packed in enumerate(leaves, start + 1):
        if position > signed and (position > theirs.size or theirs.packed(position) != packed):
            return position
    return None


def _widths(vault: Keeper, number: int) -> list[int]:
    """How wide the bundles of a number are that lie there."""
    path = tile_path(ENTRIES, number)
    names = vault.names(f"{path}.p")
    partial = [int(name) for name in names if name.isascii() and name.isdigit()]
    return partial + ([TILE_WIDTH] if vault.size(path) is not None else [])


def _tiles(vault: Keeper, folder: str) -> Iterator[str]:
    """Every tile and bundle, by its path."""
    for name in vault.names(folder):
        path = f"{folder}/{name}"
        if vault.size(path) is None:
            yield from _tiles(vault, path)
        else:
            yield path


def _end(path: str) -> int:
    """The last position that a tile covers."""
    level, number, width = parse_tile_path(path)
    return (number * TILE_WIDTH + width) << TILE_BITS * max(level, 0)


def _copy(vault: Keeper, own: Keeper, tiles: list[str], keep: int) -> str:
    """Copy leaves, bodies and note into the replica's own files, durably; where they lie then."""
    bundles = [path for path in tiles if parse_tile_path(path)[0] == ENTRIES]
    named = hashlib.sha256()
    for path in sorted(bundles):
        named.update(path.encode() + vault.read(path, bytes_most=BUNDLE_BYTES_MOST))
    files: dict[str, bytes] = {}
    if vault.size(PENDING) is not None:
        files[PENDING] = vault.read(PENDING, bytes_most=PENDING_BYTES_MOST)
        named.update(files[PENDING])
    if own.size(PULLING) is not None:
        files["theirs"] = own.read(PULLING, bytes_most=NOTE_BYTES_MOST)
    name = f"{ASIDE}/{named.hexdigest()[:16]}"
    own.create({f"{name}/{path}": content for path, content in files.items()})
    for at in range(0, len(bundles), FILES_AT_ONCE):
        some = bundles[at : at + FILES_AT_ONCE]
        own.create({f"{name}/{one}": vault.read(one, bytes_most=BUNDLE_BYTES_MOST) for one in some})
    last = find_last(vault, keep)
    first, start = (last.place.segment, last.place.end) if last else (0, 0)
    for segment in vault.names("body"):
        number = int(segment)
        at, size = start if number == first else 0, vault.size(segment_path(number)) or 0
        while number >= first and at < size:
            content = vault.read_part(segment_path(number), at, min(BODY_BYTES_AT_ONCE, size - at))
            own.create({f"{name}/body/{segment}.from/{at:09d}": content})
            at += len(content)
    return name


def _keep_partial(vault: Keeper, signed: int) -> None:
    """Have the partial tiles of the replica's checkpoint there: full ones go."""
    for level in (ENTRIES, *range(LEVELS_MOST)):
        number, width = divmod(signed >> TILE_BITS * max(level, 0), TILE_WIDTH)
        path = tile_path(level, number, width) if width else ""
        if path and vault.size(path) is None:
            is_bundle = level == ENTRIES
            content = (
                pack_entries(read_entries(vault, number, width))
                if is_bundle
                else read_tile(vault, level, number, width)
            )
            vault.create({path: content})
