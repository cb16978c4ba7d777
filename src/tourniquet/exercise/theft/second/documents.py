"""Second family: tables in Word and PDF, forms, scans. Engine authors must not read this."""

from __future__ import annotations

import io
from dataclasses import replace

from docx import Document
from reportlab.pdfgen import canvas

from tourniquet.exercise.theft.content import Content, Draft, Where, steady_office
from tourniquet.exercise.theft.desk import Desk, Maker
from tourniquet.exercise.theft.first.pages import A4_POINTS, pdf_pages, scan
from tourniquet.exercise.theft.prose import Letter
from tourniquet.exercise.theft.second.words import (
    about,
    remark,
    request_name,
    result,
    saying,
    shown,
)

ROWS_ON_PAGE = 40
COLUMNS_LEFT_POINTS = (45, 130, 330, 420)


def word_table(desk: Desk) -> Content:
    """A table in a Word document, a row a person."""
    trust = desk.trust()
    document = Document()
    document.add_paragraph(f"Handover, {trust.name}, {trust.ods_code}")
    rows: list[tuple[str, ...]] = [("Bed", "Pt", "Born", "Unit", "Plan")]
    drafts: list[Draft] = []
    for number in range(min(40, max(3, desk.rows // 4))):
        case, pen = desk.deal.case(trust=trust), desk.pen
        name, birth = pen.full(case.subject, "comma"), pen.birth(case.subject, "dmy")
        local = pen.local(case.subject, trust.ods_code)
        text, told = saying(desk)
        rows.append((str(number + 1), name.text, birth.text, shown(local), text))
        drafts.append(
            about(
                case, name, birth, local, remark(text), sensitive=told, controller=trust.ods_code,
                context=trust.ods_code, where=Where(row=number + 2),
            )
        )  # fmt: skip
    table = document.add_table(rows=len(rows), cols=5)
    for row, texts in zip(table.rows, rows, strict=True):
        for cell, text in zip(row.cells, texts, strict=True):
            cell.text = text
    out = io.BytesIO()
    document.save(out)
    return Content("handover.docx", steady_office(out.getvalue()), tuple(drafts))


def _pdf_columns(pages: list[list[tuple[str, ...]]]) -> bytes:
    """A PDF of rows whose cells begin at the same places, column after column."""
    out = io.BytesIO()
    sheet = canvas.Canvas(out, pagesize=A4_POINTS, invariant=1)
    for rows in pages:
        sheet.setFont("Helvetica", 9)
        for place, left in enumerate(COLUMNS_LEFT_POINTS):
            for number, cells in enumerate(rows):
                if place < len(cells):
                    sheet.drawString(left, A4_POINTS[1] - 60 - 15 * number, cells[place])
        sheet.showPage()
    sheet.save()
    return out.getvalue()


def pdf_table(desk: Desk) -> Content:
    """A list printed as PDF: several people on a page."""
    trust = desk.trust()
    pages: list[list[tuple[str, ...]]] = []
    drafts: list[Draft] = []
    for number in range(min(160, desk.rows)):
        if number % ROWS_ON_PAGE == 0:
            pages.append(
                [(f"{trust.ods_code} {trust.name}: overdue",), ("NHS", "name", "born", "test")]
            )
        case, pen = desk.deal.case(trust=trust), desk.pen
        nhs, name = pen.nhs(case.subject, "spaced"), pen.full(case.subject, "comma")
        birth = pen.birth(case.subject, "mon")
        pages[-1].append((shown(nhs, "-"), name.text, birth.text, case.test.name))
        drafts.append(
            about(
                case, nhs, name, birth, request_name(case), sensitive=case.sensitive,
                controller=trust.ods_code, context=trust.ods_code,
                where=Where(page=len(pages)),
            )
        )  # fmt: skip
    return Content("overdue.pdf", _pdf_columns(pages), tuple(drafts))


def _form(desk: Desk) -> Letter:
    """A form of one person, filled in by hand or machine."""
    case, pen = desk.deal.case(), desk.pen
    who = case.subject
    family, given = pen.family(who, "upper"), pen.given(who)
    birth, nhs, postcode = pen.birth(who, "dmy"), pen.nhs(who, "spaced"), pen.postcode(who)
    text, told = saying(desk)
    lines = (
        f"BLOOD SCIENCES   {case.requester.ods_code}",
        f"SURNAME {family.text}     FIRST NAME {given.text}",
        f"D.O.B. {birth.text}     NHS {shown(nhs)}",
        f"POST CODE {shown(postcode)}",
        f"TESTS: {case.test.name} = {case.result}",
        f"CLINICAL: {text}",
    )
    draft = about(
        case, family, given, birth, nhs, postcode, request_name(case), result(case), remark(text),
        sensitive=(*told, *case.sensitive), controller=case.requester.ods_code,
    )  # fmt: skip
    return Letter(lines, draft)


def scanned_form(desk: Desk) -> Content:
    """A request form as a picture."""
    made = _form(desk)
    out = io.BytesIO()
    scan(made, desk.chance).save(out, "PNG", dpi=(150, 150))
    draft = replace(made.draft, where=Where(whole=True))
    return Content(f"IMG_{desk.chance.digits(4)}.png", out.getvalue(), (draft,))


def pdf_forms(desk: Desk) -> Content:
    """Two forms on each page."""
    pages: list[list[str]] = []
    drafts: list[Draft] = []
    for _ in range(min(20, max(2, desk.rows // 10))):
        first, second = _form(desk), _form(desk)
        pages.append([*first.paragraphs, "", "- - - - - - - -", "", *second.paragraphs])
        drafts += [replace(one.draft, where=Where(page=len(pages))) for one in (first, second)]
    return Content("forms.pdf", pdf_pages(pages), tuple(drafts))


SHAPES: dict[str, Maker] = {
    "word-table": word_table,
    "pdf-table": pdf_table,
    "scanned-form": scanned_form,
    "pdf-forms": pdf_forms,
}
