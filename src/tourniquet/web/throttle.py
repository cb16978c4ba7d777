"""Slows down guessing of passwords: after several failures a name must wait, longer each time.

Invariants:
- What is held is bounded: at most MOST_NAMES names, the least recently failed forgotten first.
- A name that nobody has waits like one that somebody has, so that waiting tells nothing.
- It lives in this process and is lost with it; time is an argument of its making.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

FREE_FAILURES = 5
FIRST_WAIT_SECONDS = 30.0
LONGEST_WAIT_SECONDS = 15 * 60.0
FORGET_SECONDS = 60 * 60.0
MOST_NAMES = 10_000


@dataclass
class _Failures:
    count: int
    last: float
    until: float


class Throttle:
    """Counts failures by name."""

    def __init__(self, now_seconds: Callable[[], float] = time.monotonic) -> None:
        self._now = now_seconds
        self._held: OrderedDict[str, _Failures] = OrderedDict()
        self._lock = threading.Lock()

    def wait_seconds(self, name: str) -> float:
        """How long this name must still wait; 0 where it may try."""
        with self._lock:
            held = self._held.get(name.casefold())
            return max(held.until - self._now(), 0.0) if held else 0.0

    def failed(self, name: str) -> None:
        """A password was wrong."""
        key, now = name.casefold(), self._now()
        with self._lock:
            held = self._held.pop(key, None)
            if held is None or now - held.last > FORGET_SECONDS:
                held = _Failures(0, now, 0.0)
            held.count += 1
            held.last = now
            over = held.count - FREE_FAILURES
            if over >= 0:
                wait = FIRST_WAIT_SECONDS * 2.0 ** min(over, 10)
                held.until = now + min(wait, LONGEST_WAIT_SECONDS)
            self._held[key] = held
            while len(self._held) > MOST_NAMES:
                self._held.popitem(last=False)

    def passed(self, name: str) -> None:
        """A password was right: the name's failures are forgotten."""
        with self._lock:
            self._held.pop(name.casefold(), None)


SIGN_INS = Throttle()
