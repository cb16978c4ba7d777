"""The only writer of the diary's tables."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from django.db import models

from tourniquet.diary import entries as bodies
from tourniquet.diary.models import (
    Appointment,
    AppointmentEvent,
    Clinic,
    Courier,
    GateReservation,
    Laboratory,
    LaboratoryDay,
    Need,
    NeedRequest,
    Session,
    Work,
    Zone,
)
from tourniquet.record.registry import Entry, applies
from tourniquet.record.tables import insert_rows, put_rows, update_rows

# Places and capacity ----------------------------------------------------------------------------


@applies(bodies.ZonesListed)
def zones_listed(entries: Sequence[Entry[bodies.ZonesListed]]) -> None:
    """One row for each zone; the newest listing stands."""
    put_rows(
        Zone,
        ("zone", "borough", "x_km", "y_km", "position"),
        [(r.zone, r.borough, r.x_km, r.y_km, e.position) for e in entries for r in e.body.rows],
        key=("zone",),
    )


@applies(bodies.ClinicsListed)
def clinics_listed(entries: Sequence[Entry[bodies.ClinicsListed]]) -> None:
    """One row for each clinic; the newest listing stands."""
    put_rows(
        Clinic,
        ("code", "zone", "x_km", "y_km", "position"),
        [(r.code, r.zone, r.x_km, r.y_km, e.position) for e in entries for r in e.body.rows],
        key=("code",),
    )


@applies(bodies.CouriersListed)
def couriers_listed(entries: Sequence[Entry[bodies.CouriersListed]]) -> None:
    """One row for each clinic and laboratory; the newest listing stands."""
    put_rows(
        Courier,
        ("clinic", "laboratory", "hours", "position"),
        [(r.clinic, r.laboratory, r.hours, e.position) for e in entries for r in e.body.rows],
        key=("clinic", "laboratory"),
    )


@applies(bodies.LaboratoriesListed)
def laboratories_listed(entries: Sequence[Entry[bodies.LaboratoriesListed]]) -> None:
    """One row for each laboratory; the newest listing stands."""
    put_rows(
        Laboratory,
        ("code", "own", "position"),
        [(r.code, r.own, e.position) for e in entries for r in e.body.rows],
        key=("code",),
    )


@applies(bodies.CapacityDeclared)
def capacity_declared(entries: Sequence[Entry[bodies.CapacityDeclared]]) -> None:
    """One row for each laboratory, discipline and day; the newest word stands."""
    put_rows(
        LaboratoryDay,
        (
            "laboratory",
            "discipline",
            "day",
            "tubes",
            "normal_tubes",
            "flag",
            "source",
            "declared_at",
            "position",
        ),
        [
            (
                r.laboratory,
                r.discipline,
                r.day,
                r.tubes,
                r.normal_tubes,
                r.flag,
                r.source,
                e.recorded_at,
                e.position,
            )
            for e in entries
            for r in e.body.rows
        ],
        key=("laboratory", "discipline", "day"),
    )


@applies(bodies.SessionsOpened)
def sessions_opened(entries: Sequence[Entry[bodies.SessionsOpened]]) -> None:
    """One row for each session; the newest word stands."""
    put_rows(
        Session,
        ("id", "clinic", "day", "starts_at", "minutes_each", "seats", "state", "position"),
        [
            (r.id, r.clinic, r.day, r.starts_at, r.minutes_each, r.seats, "open", e.position)
            for e in entries
            for r in e.body.rows
        ],
        key=("id",),
    )


@applies(bodies.SessionClosed)
def session_closed(entries: Sequence[Entry[bodies.SessionClosed]]) -> None:
    """Nothing more is booked in it."""
    _set(Session, ("state",), [("closed", e.position, e.body.session) for e in entries])


# Needs ------------------------------------------------------------------------------------------

_OPENED = (
    "id",
    "patient_id",
    "requisition",
    "indication",
    "priority",
    "zone",
    "released",
    "due",
    "safe_until",
    "harm_per_day",
    "escalates_on",
    "escalated_harm_per_day",
    "stability_hours",
    "travel_km",
    "tubes",
    "status",
    "appointment_id",
    "review_on",
    "reason",
    "plan_id",
    "collected_on",
    "requesting_organisation",
    "registered_organisation",
    "opened_at",
    "updated_at",
    "position",
)


@applies(bodies.NeedOpened)
def need_opened(entries: Sequence[Entry[bodies.NeedOpened]]) -> None:
    """One row, waiting."""
    insert_rows(
        Need,
        _OPENED,
        [
            (
                e.body.need,
                e.subject,
                e.body.requisition,
                e.body.indication,
                e.body.priority,
                e.body.zone,
                e.body.released,
                e.body.due,
                e.body.safe_until,
                e.body.harm_per_day,
                e.body.escalates_on,
                e.body.escalated_harm_per_day,
                e.body.stability_hours,
                e.body.travel_km,
                e.body.tubes,
                "waiting",
                None,
                e.body.review_on,
                e.body.reason,
                None,
                None,
                e.body.requesting_organisation,
                e.body.registered_organisation,
                e.recorded_at,
                e.recorded_at,
                e.position,
            )
            for e in entries
        ],
    )
    _link_requests(entries)


@applies(bodies.NeedExtended)
def need_extended(entries: Sequence[Entry[bodies.NeedExtended]]) -> None:
    """The need as it now is."""
    update_rows(
        Need,
        (
            "indication",
            "priority",
            "released",
            "due",
            "safe_until",
            "harm_per_day",
            "escalates_on",
            "escalated_harm_per_day",
            "stability_hours",
            "travel_km",
            "tubes",
            "updated_at",
            "position",
        ),
        [
            (
                e.body.indication,
                e.body.priority,
                e.body.released,
                e.body.due,
                e.body.safe_until,
                e.body.harm_per_day,
                e.body.escalates_on,
                e.body.escalated_harm_per_day,
                e.body.stability_hours,
                e.body.travel_km,
                e.body.tubes,
                e.recorded_at,
                e.position,
                e.body.need,
            )
            for e in entries
        ],
        key=("id",),
    )
    _link_requests(entries)


def _link_requests(
    entries: Sequence[Entry[bodies.NeedOpened]] | Sequence[Entry[bodies.NeedExtended]],
) -> None:
    put_rows(
        NeedRequest,
        ("need_id", "service_request_id"),
        [(e.body.need, one) for e in entries for one in e.body.service_requests],
        key=("need_id", "service_request_id"),
    )


_WAITS = ("status", "appointment_id", "review_on", "reason", "plan_id", "updated_at", "position")


@applies(bodies.NeedDeferred)
def need_deferred(entries: Sequence[Entry[bodies.NeedDeferred]]) -> None:
    """It waits, with the day on which its patient hears."""
    _wait_by_plan(entries)


@applies(bodies.NeedRedirected)
def need_redirected(entries: Sequence[Entry[bodies.NeedRedirected]]) -> None:
    """The emergency route has it; an appointment it had is given up."""
    update_rows(
        Need,
        _WAITS,
        [
            (
                "emergency",
                None,
                None,
                e.body.reason,
                e.body.plan,
                e.recorded_at,
                e.position,
                e.body.need,
            )
            for e in entries
        ],
        key=("id",),
    )
    _end_appointments("cancelled", ((e, e.body.appointment, e.body.reason) for e in entries))


@applies(bodies.NeedWithdrawn)
def need_withdrawn(entries: Sequence[Entry[bodies.NeedWithdrawn]]) -> None:
    """Nothing more is planned for it; an appointment it had is given up."""
    update_rows(
        Need,
        ("status", "appointment_id", "review_on", "reason", "updated_at", "position"),
        [
            ("withdrawn", None, None, e.body.reason, e.recorded_at, e.position, e.body.need)
            for e in entries
        ],
        key=("id",),
    )
    _end_appointments("cancelled", ((e, e.body.appointment, e.body.reason) for e in entries))


@applies(bodies.NeedCollected)
def need_collected(entries: Sequence[Entry[bodies.NeedCollected]]) -> None:
    """Collected; the appointment attended; what the gate reserved is used."""
    update_rows(
        Need,
        ("status", "collected_on", "review_on", "updated_at", "position"),
        [
            ("collected", e.body.collected_on, None, e.recorded_at, e.position, e.body.need)
            for e in entries
        ],
        key=("id",),
    )
    _end_appointments("attended", ((e, e.body.appointment, "") for e in entries), gate="used")


# Appointments -----------------------------------------------------------------------------------

_BOOKED = (
    "id",
    "need_id",
    "patient_id",
    "clinic",
    "day",
    "at",
    "laboratory",
    "status",
    "moved_to",
    "reason",
    "plan_id",
    "requesting_organisation",
    "registered_organisation",
    "booked_at",
    "updated_at",
    "position",
)
_EVENT = ("appointment_id", "position", "status", "at", "actor", "reason")


def _book(
    entries: Sequence[Entry[bodies.AppointmentBooked]] | Sequence[Entry[bodies.AppointmentMoved]],
) -> None:
    insert_rows(
        Appointment,
        _BOOKED,
        [
            (
                e.body.appointment,
                e.body.need,
                e.subject,
                e.body.clinic,
                e.body.day,
                e.body.at,
                e.body.laboratory,
                "booked",
                None,
                e.body.reason,
                e.body.plan,
                e.body.requesting_organisation,
                e.body.registered_organisation,
                e.recorded_at,
                e.recorded_at,
                e.position,
            )
            for e in entries
        ],
    )
    update_rows(
        Need,
        _WAITS,
        [
            (
                "booked",
                e.body.appointment,
                None,
                e.body.reason,
                e.body.plan,
                e.recorded_at,
                e.position,
                e.body.need,
            )
            for e in entries
        ],
        key=("id",),
    )
    insert_rows(
        AppointmentEvent,
        _EVENT,
        [
            (e.body.appointment, e.position, "booked", e.recorded_at, e.actor, e.body.reason)
            for e in entries
        ],
    )


@applies(bodies.AppointmentBooked)
def appointment_booked(entries: Sequence[Entry[bodies.AppointmentBooked]]) -> None:
    """A new appointment; the need is booked."""
    _book(entries)


@applies(bodies.AppointmentMoved)
def appointment_moved(entries: Sequence[Entry[bodies.AppointmentMoved]]) -> None:
    """The old one is moved, with its successor named; a new one stands.

    New ones first: the next entry of the same run may move one of them on.
    """
    _book(entries)
    update_rows(
        Appointment,
        ("status", "moved_to", "updated_at", "position"),
        [("moved", e.body.appointment, e.recorded_at, e.position, e.body.was) for e in entries],
        key=("id",),
    )
    _release("released", [(e.position, e.body.was) for e in entries])
    insert_rows(
        AppointmentEvent,
        _EVENT,
        [(e.body.was, e.position, "moved", e.recorded_at, e.actor, e.body.reason) for e in entries],
    )


@applies(bodies.AppointmentRerouted)
def appointment_rerouted(entries: Sequence[Entry[bodies.AppointmentRerouted]]) -> None:
    """Another laboratory; the patient's date stands."""
    update_rows(
        Appointment,
        ("laboratory", "updated_at", "position"),
        [(e.body.laboratory, e.recorded_at, e.position, e.body.appointment) for e in entries],
        key=("id",),
    )
    insert_rows(
        AppointmentEvent,
        _EVENT,
        [
            (
                e.body.appointment,
                e.position,
                "booked",
                e.recorded_at,
                e.actor,
                f"specimens go to {e.body.laboratory}",
            )
            for e in entries
        ],
    )


@applies(bodies.AppointmentCancelled)
def appointment_cancelled(entries: Sequence[Entry[bodies.AppointmentCancelled]]) -> None:
    """The place is free; the need waits with a review day."""
    _wait_by_plan(entries)
    _end_appointments("cancelled", ((e, e.body.appointment, e.body.reason) for e in entries))


@applies(bodies.AppointmentMissed)
def appointment_missed(entries: Sequence[Entry[bodies.AppointmentMissed]]) -> None:
    """The place was not used; the need waits with a review day."""
    _wait_again(entries)
    _end_appointments("missed", ((e, e.body.appointment, e.body.reason) for e in entries))


@applies(bodies.AppointmentTurnedAway)
def appointment_turned_away(entries: Sequence[Entry[bodies.AppointmentTurnedAway]]) -> None:
    """The gate refused; the need waits with a review day."""
    _wait_again(entries)
    _end_appointments("turned_away", ((e, e.body.appointment, e.body.reason) for e in entries))
    _put_gate([(e, "refused", e.body.reason) for e in entries])


# The gate ---------------------------------------------------------------------------------------


@applies(bodies.GateReserved)
def gate_reserved(entries: Sequence[Entry[bodies.GateReserved]]) -> None:
    """Reserved; the appointment names the laboratory that takes the specimens."""
    _put_gate([(e, "reserved", "") for e in entries])
    update_rows(
        Appointment,
        ("laboratory",),
        [(e.body.laboratory, e.body.appointment) for e in entries],
        key=("id",),
    )


@applies(bodies.GateOvertaken)
def gate_overtaken(entries: Sequence[Entry[bodies.GateOvertaken]]) -> None:
    """Passed rightly, and yet not processed: the need waits again."""
    update_rows(
        Need,
        (
            "status",
            "appointment_id",
            "collected_on",
            "review_on",
            "reason",
            "updated_at",
            "position",
        ),
        [
            (
                "waiting",
                None,
                None,
                e.body.review_on,
                e.body.reason,
                e.recorded_at,
                e.position,
                e.body.need,
            )
            for e in entries
        ],
        key=("id",),
    )
    update_rows(
        GateReservation,
        ("status", "reason", "position"),
        [("overtaken", e.body.reason, e.position, e.body.appointment) for e in entries],
        key=("appointment_id",),
    )


_GATE = (
    "appointment_id",
    "need_id",
    "patient_id",
    "clinic",
    "laboratory",
    "day",
    "tubes",
    "courier_hours",
    "stability_hours",
    "status",
    "reason",
    "decided_at",
    "position",
)


def _put_gate(
    decided: Sequence[
        tuple[Entry[bodies.GateReserved], str, str]
        | tuple[Entry[bodies.AppointmentTurnedAway], str, str]
    ],
) -> None:
    put_rows(
        GateReservation,
        _GATE,
        [
            (
                e.body.appointment,
                e.body.need,
                e.subject,
                e.body.clinic,
                e.body.laboratory,
                e.body.day,
                e.body.tubes,
                e.body.courier_hours,
                e.body.stability_hours,
                status,
                reason,
                e.recorded_at,
                e.position,
            )
            for e, status, reason in decided
        ],
        key=("appointment_id",),
    )


# Work -------------------------------------------------------------------------------------------


@applies(bodies.WorkDone)
def work_done(entries: Sequence[Entry[bodies.WorkDone]]) -> None:
    """One row for each job and day; the newest word stands."""
    put_rows(
        Work,
        ("job", "day", "done_at", "up_to", "count", "note", "position"),
        [
            (
                e.body.job,
                e.body.day,
                e.recorded_at,
                e.body.up_to,
                e.body.count,
                e.body.note,
                e.position,
            )
            for e in entries
        ],
        key=("job", "day"),
    )


# What several kinds do alike --------------------------------------------------------------------


def _set(model: type[models.Model], names: tuple[str, ...], rows: list[tuple[object, ...]]) -> None:
    update_rows(model, (*names, "position"), rows, key=("id",))


def _wait_by_plan(
    entries: Sequence[Entry[bodies.NeedDeferred]] | Sequence[Entry[bodies.AppointmentCancelled]],
) -> None:
    """Needs wait with a review day, for a reason that a plan may have given."""
    update_rows(
        Need,
        _WAITS,
        [
            (
                "waiting",
                None,
                e.body.review_on,
                e.body.reason,
                e.body.plan,
                e.recorded_at,
                e.position,
                e.body.need,
            )
            for e in entries
        ],
        key=("id",),
    )


def _wait_again(
    entries: Sequence[Entry[bodies.AppointmentMissed]]
    | Sequence[Entry[bodies.AppointmentTurnedAway]],
) -> None:
    """Needs whose day came to nothing wait with a review day; the plan that set it stands."""
    update_rows(
        Need,
        ("status", "appointment_id", "review_on", "reason", "updated_at", "position"),
        [
            (
                "waiting",
                None,
                e.body.review_on,
                e.body.reason,
                e.recorded_at,
                e.position,
                e.body.need,
            )
            for e in entries
        ],
        key=("id",),
    )


def _release(status: str, rows: list[tuple[int, str]]) -> None:
    """What the gate had reserved for these appointments, if anything, is used or free again."""
    update_rows(
        GateReservation,
        ("status", "position"),
        [(status, position, appointment) for position, appointment in rows],
        key=("appointment_id",),
    )


def _end_appointments(
    status: str,
    ended: Iterable[tuple[Entry[Any], str | None, str]],
    *,
    gate: str = "released",
) -> None:
    """Give appointments their last status; those without one have nothing to end."""
    known = [(e, appointment, why) for e, appointment, why in ended if appointment is not None]
    update_rows(
        Appointment,
        ("status", "reason", "updated_at", "position"),
        [(status, why, e.recorded_at, e.position, appointment) for e, appointment, why in known],
        key=("id",),
    )
    _release(gate, [(e.position, appointment) for e, appointment, _ in known])
    insert_rows(
        AppointmentEvent,
        _EVENT,
        [
            (appointment, e.position, status, e.recorded_at, e.actor, why)
            for e, appointment, why in known
        ],
    )
