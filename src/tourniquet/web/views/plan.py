"""Plans: made, looked at, acknowledged, adopted.

Invariants:
- Urgent needs that the plan does not serve in time are listed whatever the page and filters, those
  still open first; the next are shown when these are acknowledged.
- Who may not see clinical records sees figures and no names.
- The page asks the database a fixed number of questions, however many rows it has.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from math import ceil

from django.http import HttpRequest, HttpResponse

from tourniquet.diary.page_queries import list_safe_days
from tourniquet.directory.queries import names_of, phones_of
from tourniquet.directory.roles import Task, Viewer
from tourniquet.flows.adopt_plan import acknowledge_urgent, adopt_plan
from tourniquet.flows.propose_plan import propose_plan
from tourniquet.incident.queries import find_running
from tourniquet.kernel.errors import NotFound, PermissionRefused, UserError
from tourniquet.notices.page_queries import count_notices_to_send
from tourniquet.pathology.catalogue import PRIORITIES
from tourniquet.patients.page_queries import list_people
from tourniquet.record.home import clock
from tourniquet.record.queries import count_consequences
from tourniquet.triage.models import Plan, PlanLine
from tourniquet.triage.page_queries import (
    LineFilter,
    count_lines,
    count_open_urgent,
    count_urgent_of,
    find_current_plan,
    get_plan,
    list_lines,
    list_practices_of,
    list_urgent_lines,
)
from tourniquet.web import addresses
from tourniquet.web.access import page
from tourniquet.web.presenters.people import PatientLink
from tourniquet.web.presenters.plan import (
    DECISIONS,
    ChangeRow,
    Figures,
    Place,
    PlanFilters,
    PlanPage,
    UrgentRow,
)
from tourniquet.web.presenters.shell import BLANK_FORM, Choice, FieldError, Form, Paging
from tourniquet.web.views.people import Names, indication_words, link
from tourniquet.web.views.rendering import render, say_done
from tourniquet.web.views.typed import (
    Faults,
    check_lengths,
    clean,
    fault_of,
    form_of,
    need_text,
    read_page,
    read_texts,
    see_other,
)

PAGE_ROWS = 50
POLICY = "standing, not yet signed off"


@page(Task.SEE_OPERATIONS)
def current(http_request: HttpRequest, viewer: Viewer) -> HttpResponse:
    """The plan to look at now, or the word that there is none."""
    plan = find_current_plan(viewer)
    if plan is not None:
        return _show(http_request, viewer, plan)
    return _empty(http_request, viewer)


@page(Task.SEE_OPERATIONS)
def show(http_request: HttpRequest, viewer: Viewer, plan_id: str) -> HttpResponse:
    """One plan."""
    return _show(http_request, viewer, get_plan(viewer, plan_id))


@page(Task.COMMAND_INCIDENT, methods=("POST",))
def propose(http_request: HttpRequest, viewer: Viewer) -> HttpResponse:
    """Make a plan and go to it."""
    try:
        plan_id = propose_plan(viewer=viewer, now=clock().now())
    except (PermissionRefused, NotFound):
        raise
    except UserError as error:
        form = form_of({}, [fault_of(error, field="propose")])
        plan = find_current_plan(viewer)
        if plan is None:
            return _empty(http_request, viewer, form, status=400)
        return _show(http_request, viewer, plan, form, status=400)
    say_done(http_request, "The plan is made. Nothing moves until it is adopted.")
    return see_other(addresses.plan(plan_id))


@page(Task.RECORD_CLINICAL, methods=("POST",))
def acknowledge(http_request: HttpRequest, viewer: Viewer, plan_id: str) -> HttpResponse:
    """A clinician takes on urgent needs that the plan does not serve in time."""
    plan = get_plan(viewer, plan_id)
    needs = {clean(need) for need in http_request.POST.getlist("need")} - {""}
    faults: Faults = []
    if not needs:
        faults.append(FieldError("urgent", "Tick at least one person."))
    elif count_urgent_of(viewer, plan_id, needs) != len(needs):
        text = "The list has changed, or names somebody whom you may not see. Tick them again."
        faults.append(FieldError("urgent", text))
    else:
        try:
            count = acknowledge_urgent(plan_id, needs, viewer=viewer, now=clock().now())
        except (PermissionRefused, NotFound):
            raise
        except UserError as error:
            faults.append(fault_of(error, field="urgent"))
    if faults:
        return _show(http_request, viewer, plan, form_of({}, faults), status=400)
    say_done(http_request, f"{count:,} urgent tests are acknowledged with your name.")
    return see_other(addresses.plan(plan_id))


@page(Task.COMMAND_INCIDENT, methods=("POST",))
def adopt(http_request: HttpRequest, viewer: Viewer, plan_id: str) -> HttpResponse:
    """Put a plan into force, in the name of a person."""
    plan = get_plan(viewer, plan_id)
    values = read_texts(http_request, ("adopted_by", "adopt_note"))
    faults: Faults = []
    check_lengths(values, faults, lines=values)
    need_text(values, "adopted_by", "Write your full name.", faults)
    if not faults:
        try:
            adoption = adopt_plan(
                plan_id,
                viewer=viewer,
                now=clock().now(),
                name=values["adopted_by"],
                note=values["adopt_note"],
            )
        except (PermissionRefused, NotFound):
            raise
        except UserError as error:
            faults.append(fault_of(error, field="adopted_by"))
    if faults:
        plan = get_plan(viewer, plan_id)
        return _show(http_request, viewer, plan, form_of(values, faults), status=400)
    done = f"The plan is in effect for {adoption.applied:,} people."
    if adoption.skipped:
        done += f" {adoption.skipped:,} had changed since it was made and were left as they are."
    say_done(http_request, done)
    return see_other(addresses.plan(plan_id))


def _empty(
    http_request: HttpRequest, viewer: Viewer, form: Form = BLANK_FORM, *, status: int = 200
) -> HttpResponse:
    built = PlanPage("none", form=form, may_propose=viewer.may(Task.COMMAND_INCIDENT))
    return _render(http_request, built, status)


def _render(http_request: HttpRequest, built: PlanPage, status: int) -> HttpResponse:
    return render(
        http_request,
        "plan.html",
        built,
        title="Plan",
        section="plan",
        form_errors=built.form.errors,
        status=status,
    )


def _show(
    http_request: HttpRequest,
    viewer: Viewer,
    plan: Plan,
    form: Form = BLANK_FORM,
    *,
    status: int = 200,
) -> HttpResponse:
    built = PlanPage(
        plan.state,
        plan_id=plan.id,
        figures=_figures(plan),
        first_day=plan.first_day,
        last_day=plan.first_day + timedelta(days=plan.days - 1),
        made_at=plan.made_at,
        made_by=plan.made_by,
        policy=POLICY,
        may_adopt=viewer.may(Task.COMMAND_INCIDENT),
        may_propose=viewer.may(Task.COMMAND_INCIDENT),
        may_acknowledge=viewer.may(Task.RECORD_CLINICAL) and plan.state == "proposed",
        may_see_people=viewer.may(Task.SEE_CLINICAL),
        open_urgent_in_all=count_open_urgent(viewer, plan.id),
        incident_runs=find_running() is not None,
        form=form,
        adopted_by=plan.adopted_by,
        adopted_at=plan.adopted_at,
        lines=count_lines(viewer, plan.id),
        moved_so_far=count_consequences(plan.position) if plan.state == "adopting" else 0,
        notices_queued=count_notices_to_send(viewer),
        adopt_position=_adopt_position(viewer, plan),
    )
    if built.may_see_people:
        built = _with_people(http_request, viewer, built)
    return _render(http_request, built, status)


def _figures(plan: Plan) -> Figures:
    return Figures(
        needs=plan.needs,
        kept=plan.kept,
        moved=plan.moved,
        booked=plan.booked,
        deferred=plan.deferred,
        urgent_unserved=plan.urgent_unserved,
        harm=plan.harm,
        lower_bound=plan.lower_bound,
        gap=plan.gap,
    )


def _adopt_position(viewer: Viewer, plan: Plan) -> int | None:
    may_open = plan.adopted_at is not None and viewer.may(Task.READ_JOURNAL)
    return plan.position if may_open else None


def _with_people(http_request: HttpRequest, viewer: Viewer, built: PlanPage) -> PlanPage:
    """The page with its rows."""
    wanted = _read_filter(http_request)
    number = read_page(http_request)
    urgent = list_urgent_lines(viewer, built.plan_id)
    lines, total = list_lines(
        viewer, built.plan_id, wanted, offset=(number - 1) * PAGE_ROWS, limit=PAGE_ROWS
    )
    practices = list_practices_of(viewer, built.plan_id)
    codes = {code for line in (*urgent, *lines) for code in _codes(line)}
    names = Names(
        list_people(viewer, {line.patient_id for line in (*urgent, *lines)}),
        names_of(codes | set(practices)),
    )
    phones = phones_of({line.registered_organisation for line in urgent})
    safe = list_safe_days(viewer, [line.need_id for line in urgent])
    query = {
        "priority": wanted.priority,
        "decision": wanted.decision,
        "practice": wanted.practice,
    }
    return replace(
        built,
        urgent=tuple(_urgent(line, names, phones, safe) for line in urgent),
        changes=tuple(_change(line, names) for line in lines),
        filters=PlanFilters(
            priority=tuple(
                Choice(word, word, selected=word == wanted.priority) for word in PRIORITIES
            ),
            decision=tuple(
                Choice(key, words[0], selected=key == wanted.decision)
                for key, words in DECISIONS.items()
            ),
            practice=tuple(
                Choice(code, names.organisation(code), selected=code == wanted.practice)
                for code in practices
            ),
        ),
        paging=Paging(
            number,
            ceil(total / PAGE_ROWS),
            total,
            PAGE_ROWS,
            addresses.plan(built.plan_id),
            tuple((key, value) for key, value in query.items() if value),
        ),
    )


def _read_filter(http_request: HttpRequest) -> LineFilter:
    priority = http_request.GET.get("priority", "")
    decision = http_request.GET.get("decision", "")
    return LineFilter(
        priority=priority if priority in PRIORITIES else "",
        decision=decision if decision in DECISIONS else "",
        practice=clean(http_request.GET.get("practice", "")),
    )


def _codes(line: PlanLine) -> tuple[str, ...]:
    return (line.registered_organisation, line.clinic, line.was_clinic)


def _urgent(
    line: PlanLine, names: Names, phones: dict[str, str], safe: dict[str, date]
) -> UrgentRow:
    return UrgentRow(
        need_id=line.need_id,
        patient=link(names, line.patient_id),
        practice=names.organisation(line.registered_organisation),
        practice_phone=phones.get(line.registered_organisation, ""),
        indication=indication_words(line.indication),
        priority=line.priority,
        safe_until=safe.get(line.need_id),
        served_on=line.day,
        review_on=line.review_on,
        reason=line.reason,
        acknowledged_by=line.acknowledged_by,
        acknowledged_at=line.acknowledged_at,
    )


def _change(line: PlanLine, names: Names) -> ChangeRow:
    patient: PatientLink = link(names, line.patient_id)
    return ChangeRow(
        need_id=line.need_id,
        patient=patient,
        practice=names.organisation(line.registered_organisation),
        indication=indication_words(line.indication),
        priority=line.priority,
        decision=line.decision,
        before=Place(line.was_day, names.organisation(line.was_clinic)) if line.was_day else None,
        after=Place(line.day, names.organisation(line.clinic)) if line.day else None,
        review_on=line.review_on,
        reason=line.reason,
        skipped=line.skipped,
    )
