"""Every byte of a file is read once: hashed, searched for NHS numbers, inflated where it can be.

1. Read the file in blocks. Each block goes into the SHA-256, is searched for NHS numbers, and for
   the marks with which compressed streams begin.
2. Each such stream is inflated as far as it goes, whether or not the rest of the file is there, and
   searched in the same way; streams within streams to a depth.

This is the floor under everything else: it needs no parser, and is what there is in the first
minutes. What it gives is a number and a place; whose it is, and whether it is one, is said later.

Invariants:
- The file is opened to read, and never changed. Memory does not grow with it.
- Limits on depth, bytes and ratio of what is inflated hold for a file as a whole; where one is
  reached, the answer says so.
"""

from __future__ import annotations

import bz2
import hashlib
import lzma
import re
import struct
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import SpooledTemporaryFile
from typing import IO, Protocol

import numpy as np
from numpy.typing import NDArray

from tourniquet.breach.numbers import OVERLAP_BYTES, find_numbers

BLOCK_BYTES = 4 * 1024 * 1024
INFLATED_AT_ONCE = 1024 * 1024
DEPTH_MOST = 3
RATIO_MOST = 400  # a spreadsheet's XML has about 20, a page of blanks 1,000
INFLATED_BYTES_LEAST = 64 * 1024 * 1024  # allowed whatever the ratio
STREAMS_MOST = 200_000  # of one file
HITS_MOST = 5_000_000  # of one file: 50 MB in which there is nothing but numbers
AROUND_EACH = 2
SPOOLED_BYTES = 16 * 1024 * 1024  # of an inflated stream in memory; the rest on disk
XZ_MEMORY_BYTES_MOST = 256 * 1024 * 1024

_ZIP = b"PK\x03\x04"
_GZIP = b"\x1f\x8b\x08"
_BZIP2 = b"BZh"
_XZ = b"\xfd7zXZ\x00"
_PDF = b"stream"
CONTAINERS = (_ZIP, _GZIP, _BZIP2, _XZ)
MARKS = (*CONTAINERS, _PDF)
_ZIP_HEAD = struct.Struct("<4sHHHHHIIIHH")
_ZIP_DEFLATED = 8
_ZIP_ENCRYPTED = 1
_PDF_STREAM = re.compile(rb"stream\r?\n(?=[\x08\x18\x28\x38\x48\x58\x68\x78])")
_HEAD_BYTES = 32
_BZIP2_BLOCK = b"1AY&SY"


@dataclass(frozen=True)
class Hit:
    """A number in a file.

    stream: "" for the file's own bytes, else where each inflated stream begins in the one around
    it: `4096`, `4096>112`. start and end count in that stream. around: the bytes about it where
    they were asked for, in which it stands `at`.
    """

    stream: str
    start: int
    end: int
    value: int
    around: bytes = (
        b""  # the bytes about it, where they were asked for, and where it stands in them
    )
    at: int = 0


@dataclass
class Swept:
    """What the sweep of one file gives."""

    sha256: str = ""
    size: int = 0
    hits: list[Hit] = field(default_factory=list)
    streams: int = 0
    inflated_bytes: int = 0
    limit: str = ""  # which one was reached, in words; what lies beyond was not searched


class _Inflater(Protocol):
    """What zlib, bz2 and lzma have in common."""

    @property
    def eof(self) -> bool:
        """Whether the stream has ended."""

    def decompress(self, data: bytes, max_length: int = ..., /) -> bytes:
        """Some bytes of the content."""


@dataclass(frozen=True)
class _Window:
    """Bytes at hand, and which of them are this window's to tell: from `low` to before `high`."""

    content: bytes
    at: int
    low: int
    high: int


def sweep(
    file: Path,
    *,
    known: NDArray[np.int64] | None = None,
    around_bytes: int = 0,
    block_bytes: int = BLOCK_BYTES,
) -> Swept:
    """Sweep one file; where `known` numbers are given, sorted, only those are told.

    around_bytes: how much before and behind a number is kept with it, for the first
    AROUND_EACH places of each. Raises: OSError.
    """
    sweeper = _Sweeper(known, around_bytes, block_bytes)
    with file.open("rb") as opened:
        sweeper.search_file(opened)
    return sweeper.swept


class _Sweeper:
    """The sweep of one file."""

    def __init__(
        self, known: NDArray[np.int64] | None, around_bytes: int, block_bytes: int
    ) -> None:
        self.swept = Swept()
        self._known = known
        self._around_bytes = around_bytes
        self._seen: Counter[int] = Counter()
        self._block_bytes = block_bytes
        self._allowed = 0

    def search_file(self, opened: IO[bytes]) -> None:
        """Search the file, and what is compressed in it."""
        # 1.
        digest = hashlib.sha256()
        size = 0

        def read() -> bytes:
            nonlocal size
            block = opened.read(self._block_bytes)
            digest.update(block)
            size += len(block)
            return block

        marks = self._search(read, "")
        self.swept.sha256, self.swept.size = digest.hexdigest(), size
        self._allowed = max(INFLATED_BYTES_LEAST, size * RATIO_MOST)
        # 2.
        self._search_streams(opened, "", marks, depth=1)

    def _search(self, read: Callable[[], bytes], stream: str) -> list[int]:
        """Search all that can be read; where marks of compressed streams stand."""
        marks: list[int] = []
        for window in _windows(read):
            self._keep_numbers(window, stream)
            for mark in MARKS:
                place = window.content.find(mark, window.low)
                while 0 <= place < window.high:
                    marks.append(window.at + place)
                    place = window.content.find(mark, place + 1)
        return sorted(marks)

    def _keep_numbers(self, window: _Window, stream: str) -> None:
        found = find_numbers(window.content)
        new = (found.starts >= window.low) & (found.starts < window.high)
        if self._known is not None:
            new &= is_in(found.values, self._known)
        rows = np.flatnonzero(new)
        room = HITS_MOST - len(self.swept.hits)
        if rows.size > room:
            self.swept.limit = "there are more numbers in it than the limit"
        rows = rows[:room]
        for start, end, value in zip(
            found.starts[rows].tolist(),
            found.ends[rows].tolist(),
            found.values[rows].tolist(),
            strict=True,
        ):
            around, at = self._around(window.content, start, end, value)
            self.swept.hits.append(
                Hit(stream, start + window.at, end + window.at, value, around, at)
            )

    def _around(self, content: bytes, start: int, end: int, value: int) -> tuple[bytes, int]:
        """The bytes about a number, as far as they are at hand."""
        if not self._around_bytes or self._seen[value] >= AROUND_EACH:
            return b"", 0
        self._seen[value] += 1
        first = max(0, start - self._around_bytes)
        return content[first : end + self._around_bytes], start - first

    def _search_streams(self, opened: IO[bytes], stream: str, marks: list[int], depth: int) -> None:
        """Inflate what begins at the marks, one after the other."""
        for mark in marks:
            if self.swept.limit:
                return
            if self.swept.streams >= STREAMS_MOST:
                self.swept.limit = "there are more compressed streams in it than the limit"
                return
            name = f"{stream}>{mark}" if stream else str(mark)
            self._search_stream(opened, name, mark, depth)

    def _search_stream(self, opened: IO[bytes], name: str, mark: int, depth: int) -> None:
        source = _inflated(opened, mark)
        first = next(source, b"")
        if not first:
            return
        is_container = first.startswith(CONTAINERS)
        self.swept.streams += 1
        with SpooledTemporaryFile(SPOOLED_BYTES) as inner:

            def read() -> bytes:
                nonlocal first
                block, first = first or next(source, b""), b""
                self.swept.inflated_bytes += len(block)
                if self.swept.inflated_bytes > self._allowed:
                    self.swept.limit = "what is compressed in it grows beyond the limit"
                    return b""
                if depth < DEPTH_MOST:
                    inner.write(block)
                return block

            marks = self._search(read, name)
            if depth < DEPTH_MOST:
                self._search_streams(inner, name, marks, depth + 1)
            elif is_container:
                self.swept.limit = self.swept.limit or "streams lie in it deeper than the limit"


def _windows(read: Callable[[], bytes]) -> Iterator[_Window]:
    """What is read, in windows: each byte is told by one, with OVERLAP_BYTES known around it."""
    kept, at, low = b"", 0, 0
    while True:
        block = read()
        content = kept + block
        high = len(content) - OVERLAP_BYTES if block else len(content)
        if high > low:
            yield _Window(content, at, low, high)
        if not block:
            return
        high = max(high, low)
        cut = max(0, high - OVERLAP_BYTES)
        kept, at, low = content[cut:], at + cut, high - cut


def _inflated(opened: IO[bytes], mark: int) -> Iterator[bytes]:
    """What is compressed behind a mark, as far as it goes; nothing where nothing is."""
    opened.seek(mark)
    head = opened.read(_HEAD_BYTES)
    start, inflater = _inflater(head)
    if inflater is None:
        return
    at = mark + start
    while not inflater.eof:
        opened.seek(at)
        block = opened.read(INFLATED_AT_ONCE)
        at += len(block)
        if not block:
            return
        try:
            content = inflater.decompress(block, INFLATED_AT_ONCE)
            while content:
                yield content
                if inflater.eof:
                    return
                content = inflater.decompress(_rest(inflater), INFLATED_AT_ONCE)
        except (zlib.error, OSError, lzma.LZMAError, EOFError, ValueError):
            return  # it was none, or is damaged from here on


def _rest(inflater: _Inflater) -> bytes:
    """What zlib was given and has not used; the others keep that themselves."""
    rest: bytes = getattr(inflater, "unconsumed_tail", b"")
    return rest


def _inflater(head: bytes) -> tuple[int, _Inflater | None]:
    """What inflates a stream that begins so, and how many bytes of head come before it."""
    if head.startswith(_ZIP):
        return _zip_inflater(head)
    if head.startswith(_GZIP):
        return 0, zlib.decompressobj(zlib.MAX_WBITS | 16)
    if head.startswith(_BZIP2):
        return 0, bz2.BZ2Decompressor() if head[4:10] == _BZIP2_BLOCK else None
    if head.startswith(_XZ):
        return 0, lzma.LZMADecompressor(memlimit=XZ_MEMORY_BYTES_MOST)
    found = _PDF_STREAM.match(head)
    return (found.end(), zlib.decompressobj()) if found else (0, None)


def _zip_inflater(head: bytes) -> tuple[int, _Inflater | None]:
    """For a member of a zip archive; none where it is stored, which is searched as it lies."""
    if len(head) < _ZIP_HEAD.size:
        return 0, None
    _, _, flags, method, *_, name, extra = _ZIP_HEAD.unpack_from(head)
    if method != _ZIP_DEFLATED or flags & _ZIP_ENCRYPTED:
        return 0, None
    return _ZIP_HEAD.size + name + extra, zlib.decompressobj(-zlib.MAX_WBITS)


def is_in(values: NDArray[np.int64], known: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which of the values are among the known ones, which are sorted."""
    if not known.size:
        return np.zeros(values.size, np.bool_)
    place = np.minimum(np.searchsorted(known, values), known.size - 1)
    return np.asarray(known[place] == values)
