"""Tables of the patient index. Written by patients.apply alone."""

from __future__ import annotations

from django.db import models


class Patient(models.Model):
    """One person as the region knows them. `state`: active, provisional, merged.

    `fingerprint` is that of the PID which made a provisional, so that the same PID finds it again;
    "" for everybody else.
    """

    id = models.TextField(primary_key=True)
    state = models.TextField()
    merged_into = models.TextField(null=True)
    family_name = models.TextField()
    given_names = models.TextField()
    title = models.TextField()
    family_key = models.TextField()
    birth_date = models.DateField(null=True)
    birth_text = models.TextField()
    sex = models.TextField()
    address = models.TextField()
    postcode = models.TextField()
    phone = models.TextField()
    email = models.TextField()
    language = models.TextField()
    registered_organisation = models.TextField()
    died_on = models.DateField(null=True)
    recorded_dead = models.BooleanField()
    sensitive = models.BooleanField()
    unsafe_contact = models.BooleanField()
    why_provisional = models.TextField()
    fingerprint = models.TextField()
    registered_at = models.DateTimeField()
    updated_at = models.DateTimeField()
    position = models.BigIntegerField()

    class Meta:
        indexes = [
            models.Index(fields=["family_key", "birth_date"], name="patient_by_name"),
            models.Index(fields=["state", "registered_at"], name="patient_by_state"),
            models.Index(fields=["registered_organisation"], name="patient_by_practice"),
            models.Index(fields=["merged_into"], name="patient_merged_into"),
            models.Index(fields=["fingerprint"], name="patient_by_fingerprint"),
        ]


class Identifier(models.Model):
    """A number by which somebody knows a patient.

    `system` is NHS for the NHS number, else the assigning authority as sent (ODS code or name).
    `state`: current, superseded, doubtful (sent, but conflicting or not valid; never matched on).
    """

    pk = models.CompositePrimaryKey("system", "value", "patient_id")
    system = models.TextField()
    value = models.TextField()
    patient_id = models.TextField()
    kind = models.TextField()
    state = models.TextField()
    position = models.BigIntegerField()

    class Meta:
        indexes = [
            models.Index(fields=["value", "system"], name="identifier_by_value"),
            models.Index(fields=["patient_id"], name="identifier_by_patient"),
        ]


class Reading(models.Model):
    """One reading of one record, by the position of its entry. `patient_id` is the id then read.

    `role`, `ground` are "" in readings of the first release, which did not write them down.
    """

    position = models.BigIntegerField(primary_key=True)
    patient_id = models.TextField()
    account = models.TextField()
    organisation = models.TextField()
    role = models.TextField()
    at = models.DateTimeField()
    what = models.TextField()
    channel = models.TextField()
    ground = models.TextField()
    reason = models.TextField()
    words = models.TextField()
    late_by = models.TextField()

    class Meta:
        indexes = [
            models.Index(fields=["patient_id", "position"], name="reading_by_patient"),
            models.Index(fields=["account", "position"], name="reading_by_account"),
            models.Index(fields=["at"], name="reading_by_time"),
        ]


class ReadingDay(models.Model):
    """That an account read a patient on a service day: what ceilings count."""

    pk = models.CompositePrimaryKey("account", "day", "patient_id")
    account = models.TextField()
    day = models.DateField()
    patient_id = models.TextField()


class BrokenGlass(models.Model):
    """Why an account without a tie opens a record, and until when that holds."""

    position = models.BigIntegerField(primary_key=True)
    patient_id = models.TextField()
    account = models.TextField()
    reason = models.TextField()
    words = models.TextField()
    at = models.DateTimeField()
    until = models.DateTimeField()

    class Meta:
        indexes = [
            models.Index(fields=["account", "patient_id", "until"], name="glass_standing"),
            models.Index(fields=["account", "at"], name="glass_by_time"),
        ]


class Canary(models.Model):
    """A record that nobody should read, while `on`; `position` is that of the newest word on it."""

    patient_id = models.TextField(primary_key=True)
    on = models.BooleanField()
    comment = models.TextField()
    set_at = models.DateTimeField()
    set_by = models.TextField()
    position = models.BigIntegerField()


class ExportStop(models.Model):
    """That an account was stopped on a service day."""

    pk = models.CompositePrimaryKey("account", "day")
    account = models.TextField()
    day = models.DateField()
    limit = models.BigIntegerField()
    position = models.BigIntegerField()


class ExportAllowance(models.Model):
    """That an account may pass its limit until a time."""

    position = models.BigIntegerField(primary_key=True)
    account = models.TextField()
    until = models.DateTimeField()
    reason = models.TextField()
    allowed_by = models.TextField()
    allowed_at = models.DateTimeField()

    class Meta:
        indexes = [models.Index(fields=["account", "until"], name="allowance_standing")]
