"""When a person's data may be erased, and when it is due. Pure.

Invariants:
- The words here are the only ones that outlive an erasure: none can name anybody.
- Every exemption is answered, and one that applies ends in a refusal.
- An approval is by another account, of another person, and counts for the ids that it saw.
- Where a witness is pinned both clocks must have waited: neither alone, set forward, makes anything
  due.

Source: UK GDPR, article 17(1) and 17(3); the waiting time: TOURNIQUET_ERASURE_DAYS.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from tourniquet.kernel.errors import UserError

DAYS_SETTING = "TOURNIQUET_ERASURE_DAYS"
DAYS_LEAST, DAYS_MOST = 1, 30  # Source: UK GDPR, article 12(3): within one month


class State(StrEnum):
    """How far an erasure is."""

    ASKED = "asked"
    APPROVED = "approved"
    WITHDRAWN = "withdrawn"
    REFUSED = "refused"
    CARRIED_OUT = "carried_out"
    FINISHED = "finished"


OPEN = (State.ASKED, State.APPROVED)

GROUNDS: dict[str, str] = {
    "a": "No longer necessary for what it was collected for",
    "b": "Consent was withdrawn, and there is no other legal ground",
    "c": "The person objects, and nothing overrides that",
    "d": "Processed unlawfully",
    "e": "A legal obligation to erase",
    "f": "Collected from a child for an online service",
}
EXEMPTIONS: dict[str, str] = {
    "care": "Needed for care, or for another legal duty or public task",
    "public_health": "Needed for public health",
    "archiving": "Needed for archiving, research or statistics, which erasure would defeat",
    "legal_claims": "Needed for legal claims",
}
ASKED_FOR: dict[str, str] = {
    "person": "The person",
    "representative": "Somebody who may speak for the person",
    "court": "A court",
    "regulator": "The Information Commissioner",
    "controller": "The controller, of its own accord",
}
IDENTITIES: dict[str, str] = {
    "in_person": "Seen in person, with a document",
    "document": "Copy of a document",
    "nhs_login": "NHS login",
    "known": "Known to staff, who confirmed it",
    "order": "Named in an order",
}
WITHDRAWALS: dict[str, str] = {
    "asker": "Whoever asked does not want it any more",
    "mistake": "Asked for by mistake",
    "changed": "The person's record changed meanwhile; asked for anew",
}
WARNINGS: dict[str, str] = {
    "critical_result": "A critical result has not been phoned through",
    "waiting_test": "A test has been asked for and is still to be done",
    "appointment": "An appointment is ahead",
    "perhaps_same": "Somebody not yet identified has a number of this person",
}


def demand_word(word: str, words: dict[str, str], *, where: str) -> str:
    """One of some words. Raises: UserError naming them."""
    if word not in words:
        raise UserError("Choose one of these.", where=where, remedy=", ".join(words) + ".")
    return word


def demand_all_answered(applies: Iterable[str], not_applies: Iterable[str]) -> None:
    """Demand that each exemption is answered, and once. Raises: UserError naming one."""
    yes, no = list(applies), list(not_applies)
    for word in (*yes, *no):
        demand_word(word, EXEMPTIONS, where="exemptions")
    for word, text in EXEMPTIONS.items():
        if yes.count(word) + no.count(word) != 1:
            raise UserError(
                "Say of each exemption whether it applies.",
                where=word,
                remedy=f"{text}: answer yes or no, once.",
            )


def demand_acknowledged(found: Iterable[str], acknowledged: Iterable[str]) -> None:
    """Demand that what stands against an erasure was seen. Raises: UserError naming the rest."""
    missing = sorted(set(found) - set(acknowledged))
    if missing:
        raise UserError(
            "; ".join(WARNINGS[one] for one in missing) + ".",
            where="acknowledge",
            remedy=f"Look at it first, then acknowledge: {', '.join(missing)}.",
        )


@dataclass(frozen=True)
class Waiting:
    """What decides when an approved erasure is due; times by the clock that each field names."""

    approved_at: datetime
    days: int
    is_witness_pinned: bool
    witnessed_at: datetime | None  # by the witness's: the first cosignature over the approval
    newest_at: datetime | None  # by the witness's: its newest cosignature


def due_at(waiting: Waiting) -> datetime | None:
    """When it is due, clocks being right; None while the witness has not seen the approval."""
    ours = waiting.approved_at + timedelta(days=waiting.days)
    if not waiting.is_witness_pinned:
        return ours
    theirs = _due_by_witness(waiting)
    return None if theirs is None else max(ours, theirs)


def is_due(waiting: Waiting, *, now: datetime) -> bool:
    """Whether the waiting time is over; `now` by this machine's clock.

    Where a witness is pinned it must be over by the witness's clock too, for which the time of its
    newest cosignature counts as now.
    """
    if now < waiting.approved_at + timedelta(days=waiting.days):
        return False
    if not waiting.is_witness_pinned:
        return True
    theirs = _due_by_witness(waiting)
    return theirs is not None and waiting.newest_at is not None and theirs <= waiting.newest_at


def _due_by_witness(waiting: Waiting) -> datetime | None:
    if waiting.witnessed_at is None:
        return None
    return waiting.witnessed_at + timedelta(days=waiting.days)
