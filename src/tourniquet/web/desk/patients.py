"""Finding a patient at the desk, and the history: blood group and antibodies first.

Invariants:
- A history is shown after a reason was given and written down (flows.downtime_desk); the reason
  holds for this person and this patient for a quarter of an hour.
- The history is made in this thread's scratch database and read from there before the answer is
  made; nothing of it is kept afterwards.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_protect

from tourniquet.directory.desk_roles import DeskTask, DeskUser
from tourniquet.directory.models import Organisation
from tourniquet.kernel.clock import service_day
from tourniquet.kernel.errors import NotFound
from tourniquet.pathology.catalogue import load_catalogue
from tourniquet.pathology.desk_history import Opened
from tourniquet.pathology.desk_index import Found
from tourniquet.pathology.desk_queries import (
    list_all_reports,
    list_calls_of,
    transfusion_lines,
)
from tourniquet.pathology.page_queries import list_earlier_lines, list_tests_of_specimens
from tourniquet.pathology.queries import ReportPage, list_requests, list_specimens
from tourniquet.pathology.transfusion import summarise
from tourniquet.patients.models import Identifier
from tourniquet.patients.queries import Wanted, get_patient, list_identifiers
from tourniquet.patients.rules import PROVISIONAL, family_key
from tourniquet.web.desk import addresses
from tourniquet.web.desk.access import desk, desk_page
from tourniquet.web.desk.keyed import list_keyed
from tourniquet.web.desk.presenters import (
    CriticalRow,
    DeskRecord,
    FindPage,
    FoundRow,
    WhyPage,
)
from tourniquet.web.desk.rendering import render
from tourniquet.web.filters import age
from tourniquet.web.presenters.patients import SEX_WORDS, Banner
from tourniquet.web.presenters.people import PersonName
from tourniquet.web.presenters.shell import BLANK_FORM, Choice, FieldError, Form
from tourniquet.web.views.patient_results import (
    describe_reports,
    describe_requests,
    describe_specimens,
)
from tourniquet.web.views.typed import LONGEST_LINE, clean, find_day, see_other

FOUND_MOST = 50
REPORTS_SHOWN = 40
ROWS_MOST = 50
REASON_HOLDS = timedelta(minutes=15)
OPENED_HELD = 50
REASONS = (
    ("treating", "I treat this patient now"),
    ("transfusion", "Blood is wanted for this patient"),
    ("result", "I give a result to somebody who asks"),
    ("request", "I judge whether a test is needed"),
    ("other", "Something else"),
)
_OPENED = "opened"
_LAST_REASON = "last_reason"


@desk_page(DeskTask.READ)
def find(http_request: HttpRequest, user: DeskUser) -> HttpResponse:
    """Find a patient by number, or by name and date of birth."""
    fields = ("number", "family", "given", "born")
    values = {name: clean(http_request.GET.get(name, ""))[:LONGEST_LINE] for name in fields}
    standing = desk().demand().reading.standing
    if not any(values.values()):
        return _find_page(http_request, FindPage(people=standing.people, entries=standing.entries))
    born = find_day(values["born"]) if values["born"] else None
    faults: tuple[FieldError, ...] = ()
    if values["born"] and born is None:
        faults = (FieldError("born", "Write the day as 14-Jul-1945."),)
    elif not (values["number"] or family_key(values["family"])):
        faults = (FieldError("family", "Give a number, or a family name."),)
    if faults:
        again = FindPage(Form(values, faults), people=standing.people, entries=standing.entries)
        return _find_page(http_request, again)
    wanted = Wanted(values["number"], values["family"], values["given"], born)
    found = desk().demand().reading.index.search(wanted, limit=FOUND_MOST + 1)
    return _find_page(
        http_request,
        FindPage(
            Form(values),
            searched=True,
            rows=tuple(row_of(one) for one in found[:FOUND_MOST]),
            more=len(found) > FOUND_MOST,
            people=standing.people,
            entries=standing.entries,
        ),
    )


def _find_page(http_request: HttpRequest, built: FindPage) -> HttpResponse:
    errors = built.form.errors
    return render(
        http_request,
        "desk/find.html",
        built,
        title="Find a patient",
        section="find",
        form_errors=errors,
        status=400 if errors else 200,
    )


def row_of(found: Found) -> FoundRow:
    """A patient as lists show one."""
    return FoundRow(
        href=addresses.record(found.id),
        name=PersonName(found.family_name, found.given_names, found.title),
        birth_date=found.birth_date,
        age=age(found.birth_date, service_day(desk().now())),
        sex_words=SEX_WORDS.get(found.sex, "Not known"),
        nhs_number=found.nhs_number,
        local_numbers=", ".join(found.local_numbers),
        provisional=found.state == PROVISIONAL,
    )


def get_found(patient_id: str) -> Found:
    """The patient of an id. Raises: NotFound."""
    found = desk().demand().reading.index.find(patient_id)
    if found is None:
        raise NotFound(
            "The desk knows no such patient.",
            remedy="Search again. The record may have come after the desk's data ends.",
        )
    return found


@desk_page(DeskTask.READ, methods=("GET", "HEAD", "POST"))
@csrf_protect
def open_record(http_request: HttpRequest, user: DeskUser, patient_id: str) -> HttpResponse:
    """Why is this record opened? The answer is written down, and then the record is shown."""
    found = get_found(patient_id)
    form = BLANK_FORM
    if http_request.method == "POST":
        reason = clean(http_request.POST.get("reason", ""))
        words = clean(http_request.POST.get("words", ""))[:LONGEST_LINE]
        known = dict(REASONS)
        if reason in known and (reason != "other" or words):
            why = f"{known[reason]}: {words}" if words else known[reason]
            kept = desk().note_opening(user, found.id, why=why)
            _remember(http_request, found.id, why, kept=kept)
            http_request.session[_LAST_REASON] = reason
            return see_other(addresses.record(found.id))
        field = "words" if reason == "other" else "reason"
        text = "Say why, in a few words." if reason == "other" else "Choose a reason."
        form = Form({"reason": reason, "words": words}, (FieldError(field, text),))
    last = form.value("reason") or http_request.session.get(_LAST_REASON, "")
    return render(
        http_request,
        "desk/why.html",
        WhyPage(
            row_of(found),
            form,
            tuple(Choice(code, label, selected=code == last) for code, label in REASONS),
            addresses.open_record(found.id),
        ),
        title="Open a record",
        section="find",
        form_errors=form.errors,
        status=400 if form.errors else 200,
    )


def _remember(http_request: HttpRequest, patient_id: str, why: str, *, kept: bool) -> None:
    opened = dict(http_request.session.get(_OPENED, {}))
    opened.pop(patient_id, None)
    opened[patient_id] = (desk().now().isoformat(), why, kept)
    http_request.session[_OPENED] = dict(list(opened.items())[-OPENED_HELD:])


def _reason(http_request: HttpRequest, patient_id: str) -> tuple[str, bool] | None:
    """Why this person opened this record, and whether that was kept; None where they did not."""
    held = http_request.session.get(_OPENED, {}).get(patient_id)
    if held is None or datetime.fromisoformat(held[0]) + REASON_HOLDS < desk().now():
        return None
    return held[1], held[2]


@desk_page(DeskTask.READ)
def record(http_request: HttpRequest, user: DeskUser, patient_id: str) -> HttpResponse:
    """One patient's history."""
    found = get_found(patient_id)
    reason = _reason(http_request, found.id)
    if reason is None or found.id != patient_id:
        return see_other(addresses.open_record(found.id))
    opened = desk().open_history(found.id)
    most = 0 if http_request.GET.get("all") == "1" else REPORTS_SHOWN
    return render(
        http_request,
        "desk/record.html",
        describe(user, found.id, opened, why=reason[0], kept=reason[1], reports_most=most),
        title="Patient history",
        section="find",
    )


def describe(
    user: DeskUser, patient_id: str, opened: Opened, *, why: str, kept: bool, reports_most: int
) -> DeskRecord:
    """The history that lies in this thread's scratch database; `reports_most` 0: all of them."""
    viewer = user.viewer
    pages = list_all_reports(patient_id, viewer=viewer)
    shown = pages[: reports_most or len(pages)]
    specimens = list_specimens(patient_id, viewer=viewer, limit=ROWS_MOST)
    names = dict(Organisation.objects.values_list("code", "name"))
    earlier = list_earlier_lines(viewer, [each.report for each in shown])
    tests = list_tests_of_specimens(viewer, [path.specimen.id for path in specimens])
    return DeskRecord(
        banner=_banner(user, patient_id, names),
        transfusion=summarise(transfusion_lines(pages, load_catalogue(), names)),
        criticals=_criticals(user, patient_id, pages),
        keyed=list_keyed(desk(), patient_id=patient_id),
        reports=describe_reports(shown, earlier, names, links=False),
        specimens=describe_specimens(specimens, tests, names),
        requests=describe_requests(
            list_requests(patient_id, viewer=viewer, limit=ROWS_MOST), names
        ),
        total_reports=len(pages),
        all_href=addresses.with_query(addresses.record(patient_id), all=1),
        entries=opened.entries,
        missing=opened.missing,
        erased=opened.erased,
        kept=kept,
        why=why,
    )


def _criticals(
    user: DeskUser, patient_id: str, pages: Sequence[ReportPage]
) -> tuple[CriticalRow, ...]:
    taken = {(page.report.id, line.sequence): line for page in pages for line in page.lines}
    rows = []
    for call in list_calls_of(patient_id, viewer=user.viewer):
        line = taken.get((call.report_id, call.sequence))
        rows.append(
            CriticalRow(
                test=call.display or call.code,
                value=call.value_text,
                unit=call.unit,
                at=(line.effective_at if line else None) or call.opened_at,
                is_open=call.state == "open",
                told=call.told,
                closed_at=call.closed_at,
                attempts=call.attempts,
            )
        )
    return tuple(rows)


def _banner(user: DeskUser, patient_id: str, names: dict[str, str]) -> Banner:
    patient = get_patient(patient_id, viewer=user.viewer)
    identifiers = list_identifiers(patient.id, viewer=user.viewer)
    address = patient.address
    if patient.postcode and patient.postcode not in address:
        address = f"{address}, {patient.postcode}" if address else patient.postcode
    practice = patient.registered_organisation
    return Banner(
        patient_id=patient.id,
        name=PersonName(patient.family_name, patient.given_names, patient.title),
        birth_date=patient.birth_date,
        age=age(patient.birth_date, patient.died_on or service_day(desk().now())),
        died_on=patient.died_on,
        recorded_dead=patient.recorded_dead,
        sex=patient.sex,
        nhs_number=_nhs(identifiers),
        local_numbers=tuple(_local(identifiers)),
        address=address,
        phone=patient.phone,
        practice=names.get(practice, practice),
        practice_phone="",
        provisional=patient.state == PROVISIONAL,
        sensitive_contact=patient.sensitive or patient.unsafe_contact,
    )


def _nhs(identifiers: Sequence[Identifier]) -> str | None:
    current = (one.value for one in identifiers if (one.system, one.state) == ("NHS", "current"))
    return next(current, None)


def _local(identifiers: Sequence[Identifier]) -> list[str]:
    return [
        f"{one.system} {one.value}".strip()
        for one in identifiers
        if one.system != "NHS" and one.state == "current"
    ]
