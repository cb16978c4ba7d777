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
