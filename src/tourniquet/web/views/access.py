"""Who opened whose record: for those who watch over records.

Invariants:
- What is looked up here is an entry before it is shown; where the journal cannot be written,
  nothing is shown: a list of readings can wait, unlike a record.
- Numbers and names of patients stay out of addresses.
- A viewer who may not see clinical records sees ids and no names.
"""

from __future__ import annotations

from dataclasses import replace

from django.http import HttpRequest, HttpResponse

from tourniquet.directory.queries import names_of, organisations_of, roles_of
from tourniquet.directory.roles import Task, Viewer
from tourniquet.flows.guard_access import set_canary
from tourniquet.flows.see_access import see_access
from tourniquet.kernel.errors import NotFound, PermissionRefused, UserError
from tourniquet.patients.grounds import (
    CHANNEL_WORDS,
    CONSOLE,
    GLASS,
    GROUND_WORDS,
    reason_words,
)
from tourniquet.patients.models import BrokenGlass, Reading
from tourniquet.patients.page_queries import Person, list_people
from tourniquet.patients.readings import (
    ReadingSearch,
    list_broken,
    list_canaries,
    list_holders,
    list_ids_of,
    list_readings,
)
from tourniquet.record.erasures import count_open as count_open_erasures
from tourniquet.record.home import clock
from tourniquet.record.queries import count_open_alarms
from tourniquet.web import addresses
from tourniquet.web.access import page
from tourniquet.web.presenters.access import (
    AccessFrontPage,
    AccessPage,
    AccessRow,
    CanariesPage,
    CanaryRow,
)
from tourniquet.web.presenters.people import PatientLink
from tourniquet.web.presenters.shell import BLANK_FORM, ROLE_WORDS, Crumb, FieldError, Form
from tourniquet.web.views.kinds import hidden_alarms
from tourniquet.web.views.people import Names, link
from tourniquet.web.views.rendering import render, say_done
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

PAGE_ROWS = 50
FRONT_ROWS = 20
_CRUMBS = (Crumb("Access", addresses.ACCESS),)
_ENTRY = "entry "


@page(Task.SEE_ACCESS, methods=("GET", "HEAD", "POST"))
def front(http_request: HttpRequest, viewer: Viewer) -> HttpResponse:
    """The two questions, and who lately opened a record without a tie."""
    if http_request.method != "POST":
        return _front(http_request, viewer)
    values = read_texts(http_request, ("number", "account"))
    faults: Faults = []
    check_lengths(values, faults, lines=("number", "account"))
    asked = clean(http_request.POST.get("question", ""))
    if asked == "account":
        need_text(values, "account", "Write the name of the account.", faults)
        if not faults:
            if roles_of({values["account"]}):
                return see_other(addresses.access_by(values["account"]))
            faults.append(FieldError("account", "There is no account of this name. Check it."))
    else:
        found = _holder(viewer, values, faults)
        if found:
            return see_other(addresses.access_to(found))
    return _front(http_request, viewer, form_of(values, faults), status=400)


def _holder(viewer: Viewer, values: dict[str, str], faults: Faults) -> str:
    """The one patient who has the number that was typed; "" with a fault otherwise."""
    need_text(values, "number", "Write the NHS number, or a local number.", faults)
    if faults:
        return ""
    found = list_holders(viewer, values["number"])
    if len(found) == 1:
        return found[0]
    count = "More than one person has" if found else "Nobody has"
    faults.append(FieldError("number", f"{count} this number. Check it."))
    return ""


def _front(
    http_request: HttpRequest, viewer: Viewer, form: Form = BLANK_FORM, *, status: int = 200
) -> HttpResponse:
    see_access(viewer=viewer, now=clock().now())
    broken = list_broken(viewer, limit=FRONT_ROWS)
    people = _people(viewer, {one.patient_id for one in broken})
    accounts = {one.account for one in broken}
    roles, organisations = roles_of(accounts), organisations_of(accounts)
    names = Names(people, names_of(set(organisations.values())))
    built = AccessFrontPage(
        form=form,
        rows=tuple(
            replace(
                _broken_row(one, names, roles.get(one.account, "")),
                organisation=names.organisation(organisations.get(one.account, "")),
            )
            for one in broken
        ),
        alarms=count_open_alarms(without=hidden_alarms(viewer)),
        may_guard=viewer.may(Task.GUARD_ACCESS),
        may_erase=viewer.may(Task.ASK_ERASURE),
        erasures=count_open_erasures(),
    )
    return render(
        http_request,
        "access/front.html",
        built,
        title="Who opened whose record",
        section="access",
        form_errors=form.errors,
        status=status,
    )


@page(Task.SEE_ACCESS)
def patient(http_request: HttpRequest, viewer: Viewer, patient_id: str) -> HttpResponse:
    """Who opened one patient's record, when, why, what of it and from where."""
    ids = list_ids_of(viewer, patient_id)
    if not ids:
        raise NotFound("There is no such patient.")
    see_access(viewer=viewer, now=clock().now(), patient_ids=(patient_id,))
    before = _before(http_request)
    search = ReadingSearch(patients=(ids,))
    found = list_readings(viewer, search, before=before, limit=PAGE_ROWS + 1)
    people = _people(viewer, {patient_id})
    address = addresses.access_to(patient_id)
    built = AccessPage(
        heading="Who opened this record",
        lead="Newest first. A reading through a list that names many people is not among these.",
        rows=_rows(found[:PAGE_ROWS], {}),
        about_patient=True,
        older=_older(address, found),
        newest=address if before is not None else "",
        patient=link(Names(people), patient_id) if people else None,
    )
    return render(
        http_request,
        "access/readings.html",
        built,
        title="Who opened this record",
        section="access",
        crumbs=_CRUMBS,
    )


@page(Task.SEE_ACCESS)
def account(http_request: HttpRequest, viewer: Viewer, account: str) -> HttpResponse:
    """Whose records one account opened."""
    see_access(viewer=viewer, now=clock().now(), account=account)
    before = _before(http_request)
    search = ReadingSearch(accounts=((account,),))
    found = list_readings(viewer, search, before=before, limit=PAGE_ROWS + 1)
    address = addresses.access_by(account)
    people = _people(viewer, {one.patient_id for one in found[:PAGE_ROWS]})
    built = AccessPage(
        heading=f"Whose records {account} opened",
        lead="Newest first.",
        rows=_rows(found[:PAGE_ROWS], people),
        about_patient=False,
        older=_older(address, found),
        newest=address if before is not None else "",
    )
    return render(
        http_request,
        "access/readings.html",
        built,
        title=f"Whose records {account} opened",
        section="access",
        crumbs=_CRUMBS,
    )


def _before(http_request: HttpRequest) -> int | None:
    """The position before which the page begins; None for the newest."""
    text = http_request.GET.get("before", "")
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 18 else None


def _older(address: str, found: list[Reading]) -> str:
    if len(found) <= PAGE_ROWS:
        return ""
    return addresses.with_query(address, before=found[PAGE_ROWS - 1].position)


def _people(viewer: Viewer, ids: set[str]) -> dict[str, Person]:
    """Names, for whoever may see clinical records: of an organisation, of its own patients."""
    if not viewer.may(Task.SEE_CLINICAL):
        return {}
    found = list_people(viewer, ids)
    if not viewer.organisation:
        return found
    ours = viewer.organisation
    return {key: one for key, one in found.items() if one.registered_organisation == ours}


def _rows(found: list[Reading], people: dict[str, Person]) -> tuple[AccessRow, ...]:
    names = Names(people, names_of({one.organisation for one in found}))
    return tuple(
        AccessRow(
            at=one.at,
            account=one.account,
            role=ROLE_WORDS.get(one.role, one.role),
            organisation=names.organisation(one.organisation),
            what=_what(one.what),
            channel=CHANNEL_WORDS.get(one.channel, one.channel),
            why=_why(one.ground, one.reason),
            words=one.words,
            position=one.position,
            patient=_link(names, one.patient_id),
            patient_id=one.patient_id,
            late_by=one.late_by,
        )
        for one in found
    )


def _link(names: Names, patient_id: str) -> PatientLink | None:
    return link(names, patient_id) if patient_id in names.people else None


def _what(what: str) -> str:
    if what.startswith(_ENTRY):
        return f"Entry {what.removeprefix(_ENTRY)}"
    return {"record": "The record", "fhir": "Data", "unknown person": "An unknown person"}.get(
        what, what
    )


def _why(ground: str, reason: str) -> str:
    return reason_words(reason) if ground == GLASS and reason else GROUND_WORDS.get(ground, ground)


def _broken_row(one: BrokenGlass, names: Names, role: str) -> AccessRow:
    return AccessRow(
        at=one.at,
        account=one.account,
        role=ROLE_WORDS.get(role, role),
        organisation="",
        what="Gave a reason",
        channel=CHANNEL_WORDS[CONSOLE],
        why=reason_words(one.reason),
        words=one.words,
        position=one.position,
        patient=_link(names, one.patient_id),
        patient_id=one.patient_id,
    )


# Records that nobody should read ------------------------------------------------------------------


@page(Task.GUARD_ACCESS, methods=("GET", "HEAD", "POST"))
def canaries(http_request: HttpRequest, viewer: Viewer) -> HttpResponse:
    """The list, and the form that adds to it."""
    if http_request.method != "POST":
        return _canaries(http_request, viewer)
    values = read_texts(http_request, ("number", "comment"))
    faults: Faults = []
    check_lengths(values, faults, lines=("number",))
    found = _holder(viewer, values, faults)
    if found:
        _set(viewer, found, values["comment"], faults, on=True)
    if faults:
        return _canaries(http_request, viewer, form_of(values, faults), status=400)
    say_done(http_request, "The record is on the list.")
    return see_other(addresses.ACCESS_CANARIES)


@page(Task.GUARD_ACCESS, methods=("POST",))
def canary_off(http_request: HttpRequest, viewer: Viewer, patient_id: str) -> HttpResponse:
    """Take a record off the list."""
    values = read_texts(http_request, ("comment",))
    faults: Faults = []
    check_lengths(values, faults)
    if not faults:
        _set(viewer, patient_id, values["comment"], faults, on=False)
    if faults:
        # The form of a row has no field of its own to lead to: the fault is said at the list's.
        said = tuple(FieldError("comment", fault.text) for fault in faults)
        return _canaries(http_request, viewer, Form({}, said), status=400)
    say_done(http_request, "The record is off the list.")
    return see_other(addresses.ACCESS_CANARIES)


def _set(viewer: Viewer, patient_id: str, comment: str, faults: Faults, *, on: bool) -> None:
    try:
        set_canary(patient_id, on=on, comment=comment, viewer=viewer, now=clock().now())
    except (PermissionRefused, NotFound):
        raise
    except UserError as error:
        faults.append(fault_of(error, field="number", names=("comment",)))


def _canaries(
    http_request: HttpRequest, viewer: Viewer, form: Form = BLANK_FORM, *, status: int = 200
) -> HttpResponse:
    found = list_canaries(viewer)
    names = Names(_people(viewer, {one.patient_id for one in found}))
    built = CanariesPage(
        rows=tuple(
            CanaryRow(
                one.patient_id,
                _link(names, one.patient_id),
                one.comment,
                one.set_at,
                one.set_by,
            )
            for one in found
        ),
        form=form,
    )
    return render(
        http_request,
        "access/canaries.html",
        built,
        title="Records that nobody should read",
        section="access",
        crumbs=_CRUMBS,
        form_errors=form.errors,
        status=status,
    )
