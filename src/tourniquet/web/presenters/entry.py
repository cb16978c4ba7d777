"""One entry of the journal, whole."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from tourniquet.web.presenters.people import PatientLink


@dataclass(frozen=True)
class EntryLink:
    """Another entry of the chain of causes."""

    position: int
    kind: str
    at: datetime
    who: str
    href: str


@dataclass(frozen=True)
class EntryPage:
    """Header, body, causes and effects, commitment, chain. `body` None: erased or withheld."""

    position: int
    kind: str
    kind_words: str
    kind_version: int
    recorded_at: datetime
    happened_at: datetime | None
    actor: str
    organisation: str
    origin: str
    origin_position: int | None
    subject: PatientLink | None
    body: str | None
    commitment: str
    chain: str
    previous_chain: str
    causes: tuple[EntryLink, ...] = ()
    effects: tuple[EntryLink, ...] = ()
    effects_total: int = 0
    previous_href: str = ""
    next_href: str = ""
    withheld: bool = False
    break_glass_href: str = ""
