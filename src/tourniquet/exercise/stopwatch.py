"""Where the seconds of an exercise go, part by part.

Invariants:
- Parts do not overlap: of parts within one another, the inner one counts.
- It measures and decides nothing; no figure of the scorecard but the times depends on it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Stopwatch:
    """Seconds by the name of a part, in the order in which the parts first began."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._seconds: dict[str, float] = {}
        self._inner: list[float] = []

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Count the time inside towards this part, less that of parts within."""
        self._seconds.setdefault(name, 0.0)
        self._inner.append(0.0)
        began = self._clock()
        try:
            yield
        finally:
            taken = self._clock() - began
            self._seconds[name] += taken - self._inner.pop()
            if self._inner:
                self._inner[-1] += taken

    def seconds(self) -> dict[str, float]:
        """Seconds by part."""
        return {name: round(taken, 2) for name, taken in self._seconds.items()}
