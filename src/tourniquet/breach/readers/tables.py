"""Tables of text: CSV, TSV and their like, whatever separates and quotes them.

Rows are counted as records, blank lines too; a cell may hold ends of lines within quotation marks.

Invariants:
- An open quotation mark does not swallow the rest: after QUOTED_LINES_MOST lines it is a letter
  like others, and its line a row.
"""

from __future__ import annotations

import csv
from collections.abc import Generator, Iterable, Iterator
from itertools import chain, islice

from tourniquet.breach.pieces import Piece
from tourniquet.breach.readers.decoding import line_blocks
from tourniquet.breach.readers.source import CannotRead, Source, rows
from tourniquet.breach.sniff import delimiter_of

QUOTED_LINES_MOST = 200
_SAMPLE_LINES = 2_000
csv.field_size_limit(64 * 1024 * 1024)


def table(source: Source) -> Iterator[Piece]:
    """Rows of a table of text."""
    blocks = line_blocks(source.file)
    first = next(blocks, [])
    if first and first[0].startswith("\ufeff"):
        first[0] = first[0][1:]
    if first and first[0].lower().startswith("sep=") and len(first[0]) == 5:
        delimiter = first[0][4]
    else:
        delimiter = delimiter_of(first[:_SAMPLE_LINES])
    if not delimiter:
        raise CannotRead("no sign was found that separates its columns")
    yield from rows("", _records(chain([first], blocks), delimiter))


def _records(blocks: Iterable[list[str]], delimiter: str) -> Iterator[list[str]]:
    kept: list[str] = []
    for block in blocks:
        lines = kept + block if kept else block
        kept = []
        if not any('"' in line for line in lines):
            for line in lines:
                yield line.split(delimiter)
            continue
        if all(line.count('"') % 2 == 0 for line in lines):
            yield from _parsed(lines, delimiter)
            continue
        kept = yield from _quoted(lines, delimiter, is_last=False)
    if kept:
        yield from _quoted(kept, delimiter, is_last=True)


def _quoted(
    lines: list[str], delimiter: str, *, is_last: bool
) -> Generator[list[str], None, list[str]]:
    """Rows of lines of which some belong together; returns those that may go on."""
    at = 0
    while at < len(lines):
        end = at
        is_even = True
        while end < len(lines):
            is_even ^= lines[end].count('"') % 2 == 1
            end += 1
            if is_even or end - at >= QUOTED_LINES_MOST:
                break
        if is_even:
            yield _alone("\n".join(lines[at:end]), delimiter)
            at = end
        elif end - at >= QUOTED_LINES_MOST or is_last:
            yield lines[at].split(delimiter)
            at += 1
        else:
            return lines[at:]
    return []


def _parsed(lines: list[str], delimiter: str) -> Iterator[list[str]]:
    """Rows of lines of which each is one; a mark that opens in one must not reach the next."""
    at = 0
    while at < len(lines):
        reader = csv.reader(islice(lines, at, None), delimiter=delimiter)
        done = 0
        try:
            for row in reader:
                if reader.line_num != done + 1:
                    break
                done += 1
                yield row or [""]
        except csv.Error:
            pass
        at += done
        if at < len(lines):
            yield _alone(lines[at], delimiter)
            at += 1


def _alone(line: str, delimiter: str) -> list[str]:
    """One row, which may hold ends of lines, for itself."""
    try:
        return next(csv.reader(line.splitlines(keepends=True), delimiter=delimiter), [""])
    except csv.Error:
        return line.split(delimiter)
