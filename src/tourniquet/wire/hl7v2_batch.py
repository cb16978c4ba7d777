"""Cut a file of HL7 v2 into single messages.

Invariants:
- Every byte of the file is in a message, in an envelope (FHS, BHS, BTS, FTS), in a leftover, or
  blank (so count NUL and byte order marks). Nothing is swallowed.
- Messages keep their bytes; whether they parse is not asked here.
- A line in the middle of a message that is no segment stays in the message, so that the parser
  refuses the whole; so does one at its end, which may be the rest of a text. Only lines that
  begin with // or <!-- are cut off there. A frame of MLLP that was not finished is a leftover.

Reads plain files, batches (nested, broken), several MSH one after another, MLLP dumps.

Source: HL7 v2.5.1 section 2.10.3 (batch protocol).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from tourniquet.wire.hl7v2_text import UTF8_BOM, utf16_order

# A separator that is punctuation, or (for trailers) the end of the line.
_MARK = re.compile(
    rb"(?:\A|[\r\n\x0b\x1c])((?:\xef\xbb\xbf)?[ \t]*)"
    rb"(MSH|FHS|BHS|(?:BTS|FTS)(?=[!-/:-@\[-`{-~\r\n \x1c]|\Z))(?=[^A-Za-z0-9]|\Z)"
)
_LINE = re.compile(rb"[^\r\n]*(?:\r\n|\r|\n|\Z)")
_COMMENT_LINE = re.compile(rb"[\r\n][ \t]*(?://|<!--)")
_COMMENT = re.compile(rb"[ \t]*(?://|<!--)")
_FRAME_END = re.compile(rb"\x1c(?=[\r\n\x0b]|\Z)")
_AFTER_VT = re.compile(rb"\x0b(?:\xef\xbb\xbf)?[ \t]*\Z")
_BLANK = b" \t\r\n\x0b\x1c\x00"
_OPENERS = {"FTS": "FHS", "BTS": "BHS"}


@dataclass(frozen=True, slots=True)
class FoundMessage:
    """One message and where in the file it begins."""

    offset: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Leftover:
    """Bytes that are in no message, and why."""

    offset: int
    data: bytes
    why: str


@dataclass(frozen=True, slots=True)
class EnvelopeProblem:
    """A batch that does not add up. Its messages were found all the same."""

    offset: int
    why: str


@dataclass(frozen=True, slots=True)
class BatchSplit:
    """What a file holds, in the order of the file."""

    messages: tuple[FoundMessage, ...]
    leftovers: tuple[Leftover, ...]
    problems: tuple[EnvelopeProblem, ...]


def split_batch(raw: bytes) -> BatchSplit:
    """Cut the bytes of a file into messages. Never raises, whatever the bytes."""
    order = utf16_order(raw)
    if order:
        return _split_utf16(raw, order)
    return _split(raw)


def _split(raw: bytes) -> BatchSplit:
    messages: list[FoundMessage] = []
    leftovers: list[Leftover] = []
    envelopes = _Envelopes()
    for name, start, stop in _chunks(raw):
        if not name:
            _leave(leftovers, raw, start, stop, "bytes before the first message or envelope")
        elif name == "MSH":
            framed = _AFTER_VT.search(raw, max(start - 16, 0), start) is not None
            end = _message_end(raw, start, stop, framed=framed)
            if end is None:
                _leave(leftovers, raw, start, stop, "a frame that was not finished")
                continue
            data = raw[start:end]
            messages.append(FoundMessage(start, data if framed else data.rstrip(_BLANK)))
            envelopes.message()
            _leave(leftovers, raw, end, stop, "bytes after a message that are no segments")
        else:
            line = _LINE.match(raw, start, stop)
            end = line.end() if line else stop
            envelopes.envelope(name, start, raw[start:end])
            _leave(leftovers, raw, end, stop, f"segments after {name} without a message header")
    envelopes.end()
    return BatchSplit(tuple(messages), tuple(leftovers), tuple(envelopes.problems))


def _chunks(raw: bytes) -> Iterator[tuple[str, int, int]]:
    """Name (`""` before the first mark), start and stop of each part of the file."""
    name, start = "", 0
    for mark in _MARK.finditer(raw):
        yield name, start, mark.start(1)
        name, start = mark[2].decode("ascii"), mark.start(2)
    yield name, start, len(raw)


def _message_end(raw: bytes, start: int, stop: int, *, framed: bool) -> int | None:
    """Where the message ends: at FS of its frame, or where comments begin. None: it does not."""
    frame_end = _FRAME_END.search(raw, start, stop)
    if frame_end is not None:
        return frame_end.start()
    if framed:
        return None
    if _COMMENT_LINE.search(raw, start, stop) is None:
        return stop
    end = start
    for line in _LINE.finditer(raw, start, stop):
        if line[0].strip(_BLANK) and not _COMMENT.match(line[0]):
            end = line.end()
    return end


def _leave(leftovers: list[Leftover], raw: bytes, start: int, stop: int, why: str) -> None:
    data = raw[start:stop]
    body = data.strip(_BLANK).removeprefix(UTF8_BOM).removesuffix(UTF8_BOM).strip(_BLANK)
    if body:
        leftovers.append(Leftover(start + data.find(body), body, why))


class _Envelopes:
    """Keeps account of open batches and of what their trailers promise."""

    def __init__(self) -> None:
        self.problems: list[EnvelopeProblem] = []
        self._open: list[tuple[str, int, int]] = []
        self._messages = 0
        self._batches = 0

    def message(self) -> None:
        self._messages += 1

    def envelope(self, name: str, offset: int, line: bytes) -> None:
        """Take one envelope segment."""
        if name in ("FHS", "BHS"):
            count = self._batches if name == "FHS" else self._messages
            self._open.append((name, offset, count))
            return
        opener = _OPENERS[name]
        if opener not in [open_name for open_name, _, _ in self._open]:
            self._problem(offset, f"{name} without {opener}")
            return
        while self._open:
            open_name, open_offset, before = self._open.pop()
            if open_name == opener:
                break
            self._problem(open_offset, f"{open_name} is not closed before {name}")
        total = self._batches if name == "FTS" else self._messages
        self._compare(name, offset, line, total - before)
        if name == "BTS":
            self._batches += 1

    def end(self) -> None:
        """The file is over."""
        for open_name, open_offset, _ in self._open:
            self._problem(open_offset, f"{open_name} is not closed")
        self._open.clear()

    def _compare(self, name: str, offset: int, line: bytes, found: int) -> None:
        promised = line.rstrip(_BLANK)[3:].split(line[3:4])[1:2] if len(line) > 3 else []
        if promised and promised[0].isdigit() and len(promised[0]) < 10:
            count = int(promised[0])
            if count != found:
                what = "batches" if name == "FTS" else "messages"
                self._problem(offset, f"{name} promises {count} {what}, {found} found")

    def _problem(self, offset: int, why: str) -> None:
        self.problems.append(EnvelopeProblem(offset, why))


def _split_utf16(raw: bytes, order: str) -> BatchSplit:
    """Split in UTF-8, then give back the bytes and offsets of the file."""
    try:
        text = raw.decode(order)
    except UnicodeDecodeError:
        why = "the file begins like UTF-16 and is not"
        return BatchSplit((), (Leftover(0, raw, why),), ())
    plain = text.encode("utf-8")
    split = _split(plain)
    found: tuple[FoundMessage | Leftover | EnvelopeProblem, ...]
    found = (*split.messages, *split.leftovers, *split.problems)
    offsets: dict[int, int] = {}
    before = total = 0
    for offset in sorted({item.offset for item in found}):
        total += len(plain[before:offset].decode("utf-8").encode(order))
        offsets[offset] = total
        before = offset

    def bytes_of(data: bytes) -> bytes:
        return data.decode("utf-8").encode(order)

    return BatchSplit(
        tuple(FoundMessage(offsets[m.offset], bytes_of(m.data)) for m in split.messages),
        tuple(Leftover(offsets[x.offset], bytes_of(x.data), x.why) for x in split.leftovers),
        tuple(EnvelopeProblem(offsets[p.offset], p.why) for p in split.problems),
    )
