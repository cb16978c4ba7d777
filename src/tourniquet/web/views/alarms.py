"""Alarms: the list of those that wait for a person, and what is done about one.

Invariants:
- Alarms about somebody's reading are shown to those who watch over records, and to nobody else:
  who set one off must not see it.
"""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse

from tourniquet.directory.roles import Task, Viewer
from tourniquet.flows.guard_access import allow_export, clear_alarm, may_clear
from tourniquet.kernel.errors import NotFound, PermissionRefused, UserError
from tourniquet.patients.readings import find_account_at, get_stop_at
from tourniquet.record.home import clock
from tourniquet.record.models import Alarm
from tourniquet.record.queries import count_open_alarms, get_alarm, list_open_alarms
from tourniquet.web import addresses
from tourniquet.web.access import page
from tourniquet.web.presenters.alarms import AlarmPage, AlarmRow, AlarmsPage
from tourniquet.web.presenters.shell import BLANK_FORM, Crumb, Form
from tourniquet.web.views.kinds import hidden_alarms
from tourniquet.web.views.rendering import render, say_done
from tourniquet.web.views.tabs import count_tabs
from tourniquet.web.views.typed import (
    Faults,
    check_lengths,
    clean,
    fault_of,
    form_of,
    read_count,
    read_page,
    read_texts,
    see_other,
)
from tourniquet.web.views.worklists import PAGE_ROWS, paging

_KEY = "alarms"
_CRUMBS = (Crumb("Alarms", addresses.WORKLIST_ALARMS),)


@page(Task.SEE_OPERATIONS)
def show(http_request: HttpRequest, viewer: Viewer) -> HttpResponse:
    """Open alarms, newest first."""
    number = read_page(http_request)
    hidden = hidden_alarms(viewer)
    found = list_open_alarms(limit=PAGE_ROWS, offset=(number - 1) * PAGE_ROWS, without=hidden)
    total = count_open_alarms(without=hidden)
    built = AlarmsPage(
        count_tabs(viewer, _KEY),
        tuple(_row(viewer, one) for one in found),
        paging(number, total, _KEY),
    )
    return render(http_request, "worklists/alarms.html", built, title="Alarms", section="worklists")


def _row(viewer: Viewer, one: Alarm) -> AlarmRow:
    may_read = viewer.may(Task.READ_JOURNAL) and one.about_position is not None
    return AlarmRow(
        alarm_id=one.id,
        kind=one.kind,
        text=one.text,
        raised_at=one.raised_at,
        about=one.about_position,
        about_href=addresses.entry(one.about_position or 0) if may_read else "",
    )


@page(Task.SEE_OPERATIONS, methods=("GET", "HEAD", "POST"))
def alarm(http_request: HttpRequest, viewer: Viewer, alarm_id: str) -> HttpResponse:
    """One alarm, and what is done about it."""
    found = get_alarm(alarm_id)
    if found.kind in hidden_alarms(viewer):
        raise NotFound("There is no such alarm.")
    if http_request.method != "POST":
        return _alarm(http_request, viewer, found)
    values = read_texts(http_request, ("note", "hours", "reason"))
    faults: Faults = []
    check_lengths(values, faults, lines=("hours",))
    if clean(http_request.POST.get("action", "")) == "lift":
        done = _lift(viewer, found, values, faults)
    else:
        done = _clear(viewer, found, values, faults)
    if faults:
        return _alarm(http_request, viewer, found, form_of(values, faults), status=400)
    say_done(http_request, done)
    return see_other(addresses.WORKLIST_ALARMS)


def _clear(viewer: Viewer, found: Alarm, values: dict[str, str], faults: Faults) -> str:
    if not faults:
        try:
            clear_alarm(found.id, note=values["note"], viewer=viewer, now=clock().now())
        except (PermissionRefused, NotFound):
            raise
        except UserError as error:
            faults.append(fault_of(error, field="note"))
    return "The alarm is off the list."


def _lift(viewer: Viewer, found: Alarm, values: dict[str, str], faults: Faults) -> str:
    stop = get_stop_at(found.about_position)
    if stop is None:
        raise NotFound("This alarm is about no stop.")
    hours = read_count(values, "hours", faults)
    if not faults:
        now = clock().now()
        try:
            allow_export(stop.account, hours=hours, reason=values["reason"], viewer=viewer, now=now)
        except (PermissionRefused, NotFound):
            raise
        except UserError as error:
            faults.append(fault_of(error, field="reason", names=("hours",)))
    return f"The limit of account {stop.account} is lifted. The alarm stays until it is dealt with."


def _alarm(
    http_request: HttpRequest,
    viewer: Viewer,
    found: Alarm,
    form: Form = BLANK_FORM,
    *,
    status: int = 200,
) -> HttpResponse:
    stop = get_stop_at(found.about_position)
    may_see = viewer.may(Task.SEE_ACCESS)
    account = find_account_at(found.about_position) if may_see else ""
    row = _row(viewer, found)
    built = AlarmPage(
        tabs=count_tabs(viewer, _KEY),
        row=row,
        may_clear=may_clear(viewer, found.kind),
        cleared_by=found.cleared_by,
        cleared_at=found.cleared_at,
        stopped=stop.account if stop else "",
        may_lift=stop is not None and viewer.may(Task.ADMINISTER),
        access_href=addresses.access_by(account) if account else "",
        form=form,
    )
    return render(
        http_request,
        "worklists/alarm.html",
        built,
        title=f"Alarm: {row.kind_words}",
        section="worklists",
        crumbs=_CRUMBS,
        form_errors=form.errors,
        status=status,
    )
