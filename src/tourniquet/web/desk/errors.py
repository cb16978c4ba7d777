"""The desk's pages for what went wrong: what, and what to do; they ask nothing of the vault."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render as django_render

from tourniquet.kernel.errors import TourniquetError
from tourniquet.web.desk.presenters import DeskShell
from tourniquet.web.errors import note_fault
from tourniquet.web.middleware import status_of
from tourniquet.web.presenters.shell import error_page

_NOT_FOUND = "There is no page at this address."
_STALE_FORM = "The form could not be trusted: it was opened too long ago, or in another session."
_STALE_REMEDY = "Go back, load the page again, and send the form again."
_AWAY = "The disk does not answer, or the vault is not what it was."
_AWAY_REMEDY = (
    "Try again in a minute, and tell whoever keeps the desk. Until then use the paper pack, and "
    "ring the laboratory."
)


def answer(
    http_request: HttpRequest,
    status: int,
    *,
    what: str = "",
    remedy: str = "",
    reference: str = "",
) -> HttpResponse:
    """The page of a fault."""
    if status >= 500 and not what:
        what, remedy = _AWAY, _AWAY_REMEDY
    page = error_page(status, what=what, remedy=remedy, reference=reference)
    shell = DeskShell(title=page.heading)
    return django_render(
        http_request, "desk/error.html", {"shell": shell, "page": page}, status=status
    )


def method_not_allowed(http_request: HttpRequest, methods: Sequence[str]) -> HttpResponse:
    """405."""
    response = answer(http_request, 405)
    response.headers["Allow"] = ", ".join(methods)
    return response


def bad_request(http_request: HttpRequest, exception: Exception) -> HttpResponse:
    """400."""
    return answer(http_request, 400)


def forbidden(http_request: HttpRequest, exception: Exception) -> HttpResponse:
    """403."""
    return answer(http_request, 403)


def csrf_failure(http_request: HttpRequest, reason: str = "") -> HttpResponse:
    """403 for a form whose token is missing or old."""
    return answer(http_request, 403, what=_STALE_FORM, remedy=_STALE_REMEDY)


def not_found(http_request: HttpRequest, exception: Exception) -> HttpResponse:
    """404."""
    return answer(http_request, 404, what=_NOT_FOUND)


def server_error(http_request: HttpRequest) -> HttpResponse:
    """500."""
    return answer(http_request, 500)


class DeskErrors:
    """Turns our errors into answers with the right status."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, http_request: HttpRequest) -> HttpResponse:
        return self.get_response(http_request)

    def process_exception(
        self, http_request: HttpRequest, exception: Exception
    ) -> HttpResponse | None:
        """An error of ours as a page; others go Django's way."""
        if not isinstance(exception, TourniquetError):
            note_fault(exception)
            return None
        status = status_of(exception)
        reference = note_fault(exception) if status >= 500 else ""
        what = f"{exception.where}: {exception.what}" if exception.where else exception.what
        return answer(http_request, status, what=what, remedy=exception.remedy, reference=reference)
