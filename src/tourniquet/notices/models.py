"""Tables of notices. Written by notices.apply alone."""

from __future__ import annotations

from django.db import models

from tourniquet.kernel.identifiers import ID_LENGTH


class Notice(models.Model):
    """One thing told to one patient.

    `status`: written, sending, delivered, failed_for_now, failed_for_good, call_list (to be told
    by the practice, by phone), told. `channel`: text, letter, call_list.
    """

    id = models.CharField(max_length=ID_LENGTH, primary_key=True)
    patient_id = models.CharField(max_length=ID_LENGTH)
    kind = models.CharField(max_length=40)
    channel = models.CharField(max_length=12)
    status = models.CharField(max_length=16)
    caused_by = models.BigIntegerField()
    need_id = models.CharField(max_length=ID_LENGTH, null=True)
    appointment_id = models.CharField(max_length=ID_LENGTH, null=True)
    follows = models.CharField(max_length=ID_LENGTH, null=True)
    text = models.TextField()
    registered_organisation = models.CharField(max_length=20)
    written_at = models.DateTimeField()
    updated_at = models.DateTimeField()
    told_at = models.DateTimeField(null=True)
    position = models.BigIntegerField()

    class Meta:
        indexes = [
            models.Index(fields=["status", "written_at"], name="notice_by_status"),
            models.Index(fields=["patient_id", "written_at"], name="notice_by_patient"),
            models.Index(fields=["caused_by"], name="notice_by_cause"),
        ]


class NoticeEvent(models.Model):
    """What became of a notice, step by step."""

    pk = models.CompositePrimaryKey("notice_id", "position")
    notice_id = models.CharField(max_length=ID_LENGTH)
    position = models.BigIntegerField()
    status = models.CharField(max_length=16)
    at = models.DateTimeField()
    note = models.TextField()


class StatusPublication(models.Model):
    """One publication of the public status page."""

    position = models.BigIntegerField(primary_key=True)
    at = models.DateTimeField()
    actor = models.CharField(max_length=150)
    headline = models.TextField()
    text = models.TextField()
    next_update_at = models.DateTimeField(null=True)
