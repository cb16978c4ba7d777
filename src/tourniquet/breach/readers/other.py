"""Everything that Apache Tika knows, through extractous: the second reader of many types.

It knows OneNote, CHM, Visio, WordPerfect, Pages, RAR and many more, and what our own readers of
Word or PowerPoint did not understand. It needs no Java and reaches no network.

Invariants:
- Its text has no pages; places are lines of what it gave.
"""

from __future__ import annotations

from collections.abc import Iterator

from tourniquet.breach.pieces import Piece, Shape
from tourniquet.breach.readers.source import CannotRead, Source, passages

_CHARACTERS_MOST = 64 * 1024 * 1024


def tika(source: Source) -> Iterator[Piece]:
    """The text that Tika finds. Raises: CannotRead."""
    from extractous import Extractor, PdfOcrStrategy, PdfParserConfig  # noqa: PLC0415 # slow

    extractor = (
        Extractor()
        .set_extract_string_max_length(_CHARACTERS_MOST)
        .set_pdf_config(PdfParserConfig().set_ocr_strategy(PdfOcrStrategy.NO_OCR))
    )
    try:
        text, _ = extractor.extract_file_to_string(str(source.file))
    except Exception as error:  # noqa: BLE001 # whatever a parser of Tika's raises
        raise CannotRead(f"no reader understands it ({type(error).__name__})") from None
    lines = [line.strip() for line in str(text).split("\n")]
    shown = "\n".join(one for at, one in enumerate(lines) if one or (at and lines[at - 1]))
    if shown.strip():
        yield from passages("text", Shape.TEXT, shown)
