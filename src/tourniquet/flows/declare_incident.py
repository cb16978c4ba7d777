"""An attack is declared: level, METHANE, who, and the first words for the public.

1. The viewer must command incidents; only one incident runs at a time.
2. Append `incident.declared`, which begins the timeline.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime

from tourniquet.directory.roles import Task, Viewer
from tourniquet.incident.entries import IncidentDeclared, IncidentUpdated
from tourniquet.incident.queries import find_running
from tourniquet.kernel.errors import UserError
from tourniquet.kernel.identifiers import IdSource, RandomIds
from tourniquet.record.journal import Act, writing

LEVELS = ("1", "2", "3", "4")  # Source: NHS England EPRR framework, incident levels


@dataclass(frozen=True)
class Methane:
    """The first report of an incident."""

    major_incident: str = ""
    exact_location: str = ""
    incident_type: str = ""
    hazards: str = ""
    access: str = ""
    number_and_severity: str = ""
    emergency_services: str = ""


def declare_incident(
    *,
    title: str,
    level: str,
    methane: Methane,
    public_text: str,
    viewer: Viewer,
    now: datetime,
    next_update_at: datetime | None = None,
    ids: IdSource | None = None,
) -> str:
    """Declare an incident; its id.

    Raises: PermissionRefused; UserError when one runs already, or title or level is missing.
    """
    # 1. Who, and whether.
    viewer.demand(Task.COMMAND_INCIDENT)
    digit = level.strip().removeprefix("Level").strip()
    if digit not in LEVELS:
        raise UserError("An incident has a level from 1 to 4.", where="level")
    if not title.strip():
        raise UserError("An incident has a title.", where="title", remedy="Say what happened.")
    with writing(Act(viewer.account, now, viewer.organisation)) as journal:
        if find_running() is not None:
            raise UserError(
                "An incident is declared already.", remedy="Stand it down before another begins."
            )
        # 2. Declare.
        incident = (ids or RandomIds()).new(now)
        journal.append(
            IncidentDeclared(
                incident=incident,
                title=title.strip(),
                level=f"Level {digit}",
                public_text=public_text.strip(),
                next_update_at=next_update_at,
                **asdict(methane),
            )
        )
    return incident


def update_incident(
    *,
    public_text: str,
    viewer: Viewer,
    now: datetime,
    next_update_at: datetime | None = None,
    note: str = "",
) -> None:
    """Give the public a new word, to be published with the next status page.

    Raises: PermissionRefused; UserError when no incident runs.
    """
    viewer.demand(Task.APPROVE_NOTICES)
    with writing(Act(viewer.account, now, viewer.organisation)) as journal:
        running = find_running()
        if running is None:
            raise UserError("No incident runs.", remedy="Declare one first.")
        journal.append(
            IncidentUpdated(
                incident=running.id,
                public_text=public_text.strip(),
                next_update_at=next_update_at,
                note=note,
            )
        )
