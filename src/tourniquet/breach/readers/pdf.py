"""PDF, page by page: text, fields of forms, notes, attached files; pictures of pages by OCR.

Invariants:
- A page without text that shows a picture is read by OCR, up to a limit of pages; what is beyond it
  is said.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from pathlib import Path

import pypdfium2 as pdfium
import pypdfium2.raw as pdf_raw

from tourniquet.breach.containers import ENCRYPTED_WHY
from tourniquet.breach.pieces import Piece, Shape, State
from tourniquet.breach.readers.images import picture_text
from tourniquet.breach.readers.source import CannotRead, Source, passages

_OCR_DOTS_PER_INCH = 200
_POINTS_PER_INCH = 72
_SIDE_DOTS_MOST = 4_000
_LETTERS_LEAST = 8  # of a page's text; fewer are a stamp on a scan
_VALUE_BYTES_MOST = 64 * 1024
_ATTACHMENTS_MOST = 1_000
_PASSWORD_CODE = 4


def pdf(source: Source) -> Iterator[Piece]:
    """Pages of a PDF. Raises: CannotRead."""
    try:
        document = pdfium.PdfDocument(source.file)
    except pdfium.PdfiumError as error:
        if getattr(error, "err_code", None) == _PASSWORD_CODE or "assword" in str(error):
            raise CannotRead(ENCRYPTED_WHY, state=State.UNREADABLE) from None
        raise CannotRead("its pages can't be found") from None
    try:
        document.init_forms()
    except pdfium.PdfiumError:
        source.note("its form could not be opened")
    pictures = 0
    try:
        for number in range(min(len(document), source.limits.pages_most)):
            try:
                page = document[number]
            except pdfium.PdfiumError:
                source.note("some of its pages are damaged")
                continue
            text = _page_text(page, document)
            if len(text.strip()) < _LETTERS_LEAST and _has_picture(page):
                pictures += 1
                if pictures > source.limits.ocr_pages_most:
                    most = source.limits.ocr_pages_most
                    source.note(f"it has more pages of pictures than the limit of {most}")
                else:
                    yield from _by_ocr(source, page, number + 1)
                page.close()
                continue
            if text.strip():
                yield from passages(f"page {number + 1}", Shape.PAGE, text)
            page.close()
        if len(document) > source.limits.pages_most:
            source.note(f"it has more pages than the limit of {source.limits.pages_most:,}")
        yield from _attachments(source, document)
    finally:
        document.close()


def _page_text(page: pdfium.PdfPage, document: pdfium.PdfDocument) -> str:
    opened = page.get_textpage()
    try:
        text = opened.get_text_range()
    finally:
        opened.close()
    text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\ufffe", "-")
    notes = _annotations(page, document)
    return "\n".join([text, *notes]) if notes else text


def _annotations(page: pdfium.PdfPage, document: pdfium.PdfDocument) -> list[str]:
    """Values of a form's fields with their names, and what notes say."""
    found: list[str] = []
    form = document.formenv.raw if document.formenv else None
    for number in range(pdf_raw.FPDFPage_GetAnnotCount(page.raw)):
        annotation = pdf_raw.FPDFPage_GetAnnot(page.raw, number)
        if not annotation:
            continue
        try:
            if form and pdf_raw.FPDFAnnot_GetSubtype(annotation) == pdf_raw.FPDF_ANNOT_WIDGET:
                value = _wide(pdf_raw.FPDFAnnot_GetFormFieldValue, form, annotation)
                if value.strip():
                    name = _wide(pdf_raw.FPDFAnnot_GetFormFieldName, form, annotation)
                    found.append(f"{name}: {value}")
            else:
                contents = _wide(pdf_raw.FPDFAnnot_GetStringValue, annotation, b"Contents")
                if contents.strip():
                    found.append(contents)
        finally:
            pdf_raw.FPDFPage_CloseAnnot(annotation)
    return found


def _wide(function: object, *arguments: object) -> str:
    """What a function of pdfium writes as UTF-16 into a buffer."""
    assert callable(function)
    size = int(function(*arguments, None, 0))
    if size <= 2 or size > _VALUE_BYTES_MOST:
        return ""
    buffer = ctypes.create_string_buffer(size)
    function(*arguments, ctypes.cast(buffer, ctypes.POINTER(pdf_raw.FPDF_WCHAR)), size)
    return buffer.raw.decode("utf-16-le", "replace").rstrip("\x00")


def _has_picture(page: pdfium.PdfPage) -> bool:
    kinds = (pdf_raw.FPDF_PAGEOBJ_IMAGE, pdf_raw.FPDF_PAGEOBJ_PATH)
    return any(True for _ in page.get_objects(filter=kinds, max_depth=4))


def _by_ocr(source: Source, page: pdfium.PdfPage, number: int) -> Iterator[Piece]:
    scale = _OCR_DOTS_PER_INCH / _POINTS_PER_INCH
    scale = min(scale, _SIDE_DOTS_MOST / max(page.get_width(), page.get_height(), 1))
    bitmap = page.render(scale=scale, grayscale=True)
    file = Path(source.scratch.folder) / "page.pgm"
    bitmap.to_pil().save(file)
    bitmap.close()
    try:
        text = picture_text(file, source)
    except CannotRead as failure:
        source.note(failure.why)
        return
    finally:
        file.unlink(missing_ok=True)
    if text.strip():
        source.state = State.OCR
        yield from passages(f"page {number}", Shape.IMAGE, text)


def _attachments(source: Source, document: pdfium.PdfDocument) -> Iterator[Piece]:
    for number in range(min(document.count_attachments(), _ATTACHMENTS_MOST)):
        try:
            one = document.get_attachment(number)
            name = one.get_name().replace("\\", "/").rsplit("/", 1)[-1]
            content = bytes(one.get_data())
        except pdfium.PdfiumError:
            source.note("some of its attachments are damaged")
            continue
        yield source.scratch.take(name or f"attachment {number + 1}", [content])
