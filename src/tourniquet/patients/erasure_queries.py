"""Which erasures somebody may see and decide about.

Invariants:
- An account of an organisation sees those of its own patients alone: every record of the person
  that still stands, not being merged into another one, is registered there.
- Once nobody is left whom an erasure is about, it sees what its organisation itself asked for.
- What it may not see is as not found.
"""

from __future__ import annotations

from django.db.models import Exists, OuterRef, Q, QuerySet

from tourniquet.directory.roles import Task, Viewer
from tourniquet.kernel.errors import NotFound
from tourniquet.patients.models import Patient
from tourniquet.patients.rules import MERGED
from tourniquet.record.emptying import people_of
from tourniquet.record.erasures import MOST
from tourniquet.record.models import Erasure, ErasureSubject, JournalEntry


def list_erasures_of(viewer: Viewer, *, limit: int = 50) -> list[Erasure]:
    """The erasures that this viewer may see, newest first."""
    found = _seen(viewer).order_by("-asked_at", "-id")
    return list(found[: min(limit, MOST)])


def get_erasure_of(viewer: Viewer, erasure_id: str) -> Erasure:
    """One erasure. Raises: NotFound, also where the viewer may not see it."""
    found = _seen(viewer).filter(pk=erasure_id).first()
    if found is None:
        raise NotFound("There is no such erasure, or none that you may see.")
    return found


def get_person(viewer: Viewer, patient_id: str) -> tuple[str, ...]:
    """Every id of a person for whose erasure this viewer may ask. Raises: NotFound.

    An id without a patient may have entries still, written while the person was being erased.
    """
    viewer.demand(Task.ASK_ERASURE)
    people = people_of(patient_id)
    seen = Patient.objects.filter(pk=patient_id).exists()
    if seen and viewer.organisation:
        standing = Patient.objects.filter(pk__in=people).exclude(state=MERGED)
        organisations = set(standing.values_list("registered_organisation", flat=True))
        seen = organisations == {viewer.organisation}
    elif not seen and not viewer.organisation:
        seen = JournalEntry.objects.filter(subject=patient_id, body__isnull=False).exists()
    if not seen:
        raise NotFound("There is no such patient, or none that you may see.")
    return people


def _seen(viewer: Viewer) -> QuerySet[Erasure]:
    viewer.demand(Task.ASK_ERASURE)
    found = Erasure.objects.all()
    if not viewer.organisation:
        return found
    subjects = ErasureSubject.objects.filter(erasure=OuterRef("pk"))
    standing = Patient.objects.filter(pk=OuterRef("patient_id")).exclude(state=MERGED)
    ours = standing.filter(registered_organisation=viewer.organisation)
    others = standing.exclude(registered_organisation=viewer.organisation)
    asked_here = JournalEntry.objects.filter(
        pk=OuterRef("asked_position"), organisation=viewer.organisation
    )
    return found.filter(
        (Q(Exists(subjects.filter(Exists(ours)))) & ~Q(Exists(subjects.filter(Exists(others)))))
        | (~Q(Exists(subjects)) & Q(Exists(asked_here)))
    )
