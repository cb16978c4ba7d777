"""The incident ends.

1. The viewer must command incidents, and an incident must run.
2. Append `incident.stood_down`. Needs that still wait keep their review days: daily work goes on.
"""

from __future__ import annotations

from datetime import datetime

from tourniquet.directory.roles import Task, Viewer
from tourniquet.incident.entries import IncidentStoodDown
from tourniquet.incident.queries import find_running
from tourniquet.kernel.errors import UserError
from tourniquet.record.journal import Act, writing


def stand_down(*, reason: str, viewer: Viewer, now: datetime) -> str:
    """Stand the running incident down; its id.

    Raises: PermissionRefused; UserError when no incident runs.
    """
    # 1. Who, and which.
    viewer.demand(Task.COMMAND_INCIDENT)
    with writing(Act(viewer.account, now, viewer.organisation)) as journal:
        running = find_running()
        if running is None:
            raise UserError("No incident runs.", remedy="There is nothing to stand down.")
        # 2. End it.
        journal.append(IncidentStoodDown(incident=running.id, reason=reason.strip()))
    return running.id
