"""Background work of a real home: the jobs of the day and the check of the record, in one thread.

Invariants:
- A job is idempotent for a service day; after a restart it may run again.
- A job that fails is logged, counted by the log, and tried again a few minutes later. No
  exception ends the thread.
- An exercise home is never worked on unasked: `exercise_control` runs its jobs.
"""

from __future__ import annotations

import importlib
import threading
from collections.abc import Callable
from datetime import date, datetime, timedelta

from django.db import connections

from tourniquet.edge.log import log_event, log_fault
from tourniquet.kernel.clock import LONDON, Clock, service_day

# [P] Before the clinics open, and after the last result of the day.
MORNING_HOUR = 6
EVENING_HOUR = 20
LOOK_SECONDS = 30.0
RETRY_AFTER = timedelta(minutes=5)
JOIN_SECONDS = 1.0

# [P] What is urgent waits no longer than this for its date.
URGENT_EVERY = timedelta(minutes=15)
# [P] The record is compared with the tables a part at a time, day and night.
INTEGRITY_EVERY = timedelta(minutes=1)
# [P] An erasure that is due, or was interrupted, waits no longer than this.
ERASURES_EVERY = timedelta(minutes=5)
# [P] That nothing is sealed is looked for at every look.
SEALING_EVERY = timedelta(seconds=LOOK_SECONDS)
NAMES = ("morning", "urgent", "evening", "integrity", "erasures", "sealing")
_ALWAYS_DUE = {"integrity", "erasures", "sealing"}
_SILENT = _ALWAYS_DUE  # so often: their alarms and entries speak
_AGAIN = {
    "urgent": URGENT_EVERY,
    "integrity": INTEGRITY_EVERY,
    "erasures": ERASURES_EVERY,
    "sealing": SEALING_EVERY,
}

Job = Callable[[datetime], object]


def jobs() -> dict[str, Job]:
    """The daily jobs by name. Imported late: they bring the planner with them."""
    module = importlib.import_module("tourniquet.flows.daily_work")
    return {name: getattr(module, name) for name in NAMES}


def is_due(name: str, moment: datetime, done_on: date | None) -> bool:
    """Whether the job is still to be run on the service day of this moment. Pure."""
    hour = moment.astimezone(LONDON).hour
    if name in _ALWAYS_DUE:
        return True
    if name == "urgent":
        return MORNING_HOUR <= hour < EVENING_HOUR
    if done_on == service_day(moment):
        return False
    return hour >= (MORNING_HOUR if name == "morning" else EVENING_HOUR)


class Worker:
    """Runs what is due, every half minute."""

    def __init__(self, *, clock: Callable[[], Clock]) -> None:
        self._clock = clock
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="worker", daemon=True)
        self._done: dict[str, date] = {}
        self._not_before: dict[str, datetime] = {}

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End after the job at hand, or without it where it takes long."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(JOIN_SECONDS)

    def _run(self) -> None:
        while not self._stop.wait(LOOK_SECONDS):
            for name in NAMES:
                self._look(name)

    def _look(self, name: str) -> None:
        moment = self._clock().now()
        not_before = self._not_before.get(name)
        if not_before is not None and moment < not_before:
            return
        if not is_due(name, moment, self._done.get(name)):
            return
        try:
            jobs()[name](moment)
        except Exception as error:  # noqa: BLE001 # the worker's loop logs, counts and lives
            log_fault("worker.job_failed", error, job=name)
            self._not_before[name] = moment + RETRY_AFTER
            connections["default"].close()
            return
        self._done[name] = service_day(moment)
        if name in _AGAIN:
            self._not_before[name] = moment + _AGAIN[name]
        if name not in _SILENT:
            log_event("worker.job_done", job=name)
