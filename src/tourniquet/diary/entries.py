"""Bodies of the diary's entries: the region's places, capacity, needs, appointments, the gate.

Invariants:
- Every body holds decided facts, identifiers included; `apply` only writes them down.
- What happens to many patients is one entry a patient.
"""

from __future__ import annotations

from datetime import date, datetime, time

import msgspec

from tourniquet.record.registry import Body, kind


class Row(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """One line of a bulk body, kept as an array."""


class ZoneRow(Row, frozen=True):
    """A part of a borough."""

    zone: str
    borough: str
    x_km: float
    y_km: float


class ClinicRow(Row, frozen=True):
    """A place where specimens are taken; its code is its organisation's."""

    code: str
    zone: str
    x_km: float
    y_km: float


class CourierRow(Row, frozen=True):
    """Hours from a clinic to a laboratory."""

    clinic: str
    laboratory: str
    hours: float


class LaboratoryRow(Row, frozen=True):
    """A laboratory of the region, or one that helps."""

    code: str
    own: bool


class CapacityRow(Row, frozen=True):
    """Tubes of one discipline that a laboratory can take on a service day, beside the normal."""

    laboratory: str
    discipline: str
    day: date
    tubes: int
    normal_tubes: int
    flag: str
    source: str


class SessionRow(Row, frozen=True):
    """A clinic's hours on a service day."""

    id: str
    clinic: str
    day: date
    starts_at: time
    minutes_each: int
    seats: int


@kind("zones.listed", patient=False)
class ZonesListed(Body, frozen=True):
    """Zones as they now are; others stay."""

    rows: tuple[ZoneRow, ...]


@kind("clinics.listed", patient=False)
class ClinicsListed(Body, frozen=True):
    """Clinics as they now are; others stay."""

    rows: tuple[ClinicRow, ...]


@kind("couriers.listed", patient=False)
class CouriersListed(Body, frozen=True):
    """Couriers as they now are; others stay."""

    rows: tuple[CourierRow, ...]


@kind("laboratories.listed", patient=False)
class LaboratoriesListed(Body, frozen=True):
    """Laboratories as they now are; others stay."""

    rows: tuple[LaboratoryRow, ...]


@kind("capacity.declared", patient=False)
class CapacityDeclared(Body, frozen=True):
    """What laboratories say that they can take, day by day; it replaces what was known."""

    rows: tuple[CapacityRow, ...]


@kind("sessions.opened", patient=False)
class SessionsOpened(Body, frozen=True):
    """Sessions with their seats; the newest word on a session stands."""

    rows: tuple[SessionRow, ...]


@kind("session.closed", patient=False)
class SessionClosed(Body, frozen=True):
    """No more is booked in this session."""

    session: str
    reason: str = ""


@kind("need.opened", patient=True)
class NeedOpened(Body, frozen=True):
    """The subject needs a visit for specimens."""

    need: str
    requisition: str
    indication: str
    priority: str
    zone: str
    released: date
    due: date
    safe_until: date
    harm_per_day: float
    escalates_on: date | None
    escalated_harm_per_day: float
    stability_hours: float
    travel_km: float
    tubes: str
    review_on: date | None = None
    reason: str = ""
    service_requests: tuple[str, ...] = ()
    requesting_organisation: str = ""
    registered_organisation: str = ""


@kind("need.extended", patient=True)
class NeedExtended(Body, frozen=True):
    """More was asked for on the same form before the visit; the tightest of both now holds."""

    need: str
    indication: str
    priority: str
    released: date
    due: date
    safe_until: date
    harm_per_day: float
    escalates_on: date | None
    escalated_harm_per_day: float
    stability_hours: float
    travel_km: float
    tubes: str
    service_requests: tuple[str, ...] = ()


@kind("need.deferred", patient=True)
class NeedDeferred(Body, frozen=True):
    """No date yet; the subject hears again by the review day."""

    need: str
    review_on: date
    reason: str
    plan: str | None = None


@kind("need.redirected", patient=True)
class NeedRedirected(Body, frozen=True):
    """Sent by the emergency route: same-day hospital care, never a queue."""

    need: str
    reason: str
    appointment: str | None = None
    plan: str | None = None


@kind("need.withdrawn", patient=True)
class NeedWithdrawn(Body, frozen=True):
    """Nobody needs this visit any more."""

    need: str
    reason: str
    appointment: str | None = None


@kind("need.collected", patient=True)
class NeedCollected(Body, frozen=True):
    """The specimens were taken: the visit happened. `gated` is false where nothing was reserved."""

    need: str
    collected_at: datetime
    collected_on: date
    clinic: str
    appointment: str | None = None
    gated: bool = True


@kind("appointment.booked", patient=True)
class AppointmentBooked(Body, frozen=True):
    """A place in a session for a need that had none."""

    appointment: str
    need: str
    clinic: str
    day: date
    at: time
    laboratory: str
    reason: str = ""
    plan: str | None = None
    requesting_organisation: str = ""
    registered_organisation: str = ""


@kind("appointment.moved", patient=True)
class AppointmentMoved(Body, frozen=True):
    """A place in another session instead of the one that the need had."""

    appointment: str
    was: str
    need: str
    clinic: str
    day: date
    at: time
    laboratory: str
    reason: str
    plan: str | None = None
    requesting_organisation: str = ""
    registered_organisation: str = ""


@kind("appointment.rerouted", patient=True)
class AppointmentRerouted(Body, frozen=True):
    """Same place and time; the specimens go to another laboratory."""

    appointment: str
    laboratory: str
    need: str
    plan: str | None = None


@kind("appointment.cancelled", patient=True)
class AppointmentCancelled(Body, frozen=True):
    """The place is given up; the subject hears by the review day."""

    appointment: str
    need: str
    review_on: date
    reason: str
    plan: str | None = None


@kind("appointment.missed", patient=True)
class AppointmentMissed(Body, frozen=True):
    """The subject did not come; the need waits again."""

    appointment: str
    need: str
    review_on: date
    reason: str = "did not come"


@kind("appointment.turned_away", patient=True)
class AppointmentTurnedAway(Body, frozen=True):
    """The gate refused, before the journey: no laboratory, courier or time for the specimens."""

    appointment: str
    need: str
    clinic: str
    laboratory: str
    day: date
    tubes: str
    courier_hours: float
    stability_hours: float
    review_on: date
    reason: str


@kind("gate.reserved", patient=True)
class GateReserved(Body, frozen=True):
    """Laboratory and courier are reserved within the specimens' stability: come."""

    appointment: str
    need: str
    clinic: str
    laboratory: str
    day: date
    tubes: str
    courier_hours: float
    stability_hours: float


@kind("gate.overtaken", patient=True)
class GateOvertaken(Body, frozen=True):
    """A later failure kept specimens from being processed: they must be taken again."""

    appointment: str
    need: str
    review_on: date
    reason: str


@kind("work.done", patient=False)
class WorkDone(Body, frozen=True):
    """A job of a service day is done, or has come as far as a position of the journal."""

    job: str
    day: date
    up_to: int = 0
    count: int = 0
    note: str = ""
