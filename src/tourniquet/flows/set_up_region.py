"""A region is set up: its organisations, places, couriers, laboratories, capacity and sessions.

1. List the organisations in the directory.
2. List zones, clinics, laboratories and couriers in the diary.
3. Declare capacity and open sessions, in batches that keep no writer waiting.

Invariants:
- Everything here replaces what was known under the same key: setting up twice changes nothing.
- No entry names a patient.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from tourniquet.diary.entries import (
    CapacityDeclared,
    CapacityRow,
    ClinicRow,
    ClinicsListed,
    CourierRow,
    CouriersListed,
    LaboratoriesListed,
    LaboratoryRow,
    SessionRow,
    SessionsOpened,
    ZoneRow,
    ZonesListed,
)
from tourniquet.directory.entries import OrganisationListed
from tourniquet.record.journal import Act, writing

ROWS_AT_ONCE = 3000  # rows of one transaction: well under a quarter of a second

T = TypeVar("T")


@dataclass(frozen=True)
class Region:
    """What a region consists of; any part may be empty."""

    organisations: Sequence[OrganisationListed] = ()
    zones: Sequence[ZoneRow] = ()
    clinics: Sequence[ClinicRow] = ()
    couriers: Sequence[CourierRow] = ()
    laboratories: Sequence[LaboratoryRow] = ()
    capacity: Sequence[CapacityRow] = ()
    sessions: Sequence[SessionRow] = ()


def set_up_region(region: Region, *, now: datetime, actor: str = "system") -> None:
    """Write a region down."""
    act = Act(actor, now)
    # 1. Organisations.
    for organisations in batches(region.organisations):
        with writing(act) as journal:
            for organisation in organisations:
                journal.append(organisation)
    # 2. Places and ways.
    with writing(act) as journal:
        if region.zones:
            journal.append(ZonesListed(rows=tuple(region.zones)))
        if region.clinics:
            journal.append(ClinicsListed(rows=tuple(region.clinics)))
        if region.laboratories:
            journal.append(LaboratoriesListed(rows=tuple(region.laboratories)))
    for couriers in batches(region.couriers):
        with writing(act) as journal:
            journal.append(CouriersListed(rows=tuple(couriers)))
    # 3. Days.
    for capacity in batches(region.capacity):
        with writing(act) as journal:
            journal.append(CapacityDeclared(rows=tuple(capacity)))
    for sessions in batches(region.sessions):
        with writing(act) as journal:
            journal.append(SessionsOpened(rows=tuple(sessions)))


def batches(rows: Sequence[T], size: int = ROWS_AT_ONCE) -> Iterator[Sequence[T]]:
    """Cut rows into pieces of one transaction each."""
    for start in range(0, len(rows), size):
        yield rows[start : start + size]
