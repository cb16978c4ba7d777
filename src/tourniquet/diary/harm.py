"""The harm of a day on which a need is served: one definition for planner, exercise and scorecard.

Invariants:
- Days are whole numbers from 0, the first day that counts. Harm of a need served on day d (or
  never, then d = horizon_days + tail_days) is the sum over the days t from 0 to d - 1, at most
  horizon_days + tail_days - 1, of harm_per_day where t >= safe_until and t < escalates_on, and of
  escalated_harm_per_day where t >= escalates_on.
- Served on the safe day itself, or before, a need has no harm from harm_per_day.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

NEVER = 1_000_000
"""Stands for "no day" in whole-number columns: never served, never escalates."""

Days = NDArray[np.int32]
Rates = NDArray[np.float64]


@dataclass(frozen=True)
class HarmTerms:
    """What a day's delay costs one need. `escalates_on` None means never."""

    safe_until: int
    harm_per_day: float
    escalates_on: int | None
    escalated_harm_per_day: float


def harm_of(terms: HarmTerms, served_on: int | None, *, horizon_days: int, tail_days: int) -> float:
    """The harm of one need."""
    end = horizon_days + tail_days
    until = end if served_on is None else min(served_on, end)
    turn = until if terms.escalates_on is None else min(max(terms.escalates_on, 0), until)
    plain_days = max(0, turn - max(terms.safe_until, 0))
    return plain_days * terms.harm_per_day + max(0, until - turn) * terms.escalated_harm_per_day


def harm_of_all(
    *,
    served_on: Days,
    safe_until: Days,
    harm_per_day: Rates,
    escalates_on: Days,
    escalated_harm_per_day: Rates,
    end: int,
) -> Rates:
    """The harm of many needs at once; `end` is horizon_days + tail_days, NEVER stands for no day.

    Arrays may have any shapes that broadcast together.
    """
    until = np.clip(served_on, 0, end)
    turn = np.minimum(np.maximum(escalates_on, 0), until)
    plain = np.maximum(0, turn - np.maximum(safe_until, 0))
    late = np.maximum(0, until - turn)
    return np.asarray(plain * harm_per_day + late * escalated_harm_per_day, dtype=np.float64)
