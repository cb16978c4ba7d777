"""Archives and compressed files: their members, within limits.

Invariants:
- A member's name is told and never used as a path; links and devices in an archive are `Shut`.
- A damaged archive gives what can still be had: `zip_salvaged` goes by local headers.
- What comes out is counted as it comes, whatever the archive says of itself.
"""

from __future__ import annotations

import bz2
import io
import lzma
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import IO, Any

import cabarchive
import py7zr
import zstandard
from py7zr.exceptions import ArchiveError
from py7zr.io import Py7zIO, WriterFactory

from tourniquet.breach.pieces import Inner, Piece, Shut, State
from tourniquet.breach.readers.source import CannotRead, Scratch, Source

INFLATED_AT_ONCE = 1024 * 1024
TAR_BLOCK_BYTES = 512
TAR_READ_BYTES = 8 * 1024
CAB_BYTES_MOST = 256 * 1024 * 1024
XZ_MEMORY_BYTES_MOST = 512 * 1024 * 1024
_LOCAL = struct.Struct("<4sHHHHHIIIHH")
_LOCAL_MARK = b"PK\x03\x04"
_ENCRYPTED = 1
_UTF8_NAME = 0x800
_DESCRIBED = 8  # sizes come behind the data
_STORED, _DEFLATED, _BZIP2, _LZMA = 0, 8, 12, 14
_NEXT_MARKS = (b"PK\x03\x04", b"PK\x01\x02", b"PK\x05\x06", b"PK\x07\x08")
ENCRYPTED_WHY = "it is encrypted: a password is needed"
_ENDS = {
    "gzip": (".gz", ".tgz", ".z"),
    "bzip2": (".bz2", ".tbz"),
    "xz": (".xz", ".txz"),
    "zstd": (".zst",),
}


def zip_members(source: Source) -> Iterator[Piece]:
    """Members of a zip archive by its directory."""
    try:
        archive = zipfile.ZipFile(source.file)
    except (zipfile.BadZipFile, ValueError, NotImplementedError, EOFError, struct.error) as error:
        raise CannotRead(f"its directory is missing or damaged ({type(error).__name__})") from None
    with archive:
        for info in archive.infolist():
            if not info.is_dir():
                yield _mended(_zip_member(archive, info, source.scratch), info, source)
        if not archive.infolist():
            source.note("there is nothing in it")


def _zip_member(archive: zipfile.ZipFile, info: zipfile.ZipInfo, scratch: Scratch) -> Inner | Shut:
    name = _zip_name(info)
    if info.flag_bits & _ENCRYPTED:
        return Shut(name, info.file_size, State.UNREADABLE, ENCRYPTED_WHY)
    try:
        with archive.open(info) as opened:
            return scratch.take(name, opened, size=info.file_size)
    except (zipfile.BadZipFile, NotImplementedError, ValueError, EOFError, RuntimeError) as error:
        why = f"it could not be taken out ({type(error).__name__})"
        return Shut(name, info.file_size, State.UNREADABLE, why)


def _mended(piece: Inner | Shut, info: zipfile.ZipInfo, source: Source) -> Inner | Shut:
    """A member whose check sum does not agree, once more by its own header: as far as it goes."""
    is_damaged = (
        bool(piece.note)
        if isinstance(piece, Inner)
        else piece.state is State.UNREADABLE and piece.why != ENCRYPTED_WHY
    )
    if not is_damaged:
        return piece
    with source.file.open("rb") as opened:
        again, _ = _salvage(opened, info.header_offset, source.scratch)
    if not isinstance(again, Inner) or (isinstance(piece, Inner) and again.size <= piece.size):
        return piece
    if isinstance(piece, Inner):
        Path(piece.file).unlink()
    note = again.note or "its check sum does not agree"
    return Inner(piece.name, again.file, again.size, note)


def _zip_name(info: zipfile.ZipInfo) -> str:
    if info.flag_bits & _UTF8_NAME or info.filename.isascii():
        return info.filename.replace("\\", "/")
    return member_name(info.orig_filename.encode("cp437", "replace")).replace("\\", "/")


def member_name(raw: bytes) -> str:
    """A member's name, whoever wrote it: UTF-8, else DOS's or Windows' letters."""
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        pass
    dos = sum(0x80 <= one <= 0xA5 for one in raw)  # letters with accents in cp437
    windows = sum(one >= 0xC0 for one in raw)
    return raw.decode("cp437") if dos > windows else raw.decode("cp1252", "replace")


def zip_salvaged(source: Source) -> Iterator[Piece]:
    """Members of a damaged or truncated zip archive, by the headers before each."""
    with source.file.open("rb") as opened:
        at = _find(opened, _LOCAL_MARK, 0)
        while at >= 0:
            piece, end = _salvage(opened, at, source.scratch)
            if piece is not None:
                yield piece
            at = _find(opened, _LOCAL_MARK, max(end, at + 4))
    source.note("it is damaged or cut short; its members were found by their own headers")


def _salvage(opened: IO[bytes], at: int, scratch: Scratch) -> tuple[Inner | Shut | None, int]:
    opened.seek(at)
    head = opened.read(_LOCAL.size)
    if len(head) < _LOCAL.size:
        return None, at + 4
    _, _, flags, method, _, _, _, packed, size, name_bytes, extra = _LOCAL.unpack(head)
    raw = opened.read(name_bytes)
    name = member_name(raw).replace("\\", "/")
    data = at + _LOCAL.size + name_bytes + extra
    known = packed if not flags & _DESCRIBED and packed != 0xFFFFFFFF else 0
    if not raw or (name.endswith("/") and not size):
        return None, data
    if flags & _ENCRYPTED:
        return Shut(name, size, State.UNREADABLE, ENCRYPTED_WHY), data + known
    if method == _STORED:
        end = data + known if known else _next_mark(opened, data)
        piece = scratch.take(name, _stretch(opened, data, end), size=size)
        return piece, end
    if method == _DEFLATED:
        place = [data]
        piece = scratch.take(name, _inflate(opened, place), size=size)
        return piece, max(place[0] - INFLATED_AT_ONCE, data + known)
    why = f"its method of compression ({method}) can't be salvaged"
    return Shut(name, size, State.SWEPT, why), data + known


def _inflate(opened: IO[bytes], place: list[int]) -> Iterator[bytes]:
    """What is deflated from a place on; the place is moved on behind what was read.

    Raises: EOFError where it breaks off, zlib.error where it is damaged.
    """
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    while not inflater.eof:
        opened.seek(place[0])
        block = opened.read(INFLATED_AT_ONCE)
        place[0] += len(block)
        if not block:
            raise EOFError
        content = inflater.decompress(block, INFLATED_AT_ONCE)
        while content:
            yield content
            if inflater.eof or not inflater.unconsumed_tail:
                break
            content = inflater.decompress(inflater.unconsumed_tail, INFLATED_AT_ONCE)
    place[0] += INFLATED_AT_ONCE - len(inflater.unused_data)


def _stretch(opened: IO[bytes], start: int, end: int) -> Iterator[bytes]:
    while start < end:
        opened.seek(start)
        block = opened.read(min(INFLATED_AT_ONCE, end - start))
        if not block:
            raise EOFError
        start += len(block)
        yield block


def _next_mark(opened: IO[bytes], start: int) -> int:
    found = [at for mark in _NEXT_MARKS if (at := _find(opened, mark, start)) >= 0]
    return min(found) if found else opened.seek(0, io.SEEK_END)


def _find(opened: IO[bytes], mark: bytes, start: int) -> int:
    """Where a mark stands next, or -1."""
    kept = b""
    at = start
    opened.seek(start)
    while block := opened.read(INFLATED_AT_ONCE):
        content = kept + block
        place = content.find(mark)
        if place >= 0:
            return at - len(kept) + place
        at += len(block)
        kept = content[-(len(mark) - 1) :]
    return -1


def tar_members(source: Source) -> Iterator[Piece]:
    """Members of a tar archive, compressed or not, as far as it goes."""
    count = 0
    with source.file.open("rb") as opened:
        kind = _packing(opened.read(8))
    try:
        with (
            io.BufferedReader(_Unpacked(source, kind), INFLATED_AT_ONCE) as plain,
            tarfile.open(
                fileobj=plain, mode="r|", bufsize=INFLATED_AT_ONCE, encoding="utf-8",
                errors="surrogateescape",
            ) as archive,
        ):  # fmt: skip
            for info in archive:
                count += 1
                piece = _tar_member(archive, info, source.scratch)
                if piece is not None:
                    yield piece
                archive.members = []  # type: ignore[attr-defined] # it would keep every one
    except (tarfile.TarError, EOFError, OSError, ValueError) as error:
        if not count:
            raise CannotRead(f"no archive can be read in it ({type(error).__name__})") from None
        source.note("it is cut short or damaged; what lies behind that was not had")


def _tar_member(
    archive: tarfile.TarFile, info: tarfile.TarInfo, scratch: Scratch
) -> Inner | Shut | None:
    name = member_name(info.name.encode("utf-8", "surrogateescape"))
    if info.isdir():
        return None
    if not info.isreg():
        kind = "a link" if info.issym() or info.islnk() else "a device"
        return Shut(name, 0, State.UNREADABLE, f"it is {kind}, which is not followed")
    opened = archive.extractfile(info)
    if opened is None:
        return Shut(name, info.size, State.UNREADABLE, "it could not be taken out")
    blocks = iter(lambda: opened.read(TAR_READ_BYTES), b"")  # short ones: the last of a cut is lost
    return scratch.take(name, blocks, size=info.size)


def _packing(head: bytes) -> str:
    marks = {b"\x1f\x8b": "gzip", b"BZh": "bzip2", b"\xfd7zXZ": "xz", b"(\xb5/\xfd": "zstd"}
    return next((kind for mark, kind in marks.items() if head.startswith(mark)), "")


def _unpacked(file: Path, kind: str) -> Iterator[bytes]:
    """What is compressed in a file, stream behind stream; what is behind the last is passed over.

    Raises: EOFError where it breaks off, an error of the decompressor's where it is damaged.
    """
    with file.open("rb") as opened:
        inflater = None
        block = opened.read(INFLATED_AT_ONCE)
        count = 0
        while block:
            if inflater is None:
                if count and _packing(block[:8]) != kind:
                    return
                inflater, count = _inflater(kind), count + 1
            content = inflater.decompress(block, INFLATED_AT_ONCE)
            if content:
                yield content
            if inflater.eof:
                block = inflater.unused_data or opened.read(INFLATED_AT_ONCE)
                inflater = None
            elif kind == "gzip":
                block = inflater.unconsumed_tail or opened.read(INFLATED_AT_ONCE)
            else:
                block = opened.read(INFLATED_AT_ONCE) if inflater.needs_input else b""
                if not block and not inflater.needs_input:
                    yield from _drained(inflater)
                    block = inflater.unused_data or opened.read(INFLATED_AT_ONCE)
                    inflater = None if inflater.eof else inflater
        if inflater is not None:
            raise EOFError


def _drained(inflater: Any) -> Iterator[bytes]:
    while not inflater.eof and not inflater.needs_input:
        if content := inflater.decompress(b"", INFLATED_AT_ONCE):
            yield content


def _inflater(kind: str) -> Any:  # four libraries' own, alike in what is used of them
    if kind == "gzip":
        return zlib.decompressobj(zlib.MAX_WBITS | 16)
    if kind == "bzip2":
        return bz2.BZ2Decompressor()
    return lzma.LZMADecompressor(memlimit=XZ_MEMORY_BYTES_MOST)


def _content(file: Path, kind: str) -> Iterator[bytes]:
    """What is in a file, compressed or not."""
    if kind in {"gzip", "bzip2", "xz"}:
        yield from _unpacked(file, kind)
        return
    opener = zstandard.open if kind == "zstd" else open
    with opener(file, "rb") as opened:
        while block := opened.read(INFLATED_AT_ONCE):
            yield block


class _Unpacked(io.RawIOBase):
    """What is in a file as one to read; where it breaks off it ends, and that is noted."""

    def __init__(self, source: Source, kind: str) -> None:
        self._source = source
        self._blocks = _content(source.file, kind)
        self._kept = memoryview(b"")

    def readable(self) -> bool:
        """Always."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Some bytes."""
        if not self._kept:
            try:
                self._kept = memoryview(next(self._blocks, b""))
            except (EOFError, OSError, zlib.error, lzma.LZMAError, zstandard.ZstdError, ValueError):
                self._source.note("it is cut short or damaged; what lies behind that was not had")
                return 0
        size = min(len(self._kept), len(buffer))
        buffer[:size] = self._kept[:size]
        self._kept = self._kept[size:]
        return size


def inflated_head(file: Path, kind: str, size: int = TAR_BLOCK_BYTES) -> bytes:
    """The first bytes of what is compressed in a file; fewer where it breaks off."""
    with file.open("rb") as opened:
        block = opened.read(INFLATED_AT_ONCE)
    try:
        if kind == "gzip":
            return zlib.decompressobj(zlib.MAX_WBITS | 16).decompress(block, size)
        if kind == "bzip2":
            return bz2.BZ2Decompressor().decompress(block, size)
        return lzma.LZMADecompressor(memlimit=XZ_MEMORY_BYTES_MOST).decompress(block, size)
    except (zlib.error, OSError, lzma.LZMAError, EOFError, ValueError):
        return b""


def packed_member(source: Source) -> Iterator[Piece]:
    """The one member of a compressed file."""
    name = _gzip_name(source.file) if source.kind == "gzip" else ""
    if not name:
        name = PurePosixPath(source.name).name or "content"
        for end in _ENDS[source.kind]:
            name = name[: -len(end)] if name.lower().endswith(end) else name
    yield source.scratch.take(name, _content(source.file, source.kind))


def _gzip_name(file: Path) -> str:
    """The name that a gzip file's own head gives to what is in it."""
    with file.open("rb") as opened:
        head = opened.read(4_096)
    flags, at = head[3] if len(head) > 10 else 0, 10
    if flags & 4:
        at += 2 + int.from_bytes(head[10:12], "little")
    end = head.find(b"\x00", at)
    if not flags & 8 or end < 0:
        return ""
    return member_name(head[at:end]).replace("\\", "/").rsplit("/", 1)[-1]


def seven_zip_members(source: Source) -> Iterator[Piece]:
    """Members of a 7z archive. Raises: CannotRead where it is encrypted as a whole or damaged."""
    try:
        with py7zr.SevenZipFile(source.file) as archive:
            listed = [one for one in archive.list() if not one.is_directory]
            if archive.needs_password():
                why = ENCRYPTED_WHY
                for one in listed:
                    yield Shut(member_name(one.filename.encode()), 0, State.UNREADABLE, why)
                return
            factory = _IntoScratch(source.scratch)
            try:
                archive.extract(factory=factory)
            except (
                ArchiveError,
                lzma.LZMAError,
                zlib.error,
                EOFError,
                OSError,
                ValueError,
            ) as error:
                source.note(f"it is damaged or cut short ({type(error).__name__})")
            yield from factory.pieces()
    except py7zr.exceptions.PasswordRequired:
        raise CannotRead(ENCRYPTED_WHY, state=State.UNREADABLE) from None
    except (ArchiveError, lzma.LZMAError, EOFError, OSError, ValueError, struct.error) as error:
        raise CannotRead(f"it is no archive that can be read ({type(error).__name__})") from None


class _IntoScratch(WriterFactory):
    """Members as py7zr gives them, each into a file of its own, counted together."""

    def __init__(self, scratch: Scratch) -> None:
        self._scratch = scratch
        self._room = scratch.limits.inflated_bytes_most(scratch.container_bytes)
        self._written: list[_Written] = []

    def create(self, filename: str) -> Py7zIO:
        """A file for one member."""
        file = self._scratch.folder / f"7z-{len(self._written):08d}"
        written = _Written(filename, file, self)
        self._written.append(written)
        return written

    def allow(self, size: int) -> bool:
        """Count bytes; whether they may still come."""
        self._room -= size
        return self._room >= 0 and len(self._written) <= self._scratch.limits.members_most

    def pieces(self) -> Iterator[Piece]:
        """What was written, and what was not."""
        for one in self._written:
            name = member_name(one.name.encode("utf-8", "replace")).replace("\\", "/")
            if one.is_beyond:
                one.file.unlink(missing_ok=True)
                why = "what comes out of its container goes beyond the limit"
                yield Shut(name, one.size(), State.SWEPT, why)
            else:
                yield Inner(name, str(one.file), one.size())


class _Written(Py7zIO):
    """One member on its way into the scratch folder."""

    def __init__(self, name: str, file: Path, factory: _IntoScratch) -> None:
        self.name = name
        self.file = file
        self.is_beyond = False
        self._factory = factory
        self._size = 0
        file.touch()

    def write(self, s: bytes | bytearray) -> int:
        """Keep some bytes; beyond the limit they are counted and not kept."""
        self._size += len(s)
        self.is_beyond = self.is_beyond or not self._factory.allow(len(s))
        if not self.is_beyond:
            with self.file.open("ab") as into:
                into.write(s)
        return len(s)

    def read(self, size: int | None = None) -> bytes:  # noqa: ARG002 # as py7zr calls it
        """Nothing: it is only written."""
        return b""

    def seek(self, offset: int, whence: int = 0) -> int:  # noqa: ARG002 # as py7zr calls it
        """Stay: it is only written."""
        return self._size

    def flush(self) -> None:
        """Nothing is held back."""

    def size(self) -> int:
        """Bytes that came."""
        return self._size


def cab_members(source: Source) -> Iterator[Piece]:
    """Members of a cabinet. Raises: CannotRead."""
    if source.size > CAB_BYTES_MOST:
        raise CannotRead(f"it is larger than the limit of {CAB_BYTES_MOST:,} bytes for its type")
    try:
        archive = cabarchive.CabArchive(source.file.read_bytes())
    except (
        cabarchive.CorruptionError,
        cabarchive.NotSupportedError,
        ValueError,
        KeyError,
    ) as error:
        raise CannotRead(f"it is no archive that can be read ({type(error).__name__})") from None
    for name, one in archive.items():
        content = one.buf or b""
        yield source.scratch.take(str(name).replace("\\", "/"), [content], size=len(content))
