"""Tables of the incident. Written by incident.apply alone."""

from __future__ import annotations

from django.db import models

from tourniquet.kernel.identifiers import ID_LENGTH


class Incident(models.Model):
    """A declared incident with its METHANE report. `state`: declared, stood_down."""

    id = models.CharField(max_length=ID_LENGTH, primary_key=True)
    title = models.CharField(max_length=200)
    level = models.CharField(max_length=40)
    state = models.CharField(max_length=12)
    major_incident = models.TextField()
    exact_location = models.TextField()
    incident_type = models.TextField()
    hazards = models.TextField()
    access = models.TextField()
    number_and_severity = models.TextField()
    emergency_services = models.TextField()
    public_text = models.TextField()
    declared_at = models.DateTimeField()
    declared_by = models.CharField(max_length=150)
    next_update_at = models.DateTimeField(null=True)
    stood_down_at = models.DateTimeField(null=True)
    stood_down_by = models.CharField(max_length=150)
    position = models.BigIntegerField()


class TimelineEvent(models.Model):
    """One line of the incident's timeline. `kind`: declared, capacity, plan, decision, notice, update, stood_down."""

    position = models.BigIntegerField(primary_key=True)
    incident_id = models.CharField(max_length=ID_LENGTH)
    at = models.DateTimeField()
    actor = models.CharField(max_length=150)
    kind = models.CharField(max_length=20)
    text = models.TextField()
    about = models.CharField(max_length=60)

    class Meta:
        indexes = [models.Index(fields=["incident_id", "position"], name="timeline_of_incident")]


class Decision(models.Model):
    """A decision of the incident team, on the Joint Decision Model."""

    id = models.CharField(max_length=ID_LENGTH, primary_key=True)
    incident_id = models.CharField(max_length=ID_LENGTH)
    at = models.DateTimeField()
    actor = models.CharField(max_length=150)
    information = models.TextField()
    risk = models.TextField()
    powers = models.TextField()
    options = models.TextField()
    action = models.TextField()
    review_at = models.DateTimeField(null=True)
    position = models.BigIntegerField()
