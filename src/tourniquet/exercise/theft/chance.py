"""Chance for the theft: one small generator for each thing that is made.

Invariants:
- What comes out depends on the seed and the stream's name alone; no clock, no order of sets.
- Nothing here is fit for secrets, and nothing here needs to be.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import date, timedelta
from typing import TypeVar

from tourniquet.exercise.keyed import stream_key

T = TypeVar("T")


class Chance:
    """Luck of one stream."""

    def __init__(self, seed: int, stream: str) -> None:
        self._seed, self._stream = seed, stream
        self._random = random.Random(stream_key(seed, stream))  # noqa: S311 # synthetic data

    def child(self, name: str) -> Chance:
        """A stream of its own below this one."""
        return Chance(self._seed, f"{self._stream}/{name}")

    def happens(self, share: float) -> bool:
        """Whether something of that share happens."""
        return self._random.random() < share

    def pick(self, values: Sequence[T]) -> T:
        """One of them."""
        return values[int(self._random.random() * len(values))]

    def number(self, low: int, high: int) -> int:
        """A whole number from `low` to `high`, both included."""
        return low + int(self._random.random() * (high - low + 1))

    def real(self, low: float, high: float) -> float:
        """A number between."""
        return low + self._random.random() * (high - low)

    def day(self, first: date, last: date) -> date:
        """A day from `first` to `last`, both included."""
        return first + timedelta(days=self.number(0, (last - first).days))

    def digits(self, length: int) -> str:
        """So many digits, the first not nought."""
        return str(self.number(10 ** (length - 1), 10**length - 1))

    def shuffled(self, values: Sequence[T]) -> list[T]:
        """The same values in another order."""
        out = list(values)
        for place in range(len(out) - 1, 0, -1):
            other = self.number(0, place)
            out[place], out[other] = out[other], out[place]
        return out

    def noise(self, length: int) -> bytes:
        """So many bytes without any sense."""
        return self._random.getrandbits(8 * length).to_bytes(length, "big") if length else b""
