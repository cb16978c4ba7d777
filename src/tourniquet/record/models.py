"""Tables of the record: the journal itself, messages, alarms, erasures, the mark of the home.

Invariants:
- No table that is replayed has an auto-increment key.
- `JournalEntry` is written by record.journal alone, the others by record.apply; `Home` is not
  journalled, because it says what this installation is and not what happened in it.
"""

from __future__ import annotations

from django.db import models


class JournalEntry(models.Model):
    """One entry. Body, salt and subject are null once it has been erased; the chain stands."""

    position = models.BigIntegerField(primary_key=True)
    kind = models.TextField()
    kind_version = models.SmallIntegerField()
    recorded_at = models.DateTimeField()
    happened_at = models.DateTimeField()
    actor = models.TextField()
    organisation = models.TextField()
    origin = models.TextField()
    origin_position = models.BigIntegerField()
    cause = models.BigIntegerField(null=True)
    subject = models.TextField(null=True)
    body = models.BinaryField(null=True)
    salt = models.BinaryField(null=True)
    commitment = models.BinaryField()
    chain = models.BinaryField()

    class Meta:
        indexes = [
            models.Index(fields=["subject", "position"], name="journal_by_subject"),
            models.Index(fields=["cause"], name="journal_by_cause"),
        ]


class Message(models.Model):
    """One message from another system, as answered; its bytes are in the entry at `position`."""

    position = models.BigIntegerField(primary_key=True)
    sender = models.TextField()
    control_id = models.TextField()
    digest = models.TextField()
    message_type = models.TextField()
    code = models.TextField()
    attempts = models.SmallIntegerField()
    reason = models.TextField()
    received_at = models.DateTimeField()
    subject = models.TextField(null=True)
    channel = models.TextField()
    reviewed_by = models.TextField()
    reviewed_at = models.DateTimeField(null=True)
    review_note = models.TextField()

    class Meta:
        indexes = [
            models.Index(fields=["sender", "control_id", "position"], name="message_repeat"),
            models.Index(fields=["code", "reviewed_by", "position"], name="message_worklist"),
        ]


class Alarm(models.Model):
    """Something that a person must look at soon."""

    id = models.TextField(primary_key=True)
    kind = models.TextField()
    text = models.TextField()
    raised_at = models.DateTimeField()
    about_position = models.BigIntegerField(null=True)
    cleared_at = models.DateTimeField(null=True)
    cleared_by = models.TextField()

    class Meta:
        indexes = [models.Index(fields=["cleared_at", "raised_at"], name="alarm_open")]


class Erasure(models.Model):
    """That a person is to be erased, or was; whose it is, is in `ErasureSubject` until then.

    `state`: asked, approved, withdrawn, refused, carried_out, finished. `keys`: positions, joined
    by commas, at which the keys are named that are destroyed; `mentions`: of entries that a person
    must look at; `handed_out`: of those that say by whom and when data was handed out.
    """

    id = models.TextField(primary_key=True)
    state = models.TextField()
    ground = models.TextField()
    asked_for = models.TextField()
    identity = models.TextField()
    applies = models.TextField()
    warnings = models.TextField()
    records = models.IntegerField()
    asked_by = models.TextField()
    asked_at = models.DateTimeField()
    asked_position = models.BigIntegerField()
    approved_by = models.TextField()
    approved_at = models.DateTimeField(null=True)
    approved_position = models.BigIntegerField(null=True)
    days = models.IntegerField()
    witnessed_at = models.DateTimeField(null=True)
    ended_by = models.TextField()
    ended_at = models.DateTimeField(null=True)
    ended_position = models.BigIntegerField(null=True)
    why = models.TextField()
    entries = models.BigIntegerField()
    rows = models.BigIntegerField()
    keys = models.TextField()
    mentions = models.TextField()
    handed_out = models.TextField()
    finished_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [models.Index(fields=["state", "asked_at"], name="erasure_by_state")]


class ErasureSubject(models.Model):
    """Whom an erasure takes: each id of the person. Gone once it was carried out."""

    pk = models.CompositePrimaryKey("erasure", "patient_id")
    erasure = models.TextField()
    patient_id = models.TextField()
    position = models.BigIntegerField()

    class Meta:
        indexes = [models.Index(fields=["patient_id"], name="erasure_by_patient")]


class Home(models.Model):
    """The mark of this installation: one row, never changed but for an exercise's clock."""

    key = models.SmallIntegerField(primary_key=True, default=1)
    exercise = models.TextField()
    clock_at = models.DateTimeField(null=True)
    made_at = models.DateTimeField()
