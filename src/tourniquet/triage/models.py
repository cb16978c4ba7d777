"""Tables of triage: plans and their lines. Written by triage.apply alone."""

from __future__ import annotations

from django.db import models

from tourniquet.kernel.identifiers import ID_LENGTH


class Plan(models.Model):
    """A plan. `state`: proposing, proposed, adopting, adopted, superseded, rejected. `scope`: full, new."""

    id = models.CharField(max_length=ID_LENGTH, primary_key=True)
    incident_id = models.CharField(max_length=ID_LENGTH, null=True)
    scope = models.CharField(max_length=10)
    state = models.CharField(max_length=12)
    first_day = models.DateField()
    days = models.IntegerField()
    needs = models.IntegerField()
    harm = models.FloatField()
    lower_bound = models.FloatField()
    gap = models.FloatField(null=True)
    kept = models.IntegerField()
    moved = models.IntegerField()
    booked = models.IntegerField()
    deferred = models.IntegerField()
    urgent_unserved = models.IntegerField()
    made_at = models.DateTimeField()
    made_by = models.CharField(max_length=150)
    adopted_at = models.DateTimeField(null=True)
    adopted_by = models.CharField(max_length=150)
    position = models.BigIntegerField()


class PlanLine(models.Model):
    """What a plan decides for one need, where that changes something, and why."""

    pk = models.CompositePrimaryKey("plan_id", "need_id")
    plan_id = models.CharField(max_length=ID_LENGTH)
    need_id = models.CharField(max_length=ID_LENGTH)
    patient_id = models.CharField(max_length=ID_LENGTH)
    indication = models.CharField(max_length=20)
    priority = models.CharField(max_length=2)
    decision = models.CharField(max_length=6)
    clinic = models.CharField(max_length=10)
    laboratory = models.CharField(max_length=10)
    day = models.DateField(null=True)
    was_clinic = models.CharField(max_length=10)
    was_day = models.DateField(null=True)
    review_on = models.DateField(null=True)
    reason = models.TextField()
    urgent_unserved = models.BooleanField()
    acknowledged_by = models.CharField(max_length=150)
    acknowledged_at = models.DateTimeField(null=True)
    applied = models.BooleanField()
    requesting_organisation = models.CharField(max_length=20)
    registered_organisation = models.CharField(max_length=20)
    position = models.BigIntegerField()

    class Meta:
        indexes = [
            models.Index(fields=["plan_id", "priority"], name="line_by_priority"),
            models.Index(fields=["patient_id"], name="line_by_patient"),
        ]
