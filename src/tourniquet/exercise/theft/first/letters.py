"""First family: Word letters and minutes, RTF, HTML reports."""

from __future__ import annotations

import html
import io
from dataclasses import replace

from docx import Document

from tourniquet.exercise.theft.columns import headers
from tourniquet.exercise.theft.content import Content, Draft, Paper, Where, steady_office
from tourniquet.exercise.theft.desk import Desk, Maker
from tourniquet.exercise.theft.first.tables import LIMS
from tourniquet.exercise.theft.prose import letter, minute

WHOLE = Where(whole=True)


def docx_bytes(paragraphs: list[str]) -> bytes:
    """A Word document of these paragraphs."""
    document = Document()
    for text in paragraphs:
        document.add_paragraph(text)
    out = io.BytesIO()
    document.save(out)
    return steady_office(out.getvalue())


def docx_letter(desk: Desk) -> Content:
    """A letter about one person."""
    made = letter(desk, desk.deal.case())
    name = f"Letter {desk.chance.number(1, 9999)}.docx"
    return Content(name, docx_bytes(list(made.paragraphs)), (replace(made.draft, where=WHOLE),))


def docx_bare(desk: Desk) -> Content:
    """A note that has a name and nothing else."""
    made = letter(desk, desk.deal.case(), bare=True)
    return Content(
        "note to file.docx", docx_bytes(list(made.paragraphs)), (replace(made.draft, where=WHOLE),)
    )


def docx_minutes(desk: Desk) -> Content:
    """Minutes of a meeting that name several people, each in a paragraph."""
    trust = desk.trust()
    texts = [f"{trust.name} ({trust.ods_code})", "Multidisciplinary meeting, minutes", "Present: 9"]
    drafts: list[Draft] = []
    for _ in range(min(12, max(3, desk.rows // 6))):
        made = minute(desk, desk.deal.case(trust=trust))
        texts += made.paragraphs
        drafts.append(replace(made.draft, where=Where(line=len(texts))))
    texts.append("No evidence of malignancy was discussed for other cases. HIV not requested.")
    return Content("MDT minutes.docx", docx_bytes(texts), tuple(drafts))


def rtf_letter(desk: Desk) -> Content:
    """A letter as RTF, as old systems keep it."""
    made = letter(desk, desk.deal.case())
    body = "\\par\n".join(_rtf(text) for text in made.paragraphs)
    data = "{\\rtf1\\ansi\\ansicpg1252\\deff0{\\fonttbl{\\f0 Arial;}}\\f0\\fs22\n" + body + "}"
    name = f"{desk.chance.number(100000, 999999)}.rtf"
    return Content(name, data.encode("cp1252"), (replace(made.draft, where=WHOLE),))


def _rtf(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("{", "\\{").replace("}", "\\}")
    return "".join(
        sign if ord(sign) < 128 else f"\\'{sign.encode('cp1252', 'replace')[0]:02x}"
        for sign in escaped
    )


def html_report(desk: Desk) -> Content:
    """A report of the laboratory system in a browser."""
    trust = desk.trust()
    folder, controller = desk.hinted(trust)
    paper = Paper()
    paper.line("<html><head><title>Worklist</title><style>td{border:1px solid}</style></head>")
    paper.line("<body><h1>Worklist</h1><table>")
    paper.line("<tr>" + "".join(f"<th>{text}</th>" for text in headers(LIMS)) + "</tr>")
    for number in range(max(3, desk.rows // 3)):
        row = desk.filled(LIMS, desk.deal.case(trust=trust), controller=controller)
        cells = "".join(f"<td>{html.escape(text)}</td>" for text in row.cells)
        draft = replace(row.draft, where=replace(row.draft.where, row=number + 2))
        paper.line(f"<tr>{cells}</tr>", draft)
    paper.line("</table></body></html>")
    return paper.content("worklist.html", folder=folder)


SHAPES: dict[str, Maker] = {
    "docx-letter": docx_letter,
    "docx-bare": docx_bare,
    "docx-minutes": docx_minutes,
    "rtf": rtf_letter,
    "html": html_report,
}
