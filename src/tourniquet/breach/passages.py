"""stub"""
from __future__ import annotations
from collections.abc import Iterator
from tourniquet.breach.draft import Draft
from tourniquet.breach.lookup import Lookup
from tourniquet.breach.pieces import Passage
def passage_drafts(piece: Passage, lookup: Lookup, hints: tuple[str, ...]) -> Iterator[Draft]:
    return iter(())
