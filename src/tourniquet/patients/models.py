"""Tables of the patient index. Written by patients.apply alone."""

from __future__ import annotations

from django.db import models

from tourniquet.kernel.identifiers import ID_LENGTH


class Patient(models.Model):
    """One person as the region knows them. `state`: active, provisional, merged."""

    id = models.CharField(max_length=ID_LENGTH, primary_key=True)
    state = models.CharField(max_length=12)
    merged_into = models.CharField(max_length=ID_LENGTH, null=True)
    family_name = models.CharField(max_length=200)
    given_names = models.CharField(max_length=200)
    title = models.CharField(max_length=40)
    family_key = models.CharField(max_length=200)
    birth_date = models.DateField(null=True)
    birth_text = models.CharField(max_length=40)
    sex = models.CharField(max_length=10)
    address = models.TextField()
    postcode = models.CharField(max_length=20)
    phone = models.CharField(max_length=60)
    email = models.CharField(max_length=200)
    language = models.CharField(max_length=20)
    registered_organisation = models.CharField(max_length=20)
    died_on = models.DateField(null=True)
    recorded_dead = models.BooleanField()
    sensitive = models.BooleanField()
    unsafe_contact = models.BooleanField()
    why_provisional = models.TextField()
    registered_at = models.DateTimeField()
    updated_at = models.DateTimeField()
    position = models.BigIntegerField()

    class Meta:
        indexes = [
            models.Index(fields=["family_key", "birth_date"], name="patient_by_name"),
            models.Index(fields=["state", "registered_at"], name="patient_by_state"),
            models.Index(fields=["registered_organisation"], name="patient_by_practice"),
            models.Index(fields=["merged_into"], name="patient_merged_into"),
        ]


class Identifier(models.Model):
    """A number by which somebody knows a patient.

    `system` is NHS for the NHS number, else the assigning authority as sent (ODS code or name).
    `state`: current, superseded, doubtful (sent, but conflicting or not valid; never matched on).
    """

    pk = models.CompositePrimaryKey("system", "value", "patient_id")
    system = models.CharField(max_length=100)
    value = models.CharField(max_length=100)
    patient_id = models.CharField(max_length=ID_LENGTH)
    kind = models.CharField(max_length=20)
    state = models.CharField(max_length=12)
    position = models.BigIntegerField()

    class Meta:
        indexes = [
            models.Index(fields=["value", "system"], name="identifier_by_value"),
            models.Index(fields=["patient_id"], name="identifier_by_patient"),
        ]
