"""Worklists of people: critical calls, urgent, waiting, undelivered.

Invariants:
- A list shows its number of rows in all, and only rows that the viewer may see.
- Closing a call demands the figure as it was read back; another figure is refused.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal, InvalidOperation
from math import ceil

from django.http import HttpRequest, HttpResponse

from tourniquet.diary.models import Need
from tourniquet.diary.page_queries import (
    list_needs_by_id,
    list_urgent_waiting,
    list_waiting,
)
from tourniquet.directory.queries import names_of, phones_of
from tourniquet.directory.roles import Task, Viewer
from tourniquet.flows.close_call import attempt_call, close_call
from tourniquet.kernel.clock import service_day
from tourniquet.kernel.errors import NotFound, PermissionRefused, UserError
from tourniquet.notices.models import Notice
from tourniquet.notices.page_queries import list_undelivered
from tourniquet.pathology.models import CallAttempt as CallAttemptRow
from tourniquet.pathology.models import CriticalCall
from tourniquet.pathology.queries import get_call, list_attempts, list_open_calls
from tourniquet.patients.page_queries import list_people
from tourniquet.record.home import clock
from tourniquet.web import addresses
from tourniquet.web.access import page
from tourniquet.web.presenters.shell import BLANK_FORM, FieldError, Form, Paging
from tourniquet.web.presenters.worklists import (
    CALL_OUTCOMES,
    CallAttempt,
    CriticalPage,
    CriticalRow,
    WaitingPage,
    WaitingRow,
)
from tourniquet.web.views.patient_diary import ABOUT_WORDS, NOTICE_WORDS
from tourniquet.web.views.people import Names, indication_words, link
from tourniquet.web.views.rendering import render, say_done
from tourniquet.web.views.tabs import count_tabs
from tourniquet.web.views.typed import (
    Faults,
    check_lengths,
    fault_of,
    form_of,
    need_text,
    read_page,
    read_texts,
    see_other,
)

PAGE_ROWS = 50
CALLS_MOST = 500  # what pathology.queries gives at once
_READ_BACK = "read_back"
_OUTCOMES = {choice.value: choice.label for choice in CALL_OUTCOMES}
_SECONDS_A_MINUTE = 60


@page(Task.SEE_OPERATIONS)
def front(http_request: HttpRequest, viewer: Viewer) -> HttpResponse:
    """The first list that this viewer may see."""
    clinical = viewer.may(Task.SEE_CLINICAL)
    return see_other(addresses.WORKLIST_CRITICAL if clinical else addresses.WORKLIST_REFUSED)


@page(Task.SEE_CLINICAL)
def critical(http_request: HttpRequest, viewer: Viewer) -> HttpResponse:
    """Critical results that nobody has been told of."""
    return _critical(http_request, viewer)


@page(Task.SEE_CLINICAL, methods=("GET", "HEAD", "POST"))
def call(http_request: HttpRequest, viewer: Viewer, call_id: str) -> HttpResponse:
    """One call: its form, and what it posts."""
    found = get_call(call_id, viewer=viewer)
    if http_request.method != "POST":
        return _critical(http_request, viewer, found)
    viewer.demand(Task.RECORD_CLINICAL)
    values = read_texts(http_request, ("outcome", "recipient", "read_back", "comment"))
    faults: Faults = []
    check_lengths(values, faults, lines=("outcome", "recipient", "read_back"))
    if values["outcome"] not in _OUTCOMES:
        faults.append(FieldError("outcome", "Choose what happened."))
    elif values["outcome"] == _READ_BACK:
        _check_read_back(values, found, faults)
    if not faults:
        try:
            _write_down(values, viewer, call_id)
        except (PermissionRefused, NotFound):
            raise
        except UserError as error:
            faults.append(fault_of(error, field="outcome"))
    if faults:
        return _critical(http_request, viewer, found, form_of(values, faults), status=400)
    say_done(http_request, "The call is written down.")
    return see_other(addresses.WORKLIST_CRITICAL)


def _check_read_back(values: dict[str, str], found: CriticalCall, faults: Faults) -> None:
    need_text(values, "recipient", "Write who took it: full name and role.", faults)
    need_text(values, "comment", "Write what they will do.", faults)
    if not values["read_back"]:
        faults.append(FieldError("read_back", "Write the figure as it was read back to you."))
    elif not is_same_figure(values["read_back"], found.value_text):
        text = "That is not the figure on this page. Have it read back again."
        faults.append(FieldError("read_back", text))


def is_same_figure(typed: str, value: str) -> bool:
    """Whether what was read back is the value: as a number, or as text whatever its case."""
    try:
        return Decimal(typed.replace(",", ".").strip()) == Decimal(value.strip())
    except InvalidOperation:
        return "".join(typed.split()).casefold() == "".join(value.split()).casefold()


def _write_down(values: dict[str, str], viewer: Viewer, call_id: str) -> None:
    now = clock().now()
    if values["outcome"] == _READ_BACK:
        close_call(
            call_id,
            viewer=viewer,
            told=values["recipient"],
            read_back=True,
            comment=values["comment"],
            now=now,
        )
        return
    note = "; ".join(part for part in (values["recipient"], values["comment"]) if part)
    attempt_call(call_id, viewer=viewer, outcome=_OUTCOMES[values["outcome"]], note=note, now=now)


def _critical(
    http_request: HttpRequest,
    viewer: Viewer,
    opened: CriticalCall | None = None,
    form: Form = BLANK_FORM,
    *,
    status: int = 200,
) -> HttpResponse:
    now = clock().now()
    tabs = count_tabs(viewer, "critical")
    number = read_page(http_request)
    calls = list_open_calls(viewer=viewer, limit=CALLS_MOST)
    shown = calls[(number - 1) * PAGE_ROWS : number * PAGE_ROWS]
    everything = [*shown, *([opened] if opened else [])]
    codes = {one.requesting_organisation for one in everything}
    names = Names(list_people(viewer, {one.patient_id for one in everything}), names_of(codes))
    phones = phones_of(codes)
    tried = list_attempts([one.id for one in everything], viewer=viewer)

    def row(one: CriticalCall) -> CriticalRow:
        return _call_row(one, names, phones, tried.get(one.id, []), now)

    built = CriticalPage(
        tabs=tabs,
        rows=tuple(row(one) for one in shown),
        paging=paging(number, min(tabs.counts["critical"], CALLS_MOST), "critical"),
        open_call=row(opened) if opened else None,
        form=form,
        may_close=viewer.may(Task.RECORD_CLINICAL)
        and opened is not None
        and opened.state == "open",
    )
    return render(
        http_request,
        "worklists/critical.html",
        built,
        title="Critical results to phone",
        section="worklists",
        form_errors=form.errors,
        status=status,
    )


def _call_row(
    one: CriticalCall,
    names: Names,
    phones: dict[str, str],
    tried: list[CallAttemptRow],
    now: datetime,
) -> CriticalRow:
    count = len(tried)
    return CriticalRow(
        call_id=one.id,
        patient=link(names, one.patient_id),
        test=one.display or one.code,
        value=one.value_text,
        unit=one.unit,
        limit=one.rule,
        reported_at=one.opened_at,
        waiting_minutes=int((now - one.opened_at).total_seconds()) // _SECONDS_A_MINUTE,
        overdue=one.state == "open" and one.call_by < now,
        call_whom=names.organisation(one.requesting_organisation),
        phone=phones.get(one.requesting_organisation, ""),
        step=_step(one, count),
        attempts=tuple(
            CallAttempt(
                attempt.at,
                attempt.actor,
                f"{attempt.outcome}: {attempt.note}" if attempt.note else attempt.outcome,
            )
            for attempt in tried
        ),
    )


def _step(one: CriticalCall, count: int) -> str:
    if one.state != "open":
        return f"Closed by {one.closed_by}: {one.told}"
    return f"Tried {count} times" if count > 1 else ("Tried once" if count else "First call")


def paging(number: int, total: int, key: str) -> Paging:
    """Which part of a worklist is shown."""
    return Paging(number, ceil(total / PAGE_ROWS), total, PAGE_ROWS, f"/worklists/{key}/")


@page(Task.SEE_CLINICAL)
def urgent(http_request: HttpRequest, viewer: Viewer) -> HttpResponse:
    """Urgent needs without an appointment."""
    number = read_page(http_request)
    needs = list_urgent_waiting(
        viewer, clock().now(), offset=(number - 1) * PAGE_ROWS, limit=PAGE_ROWS
    )
    return _waiting(
        http_request,
        viewer,
        "urgent",
        number,
        _need_rows(viewer, needs, by_safe_day=True),
        heading="Urgent tests waiting",
        lead="Nobody here has an appointment in time. The one whose safe time ends first is first.",
        due_label="Safe until",
        empty="No urgent test waits.",
    )


@page(Task.SEE_CLINICAL)
def waiting(http_request: HttpRequest, viewer: Viewer) -> HttpResponse:
    """Needs without an appointment, by the day on which the patient is told."""
    number = read_page(http_request)
    needs = list_waiting(viewer, offset=(number - 1) * PAGE_ROWS, limit=PAGE_ROWS)
    return _waiting(
        http_request,
        viewer,
        "waiting",
        number,
        _need_rows(viewer, needs, by_safe_day=False),
        heading="Waiting for a date",
        lead="Everybody here has a day by which they are told. Nobody may be past it.",
        due_label="Told by",
        empty="Everybody has a date.",
    )


@page(Task.SEE_CLINICAL)
def undelivered(http_request: HttpRequest, viewer: Viewer) -> HttpResponse:
    """Notices that did not arrive, or are for a call."""
    number = read_page(http_request)
    notices = list_undelivered(viewer, offset=(number - 1) * PAGE_ROWS, limit=PAGE_ROWS)
    return _waiting(
        http_request,
        viewer,
        "undelivered",
        number,
        _notice_rows(viewer, notices),
        heading="Notices not delivered",
        lead="These people do not know yet. Phone them, or the person who cares for them.",
        due_label="Told by",
        empty="Every notice has arrived.",
    )


def _waiting(
    http_request: HttpRequest,
    viewer: Viewer,
    key: str,
    number: int,
    rows: tuple[WaitingRow, ...],
    *,
    heading: str,
    lead: str,
    due_label: str,
    empty: str,
) -> HttpResponse:
    tabs = count_tabs(viewer, key)
    built = WaitingPage(
        tabs=tabs,
        heading=heading,
        lead=lead,
        due_label=due_label,
        rows=rows,
        paging=paging(number, tabs.counts[key], key),
        empty=empty,
    )
    return render(http_request, "worklists/waiting.html", built, title=heading, section="worklists")


def _need_rows(viewer: Viewer, needs: list[Need], *, by_safe_day: bool) -> tuple[WaitingRow, ...]:
    today = service_day(clock().now())
    codes = {need.registered_organisation for need in needs}
    names = Names(list_people(viewer, {need.patient_id for need in needs}), names_of(codes))
    phones = phones_of(codes)
    rows = []
    for need in needs:
        due = need.safe_until if by_safe_day else need.review_on
        rows.append(
            WaitingRow(
                patient=link(names, need.patient_id),
                indication=indication_words(need.indication),
                priority=need.priority,
                since=need.opened_at,
                due=due,
                practice=names.organisation(need.registered_organisation),
                practice_phone=phones.get(need.registered_organisation, ""),
                reason=need.reason or "New: no plan has looked at it yet",
                next_step=_next_step(need),
                late=due is None or due < today,
            )
        )
    return tuple(rows)


def _next_step(need: Need) -> str:
    if need.status == "emergency":
        return "Same-day hospital care: make sure that it happened"
    return (
        "The next plan, or a clinic by phone" if need.priority in ("P1", "P2") else "The next plan"
    )


def _notice_rows(viewer: Viewer, notices: list[Notice]) -> tuple[WaitingRow, ...]:
    today = service_day(clock().now())
    codes = {one.registered_organisation for one in notices}
    names = Names(list_people(viewer, {one.patient_id for one in notices}), names_of(codes))
    phones = phones_of(codes)
    needs = list_needs_by_id(viewer, {one.need_id for one in notices if one.need_id})
    rows = []
    for one in notices:
        need = needs.get(one.need_id or "")
        rows.append(
            WaitingRow(
                patient=link(names, one.patient_id),
                indication=ABOUT_WORDS.get(one.kind, one.kind),
                priority=need.priority if need else "",
                since=one.written_at,
                due=one.review_on,
                practice=names.organisation(one.registered_organisation),
                practice_phone=phones.get(one.registered_organisation, ""),
                reason=NOTICE_WORDS.get(one.status, one.status),
                next_step="The practice phones",
                late=one.review_on is not None and one.review_on < today,
            )
        )
    return tuple(rows)
