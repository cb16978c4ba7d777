"""Bounded reads of incidents. They hold nothing of patients; a viewer needs to see operations."""

from __future__ import annotations

from tourniquet.directory.roles import Task, Viewer
from tourniquet.incident.models import Decision, Incident, TimelineEvent
from tourniquet.kernel.errors import NotFound

MOST = 500


def find_current(viewer: Viewer) -> Incident | None:
    """The incident that runs now, or None."""
    viewer.demand(Task.SEE_OPERATIONS)
    return find_running()


def find_running() -> Incident | None:
    """The incident that runs now, for flows and the public page."""
    return Incident.objects.filter(state="declared").order_by("-position").first()


def find_latest(viewer: Viewer) -> Incident | None:
    """The incident that runs now, else the last one, else None."""
    viewer.demand(Task.SEE_OPERATIONS)
    return Incident.objects.order_by("-declared_at", "-position").first()


def get_incident(incident: str, viewer: Viewer) -> Incident:
    """Raises: NotFound."""
    viewer.demand(Task.SEE_OPERATIONS)
    found = Incident.objects.filter(pk=incident).first()
    if found is None:
        raise NotFound("There is no incident with that id.")
    return found


def list_timeline(
    incident: str, viewer: Viewer, *, before: int | None = None, limit: int = 50
) -> list[TimelineEvent]:
    """The timeline, newest first."""
    viewer.demand(Task.SEE_OPERATIONS)
    found = TimelineEvent.objects.filter(incident_id=incident)
    if before is not None:
        found = found.filter(position__lt=before)
    return list(found.order_by("-position")[: min(limit, MOST)])


def count_timeline(incident: str, viewer: Viewer) -> int:
    """How many lines the timeline has."""
    viewer.demand(Task.SEE_OPERATIONS)
    return TimelineEvent.objects.filter(incident_id=incident).count()


def list_decisions(incident: str, viewer: Viewer, *, limit: int = 50) -> list[Decision]:
    """Decisions, newest first."""
    viewer.demand(Task.SEE_OPERATIONS)
    found = Decision.objects.filter(incident_id=incident).order_by("-position")
    return list(found[: min(limit, MOST)])
