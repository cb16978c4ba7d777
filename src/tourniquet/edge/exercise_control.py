"""An exercise's clock and jobs, driven from outside by who runs the exercise.

Invariants:
- In a real home these addresses do not exist (404), whoever asks.
- Only a bearer token of a role that may run an exercise is heard; to all others: 404.
- The clock never goes back. Jobs run one at a time, at the exercise's time.
"""

from __future__ import annotations

import importlib
import threading
from collections.abc import Callable
from datetime import datetime

import msgspec
from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt

from tourniquet.directory.roles import Task
from tourniquet.edge.access import access, viewer_of_token
from tourniquet.edge.machine import nothing_here, read_json, write_json
from tourniquet.kernel.errors import UserError
from tourniquet.record.home import clock, exercise_name, set_clock

_one_at_a_time = threading.Lock()


class ClockBody(msgspec.Struct):
    """Where the clock is to be set."""

    to: datetime


class JobBody(msgspec.Struct):
    """Which job is to run."""

    job: str


def _allowed(http_request: HttpRequest) -> bool:
    if http_request.method != "POST" or not exercise_name():
        return False
    viewer = viewer_of_token(http_request)
    return viewer is not None and viewer.may(Task.RUN_EXERCISE)


@csrf_exempt
@access(Task.RUN_EXERCISE.value)
def clock_to(http_request: HttpRequest) -> HttpResponse:
    """POST {"to": "2024-06-03T06:00:00+01:00"}: set the exercise's clock forward."""
    if not _allowed(http_request):
        return nothing_here()
    body = read_json(http_request, ClockBody)
    if body.to.tzinfo is None:
        raise UserError("The time needs an offset.", where="to")
    with _one_at_a_time:
        set_clock(body.to)
    return write_json({"now": clock().now()})


@csrf_exempt
@access(Task.RUN_EXERCISE.value)
def run_job(http_request: HttpRequest) -> HttpResponse:
    """POST {"job": "morning"}: run one of the daily jobs now."""
    if not _allowed(http_request):
        return nothing_here()
    body = read_json(http_request, JobBody)
    job = find_job(body.job)
    if job is None:
        raise UserError("There is no such job.", where="job", remedy="Jobs: " + ", ".join(JOBS))
    with _one_at_a_time:
        outcome = job(clock().now())
    return write_json({"job": body.job, "outcome": _plain(outcome)})


# Where each job is. Imported when it runs: the planner is heavy and not every server plans.
JOBS = {
    "morning": ("tourniquet.flows.daily_work", "morning"),
    "urgent": ("tourniquet.flows.daily_work", "urgent"),
    "evening": ("tourniquet.flows.daily_work", "evening"),
    "publish": ("tourniquet.flows.daily_work", "publish"),
    "plan-full": ("tourniquet.flows.daily_work", "plan_full"),
}


def find_job(name: str) -> Callable[[datetime], object] | None:
    """The job of that name, or None."""
    if name not in JOBS:
        return None
    module, function = JOBS[name]
    found = getattr(importlib.import_module(module), function)
    assert callable(found)
    return found  # type: ignore[no-any-return] # its module says what it is


def _plain(outcome: object) -> object:
    """What the job told, in JSON's own types."""
    return None if outcome is None else msgspec.to_builtins(outcome)
