"""Tables of triage: plans and their lines. Written by triage.apply alone."""

from __future__ import annotations

from django.db import models


class Plan(models.Model):
    """A plan.

    `state`: proposing, proposed, adopting, adopted, superseded, rejected. `scope`: full, new.
    """

    id = models.TextField(primary_key=True)
    incident_id = models.TextField(null=True)
    scope = models.TextField()
    state = models.TextField()
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
    made_by = models.TextField()
    adopted_at = models.DateTimeField(null=True)
    adopted_by = models.TextField()
    position = models.BigIntegerField()


class PlanLine(models.Model):
    """What a plan decides for one need, where that changes something, and why."""

    pk = models.CompositePrimaryKey("plan_id", "need_id")
    plan_id = models.TextField()
    need_id = models.TextField()
    patient_id = models.TextField()
    indication = models.TextField()
    priority = models.TextField()
    decision = models.TextField()
    clinic = models.TextField()
    laboratory = models.TextField()
    day = models.DateField(null=True)
    was_clinic = models.TextField()
    was_day = models.DateField(null=True)
    review_on = models.DateField(null=True)
    reason = models.TextField()
    urgent_unserved = models.BooleanField()
    acknowledged_by = models.TextField()
    acknowledged_at = models.DateTimeField(null=True)
    applied = models.BooleanField()
    skipped = models.TextField()
    requesting_organisation = models.TextField()
    registered_organisation = models.TextField()
    position = models.BigIntegerField()

    class Meta:
        indexes = [
            models.Index(fields=["plan_id", "priority"], name="line_by_priority"),
            models.Index(fields=["patient_id"], name="line_by_patient"),
        ]
