"""The worklists' tabs with the number of rows in each, counted for the viewer."""

from __future__ import annotations

from tourniquet.diary.page_queries import count_urgent_waiting, count_waiting
from tourniquet.diary.page_queries import named_patients as named_in_diary
from tourniquet.directory.roles import Task, Viewer
from tourniquet.kernel.clock import service_day
from tourniquet.notices.page_queries import count_undelivered
from tourniquet.pathology.queries import count_open_calls, named_patients
from tourniquet.patients.queries import count_provisional
from tourniquet.record.home import clock
from tourniquet.record.queries import count_open_alarms, count_refused_messages
from tourniquet.web.presenters.worklists import Tabs
from tourniquet.web.views.kinds import hidden_alarms


def count_tabs(viewer: Viewer, current: str) -> Tabs:
    """Every list with its count; a viewer without clinical rights has those without patients."""
    counts = {
        "refused": count_refused_messages(),
        "alarms": count_open_alarms(without=hidden_alarms(viewer)),
    }
    if viewer.may(Task.SEE_CLINICAL):
        now = clock().now()
        named = named_patients(viewer) | named_in_diary(viewer)
        counts |= {
            "critical": count_open_calls(viewer=viewer),
            "urgent": count_urgent_waiting(viewer, now).count,
            "waiting": count_waiting(viewer, service_day(now)).count,
            "undelivered": count_undelivered(viewer),
            "provisional": count_provisional(viewer=viewer, named=named),
        }
    return Tabs(current, counts)
