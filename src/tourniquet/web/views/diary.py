"""A clinic's day."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta

from django.http import HttpRequest, HttpResponse

from tourniquet.diary.models import Appointment, GateReservation, Session
from tourniquet.diary.page_queries import ClinicDay, get_clinic_day, list_clinics
from tourniquet.diary.rules import parse_tubes
from tourniquet.directory.models import Organisation
from tourniquet.directory.queries import find_organisation, names_of
from tourniquet.directory.roles import Role, Task, Viewer
from tourniquet.kernel.clock import london_time, service_day
from tourniquet.patients.page_queries import list_people
from tourniquet.record.home import clock
from tourniquet.web import addresses
from tourniquet.web.access import page
from tourniquet.web.presenters.diary import DiaryPage, DiaryRow
from tourniquet.web.presenters.shell import Choice
from tourniquet.web.views.capacity import discipline_words
from tourniquet.web.views.people import Names, indication_words, link
from tourniquet.web.views.rendering import render
from tourniquet.web.views.typed import clean, find_day

_GATE_OK = {"reserved": "Laboratory and courier are reserved", "used": "Samples taken"}
_DAYS_MOST = 3650  # how far from today a day may be asked for
_TURNED_AWAY = "turned_away"


@page(Task.SEE_CLINICAL)
def show(http_request: HttpRequest, viewer: Viewer) -> HttpResponse:
    """Who comes when, and whether blood may be taken."""
    clinics = list_clinics(viewer)
    if viewer.role is Role.CLINIC and viewer.organisation:
        clinics = [viewer.organisation]
    asked = clean(http_request.GET.get("clinic", ""))
    clinic = asked if asked in clinics else (clinics[0] if clinics else "")
    today = service_day(clock().now())
    day = find_day(clean(http_request.GET.get("day", ""))) or today
    if abs((day - today).days) > _DAYS_MOST:
        day = today
    built = _describe(viewer, clinic, day, clinics)
    return render(http_request, "diary.html", built, title="Diary", section="diary")


def _describe(viewer: Viewer, clinic: str, day: date, clinics: list[str]) -> DiaryPage:
    found = get_clinic_day(viewer, clinic, day)
    place = find_organisation(clinic)
    names = names_of(set(clinics))
    around = [addresses.diary(clinic=clinic, day=day + timedelta(days=step)) for step in (-1, 1)]
    return DiaryPage(
        day=day,
        clinic=place.name if place else clinic,
        clinic_address=_address(place),
        clinics=tuple(
            Choice(code, names.get(code, code), selected=code == clinic) for code in clinics
        ),
        session_words=", ".join(_session(session) for session in found.sessions) or "No session",
        seats=sum(session.seats for session in found.sessions if session.state == "open"),
        taken=found.taken,
        previous_href=around[0],
        next_href=around[1],
        today_href=addresses.diary(clinic=clinic),
        rows=_rows(viewer, found),
    )


def _address(place: Organisation | None) -> str:
    return ", ".join(part for part in (place.address, place.postcode) if part) if place else ""


def _session(session: Session) -> str:
    starts = datetime.combine(session.day, session.starts_at)
    ends = starts + timedelta(minutes=session.minutes_each * session.seats)
    words = f"{starts:%H:%M} to {ends:%H:%M}"
    return words if session.state == "open" else f"{words} (closed)"


def _rows(viewer: Viewer, found: ClinicDay) -> tuple[DiaryRow, ...]:
    people = list_people(viewer, {one.patient_id for one in found.appointments})
    names = Names(people, names_of({one.laboratory for one in found.appointments}))
    return tuple(_row(one, found, names) for one in found.appointments)


def _row(one: Appointment, found: ClinicDay, names: Names) -> DiaryRow:
    need = found.needs.get(one.need_id)
    person = names.people.get(one.patient_id)
    gate, is_ok, is_pending = _gate(one, found.gates.get(one.id))
    at: time = one.at
    return DiaryRow(
        starts_at=london_time(one.day, at.hour, at.minute),
        patient=link(names, one.patient_id),
        birth_date=person.birth_date if person else None,
        indication=indication_words(need.indication) if need else "",
        priority=need.priority if need else "",
        tubes=_tubes(need.tubes) if need else "",
        laboratory=names.organisation(one.laboratory),
        status=one.status,
        gate=gate,
        gate_ok=is_ok,
        gate_pending=is_pending,
    )


def _tubes(text: str) -> str:
    return ", ".join(
        f"{count} {discipline_words(name).lower()}" for name, count in parse_tubes(text)
    )


def _gate(one: Appointment, gate: GateReservation | None) -> tuple[str, bool, bool]:
    """Words, whether to go on, and whether it is not decided yet."""
    if gate is not None and gate.status in _GATE_OK:
        return _GATE_OK[gate.status], True, False
    if gate is not None:
        return gate.reason or "The laboratory cannot take these samples", False, False
    if one.status == "attended":
        return "Samples taken", True, False
    if one.status == _TURNED_AWAY:
        return one.reason or "Told not to come", False, False
    return "Laboratory and courier are reserved in the morning", False, True
