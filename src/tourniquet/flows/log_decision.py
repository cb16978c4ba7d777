"""The incident team logs a decision, on the Joint Decision Model.

1. The viewer must command incidents, and an incident must run.
2. Append `decision.logged`; nothing ever changes it.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime

from tourniquet.directory.roles import Task, Viewer
from tourniquet.incident.entries import DecisionLogged
from tourniquet.incident.queries import find_running
from tourniquet.kernel.errors import UserError
from tourniquet.kernel.identifiers import IdSource, RandomIds
from tourniquet.record.journal import Act, writing


@dataclass(frozen=True)
class JointDecision:
    """The parts of a decision. `action` is what was decided; the others may be empty."""

    information: str
    risk: str
    powers: str
    options: str
    action: str
    review_at: datetime | None = None


def log_decision(
    decision: JointDecision, *, viewer: Viewer, now: datetime, ids: IdSource | None = None
) -> str:
    """Log a decision; its id.

    Raises: PermissionRefused; UserError when no incident runs or no action is named.
    """
    # 1. Who, and for what.
    viewer.demand(Task.COMMAND_INCIDENT)
    if not decision.action.strip():
        raise UserError("A decision names its action.", where="action")
    with writing(Act(viewer.account, now, viewer.organisation)) as journal:
        running = find_running()
        if running is None:
            raise UserError("No incident runs.", remedy="Declare one first.")
        # 2. Log it.
        made = (ids or RandomIds()).new(now)
        journal.append(DecisionLogged(incident=running.id, decision=made, **asdict(decision)))
    return made
