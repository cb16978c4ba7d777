"""First family: workbooks: hidden sheets, several tables on one, titles, merged cells.

Invariants:
- A fragment's place is its sheet and its row as the spreadsheet numbers them.
- Birth dates and numbers are cells of their own type where a spreadsheet would make them so.
"""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from xml.sax.saxutils import escape

from openpyxl import Workbook
from openpyxl.worksheet.worksheet import Worksheet

from tourniquet.exercise.theft.columns import Column, headers
from tourniquet.exercise.theft.content import Content, Draft, Where, steady_office, zipped
from tourniquet.exercise.theft.desk import Desk, Maker
from tourniquet.exercise.theft.first.tables import BILLING, CONTACTS, LIMS, OUTSTANDING
from tourniquet.exercise.theft.institutions import Institution

_FIRST_PARTS = ("[Content_Types].xml", "_rels/.rels", "xl/workbook.xml", "xl/sharedStrings.xml")


_INLINE = re.compile(rb'(<c [^>]*?)t="inlineStr"><is>(<t[^>]*>.*?</t>)</is></c>', re.DOTALL)
_STRINGS_TYPE = (
    b'<Override PartName="/xl/sharedStrings.xml" ContentType="application/'
    b'vnd.openxmlformats-officedocument.spreadsheetml.sharedStrings+xml"/>'
)
_STRINGS_RELATION = (
    b'<Relationship Id="rIdTexts" Target="sharedStrings.xml" Type="http://schemas.'
    b'openxmlformats.org/officeDocument/2006/relationships/sharedStrings"/>'
)
_XML_2003 = (
    '<?xml version="1.0"?>\n<?mso-application progid="Excel.Sheet"?>\n'
    '<Workbook xmlns="urn:schemas-microsoft-com:office:spreadsheet" '
    'xmlns:ss="urn:schemas-microsoft-com:office:spreadsheet">\n'
    '<Worksheet ss:Name="Report"><Table>\n'
)


def _typed(column: Column, text: str, draft: Draft) -> object:
    """The cell's value as a spreadsheet stores it."""
    if not text:
        return None
    if column.key == "birth":
        day = draft.subject.birth_date if draft.subject else None
        slipped = any(one.kind == "birth_date" and one.distortions for one in draft.written)
        if day and day.year > 1900 and column.form in ("dmy", "mon") and not slipped:
            return datetime(day.year, day.month, day.day)  # noqa: DTZ001 # a cell has no zone
    if column.key == "nhs" and column.form == "" and text.isdigit():
        return int(text)
    return text


def _put_table(
    desk: Desk,
    sheet: Worksheet,
    columns: Sequence[Column],
    *,
    top: int,
    left: int,
    rows: int,
    trust: Institution,
    controller: str,
) -> list[Draft]:
    """A table with its header at a place of a sheet."""
    drafts = []
    for place, text in enumerate(headers(columns)):
        sheet.cell(top, left + place, text)
    for number in range(rows):
        row = desk.filled(columns, desk.deal.case(trust=trust), controller=controller)
        at = top + 1 + number
        for place, (column, text) in enumerate(zip(columns, row.cells, strict=True)):
            value = _typed(column, text, row.draft)
            if value is None:
                continue
            cell = sheet.cell(at, left + place)
            cell.value = value
            if column.key == "birth" and column.form == "mon":
                cell.number_format = "dd-mmm-yyyy"
            elif column.key == "birth":
                cell.number_format = "dd/mm/yyyy"
        drafts.append(replace(row.draft, where=Where(sheet=sheet.title, row=at)))
    return drafts


def saved(book: Workbook, *, shared: bool = True) -> bytes:
    """The workbook's bytes with fixed times; texts apart, as Excel keeps them, or in the cells."""
    out = io.BytesIO()
    book.save(out)
    data = out.getvalue()
    return steady_office(_with_shared_strings(data) if shared else data, first=_FIRST_PARTS)


def _with_shared_strings(data: bytes) -> bytes:
    """The same workbook with its texts in a part of their own."""
    with zipfile.ZipFile(io.BytesIO(data)) as file:
        parts = {info.filename: file.read(info) for info in file.infolist()}
    places: dict[bytes, int] = {}

    def moved(cell: re.Match[bytes]) -> bytes:
        number = places.setdefault(cell.group(2), len(places))
        return b'%st="s"><v>%d</v></c>' % (cell.group(1), number)

    for name, text in parts.items():
        if name.startswith("xl/worksheets/"):
            parts[name] = _INLINE.sub(moved, text)
    items = b"".join(b"<si>%s</si>" % text for text in places)
    parts[_FIRST_PARTS[-1]] = (
        b'<?xml version="1.0" encoding="UTF-8"?><sst xmlns='
        b'"http://schemas.openxmlformats.org/spreadsheetml/2006/main">%s</sst>' % items
    )
    for name, end, more in (
        ("[Content_Types].xml", b"</Types>", _STRINGS_TYPE),
        ("xl/_rels/workbook.xml.rels", b"</Relationships>", _STRINGS_RELATION),
    ):
        parts[name] = parts[name].replace(end, more + end)
    return zipped(list(parts.items()))


def _book() -> tuple[Workbook, Worksheet]:
    book = Workbook()
    sheet = book.worksheets[0]
    return book, sheet


def workbook(desk: Desk) -> Content:
    """Three sheets with tables that begin at once."""
    trust = desk.trust()
    folder, controller = desk.hinted(trust)
    book, sheet = _book()
    drafts: list[Draft] = []
    for number, (title, columns) in enumerate(
        (("Requests", LIMS), ("Recall", CONTACTS), ("Charges", BILLING))
    ):
        page = sheet if number == 0 else book.create_sheet()
        page.title = title
        drafts += _put_table(
            desk, page, columns, top=1, left=1, rows=max(3, desk.rows // 3), trust=trust,
            controller=controller,
        )  # fmt: skip
    name = f"activity {desk.chance.number(2019, 2024)}.xlsx"
    return Content(name, saved(book), tuple(drafts), (), folder)


def hidden_sheet(desk: Desk) -> Content:
    """A harmless sheet in front, the list on hidden ones."""
    trust = desk.trust()
    folder, controller = desk.hinted(trust)
    book, sheet = _book()
    sheet.title = "Summary"
    for row in (("Month", "Requests", "Within 24 h"), ("April", 4120, 0.97), ("May", 3988, 0.96)):
        sheet.append(row)
    drafts: list[Draft] = []
    for title, state, columns in (("raw", "hidden", LIMS), ("x", "veryHidden", OUTSTANDING)):
        page = book.create_sheet(title)
        page.sheet_state = state
        drafts += _put_table(
            desk, page, columns, top=1, left=1, rows=max(3, desk.rows // 2), trust=trust,
            controller=controller,
        )  # fmt: skip
    return Content(
        "turnaround dashboard.xlsx", saved(book, shared=False), tuple(drafts), (), folder
    )


def crowded_sheet(desk: Desk) -> Content:
    """Title rows, merged cells, a header in mid-sheet, several tables below each other."""
    trust = desk.trust()
    folder, controller = desk.hinted(trust)
    book, sheet = _book()
    sheet.title = "Sheet1"
    sheet["B2"] = "Incident review: results phoned late"
    sheet.merge_cells("B2:H2")
    sheet["B3"] = "Draft, not for circulation"
    drafts: list[Draft] = []
    top, rows = 6, max(2, desk.rows // 6)
    for columns in (LIMS, OUTSTANDING, CONTACTS):
        drafts += _put_table(
            desk, sheet, columns, top=top, left=2, rows=rows, trust=trust, controller=controller
        )
        top += rows + 4
        sheet.cell(top - 2, 2, "continued below / see also ward list")
    return Content("late results review.xlsx", saved(book), tuple(drafts), (), folder)


def plain_rows(
    desk: Desk, columns: Sequence[Column], sheet: str
) -> tuple[list[tuple[str, ...]], list[Draft], str]:
    """Rows with their header, drafts with sheet and row, and the folder."""
    trust = desk.trust()
    folder, controller = desk.hinted(trust)
    rows, drafts = [headers(columns)], []
    for number in range(desk.rows):
        row = desk.filled(columns, desk.deal.case(trust=trust), controller=controller)
        rows.append(row.cells)
        drafts.append(replace(row.draft, where=Where(sheet=sheet, row=number + 2)))
    return rows, drafts, folder


def spreadsheet_xml(desk: Desk) -> Content:
    """Excel 2003 XML, as an old report server writes it."""
    rows, drafts, folder = plain_rows(desk, BILLING, "Report")
    out = [_XML_2003]
    for row in rows:
        cells = "".join(
            f'<Cell><Data ss:Type="String">{escape(text)}</Data></Cell>' for text in row
        )
        out.append(f"<Row>{cells}</Row>\n")
    out.append("</Table></Worksheet></Workbook>\n")
    return Content("client_report.xls", "".join(out).encode(), tuple(drafts), (), folder)


def open_document(desk: Desk) -> Content:
    """An OpenDocument spreadsheet."""
    rows, drafts, folder = plain_rows(desk, CONTACTS, "Feuille1")
    body = "".join(
        "<table:table-row>"
        + "".join(
            '<table:table-cell office:value-type="string">'
            f"<text:p>{escape(text)}</text:p></table:table-cell>"
            for text in row
        )
        + "</table:table-row>"
        for row in rows
    )
    names = "urn:oasis:names:tc:opendocument:xmlns:"
    content = (
        '<?xml version="1.0" encoding="UTF-8"?><office:document-content '
        f'xmlns:office="{names}office:1.0" xmlns:table="{names}table:1.0" '
        f'xmlns:text="{names}text:1.0" office:version="1.2"><office:body><office:spreadsheet>'
        f'<table:table table:name="Feuille1">{body}</table:table>'
        "</office:spreadsheet></office:body></office:document-content>"
    )
    kind = "application/vnd.oasis.opendocument.spreadsheet"
    manifest = (
        '<?xml version="1.0" encoding="UTF-8"?><manifest:manifest '
        f'xmlns:manifest="{names}manifest:1.0"><manifest:file-entry manifest:full-path="/" '
        f'manifest:media-type="{kind}"/><manifest:file-entry manifest:full-path="content.xml" '
        'manifest:media-type="text/xml"/></manifest:manifest>'
    )
    data = zipped(
        (
            ("mimetype", kind.encode()),
            ("content.xml", content.encode()),
            ("META-INF/manifest.xml", manifest.encode()),
        )
    )
    return Content("volunteers and drivers.ods", data, tuple(drafts), (), folder)


SHAPES: dict[str, Maker] = {
    "xlsx": workbook,
    "xlsx-hidden": hidden_sheet,
    "xlsx-crowded": crowded_sheet,
    "xls-2003-xml": spreadsheet_xml,
    "ods": open_document,
}
