"""OLE2 files: Word, PowerPoint and Outlook's messages of old, and what is embedded in them.

Sources: [MS-DOC] 2.4.1 (retrieving text), [MS-PPT] 2.3 (text atoms), [MS-OXMSG] 2.

Invariants:
- All of a Word file's text is told: body, notes, heads and feet, comments, text boxes.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator

import olefile

from tourniquet.breach.containers import ENCRYPTED_WHY
from tourniquet.breach.pieces import Piece, Shape, State
from tourniquet.breach.readers.source import CannotRead, Source, passages

_WORD_MARKS = (0xA5EC, 0xA5DC)
_WORD_97 = 0x00C1
_ENCRYPTED, _TABLE_1 = 0x0100, 0x0200
_CLX_AT = 0x01A2
_ANSI_PIECE = 0x40000000
_FIELD = re.compile("\x13[^\x13\x14\x15]*(?:\x14([^\x13\x15]*))?\x15")
_CONTROLS = re.compile("[\x00-\x06\x08\x0e-\x1f]")
_TEXT_CHARACTERS, _TEXT_BYTES, _TEXT_OLD = 4000, 4008, 4026
_SLIDE, _NOTES = 1006, 1008
_PPT_DEPTH_MOST = 40
STREAM_BYTES_MOST = 512 * 1024 * 1024
_NATIVE = "\x01Ole10Native"
_MEMBERS_MOST = 5_000


def opened_ole(source: Source) -> olefile.OleFileIO:
    """The file opened. Raises: CannotRead."""
    try:
        return olefile.OleFileIO(str(source.file))
    except Exception as error:  # noqa: BLE001 # a damaged file may raise anything
        raise CannotRead(f"its directory can't be read ({type(error).__name__})") from None


def stream(ole: olefile.OleFileIO, name: str) -> bytes:
    """A stream's bytes, as far as they go; none where there is no such stream."""
    try:
        return bytes(ole.openstream(name).read(STREAM_BYTES_MOST)) if ole.exists(name) else b""
    except (OSError, ValueError, IndexError, struct.error):
        return b""


def doc(source: Source) -> Iterator[Piece]:
    """Word's text, from its pieces. Raises: CannotRead."""
    with opened_ole(source) as ole:
        text = _word_text(ole)
    pages = text.split("\x0c")
    line = 1
    for number, page in enumerate(pages, 1):
        shown = page.replace("\r", "\n").replace("\x0b", "\n").replace("\x07", "\t")
        if shown.strip():
            yield from passages(f"page {number}", Shape.PAGE, shown, first_line=line)
        line += shown.count("\n")
    yield from ole_members(source)


def _word_text(ole: olefile.OleFileIO) -> str:
    word = stream(ole, "WordDocument")
    if len(word) < 64:
        raise CannotRead("its main stream is missing or cut short")
    mark, version = struct.unpack_from("<HH", word)
    flags = struct.unpack_from("<H", word, 10)[0]
    if mark not in _WORD_MARKS:
        raise CannotRead("its main stream is none of Word's")
    if flags & _ENCRYPTED:
        raise CannotRead(ENCRYPTED_WHY, state=State.UNREADABLE)
    if version < _WORD_97:
        begin, end = struct.unpack_from("<II", word, 24)
        return _plain(word[begin:end].decode("cp1252", "replace"))
    table = stream(ole, "1Table" if flags & _TABLE_1 else "0Table")
    start, size = struct.unpack_from("<II", word, _CLX_AT)
    return _plain("".join(_pieces(word, table[start : start + size])))


def _pieces(word: bytes, clx: bytes) -> Iterator[str]:
    at = 0
    while at + 3 < len(clx) and clx[at] == 1:  # properties, which are not text
        at += 3 + struct.unpack_from("<H", clx, at + 1)[0]
    if at + 5 > len(clx) or clx[at] != 2:
        raise CannotRead("its table of pieces is missing or damaged")
    size = struct.unpack_from("<I", clx, at + 1)[0]
    plex = clx[at + 5 : at + 5 + size]
    count = (len(plex) - 4) // 12
    places = struct.unpack_from(f"<{count + 1}I", plex)
    for number in range(count):
        where = struct.unpack_from("<I", plex, (count + 1) * 4 + number * 8 + 2)[0]
        length = places[number + 1] - places[number]
        if length < 0:
            raise CannotRead("its table of pieces is damaged")
        if where & _ANSI_PIECE:
            begin = (where & ~_ANSI_PIECE) // 2
            yield word[begin : begin + length].decode("cp1252", "replace")
        else:
            yield word[where : where + length * 2].decode("utf-16-le", "replace")


def _plain(text: str) -> str:
    """Text without the instructions of fields and other controls."""
    for _ in range(8):
        text, count = _FIELD.subn(lambda one: one[1] or "", text)
        if not count:
            break
    return _CONTROLS.sub("", text)


def ppt(source: Source) -> Iterator[Piece]:
    """PowerPoint's text, slide by slide. Raises: CannotRead."""
    with opened_ole(source) as ole:
        content = stream(ole, "PowerPoint Document") or stream(ole, "PP97_DUALSTORAGE")
    if not content:
        raise CannotRead("its main stream is missing or cut short")
    slides: list[list[str]] = [[]]
    _records(content, 0, len(content), slides, 0)
    for number, texts in enumerate(slides):
        text = "\n".join(one.replace("\r", "\n").replace("\x0b", "\n") for one in texts)
        if text.strip():
            yield from passages(f"page {max(number, 1)}", Shape.PAGE, text)
    yield from ole_members(source)


def _records(content: bytes, at: int, end: int, slides: list[list[str]], depth: int) -> None:
    while at + 8 <= end:
        kind_bits, kind, size = struct.unpack_from("<HHI", content, at)
        begin, stop = at + 8, min(at + 8 + size, end)
        if kind_bits & 0xF == 0xF and depth < _PPT_DEPTH_MOST:
            if kind in {_SLIDE, _NOTES}:
                slides.append([])
            _records(content, begin, stop, slides, depth + 1)
        elif kind in {_TEXT_CHARACTERS, _TEXT_OLD}:
            slides[-1].append(content[begin:stop].decode("utf-16-le", "replace"))
        elif kind == _TEXT_BYTES:
            slides[-1].append(content[begin:stop].decode("latin-1"))
        at = begin + size


def embedded(source: Source) -> Iterator[Piece]:
    """What lies in an object of which nothing else is known."""
    yield from ole_members(source)


def ole_members(source: Source) -> Iterator[Piece]:
    """Files that are embedded, as they were put in."""
    try:
        ole = opened_ole(source)
    except CannotRead:
        return
    with ole:
        for path in ole.listdir()[:_MEMBERS_MOST]:
            last = path[-1]
            around = f"object {path[-2]}" if len(path) > 1 else "object"
            if last == _NATIVE:
                content = stream(ole, "/".join(path))
                name, body = _native(content)
                yield source.scratch.take(name or around, [body])
            elif last in {"Package", "CONTENTS"}:
                body = stream(ole, "/".join(path))
                if body:
                    yield source.scratch.take(around, [body])


def _native(content: bytes) -> tuple[str, bytes]:
    """The name and the bytes of a packaged file."""
    end = content.find(b"\x00", 6)
    if end < 0:
        return "", content
    name = content[6:end].decode("cp1252", "replace").replace("\\", "/").rsplit("/", 1)[-1]
    at = content.find(b"\x00", end + 1) + 1
    try:
        (length,) = struct.unpack_from("<I", content, at + 4)
        at += 8 + length
        (size,) = struct.unpack_from("<I", content, at)
    except struct.error:
        return name, content
    return name, content[at + 4 : at + 4 + size]
