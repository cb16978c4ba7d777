"""Tables of notices. Written by notices.apply alone."""

from __future__ import annotations

from django.db import models


class Notice(models.Model):
    """One thing told to one patient.

    `status`: written (held until `send_on`), sending, delivered, failed_for_now, failed_for_good,
    call_list (to be told by the practice, by phone), told, superseded (never sent: a later notice
    says more). `channel`: text, letter, call_list. `text` is the subject line of a letter, the
    text message, or the words for the call. `review_on` is the day promised in it.
    """

    id = models.TextField(primary_key=True)
    patient_id = models.TextField()
    kind = models.TextField()
    channel = models.TextField()
    status = models.TextField()
    caused_by = models.BigIntegerField()
    need_id = models.TextField(null=True)
    appointment_id = models.TextField(null=True)
    follows = models.TextField(null=True)
    review_on = models.DateField(null=True)
    send_on = models.DateField()
    text = models.TextField()
    registered_organisation = models.TextField()
    written_at = models.DateTimeField()
    updated_at = models.DateTimeField()
    told_at = models.DateTimeField(null=True)
    position = models.BigIntegerField()

    class Meta:
        indexes = [
            models.Index(fields=["status", "written_at"], name="notice_by_status"),
            models.Index(fields=["patient_id", "written_at"], name="notice_by_patient"),
            models.Index(fields=["caused_by"], name="notice_by_cause"),
            models.Index(fields=["need_id"], name="notice_by_need"),
            models.Index(fields=["status", "send_on"], name="notice_to_send"),
        ]


class NoticeEvent(models.Model):
    """What became of a notice, step by step."""

    pk = models.CompositePrimaryKey("notice_id", "position")
    notice_id = models.TextField()
    position = models.BigIntegerField()
    status = models.TextField()
    at = models.DateTimeField()
    note = models.TextField()


class StatusPublication(models.Model):
    """One publication of the public status page."""

    position = models.BigIntegerField(primary_key=True)
    at = models.DateTimeField()
    actor = models.TextField()
    headline = models.TextField()
    text = models.TextField()
    next_update_at = models.DateTimeField(null=True)
