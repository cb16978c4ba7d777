"""How many people's records an account may read on a day: ceilings and limits. Pure.

Invariants:
- A ceiling never keeps anybody from reading: passing it raises an alarm, once a day and account.
- A limit stops what leaves by FHIR, and nothing else.
- What is not configured has the default of its role. Defaults come from the simulation in
  exercise/readers.py and are proposals: they need sign-off by who answers for the records.
- A configuration that cannot be read is an error that names the setting; nothing is guessed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from tourniquet.directory.roles import Role
from tourniquet.kernel.errors import OperatorError

CEILINGS = "TOURNIQUET_READING_CEILINGS"
REASONS = "TOURNIQUET_REASON_CEILINGS"
LIMITS = "TOURNIQUET_EXPORT_LIMITS"
PATIENTS_MOST = 10_000_000
_ACCOUNT = "account/"
_PART = re.compile(r"(account/[A-Za-z0-9._@\-]{1,150}|[a-z_]{1,30})=([0-9]{1,8})\Z")


@dataclass(frozen=True)
class Numbers:
    """Numbers of patients a day, by role and, where an account has one of its own, by account."""

    by_role: Mapping[str, int] = field(default_factory=dict)
    by_account: Mapping[str, int] = field(default_factory=dict)

    def of(self, account: str, role: str) -> int:
        """The number that holds for an account; the smallest of all where its role is unknown."""
        own = self.by_account.get(account)
        if own is not None:
            return own
        return self.by_role.get(role, min(self.by_role.values()))


# [P] Patients a service day. Source: `tourniquet bench reads`, docs/measurements.md; need sign-off.
DEFAULT_CEILINGS = Numbers(
    {
        Role.PRACTICE: 360,
        Role.CLINIC: 360,
        Role.LABORATORY: 600,
        Role.HOSPITAL: 360,
        Role.INCIDENT_LEAD: 300,
        Role.COMMUNICATIONS: 20,
        Role.DATA_PROTECTION: 100,
        Role.AUDITOR: 100,
        Role.ADMINISTRATOR: 20,
        Role.REPLICA: 20,  # it may read nobody's
    }
)
# [P] Patients a service day whose record is opened without a tie, for a reason; need sign-off.
# Those who have a tie to nobody (the lead, data protection, auditors) open all of theirs so.
DEFAULT_REASONS = Numbers(
    {
        Role.PRACTICE: 20,
        Role.CLINIC: 20,
        Role.LABORATORY: 40,
        Role.HOSPITAL: 40,
        Role.INCIDENT_LEAD: 150,
        Role.COMMUNICATIONS: 20,
        Role.DATA_PROTECTION: 80,
        Role.AUDITOR: 80,
        Role.ADMINISTRATOR: 20,
        Role.REPLICA: 20,
    }
)
# [P] About eight times a ceiling: no person's work, and a small part of a region.
DEFAULT_LIMITS = Numbers(
    {
        Role.PRACTICE: 3_000,
        Role.CLINIC: 3_000,
        Role.LABORATORY: 5_000,
        Role.HOSPITAL: 5_000,
        Role.INCIDENT_LEAD: 3_000,
        Role.COMMUNICATIONS: 200,
        Role.DATA_PROTECTION: 1_000,
        Role.AUDITOR: 1_000,
        Role.ADMINISTRATOR: 200,
        Role.REPLICA: 200,
    }
)


@lru_cache(maxsize=8)
def read_ceilings(text: str) -> Numbers:
    """The ceilings that a setting such as `hospital=300,account/feed=20000` makes.

    Raises: OperatorError naming the setting and what of it cannot be read.
    """
    return _read(CEILINGS, text, DEFAULT_CEILINGS)


@lru_cache(maxsize=8)
def read_reasons(text: str) -> Numbers:
    """The ceilings of records opened without a tie. Raises: OperatorError."""
    return _read(REASONS, text, DEFAULT_REASONS)


@lru_cache(maxsize=8)
def read_limits(text: str) -> Numbers:
    """The limits of what leaves by FHIR, written in the same way. Raises: OperatorError."""
    return _read(LIMITS, text, DEFAULT_LIMITS)


def _read(setting: str, text: str, default: Numbers) -> Numbers:
    roles, accounts = dict(default.by_role), dict(default.by_account)
    for part in filter(None, (piece.strip() for piece in text.split(","))):
        found = _PART.match(part)
        name, number = (found[1], int(found[2])) if found else ("", 0)
        if not found or not 1 <= number <= PATIENTS_MOST:
            raise OperatorError(
                f"{part!r} is not a role or account with a number of patients, 1 or more.",
                where=setting,
                remedy="Write it as: hospital=300,account/feed=20000",
            )
        if name.startswith(_ACCOUNT):
            accounts[name.removeprefix(_ACCOUNT)] = number
        elif name in set(Role):
            roles[Role(name)] = number
        else:
            raise OperatorError(f"There is no role {name!r}.", where=setting)
    return Numbers(roles, accounts)


def is_passed(before: int, after: int, most: int) -> bool:
    """Whether a number is passed by going from `before` to `after`; at the number it is not."""
    return before <= most < after
