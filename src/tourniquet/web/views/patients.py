"""Patients: the search, and one patient's record.

Invariants:
- A record is journalled as read before it is shown (flows.read_record); where neither the journal
  nor the file beside it can be written, it is shown all the same and the fault is logged: care is
  not refused.
- A viewer of an organisation sees its own patients. Who has no tie to the patient is asked why
  first, where the role may open records for a reason (web.views.opening); else "not found".
- The record asks the database a fixed number of questions.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date

from django.http import HttpRequest, HttpResponse

from tourniquet.diary.page_queries import Visits, list_visits_of
from tourniquet.diary.page_queries import named_patients as named_in_diary
from tourniquet.directory.models import Organisation
from tourniquet.directory.queries import names_of
from tourniquet.directory.roles import Task, Viewer
from tourniquet.flows.read_record import read_record
from tourniquet.kernel.clock import service_day
from tourniquet.notices.models import Notice
from tourniquet.notices.page_queries import list_notices_of
from tourniquet.pathology.models import ServiceRequest
from tourniquet.pathology.page_queries import (
    EarlierLine,
    list_earlier_lines,
    list_tests_of_specimens,
)
from tourniquet.pathology.queries import (
    ReportPage,
    SpecimenPath,
    list_reports,
    list_requests,
    list_specimens,
    named_patients,
)
from tourniquet.patients.grounds import Why
from tourniquet.patients.models import Identifier, Patient
from tourniquet.patients.page_queries import list_numbers
from tourniquet.patients.queries import Wanted, list_identifiers, search_patients
from tourniquet.patients.rules import family_key
from tourniquet.record.erasures import find_due, find_open
from tourniquet.record.home import clock
from tourniquet.record.models import Erasure
from tourniquet.record.queries import EntryHead, list_heads_about
from tourniquet.web import addresses
from tourniquet.web.access import page
from tourniquet.web.errors import note_fault
from tourniquet.web.filters import age
from tourniquet.web.presenters.patients import (
    Banner,
    JournalRow,
    PatientPage,
    SearchPage,
    SearchRow,
)
from tourniquet.web.presenters.people import PersonName
from tourniquet.web.presenters.shell import BLANK_FORM, Crumb, FieldError, Form
from tourniquet.web.views.kinds import hidden_kinds, kind_words
from tourniquet.web.views.opening import Opening, open_patient
from tourniquet.web.views.patient_diary import (
    describe_appointments,
    describe_next,
    describe_notices,
)
from tourniquet.web.views.patient_results import (
    describe_reports,
    describe_requests,
    describe_specimens,
)
from tourniquet.web.views.rendering import render
from tourniquet.web.views.typed import LONGEST_LINE, clean, find_day, see_other

FOUND_MOST = 50
REPORTS_MOST = 30
ROWS_MOST = 50
PROVISIONAL = "provisional"


@page(Task.SEE_CLINICAL)
def search(http_request: HttpRequest, viewer: Viewer) -> HttpResponse:
    """Find a patient by number, or by name and date of birth."""
    fields = ("number", "family", "given", "born")
    values = {name: clean(http_request.GET.get(name, ""))[:LONGEST_LINE] for name in fields}
    if not any(values.values()):
        return _search_page(http_request, SearchPage(BLANK_FORM))
    born = find_day(values["born"]) if values["born"] else None
    if values["born"] and born is None:
        fault = FieldError("born", "Write the day as 14-Jul-1945.")
        return _search_page(http_request, SearchPage(Form(values, (fault,))))
    if not (values["number"] or family_key(values["family"])):
        fault = FieldError("family", "Give a number, or a family name.")
        return _search_page(http_request, SearchPage(Form(values, (fault,))))
    wanted = Wanted(values["number"], values["family"], values["given"], born)
    named = named_patients(viewer) | named_in_diary(viewer)
    found = search_patients(wanted, viewer=viewer, named=named, limit=FOUND_MOST + 1)
    rows = _rows(viewer, found[:FOUND_MOST])
    return _search_page(
        http_request,
        SearchPage(
            Form(values),
            searched=True,
            rows=rows,
            more=len(found) > FOUND_MOST,
            may_break_glass=bool(viewer.organisation) and viewer.may(Task.BREAK_GLASS),
        ),
    )


def _search_page(http_request: HttpRequest, built: SearchPage) -> HttpResponse:
    errors = built.form.errors
    return render(
        http_request,
        "patients/search.html",
        built,
        title="Find a patient",
        section="patients",
        form_errors=errors,
        status=400 if errors else 200,
    )


def _rows(viewer: Viewer, found: list[Patient]) -> tuple[SearchRow, ...]:
    today = service_day(clock().now())
    numbers = list_numbers(viewer, [patient.id for patient in found])
    practices = names_of({patient.registered_organisation for patient in found})
    return tuple(
        SearchRow(
            href=addresses.patient(patient.id),
            name=PersonName(patient.family_name, patient.given_names, patient.title),
            birth_date=patient.birth_date,
            age=age(patient.birth_date, today),
            sex=patient.sex,
            nhs_number=_nhs(numbers.get(patient.id, [])),
            local_numbers=", ".join(_local(numbers.get(patient.id, []))),
            practice=practices.get(
                patient.registered_organisation, patient.registered_organisation
            ),
            provisional=patient.state == PROVISIONAL,
        )
        for patient in found
    )


@page(Task.SEE_CLINICAL)
def record(http_request: HttpRequest, viewer: Viewer, patient_id: str) -> HttpResponse:
    """One patient's record."""
    opening = open_patient(patient_id, viewer=viewer, now=clock().now())
    patient = opening.patient
    if opening.why is None:
        return see_other(addresses.break_glass(patient.id))
    if patient.id != patient_id:
        return see_other(addresses.patient(patient.id))
    return show_record(http_request, viewer, opening, opening.why)


def show_record(
    http_request: HttpRequest, viewer: Viewer, opening: Opening, why: Why
) -> HttpResponse:
    """The record, noted as read before it is answered."""
    patient = opening.patient
    try:
        read_record(patient.id, viewer=viewer, why=why, now=clock().now())
    except OSError as error:
        note_fault(error)
    found = _gather(opening, hidden_kinds(viewer))
    name = PersonName(patient.family_name, patient.given_names, patient.title)
    return render(
        http_request,
        "patients/record.html",
        _describe(found, viewer, name),
        title="Patient record",
        section="patients",
        crumbs=(Crumb("Patients", addresses.PATIENTS),),
    )


@dataclass(frozen=True)
class _Found:
    """Everything that is read for one record."""

    patient: Patient
    identifiers: list[Identifier]
    visits: Visits
    reports: list[ReportPage]
    earlier: dict[str, list[EarlierLine]]
    specimens: list[SpecimenPath]
    tests: dict[str, list[str]]
    requests: list[ServiceRequest]
    notices: list[Notice]
    heads: list[EntryHead]
    organisations: dict[str, Organisation]
    erasure: Erasure | None


def _gather(opening: Opening, hidden: tuple[str, ...]) -> _Found:
    patient, ids, viewer = opening.patient, opening.ids, opening.eyes
    visits = list_visits_of(viewer, ids, limit=ROWS_MOST)
    reports = list_reports(patient.id, viewer=viewer, limit=REPORTS_MOST + 1)
    specimens = list_specimens(patient.id, viewer=viewer, limit=ROWS_MOST)
    requests = list_requests(patient.id, viewer=viewer, limit=ROWS_MOST)
    found = _Found(
        patient=patient,
        identifiers=list_identifiers(patient.id, viewer=viewer),
        visits=visits,
        reports=reports,
        earlier=list_earlier_lines(viewer, [each.report for each in reports]),
        specimens=specimens,
        tests=list_tests_of_specimens(viewer, [path.specimen.id for path in specimens]),
        requests=requests,
        notices=list_notices_of(viewer, ids, limit=ROWS_MOST),
        heads=list_heads_about(set(ids), limit=ROWS_MOST, without=hidden),
        organisations={},
        erasure=find_open(ids),
    )
    return replace(found, organisations=_organisations(found))


def _organisations(found: _Found) -> dict[str, Organisation]:
    codes = {found.patient.registered_organisation}
    for each in found.reports:
        codes |= {each.report.performing_organisation, each.report.requesting_organisation}
    for one in found.requests:
        codes |= {one.requesting_organisation}
    for visit in found.visits.appointments:
        codes |= {visit.clinic, visit.laboratory}
    for path in found.specimens:
        codes |= {event.organisation for event in path.events}
        codes |= {path.specimen.performing_organisation}
    for head in found.heads:
        codes |= {head.organisation}
    return {row.code: row for row in Organisation.objects.filter(code__in=codes - {""})}


def _describe(found: _Found, viewer: Viewer, name: PersonName) -> PatientPage:
    names = {code: row.name for code, row in found.organisations.items()}
    may_read = viewer.may(Task.READ_JOURNAL)
    return PatientPage(
        banner=_with_erasure(_banner(found, name), found.erasure, viewer),
        next_dates=describe_next(found.visits, found.organisations),
        reports=describe_reports(
            found.reports[:REPORTS_MOST], found.earlier, names, links=may_read
        ),
        specimens=describe_specimens(found.specimens, found.tests, names),
        requests=describe_requests(found.requests, names),
        appointments=describe_appointments(
            found.visits, found.notices, found.organisations, links=may_read
        ),
        notices=describe_notices(found.notices, links=may_read),
        journal=tuple(
            JournalRow(
                position=head.position,
                at=head.recorded_at,
                what=kind_words(head.kind),
                who=head.actor,
                organisation=names.get(head.organisation, head.organisation) or "No organisation",
                href=addresses.entry(head.position) if may_read else "",
            )
            for head in found.heads
        ),
        access_href=addresses.access_to(found.patient.id) if viewer.may(Task.SEE_ACCESS) else "",
        limited_to=REPORTS_MOST if len(found.reports) > REPORTS_MOST else 0,
    )


def _banner(found: _Found, name: PersonName) -> Banner:
    patient = found.patient
    practice = found.organisations.get(patient.registered_organisation)
    on: date = patient.died_on or service_day(clock().now())
    address = patient.address
    if patient.postcode and patient.postcode not in address:
        address = f"{address}, {patient.postcode}" if address else patient.postcode
    return Banner(
        patient_id=patient.id,
        name=name,
        birth_date=patient.birth_date,
        age=age(patient.birth_date, on),
        died_on=patient.died_on,
        recorded_dead=patient.recorded_dead,
        sex=patient.sex,
        nhs_number=_nhs(found.identifiers),
        local_numbers=tuple(_local(found.identifiers)),
        address=address,
        phone=patient.phone,
        practice=practice.name if practice else patient.registered_organisation,
        practice_phone=practice.phone if practice else "",
        provisional=patient.state == PROVISIONAL,
        sensitive_contact=patient.sensitive or patient.unsafe_contact,
    )


def _with_erasure(banner: Banner, erasure: Erasure | None, viewer: Viewer) -> Banner:
    """What everybody sees of an erasure that is open; the way to it for who decides."""
    if erasure is None:
        return banner
    return replace(
        banner,
        erasure_asked=True,
        erasure_due=find_due(erasure),
        erasure_href=addresses.erasure(erasure.pk) if viewer.may(Task.ASK_ERASURE) else "",
    )


def _nhs(identifiers: list[Identifier]) -> str | None:
    current = (one.value for one in identifiers if (one.system, one.state) == ("NHS", "current"))
    return next(current, None)


def _local(identifiers: list[Identifier]) -> list[str]:
    return [
        f"{one.system} {one.value}".strip()
        for one in identifiers
        if one.system != "NHS" and one.state == "current"
    ]
