"""The page that answers "what is happening now?"."""

from __future__ import annotations

from datetime import datetime

from django.http import HttpRequest, HttpResponse

from tourniquet.diary.page_queries import (
    count_day,
    count_urgent_waiting,
    count_waiting,
    list_capacity,
)
from tourniquet.diary.page_queries import named_patients as named_in_diary
from tourniquet.directory.queries import names_of
from tourniquet.directory.roles import Task, Viewer
from tourniquet.incident.models import Incident
from tourniquet.incident.queries import find_latest, list_timeline
from tourniquet.kernel.clock import service_day
from tourniquet.notices.page_queries import count_undelivered, find_promised_update
from tourniquet.pathology.queries import count_open_calls, list_open_calls, named_patients
from tourniquet.patients.queries import count_provisional
from tourniquet.record.home import clock
from tourniquet.record.queries import count_refused_messages, list_open_alarms
from tourniquet.triage.page_queries import find_current_plan
from tourniquet.web import addresses
from tourniquet.web.access import page
from tourniquet.web.filters import waited
from tourniquet.web.presenters.home import (
    CapacityRow,
    Happening,
    HomeCounts,
    HomePage,
    IncidentNow,
)
from tourniquet.web.presenters.plan import STATES
from tourniquet.web.views.capacity import discipline_words
from tourniquet.web.views.kinds import hidden_alarms
from tourniquet.web.views.rendering import render

LATELY_ROWS = 10
_MINUTE_SECONDS = 60


@page(Task.SEE_OPERATIONS)
def show(http_request: HttpRequest, viewer: Viewer) -> HttpResponse:
    """Now: the incident, what needs somebody, capacity today, what happened lately."""
    now = clock().now()
    latest = find_latest(viewer)
    running = latest if latest is not None and latest.state == "declared" else None
    counts = _counts(viewer, now)
    words = (
        waited(counts.urgent_oldest_minutes),
        waited(counts.critical_oldest_minutes),
    )
    built = HomePage(
        as_of=now,
        incident=_incident(running, viewer, now) if running else None,
        tiles=counts.tiles(words),
        capacity=_capacity(viewer, now),
        lately=_lately(latest, viewer),
    )
    return render(http_request, "home.html", built, title="Now", section="now")


def _minutes(since: datetime | None, now: datetime) -> int | None:
    return None if since is None else int((now - since).total_seconds()) // _MINUTE_SECONDS


def _counts(viewer: Viewer, now: datetime) -> HomeCounts:
    today = service_day(now)
    clinical = viewer.may(Task.SEE_CLINICAL)
    urgent = count_urgent_waiting(viewer, now)
    waiting = count_waiting(viewer, today)
    appointments, clinics = count_day(viewer, today)
    first_call = list_open_calls(viewer=viewer, limit=1) if clinical else []
    named = named_patients(viewer) | named_in_diary(viewer) if clinical else None
    return HomeCounts(
        urgent_waiting=urgent.count,
        urgent_oldest_minutes=_minutes(urgent.oldest, now),
        critical_open=count_open_calls(viewer=viewer) if clinical else None,
        critical_oldest_minutes=_minutes(first_call[0].opened_at, now) if first_call else None,
        unknown_people=None if named is None else count_provisional(viewer=viewer, named=named),
        refused_messages=count_refused_messages(),
        appointments_today=appointments,
        clinics_today=clinics,
        waiting_for_date=waiting.count,
        waiting_past_review=waiting.late,
        notices_undelivered=count_undelivered(viewer),
        may_open=clinical,
    )


def _incident(incident: Incident, viewer: Viewer, now: datetime) -> IncidentNow:
    plan = find_current_plan(viewer)
    due = incident.next_update_at or find_promised_update()
    return IncidentNow(
        title=incident.title,
        level=incident.level,
        since=incident.declared_at,
        day_number=(service_day(now) - service_day(incident.declared_at)).days + 1,
        next_update_due=due,
        update_overdue=due is not None and due < now,
        plan_words=STATES.get(plan.state, (plan.state, ""))[0] if plan else "None yet",
        plan_href=addresses.plan(plan.id) if plan else addresses.PLAN,
    )


def _capacity(viewer: Viewer, now: datetime) -> tuple[CapacityRow, ...]:
    today = service_day(now)
    rows = list_capacity(viewer, today, today)
    names = names_of({row.laboratory for row in rows})
    return tuple(
        CapacityRow(
            laboratory=names.get(row.laboratory, row.laboratory),
            discipline=discipline_words(row.discipline),
            today=row.tubes,
            normal=row.normal_tubes,
            flag=row.flag,
            as_of=row.declared_at,
        )
        for row in rows
    )


def _lately(latest: Incident | None, viewer: Viewer) -> tuple[Happening, ...]:
    """Open alarms and the incident's timeline, newest first."""
    may_read = viewer.may(Task.READ_JOURNAL)
    found = [
        Happening(
            alarm.raised_at,
            f"Alarm: {alarm.text}",
            "Tourniquet",
            addresses.alarm(alarm.id),
        )
        for alarm in list_open_alarms(limit=LATELY_ROWS, without=hidden_alarms(viewer))
    ]
    if latest is not None:
        found += [
            Happening(
                event.at,
                event.text,
                event.actor,
                addresses.entry(event.position) if may_read else addresses.INCIDENT,
            )
            for event in list_timeline(latest.id, viewer, limit=LATELY_ROWS)
        ]
    return tuple(sorted(found, key=lambda row: row.at, reverse=True)[:LATELY_ROWS])
