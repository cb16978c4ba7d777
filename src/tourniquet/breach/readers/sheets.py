"""Workbooks: every sheet by row, the hidden ones too, and what is written beside the cells.

Cells come as a person reads them: dates as ISO 8601, whole numbers without a point.

Invariants:
- Rows keep the numbers that they have in the sheet, and cells their columns, from A on.
- A row that is hidden is told as hidden, and so is every row of a hidden sheet.
"""

from __future__ import annotations

import re
import zipfile
import zlib
from collections.abc import Iterator
from datetime import date, datetime, time
from itertools import chain, groupby

import python_calamine as calamine
from lxml import etree

from tourniquet.breach.canonical import from_serial
from tourniquet.breach.containers import ENCRYPTED_WHY
from tourniquet.breach.pieces import Piece, Shape, State
from tourniquet.breach.readers.markup import local_name
from tourniquet.breach.readers.ole import ole_members
from tourniquet.breach.readers.parts import Parts
from tourniquet.breach.readers.source import CannotRead, Source, clip, passages, rows

_ROWS_EMPTY_MOST = 3  # more than so many end a run of rows
_HIDDEN_ROW = re.compile(rb"<(?:\w+:)?row\b[^>]*\bhidden=\"(?:1|true)\"[^>]*>")
_ROW_NUMBER = re.compile(rb"\br=\"(\d+)\"")
_HEADER = re.compile(rb"<(?:odd|even|first)(?:Header|Footer)>([^<]+)<")
_PAGE_CODES = re.compile(r"&(?:[A-Z]|\d+|\"[^\"]*\"|K[0-9A-F]{6})")
_READ_AT_ONCE = 4 * 1024 * 1024
_OVERLAP_BYTES = 16 * 1024
_DATE_FORMATS = frozenset({*range(14, 23), *range(27, 37), 45, 46, 47, *range(50, 59)})
_DATE_LETTERS = re.compile(r"[dmyhs]", re.IGNORECASE)
_QUOTED = re.compile(r'"[^"]*"|\[[^\]]*\]|\\.')
_SHEETS = r"xl/worksheets/[^/]+\.xml"
_TEXT_PARTS = r"xl/(?:comments|threadedComments/|drawings/|charts/).*\.xml"


def cell(value: object) -> str:
    """A cell as text."""
    if isinstance(value, str):
        return clip(value)
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, float):
        return number(value)
    if isinstance(value, datetime) and value.time() == time():
        return value.date().isoformat()
    if isinstance(value, (date, time)):
        return value.isoformat().replace("T", " ")
    return "" if value is None else str(value)


def number(value: float) -> str:
    """A number without exponent or `.0`."""
    if value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    text = repr(value)
    return format(value, "f") if "e" in text else text


def workbook(source: Source) -> Iterator[Piece]:
    """Sheets of xlsx, xlsb, xls and ods. Raises: CannotRead."""
    try:
        book = calamine.CalamineWorkbook.from_path(str(source.file))
    except calamine.PasswordError:
        raise CannotRead(ENCRYPTED_WHY, state=State.UNREADABLE) from None
    except (calamine.CalamineError, OSError, ValueError) as error:
        raise CannotRead(f"the workbook can't be opened ({type(error).__name__})") from None
    parts = Parts(source) if source.kind in {"xlsx", "xlsb", "ods"} else None
    files = _sheet_files(parts) if parts and source.kind == "xlsx" else {}
    for sheet in book.sheets_metadata:
        is_hidden = sheet.visible != calamine.SheetVisibleEnum.Visible
        heads: list[str] = []
        is_known = parts is not None and sheet.name in files
        hidden = _hidden_rows(parts, files[sheet.name], heads) if parts and is_known else set()
        try:
            opened = book.get_sheet_by_name(sheet.name)
        except (calamine.CalamineError, calamine.WorksheetNotFound, ValueError) as error:
            source.note(f"a sheet could not be read ({type(error).__name__})")
            continue
        yield from _sheet(sheet.name, opened, hidden, is_hidden=is_hidden)
        yield from passages(f"{sheet.name} heads and feet", Shape.TEXT, "\n".join(heads))
    if parts is not None:
        yield from _beside(parts)
        yield from parts.members()
    elif source.kind == "xls":
        yield from ole_members(source)


def _sheet(
    name: str, opened: calamine.CalamineSheet, hidden: set[int], *, is_hidden: bool
) -> Iterator[Piece]:
    lead = [""] * (opened.start[1] if opened.start else 0)
    numbered = (
        (at, lead + [cell(one) for one in row]) for at, row in enumerate(opened.iter_rows(), 1)
    )
    yield from sheet_rows(name, numbered, hidden, is_hidden=is_hidden)


def sheet_rows(
    name: str,
    numbered: Iterator[tuple[int, list[str]]],
    hidden: set[int],
    *,
    is_hidden: bool,
) -> Iterator[Piece]:
    """Rows with their numbers, in runs that are hidden or not and hold no long gaps."""
    run = last = 0

    def key(one: tuple[int, list[str]]) -> tuple[int, bool]:
        nonlocal run, last
        if one[0] != last + 1:
            run += 1
        last = one[0]
        return run, one[0] in hidden

    for (_, is_hidden_row), group in groupby(_without_gaps(numbered), key):
        yield from _run(name, group, is_hidden=is_hidden or is_hidden_row)


def _run(name: str, group: Iterator[tuple[int, list[str]]], *, is_hidden: bool) -> Iterator[Piece]:
    first, first_row = next(group)
    cells = chain([first_row], (row for _, row in group))
    yield from rows(name, cells, first=first, is_hidden=is_hidden)


def _without_gaps(
    numbered: Iterator[tuple[int, list[str]]],
) -> Iterator[tuple[int, list[str]]]:
    """Rows but for those of long empty stretches, and of the end."""
    waiting: list[tuple[int, list[str]]] = []
    for at, row in numbered:
        while row and not row[-1]:
            row.pop()
        if not row:
            if len(waiting) <= _ROWS_EMPTY_MOST:
                waiting.append((at, row))
            continue
        if len(waiting) <= _ROWS_EMPTY_MOST:
            yield from waiting
        waiting = []
        yield at, row


def _sheet_files(parts: Parts) -> dict[str, str]:
    """Which part holds which sheet of an xlsx."""
    book, links = parts.tree("xl/workbook.xml"), parts.tree("xl/_rels/workbook.xml.rels")
    if book is None:
        return {}
    if links is None:  # lost: sheets are in order as a rule
        names = (str(one.get("name", "")) for one in book.iter("{*}sheet"))
        return dict(zip(names, parts.matching(_SHEETS), strict=False))
    targets = {str(one.get("Id")): str(one.get("Target", "")) for one in links}
    found = {}
    for one in book.iter("{*}sheet"):
        target = next((targets.get(str(v), "") for k, v in one.attrib.items()
                       if str(k).endswith("}id")), "")  # fmt: skip
        target = target.lstrip("/") if target.startswith("/") else f"xl/{target}"
        found[str(one.get("name", ""))] = target
    return found


def _hidden_rows(parts: Parts, name: str, heads: list[str]) -> set[int]:
    """Numbers of hidden rows; heads and feet of the pages are added to `heads`."""
    hidden: set[int] = set()
    kept = b""
    try:
        with parts.open(name) as opened:
            while block := opened.read(_READ_AT_ONCE):
                content = kept + block
                if b"hidden=" in content:
                    for found in _HIDDEN_ROW.finditer(content):
                        if at := _ROW_NUMBER.search(found[0]):
                            hidden.add(int(at[1]))
                kept = content[-_OVERLAP_BYTES:]
    except (CannotRead, OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error):
        return hidden
    for one in _HEADER.findall(kept):
        text = _PAGE_CODES.sub(" ", one.decode("utf-8", "replace").replace("&amp;", "&")).strip()
        if text:
            heads.append(text)
    return hidden


def _beside(parts: Parts) -> Iterator[Piece]:
    """Comments, text boxes, titles of charts."""
    for name in parts.matching(_TEXT_PARTS):
        root = parts.tree(name)
        if root is None:
            continue
        texts = []
        for block in root.iter("{*}p", "{*}comment", "{*}text", "{*}threadedComment", "{*}pt"):
            own = [one.text or "" for one in block.iter("{*}t", "{*}v") if _nearest(one, block)]
            if text := "".join(own).strip():
                texts.append(text)
        if texts:
            place = name.removeprefix("xl/").removesuffix(".xml")
            yield from passages(place, Shape.TEXT, "\n".join(dict.fromkeys(texts)))


def _nearest(one: etree._Element, block: etree._Element) -> bool:
    """Whether a text belongs to this block and to none within it."""
    around = one.getparent()
    while around is not None and around is not block:
        if local_name(around) in {"p", "comment", "text", "threadedComment", "pt"}:
            return False
        around = around.getparent()
    return True


def xlsx_parts(source: Source) -> Iterator[Piece]:
    """Sheets by their XML, sparse ones and salvaged ones too; the second reader of xlsx."""
    parts = Parts(source)
    strings = _shared_strings(parts)
    days = _day_styles(parts)
    by_file = {file: name for name, file in _sheet_files(parts).items()}
    files = parts.matching(_SHEETS)
    for file in files:
        name = by_file.get(file, "" if len(files) == 1 else file.rsplit("/", 1)[-1][:-4])
        try:
            yield from sheet_rows(name, _xml_rows(parts, file, strings, days), set(),
                                  is_hidden=False)  # fmt: skip
        except (
            etree.XMLSyntaxError,
            OSError,
            EOFError,
            ValueError,
            zipfile.BadZipFile,
            zlib.error,
        ):
            source.note("a sheet in it is damaged or cut short")
    if parts.is_cut and not strings:
        source.note("its table of texts is lost: cells that refer to it are empty")
    yield from parts.members()


def _shared_strings(parts: Parts) -> list[str]:
    strings: list[str] = []
    try:
        with parts.open("xl/sharedStrings.xml") as opened:
            for _, one in etree.iterparse(opened, tag="{*}si", recover=True, huge_tree=True,
                                          resolve_entities=False):  # fmt: skip
                strings.append("".join(text.text or "" for text in one.iter("{*}t")))
                one.clear()
    except (CannotRead, etree.XMLSyntaxError, OSError, ValueError, zipfile.BadZipFile, zlib.error):
        pass  # what was read is what there is
    return strings


def _day_styles(parts: Parts) -> set[str]:
    """Numbers of the styles that show a number as a date."""
    root = parts.tree("xl/styles.xml")
    if root is None:
        return set()
    own = {
        int(str(one.get("numFmtId", "0")))
        for one in root.iter("{*}numFmt")
        if _DATE_LETTERS.search(_QUOTED.sub("", str(one.get("formatCode", ""))))
    }
    styles = root.find("{*}cellXfs")
    listed = [] if styles is None else list(styles)
    return {
        str(at)
        for at, one in enumerate(listed)
        if int(str(one.get("numFmtId", "0"))) in _DATE_FORMATS | own
    }


def _xml_rows(
    parts: Parts, file: str, strings: list[str], days: set[str]
) -> Iterator[tuple[int, list[str]]]:
    last = 0
    with parts.open(file) as opened:
        for _, row in etree.iterparse(opened, tag="{*}row", recover=True, huge_tree=True,
                                      resolve_entities=False):  # fmt: skip
            last = int(str(row.get("r") or last + 1))
            cells: list[str] = []
            for one in row.iter("{*}c"):
                column = _column(str(one.get("r") or ""), len(cells))
                cells += [""] * min(column - len(cells), 16_384)
                cells.append(_xml_cell(one, strings, days))
            yield last, cells
            row.clear()


def _column(reference: str, default: int) -> int:
    number_of = 0
    for sign in reference:
        if not sign.isalpha():
            break
        number_of = number_of * 26 + ord(sign.upper()) - 64
    return max(default, min(number_of, 16_384) - 1) if number_of else default


def _xml_cell(one: etree._Element, strings: list[str], days: set[str]) -> str:
    kind = one.get("t")
    if kind == "inlineStr":
        return clip("".join(text.text or "" for text in one.iter("{*}t")))
    value = one.findtext("{*}v") or ""
    if kind == "s":
        return clip(strings[int(value)]) if value.isdigit() and int(value) < len(strings) else ""
    if kind in {"str", "e", "b"} or not value:
        return clip(value)
    try:
        found = float(value)
    except ValueError:
        return clip(value)
    if str(one.get("s")) in days and found >= 1:
        return from_serial(int(found)) or number(found)
    return number(found)


def xls_xml(source: Source) -> Iterator[Piece]:
    """Sheets of Excel's XML of 2003."""
    name, last = "", 0
    held: list[tuple[int, list[str]]] = []
    parsing = etree.iterparse(str(source.file), events=("start", "end"), recover=True,
                              huge_tree=True, resolve_entities=False, no_network=True)  # fmt: skip
    for event, element in parsing:
        tag = local_name(element)
        if event == "start":
            if tag == "Worksheet":
                name = next((str(v) for k, v in element.attrib.items()
                             if str(k).endswith("Name")), "")  # fmt: skip
                held, last = [], 0
            continue
        if tag == "Row":
            last = _index(element, last + 1)
            held.append((last, _xls_cells(element)))
            element.clear()
        if (tag == "Worksheet" or len(held) >= 5_000) and held:
            yield from sheet_rows(name, iter(held), set(), is_hidden=False)
            held = []
    if held:
        source.note("it is cut short")
        yield from sheet_rows(name, iter(held), set(), is_hidden=False)


def _index(element: etree._Element, default: int) -> int:
    found = next((str(v) for k, v in element.attrib.items() if str(k).endswith("}Index")), "")
    return int(found) if found.isdigit() else default


def _xls_cells(row: etree._Element) -> list[str]:
    cells: list[str] = []
    for one in row:
        if local_name(one) != "Cell":
            continue
        cells += [""] * min(max(0, _index(one, len(cells) + 1) - 1 - len(cells)), 16_384)
        data = next((inner for inner in one if local_name(inner) == "Data"), None)
        text = "" if data is None else "".join(str(part) for part in data.itertext())
        kind = "" if data is None else next(
            (str(v) for k, v in data.attrib.items() if str(k).endswith("Type")), "")  # fmt: skip
        if kind == "DateTime":
            text = text.removesuffix(".000").removesuffix("T00:00:00").replace("T", " ")
        elif kind == "Number":
            text = _as_number(text)
        cells.append(clip(text.strip()))
        notes = [part for part in one if local_name(part) == "Comment"]
        cells[-1] += "".join(
            f" [{' '.join(''.join(map(str, n.itertext())).split())}]" for n in notes
        )
    return cells


def _as_number(text: str) -> str:
    try:
        return number(float(text)) if "e" in text.lower() or text.endswith(".0") else text
    except ValueError:
        return text
