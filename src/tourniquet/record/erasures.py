"""What the tables say of erasures: bounded reads.

Invariants:
- Whose an erasure is, is known only until it was carried out.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from tourniquet.kernel import settings
from tourniquet.kernel.errors import IntegrityError, NotFound
from tourniquet.record.entries import ErasureConcerns
from tourniquet.record.erasure_rules import (
    DAYS_LEAST,
    DAYS_MOST,
    DAYS_SETTING,
    OPEN,
    State,
    Waiting,
    due_at,
)
from tourniquet.record.models import Erasure, ErasureSubject, JournalEntry
from tourniquet.record.registry import get_kind
from tourniquet.record.witness import Witnessed, find_witness_key, find_witnessed

MOST = 500


def erasure_days() -> int:
    """How long an approved erasure waits. Raises: OperatorError naming the setting."""
    return settings.read_number(DAYS_SETTING, least=DAYS_LEAST, most=DAYS_MOST)


def get_erasure(erasure_id: str) -> Erasure:
    """One erasure. Raises: NotFound."""
    found = Erasure.objects.filter(pk=erasure_id).first()
    if found is None:
        raise NotFound("There is no such erasure.")
    return found


def list_erasures(
    *, states: Iterable[State] = tuple(State), limit: int = 50, offset: int = 0
) -> list[Erasure]:
    """Erasures in these states, newest first."""
    found = Erasure.objects.filter(state__in=list(states)).order_by("-asked_at", "-id")
    return list(found[offset : offset + min(limit, MOST)])


def list_subjects(erasure_id: str) -> list[str]:
    """The ids of the person whom an erasure takes; none once it was carried out."""
    rows = ErasureSubject.objects.filter(erasure=erasure_id).order_by("patient_id")
    return list(rows.values_list("patient_id", flat=True)[:MOST])


def find_open(patient_ids: Iterable[str]) -> Erasure | None:
    """The erasure that is asked for or approved for one of these ids, or None."""
    rows = ErasureSubject.objects.filter(patient_id__in=list(patient_ids)).values("erasure")
    return Erasure.objects.filter(pk__in=rows, state__in=OPEN).order_by("-asked_at").first()


def count_open() -> int:
    """How many erasures are asked for or approved."""
    return Erasure.objects.filter(state__in=OPEN).count()


def read_words(erasure_id: str) -> str:
    """What was written down about an erasure; "" once it was carried out."""
    row = ErasureSubject.objects.filter(erasure=erasure_id).order_by("position").first()
    entry = JournalEntry.objects.filter(pk=row.position).first() if row else None
    if entry is None or entry.body is None:
        return ""
    body = get_kind(entry.kind, entry.kind_version).decoder.decode(bytes(entry.body))
    return body.words if isinstance(body, ErasureConcerns) else ""


def find_due(erasure: Erasure) -> datetime | None:
    """When an approved erasure is due; None where it is not approved, or its witness has not
    seen that yet. Raises: OperatorError: the witness's key.
    """
    if State(erasure.state) is not State.APPROVED:
        return None
    try:
        newest = find_witnessed()
    except IntegrityError:
        newest = None
    return due_at(waiting_of(erasure, newest))


def waiting_of(erasure: Erasure, newest: Witnessed | None) -> Waiting:
    """What decides when an approved erasure is due. Raises: OperatorError: the witness's key."""
    assert erasure.approved_at is not None  # approved
    return Waiting(
        approved_at=erasure.approved_at,
        days=erasure.days,
        is_witness_pinned=find_witness_key() is not None,
        witnessed_at=erasure.witnessed_at,
        newest_at=newest.at if newest else None,
    )
