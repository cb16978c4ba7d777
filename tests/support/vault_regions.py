"""Every region of every file of a vault: what it is, where it lies, which position it belongs to.

A region is what a tampering strikes: a field of a leaf, a hash of a tile, a part of a body, a line.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from tourniquet.kernel.errors import IntegrityError
from tourniquet.record.bodies import SEAL_SALT_BYTES
from tourniquet.record.disk import Reader
from tourniquet.record.leaves import LEAF_BYTES, segment_path
from tourniquet.record.log import CHECKPOINT
from tourniquet.record.tiles import ENTRIES, parse_tile_path
from tourniquet.record.tree import HASH_BYTES
from tourniquet.record.vault import KEY_FILE, PENDING, VaultReader

LEAF_FIELDS = (
    ("version", 1),
    ("position", 8),
    ("header commitment", 32),
    ("content commitment", 32),
    ("body hash", 32),
    ("segment", 4),
    ("offset", 4),
    ("length", 4),
)
TAG_BYTES = 16
LENGTH_BYTES = 2
START_BYTES = 8


@dataclass(frozen=True)
class Region:
    """Bytes of a file, from `start` to before `end`, and the first position that they bear on."""

    path: str
    what: str
    start: int
    end: int
    position: int = 0


@dataclass
class Memory(Reader):
    """The files of a vault, in memory, as they are read."""

    files: Mapping[str, bytes]
    _folders: dict[str, set[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for path in self.files:
            above = ""
            for name in path.split("/"):
                self._folders.setdefault(above, set()).add(name)
                above = f"{above}/{name}" if above else name

    def read(self, path: str, *, bytes_most: int) -> bytes:
        """See `Reader`."""
        found = self._get(path)
        if len(found) > bytes_most:
            raise IntegrityError("The file is too long.", where=path)
        return found

    def read_part(self, path: str, at: int, length: int) -> bytes:
        """See `Reader`."""
        found = self._get(path)[at : at + length]
        if len(found) != length:
            raise IntegrityError("The file ends too soon.", where=path)
        return found

    def size(self, path: str) -> int | None:
        """See `Reader`."""
        return len(self.files[path]) if path in self.files else None

    def names(self, folder: str) -> list[str]:
        """See `Reader`."""
        return sorted(self._folders.get(folder, ()))

    def _get(self, path: str) -> bytes:
        if path not in self.files:
            raise IntegrityError("The file is missing.", where=path)
        return self.files[path]


def list_regions(files: Mapping[str, bytes], size: int, tile_width: int) -> Iterator[Region]:
    """Every region of every file of a vault of `size` entries."""
    for path, content in sorted(files.items()):
        if path.startswith("tile/entries/"):
            number = parse_tile_path(path)[1]
            yield from _of_bundle(path, content, number * tile_width)
        elif path.startswith("tile/"):
            yield from _of_tile(path, content, tile_width)
        elif path == PENDING:
            yield Region(path, "pending start", 0, START_BYTES)
            first = int.from_bytes(content[:START_BYTES], "big")
            yield from _of_leaves(path, content, START_BYTES, first, prefix=0)
        elif path in {CHECKPOINT, KEY_FILE}:
            yield from _of_lines(path, content)
    reader = VaultReader(Memory(files), size)
    for position in range(1, size + 1):
        yield from _of_body(files, reader, position)


def _of_bundle(path: str, content: bytes, before: int) -> Iterator[Region]:
    yield from _of_leaves(path, content, 0, before, prefix=LENGTH_BYTES)


def _of_leaves(
    path: str, content: bytes, start: int, before: int, *, prefix: int
) -> Iterator[Region]:
    step = prefix + LEAF_BYTES
    for number, first in enumerate(range(start, len(content), step)):
        at, position = first, before + number + 1
        kind = "leaf" if prefix else "pending leaf"
        yield Region(path, f"whole {kind}", at, at + step, position)
        if prefix:
            yield Region(path, "leaf length", at, at + prefix, position)
        at += prefix
        for name, length in LEAF_FIELDS:
            yield Region(path, f"{kind} {name}", at, at + length, position)
            at += length


def _of_tile(path: str, content: bytes, tile_width: int) -> Iterator[Region]:
    level, number, _ = parse_tile_path(path)
    assert level != ENTRIES
    for at in range(0, len(content), HASH_BYTES):
        index = number * tile_width + at // HASH_BYTES
        position = index * tile_width**level + 1
        yield Region(path, f"hash of level {level}", at, at + HASH_BYTES, position)


def _of_body(files: Mapping[str, bytes], reader: VaultReader, position: int) -> Iterator[Region]:
    place = reader.leaf(position).place
    path = segment_path(place.segment)
    body = files[path][place.offset : place.end]
    at = SEAL_SALT_BYTES + LENGTH_BYTES
    header_end = at + int.from_bytes(body[SEAL_SALT_BYTES:at], "big")
    parts = [
        ("whole body", 0, len(body)),
        ("seal salt", 0, SEAL_SALT_BYTES),
        ("header length", SEAL_SALT_BYTES, at),
        ("header ciphertext", at, header_end - TAG_BYTES),
        ("header tag", header_end - TAG_BYTES, header_end),
    ]
    if header_end < len(body):
        parts += [
            ("content ciphertext", header_end, len(body) - TAG_BYTES),
            ("content tag", len(body) - TAG_BYTES, len(body)),
        ]
    for what, start, end in parts:
        yield Region(path, what, place.offset + start, place.offset + end, position)


def _of_lines(path: str, content: bytes) -> Iterator[Region]:
    at = 0
    for number, line in enumerate(content.splitlines(keepends=True), 1):
        yield Region(path, f"{path} line {number}", at, at + len(line))
        at += len(line)
