"""One way to render a page: the shell around it, and the presenter in it."""

from __future__ import annotations

from datetime import datetime

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render as django_render

from tourniquet.directory.queries import names_of
from tourniquet.directory.roles import Task, Viewer
from tourniquet.incident.queries import find_running
from tourniquet.record.home import clock, exercise_name
from tourniquet.record.sealing_meter import SEALING
from tourniquet.record.witness import METER
from tourniquet.web.access import find_signed_in
from tourniquet.web.presenters.shell import (
    Crumb,
    ExerciseMark,
    FieldError,
    IncidentMark,
    NoCopyMark,
    ProtectionMark,
    SealingMark,
    Shell,
    SignedIn,
)

LATE_SECONDS = 60  # a copy is seconds behind while all is well
SET_UP_A_REPLICA = (
    "Set up a replica on another machine, then put the line in its witness.vkey into "
    "TOURNIQUET_WITNESS_KEY: docs/how-to/replica.md says how."
)
ASK_FOR_A_REPLICA = "Ask whoever runs Tourniquet for you to set up a replica on another machine."
WENT_BACK = (
    "This database is not the one that was sealed: it went back to an older state. Records that "
    "were taken in before may be missing here, and what is taken in now is copied nowhere."
)
MEND_JOURNAL = (
    "Delete nothing. Stop what sends, and do as in docs/how-to/restore.md, 'When the database went "
    "back'."
)
START_SEALER = (
    "Read logs/sealer.log in the home, look at its disk, and restart the server: "
    "docs/how-to/restore.md says how."
)
CALL = "Call whoever runs Tourniquet for you."
_DONE = "done"


def say_done(http_request: HttpRequest, text: str) -> None:
    """Keep a sentence for the next page of this person: what their form did."""
    http_request.session[_DONE] = text


def render(
    http_request: HttpRequest,
    template: str,
    page: object,
    *,
    title: str,
    section: str = "",
    crumbs: tuple[Crumb, ...] = (),
    form_errors: tuple[FieldError, ...] = (),
    status: int = 200,
) -> HttpResponse:
    """The page in its shell."""
    viewer = find_signed_in(http_request)
    scenario = exercise_name()
    now = clock().now()
    shell = Shell(
        title=title,
        section=section,
        signed_in=_signed_in(viewer) if viewer else None,
        exercise=ExerciseMark(now, scenario) if scenario else None,
        incident=_incident_mark() if viewer else None,
        protection=_protection_mark(now) if viewer else None,
        no_copy=_no_copy_mark(viewer) if viewer and not scenario else None,
        sealing=_sealing_mark(viewer) if viewer else None,
        crumbs=crumbs,
        done=http_request.session.pop(_DONE, ""),
        form_errors=form_errors,
        shown_at=now,
    )
    return django_render(http_request, template, {"shell": shell, "page": page}, status=status)


def _signed_in(viewer: Viewer) -> SignedIn:
    code = viewer.organisation
    return SignedIn(
        viewer.account,
        viewer.role.value,
        names_of({code}).get(code, code),
        sees_access=viewer.may(Task.SEE_ACCESS),
    )


def _incident_mark() -> IncidentMark | None:
    incident = find_running()
    if incident is None:
        return None
    return IncidentMark(incident.level, incident.title, incident.declared_at)


def _no_copy_mark(viewer: Viewer) -> NoCopyMark | None:
    """Said where no witness is pinned. Not in an exercise: nobody in it is real (see `render`)."""
    if METER.read() is not None:
        return None
    if viewer.may(Task.ADMINISTER):
        return NoCopyMark(SET_UP_A_REPLICA)
    if viewer.may(Task.COMMAND_INCIDENT):
        return NoCopyMark(ASK_FOR_A_REPLICA)
    return NoCopyMark()


def _protection_mark(now: datetime) -> ProtectionMark | None:
    found = METER.read()
    if found is None:
        return None
    waited = (now - found.since).total_seconds() if found.since else 0.0
    return ProtectionMark(
        count=found.unprotected,
        since=found.since,
        copied_at=found.witnessed_at,
        fits=found.fits,
        late=not found.fits or waited > LATE_SECONDS,
    )


def _sealing_mark(viewer: Viewer) -> SealingMark | None:
    """Said where sealing stands still, with or without a witness."""
    found = SEALING.read()
    if found is None:
        return None
    may_act = viewer.may(Task.ADMINISTER)
    if not found.fits:
        return SealingMark(WENT_BACK, MEND_JOURNAL if may_act else CALL)
    if not found.unsealed or not (found.late or found.gave_up):
        return None
    count = f"{found.unsealed:,} record{'' if found.unsealed == 1 else 's'}"
    what = f"The sealer stands still: {count} in this database alone."
    return SealingMark(what, START_SEALER if may_act else CALL)
