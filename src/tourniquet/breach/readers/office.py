"""Letters and slides: docx, pptx, odt, odp, epub by their XML, RTF by its words.

Lines are paragraphs, counted in the whole document; a page ends where a break was put or where
the program that saved it last ended one. A table of three columns and more is rows, or text.

Invariants:
- Heads and feet, notes, comments, text boxes and what was deleted with its change kept are told.
- A file that is cut short is read from the parts that can be salvaged.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from lxml import etree
from striprtf.striprtf import rtf_to_text

from tourniquet.breach.pieces import Piece, Shape
from tourniquet.breach.readers.markup import html_text, local_name
from tourniquet.breach.readers.parts import Parts
from tourniquet.breach.readers.source import CannotRead, Source, passages, rows

_COLUMNS_LEAST, _ROWS_LEAST = 3, 2
_CELL_CHARACTERS_MEAN_MOST = 60
_RTF_BYTES_MOST = 64 * 1024 * 1024
_DEPTH_MOST = 200
_WORD_PARTS = (
    (r"word/(?:header|footer)\d*\.xml", "heads and feet"),
    (r"word/(?:footnotes|endnotes)\.xml", "notes"),
    (r"word/comments\w*\.xml", "comments"),
    (r"word/(?:glossary/document|diagrams/data\d+|charts/chart\d+)\.xml", "beside the text"),
)


@dataclass
class _Writing:
    """Text on its way: lines of the page at hand, pages that are done, tables."""

    pages: list[tuple[int, list[str]]] = field(default_factory=lambda: [(1, [])])
    tables: list[list[list[str]]] = field(default_factory=list)
    lines: int = 0

    def add(self, text: str) -> None:
        for part in text.split("\n"):
            self.pages[-1][1].append(part)
            self.lines += 1

    def turn(self) -> None:
        if any(line.strip() for line in self.pages[-1][1]):
            self.pages.append((self.lines + 1, []))


def docx(source: Source) -> Iterator[Piece]:
    """A Word document. Raises: CannotRead."""
    parts = Parts(source)
    writing = _Writing()
    bodies = parts.matching(r"word/document\d*\.xml")
    for name in bodies:
        root = parts.tree(name)
        if root is not None:
            _word_blocks(root, writing, 0)
    yield from _given(writing)
    for pattern, place in _WORD_PARTS:
        beside = _Writing()
        for name in parts.matching(pattern):
            root = parts.tree(name)
            if root is not None:
                _word_blocks(root, beside, 0)
        text = "\n".join(line for _, lines in beside.pages for line in lines if line.strip())
        if text:
            yield from passages(place, Shape.TEXT, text)
        for number, table in enumerate(beside.tables, 1):
            yield from rows(f"{place} table {number}", table)
    if parts.is_cut:
        source.note("it is cut short or damaged; what could be salvaged was read")
    yield from parts.members()


def _given(writing: _Writing, shape: Shape = Shape.PAGE) -> Iterator[Piece]:
    for number, (first_line, lines) in enumerate(writing.pages, 1):
        text = "\n".join(lines)
        if text.strip():
            yield from passages(f"page {number}", shape, text, first_line=first_line)
    for number, table in enumerate(writing.tables, 1):
        yield from rows(f"table {number}", table)


def _word_blocks(element: etree._Element, writing: _Writing, depth: int) -> None:
    if depth > _DEPTH_MOST:
        return
    for one in element:
        name = local_name(one)
        if name == "p":
            _word_paragraph(one, writing, depth)
        elif name == "tbl":
            _word_table(one, writing, depth)
        elif name and name != "Fallback":
            _word_blocks(one, writing, depth + 1)


def _word_paragraph(paragraph: etree._Element, writing: _Writing, depth: int) -> None:
    texts: list[str] = []
    boxes: list[etree._Element] = []
    for one in _runs(paragraph, boxes):
        name = local_name(one)
        if name in {"t", "delText", "instrText"}:
            texts.append((one.text or "") if name != "instrText" else "")
        elif name == "tab":
            texts.append("\t")
        elif name == "lastRenderedPageBreak" or (name == "br" and _is_page(one)):
            texts.append("\x0c")
        elif name in {"br", "cr"}:
            texts.append("\n")
        elif name in {"noBreakHyphen", "softHyphen"}:
            texts.append("-" if name == "noBreakHyphen" else "")
    for number, part in enumerate("".join(texts).split("\x0c")):
        if number:
            writing.turn()
        if number == 0 or part:
            writing.add(part)
    for box in boxes:
        _word_blocks(box, writing, depth + 1)


def _runs(paragraph: etree._Element, boxes: list[etree._Element]) -> Iterator[etree._Element]:
    """Everything in a paragraph in order, but for text boxes, which are put aside."""
    waiting = list(reversed(paragraph))
    while waiting:
        one = waiting.pop()
        name = local_name(one)
        if name in {"txbxContent", "txbx"}:
            boxes.append(one)
        elif name and name != "Fallback":
            yield one
            waiting.extend(reversed(one))


def _is_page(one: etree._Element) -> bool:
    return any(str(key).endswith("}type") and value == "page" for key, value in one.attrib.items())


def _word_table(table: etree._Element, writing: _Writing, depth: int) -> None:
    cells: list[list[str]] = []
    for row in table.iterchildren("{*}tr", "{*}sdt"):
        line = []
        for one in row.iter("{*}tc"):
            if one.getparent() is not row and local_name(one.getparent()) not in {
                "sdtContent"
            }:  # of a table within
                continue
            inner = _Writing()
            _word_blocks(one, inner, depth + 1)
            writing.tables += inner.tables
            line.append("\n".join(text for _, part in inner.pages for text in part).strip())
        cells.append(line)
    _keep_table(cells, writing)


def _keep_table(cells: list[list[str]], writing: _Writing) -> None:
    """As rows where it is one of many columns and short cells, else as text."""
    filled = [len(one) for row in cells for one in row if one]
    if not filled:
        return
    is_table = len(cells) >= _ROWS_LEAST and max(map(len, cells)) >= _COLUMNS_LEAST
    if is_table and sum(filled) / len(filled) <= _CELL_CHARACTERS_MEAN_MOST:
        writing.tables.append(cells)
        return
    for row in cells:
        writing.add("\t".join(one.replace("\n", " ") if len(row) > 1 else one for one in row))


def pptx(source: Source) -> Iterator[Piece]:
    """Slides with their notes and comments. Raises: CannotRead."""
    parts = Parts(source)
    for pattern, word in (
        (r"ppt/slides/slide\d+\.xml", "page"),
        (r"ppt/notesSlides/notesSlide\d+\.xml", "notes"),
        (r"ppt/comments/.*\.xml", "comments"),
        (r"ppt/(?:diagrams/data|charts/chart)\d+\.xml", "drawing"),
        (r"ppt/slide(?:Masters|Layouts)/slide\w+\d+\.xml", "layout"),
    ):
        for number, name in enumerate(parts.matching(pattern), 1):
            root = parts.tree(name)
            if root is None:
                continue
            text = "\n".join(_drawing_lines(root))
            if text.strip():
                yield from passages(f"{word} {number}", Shape.PAGE, text)
    if parts.is_cut:
        source.note("it is cut short or damaged; what could be salvaged was read")
    yield from parts.members()


def _drawing_lines(root: etree._Element) -> Iterator[str]:
    for row in root.iter("{*}p", "{*}text"):
        if local_name(row) == "text":
            yield row.text or ""
            continue
        parts = [
            "\n" if local_name(one) == "br" else one.text or "" for one in row.iter("{*}t", "{*}br")
        ]
        if parts:
            yield "".join(parts)


def open_document(source: Source) -> Iterator[Piece]:
    """An OpenDocument text or presentation. Raises: CannotRead."""
    parts = Parts(source)
    for name, place in (("content.xml", ""), ("styles.xml", "heads and feet")):
        root = parts.tree(name)
        if root is None:
            continue
        writing = _Writing()
        _odf_blocks(root, writing, 0)
        if not place:
            yield from _given(writing)
            continue
        text = "\n".join(line for _, lines in writing.pages for line in lines if line.strip())
        if text:
            yield from passages(place, Shape.TEXT, text)
    if parts.is_cut:
        source.note("it is cut short or damaged; what could be salvaged was read")
    yield from parts.members()


def _odf_blocks(element: etree._Element, writing: _Writing, depth: int) -> None:
    if depth > _DEPTH_MOST:
        return
    for one in element:
        name = local_name(one)
        if name in {"p", "h"}:
            writing.add(_odf_text(one))
            for frame in one.iter("{*}text-box", "{*}annotation"):
                _odf_blocks(frame, writing, depth + 1)
        elif name == "table":
            _odf_table(one, writing)
        elif name == "page":
            writing.turn()
            _odf_blocks(one, writing, depth + 1)
        elif name:
            _odf_blocks(one, writing, depth + 1)


def _odf_text(paragraph: etree._Element) -> str:
    texts = [paragraph.text or ""]
    waiting = list(reversed(paragraph))
    tails: list[etree._Element] = []
    for one in waiting[::-1]:
        name = local_name(one)
        if name == "tab":
            texts.append("\t")
        elif name == "line-break":
            texts.append("\n")
        elif name == "s":
            count = next((str(v) for k, v in one.attrib.items() if str(k).endswith("}c")), "1")
            texts.append(" " * min(int(count) if count.isdigit() else 1, 1_000))
        elif name not in {"frame", "annotation", "", "text-box", "custom-shape"}:
            texts.append(_odf_text(one))
        texts.append(one.tail or "")
        tails.append(one)
    return "".join(texts)


def _odf_table(table: etree._Element, writing: _Writing) -> None:
    cells = []
    for row in table.iter("{*}table-row"):
        line = []
        for one in row.iterchildren("{*}table-cell"):
            inner = _Writing()
            _odf_blocks(one, inner, 0)
            line.append("\n".join(text for _, part in inner.pages for text in part).strip())
        cells.append(line)
    _keep_table(cells, writing)


def epub(source: Source) -> Iterator[Piece]:
    """Chapters of a book. Raises: CannotRead."""
    parts = Parts(source)
    for number, name in enumerate(parts.matching(r".*\.x?html?"), 1):
        text = html_text(parts.text(name))
        if text.strip():
            yield from passages(f"page {number}", Shape.PAGE, text)


def rtf(source: Source) -> Iterator[Piece]:
    """Rich text. Raises: CannotRead."""
    if source.size > _RTF_BYTES_MOST:
        raise CannotRead(f"it is larger than the limit of {_RTF_BYTES_MOST:,} bytes for its type")
    content = source.whole().decode("latin-1")
    text = plain_rtf(content)
    for number, page in enumerate(text.split("\x0c"), 1):
        if page.strip():
            yield from passages(f"page {number}", Shape.PAGE, page.replace("|\n", "\n"))


def plain_rtf(content: str) -> str:
    """The text of rich text, its bytes as Latin-1."""
    text = rtf_to_text(content, errors="replace")  # type: ignore[no-untyped-call] # the library's
    return str(text)
