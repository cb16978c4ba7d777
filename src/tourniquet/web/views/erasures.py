"""Erasures of people's data, for data protection: the list, asking, and deciding.

Invariants:
- Numbers and names of patients stay out of addresses; a list of erasures shows no name.
- Who asked is not offered to approve.
- An account of an organisation sees its own patients' erasures; others are as not found.
"""

from __future__ import annotations

import contextlib

from django.http import HttpRequest, HttpResponse

from tourniquet.directory.roles import Task, Viewer
from tourniquet.flows.ask_erasure import (
    Asking,
    approve_erasure,
    ask_erasure,
    list_warnings,
    refuse_erasure,
    withdraw_erasure,
)
from tourniquet.kernel.errors import NotFound, PermissionRefused, UserError
from tourniquet.patients.erasure_queries import get_erasure_of, get_person, list_erasures_of
from tourniquet.patients.page_queries import list_people
from tourniquet.patients.readings import list_holders
from tourniquet.record.erasure_rules import (
    ASKED_FOR,
    EXEMPTIONS,
    GROUNDS,
    IDENTITIES,
    OPEN,
    WARNINGS,
    WITHDRAWALS,
    State,
)
from tourniquet.record.erasures import find_due, list_subjects, read_words
from tourniquet.record.home import clock
from tourniquet.record.models import Erasure
from tourniquet.web import addresses
from tourniquet.web.access import page
from tourniquet.web.presenters.erasures import (
    AskErasurePage,
    ErasurePage,
    ErasureRow,
    ErasuresPage,
    Exemption,
)
from tourniquet.web.presenters.shell import BLANK_FORM, Choice, Crumb, FieldError, Form
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

ROWS_MOST = 200
_CRUMBS = (Crumb("Access", addresses.ACCESS), Crumb("Erasures", addresses.ERASURES))
_CHOSEN = ("ground", "asked_for", "identity", "exemption", "why")
_MISSING = {
    "ground": "Choose a ground.",
    "asked_for": "Choose who wants it.",
    "identity": "Choose how identity was checked.",
}
_ASKING = ("ground", "asked_for", "identity", "words")


@page(Task.ASK_ERASURE, methods=("GET", "HEAD", "POST"))
def show(http_request: HttpRequest, viewer: Viewer) -> HttpResponse:
    """The list; and the number of somebody, which leads to the form."""
    if http_request.method != "POST":
        return _list(http_request, viewer)
    values = read_texts(http_request, ("number",))
    faults: Faults = []
    check_lengths(values, faults, lines=("number",))
    need_text(values, "number", "Write the NHS number, or a local number.", faults)
    if not faults:
        found = _askable(viewer, values["number"])
        if len(found) == 1:
            return see_other(addresses.erasure_ask(found[0]))
        count = "More than one person has" if found else "Nobody has"
        faults.append(FieldError("number", f"{count} this number. Check it."))
    return _list(http_request, viewer, form_of(values, faults), status=400)


def _askable(viewer: Viewer, number: str) -> list[str]:
    """Who has this number, of those for whom this viewer may ask."""
    found = []
    for one in list_holders(viewer, number):
        with contextlib.suppress(NotFound):
            get_person(viewer, one)
            found.append(one)
    return found


def _list(
    http_request: HttpRequest, viewer: Viewer, form: Form = BLANK_FORM, *, status: int = 200
) -> HttpResponse:
    rows = tuple(_row(one) for one in list_erasures_of(viewer, limit=ROWS_MOST))
    return render(
        http_request,
        "erasures/list.html",
        ErasuresPage(rows, form),
        title="Erasures",
        section="access",
        crumbs=_CRUMBS[:1],
        form_errors=form.errors,
        status=status,
    )


def _row(one: Erasure) -> ErasureRow:
    due = find_due(one)
    return ErasureRow(
        erasure_id=one.pk,
        state=one.state,
        ground=GROUNDS.get(one.ground, one.ground),
        asked_by=one.asked_by,
        asked_at=one.asked_at,
        approved_by=one.approved_by,
        due=due,
        waits_for_witness=due is None and State(one.state) is State.APPROVED,
    )


# Asking -------------------------------------------------------------------------------------------


@page(Task.ASK_ERASURE, methods=("GET", "HEAD", "POST"))
def ask(http_request: HttpRequest, viewer: Viewer, patient_id: str) -> HttpResponse:
    """The form that asks for the erasure of one person."""
    ids = list(get_person(viewer, patient_id))
    if http_request.method != "POST":
        return _ask(http_request, viewer, patient_id, ids)
    answers = tuple(f"exempt-{name}" for name in EXEMPTIONS)
    seen = tuple(f"seen-{name}" for name in WARNINGS)
    values = read_texts(http_request, (*_ASKING, *answers, *seen))
    faults: Faults = []
    check_lengths(values, faults, lines=(*_ASKING[:3], *answers, *seen))
    asking = Asking(
        ground=values["ground"],
        asked_for=values["asked_for"],
        identity=values["identity"],
        applies=tuple(one for one in EXEMPTIONS if values[f"exempt-{one}"] == "yes"),
        not_applies=tuple(one for one in EXEMPTIONS if values[f"exempt-{one}"] == "no"),
        words=values["words"],
        acknowledged=tuple(one for one in WARNINGS if values[f"seen-{one}"]),
    )
    faults += _unanswered(values, ids)
    erasure = ""
    if not faults:
        try:
            erasure = ask_erasure(patient_id, asking, viewer=viewer, now=clock().now())
        except (PermissionRefused, NotFound):
            raise
        except UserError as error:
            faults.append(_fault(error))
    if faults:
        form = form_of(values, faults)
        return _ask(http_request, viewer, patient_id, ids, form, status=400)
    say_done(http_request, "The erasure is asked for. Another person approves it.")
    return see_other(addresses.erasure(erasure))


def _unanswered(values: dict[str, str], ids: list[str]) -> Faults:
    """Everything that is not answered, at once; what an answer must be is the flow's to say."""
    faults = [FieldError(name, said) for name, said in _MISSING.items() if not values[name]]
    faults += [
        FieldError(f"exempt-{name}", f"{text}: say whether this applies.")
        for name, text in EXEMPTIONS.items()
        if not values[f"exempt-{name}"]
    ]
    faults += [
        FieldError(f"seen-{one}", f"{WARNINGS[one]}: look at it, then tick it.")
        for one in list_warnings(ids, now=clock().now())
        if not values[f"seen-{one}"]
    ]
    return faults


def _fault(error: UserError) -> FieldError:
    """A refusal at the field that it is about."""
    if error.where in EXEMPTIONS:
        return FieldError(f"exempt-{error.where}", f"{error.what} {error.remedy}".strip())
    if error.where == "acknowledge":
        first = next(one for one in WARNINGS if WARNINGS[one] in error.what)
        return FieldError(f"seen-{first}", "Look at this first, then tick it.")
    if error.where in _CHOSEN:
        return FieldError(error.where, "Choose one.")
    return fault_of(error, field="ground", names=_ASKING)


def _ask(
    http_request: HttpRequest,
    viewer: Viewer,
    patient_id: str,
    ids: list[str],
    form: Form = BLANK_FORM,
    *,
    status: int = 200,
) -> HttpResponse:
    names = Names(list_people(viewer, {patient_id}))
    built = AskErasurePage(
        patient=link(names, patient_id),
        records=len(ids),
        grounds=_choices(GROUNDS),
        asked_for=_choices(ASKED_FOR),
        identities=_choices(IDENTITIES),
        exemptions=tuple(
            Exemption(name, text, form.value(f"exempt-{name}"), form.error(f"exempt-{name}"))
            for name, text in EXEMPTIONS.items()
        ),
        warnings=_warnings(ids, form),
        form=form,
    )
    return render(
        http_request,
        "erasures/ask.html",
        built,
        title="Ask for an erasure",
        section="access",
        crumbs=_CRUMBS,
        form_errors=form.errors,
        status=status,
    )


def _choices(words: dict[str, str]) -> tuple[Choice, ...]:
    return tuple(Choice(name, text) for name, text in words.items())


def _warnings(ids: list[str], form: Form) -> tuple[Choice, ...]:
    """What stands against it now; ticked only by whoever looks at this page, just now."""
    found = list_warnings(ids, now=clock().now())
    return tuple(
        Choice(one, WARNINGS[one], selected=bool(form.value(f"seen-{one}"))) for one in found
    )


# Deciding -----------------------------------------------------------------------------------------


@page(Task.ASK_ERASURE, methods=("GET", "HEAD", "POST"))
def one(http_request: HttpRequest, viewer: Viewer, erasure_id: str) -> HttpResponse:
    """One erasure, and what is decided about it."""
    found = get_erasure_of(viewer, erasure_id)
    if http_request.method != "POST":
        return _one(http_request, viewer, found)
    seen = tuple(f"seen-{name}" for name in WARNINGS)
    values = read_texts(http_request, ("why", "exemption", *seen))
    faults: Faults = []
    check_lengths(values, faults, lines=values)
    action = clean(http_request.POST.get("action", ""))
    done = "" if faults else _decide(viewer, found, action, values, faults)
    if faults:
        return _one(http_request, viewer, found, form_of(values, faults), status=400)
    say_done(http_request, done)
    return see_other(addresses.erasure(erasure_id))


def _decide(
    viewer: Viewer, found: Erasure, action: str, values: dict[str, str], faults: Faults
) -> str:
    """Do what was posted; what is said of it."""
    now = clock().now()
    try:
        if action == "approve":
            seen = tuple(one for one in WARNINGS if values[f"seen-{one}"])
            approve_erasure(found.pk, viewer=viewer, now=now, acknowledged=seen)
            return "Approved. It waits now, and can be withdrawn until it is due."
        if action == "refuse":
            refuse_erasure(found.pk, exemption=values["exemption"], viewer=viewer, now=now)
            return "Refused."
        withdraw_erasure(found.pk, why=values["why"], viewer=viewer, now=now)
    except (PermissionRefused, NotFound):
        raise
    except UserError as error:
        faults.append(_decision_fault(error, action))
    return "Withdrawn."


def _decision_fault(error: UserError, action: str) -> FieldError:
    if error.where == "acknowledge" or error.where in _CHOSEN:
        return _fault(error)
    field = {"approve": "approve", "refuse": "exemption"}.get(action, "why")
    return fault_of(error, field=field)


def _one(
    http_request: HttpRequest,
    viewer: Viewer,
    found: Erasure,
    form: Form = BLANK_FORM,
    *,
    status: int = 200,
) -> HttpResponse:
    people = list_subjects(found.pk)
    names = Names(list_people(viewer, set(people)))
    is_open = State(found.state) in OPEN
    is_decider = is_open and viewer.may(Task.APPROVE_ERASURE)
    why_not = _why_not(found, people, viewer) if is_open else ""
    built = ErasurePage(
        row=_row(found),
        facts=_facts(found),
        patients=tuple(link(names, patient) for patient in people),
        words=read_words(found.pk),
        warnings=_warnings(people, form) if is_open else (),
        may_approve=is_decider and not why_not,
        may_refuse=is_decider,
        may_withdraw=is_open and viewer.may(Task.ASK_ERASURE),
        why_not=why_not if is_decider or not people else "",
        withdrawals=_choices(WITHDRAWALS),
        exemptions=_choices(EXEMPTIONS),
        mentions=_positions(found.mentions),
        handed_out=_positions(found.handed_out),
        form=form,
    )
    return render(
        http_request,
        "erasures/one.html",
        built,
        title="Erasure",
        section="access",
        crumbs=_CRUMBS,
        form_errors=form.errors,
        status=status,
    )


def _positions(joined: str) -> tuple[int, ...]:
    return tuple(int(one) for one in joined.split(",") if one)


def _why_not(found: Erasure, people: list[str], viewer: Viewer) -> str:
    if not people:
        return (
            "Nobody is left whom this is about, as after a restore to an earlier day. It can't be "
            "carried out: withdraw it."
        )
    if found.applies:
        return "An exemption applies: it can be refused or withdrawn, not approved."
    if found.asked_by == viewer.account:
        return "You asked for it: somebody else approves."
    return ""


def _facts(found: Erasure) -> tuple[tuple[str, str], ...]:
    ended = State(found.state) in (State.CARRIED_OUT, State.FINISHED)
    reasons = WITHDRAWALS | EXEMPTIONS
    facts = [
        ("Ground", GROUNDS.get(found.ground, found.ground)),
        ("Who wants it", ASKED_FOR.get(found.asked_for, found.asked_for)),
        ("How identity was checked", IDENTITIES.get(found.identity, found.identity)),
        ("Exemptions that apply", _listed(found.applies, EXEMPTIONS)),
        ("Acknowledged", _listed(found.warnings, WARNINGS)),
        ("Records of this person", str(found.records)),
        ("Asked by", found.asked_by),
        ("Approved by", found.approved_by or "Nobody yet"),
    ]
    if found.approved_by:
        facts.append(("Waiting time", "1 day" if found.days == 1 else f"{found.days} days"))
    if found.why:
        facts.append(("Why it ended", reasons.get(found.why, found.why)))
    if ended:
        facts.append(("Entries without content now", str(found.entries)))
        facts.append(("Rows taken out", str(found.rows)))
    return tuple(facts)


def _listed(words: str, texts: dict[str, str]) -> str:
    return "; ".join(texts.get(one, one) for one in words.split(",") if one) or "None of them"
