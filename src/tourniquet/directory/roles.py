"""Roles, and what each may see and do. Pure.

Roles and permissions in depth come later; what is here already holds for every query: a viewer
with an organisation sees rows that name it, and one without sees the region.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from tourniquet.kernel.errors import PermissionRefused, UserError


class Role(StrEnum):
    """What an account is for."""

    PRACTICE = "practice"
    CLINIC = "clinic"
    LABORATORY = "laboratory"
    HOSPITAL = "hospital"
    INCIDENT_LEAD = "incident_lead"
    COMMUNICATIONS = "communications"
    DATA_PROTECTION = "data_protection"
    AUDITOR = "auditor"
    ADMINISTRATOR = "administrator"
    REPLICA = "replica"

    @classmethod
    def parse(cls, text: str) -> Role:
        """Raises: UserError naming the roles that there are."""
        try:
            return cls(text)
        except ValueError:
            raise UserError(
                f"There is no role {text!r}.", remedy="Roles: " + ", ".join(cls) + "."
            ) from None


class Task(StrEnum):
    """Something that an account does; pages and flows ask for one."""

    SEE_CLINICAL = "see clinical records"
    SEE_OPERATIONS = "see capacity, plans and worklists"
    COMMAND_INCIDENT = "declare an incident and adopt plans"
    RECORD_CLINICAL = "take specimens, close calls, identify patients"
    APPROVE_NOTICES = "approve and publish what is said outside"
    BREAK_GLASS = "open a record without a tie to the patient, for a reason"
    READ_JOURNAL = "read the journal"
    SEE_ACCESS = "see who opened whose record"
    GUARD_ACCESS = "flag records that nobody should read, and answer alarms about access"
    ASK_ERASURE = "ask that a person's data be erased"
    APPROVE_ERASURE = "approve or refuse an erasure"
    ADMINISTER = "administer accounts"
    RUN_EXERCISE = "set the clock of an exercise"
    COPY_RECORD = "copy the sealed record"


_CLINICAL = {Task.SEE_CLINICAL, Task.SEE_OPERATIONS, Task.RECORD_CLINICAL}
_OVERSIGHT = {
    Task.SEE_OPERATIONS,
    Task.SEE_CLINICAL,
    Task.BREAK_GLASS,
    Task.READ_JOURNAL,
    Task.SEE_ACCESS,
}
_ALLOWED: dict[Role, frozenset[Task]] = {
    Role.PRACTICE: frozenset(_CLINICAL),
    Role.CLINIC: frozenset(_CLINICAL),
    Role.LABORATORY: frozenset({*_CLINICAL, Task.BREAK_GLASS}),
    Role.HOSPITAL: frozenset({*_CLINICAL, Task.BREAK_GLASS}),
    Role.INCIDENT_LEAD: frozenset(
        {
            *_CLINICAL,
            Task.BREAK_GLASS,
            Task.COMMAND_INCIDENT,
            Task.APPROVE_NOTICES,
            Task.READ_JOURNAL,
        }
    ),
    Role.COMMUNICATIONS: frozenset({Task.SEE_OPERATIONS, Task.APPROVE_NOTICES}),
    Role.DATA_PROTECTION: frozenset(
        {*_OVERSIGHT, Task.GUARD_ACCESS, Task.ASK_ERASURE, Task.APPROVE_ERASURE}
    ),
    Role.AUDITOR: frozenset({*_OVERSIGHT, Task.COPY_RECORD}),
    Role.ADMINISTRATOR: frozenset(
        {
            Task.SEE_OPERATIONS,
            Task.ADMINISTER,
            Task.READ_JOURNAL,
            Task.RUN_EXERCISE,
            Task.SEE_ACCESS,
            Task.GUARD_ACCESS,
            Task.COPY_RECORD,
        }
    ),
    Role.REPLICA: frozenset({Task.COPY_RECORD}),  # whoever steals its token reads nothing
}


@dataclass(frozen=True)
class Viewer:
    """Who looks, in which role, for which organisation ("" sees the whole region)."""

    account: str
    role: Role
    organisation: str = ""

    def may(self, task: Task) -> bool:
        """True where the role allows the task."""
        return task in _ALLOWED[self.role]

    def demand(self, task: Task) -> None:
        """Raises: PermissionRefused where the role does not allow the task."""
        if not self.may(task):
            raise PermissionRefused(
                f"Your role ({self.role}) may not {task}.",
                remedy="Ask the administrator if you need to.",
            )


SYSTEM_VIEWER = Viewer("system", Role.INCIDENT_LEAD)
"""For work that the system does itself inside flows; never for an answer to a person."""
