"""stub"""
from __future__ import annotations
from collections.abc import Iterator
from tourniquet.breach.draft import Draft
from tourniquet.breach.lookup import Lookup
from tourniquet.breach.pieces import Wire
def wire_drafts(piece: Wire, lookup: Lookup, hints: tuple[str, ...]) -> Iterator[Draft]:
    return iter(())
