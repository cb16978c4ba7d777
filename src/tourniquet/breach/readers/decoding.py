"""Bytes to text, whatever wrote them.

UTF-8 in which a byte does not fit is cp1252 in that byte alone: exports are often both. UTF-16 and
UTF-32 are known by their mark or by their zeros, EBCDIC by where its letters lie.

Invariants:
- Every content has an answer, and decoding it never raises.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from pathlib import Path

SAMPLE_BYTES = 64 * 1024
BLOCK_BYTES = 1024 * 1024
LINE_CHARACTERS_MOST = 4 * 1024 * 1024  # what is longer is cut there
_MIXED = "tourniquet-mixed"
UTF_8 = ("utf-8", _MIXED)  # as encoding and errors of str()
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_ZEROS_SHARE = 0.35  # of the high bytes, in UTF-16 of European writing
_EBCDIC_SHARE = 0.9
_EBCDIC_LETTERS = ((0x81, 9), (0x91, 9), (0xA2, 8), (0xC1, 9), (0xD1, 9), (0xE2, 8), (0xF0, 10))
_EBCDIC = bytes(
    [first + step for first, count in _EBCDIC_LETTERS for step in range(count)]
) + bytes.fromhex("404b6b15250d60617d7a")
_EBCDIC_LEAST_BYTES = 40


def _mixed(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    part = error.object[error.start : error.end]
    try:
        return part.decode("cp1252"), error.end
    except UnicodeDecodeError:
        return part.decode("latin-1"), error.end


codecs.register_error(_MIXED, _mixed)


def encoding_of(sample: bytes) -> str:
    """The encoding of a text that begins so."""
    for mark, name in _MARKS:
        if sample.startswith(mark):
            return name
    if len(sample) >= 4 and b"\x00" in sample:
        even, odd = sample[::2], sample[1::2]
        if odd.count(0) > _ZEROS_SHARE * len(odd) and even.count(0) < odd.count(0) / 4:
            return "utf-16-le"
        if even.count(0) > _ZEROS_SHARE * len(even) and odd.count(0) < even.count(0) / 4:
            return "utf-16-be"
    if _is_ebcdic(sample):
        return "cp500"
    return "utf-8"


def _is_ebcdic(sample: bytes) -> bool:
    if len(sample) < _EBCDIC_LEAST_BYTES or 0x40 not in sample:
        return False
    strange = len(sample.translate(None, _EBCDIC))
    return strange < (1 - _EBCDIC_SHARE) * len(sample) and sample.count(b"\x20") * 50 < len(sample)


def decode(content: bytes) -> str:
    """All of a content as text; ends of lines as they are."""
    encoding = encoding_of(content[:SAMPLE_BYTES])
    errors = _MIXED if encoding.startswith("utf-8") else "replace"
    return content.decode(encoding, errors)


def codec_of(sample: bytes) -> tuple[str, str]:
    """Encoding and way with errors for many short pieces of one content."""
    encoding = encoding_of(sample[:SAMPLE_BYTES])
    if encoding.startswith("utf-8"):
        return UTF_8
    return encoding, "replace"


def newlines(text: str) -> str:
    """Every end of a line as one newline."""
    return text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text


def blocks(file: Path) -> Iterator[str]:
    """A file as text in blocks, ends of lines as newlines."""
    with file.open("rb") as opened:
        block = opened.read(BLOCK_BYTES)
        encoding = encoding_of(block[:SAMPLE_BYTES])
        errors = _MIXED if encoding.startswith("utf-8") else "replace"
        decoder = codecs.getincrementaldecoder(encoding)(errors)
        held = ""
        while block:
            text = held + decoder.decode(block)
            held = "\r" if text.endswith("\r") else ""
            yield newlines(text[: len(text) - len(held)])
            block = opened.read(BLOCK_BYTES)
        if rest := newlines(held + decoder.decode(b"", final=True)):
            yield rest


def line_blocks(file: Path) -> Iterator[list[str]]:
    """A file's lines, without their ends, in lists; the last line even where nothing ends it."""
    kept = ""
    for text in blocks(file):
        lines = (kept + text).split("\n")
        kept = lines.pop()
        if len(kept) > LINE_CHARACTERS_MOST:
            lines.append(kept)
            kept = ""
        if lines:
            yield lines
    if kept:
        yield [kept]
