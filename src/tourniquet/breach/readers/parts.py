"""Parts of an Office file, which is a zip archive: by its directory, or salvaged where it is cut.

Invariants:
- What a part inflates to is limited as a member's size is.
"""

from __future__ import annotations

import io
import re
import struct
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import IO

from lxml import etree

from tourniquet.breach.containers import ENCRYPTED_WHY, zip_salvaged
from tourniquet.breach.pieces import Inner, Piece, State
from tourniquet.breach.readers.source import CannotRead, Source

_READ_AT_ONCE = 64 * 1024
_DAMAGE = (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError)
PART_BYTES_MOST = 1024 * 1024 * 1024
_EMBEDDED = re.compile(r"(?:^|/)(?:embeddings|media|Pictures|ObjectReplacements)/[^/]+$")
_ENDS_NOT_MEMBERS = (".emf", ".wmf", ".xml", ".rels", ".vml")


class _Limited(io.RawIOBase):
    """A stream that ends with an error where it grows beyond a limit."""

    def __init__(self, opened: IO[bytes], most: int) -> None:
        self._opened = opened
        self._room = most

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: object) -> int:
        view = memoryview(buffer).cast("B")  # type: ignore[arg-type] # any writable buffer
        block = self._opened.read(len(view))
        self._room -= len(block)
        if self._room < 0:
            raise CannotRead(f"a part of it grows beyond the limit of {PART_BYTES_MOST:,} bytes")
        view[: len(block)] = block
        return len(block)


class Parts:
    """The parts of one file."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._archive: zipfile.ZipFile | None = None
        self._files: dict[str, Path] = {}
        self._room = source.limits.inflated_bytes_most(source.size)
        try:
            self._archive = zipfile.ZipFile(source.file)
        except (zipfile.BadZipFile, ValueError, NotImplementedError, EOFError, struct.error):
            self._salvage()
        if self._archive and any(one.flag_bits & 1 for one in self._archive.infolist()):
            raise CannotRead(ENCRYPTED_WHY, state=State.UNREADABLE)

    def _salvage(self) -> None:
        for piece in zip_salvaged(self._source):
            if isinstance(piece, Inner):
                self._files[piece.name] = Path(piece.file)
        if not self._files:
            raise CannotRead("nothing could be salvaged of it")

    @property
    def is_cut(self) -> bool:
        """Whether there was no directory."""
        return self._archive is None

    def names(self) -> list[str]:
        """Names of all parts, in the order of the archive."""
        if self._archive is None:
            return list(self._files)
        return [one.filename.replace("\\", "/") for one in self._archive.infolist()]

    def open(self, name: str) -> IO[bytes]:
        """A part's bytes. Raises: CannotRead where there is none."""
        most = min(PART_BYTES_MOST, self._room)
        try:
            if self._archive is None:
                return self._files[name].open("rb")
            return io.BufferedReader(_Limited(self._archive.open(name), most), _READ_AT_ONCE)
        except (KeyError, zipfile.BadZipFile, NotImplementedError, RuntimeError, OSError):
            raise CannotRead("a part that it needs is missing or damaged") from None

    def matching(self, pattern: str) -> list[str]:
        """Parts whose names match, in order of the numbers in them."""
        found = [one for one in self.names() if re.fullmatch(pattern, one)]
        return sorted(found, key=lambda one: ([int(n) for n in re.findall(r"\d+", one)], one))

    def tree(self, name: str) -> etree._Element | None:
        """A part as XML, damaged or not; None where there is nothing."""
        parser = etree.XMLParser(
            recover=True, huge_tree=True, resolve_entities=False, no_network=True, load_dtd=False
        )
        try:
            with self.open(name) as opened:
                root = etree.fromstring(self._as_far(opened), parser)
        except (etree.XMLSyntaxError, CannotRead, OSError, ValueError):
            return None
        return root

    def text(self, name: str) -> str:
        """A part as text. Raises: CannotRead where there is none."""
        with self.open(name) as opened:
            return self._as_far(opened).decode("utf-8", "replace")

    def _as_far(self, opened: IO[bytes]) -> bytes:
        """A part's bytes as far as they go."""
        content = bytearray()
        try:
            while block := opened.read(_READ_AT_ONCE):
                content += block
        except _DAMAGE:
            self._source.note("a part of it is damaged and was read as far as it goes")
        return bytes(content)

    def members(self) -> Iterator[Piece]:
        """What is embedded: documents, pictures."""
        for name in self.names():
            if not _EMBEDDED.search(name) or name.lower().endswith(_ENDS_NOT_MEMBERS):
                continue
            try:
                with self.open(name) as opened:
                    piece = self._source.scratch.take(PurePosixPath(name).name, opened)
            except CannotRead:
                continue
            if not isinstance(piece, Inner) or piece.size:
                yield piece
