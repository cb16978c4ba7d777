"""What the record says of a patient's blood group and antibodies. Pure.

Invariants:
- Nothing here says that blood may be given: a group on record is a reason to compare, never a
  substitute for a sample grouped now (HAZ-031).
- Two groups that differ are both shown, and said to differ; none is chosen.
- An antibody that was ever found stays shown, however many negative screens came after.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

GROUP = "ABORH"
SCREEN = "ABSCR"
NOTHING_FOUND = frozenset({"negative", "not detected", "none detected", "no antibodies detected"})
_DOES_NOT_COUNT = frozenset({"entered-in-error", "cancelled", "withdrawn"})


@dataclass(frozen=True)
class TransfusionLine:
    """One result line of a transfusion test, in its current version."""

    code: str
    name: str
    value: str
    status: str
    at: datetime | None
    laboratory: str = ""
    note: str = ""


@dataclass(frozen=True)
class Transfusion:
    """Groups, antibody findings and other transfusion results, each newest first."""

    groups: tuple[TransfusionLine, ...] = ()
    antibodies: tuple[TransfusionLine, ...] = ()
    others: tuple[TransfusionLine, ...] = ()

    @property
    def groups_differ(self) -> bool:
        """Two groups on record are not the same."""
        return len({_plain(line.value) for line in self.groups}) > 1

    @property
    def found(self) -> tuple[TransfusionLine, ...]:
        """Antibody results that say anything else than that nothing was found."""
        return tuple(one for one in self.antibodies if _plain(one.value) not in NOTHING_FOUND)


def summarise(lines: Iterable[TransfusionLine]) -> Transfusion:
    """The lines of transfusion tests by what they say; those that no longer count are left out."""
    counted = [line for line in lines if line.status not in _DOES_NOT_COUNT and line.value.strip()]
    counted.sort(key=lambda line: line.at.timestamp() if line.at else 0.0, reverse=True)
    return Transfusion(
        groups=tuple(line for line in counted if line.code == GROUP),
        antibodies=tuple(line for line in counted if _is_antibody(line)),
        others=tuple(line for line in counted if line.code != GROUP and not _is_antibody(line)),
    )


def _is_antibody(line: TransfusionLine) -> bool:
    return line.code == SCREEN or "antibod" in line.name.casefold()


def _plain(text: str) -> str:
    return " ".join(text.casefold().split())
