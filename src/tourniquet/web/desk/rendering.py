"""One way to render a page of the desk: the shell around it, and the presenter in it."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render as django_render

from tourniquet.directory.desk_roles import DeskTask
from tourniquet.web.desk.access import desk, find_user
from tourniquet.web.desk.presenters import DataMark, DeskShell
from tourniquet.web.presenters.shell import FieldError

_DONE = "done"


def say_done(http_request: HttpRequest, text: str) -> None:
    """Keep a sentence for the next page of this person: what their form did."""
    http_request.session[_DONE] = text


def data_mark() -> DataMark | None:
    """How old the data is; None while the desk is locked."""
    here = desk()
    if here.unlocked is None:
        return None
    reading = here.unlocked.reading
    standing = reading.standing
    return DataMark(
        standing.as_of,
        standing.position,
        standing.checkpoint.size,
        standing.missing,
        standing.fault,
        here.key_pinned,
        carried=reading.carried,
        keyed_left_out=reading.keyed_left_out,
        book_fault=here.unlocked.book.fault,
        book_readable=here.unlocked.book.is_readable,
        notice=standing.notice,
    )


def render(
    http_request: HttpRequest,
    template: str,
    page: object,
    *,
    title: str,
    section: str = "",
    form_errors: tuple[FieldError, ...] = (),
    status: int = 200,
) -> HttpResponse:
    """The page in its shell."""
    here = desk()
    user = find_user(http_request)
    shell = DeskShell(
        title=title,
        section=section,
        name=user.name if user else "",
        role=user.role.value if user else "",
        tasks=frozenset(task.value for task in DeskTask if user and user.may(task)),
        exercise=here.exercise,
        data=data_mark() if user else None,
        done=http_request.session.pop(_DONE, ""),
        form_errors=form_errors,
        shown_at=here.now(),
    )
    return django_render(http_request, template, {"shell": shell, "page": page}, status=status)
