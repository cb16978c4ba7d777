"""Pages for what went wrong: what, and what to do; never a traceback.

Invariants:
- Browsers get a page, everybody else a line of plain text; both say the same.
- A page about our own fault, or about the database, asks the database nothing.
- A fault of ours has a reference, written to the log with where it happened and without what
  anybody typed.
"""

from __future__ import annotations

import logging
import secrets
import traceback
from collections.abc import Sequence

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render as django_render

from tourniquet.kernel.clock import SettableClock
from tourniquet.record.home import clock
from tourniquet.web.presenters.shell import ErrorPage, ExerciseMark, Shell, error_page

_log = logging.getLogger("tourniquet.web")
_NOT_FOUND = "There is no page at this address."
_STALE_FORM = "The form could not be trusted: it was opened too long ago, or in another session."
_STALE_REMEDY = "Go back, load the page again, and send the form again."


def answer(
    http_request: HttpRequest,
    status: int,
    *,
    what: str = "",
    remedy: str = "",
    reference: str = "",
) -> HttpResponse:
    """The page of a fault, or its line of text for whoever does not read pages."""
    page = error_page(status, what=what, remedy=remedy, reference=reference)
    if "text/html" not in http_request.headers.get("Accept", ""):
        return _line(page)
    now = clock()
    shell = Shell(
        title=page.heading,
        exercise=ExerciseMark(now.now()) if isinstance(now, SettableClock) else None,
    )
    return django_render(http_request, "error.html", {"shell": shell, "page": page}, status=status)


def _line(page: ErrorPage) -> HttpResponse:
    words = [page.what, page.remedy, f"Reference: {page.reference}" if page.reference else ""]
    return HttpResponse(
        " ".join(word for word in words if word) + "\n",
        status=page.status,
        content_type="text/plain; charset=utf-8",
    )


def note_fault(error: BaseException) -> str:
    """Write a fault of ours to the log, without its message; the reference to find it by."""
    reference = secrets.token_hex(4)
    frames = traceback.extract_tb(error.__traceback__)[-6:]
    where = " < ".join(f"{frame.name}:{frame.lineno}" for frame in reversed(frames))
    _log.error("web.fault reference=%s type=%s at %s", reference, type(error).__name__, where)
    return reference


def method_not_allowed(http_request: HttpRequest, methods: Sequence[str]) -> HttpResponse:
    """405: the address is right and the way of asking is not."""
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
