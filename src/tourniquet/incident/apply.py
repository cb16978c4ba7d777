"""The only writer of the incident's tables."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from tourniquet.incident.entries import (
    DecisionLogged,
    IncidentDeclared,
    IncidentStoodDown,
    IncidentUpdated,
    TimelineNoted,
)
from tourniquet.incident.models import Decision, Incident, TimelineEvent
from tourniquet.record.registry import Entry, applies
from tourniquet.record.tables import insert_rows, update_rows

_INCIDENT = (
    "id",
    "title",
    "level",
    "state",
    "major_incident",
    "exact_location",
    "incident_type",
    "hazards",
    "access",
    "number_and_severity",
    "emergency_services",
    "public_text",
    "declared_at",
    "declared_by",
    "next_update_at",
    "stood_down_at",
    "stood_down_by",
    "position",
)
_TIMELINE = ("position", "incident_id", "at", "actor", "kind", "text", "about")
_DECISION = (
    "id",
    "incident_id",
    "at",
    "actor",
    "information",
    "risk",
    "powers",
    "options",
    "action",
    "review_at",
    "position",
)


@applies(IncidentDeclared)
def incident_declared(entries: Sequence[Entry[IncidentDeclared]]) -> None:
    """One row, declared, and the first line of its timeline."""
    insert_rows(
        Incident,
        _INCIDENT,
        [
            (
                e.body.incident,
                e.body.title,
                e.body.level,
                "declared",
                e.body.major_incident,
                e.body.exact_location,
                e.body.incident_type,
                e.body.hazards,
                e.body.access,
                e.body.number_and_severity,
                e.body.emergency_services,
                e.body.public_text,
                e.recorded_at,
                e.actor,
                e.body.next_update_at,
                None,
                "",
                e.position,
            )
            for e in entries
        ],
    )
    _note((e, e.body.incident, "declared", f"{e.body.level}: {e.body.title}", "") for e in entries)


@applies(IncidentUpdated)
def incident_updated(entries: Sequence[Entry[IncidentUpdated]]) -> None:
    """The newest word for the public stands."""
    update_rows(
        Incident,
        ("public_text", "next_update_at", "position"),
        [(e.body.public_text, e.body.next_update_at, e.position, e.body.incident) for e in entries],
        key=("id",),
    )
    _note(
        (e, e.body.incident, "update", e.body.note or "A new word for the public", "")
        for e in entries
    )


@applies(TimelineNoted)
def timeline_noted(entries: Sequence[Entry[TimelineNoted]]) -> None:
    """One line each."""
    _note((e, e.body.incident, e.body.event, e.body.text, e.body.about) for e in entries)


@applies(DecisionLogged)
def decision_logged(entries: Sequence[Entry[DecisionLogged]]) -> None:
    """One row, never changed, and a line of the timeline."""
    insert_rows(
        Decision,
        _DECISION,
        [
            (
                e.body.decision,
                e.body.incident,
                e.recorded_at,
                e.actor,
                e.body.information,
                e.body.risk,
                e.body.powers,
                e.body.options,
                e.body.action,
                e.body.review_at,
                e.position,
            )
            for e in entries
        ],
    )
    _note((e, e.body.incident, "decision", e.body.action, e.body.decision) for e in entries)


@applies(IncidentStoodDown)
def incident_stood_down(entries: Sequence[Entry[IncidentStoodDown]]) -> None:
    """The incident has ended."""
    update_rows(
        Incident,
        ("state", "stood_down_at", "stood_down_by", "position"),
        [("stood_down", e.recorded_at, e.actor, e.position, e.body.incident) for e in entries],
        key=("id",),
    )
    _note((e, e.body.incident, "stood_down", e.body.reason or "Stood down", "") for e in entries)


def _note(lines: Iterable[tuple[Entry[Any], str, str, str, str]]) -> None:
    insert_rows(
        TimelineEvent,
        _TIMELINE,
        [
            (e.position, incident, e.recorded_at, e.actor, event, text, about)
            for e, incident, event, text, about in lines
        ],
    )
