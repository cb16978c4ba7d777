"""The home: the folder and database of one installation, its mark, and its clock.

Invariants:
- A home is marked once, when it is made. An exercise home says which scenario; it alone has a
  settable clock.
- An exercise refuses a home or a database that is not empty and not its own.
"""

from __future__ import annotations

from datetime import UTC, datetime

from tourniquet.kernel.clock import Clock, SettableClock, SystemClock
from tourniquet.kernel.errors import UserError
from tourniquet.record.models import Home, JournalEntry

_clock: Clock = SystemClock()


def clock() -> Clock:
    """The clock of this process's home."""
    return _clock


def find_home() -> Home | None:
    """The mark of the home, or None where none was made yet."""
    return Home.objects.filter(pk=1).first()


def exercise_name() -> str:
    """The scenario of an exercise home; "" for a real one."""
    home = find_home()
    return home.exercise if home else ""


def open_home() -> Home:
    """Load the mark, making a real one where there is none, and set this process's clock by it."""
    global _clock  # noqa: PLW0603 (one process serves one home)
    home = find_home()
    if home is None:
        home = Home.objects.create(pk=1, exercise="", clock_at=None, made_at=datetime.now(UTC))
    if home.exercise and home.clock_at is not None:
        _clock = SettableClock(home.clock_at)
    else:
        _clock = SystemClock()
    return home


def mark_exercise(scenario: str, clock_at: datetime) -> Home:
    """Make this empty home an exercise.

    Raises: UserError when it holds anything already (choose another home).
    """
    if find_home() is not None or JournalEntry.objects.exists():
        raise UserError(
            "This home or database is not empty.",
            remedy="Give the exercise an empty folder or database of its own.",
        )
    Home.objects.create(pk=1, exercise=scenario, clock_at=clock_at, made_at=datetime.now(UTC))
    return open_home()


def set_clock(moment: datetime) -> None:
    """Move an exercise's clock forward, for this process and for the next start.

    Raises: UserError in a real home, or when the clock would go back.
    """
    clock_now = clock()
    if not isinstance(clock_now, SettableClock):
        raise UserError("Only an exercise has a clock that can be set.")
    if moment < clock_now.now():
        raise UserError("The exercise's clock never goes back.")
    clock_now.set(moment)
    Home.objects.filter(pk=1).update(clock_at=clock_now.now())
