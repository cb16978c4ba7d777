"""What every reader is given, and how it cuts what it gives.

A reader is a function from a `Source` to pieces, without the `Ended`. It runs in a child process.
Where it can't go on it raises `CannotRead` with a reason in plain words; any other exception is a
failure as well, and is told by its type alone.

Invariants:
- A reason never quotes the content.
- Members are written under names of our own into the scratch folder; their own names are only told.
- Limits on members, bytes and ratio hold for a container as a whole. A member beyond one is `Shut`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TypeAlias

from tourniquet.breach.limits import Limits
from tourniquet.breach.pieces import (
    CELLS_MOST,
    ROWS_MOST,
    TEXT_CHARACTERS_MOST,
    Inner,
    Passage,
    Piece,
    Rows,
    Shape,
    Shut,
    State,
)

COPIED_AT_ONCE = 1024 * 1024
CELL_CHARACTERS_MOST = 64 * 1024
BATCH_CHARACTERS_MOST = 1024 * 1024
NAME_CHARACTERS_MOST = 1_000
LIMIT_WORDS = "what comes out of it goes beyond the limit of {:,} bytes"


class ScratchFull(Exception):
    """The disk on which members are left is full: no fault of the content."""


class CannotRead(Exception):
    """A reader can't go on; `why` is for `files.csv`."""

    def __init__(self, why: str, *, state: State = State.SWEPT) -> None:
        self.why = why
        self.state = state
        super().__init__(why)


@dataclass
class Scratch:
    """Where members go, and how much may still come."""

    folder: Path
    limits: Limits
    container_bytes: int
    members: int = 0
    written_bytes: int = 0

    def take(
        self, name: str, opened: IO[bytes] | Iterable[bytes], *, size: int = 0, beside: str = ""
    ) -> Inner | Shut:
        """A member's bytes, into a file of their own.

        What breaks off keeps what there was, and says so. Raises: ScratchFull.
        """
        name = name[:NAME_CHARACTERS_MOST]
        self.members += 1
        if self.members > self.limits.members_most:
            why = f"there are more than {self.limits.members_most:,} members in its container"
            return Shut(name, size, State.SWEPT, why)
        room = self.limits.inflated_bytes_most(self.container_bytes) - self.written_bytes
        room = min(room, self.limits.member_bytes_most)
        file = self.folder / f"{self.members:08d}"
        written, broken = self._copy(_blocks(opened), file, room)
        if written > room:
            file.unlink()
            limit = self.limits.inflated_bytes_most(self.container_bytes)
            return Shut(name, size, State.SWEPT, LIMIT_WORDS.format(limit))
        self.written_bytes += written
        if broken and not written:
            file.unlink()
            return Shut(name, size, State.UNREADABLE, f"it could not be taken out: {broken}")
        note = f"it is cut short or damaged ({broken})" if broken else ""
        return Inner(name, str(file), written, note, beside)

    def _copy(self, blocks: Iterator[bytes], file: Path, room: int) -> tuple[int, str]:
        """How much was written, one block beyond the room at most; how it broke off."""
        written = 0
        try:
            with file.open("xb", buffering=0) as into:
                while written <= room:
                    try:
                        block = next(blocks, b"")
                    except (MemoryError, CannotRead):
                        raise
                    except Exception as error:  # noqa: BLE001 # whatever a decoder raises
                        return written, type(error).__name__
                    if not block:
                        break
                    _write(into, block)
                    written += len(block)
        except OSError as error:
            raise ScratchFull(error.strerror or type(error).__name__) from None
        return written, ""


def _write(into: IO[bytes], block: bytes) -> None:
    view = memoryview(block)
    while view:
        view = view[into.write(view) :]


def _blocks(opened: IO[bytes] | Iterable[bytes]) -> Iterator[bytes]:
    read = getattr(opened, "read", None)
    if read is None:
        yield from opened
        return
    while block := read(COPIED_AT_ONCE):
        yield block


@dataclass
class Source:
    """A content to read. `name` is the last part of its path, and only ever breaks ties."""

    file: Path
    name: str
    kind: str
    limits: Limits
    scratch: Scratch
    state: State = State.PARSED  # readers set OCR
    notes: list[str] = field(default_factory=list)  # what is to be said though it was read

    @property
    def size(self) -> int:
        """Bytes of it."""
        return self.file.stat().st_size

    def note(self, why: str) -> None:
        """Say something of it, once."""
        if why not in self.notes:
            self.notes.append(why)

    def whole(self) -> bytes:
        """All of it. Raises: CannotRead where that is more than may be held in memory."""
        if self.size > self.limits.document_bytes_most:
            most = self.limits.document_bytes_most
            raise CannotRead(f"it is larger than the limit of {most:,} bytes for its type")
        return self.file.read_bytes()


Reader: TypeAlias = Callable[[Source], Iterator[Piece]]


def clip(cell: str) -> str:
    """A cell within the limit."""
    return cell if len(cell) <= CELL_CHARACTERS_MOST else cell[:CELL_CHARACTERS_MOST]


def rows(
    table: str,
    cells: Iterable[list[str]],
    *,
    first: int = 1,
    columns: list[str] | None = None,
    is_hidden: bool = False,
) -> Iterator[Rows]:
    """Consecutive rows as pieces within the limits."""
    for number, batch in _batches(cells, first):
        yield Rows(table, number, batch, columns, is_hidden)


def placed_rows(
    table: str, cells: Iterable[tuple[str, list[str]]], *, columns: list[str] | None = None
) -> Iterator[Rows]:
    """Rows with a place each, as pieces within the limits."""
    places: list[str] = []

    def bare() -> Iterator[list[str]]:
        for place, row in cells:
            places.append(place)
            yield row

    for number, batch in _batches(bare(), 1):
        own, places[: len(batch)] = places[: len(batch)], []
        yield Rows(table, number, batch, columns, places=own)


def _batches(cells: Iterable[list[str]], first: int) -> Iterator[tuple[int, list[list[str]]]]:
    batch: list[list[str]] = []
    count = characters = 0
    for row in cells:
        length = sum(map(len, row))
        if length > CELL_CHARACTERS_MOST:
            row = [clip(cell) for cell in row]  # noqa: PLW2901 # the same row, within the limit
            length = sum(map(len, row))
        if len(row) > CELLS_MOST:
            row = row[:CELLS_MOST]  # noqa: PLW2901
        full = len(batch) >= ROWS_MOST or count + len(row) > CELLS_MOST
        if batch and (full or characters + length > BATCH_CHARACTERS_MOST):
            yield first, batch
            first += len(batch)
            batch, count, characters = [], 0, 0
        batch.append(row)
        count += len(row)
        characters += length
    if batch:
        yield first, batch


def passages(
    place: str, shape: Shape, text: str, *, first_line: int = 1, head: dict[str, str] | None = None
) -> Iterator[Passage]:
    """A text as pieces within the limit, cut where a line ends if there is one."""
    begin = 0
    while begin < len(text):
        end = min(len(text), begin + TEXT_CHARACTERS_MOST)
        if end < len(text):
            end = max(text.rfind("\n", begin, end) + 1, 0) or end
        part = text[begin:end]
        yield Passage(place, shape, part, begin, first_line, head)
        first_line += part.count("\n")
        begin, head = end, None
    if not text and head:
        yield Passage(place, shape, "", 0, first_line, head)
