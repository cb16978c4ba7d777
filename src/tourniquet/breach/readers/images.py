"""Words in pictures, by Tesseract, called as a program with limits of its own.

Invariants:
- A picture too small to hold a line of writing is not read, and that is said.
- Where Tesseract is not installed, that is said once for each picture; nothing fails.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

from PIL import Image, ImageSequence

from tourniquet.breach.pieces import Piece, Shape, State
from tourniquet.breach.readers.source import CannotRead, Source, passages

SIDE_DOTS_LEAST = 200
PIXELS_MOST = 200_000_000
_DOTS_MOST = 12_000_000  # of a picture that Tesseract is given; larger ones are made smaller
_OUTPUT_BYTES_MOST = 4 * 1024 * 1024
TESSERACT_MISSING = "a picture in it was not read: tesseract is not installed"
Image.MAX_IMAGE_PIXELS = PIXELS_MOST


@lru_cache(maxsize=1)
def tesseract() -> str:
    """Where Tesseract is; "" where it is not."""
    return shutil.which("tesseract") or ""


def picture_text(file: Path, source: Source) -> str:
    """The words of one picture. Raises: CannotRead."""
    program = tesseract()
    if not program:
        raise CannotRead(TESSERACT_MISSING)
    command = [
        program,
        str(file),
        "stdout",
        "-l",
        "eng",
        "--psm",
        "3",
        "-c",
        "debug_file=/dev/null",
    ]
    try:
        done = subprocess.run(  # noqa: S603 # no shell, no words of the content
            command, stdin=subprocess.DEVNULL, capture_output=True, check=False,
            timeout=source.limits.ocr_seconds_most,
            env={"OMP_THREAD_LIMIT": "1", "PATH": os.defpath, "LC_ALL": "C.UTF-8"},
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        most = source.limits.ocr_seconds_most
        source.note(f"reading a picture took longer than the limit of {most:g} seconds")
        return ""
    if done.returncode != 0:
        source.note("a picture could not be read")
        return ""
    text = done.stdout[:_OUTPUT_BYTES_MOST].decode("utf-8", "replace").replace("\x0c", "\n")
    return "\n".join(line.rstrip() for line in text.split("\n")).strip("\n")


def image(source: Source) -> Iterator[Piece]:
    """A picture, or each of those in one file. Raises: CannotRead."""
    source.state = State.OCR
    try:
        opened = Image.open(source.file)
    except (OSError, ValueError, Image.DecompressionBombError) as error:
        raise CannotRead(f"the picture can't be opened ({type(error).__name__})") from None
    with opened:
        if min(opened.size) < SIDE_DOTS_LEAST:
            source.note("it is too small a picture to hold writing")
            source.state = State.SWEPT
            return
        for number, frame in enumerate(ImageSequence.Iterator(opened), 1):
            if number > source.limits.ocr_pages_most:
                source.note("it has more pictures than the limit")
                return
            if number > 1 and source.kind in {"gif", "webp"}:
                return  # frames that move
            text = picture_text(_made_ready(frame, source), source)
            if text.strip():
                yield from passages(f"page {number}", Shape.IMAGE, text)


def _made_ready(frame: Image.Image, source: Source) -> Path:
    """The picture in grey, in a form that needs no decoder of Tesseract's."""
    file = source.scratch.folder / "picture.pgm"
    try:
        grey = frame.convert("L")
    except (OSError, ValueError, Image.DecompressionBombError) as error:
        raise CannotRead(f"the picture is damaged ({type(error).__name__})") from None
    dots = grey.width * grey.height
    if dots > _DOTS_MOST:
        share = (_DOTS_MOST / dots) ** 0.5
        grey = grey.resize((int(grey.width * share), int(grey.height * share)))
    grey.save(file)
    return file
