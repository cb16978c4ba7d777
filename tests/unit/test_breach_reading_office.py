"""Workbooks, letters, pages and pictures, as the programs of an office write them."""

from __future__ import annotations

import io
from datetime import date, datetime
from pathlib import Path

import docx
import openpyxl
import pytest
from docx.enum.text import WD_BREAK
from openpyxl.comments import Comment
from PIL import Image, ImageDraw, ImageFont
from reportlab.lib.utils import ImageReader
from reportlab.pdfgen.canvas import Canvas

from tests.support.breach_reading import Given, read, zipped
from tourniquet.breach.limits import Limits
from tourniquet.breach.pieces import Shape, State
from tourniquet.breach.readers.images import tesseract

SEEN = datetime(2024, 5, 1, 10, 30)  # noqa: DTZ001 # a sheet knows no zones


def workbook() -> bytes:
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.title = "Requests"
    sheet.append(["NHS No", "Name", "DoB", "Seen"])
    sheet.append([9990000018, "SMITH", date(1945, 7, 14), SEEN])
    sheet.append(["0999000002", "JÓN", None, 0.5])
    sheet["C20"] = "far below"
    sheet.row_dimensions[3].hidden = True
    sheet["A2"].comment = Comment("rang her daughter", "x")
    sheet.oddHeader.left.text = "Ward 7 list"
    hidden = book.create_sheet("raw")
    hidden.append(["hidden SMITH"])
    hidden.sheet_state = "veryHidden"
    book.create_sheet("empty")
    into = io.BytesIO()
    book.save(into)
    return into.getvalue()


ROWS = {
    "Requests!R1": ["NHS No", "Name", "DoB", "Seen"],
    "Requests!R2": ["9990000018", "SMITH", "1945-07-14", "2024-05-01 10:30:00"],
    "Requests!R3": ["0999000002", "JÓN", "", "0.5"],
    "Requests!R20": ["", "", "far below"],
    "raw!R1": ["hidden SMITH"],
}


def filled(given: Given) -> dict[str, list[str]]:
    return {place: row for place, row in given.cells().items() if any(row)}


def test_workbook(tmp_path: Path) -> None:
    given = read(tmp_path, workbook())
    assert filled(given) == ROWS
    hidden = {one.place(at) for one in given.rows if one.is_hidden for at in range(len(one.rows))}
    assert hidden == {"Requests!R3", "raw!R1"}
    beside = " ".join(given.texts().values())
    assert "rang her daughter" in beside
    assert "Ward 7 list" in beside


def test_workbook_by_its_second_reader(tmp_path: Path) -> None:
    second = filled(read(tmp_path, workbook(), attempt=1))
    assert second.pop("Requests!R2")[:3] == ROWS["Requests!R2"][:3]
    assert second == {place: row for place, row in ROWS.items() if place != "Requests!R2"}


def test_workbook_that_is_cut(tmp_path: Path) -> None:
    content = workbook()
    cut = content[: content.rindex(b"PK\x01\x02", 0, content.rindex(b"xl/workbook.xml"))]
    cut = cut[: cut.rindex(b"PK\x03\x04") + 20]
    assert read(tmp_path, cut).ended.why
    given = read(tmp_path, cut, attempt=1)
    assert ["9990000018", "SMITH"] in [row[:2] for row in given.cells().values()]
    assert "cut short" in given.ended.why


XLS_XML = """<?xml version="1.0"?><?mso-application progid="Excel.Sheet"?>
<Workbook xmlns="urn:schemas-microsoft-com:office:spreadsheet"
 xmlns:ss="urn:schemas-microsoft-com:office:spreadsheet"><Worksheet ss:Name="Report"><Table>
<Row><Cell><Data ss:Type="String">Name</Data></Cell>
<Cell><Data ss:Type="String">DoB</Data></Cell></Row>
<Row ss:Index="4"><Cell ss:Index="2"><Data ss:Type="DateTime">1945-07-14T00:00:00.000</Data></Cell>
<Cell><Data ss:Type="Number">9.990000018E9</Data></Cell></Row></Table></Worksheet></Workbook>"""


def test_workbook_in_xml_of_2003(tmp_path: Path) -> None:
    given = read(tmp_path, XLS_XML.encode(), "report.xls")
    assert given.cells() == {
        "Report!R1": ["Name", "DoB"],
        "Report!R4": ["", "1945-07-14", "9990000018"],
    }


def letter() -> bytes:
    document = docx.Document()
    document.add_paragraph("Dear Dr Jones")
    document.add_paragraph("re: Mary SMITH\t9990000018")
    facts = document.add_table(rows=2, cols=2)
    facts.cell(0, 0).text, facts.cell(0, 1).text = "Name", "Mary Smith"
    facts.cell(1, 0).text, facts.cell(1, 1).text = "DoB", "14/07/1945"
    people = document.add_table(rows=3, cols=3)
    for at, name in enumerate(("A", "B", "C")):
        people.cell(at, 0).text = name
    document.add_paragraph("first page ends").add_run().add_break(WD_BREAK.PAGE)
    document.add_paragraph("second page")
    section = document.sections[0]
    section.header.paragraphs[0].text = "Lambeth Example Hospital"
    document.add_comment(document.paragraphs[0].runs, "please ring", author="x")
    document.add_picture(io.BytesIO(picture("x")))
    into = io.BytesIO()
    document.save(into)
    return into.getvalue()


def test_letter(tmp_path: Path) -> None:
    given = read(tmp_path, letter())
    texts = given.texts()
    assert texts["page 1"].split("\n")[:4] == [
        "Dear Dr Jones",
        "re: Mary SMITH\t9990000018",
        "Name\tMary Smith",
        "DoB\t14/07/1945",
    ]
    assert "second page" in texts["page 2"]
    assert texts["heads and feet"] == "Lambeth Example Hospital"
    assert "please ring" in texts["comments"]
    assert [row[0] for row in given.cells().values()] == ["A", "B", "C"]
    assert {one.name for one in given.inners} == {"image1.png"}


def test_letter_with_a_text_box_and_deleted_words(tmp_path: Path) -> None:
    body = (
        '<w:document xmlns:w="w" xmlns:mc="mc"><w:body><w:p><w:r><w:t>before</w:t></w:r>'
        "<w:del><w:r><w:delText> SMITH</w:delText></w:r></w:del><mc:AlternateContent><mc:Choice>"
        "<w:txbxContent><w:p><w:r><w:t>in the box</w:t></w:r></w:p></w:txbxContent></mc:Choice>"
        "<mc:Fallback><w:txbxContent><w:p><w:r><w:t>in the box</w:t></w:r></w:p></w:txbxContent>"
        "</mc:Fallback></mc:AlternateContent></w:p></w:body></w:document>"
    )
    content = zipped({"[Content_Types].xml": b"", "word/document.xml": body.encode()})
    assert read(tmp_path, content).texts() == {"page 1": "before SMITH\nin the box"}


def test_letter_that_is_cut(tmp_path: Path) -> None:
    content = letter()
    at = content.index(b"word/document.xml")
    given = read(tmp_path, content[: content.index(b"PK\x03\x04", at) + 40])
    assert "Dear Dr Jones" in given.texts()["page 1"]
    assert "cut short" in given.ended.why


def test_slides(tmp_path: Path) -> None:
    words = "<a:p><a:r><a:t>Mary </a:t></a:r><a:r><a:t>S</a:t></a:r></a:p>"
    slide = f'<p:sld xmlns:p="p" xmlns:a="a">{words}</p:sld>'
    parts = {"[Content_Types].xml": b"", "ppt/slides/slide10.xml": slide.encode(),
             "ppt/slides/slide2.xml": slide.replace("Mary", "Jane").encode()}  # fmt: skip
    assert read(tmp_path, zipped(parts)).texts() == {"page 1": "Jane S", "page 2": "Mary S"}


def test_open_document(tmp_path: Path) -> None:
    content = (
        '<o:document-content xmlns:o="o" xmlns:text="t" xmlns:table="tt">'
        '<text:p>Mary<text:s text:c="2"/><text:span>SMITH</text:span>, well</text:p>'
        "<table:table><table:table-row><table:table-cell><text:p>Name</text:p></table:table-cell><table:table-cell><text:p>Mary</text:p>"
        "</table:table-cell></table:table-row></table:table></o:document-content>"
    )
    parts = {
        "mimetype": b"application/vnd.oasis.opendocument.text",
        "content.xml": content.encode(),
    }
    assert read(tmp_path, zipped(parts)).texts() == {"page 1": "Mary  SMITH, well\nName\tMary"}


def test_rich_text(tmp_path: Path) -> None:
    content = rb"{\rtf1\ansi Dear Mrs J\'f3ns\par 9990000018\par \page second}"
    texts = read(tmp_path, content).texts()
    assert "Dear Mrs Jóns" in texts["page 1"]
    assert "9990000018" in texts["page 1"]


def test_html(tmp_path: Path) -> None:
    content = (
        "<html><head><meta charset='windows-1252'></head><body><h1>List</h1><table>"
        "<tr><th>Name</th><th>DoB</th></tr>\n<tr><td>J\u00d3N &amp; co</td><td>14/07/1945</td></tr>"
        "</table><p>Mrs<br>SMITH</p><input value='9990000018'><script>no</script></body></html>"
    ).encode("cp1252")
    given = read(tmp_path, content)
    assert list(given.cells().values()) == [["Name", "DoB"], ["J\u00d3N & co", "14/07/1945"]]
    start, end = map(int, given.rows[0].place(1).removeprefix("bytes ").split("-"))
    assert b"14/07/1945" in content[start:end]
    text = given.texts()["text"]
    assert "Mrs\nSMITH" in text
    assert "9990000018" in text
    assert "no" not in text.split()


def test_xml(tmp_path: Path) -> None:
    content = (
        '<?xml version="1.0"?><!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]>'
        '<a><patient id="7"><name>SMITH</name><n>&x;</n></patient><!-- seen --></a>'
    )
    text = read(tmp_path, content.encode()).texts()["text"]
    assert text.split("\n") == ["a.patient@id: 7", "a.patient.name: SMITH", "comment: seen"]


def test_xml_that_grows(tmp_path: Path) -> None:
    entities = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 20}">' for n in range(1, 12))
    content = (
        f'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY e0 "x">{entities}]><a>&e11;<b>SMITH</b></a>'
    )
    assert read(tmp_path, content.encode()).ended.why
    assert "SMITH" in read(tmp_path, content.encode(), attempt=1).texts()["text"]


def picture(text: str) -> bytes:
    image = Image.new("L", (900, 300), 255)
    font = ImageFont.load_default(44)
    ImageDraw.Draw(image).text((40, 60), text, fill=0, font=font)
    into = io.BytesIO()
    image.save(into, "png")
    return into.getvalue()


def pages(*, scan: bool = False) -> bytes:
    into = io.BytesIO()
    canvas = Canvas(into)
    canvas.drawString(100, 700, "Dear Mrs SMITH 9990000018")
    canvas.showPage()
    if scan:
        canvas.drawImage(ImageReader(io.BytesIO(picture("Mary SMITH 9990000018"))), 50, 400)
        canvas.showPage()
    canvas.drawString(100, 700, "Dear Mr JONES")
    canvas.acroForm.textfield(name="surname", value="O'NEIL", x=100, y=500)
    canvas.showPage()
    canvas.save()
    return into.getvalue()


def test_pdf(tmp_path: Path) -> None:
    given = read(tmp_path, pages())
    texts = given.texts()
    assert texts["page 1"].strip() == "Dear Mrs SMITH 9990000018"
    assert "Dear Mr JONES" in texts["page 2"]
    assert "surname: O'NEIL" in texts["page 2"]
    assert given.ended.state is State.PARSED


def test_pdf_with_more_pages_than_the_limit(tmp_path: Path) -> None:
    assert "limit" not in read(tmp_path, pages(), limits=Limits(pages_most=2)).ended.why
    given = read(tmp_path, pages(), limits=Limits(pages_most=1))
    assert len(given.passages) == 1
    assert given.ended.why == "it has more pages than the limit of 1"


def test_pdf_that_is_cut(tmp_path: Path) -> None:
    content = pages()
    for attempt in (0, 1):
        given = read(tmp_path, content[: len(content) // 2], attempt=attempt)
        assert given.ended.why or given.passages


@pytest.mark.skipif(not tesseract(), reason="Tesseract is not installed here")
def test_pictures_are_read(tmp_path: Path) -> None:
    given = read(tmp_path, picture("Mary SMITH 9990000018"))
    assert "9990000018" in given.passages[0].text
    assert given.passages[0].shape is Shape.IMAGE
    assert given.ended.state is State.OCR

    scanned = read(tmp_path, pages(scan=True))
    assert [one.place for one in scanned.passages] == ["page 1", "page 2", "page 3"]
    assert "9990000018" in scanned.passages[1].text
    assert scanned.ended.state is State.OCR

    limited = read(tmp_path, pages(scan=True), limits=Limits(ocr_pages_most=0))
    assert limited.ended.why == "it has more pages of pictures than the limit of 0"


def test_pictures_without_tesseract(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tourniquet.breach.readers.images.tesseract", lambda: "")
    assert "tesseract is not installed" in read(tmp_path, picture("x")).ended.why
    assert "tesseract is not installed" in read(tmp_path, pages(scan=True)).ended.why
    assert read(tmp_path, pages(scan=True)).passages[-1].place == "page 3"


def test_small_pictures_are_not(tmp_path: Path) -> None:
    into = io.BytesIO()
    Image.new("L", (199, 500)).save(into, "png")
    given = read(tmp_path, into.getvalue())
    assert given.ended.state is State.SWEPT
    assert given.ended.why == "it is too small a picture to hold writing"


def test_writing_between_bytes(tmp_path: Path) -> None:
    content = bytes(range(256)) * 20 + b"SMITH 9990000018" + b"\x00\x01" * 50
    content += "Jane JONES".encode("utf-16-le") + bytes(range(128, 256))
    given = read(tmp_path, content)
    text = "\n".join(given.texts().values())
    assert "SMITH 9990000018" in text
    assert "Jane JONES" in text
    assert given.ended.state is State.SWEPT


def test_a_letter_with_a_damaged_part(tmp_path: Path) -> None:
    body = "".join(f"<w:p><w:r><w:t>SMITH {n} {n * n}</w:t></w:r></w:p>" for n in range(9_000))
    document = f'<w:document xmlns:w="w"><w:body>{body}</w:body></w:document>'.encode()
    content = bytearray(zipped({"[Content_Types].xml": b"", "word/document.xml": document}))
    at = content.index(b"word/document.xml")
    for place in range(at + 60_000 // 3, at + 60_000 // 3 + 40):
        content[place] ^= 0xFF
    given = read(tmp_path, bytes(content))
    assert given.texts()["page 1"].startswith("SMITH 0 0\nSMITH 1 1")
    assert "damaged" in given.ended.why
