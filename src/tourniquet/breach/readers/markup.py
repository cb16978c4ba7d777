"""HTML and XML: tables as rows, the rest as text, or as values with the names around them.

Invariants:
- No entity is resolved and nothing is fetched.
- Damaged markup is read as far as it goes.
"""

from __future__ import annotations

import codecs
import html as entities
import re
from collections.abc import Iterator

from lxml import etree
from selectolax.lexbor import LexborHTMLParser

from tourniquet.breach.pieces import Piece, Shape
from tourniquet.breach.readers.decoding import codec_of
from tourniquet.breach.readers.source import CannotRead, Source, passages, placed_rows

_TABLE = re.compile(rb"<table\b.*?(?:</table\s*>|\Z)", re.IGNORECASE | re.DOTALL)
_ROW = re.compile(rb"<tr\b[^>]*>((?:[^<]+|<(?!/?tr\b|/table\b))*)", re.IGNORECASE)
_CELL = re.compile(r"<t[dh]\b[^>]*>((?:[^<]+|<(?!/?t[dhr]\b))*)", re.IGNORECASE)
_TAG = re.compile(r"<[^>]*>")
_BREAK = re.compile(r"<(?:br|/p|/div|/li)\b[^>]*>", re.IGNORECASE)
_CHARSET = re.compile(rb"charset\s*=\s*[\"']?([\w-]+)", re.IGNORECASE)
_BLANKS = re.compile(r"[ \t\r\f\v\u00a0]+")
_ROWS_LEAST, _COLUMNS_LEAST = 2, 2
_BLOCKS = (
    "p,div,br,li,tr,h1,h2,h3,h4,h5,h6,table,section,article,header,footer,dt,dd,pre,blockquote"
)
_DEPTH_MOST = 200
_NUL = "\x00"


def html(source: Source) -> Iterator[Piece]:
    """A page: its tables by the bytes of each row, and all else as text."""
    content = source.whole()
    codec = _codec(content)
    rest = [content]
    at = count = 0
    for found in _TABLE.finditer(content):
        if b"<table" in found[0][6:].lower() or b"colspan" in found[0].lower():
            continue  # a layout: read as text
        placed = list(_table_rows(found[0], found.start(), codec))
        if len(placed) < _ROWS_LEAST or max(len(row) for _, row in placed) < _COLUMNS_LEAST:
            continue
        count += 1
        yield from placed_rows(f"table {count}", placed)
        rest[-1:] = [content[at : found.start()], b"\n", content[found.end() :]]
        at = found.end()
    text = html_text(str(b"".join(rest), *codec))
    if text.strip():
        yield from passages("text", Shape.MARKUP, text)


def _charset(content: bytes) -> str:
    found = _CHARSET.search(content[:4_096])
    return found[1].decode("ascii") if found else ""


def _codec(content: bytes) -> tuple[str, str]:
    charset = _charset(content)
    if charset.lower() not in {"", "utf-8", "utf8", "unicode", "utf-16", "utf-16le"}:
        try:
            return codecs.lookup(charset).name, "replace"
        except LookupError:
            pass
    return codec_of(content)


def _table_rows(
    table: bytes, start: int, codec: tuple[str, str]
) -> Iterator[tuple[str, list[str]]]:
    for row in _ROW.finditer(table):
        cells = [bare(one[1]) for one in _CELL.finditer(str(row[1], *codec))]
        if cells:
            yield f"bytes {start + row.start()}-{start + row.end()}", cells


def bare(markup: str) -> str:
    """The text of a bit of markup."""
    if "<" not in markup and "&" not in markup:
        return _BLANKS.sub(" ", markup).strip()
    text = entities.unescape(_TAG.sub("", _BREAK.sub("\n", markup)))
    return _BLANKS.sub(" ", text).strip()


def html_text(markup: str) -> str:
    """The text of a page, a line for each block; forms' values and comments are part of it."""
    tree = LexborHTMLParser(markup.replace(_NUL, ""))
    extra = [
        value
        for node in tree.css("input,textarea,option[selected]")
        if (value := (node.attributes.get("value") or ""))
    ]
    for node in tree.css("script,style"):
        node.decompose()
    for node in tree.css(_BLOCKS):
        node.insert_after("\n")
    for node in tree.css("td,th"):
        node.insert_after("\t")
    root = tree.root
    text = root.text(deep=True, separator="") if root is not None else ""
    lines = [_BLANKS.sub(" ", line).strip(" ") for line in text.split("\n")]
    return re.sub(r"\n{3,}", "\n\n", "\n".join([*lines, *extra])).strip("\n")


def xml(source: Source) -> Iterator[Piece]:
    """Values with the names of what is around them, one to a line."""
    lines: list[str] = []
    characters = number = 0
    try:
        for line in _values(source):
            lines.append(line)
            characters += len(line)
            if characters > 200_000:
                yield from passages("text", Shape.MARKUP, "\n".join(lines), first_line=number + 1)
                number += len(lines)
                lines, characters = [], 0
    except etree.XMLSyntaxError:
        source.note("its markup is damaged or cut short")
    if lines:
        yield from passages("text", Shape.MARKUP, "\n".join(lines), first_line=number + 1)
    elif not number:
        raise CannotRead("no values were found in its markup")


def _values(source: Source) -> Iterator[str]:
    path: list[str] = []
    names: dict[object, str] = {}
    parsing = etree.iterparse(
        str(source.file), events=("start", "end", "comment"), recover=True, huge_tree=True,
        resolve_entities=False, no_network=True, load_dtd=False,
    )  # fmt: skip
    for event, element in parsing:
        if event == "end":
            if (text := element.text) and (text := " ".join(text.split())):
                yield f"{'.'.join(path[-3:])}: {text}"
            if path:
                path.pop()
            if (tail := element.tail) and (tail := " ".join(tail.split())):
                yield f"{'.'.join(path[-3:])}: {tail}"
            element.clear(keep_tail=False)
            before, around = element.getprevious(), element.getparent()
            if before is not None and around is not None:
                around.remove(before)
        elif event == "start":
            if len(path) >= _DEPTH_MOST:
                raise CannotRead(f"elements lie in it deeper than the limit of {_DEPTH_MOST}")
            name = names.get(element.tag) or names.setdefault(element.tag, local_name(element))
            path.append(name)
            if element.attrib:
                yield from _attributes(element, ".".join(path[-3:]))
        elif text := " ".join((element.text or "").split()):
            yield f"comment: {text}"


def _attributes(element: etree._Element, around: str) -> Iterator[str]:
    for key, value in element.attrib.items():
        if value.strip():
            yield f"{around}@{str(key).rsplit('}', 1)[-1]}: {value.strip()}"


def local_name(element: etree._Element) -> str:
    """An element's name without its namespace; comments and instructions have none."""
    tag = element.tag
    return tag.rsplit("}", 1)[-1] if isinstance(tag, str) else ""
