"""Who is asked to come today, when a laboratory has more left this morning than was promised. Pure.

Invariants:
- Whoever waiting harms most for each tube that is scarce comes first; equal harm, who is due first.
- A need is weighed over the next days, so that one about to become late counts before one that
  can wait for weeks.

The horizon is proposed, not measured.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta

WEIGH_DAYS = 14  # how far ahead the harm of waiting on is weighed; source: proposed


@dataclass(frozen=True, slots=True)
class Waiting:
    """What decides a need's turn."""

    id: str
    due: date
    safe_until: date
    harm_per_day: float
    escalates_on: date | None
    escalated_harm_per_day: float
    tubes: tuple[tuple[str, int], ...]


def harm_of_waiting(need: Waiting, today: date, *, days: int = WEIGH_DAYS) -> float:
    """Harm in the next days if the need is not served in them."""
    end = today + timedelta(days=days)
    late_from = max(need.safe_until, today)
    if late_from >= end:
        return 0.0
    turn = max(need.escalates_on or end, late_from)
    turn = min(turn, end)
    before = (turn - late_from).days * need.harm_per_day
    return before + (end - turn).days * need.escalated_harm_per_day


def weight_of(tubes: tuple[tuple[str, int], ...], scarcity: Mapping[str, float]) -> float:
    """What a visit takes, each tube weighed by how scarce its discipline is."""
    return sum(count * scarcity.get(name, 1.0) for name, count in tubes) or 1.0


def measure_scarcity(wanted: Mapping[str, int], left: Mapping[str, int]) -> dict[str, float]:
    """How many times over each discipline's tubes of today are wanted; at least a tenth."""
    return {name: max(0.1, count / max(1, left.get(name, 0))) for name, count in wanted.items()}


def in_turn(needs: list[Waiting], today: date, scarcity: Mapping[str, float]) -> list[Waiting]:
    """The needs, the one first whose waiting harms most for what it takes."""
    return sorted(
        needs,
        key=lambda need: (
            -harm_of_waiting(need, today) / weight_of(need.tubes, scarcity),
            need.safe_until,
            need.due,
            need.id,
        ),
    )
