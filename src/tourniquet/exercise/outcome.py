"""What became of every need under one policy: the form that scoring takes, whoever made it.

Invariants:
- `served` is the day on which a specimen was drawn that a laboratory processed; NEVER where none.
- An appointment that was promised counts as kept where the policy neither moved, cancelled nor
  turned away; a patient who did not come does not count against it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int32]


@dataclass(frozen=True)
class Outcome:
    """One policy's outcome; arrays have one row for each need unless said otherwise."""

    policy: str
    served: Ints
    postponed: NDArray[np.bool_]
    dated: NDArray[np.bool_]
    unprocessable_specimens: int
    overtaken_specimens: int
    appointments_made: int
    appointments_kept: int
    notices: int
    days_to_next_date: Ints
    """One row for each date that was lost: days from it to the next one."""
    tubes_used_by_day: Ints
    postponed_by_day: Ints
    rebooked_by_day: Ints
    """These three: one row for each day from 0, all disciplines together."""


class OutcomeNotes:
    """Gathers an outcome while days pass; `finish` makes it a value."""

    def __init__(self, *, needs: int, days: int) -> None:
        self.postponed = np.zeros(needs, dtype=bool)
        self.dated = np.zeros(needs, dtype=bool)
        self.unprocessable = 0
        self.overtaken = 0
        self.made = 0
        self.kept = 0
        self.notices = 0
        self.waits: list[int] = []
        self.tubes = np.zeros(days, dtype=np.int32)
        self.postponed_by_day = np.zeros(days, dtype=np.int32)
        self.rebooked_by_day = np.zeros(days, dtype=np.int32)
        self._lost_day: dict[int, int] = {}

    def lose(self, number: int, *, day: int, lost_day: int, dated: bool) -> None:
        """An appointment of `lost_day` is taken away on `day`; `dated`: with a date to hear by."""
        if not self.postponed[number]:
            self.dated[number] = dated
        self.dated[number] &= dated
        self.postponed[number] = True
        self.postponed_by_day[max(day, 0)] += 1
        self._lost_day.setdefault(number, lost_day)
        self.notices += 1

    def rebook(self, number: int, *, day: int, new_day: int, notice: bool) -> None:
        """A date is given on `day`; it ends the wait of one that was lost."""
        lost = self._lost_day.pop(number, None)
        if lost is not None:
            self.waits.append(max(0, new_day - lost))
            self.rebooked_by_day[max(day, 0)] += 1
        self.notices += int(notice)

    def finish(self, policy: str, served: Ints, *, end: int) -> Outcome:
        """The outcome; dates never replaced wait to the end."""
        waits = self.waits + [end - lost for lost in self._lost_day.values()]
        return Outcome(
            policy=policy,
            served=served,
            postponed=self.postponed,
            dated=self.dated,
            unprocessable_specimens=self.unprocessable,
            overtaken_specimens=self.overtaken,
            appointments_made=self.made,
            appointments_kept=self.kept,
            notices=self.notices,
            days_to_next_date=np.array(waits, dtype=np.int32),
            tubes_used_by_day=self.tubes,
            postponed_by_day=self.postponed_by_day,
            rebooked_by_day=self.rebooked_by_day,
        )
