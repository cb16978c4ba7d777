"""Who is asked to come today, when a laboratory can take more this morning than is booked. Pure.

Invariants:
- P1 come first, then P2, then the others.
- Among P2 those come first who need what stays short the longest: a transfusion tube left unused in
  the third week is somebody waiting in the tenth, while haematology alone soon catches up.
- In each such queue one place in three goes to somebody who can still be on time, the others to
  the latest; so a queue that cannot be worked off does not make everybody late.
- Of the others, whoever waiting harms most for each tube that is scarce comes first; equal harm,
  who is due first. A need is weighed over the next days, so that one about to become late counts
  before one that can wait for weeks.

Figures are proposed, not measured: they await clinical sign-off.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

WEIGH_DAYS = 14  # how far ahead the harm of waiting on is weighed; source: proposed
ON_TIME_EVERY = 3  # one place in so many of a queue is for who can still be on time; proposed
QUEUE_DAYS_MOST = 50.0  # service days; a queue that does not shrink counts as so long
QUICK_QUEUE_DAYS = 2.0  # a queue worked off so soon is booked ahead as in normal times; proposed
SHORT_AHEAD_DAYS = 7  # what falls due in so many days is held against what is promised; proposed


@dataclass(frozen=True, slots=True)
class Waiting:
    """What decides a need's turn."""

    id: str
    priority: str
    tubes: tuple[tuple[str, int], ...]
    due: date
    safe_until: date
    harm_per_day: float
    escalates_on: date | None
    escalated_harm_per_day: float


def measure_queues(
    waiting: Mapping[str, float], promised: Sequence[Mapping[str, float]], rate: Mapping[str, float]
) -> dict[str, float]:
    """Service days until the tubes that wait are worked off, by discipline.

    `promised` is what laboratories can take on each coming service day, `rate` what arrives on
    one. Beyond those days things go on as in their last five; no queue is longer than
    QUEUE_DAYS_MOST.
    """
    return {
        name: _queue_days(tubes, [one.get(name, 0.0) for one in promised], rate.get(name, 0.0))
        for name, tubes in waiting.items()
    }


def _queue_days(tubes: float, promised: Sequence[float], rate: float) -> float:
    left = tubes
    for day, taken in enumerate(promised):
        if left <= taken:
            return day + (left / taken if taken else 0.0)
        left += rate - taken
    last = promised[-5:]
    shrinks = sum(last) / len(last) - rate if last else 0.0
    if shrinks <= 0:
        return QUEUE_DAYS_MOST
    return min(QUEUE_DAYS_MOST, len(promised) + left / shrinks)


def longest_queue(
    tubes: tuple[tuple[str, int], ...], queues: Mapping[str, float]
) -> tuple[float, str]:
    """The longest of the queues in which a need stands, and its discipline."""
    return max(((queues.get(name, 0.0), name) for name, _ in tubes), default=(0.0, ""))


def is_quick(tubes: tuple[tuple[str, int], ...], queues: Mapping[str, float]) -> bool:
    """Whether the queues in which a need stands are worked off in a day or two."""
    return longest_queue(tubes, queues)[0] <= QUICK_QUEUE_DAYS


def is_short(wanted: Mapping[str, float], promised: Mapping[str, float]) -> bool:
    """Whether more falls due in the next days than is promised in them, in any discipline."""
    return any(tubes > promised.get(name, 0.0) for name, tubes in wanted.items())


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


def in_turn(
    needs: Sequence[Waiting],
    today: date,
    scarcity: Mapping[str, float],
    queues: Mapping[str, float],
) -> list[Waiting]:
    """The needs in the order in which they are asked; `queues` are those of the urgent."""
    first = sorted((need for need in needs if need.priority == "P1"), key=_by_safe_day)
    second = [need for need in needs if need.priority == "P2"]
    others = sorted(
        (need for need in needs if need.priority not in {"P1", "P2"}),
        key=lambda need: (
            -harm_of_waiting(need, today) / weight_of(need.tubes, scarcity),
            *_by_safe_day(need),
        ),
    )
    return [*first, *_by_queue(second, today, queues), *others]


def _by_queue(
    needs: Iterable[Waiting], today: date, queues: Mapping[str, float]
) -> Iterable[Waiting]:
    """Those in the longest queue first; in each, one in three who can still be on time."""
    stand: dict[tuple[float, str], list[Waiting]] = defaultdict(list)
    for need in needs:
        stand[longest_queue(need.tubes, queues)].append(need)
    for _, found in sorted(stand.items(), reverse=True):
        found.sort(key=_by_safe_day)
        late = [need for need in found if need.safe_until < today]
        yield from _mixed(late, [need for need in found if need.safe_until >= today])


def _mixed(late: Sequence[Waiting], in_time: Sequence[Waiting]) -> Iterable[Waiting]:
    """The late, after each two of them one who can still be on time; then whoever is left."""
    waiting = iter(in_time)
    for number, need in enumerate(late, 1):
        yield need
        if number % (ON_TIME_EVERY - 1) == 0:
            yield from (one for one in (next(waiting, None),) if one is not None)
    yield from waiting


def _by_safe_day(need: Waiting) -> tuple[date, date, str]:
    return need.safe_until, need.due, need.id


def word_turn(
    priority: str, tubes: tuple[tuple[str, int], ...], queues: Mapping[str, float]
) -> str:
    """Why somebody is called in when the turn comes instead of booked ahead."""
    if priority == "P2":
        days, name = longest_queue(tubes, queues)
        return (
            f"called in when the turn comes: urgent tests wait about {max(1, round(days))} "
            f"working days for {name}"
        )
    return "called in when a laboratory has room: more falls due this week than it can take"
