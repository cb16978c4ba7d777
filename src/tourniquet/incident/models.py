"""Tables of the incident. Written by incident.apply alone."""

from __future__ import annotations

from django.db import models


class Incident(models.Model):
    """A declared incident with its METHANE report. `state`: declared, stood_down."""

    id = models.TextField(primary_key=True)
    title = models.TextField()
    level = models.TextField()
    state = models.TextField()
    major_incident = models.TextField()
    exact_location = models.TextField()
    incident_type = models.TextField()
    hazards = models.TextField()
    access = models.TextField()
    number_and_severity = models.TextField()
    emergency_services = models.TextField()
    public_text = models.TextField()
    declared_at = models.DateTimeField()
    declared_by = models.TextField()
    next_update_at = models.DateTimeField(null=True)
    stood_down_at = models.DateTimeField(null=True)
    stood_down_by = models.TextField()
    position = models.BigIntegerField()


class TimelineEvent(models.Model):
    """One line of the incident's timeline.

    `kind`: declared, capacity, plan, decision, notice, update, stood_down.
    """

    position = models.BigIntegerField(primary_key=True)
    incident_id = models.TextField()
    at = models.DateTimeField()
    actor = models.TextField()
    kind = models.TextField()
    text = models.TextField()
    about = models.TextField()

    class Meta:
        indexes = [models.Index(fields=["incident_id", "position"], name="timeline_of_incident")]


class Decision(models.Model):
    """A decision of the incident team, on the Joint Decision Model."""

    id = models.TextField(primary_key=True)
    incident_id = models.TextField()
    at = models.DateTimeField()
    actor = models.TextField()
    information = models.TextField()
    risk = models.TextField()
    powers = models.TextField()
    options = models.TextField()
    action = models.TextField()
    review_at = models.DateTimeField(null=True)
    position = models.BigIntegerField()
