"""The floor of recall: numbers of the index in a content's bytes that no reader gave.

A parser may fail, or not know what it reads. The bytes are swept for the numbers of the index, and
where a number is in no fragment, what stands about it is read as text: so somebody is looked at
whose number a machine could see.

Invariants:
- Only numbers of the index count, and only those that no fragment of the content has.
- A container is left out: what lies in it is a content of its own.
- Its fragments say by which bytes they were found; in an inflated stream, in which.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tourniquet.breach.controllers import path_hints
from tourniquet.breach.fragments import FieldKind, Fragment
from tourniquet.breach.lookup import Lookup
from tourniquet.breach.passages import passage_drafts
from tourniquet.breach.pieces import Passage, Shape
from tourniquet.breach.sweep import Hit, sweep

AROUND_BYTES = 240  # a form's few lines; the next person's are mostly further away
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ufffd]+")


@dataclass(frozen=True)
class Below:
    """A number of the index in the bytes of a content, and what stands about it."""

    value: int
    place: str
    text: str


def look_below(file: Path, known: NDArray[np.int64]) -> list[Below]:
    """The numbers of the index in a file's bytes, with what stands about them. Raises: OSError."""
    swept = sweep(file, known=known, around_bytes=AROUND_BYTES)
    return [Below(one.value, _place(one), _text(one)) for one in swept.hits if one.around]


def floor_fragments(
    content: str,
    below: Iterable[Below],
    lookup: Lookup,
    *,
    first: int,
    given: frozenset[str],
    path: str,
) -> Iterator[Fragment]:
    """Fragments about numbers that none of the content's others has; numbered from `first` on."""
    number = first
    hints = path_hints(path, lookup)
    told: set[str] = set()
    for one in below:
        digits = f"{one.value:010d}"
        if digits in given or digits in told:
            continue
        told.add(digits)
        for draft in passage_drafts(Passage(one.place, Shape.TEXT, one.text), lookup, hints):
            if any(
                field.kind == FieldKind.NHS_NUMBER and field.value == digits
                for field in draft.fields
            ):
                yield Fragment(
                    content, number, one.place, draft.shape, draft.fields, draft.marks, draft.table
                )
                number += 1
                break


def _place(hit: Hit) -> str:
    where = f" of the stream at {hit.stream}" if hit.stream else ""
    return f"bytes {hit.start}-{hit.end}{where}"


def _text(hit: Hit) -> str:
    """What stands about a number, as a person would read it."""
    step = 2 if hit.around[hit.at + 1 : hit.at + 2] == b"\x00" else 1
    if step == 1:
        text = hit.around.decode("utf-8", "replace")
    else:
        is_big = hit.around[hit.at - 1 : hit.at] == b"\x00" and hit.around[-1:] != b"\x00"
        coding = "utf-16-be" if is_big else "utf-16-le"
        shift = (hit.at - 1) % 2 if is_big else hit.at % 2
        text = hit.around[shift:].decode(coding, "replace")
    return _CONTROL.sub(" ", text)
