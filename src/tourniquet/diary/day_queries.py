"""The list of a day: who comes where, when, and what is taken. For clinics' own systems.

Invariants:
- A viewer of a clinic sees its own list; one of another organisation sees the appointments that
  name it; one without sees all.
- Appointments that are booked or kept are listed; those moved, cancelled or missed are not.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, time
from typing import Any

from django.db.models import Q, QuerySet

from tourniquet.diary.models import Appointment, GateReservation, Need, NeedRequest
from tourniquet.directory.roles import Role, Task, Viewer
from tourniquet.pathology.models import ServiceRequest
from tourniquet.patients.models import Identifier

LINES_MOST = 20_000
_LISTED = ("booked", "attended")


@dataclass(frozen=True)
class DayLine:
    """One appointment. `gate` is "" where it has not come to the gate; `tubes` by discipline."""

    appointment: str
    need: str
    patient: str
    nhs_number: str
    requisition: str
    clinic: str
    at: time
    status: str
    laboratory: str
    gate: str
    tubes: dict[str, int]
    tests: list[str]


def list_day(viewer: Viewer, day: date, *, clinic: str = "") -> list[DayLine]:
    """The appointments of a service day by clinic and time."""
    viewer.demand(Task.SEE_CLINICAL)
    wanted = Q(day=day, status__in=_LISTED) & _scope(viewer)
    if clinic:
        wanted &= Q(clinic=clinic)
    appointments = Appointment.objects.filter(wanted)
    need_ids = appointments.values("need_id")
    needs = {need.id: need for need in Need.objects.filter(pk__in=need_ids)}
    gates = dict(
        GateReservation.objects.filter(appointment_id__in=appointments.values("id")).values_list(
            "appointment_id", "status"
        )
    )
    numbers = dict(
        Identifier.objects.filter(
            patient_id__in=appointments.values("patient_id"), system="NHS", state="current"
        ).values_list("patient_id", "value")
    )
    tests = _tests(need_ids)
    lines = []
    for one in appointments.order_by("clinic", "at", "id")[:LINES_MOST]:
        need = needs.get(one.need_id)
        lines.append(
            DayLine(
                appointment=one.id,
                need=one.need_id,
                patient=one.patient_id,
                nhs_number=numbers.get(one.patient_id, ""),
                requisition=need.requisition if need else "",
                clinic=one.clinic,
                at=one.at,
                status=one.status,
                laboratory=one.laboratory,
                gate=gates.get(one.id, ""),
                tubes=read_tubes(need.tubes) if need else {},
                tests=tests.get(one.need_id, []),
            )
        )
    return lines


def read_tubes(text: str) -> dict[str, int]:
    """`discipline=count` pairs joined by `;`."""
    pairs = (part.partition("=") for part in text.split(";") if part)
    return {name: int(count) for name, _, count in pairs}


def _scope(viewer: Viewer) -> Q:
    code = viewer.organisation
    if not code:
        return Q()
    if viewer.role is Role.CLINIC:
        return Q(clinic=code)
    return Q(clinic=code) | Q(requesting_organisation=code) | Q(registered_organisation=code)


def _tests(appointment_needs: QuerySet[Appointment, Any]) -> dict[str, list[str]]:
    """The codes of the tests that each need's visit serves, in order."""
    pairs = list(
        NeedRequest.objects.filter(need_id__in=appointment_needs).values_list(
            "need_id", "service_request_id"
        )
    )
    requests = NeedRequest.objects.filter(need_id__in=appointment_needs).values(
        "service_request_id"
    )
    codes = dict(ServiceRequest.objects.filter(pk__in=requests).values_list("id", "code"))
    found: dict[str, list[str]] = {}
    for need_id, request_id in sorted(pairs):
        if request_id in codes:
            found.setdefault(need_id, []).append(codes[request_id])
    return found
