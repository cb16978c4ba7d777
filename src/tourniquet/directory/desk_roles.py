"""Roles at the downtime desk, which are its own: the main database's accounts may be away. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from tourniquet.directory.roles import Role, Viewer
from tourniquet.kernel.errors import PermissionRefused, UserError


class DeskRole(StrEnum):
    """What an account of the desk is for."""

    READER = "reader"
    RECORDER = "recorder"
    KEEPER = "keeper"

    @classmethod
    def parse(cls, text: str) -> DeskRole:
        """Raises: UserError naming the roles that there are."""
        try:
            return cls(text)
        except ValueError:
            raise UserError(
                f"There is no role {text!r} at the desk.", remedy="Roles: " + ", ".join(cls) + "."
            ) from None


class DeskTask(StrEnum):
    """Something that is done at the desk."""

    READ = "read histories"
    RECORD = "print forms, key results and note calls"
    KEEP = "read and export the desk's book"


_ALLOWED: dict[DeskRole, frozenset[DeskTask]] = {
    DeskRole.READER: frozenset({DeskTask.READ}),
    DeskRole.RECORDER: frozenset({DeskTask.READ, DeskTask.RECORD}),
    DeskRole.KEEPER: frozenset(DeskTask),
}


@dataclass(frozen=True)
class DeskUser:
    """Who sits at the desk. A `holder` is one of the named people who unlock it together."""

    name: str
    role: DeskRole
    holder: bool = False

    @property
    def account(self) -> str:
        """How the record names this person."""
        return f"desk:{self.name}"

    @property
    def viewer(self) -> Viewer:
        """The viewer as whom histories are read: of the whole region, as a hospital."""
        return Viewer(self.account, Role.HOSPITAL)

    def may(self, task: DeskTask) -> bool:
        """True where the role allows the task."""
        return task in _ALLOWED[self.role]

    def demand(self, task: DeskTask) -> None:
        """Raises: PermissionRefused where the role does not allow the task."""
        if not self.may(task):
            raise PermissionRefused(
                f"Your role at the desk ({self.role}) may not {task}.",
                remedy="Ask whoever keeps the desk if you need to.",
            )
