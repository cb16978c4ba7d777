"""A record's needs, appointments and notices, from rows to what the page shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tourniquet.diary.models import Appointment, Need
from tourniquet.diary.page_queries import Visits
from tourniquet.directory.models import Organisation
from tourniquet.kernel.clock import london_time
from tourniquet.notices.models import Notice
from tourniquet.web import addresses
from tourniquet.web.presenters.patients import AppointmentRow, NextDate, NoticeRow
from tourniquet.web.views.people import indication_words

_OPEN = ("waiting", "booked", "emergency")
STATUS_WORDS = {
    "booked": "Booked",
    "moved": "Moved to another date",
    "cancelled": "Cancelled",
    "attended": "Came, samples taken",
    "missed": "Did not come",
    "turned_away": "Told not to come",
}
NOTICE_WORDS = {
    "written": "Written, not sent yet",
    "sending": "Being sent",
    "delivered": "Delivered",
    "failed_for_now": "Did not arrive, will be tried again",
    "failed_for_good": "Could not be delivered",
    "call_list": "On the practice's list to call",
    "told": "Told",
    "superseded": "Replaced by a later one before it was sent",
}
CHANNEL_WORDS = {"text": "Text message", "letter": "Letter", "call_list": "Phone call"}
ABOUT_WORDS = {
    "appointment_moved": "Appointment moved",
    "appointment_deferred": "No date yet",
    "appointment_booked": "New appointment",
    "appointment_kept_reassurance": "Appointment goes ahead",
    "turned_away_today": "Do not come today",
    "attend_emergency_route": "Emergency route",
}


def describe_next(visits: Visits, places: Mapping[str, Organisation]) -> tuple[NextDate, ...]:
    """What the patient waits for, the most urgent first."""
    by_id = {one.id: one for one in visits.appointments}
    rows = sorted(
        (need for need in visits.needs if need.status in _OPEN),
        key=lambda need: (need.priority, need.due),
    )
    return tuple(_next(need, by_id.get(need.appointment_id or ""), places) for need in rows)


def _next(need: Need, booked: Appointment | None, places: Mapping[str, Organisation]) -> NextDate:
    words = indication_words(need.indication)
    if booked is not None and need.status == "booked":
        place = places.get(booked.clinic)
        return NextDate(
            words,
            need.priority,
            starts_at=london_time(booked.day, booked.at.hour, booked.at.minute),
            clinic=place.name if place else booked.clinic,
            address=place.address if place else "",
            reason=need.reason,
        )
    return NextDate(
        words,
        need.priority,
        tell_by=need.review_on,
        reason=need.reason,
        emergency=need.status == "emergency",
    )


def describe_appointments(
    visits: Visits,
    notices: Sequence[Notice],
    places: Mapping[str, Organisation],
    *,
    links: bool,
) -> tuple[AppointmentRow, ...]:
    """Appointments with what became of them, and whether the patient was told."""
    needs = {need.id: need for need in visits.needs}
    told = {one.appointment_id: one for one in reversed(notices) if one.appointment_id}
    return tuple(
        _appointment(one, needs.get(one.need_id), told.get(one.id), places, visits, links=links)
        for one in visits.appointments
    )


def _appointment(
    one: Appointment,
    need: Need | None,
    notice: Notice | None,
    places: Mapping[str, Organisation],
    visits: Visits,
    *,
    links: bool,
) -> AppointmentRow:
    place = places.get(one.clinic)
    events = visits.events.get(one.id, ())
    history = "; ".join(
        f"{STATUS_WORDS.get(event.status, event.status)}: {event.reason}"
        for event in events
        if event.reason
    )
    return AppointmentRow(
        starts_at=london_time(one.day, one.at.hour, one.at.minute),
        clinic=place.name if place else one.clinic,
        address=place.address if place else "",
        indication=indication_words(need.indication) if need else "",
        status=STATUS_WORDS.get(one.status, one.status),
        why=history or one.reason,
        told=NOTICE_WORDS.get(notice.status, notice.status) if notice else "No notice",
        href=addresses.entry(one.position) if links else "",
    )


def describe_notices(notices: Sequence[Notice], *, links: bool) -> tuple[NoticeRow, ...]:
    """What was sent, or tried."""
    return tuple(
        NoticeRow(
            at=one.written_at,
            kind=ABOUT_WORDS.get(one.kind, one.kind.replace("_", " ").capitalize()),
            channel=CHANNEL_WORDS.get(one.channel, one.channel),
            status=NOTICE_WORDS.get(one.status, one.status),
            text=one.text,
            href=addresses.entry(one.caused_by) if links else "",
        )
        for one in notices
    )
