"""Tables of the diary: places, sessions, couriers, capacity, needs, appointments, the gate.

Written by diary.apply alone.
"""

from __future__ import annotations

from django.db import models


class Zone(models.Model):
    """A part of a borough; where a need's patient starts from."""

    zone = models.TextField(primary_key=True)
    borough = models.TextField()
    x_km = models.FloatField()
    y_km = models.FloatField()
    position = models.BigIntegerField()


class Clinic(models.Model):
    """A place where specimens are taken; `code` is its organisation's."""

    code = models.TextField(primary_key=True)
    zone = models.TextField()
    x_km = models.FloatField()
    y_km = models.FloatField()
    position = models.BigIntegerField()


class Courier(models.Model):
    """How many hours a specimen travels from a clinic to a laboratory."""

    pk = models.CompositePrimaryKey("clinic", "laboratory")
    clinic = models.TextField()
    laboratory = models.TextField()
    hours = models.FloatField()
    position = models.BigIntegerField()


class Laboratory(models.Model):
    """A laboratory of the region, or one that helps."""

    code = models.TextField(primary_key=True)
    own = models.BooleanField()
    position = models.BigIntegerField()


class LaboratoryDay(models.Model):
    """Tubes that a laboratory can take on a service day in one discipline, as last declared.

    `flag` says what the figure rests on: normal, declared, confirmed (that morning), and in an
    exercise anchor or interpolated.
    """

    pk = models.CompositePrimaryKey("laboratory", "discipline", "day")
    laboratory = models.TextField()
    discipline = models.TextField()
    day = models.DateField()
    tubes = models.IntegerField()
    normal_tubes = models.IntegerField()
    flag = models.TextField()
    source = models.TextField()
    declared_at = models.DateTimeField()
    position = models.BigIntegerField()

    class Meta:
        indexes = [models.Index(fields=["day"], name="laboratory_by_day")]


class Session(models.Model):
    """A clinic's session on a service day. `state`: open, closed."""

    id = models.TextField(primary_key=True)
    clinic = models.TextField()
    day = models.DateField()
    starts_at = models.TimeField()
    minutes_each = models.IntegerField()
    seats = models.IntegerField()
    state = models.TextField()
    position = models.BigIntegerField()

    class Meta:
        indexes = [models.Index(fields=["day", "clinic"], name="session_by_day")]


class Need(models.Model):
    """One visit for specimens that a patient needs; it survives rebooking.

    `status`: waiting (no appointment), booked, collected, emergency (sent by the emergency
    route), withdrawn. `tubes` is `discipline=count` pairs in order, joined by `;`.
    """

    id = models.TextField(primary_key=True)
    patient_id = models.TextField()
    requisition = models.TextField()
    indication = models.TextField()
    priority = models.TextField()
    zone = models.TextField()
    released = models.DateField()
    due = models.DateField()
    safe_until = models.DateField()
    harm_per_day = models.FloatField()
    escalates_on = models.DateField(null=True)
    escalated_harm_per_day = models.FloatField()
    stability_hours = models.FloatField()
    travel_km = models.FloatField()
    tubes = models.TextField()
    status = models.TextField()
    appointment_id = models.TextField(null=True)
    review_on = models.DateField(null=True)
    reason = models.TextField()
    plan_id = models.TextField(null=True)
    collected_on = models.DateField(null=True)
    requesting_organisation = models.TextField()
    registered_organisation = models.TextField()
    opened_at = models.DateTimeField()
    updated_at = models.DateTimeField()
    position = models.BigIntegerField()

    class Meta:
        indexes = [
            models.Index(fields=["status", "priority", "due"], name="need_waiting"),
            models.Index(fields=["patient_id"], name="need_by_patient"),
            models.Index(fields=["requisition"], name="need_by_requisition"),
            models.Index(fields=["position"], name="need_by_position"),
            models.Index(fields=["opened_at", "priority"], name="need_arrivals"),
        ]


class NeedRequest(models.Model):
    """The ServiceRequests that a need's visit serves."""

    pk = models.CompositePrimaryKey("need_id", "service_request_id")
    need_id = models.TextField()
    service_request_id = models.TextField()

    class Meta:
        indexes = [models.Index(fields=["service_request_id"], name="need_of_request")]


class Appointment(models.Model):
    """A place in a session. `status`: booked, moved, cancelled, attended, missed, turned_away."""

    id = models.TextField(primary_key=True)
    need_id = models.TextField()
    patient_id = models.TextField()
    clinic = models.TextField()
    day = models.DateField()
    at = models.TimeField()
    laboratory = models.TextField()
    status = models.TextField()
    moved_to = models.TextField(null=True)
    reason = models.TextField()
    plan_id = models.TextField(null=True)
    requesting_organisation = models.TextField()
    registered_organisation = models.TextField()
    booked_at = models.DateTimeField()
    updated_at = models.DateTimeField()
    position = models.BigIntegerField()

    class Meta:
        indexes = [
            models.Index(fields=["day", "clinic", "status"], name="appointment_by_day"),
            models.Index(fields=["patient_id", "day"], name="appointment_by_patient"),
            models.Index(fields=["need_id"], name="appointment_by_need"),
        ]


class AppointmentEvent(models.Model):
    """The history of an appointment: every change, with who and why."""

    pk = models.CompositePrimaryKey("appointment_id", "position")
    appointment_id = models.TextField()
    position = models.BigIntegerField()
    status = models.TextField()
    at = models.DateTimeField()
    actor = models.TextField()
    reason = models.TextField()


class GateReservation(models.Model):
    """A laboratory, a courier and the specimens' stability, reserved before blood is taken.

    One row for each appointment that came to the gate. `status`: reserved, used, released,
    refused, overtaken (the laboratory failed after it was used).
    """

    appointment_id = models.TextField(primary_key=True)
    need_id = models.TextField()
    patient_id = models.TextField()
    clinic = models.TextField()
    laboratory = models.TextField()
    day = models.DateField()
    tubes = models.TextField()
    courier_hours = models.FloatField()
    stability_hours = models.FloatField()
    status = models.TextField()
    reason = models.TextField()
    decided_at = models.DateTimeField()
    position = models.BigIntegerField()

    class Meta:
        indexes = [
            models.Index(fields=["day", "status"], name="gate_by_day"),
            models.Index(fields=["need_id"], name="gate_by_need"),
        ]


class Work(models.Model):
    """A job of a service day that is done, or the position up to which it has come."""

    pk = models.CompositePrimaryKey("job", "day")
    job = models.CharField(max_length=20)
    day = models.DateField()
    done_at = models.DateTimeField()
    up_to = models.BigIntegerField()
    count = models.IntegerField()
    note = models.TextField()
    position = models.BigIntegerField()
