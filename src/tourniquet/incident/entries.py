"""Bodies of the incident's entries. None names a patient."""

from __future__ import annotations

from datetime import datetime

from tourniquet.record.registry import Body, kind


@kind("incident.declared", patient=False)
class IncidentDeclared(Body, frozen=True):
    """An incident with its level and METHANE report, and what the public is told first."""

    incident: str
    title: str
    level: str
    major_incident: str = ""
    exact_location: str = ""
    incident_type: str = ""
    hazards: str = ""
    access: str = ""
    number_and_severity: str = ""
    emergency_services: str = ""
    public_text: str = ""
    next_update_at: datetime | None = None


@kind("incident.updated", patient=False)
class IncidentUpdated(Body, frozen=True):
    """A new word for the public, and when the next one comes."""

    incident: str
    public_text: str
    next_update_at: datetime | None = None
    note: str = ""


@kind("timeline.noted", patient=False)
class TimelineNoted(Body, frozen=True):
    """One line of the timeline. It names no patient."""

    incident: str
    event: str
    text: str
    about: str = ""


@kind("decision.logged", patient=False)
class DecisionLogged(Body, frozen=True):
    """A decision of the incident team, on the Joint Decision Model."""

    incident: str
    decision: str
    information: str
    risk: str
    powers: str
    options: str
    action: str
    review_at: datetime | None = None


@kind("incident.stood_down", patient=False)
class IncidentStoodDown(Body, frozen=True):
    """The incident has ended."""

    incident: str
    reason: str = ""
