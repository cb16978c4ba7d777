"""The incident: its page, and the forms of command.

Invariants:
- Who may do what is decided by the flows; this page only hides what would be refused.
- A form that is refused is shown again, open, with what was typed and what is wrong.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta

from django.http import HttpRequest, HttpResponse

from tourniquet.diary.page_queries import list_laboratories
from tourniquet.directory.queries import names_of, roles_of
from tourniquet.directory.roles import Role, Task, Viewer
from tourniquet.flows.declare_capacity import Declared, declare_capacity
from tourniquet.flows.declare_incident import Methane, declare_incident, update_incident
from tourniquet.flows.log_decision import JointDecision, log_decision
from tourniquet.flows.publish_status import publish_status
from tourniquet.flows.stand_down import stand_down
from tourniquet.incident.models import Incident
from tourniquet.incident.queries import count_timeline, find_latest, list_timeline
from tourniquet.kernel.errors import NotFound, PermissionRefused, UserError
from tourniquet.notices.page_queries import find_promised_update
from tourniquet.pathology.catalogue import DISCIPLINES
from tourniquet.record.home import clock
from tourniquet.web import addresses
from tourniquet.web.access import page
from tourniquet.web.presenters.incident import (
    METHANE,
    IncidentPage,
    MethaneLine,
    Rights,
    TimelineEntry,
)
from tourniquet.web.presenters.shell import BLANK_FORM, ROLE_WORDS, Choice, FieldError, Form
from tourniquet.web.views.capacity import describe_weeks, discipline_words
from tourniquet.web.views.capacity_table import read_table
from tourniquet.web.views.rendering import render, say_done
from tourniquet.web.views.typed import (
    Faults,
    check_lengths,
    fault_of,
    form_of,
    need_text,
    read_count,
    read_day,
    read_moment,
    read_texts,
    see_other,
)

TIMELINE_ROWS = 50
DAYS_AT_ONCE = 92
_METHANE_FIELDS = tuple(name for _, _, name in METHANE)
_WORDS = {
    "declared": "Incident declared",
    "capacity": "Capacity",
    "plan": "Plan",
    "decision": "Decision",
    "notice": "Notices",
    "update": "Word for the public",
    "stood_down": "Stood down",
}


@page(Task.SEE_OPERATIONS)
def show(http_request: HttpRequest, viewer: Viewer) -> HttpResponse:
    """The incident that runs, or the last one, or the form to declare one."""
    return _show(http_request, viewer)


@page(Task.COMMAND_INCIDENT, methods=("POST",))
def declare(http_request: HttpRequest, viewer: Viewer) -> HttpResponse:
    """Declare an incident."""
    fields = ("title", "level", *_METHANE_FIELDS, "public_text", "next_update_due")
    values = read_texts(http_request, fields, _form="declare")
    faults: Faults = []
    check_lengths(values, faults, lines=("title", "level", "next_update_due"))
    need_text(values, "title", "Say what the incident is called.", faults)
    need_text(values, "level", "Choose a level.", faults)
    next_update_at = read_moment(values, "next_update_due", faults)

    def act() -> None:
        declare_incident(
            title=values["title"],
            level=values["level"],
            methane=Methane(
                major_incident=values["major_incident"],
                exact_location=values["exact_location"],
                incident_type=values["incident_type"],
                hazards=values["hazards"],
                access=values["access"],
                number_and_severity=values["number"],
                emergency_services=values["emergency_services"],
            ),
            public_text=values["public_text"],
            viewer=viewer,
            now=clock().now(),
            next_update_at=next_update_at,
        )
        publish_status(now=clock().now())  # HAZ-020: the page must not say that all is well

    return _carry_out(
        http_request, viewer, values, faults, act, field="title", done="The incident is declared."
    )


@page(Task.SEE_OPERATIONS, methods=("POST",))
def capacity(http_request: HttpRequest, viewer: Viewer) -> HttpResponse:
    """One laboratory's capacity in one discipline over some days."""
    fields = ("laboratory", "discipline", "first_day", "last_day", "tubes_a_day", "source")
    values = read_texts(http_request, fields, _form="capacity")
    faults: Faults = []
    check_lengths(values, faults, lines=fields)
    need_text(values, "laboratory", "Choose a laboratory.", faults)
    if values["discipline"] not in DISCIPLINES:
        faults.append(FieldError("discipline", "Choose a discipline."))
    first = read_day(values, "first_day", faults)
    last = read_day(values, "last_day", faults)
    tubes = read_count(values, "tubes_a_day", faults)
    need_text(values, "source", "Say who gave the figure, and how.", faults)
    days: list[date] = []
    if first is not None and last is not None:
        if last < first:
            faults.append(FieldError("last_day", "The last day is before the first."))
        elif (last - first).days >= DAYS_AT_ONCE:
            faults.append(FieldError("last_day", f"At most {DAYS_AT_ONCE} days at once."))
        else:
            days = [first + timedelta(days=number) for number in range((last - first).days + 1)]

    def act() -> None:
        rows = [
            Declared(
                laboratory=values["laboratory"],
                discipline=values["discipline"],
                day=day,
                tubes=tubes,
                source=values["source"],
            )
            for day in days
        ]
        declare_capacity(rows, viewer=viewer, now=clock().now())

    return _carry_out(
        http_request, viewer, values, faults, act, field="laboratory", done="Capacity is written."
    )


@page(Task.SEE_OPERATIONS, methods=("POST",))
def capacity_table(http_request: HttpRequest, viewer: Viewer) -> HttpResponse:
    """A pasted table of capacity: one declaration for all of it."""
    text = http_request.POST.get("rows", "").replace("\x00", "")
    values = {"rows": text, "_form": "table"}
    faults: Faults = []
    declared: list[Declared] = []
    lines: list[int] = []
    try:
        declared, lines = read_table(text)
    except UserError as error:
        faults.append(FieldError("rows", str(error)))

    def act() -> None:
        try:
            declare_capacity(declared, viewer=viewer, now=clock().now())
        except UserError as error:
            number = error.where.removeprefix("row ")
            if not number.isdigit():
                raise
            where = f"line {lines[int(number) - 1]}"
            raise UserError(f"{where}: {error.what}", remedy=error.remedy) from error

    done = f"Capacity is written: {len(declared):,} rows."
    return _carry_out(http_request, viewer, values, faults, act, field="rows", done=done)


@page(Task.COMMAND_INCIDENT, methods=("POST",))
def log(http_request: HttpRequest, viewer: Viewer) -> HttpResponse:
    """Log a decision."""
    fields = ("decision", "information", "risk", "powers", "rejected", "review_at")
    values = read_texts(http_request, fields, _form="log")
    faults: Faults = []
    check_lengths(values, faults, lines=("review_at",))
    need_text(values, "decision", "Say what was decided.", faults)
    review_at = read_moment(values, "review_at", faults)

    def act() -> None:
        log_decision(
            JointDecision(
                information=values["information"],
                risk=values["risk"],
                powers=values["powers"],
                options=values["rejected"],
                action=values["decision"],
                review_at=review_at,
            ),
            viewer=viewer,
            now=clock().now(),
        )

    return _carry_out(
        http_request, viewer, values, faults, act, field="decision", done="The decision is logged."
    )


@page(Task.APPROVE_NOTICES, methods=("POST",))
def update(http_request: HttpRequest, viewer: Viewer) -> HttpResponse:
    """Give the public a new word."""
    values = read_texts(http_request, ("public_text", "next_update_due"), _form="update")
    faults: Faults = []
    check_lengths(values, faults, lines=("next_update_due",))
    need_text(values, "public_text", "Write what people should know.", faults)
    next_update_at = read_moment(values, "next_update_due", faults)

    def act() -> None:
        update_incident(
            public_text=values["public_text"],
            viewer=viewer,
            now=clock().now(),
            next_update_at=next_update_at,
        )
        publish_status(now=clock().now())

    done = "The word for the public is published on the status page."
    return _carry_out(http_request, viewer, values, faults, act, field="public_text", done=done)


@page(Task.COMMAND_INCIDENT, methods=("POST",))
def end(http_request: HttpRequest, viewer: Viewer) -> HttpResponse:
    """Stand the incident down."""
    values = read_texts(http_request, ("reason",), _form="stand_down")
    faults: Faults = []
    check_lengths(values, faults)
    need_text(values, "reason", "Say why the incident can end.", faults)

    def act() -> None:
        stand_down(reason=values["reason"], viewer=viewer, now=clock().now())
        publish_status(now=clock().now())  # HAZ-020: nor that tests wait when they do not

    return _carry_out(
        http_request,
        viewer,
        values,
        faults,
        act,
        field="reason",
        done="The incident is stood down.",
    )


def _carry_out(
    http_request: HttpRequest,
    viewer: Viewer,
    values: dict[str, str],
    faults: Faults,
    act: Callable[[], None],
    *,
    field: str,
    done: str,
) -> HttpResponse:
    """Do what the form asks and go back to the incident, or show the form with its faults."""
    if not faults:
        try:
            act()
        except (PermissionRefused, NotFound):
            raise
        except UserError as error:
            faults.append(fault_of(error, field=field, names=values))
    if faults:
        return _show(http_request, viewer, form_of(values, faults), status=400)
    say_done(http_request, done)
    return see_other(addresses.INCIDENT)


def _show(
    http_request: HttpRequest, viewer: Viewer, form: Form = BLANK_FORM, *, status: int = 200
) -> HttpResponse:
    incident = find_latest(viewer)
    built = _describe(incident, viewer, form) if incident else _blank(viewer, form)
    return render(
        http_request,
        "incident.html",
        built,
        title=incident.title if incident else "Incident",
        section="incident",
        form_errors=form.errors,
        status=status,
    )


def _rights(viewer: Viewer) -> Rights:
    commands = viewer.may(Task.COMMAND_INCIDENT)
    speaks_for_itself = viewer.role is Role.LABORATORY and bool(viewer.organisation)
    return Rights(
        declare=commands,
        update_capacity=commands or speaks_for_itself,
        log=commands,
        update_public=viewer.may(Task.APPROVE_NOTICES),
        stand_down=commands,
    )


def _blank(viewer: Viewer, form: Form) -> IncidentPage:
    return IncidentPage("none", _rights(viewer), form)


def _describe(incident: Incident, viewer: Viewer, form: Form) -> IncidentPage:
    rights = _rights(viewer)
    texts = (
        incident.major_incident,
        incident.exact_location,
        incident.incident_type,
        incident.hazards,
        incident.access,
        incident.number_and_severity,
        incident.emergency_services,
    )
    laboratories = list_laboratories(viewer)
    names = names_of(set(laboratories))
    mine = viewer.organisation if viewer.role is Role.LABORATORY else ""
    weeks, rows = describe_weeks(viewer, incident.declared_at, names)
    return IncidentPage(
        incident.state,
        rights,
        form,
        incident_id=incident.id,
        title=incident.title,
        level=incident.level,
        declared_at=incident.declared_at,
        declared_by=incident.declared_by,
        stood_down_at=incident.stood_down_at,
        stood_down_by=incident.stood_down_by,
        next_update_due=incident.next_update_at or find_promised_update(),
        public_text=incident.public_text,
        methane=tuple(
            MethaneLine(letter, label, text)
            for (letter, label, _), text in zip(METHANE, texts, strict=True)
        ),
        weeks=weeks,
        capacity=rows,
        timeline=_timeline(incident.id, viewer),
        timeline_total=count_timeline(incident.id, viewer),
        laboratories=tuple(
            Choice(code, f"{names.get(code, code)} ({code})")
            for code in laboratories
            if mine in ("", code)
        ),
        disciplines=tuple(Choice(name, discipline_words(name)) for name in DISCIPLINES),
    )


def _timeline(incident: str, viewer: Viewer) -> tuple[TimelineEntry, ...]:
    events = list_timeline(incident, viewer, limit=TIMELINE_ROWS)
    roles = roles_of({event.actor for event in events})
    return tuple(
        TimelineEntry(
            position=event.position,
            at=event.at,
            kind=_WORDS.get(event.kind, event.kind),
            what=event.text,
            who=event.actor,
            role=ROLE_WORDS.get(roles.get(event.actor, ""), ""),
            href=addresses.entry(event.position) if viewer.may(Task.READ_JOURNAL) else "",
        )
        for event in events
    )
