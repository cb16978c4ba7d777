"""Databases: SQLite and Access files by table, dumps by their statements.

Invariants:
- A database is opened as a file that never changes: no journal is replayed, nothing is written.
- A dump's rows have as their place the bytes in which they stand.
"""

from __future__ import annotations

import re
import shutil
import sqlite3
import struct
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

from tourniquet.breach.pieces import Piece, Shape
from tourniquet.breach.readers.decoding import UTF_8, decode, newlines
from tourniquet.breach.readers.source import CannotRead, Source, clip, passages, placed_rows, rows

_TABLES_MOST = 5_000
_ROWS_AT_ONCE = 2_000
_SQLITE_HEAD = struct.Struct(">16xH10xI")  # bytes of a page, number of pages
_PADDED_BYTES_MOST = 1024 * 1024 * 1024
_HEX_BYTES_MOST = 64
_SHORT = 1_000
_BLOB_TEXT = re.compile(rb"[\t\r\n\x20-\x7e\x80-\xff]{4,}\Z")
_NAME = r"(?:`[^`]+`|\"[^\"]+\"|\[[^\]]+\]|[\w$]+)"
_FULL_NAME = rf"{_NAME}(?:\s*\.\s*{_NAME})*"
_INSERT = re.compile(
    rf"(?:INSERT|REPLACE)\s+(?:IGNORE\s+|OR\s+\w+\s+)?INTO\s+({_FULL_NAME})\s*(\([^()]*\))?\s*VALUES?\s*".encode(),
    re.IGNORECASE,
)
_COPY = re.compile(rf"^COPY\s+({_FULL_NAME})\s*(\([^()]*\))?\s*FROM\s+stdin[^\n]*\n".encode(),
                   re.IGNORECASE | re.MULTILINE)  # fmt: skip
_CREATE = re.compile(
    rf"CREATE\s+TABLE\s+(?:IF\s+NOT\s+EXISTS\s+)?({_FULL_NAME})\s*\(".encode(), re.IGNORECASE
)
_TUPLE = re.compile(
    rb"\s*\(((?:[^'\"()]+|'(?:[^'\\]+|\\.|'')*'|\"(?:[^\"\\]|\\.|\"\")*\"|\((?:[^()']|'(?:[^'\\]|\\.|'')*')*\))*)\)\s*([,;]?)",
    re.DOTALL,
)
_VALUE = re.compile(
    r"\s*(?:[NnEe]?'((?:[^'\\]|\\.|'')*)'|\"((?:[^\"\\]|\\.|\"\")*)\"|((?:[^,()']|\([^()]*\))*))\s*(?:,|\Z)",
    re.DOTALL,
)
_PLAIN_VALUE = re.compile(r"(?:^|,)\s*(?:[NnEe]?'((?:[^']+|'')*)'|([^',]*))")
_CALL = re.compile(r"\w\(")
_COLUMN = re.compile(rf"\s*({_NAME})\s+\w".encode())
_NOT_COLUMNS = {"primary", "key", "unique", "constraint", "foreign", "index", "check", "fulltext"}
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "0": "", "b": "", "Z": ""}


def sqlite(source: Source) -> Iterator[Piece]:
    """Rows by table and rowid. Raises: CannotRead where it is damaged from the start."""
    yield from _sqlite(source, source.file)


def sqlite_padded(source: Source) -> Iterator[Piece]:
    """Rows of a database that is cut short: of a copy that has as many pages as it says."""
    copy = source.scratch.folder / "padded"
    shutil.copyfile(source.file, copy)
    with copy.open("r+b") as opened:
        head = opened.read(_SQLITE_HEAD.size)
        page_bytes, pages = _SQLITE_HEAD.unpack(head)
        most = min(pages * page_bytes, source.size + _PADDED_BYTES_MOST)
        opened.truncate(max(most, source.size))
    source.note("it is cut short or damaged; the pages that are there were read")
    try:
        yield from _sqlite(source, copy)
    finally:
        copy.unlink()


def _sqlite(source: Source, file: Path) -> Iterator[Piece]:
    uri = f"file:{quote(str(file))}?mode=ro&immutable=1"
    base = sqlite3.connect(uri, uri=True)
    base.text_factory = partial(str, encoding=UTF_8[0], errors=UTF_8[1])
    try:
        base.execute("PRAGMA trusted_schema=OFF")
        names = [
            str(name)
            for (name,) in base.execute(
                "SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY rowid LIMIT ?",
                (_TABLES_MOST,),
            )
        ]
        for name in names:
            try:
                yield from _table(base, name)
            except sqlite3.Error as error:
                source.note(f"a table could not be read whole ({type(error).__name__})")
    except sqlite3.Error as error:
        raise CannotRead(f"the database can't be opened ({type(error).__name__})") from None
    finally:
        base.close()


def _table(base: sqlite3.Connection, name: str) -> Iterator[Piece]:
    quoted = name.replace('"', '""')
    try:
        found = base.execute(f'SELECT rowid, * FROM "{quoted}"')  # noqa: S608 # quoted above
        has_rowid = True
    except sqlite3.OperationalError:
        found = base.execute(f'SELECT 0, * FROM "{quoted}"')  # noqa: S608
        has_rowid = False
    columns = [str(one[0]) for one in found.description[1:]]
    counted = 0
    for batch in _fetched(found):
        start = 0
        held: list[list[str]] = []
        for rowid, *values in batch:
            counted += 1
            number = int(rowid) if has_rowid else counted
            if held and number != start + len(held):
                yield from rows(name, held, first=start, columns=columns)
                held = []
            start = start if held else number
            held.append([_cell(value) for value in values])
        yield from rows(name, held, first=start, columns=columns)


def _fetched(found: sqlite3.Cursor) -> Iterator[list[tuple[Any, ...]]]:
    """Rows in batches; those before a damaged page are given before the error is."""
    batch: list[tuple[Any, ...]] = []
    try:
        for row in found:
            batch.append(row)
            if len(batch) >= _ROWS_AT_ONCE:
                yield batch
                batch = []
    except sqlite3.Error:
        yield batch
        raise
    yield batch


def _cell(value: object) -> str:
    if isinstance(value, str):
        return value if len(value) < _SHORT else clip(value)
    if value is None:
        return ""
    if isinstance(value, bytes):
        return clip(decode(value)) if _BLOB_TEXT.match(value) else value[:_HEX_BYTES_MOST].hex()
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    return str(value)


def sql_dump(source: Source) -> Iterator[Piece]:
    """Rows of a dump's statements: INSERT, of several rows too, and COPY."""
    content = _dump_bytes(source)
    columns: dict[str, list[str]] = {}
    at, counts = 0, 0
    statement = re.compile(rb"(?=INSERT\s|REPLACE\s|COPY\s|CREATE\s+TABLE\s)", re.IGNORECASE)
    while found := statement.search(content, at):
        start = found.start()
        if created := _CREATE.match(content, start):
            columns[_table_name(created[1])] = _columns_made(content, created.end())
            at = created.end()
        elif (inserted := _INSERT.match(content, start)) is not None:
            name = _table_name(inserted[1])
            named = _names(inserted[2]) if inserted[2] else columns.get(name)
            place = [inserted.end()]
            for piece in placed_rows(name, _tuples(content, place), columns=named):
                counts += 1
                yield piece
            at = max(place[0], inserted.end())
        elif copied := _COPY.match(content, start):
            name = _table_name(copied[1])
            named = _names(copied[2]) if copied[2] else columns.get(name)
            end = content.find(b"\n\\.", copied.end() - 1)
            end = len(content) if end < 0 else end
            for piece in placed_rows(name, _copied(content, copied.end(), end), columns=named):
                counts += 1
                yield piece
            at = end
        else:
            at = start + 4
    if not counts:
        text = newlines(decode(content))
        yield from passages("text", Shape.TEXT, text)


def _dump_bytes(source: Source) -> bytes:
    content = source.whole()
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        source.note("it is written in UTF-16; places count bytes of the same text in UTF-8")
        return decode(content).encode()
    return content


def _tuples(content: bytes, place: list[int]) -> Iterator[tuple[str, list[str]]]:
    while found := _TUPLE.match(content, place[0]):
        place[0] = found.end()
        start = found.start(1) - 1
        yield f"bytes {start}-{found.end(1) + 1}", _parsed(str(found[1], *UTF_8))
        if found[2] != b",":
            return


def _parsed(inner: str) -> list[str]:
    if "\\" not in inner and '"' not in inner and not _CALL.search(inner):
        found_all = _PLAIN_VALUE.findall(inner)
        return [
            quoted.replace("''", "'") or ("" if bare.strip().upper() == "NULL" else bare.strip())
            for quoted, bare in found_all
        ]
    cells = []
    at = 0
    while at < len(inner):
        found = _VALUE.match(inner, at)
        if found is None or found.end() == at:
            break
        at = found.end()
        quoted, double, bare = found.groups()
        if quoted is not None:
            cells.append(_unescaped(quoted))
        elif double is not None:
            cells.append(_unescaped(double))
        else:
            bare = bare.strip()
            cells.append("" if bare.upper() == "NULL" else bare)
    return cells


def _unescaped(text: str) -> str:
    if "\\" in text:
        text = re.sub(r"\\(.)", lambda one: _ESCAPES.get(one[1], one[1]), text, flags=re.DOTALL)
    return text.replace("''", "'") if "''" in text else text


def _copied(content: bytes, start: int, end: int) -> Iterator[tuple[str, list[str]]]:
    while start < end:
        stop = content.find(b"\n", start, end)
        stop = end if stop < 0 else stop
        line = str(content[start:stop], *UTF_8).rstrip("\r")
        cells = line.split("\t")
        if "\\" in line:
            cells = ["" if one == "\\N" else _unescaped(one) for one in cells]
        yield f"bytes {start}-{stop}", cells
        start = stop + 1


def _table_name(raw: bytes) -> str:
    last = re.findall(_NAME, decode(raw))[-1]
    return str(last).strip('`"[]')


def _names(raw: bytes) -> list[str]:
    return [one.strip().strip('`"[]') for one in decode(raw).strip("()").split(",")]


def _columns_made(content: bytes, start: int) -> list[str]:
    depth, at, begin = 1, start, start
    names = []
    end = min(len(content), start + 100_000)
    while at < end and depth:
        sign = content[at : at + 1]
        depth += (sign == b"(") - (sign == b")")
        if (sign == b"," and depth == 1) or not depth:
            found = _COLUMN.match(content[begin:at] + b" ")
            name = decode(found[1]).strip('`"[]') if found else ""
            if name and name.lower() not in _NOT_COLUMNS:
                names.append(name)
            begin = at + 1
        at += 1
    return names


def access(source: Source) -> Iterator[Piece]:
    """Rows of an Access database, by table. Raises: CannotRead."""
    try:
        from access_parser import AccessParser  # noqa: PLC0415 # slow, and not installed everywhere
    except ImportError:
        raise CannotRead("Access needs the extra 'access', which is not installed") from None

    parser = AccessParser(str(source.file))
    for name in parser.catalog:
        if name.startswith(("MSys", "f_")):
            continue
        try:
            table = parser.parse_table(name)
        except Exception as error:  # noqa: BLE001 # the library raises whatever it meets
            source.note(f"a table could not be read ({type(error).__name__})")
            continue
        columns = [str(one) for one in table]
        cells = [list(map(_cell, row)) for row in zip(*table.values(), strict=False)]
        yield from rows(str(name), cells, columns=columns)
