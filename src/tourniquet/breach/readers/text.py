"""Text: logs and lists line by line, prose as it runs, and what is written in any other file.

Invariants:
- Lines are counted from 1 in the whole content.
- `writing` finds text in files of which nothing else is known; it is the reader of last resort, and
  what it reads is still `swept`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from tourniquet.breach.pieces import Passage, Piece, Shape, State
from tourniquet.breach.readers.decoding import blocks
from tourniquet.breach.readers.source import Source, passages

_BLOCK_BYTES = 8 * 1024 * 1024
_OVERLAP_BYTES = 4096
_ASCII = re.compile(rb"[\t\x20-\x7e\xa0-\xff][\t\r\n\x20-\x7e\xa0-\xff]{6,4000}")
_WIDE = re.compile(rb"(?:[\t\r\n\x20-\x7e\xa0-\xff]\x00){6,2000}")
_WORD = re.compile(r"[A-Za-z]{3,}|\d{6,}")
_JOINED_BYTES = 64 * 1024


def lines(source: Source) -> Iterator[Piece]:
    """Lines, each for itself."""
    yield from _text(source, Shape.LINES)


def prose(source: Source) -> Iterator[Piece]:
    """Running text."""
    yield from _text(source, Shape.TEXT)


def _text(source: Source, shape: Shape) -> Iterator[Passage]:
    number, characters, kept = 1, 0, ""
    for block in blocks(source.file):
        text = kept + (block if characters or kept else block.removeprefix("\ufeff"))
        cut = text.rfind("\n") + 1
        kept, text = text[cut:], text[:cut]
        if len(kept) > _BLOCK_BYTES:
            text, kept = text + kept, ""
        for piece in passages("text", shape, text, first_line=number):
            yield _moved(piece, characters)
        number += text.count("\n")
        characters += len(text)
    for piece in passages("text", shape, kept, first_line=number):
        yield _moved(piece, characters)


def _moved(piece: Passage, characters: int) -> Passage:
    return Passage(
        piece.place, piece.shape, piece.text, piece.begins_at + characters, piece.first_line
    )


def writing(source: Source) -> Iterator[Piece]:
    """What is written between other bytes; places are stretches of bytes."""
    source.state = State.SWEPT
    with source.file.open("rb") as opened:
        at, kept = 0, b""
        while block := opened.read(_BLOCK_BYTES):
            content = kept + block
            begin = at - len(kept)
            is_last = len(block) < _BLOCK_BYTES
            high = len(content) if is_last else len(content) - _OVERLAP_BYTES
            yield from _stretches(content, begin, high)
            at += len(block)
            kept = b"" if is_last else content[high:]


def _stretches(content: bytes, begin: int, high: int) -> Iterator[Passage]:
    found = [
        (one.start(), one.end(), one[0].decode("cp1252", "replace"))
        for one in _ASCII.finditer(content)
        if one.start() < high
    ]
    found += [
        (one.start(), one.end(), one[0].decode("utf-16-le", "replace"))
        for one in _WIDE.finditer(content)
        if one.start() < high
    ]
    texts: list[str] = []
    start = end = 0
    for low, top, text in sorted(found):
        if not _WORD.search(text):
            continue
        if texts and top - start > _JOINED_BYTES:
            yield Passage(f"bytes {begin + start}-{begin + end}", Shape.LINES, "\n".join(texts))
            texts = []
        if not texts:
            start = low
        texts.append(text.replace("\r", "\n"))
        end = top
    if texts:
        yield Passage(f"bytes {begin + start}-{begin + end}", Shape.LINES, "\n".join(texts))
