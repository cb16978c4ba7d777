"""From the pieces of one content to fragments: the one way in.

1. Rows go to tables (breach.tables), text to passages, messages to wires.
2. Each draft gets its number in the content, and no more than FIELDS_MOST fields.

Invariants:
- The same pieces give the same fragments, in reading order, numbered from 0.
- Nothing raises on any piece that decodes; what says nothing of anybody gives nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from tourniquet.breach.controllers import path_hints
from tourniquet.breach.draft import Draft
from tourniquet.breach.fragments import FIELDS_MOST, Fragment
from tourniquet.breach.lookup import Lookup
from tourniquet.breach.passages import passage_drafts
from tourniquet.breach.pieces import Passage, Piece, Rows, Wire
from tourniquet.breach.tables import TableReader
from tourniquet.breach.wires import wire_drafts


def fragments_of(
    content_sha256: str, pieces: Iterable[Piece], lookup: Lookup, *, path: str = ""
) -> Iterator[Fragment]:
    """The fragments of a content. path: one under which it lies, for whose local numbers are."""
    for number, one in enumerate(_drafts(pieces, lookup, path_hints(path, lookup))):
        fields = one.fields
        yield Fragment(
            content_sha256,
            number,
            one.place,
            one.shape,
            fields if len(fields) <= FIELDS_MOST else fields[:FIELDS_MOST],
            one.marks,
            one.table,
            len(fields) > FIELDS_MOST,
        )


def _drafts(pieces: Iterable[Piece], lookup: Lookup, hints: tuple[str, ...]) -> Iterator[Draft]:
    tables = TableReader(lookup, hints)
    for piece in pieces:
        if isinstance(piece, Rows):
            yield from tables.add(piece)
            continue
        yield from tables.end()
        if isinstance(piece, Passage):
            yield from passage_drafts(piece, lookup, hints)
        elif isinstance(piece, Wire):
            yield from wire_drafts(piece, lookup, hints)
    yield from tables.end()
