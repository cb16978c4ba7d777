"""Worklists of the intake desk: people nobody knows, messages that were refused."""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

from tourniquet.diary.page_queries import named_patients as named_in_diary
from tourniquet.directory.queries import names_of
from tourniquet.directory.roles import Task, Viewer
from tourniquet.flows.identify_patient import confirm_as_new, merge_into
from tourniquet.flows.read_record import read_record
from tourniquet.flows.review_message import process_again, review_message
from tourniquet.kernel.errors import NotFound, PermissionRefused, UserError
from tourniquet.pathology.page_queries import Held, count_held
from tourniquet.pathology.queries import named_patients
from tourniquet.patients.grounds import WORKLIST, Why
from tourniquet.patients.models import Identifier, Patient
from tourniquet.patients.page_queries import count_alike, list_numbers
from tourniquet.patients.queries import (
    MOST,
    Wanted,
    get_patient,
    list_candidates,
    list_identifiers,
    list_provisional,
    search_patients,
)
from tourniquet.record.home import clock
from tourniquet.record.models import Message
from tourniquet.record.queries import get_entry, get_message, list_refused_messages
from tourniquet.web import addresses
from tourniquet.web.access import page
from tourniquet.web.errors import note_fault
from tourniquet.web.presenters.patients import SEX_WORDS
from tourniquet.web.presenters.people import PatientLink, PersonName
from tourniquet.web.presenters.shell import BLANK_FORM, Crumb, FieldError, Form
from tourniquet.web.presenters.worklists import (
    CandidateRow,
    IdentifyPage,
    MessagePage,
    ProvisionalPage,
    ProvisionalRow,
    RefusedPage,
    RefusedRow,
)
from tourniquet.web.views.bodies import body_words
from tourniquet.web.views.rendering import render, say_done
from tourniquet.web.views.tabs import count_tabs
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
from tourniquet.web.views.worklists import PAGE_ROWS, paging

MESSAGES_MOST = 500  # what record.queries gives at once
_PROVISIONAL = "provisional"
_CRUMBS = (Crumb("Unknown people", addresses.WORKLIST_PROVISIONAL),)
_MESSAGE_CRUMBS = (Crumb("Messages refused", addresses.WORKLIST_REFUSED),)


@page(Task.SEE_CLINICAL)
def provisional(http_request: HttpRequest, viewer: Viewer) -> HttpResponse:
    """People whom nobody has identified yet, oldest first."""
    tabs = count_tabs(viewer, _PROVISIONAL)
    number = read_page(http_request)
    named = named_patients(viewer) | named_in_diary(viewer)
    people = list_provisional(viewer=viewer, named=named, limit=MOST)
    shown = people[(number - 1) * PAGE_ROWS : number * PAGE_ROWS]
    numbers = list_numbers(viewer, [one.id for one in shown], doubtful=True)
    held = count_held(viewer, [one.id for one in shown])
    alike = count_alike(viewer, shown)
    rows = tuple(
        _provisional_row(one, numbers.get(one.id, []), held[one.id], alike[one.id]) for one in shown
    )
    total = min(tabs.counts[_PROVISIONAL], MOST)
    built = ProvisionalPage(tabs, rows, paging(number, total, _PROVISIONAL))
    return render(
        http_request,
        "worklists/provisional.html",
        built,
        title="Unknown people",
        section="worklists",
    )


def _provisional_row(
    one: Patient, numbers: list[Identifier], held: Held, alike: int
) -> ProvisionalRow:
    return ProvisionalRow(
        href=addresses.provisional(one.id),
        name=PersonName(one.family_name, one.given_names, one.title),
        birth_date=one.birth_date,
        sent_numbers=_numbers(numbers),
        sender=one.why_provisional,
        first_seen=one.registered_at,
        reports=held.reports,
        has_critical=held.has_critical,
        candidates=alike,
        next_step="Compare with those like them" if alike else "Ring whoever asked for the test",
    )


def _numbers(numbers: list[Identifier]) -> str:
    return ", ".join(f"{one.system} {one.value}".strip() for one in numbers)


@page(Task.SEE_CLINICAL, methods=("GET", "HEAD", "POST"))
def identify(http_request: HttpRequest, viewer: Viewer, patient_id: str) -> HttpResponse:
    """One unknown person: who it may be, and the decision."""
    named = named_patients(viewer) | named_in_diary(viewer)
    patient = get_patient(patient_id, viewer=viewer, named=named)
    if patient.id != patient_id or patient.state != _PROVISIONAL:
        return see_other(addresses.patient(patient.id))
    if http_request.method != "POST":
        _note_reading(patient.id, viewer, "unknown person")
        return _identify(http_request, viewer, patient)
    viewer.demand(Task.RECORD_CLINICAL)
    values = read_texts(http_request, ("decision", "number", "comment"))
    faults: Faults = []
    check_lengths(values, faults, lines=("decision", "number"))
    need_text(values, "decision", "Choose who it is.", faults)
    need_text(values, "comment", "Say how you know who this is.", faults)
    known = _chosen(viewer, values, patient, faults) if not faults else ""
    if not faults:
        now, comment = clock().now(), values["comment"]

        def act() -> None:
            if known:
                merge_into(patient.id, known, viewer=viewer, comment=comment, now=now)
            else:
                confirm_as_new(patient.id, viewer=viewer, comment=comment, now=now)

        _try(act, faults, field="decision")
    if faults:
        return _identify(http_request, viewer, patient, form_of(values, faults), status=400)
    say_done(http_request, "The person is identified. The decision is kept with your name.")
    return see_other(addresses.patient(known or patient.id))


def _chosen(viewer: Viewer, values: dict[str, str], patient: Patient, faults: Faults) -> str:
    """The known patient that was chosen; "" for somebody new."""
    if values["decision"] == "new":
        return ""
    if values["decision"] != "number":
        return values["decision"]
    if not values["number"]:
        faults.append(FieldError("number", "Write the number of somebody known."))
        return ""
    named = named_patients(viewer) | named_in_diary(viewer)
    found = search_patients(Wanted(values["number"]), viewer=viewer, named=named, limit=3)
    others = [one.id for one in found if one.id != patient.id]
    if len(others) != 1:
        count = "Nobody has" if not others else "More than one person has"
        faults.append(FieldError("number", f"{count} this number. Check it."))
        return ""
    return others[0]


def _try(act: Callable[[], None], faults: Faults, *, field: str) -> None:
    """Do it; a refusal that the person at the keyboard can mend becomes the field's fault."""
    try:
        act()
    except (PermissionRefused, NotFound):
        raise
    except UserError as error:
        faults.append(fault_of(error, field=field))


def _note_reading(patient_id: str, viewer: Viewer, what: str) -> None:
    try:
        read_record(patient_id, viewer=viewer, why=Why(WORKLIST), now=clock().now(), what=what)
    except OSError as error:
        note_fault(error)


def _identify(
    http_request: HttpRequest,
    viewer: Viewer,
    patient: Patient,
    form: Form = BLANK_FORM,
    *,
    status: int = 200,
) -> HttpResponse:
    named = named_patients(viewer) | named_in_diary(viewer)
    candidates = list_candidates(patient.id, viewer=viewer, named=named)
    numbers = list_numbers(viewer, [one.id for one in candidates])
    practices = names_of({one.registered_organisation for one in candidates})
    built = IdentifyPage(
        tabs=count_tabs(viewer, _PROVISIONAL),
        patient=_link(patient, []),
        birth_date=patient.birth_date,
        sex=SEX_WORDS.get(patient.sex, ""),
        address=", ".join(part for part in (patient.address, patient.postcode) if part),
        sent_numbers=_numbers(list_identifiers(patient.id, viewer=viewer)),
        why=patient.why_provisional,
        reports=count_held(viewer, [patient.id])[patient.id].reports,
        candidates=tuple(
            CandidateRow(
                _link(one, numbers.get(one.id, [])),
                one.birth_date,
                ", ".join(part for part in (one.address, one.postcode) if part),
                practices.get(one.registered_organisation, one.registered_organisation),
            )
            for one in candidates
        ),
        may_identify=viewer.may(Task.RECORD_CLINICAL),
        form=form,
    )
    return render(
        http_request,
        "worklists/identify.html",
        built,
        title="Who is this?",
        section="worklists",
        crumbs=_CRUMBS,
        form_errors=form.errors,
        status=status,
    )


def _link(one: Patient, numbers: list[Identifier]) -> PatientLink:
    nhs = next((number.value for number in numbers if number.system == "NHS"), None)
    name = PersonName(one.family_name, one.given_names, one.title)
    return PatientLink(one.id, name, nhs, addresses.patient(one.id))


@page(Task.SEE_OPERATIONS)
def refused(http_request: HttpRequest, viewer: Viewer) -> HttpResponse:
    """Messages that were refused and that nobody has dealt with, newest first."""
    tabs = count_tabs(viewer, "refused")
    number = read_page(http_request)
    found = list_refused_messages(limit=MESSAGES_MOST)
    rows = tuple(_refused_row(one) for one in found[(number - 1) * PAGE_ROWS : number * PAGE_ROWS])
    total = min(tabs.counts["refused"], MESSAGES_MOST)
    built = RefusedPage(tabs, rows, paging(number, total, "refused"))
    return render(
        http_request,
        "worklists/refused.html",
        built,
        title="Messages refused",
        section="worklists",
    )


def _refused_row(one: Message) -> RefusedRow:
    again = "The sender tries again by itself" if one.code == "AE" else "Ring the sender"
    return RefusedRow(
        href=addresses.refused(one.position),
        position=one.position,
        received_at=one.received_at,
        sender=one.sender,
        message_type=one.message_type,
        control_id=one.control_id,
        answer=one.code,
        reason=one.reason,
        next_step=again,
    )


@page(Task.SEE_OPERATIONS, methods=("GET", "HEAD", "POST"))
def message(http_request: HttpRequest, viewer: Viewer, position: int) -> HttpResponse:
    """One refused message, and what is done about it."""
    found = get_message(position)
    if found.code == "AA":
        raise NotFound("No refused message stands at that position.")
    if http_request.method != "POST":
        return _message(http_request, viewer, found)
    viewer.demand(Task.RECORD_CLINICAL)
    values = read_texts(http_request, ("note",))
    faults: Faults = []
    check_lengths(values, faults)
    now = clock().now()
    done = "The message is off the list."
    if clean(http_request.POST.get("action", "")) == "again":
        answers: list[str] = []

        def again() -> None:
            answers.append(process_again(position, viewer=viewer, now=now).code)

        _try(again, faults, field="again")
        done = {
            "AA": "The message was taken in.",
            "AR": "The message was refused again; it stands on the list anew.",
        }.get("".join(answers), "The message could not be taken in now. Try again later.")
    else:
        need_text(values, "note", "Say what was done.", faults)
        if not faults:
            _try(lambda: _review(position, viewer, values["note"]), faults, field="note")
    if faults:
        found = get_message(position)
        return _message(http_request, viewer, found, form_of(values, faults), status=400)
    say_done(http_request, done)
    return see_other(addresses.WORKLIST_REFUSED)


def _review(position: int, viewer: Viewer, note: str) -> None:
    review_message(position, viewer=viewer, note=note, now=clock().now())


def _message(
    http_request: HttpRequest,
    viewer: Viewer,
    found: Message,
    form: Form = BLANK_FORM,
    *,
    status: int = 200,
) -> HttpResponse:
    may_read = viewer.may(Task.SEE_CLINICAL) and not viewer.organisation
    body = get_entry(found.position).body if may_read else None
    built = MessagePage(
        tabs=count_tabs(viewer, "refused"),
        row=_refused_row(found),
        channel=found.channel,
        attempts=found.attempts,
        text=body_words(bytes(body)) if body is not None else "",
        may_read=may_read,
        may_review=viewer.may(Task.RECORD_CLINICAL),
        reviewed_by=found.reviewed_by,
        reviewed_at=found.reviewed_at,
        review_note=found.review_note,
        form=form,
    )
    return render(
        http_request,
        "worklists/message.html",
        built,
        title=f"Refused message {found.position:,}",
        section="worklists",
        crumbs=_MESSAGE_CRUMBS,
        form_errors=form.errors,
        status=status,
    )
