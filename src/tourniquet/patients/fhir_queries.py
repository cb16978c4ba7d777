"""Reads of the patient index for FHIR: bounded, scoped, in pages that neither repeat nor leave out.

Invariants:
- Every function takes a viewer first and demands that it may see clinical records.
- Pages run from the newest id to the oldest; what arrives between two pages is in neither, and
  what was there when the first was read is in exactly one.
- A doubtful identifier finds nobody.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import reduce
from operator import or_

from django.db.models import Exists, OuterRef, Q

from tourniquet.directory.roles import Task, Viewer
from tourniquet.patients.models import Identifier, Patient

PAGE_MOST = 500
COUNT_MOST = 10_000
SAME_PERSON_MOST = 500
_MERGE_DEPTH_MOST = 20


@dataclass(frozen=True, slots=True)
class Token:
    """A value and where it comes from: `system` None for anywhere, "" for nowhere named."""

    value: str
    system: str | None = None


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of time, its end not in it; None is open. `outside` turns it round."""

    start: datetime | None
    end: datetime | None
    outside: bool = False


@dataclass(frozen=True)
class PatientSearch:
    """What is looked for: each tuple's members all hold, of each inner one at least one."""

    ids: tuple[tuple[str, ...], ...] = ()
    identifiers: tuple[tuple[Token, ...], ...] = ()
    families: tuple[tuple[str, ...], ...] = ()
    born: tuple[tuple[date, ...], ...] = ()
    updated: tuple[tuple[Span, ...], ...] = ()


@dataclass(frozen=True)
class PatientPage:
    """One page; `total` is None where there are more than COUNT_MOST."""

    patients: list[Patient]
    identifiers: dict[str, list[Identifier]]
    more: bool
    total: int | None


def any_of(conditions: Sequence[Q]) -> Q:
    """One of them holds; there is at least one."""
    assert conditions, "an empty choice would find everything"
    return reduce(or_, conditions)


def spans(field: str, wanted: Iterable[Span]) -> Q:
    """Any of these stretches of time, for a column."""
    found = []
    for span in wanted:
        one = Q(**{f"{field}__isnull": False})
        if span.start is not None:
            one &= Q(**{f"{field}__gte": span.start})
        if span.end is not None:
            one &= Q(**{f"{field}__lt": span.end})
        found.append(~one if span.outside else one)
    return any_of(found)


def _identified(tokens: Iterable[Token]) -> Q:
    wanted = []
    for token in tokens:
        one = ~Q(state="doubtful")
        if token.value:
            one &= Q(value=token.value)
        if token.system is not None:
            one &= Q(system=token.system)
        wanted.append(one)
    return any_of(wanted)


def find_ids_by_identifier(viewer: Viewer, tokens: Sequence[Token]) -> frozenset[str]:
    """Ids of the patients with one of these identifiers; rows found by them are scoped later."""
    viewer.demand(Task.SEE_CLINICAL)
    found = Identifier.objects.filter(_identified(tokens)).values_list("patient_id", flat=True)
    return same_person(viewer, found[:SAME_PERSON_MOST])


def same_person(viewer: Viewer, ids: Iterable[str]) -> frozenset[str]:
    """These ids, and every id that was merged with one of them."""
    viewer.demand(Task.SEE_CLINICAL)
    return join_merged(ids)


def join_merged(ids: Iterable[str]) -> frozenset[str]:
    """The same, for whoever has been asked already what they may see."""
    found = set(ids)
    edge = set(found)
    for _ in range(_MERGE_DEPTH_MOST):
        if not edge or len(found) > SAME_PERSON_MOST:
            break
        rows = Patient.objects.filter(
            Q(merged_into__in=edge) | Q(pk__in=edge, merged_into__isnull=False)
        ).values_list("id", "merged_into")[:SAME_PERSON_MOST]
        edge = {name for row in rows for name in row if name} - found
        found |= edge
    return frozenset(found)


def list_patients(
    viewer: Viewer, search: PatientSearch, *, named: Q, before: str | None, limit: int
) -> PatientPage:
    """One page of patients, newest id first.

    `named` says which patients the viewer's organisation knows through clinical rows.
    """
    viewer.demand(Task.SEE_CLINICAL)
    wanted = Q()
    if viewer.organisation:
        wanted &= Q(registered_organisation=viewer.organisation) | named
    for ids in search.ids:
        wanted &= Q(pk__in=ids)
    for tokens in search.identifiers:
        rows = Identifier.objects.filter(_identified(tokens), patient_id=OuterRef("id"))
        if all(token.value for token in tokens):
            found = Identifier.objects.filter(_identified(tokens)).values("patient_id")
            wanted &= Q(pk__in=found)
        else:
            wanted &= Q(Exists(rows))
    for names in search.families:
        wanted &= any_of([Q(family_name__istartswith=name) for name in names])
    for days in search.born:
        wanted &= Q(birth_date__in=days)
    for stretch in search.updated:
        wanted &= spans("updated_at", stretch)
    limit = min(limit, PAGE_MOST)
    query = Patient.objects.filter(wanted)
    page = query if before is None else query.filter(pk__lt=before)
    patients = list(page.order_by("-id")[: limit + 1])
    total = query.order_by()[: COUNT_MOST + 1].count()
    more = len(patients) > limit
    patients = patients[:limit]
    return PatientPage(
        patients, _identifiers(patients), more, total if total <= COUNT_MOST else None
    )


def _identifiers(patients: Sequence[Patient]) -> dict[str, list[Identifier]]:
    found: dict[str, list[Identifier]] = {}
    rows = Identifier.objects.filter(patient_id__in=[patient.id for patient in patients])
    for identifier in rows.exclude(state="doubtful").order_by("patient_id", "position", "value"):
        found.setdefault(identifier.patient_id, []).append(identifier)
    return found
