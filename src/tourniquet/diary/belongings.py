"""Whose the diary's rows are. A session keeps no count of its seats: who is gone frees theirs."""

from __future__ import annotations

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
from tourniquet.record.emptying import rows_about, rows_of, rows_of_nobody

_REGION = "places of the region and what they can take"

rows_about(Need, "patient_id")
rows_of(NeedRequest, "need_id", Need)
rows_about(Appointment, "patient_id")
rows_of(AppointmentEvent, "appointment_id", Appointment)
rows_of(GateReservation, "appointment_id", Appointment)
rows_of_nobody(Zone, _REGION)
rows_of_nobody(Clinic, _REGION)
rows_of_nobody(Courier, _REGION)
rows_of_nobody(Laboratory, _REGION)
rows_of_nobody(LaboratoryDay, _REGION)
rows_of_nobody(Session, "a clinic's hours and seats; who sits on them is in appointments")
rows_of_nobody(Work, "how far a job of the day has come, and counts")
