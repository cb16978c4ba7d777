"""Messages as they were sent: HL7 v2 in batches, in logs and in pieces; EDIFACT.

Invariants:
- Bytes between messages are lines of their own: nothing is passed over.
- What begins or ends in the middle is given as it is, marked as not whole.
- Memory does not grow with the file: a message has MESSAGE_BYTES_MOST.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tourniquet.breach.pieces import MESSAGE_BYTES_MOST, Passage, Piece, Shape, Syntax, Wire
from tourniquet.breach.readers.decoding import decode, encoding_of
from tourniquet.breach.readers.source import CannotRead, Source, passages

_BLOCK_BYTES = 1024 * 1024
_ENDS = re.compile(rb"\r\n|\n|\r|\x1c")
_SEGMENT = re.compile(rb"[A-Z][A-Z0-9]{2}(?:\||$)")
_BEGIN = re.compile(rb"MSH[|^~!#&]")
_INSIDE = re.compile(rb"(?:PID|PV1|PV2|ORC|OBR|OBX|NTE|SPM|EVN|NK1|MRG|PD1)\|[^|]*\|")
_ENVELOPE = (b"FHS|", b"BHS|", b"BTS|", b"FTS|")
_LINES_AT_ONCE = 2_000
_LOG_LINE = re.compile(rb"\d{4}-\d\d-\d\d|\[|\d\d[:/.]\d\d|<\d+>|[A-Z][a-z]{2} [ \d]\d ")
_WRITTEN_ENDS = re.compile(rb"\\r\\n|\\r|\\n|\\x0d|<CR>|\\X0D\\|\xe2\x90\x8d")


@dataclass
class _Message:
    """A message on its way: where it began, and its segments."""

    start: int
    end: int
    is_begun: bool  # with its MSH
    segments: list[bytes] = field(default_factory=list)
    size: int = 0

    def add(self, segment: bytes, end: int) -> None:
        self.segments.append(segment)
        self.size += len(segment) + 1
        self.end = end


def hl7(source: Source) -> Iterator[Piece]:
    """HL7 v2: one `Wire` for each message."""
    yield from _hl7(source, is_log=False)


def hl7_log(source: Source) -> Iterator[Piece]:
    """HL7 v2 within the lines of a log: messages by their bytes, and the other lines."""
    yield from _hl7(source, is_log=True)


def _hl7(source: Source, *, is_log: bool) -> Iterator[Piece]:
    with source.file.open("rb") as opened:
        if encoding_of(opened.read(4096)).startswith("utf-16"):
            raise CannotRead("messages in UTF-16 are read as text")
    splitter = _Splitter(is_log=is_log)
    end = 0
    for number, (start, line) in enumerate(_segments(source.file), 1):
        end = start + len(line)
        yield from splitter.take(number, start, line)
    yield from splitter.give_up(is_whole=end < source.size)


class _Splitter:
    """Sorts lines into messages and what lies between them."""

    def __init__(self, *, is_log: bool) -> None:
        self._is_log = is_log
        self._current: _Message | None = None
        self._others = _Others()
        self._count = 0

    def take(self, number: int, start: int, line: bytes) -> Iterator[Piece]:
        """Take one line; give what has become whole."""
        bare = line.strip(b"\x0b\x1c \t")
        is_envelope = bare.startswith(_ENVELOPE)
        begin = _BEGIN.search(line)
        is_segment = bool(_SEGMENT.match(bare)) and not is_envelope
        inside = None if begin or is_segment else _INSIDE.search(line)
        found = begin or inside
        if found or (is_segment and self._current is None):
            yield from self._close(is_whole=True)
            self._begin(number, start, line, shift=found.start() if found else 0, is_begun=begin)
        elif is_envelope:
            yield from self._close(is_whole=True)
        elif bare:
            yield from self._go_on(number, start + len(line), bare, is_segment=is_segment)
        if self._current is not None and self._current.size > MESSAGE_BYTES_MOST:
            yield from self._close(is_whole=False)
        if self._others.is_full:
            yield from self._others.give()

    def _begin(self, number: int, start: int, line: bytes, *, shift: int, is_begun: object) -> None:
        if shift:
            self._others.add(number, line[:shift])
        end = start + len(line)
        self._current = _Message(start + shift, end, bool(is_begun))
        self._current.add(line[shift:].strip(b"\x0b\x1c"), end)

    def _go_on(self, number: int, end: int, bare: bytes, *, is_segment: bool) -> Iterator[Piece]:
        """A segment more, or a value with an end of line in it, or a line of the log."""
        is_other = self._current is None or (
            not is_segment and self._is_log and _LOG_LINE.match(bare)
        )
        if is_other:
            yield from self._close(is_whole=True)
            self._others.add(number, bare)
        else:
            assert self._current is not None  # or it were another line
            self._current.add(bare, end)

    def _close(self, *, is_whole: bool) -> Iterator[Piece]:
        current, self._current = self._current, None
        if current is not None:
            self._count += current.is_begun
            yield _wire(current, self._count, is_log=self._is_log, is_whole=is_whole)

    def give_up(self, *, is_whole: bool) -> Iterator[Piece]:
        """What is still held at the end of the file."""
        yield from self._close(is_whole=is_whole)
        yield from self._others.give()


def _wire(message: _Message, count: int, *, is_log: bool, is_whole: bool) -> Wire:
    raw = b"\r".join(message.segments)[:MESSAGE_BYTES_MOST]
    if len(message.segments) == 1:
        raw = _WRITTEN_ENDS.sub(b"\r", raw)  # a whole message on one line of a log
    counted = message.is_begun and not is_log
    place = f"message {count}" if counted else f"bytes {message.start}-{message.end}"
    return Wire(place, Syntax.HL7, raw, is_whole and message.is_begun)


class _Others:
    """Lines between messages, with their numbers."""

    def __init__(self) -> None:
        self._runs: list[tuple[int, list[str]]] = []
        self._count = 0

    @property
    def is_full(self) -> bool:
        return self._count >= _LINES_AT_ONCE

    def add(self, number: int, line: bytes) -> None:
        text = decode(line)
        if not text.strip():
            return
        self._count += 1
        if self._runs and self._runs[-1][0] + len(self._runs[-1][1]) == number:
            self._runs[-1][1].append(text)
        else:
            self._runs.append((number, [text]))

    def give(self) -> Iterator[Passage]:
        for number, texts in self._runs:
            yield from passages("text", Shape.LINES, "\n".join(texts), first_line=number)
        self._runs, self._count = [], 0


def _segments(file: Path) -> Iterator[tuple[int, bytes]]:
    """What lies between ends of lines, with where it begins."""
    kept, at = b"", 0
    with file.open("rb") as opened:
        while block := opened.read(_BLOCK_BYTES):
            content = kept + block
            begin = at - len(kept)
            low = 0
            for found in _ENDS.finditer(content):
                if found.end() == len(content) and found[0] == b"\r":
                    break  # a newline may follow
                yield begin + low, content[low : found.start()]
                low = found.end()
            at += len(block)
            kept = content[low:]
            if len(kept) > MESSAGE_BYTES_MOST:
                yield at - len(kept), kept
                kept = b""
    if kept:
        yield at - len(kept), kept.rstrip(b"\r")


def edifact(source: Source) -> Iterator[Piece]:
    """EDIFACT: one `Wire` for each message, with what its interchange says before it."""
    content = source.whole()
    service = re.search(rb"UNA(.{6})", content[:4096], re.DOTALL)
    signs = service[1] if service else b":+.? '"
    release, end_sign, plus = signs[3:4], signs[5:6], signs[1:2]
    prefix = b"UNA" + signs if service else b""
    interchange = b""
    start = -1
    is_begun, count = True, 0
    for begin, stop, segment in _edifact_segments(content, release, end_sign):
        tag = segment[:3]
        if tag in {b"UNA", b"UNB", b"UNZ", b"UNG", b"UNE"}:
            interchange = segment + end_sign if tag == b"UNB" else interchange
            if start >= 0:
                yield _edi(content[start:begin], prefix + interchange, (start, begin), count,
                           is_begun=is_begun, is_whole=False)  # fmt: skip
                start = -1
            continue
        if tag == b"UNH" or start < 0:
            if start >= 0:
                yield _edi(content[start:begin], prefix + interchange, (start, begin), count,
                           is_begun=is_begun, is_whole=False)  # fmt: skip
            start, is_begun = begin, segment.startswith(b"UNH" + plus)
            count += is_begun
        if tag == b"UNT":
            yield _edi(content[start:stop], prefix + interchange, (start, stop), count,
                       is_begun=is_begun, is_whole=is_begun)  # fmt: skip
            start = -1
    if start >= 0 and content[start:].strip():
        yield _edi(content[start:], prefix + interchange, (start, len(content)), count,
                   is_begun=is_begun, is_whole=False)  # fmt: skip


def _edi(
    raw: bytes, before: bytes, where: tuple[int, int], count: int, *, is_begun: bool, is_whole: bool
) -> Wire:
    place = f"message {count}" if is_begun else f"bytes {where[0]}-{where[1]}"
    return Wire(place, Syntax.EDIFACT, (before + raw)[:MESSAGE_BYTES_MOST], is_whole)


def _edifact_segments(
    content: bytes, release: bytes, end_sign: bytes
) -> Iterator[tuple[int, int, bytes]]:
    """Each segment with where it begins and ends, its sign within."""
    begin = 0
    found = re.search(rb"UNA.{6}", content[:4096], re.DOTALL)
    if found:
        begin = found.end()
    pattern = re.compile(re.escape(end_sign))
    for one in pattern.finditer(content, begin):
        stop = one.start()
        back = 0
        while release.strip() and content[stop - back - 1 : stop - back] == release:
            back += 1
        if back % 2:
            continue
        while begin < stop and content[begin : begin + 1] in b"\r\n \t":
            begin += 1
        yield begin, one.end(), content[begin:stop]
        begin = one.end()
    if content[begin:].strip():
        yield begin, len(content), content[begin:]
