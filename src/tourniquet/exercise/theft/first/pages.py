"""First family: PDF letters of several patients, letters scanned as images, PDF of images only.

Invariants:
- A fragment's place is its page; one page is about one person.
- Fonts come with the libraries, so that the same seed draws the same image on any machine with
  the same libraries.
"""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import reportlab
from PIL import Image, ImageDraw, ImageFont
from reportlab.lib.utils import ImageReader
from reportlab.pdfgen import canvas

from tourniquet.exercise.theft.chance import Chance
from tourniquet.exercise.theft.content import Content, Draft, Where
from tourniquet.exercise.theft.desk import Desk, Maker
from tourniquet.exercise.theft.prose import Letter, home_letter, letter, wrapped

A4_POINTS = (595, 842)
SCAN_DPI = 150
SCAN_PIXELS = (1240, 1754)
FONT = Path(reportlab.__file__).parent / "fonts" / "Vera.ttf"
SPECKS = 400


def pdf_pages(pages: list[list[str]]) -> bytes:
    """A PDF with these lines on its pages."""
    out = io.BytesIO()
    sheet = canvas.Canvas(out, pagesize=A4_POINTS, invariant=1)
    for lines in pages:
        sheet.setFont("Helvetica", 10)
        for number, line in enumerate(lines):
            sheet.drawString(50, A4_POINTS[1] - 60 - 14 * number, line)
        sheet.showPage()
    sheet.save()
    return out.getvalue()


def page_lines(made: Letter) -> list[str]:
    """A letter's paragraphs as lines of a page."""
    return [line for text in made.paragraphs for line in (*wrapped(text, 92), "")]


def pdf_letters(desk: Desk) -> Content:
    """Letters of several people, one on each page, the first page a cover."""
    count = min(40, max(2, desk.rows // 8))
    made = [letter(desk, desk.deal.case()) for _ in range(count)]
    pages = [["Batch print", f"{count} letters follow"], *(page_lines(one) for one in made)]
    drafts = [
        replace(one.draft, where=Where(page=number, whole=True))
        for number, one in enumerate(made, 2)
    ]
    name = f"batch_{desk.chance.number(1000, 9999)}.pdf"
    return Content(name, pdf_pages(pages), tuple(drafts))


def pdf_home(desk: Desk) -> Content:
    """Letters of one household: who is who must come from the given name and the birth date."""
    made = home_letter(desk)
    drafts = [
        replace(one.draft, where=Where(page=number, whole=True))
        for number, one in enumerate(made, 1)
    ]
    return Content("family.pdf", pdf_pages([page_lines(one) for one in made]), tuple(drafts))


def scan(made: Letter, chance: Chance) -> Image.Image:
    """A letter as a scanner sees it: grey, a little turned, with specks."""
    page = Image.new("L", SCAN_PIXELS, 250)
    pen = ImageDraw.Draw(page)
    font = ImageFont.truetype(str(FONT), 23)
    top = 120
    for text in made.paragraphs:
        for line in wrapped(text, 78):
            pen.text((110, top), line, fill=chance.number(15, 60), font=font)
            top += 36
        top += 20
    for _ in range(SPECKS):
        spot = (chance.number(0, SCAN_PIXELS[0] - 1), chance.number(0, SCAN_PIXELS[1] - 1))
        pen.point(spot, fill=chance.number(60, 200))
    return page.rotate(chance.real(-0.6, 0.6), Image.Resampling.BILINEAR, fillcolor=250)


def _image_bytes(image: Image.Image, kind: str) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, dpi=(SCAN_DPI, SCAN_DPI))
    return out.getvalue()


def _scanned(desk: Desk) -> tuple[Letter, Image.Image]:
    made = letter(desk, desk.deal.case())
    return made, scan(made, desk.chance)


def scan_image(desk: Desk) -> Content:
    """A scanned letter as PNG, JPEG or TIFF."""
    made, image = _scanned(desk)
    kind, ending = desk.chance.pick((("PNG", "png"), ("JPEG", "jpg"), ("TIFF", "tif")))
    name = f"scan{desk.chance.number(1, 9999):04d}.{ending}"
    draft = replace(made.draft, where=Where(whole=True))
    return Content(name, _image_bytes(image, kind), (draft,))


def scan_pdf(desk: Desk) -> Content:
    """A PDF that has images of letters and no text."""
    out = io.BytesIO()
    sheet = canvas.Canvas(out, pagesize=A4_POINTS, invariant=1)
    drafts: list[Draft] = []
    for number in range(1, 3):
        made, image = _scanned(desk)
        data = io.BytesIO(_image_bytes(image, "JPEG"))
        sheet.drawImage(ImageReader(data), 0, 0, width=A4_POINTS[0], height=A4_POINTS[1])
        sheet.showPage()
        drafts.append(replace(made.draft, where=Where(page=number, whole=True)))
    sheet.save()
    name = f"MFD_{desk.chance.number(10000, 99999)}.pdf"
    return Content(name, out.getvalue(), tuple(drafts))


SHAPES: dict[str, Maker] = {
    "pdf-letters": pdf_letters,
    "pdf-home": pdf_home,
    "scan-image": scan_image,
    "scan-pdf": scan_pdf,
}
