"""Opening a record without a tie to the patient: why, before anything is shown.

Invariants:
- Neither page says anything of the patient: who asks has typed the number or followed a link.
- Where the journal cannot be written the record is shown all the same, once: care is not refused.
- A number leads on only where it is whole and belongs to one person; it stays out of addresses.
"""

from __future__ import annotations

from dataclasses import replace

from django.http import HttpRequest, HttpResponse

from tourniquet.directory.roles import Task, Viewer
from tourniquet.flows.break_glass import break_glass, hours_held
from tourniquet.kernel.errors import StorageUnavailable, UserError
from tourniquet.patients.grounds import list_reasons, read_reason
from tourniquet.patients.queries import Wanted, search_patients
from tourniquet.record.home import clock
from tourniquet.web import addresses
from tourniquet.web.access import page
from tourniquet.web.presenters.access import BreakGlassPage, FindPage
from tourniquet.web.presenters.shell import BLANK_FORM, Choice, Crumb, FieldError, Form
from tourniquet.web.views.opening import open_patient
from tourniquet.web.views.patients import show_record
from tourniquet.web.views.rendering import render
from tourniquet.web.views.typed import (
    Faults,
    check_lengths,
    clean,
    fault_of,
    form_of,
    need_text,
    read_texts,
    see_other,
)

_CRUMBS = (Crumb("Patients", addresses.PATIENTS),)
_FIELDS = ("reason", "words")
_NUMBER = "number"


@page(Task.BREAK_GLASS, methods=("GET", "HEAD", "POST"))
def find(http_request: HttpRequest, viewer: Viewer) -> HttpResponse:
    """By a number: somebody whom the viewer's organisation does not know."""
    if http_request.method != "POST":
        return _find(http_request)
    values = read_texts(http_request, (_NUMBER,))
    faults: Faults = []
    check_lengths(values, faults, lines=(_NUMBER,))
    need_text(values, _NUMBER, "Write the NHS number, or a local number.", faults)
    if not faults:
        eyes = replace(viewer, organisation="")
        found = search_patients(Wanted(values[_NUMBER]), viewer=eyes, limit=2)
        if len(found) == 1:
            return see_other(addresses.break_glass(found[0].id))
        count = "More than one person has" if found else "Nobody has"
        faults.append(FieldError(_NUMBER, f"{count} this number. Check it."))
    return _find(http_request, form_of(values, faults), status=400)


def _find(http_request: HttpRequest, form: Form = BLANK_FORM, *, status: int = 200) -> HttpResponse:
    return render(
        http_request,
        "patients/break_glass_find.html",
        FindPage(form),
        title="Somebody not known to you",
        section="patients",
        crumbs=_CRUMBS,
        form_errors=form.errors,
        status=status,
    )


@page(Task.BREAK_GLASS, methods=("GET", "HEAD", "POST"))
def show(http_request: HttpRequest, viewer: Viewer, patient_id: str) -> HttpResponse:
    """The reason, and on to the record."""
    opening = open_patient(patient_id, viewer=viewer, now=clock().now())
    onward = _onward(http_request, opening.patient.id)
    if opening.why is not None:
        return see_other(onward)  # a tie, or a reason that holds: nothing to ask
    if http_request.method != "POST":
        return _show(http_request, viewer, opening.patient.id)
    values = read_texts(http_request, _FIELDS)
    faults: Faults = []
    check_lengths(values, faults, lines=("reason",))
    try:
        why = read_reason(viewer.role, values["reason"], values["words"])
    except UserError as error:
        faults.append(fault_of(error, field="reason", names=_FIELDS))
    if faults:
        form = form_of(values, faults)
        return _show(http_request, viewer, opening.patient.id, form, status=400)
    try:
        break_glass(opening.patient.id, viewer=viewer, why=why, now=clock().now())
    except StorageUnavailable:
        # Care is not refused: the reading goes to its file with the reason, and is asked for again.
        return show_record(http_request, viewer, opening, why)
    return see_other(onward)


def _entry(http_request: HttpRequest) -> str:
    """The position of the entry that was to be read; "" where the record was."""
    wanted = clean(http_request.POST.get("entry", "") or http_request.GET.get("entry", ""))
    return wanted if wanted.isascii() and wanted.isdigit() and len(wanted) <= 18 else ""


def _onward(http_request: HttpRequest, patient_id: str) -> str:
    position = _entry(http_request)
    return addresses.entry(int(position)) if position else addresses.patient(patient_id)


def _show(
    http_request: HttpRequest,
    viewer: Viewer,
    patient_id: str,
    form: Form = BLANK_FORM,
    *,
    status: int = 200,
) -> HttpResponse:
    built = BreakGlassPage(
        patient_id=patient_id,
        choices=tuple(Choice(one.code, one.label) for one in list_reasons(viewer.role)),
        hours=hours_held(),
        entry=_entry(http_request),
        form=form,
    )
    return render(
        http_request,
        "patients/break_glass.html",
        built,
        title="Why do you open this record?",
        section="patients",
        crumbs=_CRUMBS,
        form_errors=form.errors,
        status=status,
    )
