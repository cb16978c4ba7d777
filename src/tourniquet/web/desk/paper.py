"""Paper: request forms and sheets of labels with barcodes, and packs of histories, as PDF.

Invariants:
- Every page says what it is, its number, and of an exercise that it is one.
- Every page of a pack says how old its data is and what the desk warned of (HAZ-032).
- A barcode is Code 128 and stands beside the same number in figures and letters.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import Any

from reportlab.graphics.barcode.code128 import Code128
from reportlab.lib.pagesizes import A4
from reportlab.lib.units import mm
from reportlab.pdfgen.canvas import Canvas

from tourniquet.pathology.catalogue import Catalogue
from tourniquet.pathology.desk_numbers import Block, FormNumber

LABELS_EACH = 4
_COLUMNS, _ROWS = 3, 8  # 24 labels of 70 by 37 mm, the commonest A4 sheet
_LABEL_WIDTH, _LABEL_HEIGHT = 70 * mm, 37.125 * mm
_WIDTH, _HEIGHT = A4
_MARGIN = 16 * mm
_FONT, _BOLD = "Helvetica", "Helvetica-Bold"
_BLANKS = (
    ("Family name", "Given names"),
    ("Born (day-month-year)", "NHS number"),
    ("Ward, clinic or practice", "Hospital number"),
    ("Asked for by (name, bleep or phone)", "Phone critical results to"),
    ("Sample taken (date, time)", "Taken by"),
)
_COMMON_TESTS = (
    *("FBC", "UE", "LFT", "BONE", "CRP", "LACT", "MG", "AMY"),
    *("CK", "COAG", "INR", "TSH", "LI", "GS", "XM", "MCS"),
)


@dataclass(frozen=True)
class Mark:
    """What every page says at its foot."""

    desk: str
    exercise: str
    data_as_of: str
    verified: str = "verified"
    warnings: tuple[str, ...] = ()


def _pdf(draw: Callable[[Canvas], None], title: str) -> bytes:
    out = BytesIO()
    canvas = Canvas(out, pagesize=A4, invariant=1)
    canvas.setTitle(title)
    canvas.setAuthor("Tourniquet, downtime desk")
    draw(canvas)
    canvas.save()
    return out.getvalue()


def _barcode(canvas: Canvas, number: FormNumber, x: float, y: float, width: float) -> None:
    code = Code128(number.plain, barHeight=11 * mm, barWidth=0.26 * mm, quiet=1)
    code.barWidth *= min(1.0, width / code.width)
    made: Any = Code128(number.plain, barHeight=11 * mm, barWidth=code.barWidth, quiet=1)
    made.drawOn(canvas, x, y)


def _exercise(canvas: Canvas, mark: Mark) -> None:
    if mark.exercise:
        canvas.saveState()
        canvas.setFillGray(0.88)
        canvas.setFont(_BOLD, 60)
        canvas.translate(_WIDTH / 2, _HEIGHT / 2)
        canvas.rotate(50)
        canvas.drawCentredString(0, 0, "EXERCISE, not real")
        canvas.restoreState()


def request_forms(block: Block, catalogue: Catalogue, mark: Mark) -> bytes:
    """One page for each number: barcode, blanks, tests to tick, what to do with it."""
    tests = [catalogue.tests[code].name for code in _COMMON_TESTS if code in catalogue.tests]

    def draw(canvas: Canvas) -> None:
        for number in block.numbers():
            _request_form(canvas, number, tests, mark)
            canvas.showPage()

    return _pdf(draw, f"Request forms {block}")


def _request_form(canvas: Canvas, number: FormNumber, tests: Sequence[str], mark: Mark) -> None:
    _exercise(canvas, mark)
    top = _HEIGHT - _MARGIN
    canvas.setFont(_BOLD, 17)
    canvas.drawString(_MARGIN, top - 6 * mm, "Pathology request")
    canvas.setFont(_FONT, 10)
    canvas.drawString(_MARGIN, top - 12 * mm, "For use while the computers are away.")
    canvas.drawString(_MARGIN, top - 17 * mm, "One form for each sample. Write in capitals.")
    _barcode(canvas, number, _WIDTH - _MARGIN - 78 * mm, top - 11 * mm, 78 * mm)
    canvas.setFont(_BOLD, 14)
    canvas.drawRightString(_WIDTH - _MARGIN, top - 17 * mm, str(number))
    y = top - 26 * mm
    half = (_WIDTH - 2 * _MARGIN) / 2
    for pair in _BLANKS:
        for at, label in enumerate(pair):
            canvas.rect(_MARGIN + at * half, y - 14 * mm, half, 14 * mm)
            canvas.setFont(_FONT, 8.5)
            canvas.drawString(_MARGIN + at * half + 2 * mm, y - 4 * mm, label)
        y -= 14 * mm
    y = _ticks(canvas, tests, y - 8 * mm)
    canvas.setFont(_FONT, 8.5)
    for label, height in (
        ("Other tests", 14 * mm),
        ("Why: symptoms, treatment, anticoagulants, pregnancy, antibodies known", 20 * mm),
        ("Result, if telephoned: value, unit, given by, time, read back by", 28 * mm),
    ):
        canvas.rect(_MARGIN, y - height, 2 * half, height)
        canvas.drawString(_MARGIN + 2 * mm, y - 4 * mm, label)
        y -= height
    canvas.drawString(
        _MARGIN,
        y - 7 * mm,
        "Urgent  [  ]     Stick a label with this number on each tube, one here, one in the notes.",
    )
    _foot(canvas, mark, "Keep this form: its number is accounted for afterwards, spoiled ones too.")


def _ticks(canvas: Canvas, tests: Sequence[str], y: float) -> float:
    canvas.setFont(_BOLD, 10)
    canvas.drawString(_MARGIN, y, "Tests (tick)")
    canvas.setFont(_FONT, 9.5)
    columns, step = 2, 6.2 * mm
    width = (_WIDTH - 2 * _MARGIN) / columns
    rows = -(-len(tests) // columns)
    for at, name in enumerate(tests):
        x, line = _MARGIN + (at // rows) * width, y - 7 * mm - (at % rows) * step
        canvas.rect(x, line - 0.8 * mm, 3.6 * mm, 3.6 * mm)
        canvas.drawString(x + 6 * mm, line, name)
    return float(y - 9 * mm - rows * step)


def _foot(canvas: Canvas, mark: Mark, text: str) -> None:
    canvas.setFont(_FONT, 8)
    exercise = f"EXERCISE, not real ({mark.exercise}). " if mark.exercise else ""
    canvas.drawString(_MARGIN, 11 * mm, f"{exercise}{text}")
    canvas.drawRightString(_WIDTH - _MARGIN, 11 * mm, f"Desk {mark.desk}")


def label_sheets(block: Block, mark: Mark) -> bytes:
    """Labels, LABELS_EACH for each number, 24 to a sheet of A4 (70 by 37 mm)."""
    numbers = [number for number in block.numbers() for _ in range(LABELS_EACH)]

    def draw(canvas: Canvas) -> None:
        for at, number in enumerate(numbers):
            place = at % (_COLUMNS * _ROWS)
            if at and not place:
                canvas.showPage()
            column, row = place % _COLUMNS, place // _COLUMNS
            _label(canvas, number, column * _LABEL_WIDTH, _HEIGHT - (row + 1) * _LABEL_HEIGHT, mark)
        canvas.showPage()

    return _pdf(draw, f"Labels {block}")


def _label(canvas: Canvas, number: FormNumber, x: float, y: float, mark: Mark) -> None:
    _barcode(canvas, number, x + 3 * mm, y + 20 * mm, _LABEL_WIDTH - 6 * mm)
    canvas.setFont(_BOLD, 11)
    canvas.drawString(x + 5 * mm, y + 15 * mm, str(number))
    canvas.setFont(_FONT, 7.5)
    canvas.drawString(x + 5 * mm, y + 10.5 * mm, "Name" + " ." * 26)
    canvas.drawString(x + 5 * mm, y + 6 * mm, "Born" + " ." * 11 + "  Taken" + " ." * 11)
    if mark.exercise:
        canvas.drawRightString(x + _LABEL_WIDTH - 4 * mm, y + 15 * mm, "EXERCISE")


@dataclass(frozen=True)
class PackPatient:
    """A patient in a paper pack: who, and lines of text; a line that begins with * is bold."""

    name: str
    born: str
    nhs_number: str
    lines: tuple[str, ...]


def paper_pack(patients: Iterable[PackPatient], title: str, mark: Mark) -> bytes:
    """Histories on paper: each patient begins a page, each page says whose it is and its number."""
    made = list(patients)
    warned = [line for text in mark.warnings for line in wrapped(text)][:_WARNING_LINES_MOST]
    room = _PACK_LINES - len(warned)

    def draw(canvas: Canvas) -> None:
        page = 0
        for patient in made:
            left = list(patient.lines)
            part, parts = 0, max(1, -(-len(left) // room))
            while left or not part:
                page, part = page + 1, part + 1
                shown, left = left[:room], left[room:]
                foot = f"{title[:60]}    Page {page} of the pack"
                of = f"{part} of {parts}"
                lines = [*(f"*{line}" for line in warned), *shown]
                _pack_page(canvas, patient, lines, part=of, foot=foot, mark=mark)

    return _pdf(draw, title)


_PACK_LINES = 52
_WARNING_LINES_MOST = 12
_PACK_CHARACTERS = 108


def wrapped(text: str) -> list[str]:
    """A line of a pack, cut where it is too wide for the paper."""
    words, lines, line = text.split(), list[str](), ""
    for word in words:
        for piece in (word[at : at + 80] for at in range(0, len(word), 80)):
            if line and len(line) + len(piece) + 1 > _PACK_CHARACTERS:
                lines.append(line)
                line = "    "
            line = f"{line} {piece}" if line.strip() else line + piece
    return [*lines, line]


def _pack_page(
    canvas: Canvas,
    patient: PackPatient,
    lines: Sequence[str],
    *,
    part: str,
    foot: str,
    mark: Mark,
) -> None:
    _exercise(canvas, mark)
    top = _HEIGHT - _MARGIN
    canvas.setFont(_BOLD, 14)
    canvas.drawString(_MARGIN, top, patient.name[:60])
    canvas.setFont(_FONT, 10)
    canvas.drawString(
        _MARGIN, top - 6 * mm, f"Born {patient.born}    NHS number {patient.nhs_number}"
    )
    canvas.drawRightString(_WIDTH - _MARGIN, top, f"Page {part} of this patient")
    canvas.setFont(_BOLD, 10)
    canvas.drawRightString(
        _WIDTH - _MARGIN, top - 6 * mm, f"Data as of {mark.data_as_of}, {mark.verified}"
    )
    canvas.line(_MARGIN, top - 9 * mm, _WIDTH - _MARGIN, top - 9 * mm)
    y = top - 15 * mm
    for line in lines:
        bold = line.startswith("*")
        canvas.setFont(_BOLD if bold else _FONT, 9.5)
        canvas.drawString(_MARGIN, y, line.removeprefix("*"))
        y -= 4.6 * mm
    _foot(canvas, mark, foot)
    canvas.showPage()
