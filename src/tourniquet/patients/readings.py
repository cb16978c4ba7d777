"""Who read whose record, when, why and from where: bounded reads of the table of readings.

Invariants:
- What is asked about others' readings takes a viewer and demands that it may see them.
- A viewer of an organisation sees readings by its own accounts, and of patients registered there.
- Pages run by position, newest first.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime

from django.db.models import Exists, OuterRef, Q, QuerySet

from tourniquet.directory.models import Account
from tourniquet.directory.roles import Task, Viewer
from tourniquet.patients.fhir_queries import Span, join_merged, spans
from tourniquet.patients.grounds import GLASS, Why
from tourniquet.patients.models import (
    BrokenGlass,
    Canary,
    ExportAllowance,
    ExportStop,
    Patient,
    Reading,
    ReadingDay,
)
from tourniquet.patients.queries import holders_of
from tourniquet.patients.rules import MERGED
from tourniquet.record.erasure_rules import State
from tourniquet.record.models import Erasure
from tourniquet.record.tables import IN_MOST, select_in

PAGE_MOST = 500
CANARIES_MOST = 500
_CARRIED_OUT = (State.CARRIED_OUT.value, State.FINISHED.value)


@dataclass(frozen=True)
class ReadingSearch:
    """Which readings: each tuple's members all hold, of each inner one at least one."""

    positions: tuple[tuple[int, ...], ...] = ()
    patients: tuple[frozenset[str], ...] = ()
    accounts: tuple[tuple[str, ...], ...] = ()
    times: tuple[tuple[Span, ...], ...] = ()


def _seen(viewer: Viewer) -> QuerySet[Reading]:
    viewer.demand(Task.SEE_ACCESS)
    if not viewer.organisation:
        return Reading.objects.all()
    ours = Patient.objects.filter(
        pk=OuterRef("patient_id"), registered_organisation=viewer.organisation
    )
    return Reading.objects.filter(Q(organisation=viewer.organisation) | Q(Exists(ours)))


def list_readings(
    viewer: Viewer, search: ReadingSearch, *, before: int | None = None, limit: int = 50
) -> list[Reading]:
    """One page of readings, newest entry first."""
    found = _seen(viewer)
    for positions in search.positions:
        found = found.filter(pk__in=positions)
    for patients in search.patients:
        found = found.filter(patient_id__in=sorted(patients))
    for accounts in search.accounts:
        found = found.filter(account__in=accounts)
    for stretches in search.times:
        found = found.filter(spans("at", stretches))
    if before is not None:
        found = found.filter(position__lt=before)
    return list(found.order_by("-position")[: min(limit, PAGE_MOST + 1)])


def list_holders(viewer: Viewer, number: str) -> list[str]:
    """Ids of the patients who have this number today, for whoever asks who opened their record."""
    viewer.demand(Task.SEE_ACCESS)
    found = Patient.objects.filter(pk__in=holders_of(number)).exclude(state=MERGED)
    return list(found.order_by("pk").values_list("pk", flat=True)[:PAGE_MOST])


def list_ids_of(viewer: Viewer, patient_id: str) -> frozenset[str]:
    """Every id under which a person's record was read; empty where there is no such patient."""
    viewer.demand(Task.SEE_ACCESS)
    if not Patient.objects.filter(pk=patient_id).exists():
        return frozenset()
    return join_merged({patient_id})


def list_broken(viewer: Viewer, *, limit: int = 20) -> list[BrokenGlass]:
    """Reasons that accounts gave for opening records without a tie, newest first."""
    viewer.demand(Task.SEE_ACCESS)
    found = BrokenGlass.objects.all()
    if viewer.organisation:
        ours = Account.objects.filter(organisation=viewer.organisation)
        found = found.filter(account__in=ours.values("name"))
    return list(found.order_by("-position")[: min(limit, PAGE_MOST)])


def find_reasons(account: str, patient_ids: Iterable[str], *, now: datetime) -> dict[str, Why]:
    """Why this account opens these records, where it said so and that still holds; the newest."""
    found: dict[str, Why] = {}
    wanted = sorted(set(patient_ids))
    for start in range(0, len(wanted), IN_MOST):
        rows = BrokenGlass.objects.filter(
            account=account, until__gt=now, patient_id__in=wanted[start : start + IN_MOST]
        )
        for patient, reason, words in rows.order_by("position").values_list(
            "patient_id", "reason", "words"
        ):
            found[patient] = Why(GLASS, reason, words)
    return found


def count_read(account: str, day: date, *, most: int) -> int:
    """How many people's records the account read on a service day; counts to `most` at most."""
    read = ReadingDay.objects.filter(account=account, day=day).values("patient_id")[:most]
    return read.count()


def count_reasons(account: str, since: datetime, *, most: int, without: str | None = None) -> int:
    """For how many people's records the account gave a reason since then; to `most` at most.

    `without` leaves one of them out.
    """
    found = BrokenGlass.objects.filter(account=account, at__gte=since)
    if without is not None:
        found = found.exclude(patient_id=without)
    return found.values("patient_id").distinct()[:most].count()


def list_read(account: str, day: date, patient_ids: Iterable[str]) -> set[str]:
    """Those of these patients whose record the account read on that day."""
    wanted = sorted(set(patient_ids))
    found: set[str] = set()
    for start in range(0, len(wanted), IN_MOST):
        part = wanted[start : start + IN_MOST]
        rows = ReadingDay.objects.filter(account=account, day=day, patient_id__in=part)
        found.update(rows.values_list("patient_id", flat=True))
    return found


def list_there(patient_ids: Iterable[str]) -> set[str]:
    """Those of these patients who are in the index; an erased person is not.

    Whoever writes about patients whom they found before they had the journal's lock asks again.
    """
    rows = select_in(Patient, ("id",), "id", sorted(set(patient_ids)))
    return {str(row[0]) for row in rows}


def list_erased(patient_ids: Iterable[str]) -> set[str]:
    """Those of these people who were erased: not in the index, once anybody was erased at all.

    Who was erased is written nowhere. Where nobody was, an id that is not in the index is of
    somebody whom a restore lost.
    """
    wanted = set(patient_ids)
    gone = wanted - list_there(wanted)
    if not gone or not Erasure.objects.filter(state__in=_CARRIED_OUT).exists():
        return set()
    return gone


def list_canaries_among(patient_ids: Iterable[str]) -> dict[str, int]:
    """Those of these patients whose record nobody should read, with the entry that says so."""
    rows = select_in(Canary, ("patient_id", "position", "on"), "patient_id", patient_ids)
    return {row[0]: row[1] for row in rows if row[2]}


def list_canaries(viewer: Viewer) -> list[Canary]:
    """The records that nobody should read, newest first."""
    viewer.demand(Task.GUARD_ACCESS)
    return list(Canary.objects.filter(on=True).order_by("-position")[:CANARIES_MOST])


def is_canary(viewer: Viewer, patient_id: str) -> bool:
    """Whether nobody should read this record."""
    viewer.demand(Task.GUARD_ACCESS)
    return Canary.objects.filter(pk=patient_id, on=True).exists()


def is_allowed(account: str, *, now: datetime) -> bool:
    """Whether an administrator lifted the limit for this account."""
    return ExportAllowance.objects.filter(account=account, until__gt=now).exists()


def find_stop(account: str, day: date) -> ExportStop | None:
    """That the account was stopped on a service day, or None."""
    return ExportStop.objects.filter(account=account, day=day).first()


def get_stop_at(position: int | None) -> ExportStop | None:
    """The stop that stands at an entry, or None."""
    return ExportStop.objects.filter(position=position).first() if position else None


def find_account_at(position: int | None) -> str:
    """The account that a reading, a reason or a stop at an entry is about; "" where it is none."""
    stop = get_stop_at(position)
    if stop is not None:
        return stop.account
    for model in (Reading, BrokenGlass):
        found = model.objects.filter(pk=position or 0).values_list("account", flat=True).first()
        if found:
            return str(found)
    return ""
