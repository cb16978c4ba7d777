"""Two records are one person: one stands for the other, and everything known goes along.

Used where a message (A40) or a person says so. The order of the entries:
1. The one that stays takes over the numbers of the other.
2. The one that disappears stands for the one that stays.
3. Requests, specimens, reports and calls of the one that disappears name the one that stays.

Needs and appointments stay with the id under which they were made; patients.queries resolves it.
"""

from __future__ import annotations

import msgspec

from tourniquet.pathology.entries import HistoryMoved
from tourniquet.patients.entries import IdentifierFact, PatientAbsorbed, PatientMerged
from tourniquet.patients.index import Index, read_identifiers
from tourniquet.patients.rules import CURRENT, DOUBTFUL, NHS, SentIdentifier
from tourniquet.record.journal import Act, Writer


def merge_patients(
    journal: Writer,
    index: Index,
    *,
    gone: str,
    stays: str,
    comment: str,
    cause: int | None,
    act: Act,
) -> None:
    """Append the three entries. Both patients are known, different, and not merged themselves."""
    journal.flush()
    have = read_identifiers(stays)
    has_number = any(system == NHS and fact.state == CURRENT for (system, _), fact in have.items())
    taken: list[IdentifierFact] = []
    for key, fact in read_identifiers(gone).items():
        if key in have:
            continue
        state = fact.state
        if state == CURRENT:
            # A second NHS number leads here, but is not shown as the patient's own.
            state = "superseded" if has_number or fact.system != NHS else "current"
        taken.append(msgspec.structs.replace(fact, state=state))
    absorbed = journal.append(
        PatientAbsorbed(identifiers=tuple(taken), comment=comment),
        subject=stays,
        cause=cause,
        act=act,
    )
    journal.append(
        PatientMerged(into=stays, comment=comment), subject=gone, cause=absorbed, act=act
    )
    journal.append(HistoryMoved(into=stays), subject=gone, cause=absorbed, act=act)
    journal.flush()
    index.known.pop(gone, None)
    index.known.pop(stays, None)
    index.read_patients([gone, stays])
    index.hold(
        stays,
        [
            SentIdentifier(f.system, f.value)
            for f in taken
            if f.state != DOUBTFUL and f.system != NHS
        ],
    )
