"""What every answer over HTTP passes through: security headers, and errors in plain words."""

from __future__ import annotations

from collections.abc import Callable

from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse

from tourniquet.kernel.errors import (
    NotFound,
    PermissionRefused,
    StorageUnavailable,
    TourniquetError,
    UserError,
)
from tourniquet.web.errors import answer, note_fault

GetResponse = Callable[[HttpRequest], HttpResponse]
POLICY = (
    "default-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'; "
    "object-src 'none'"
)
_AWAY = (OperationalError, InterfaceError)


class PageHeaders:
    """A strict content security policy; nothing clinical is kept by caches."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, http_request: HttpRequest) -> HttpResponse:
        response = self.get_response(http_request)
        response.headers.setdefault("Content-Security-Policy", POLICY)
        if not http_request.path.startswith(("/static/", "/status/")):
            response.headers.setdefault("Cache-Control", "no-store")
        return response


def status_of(error: TourniquetError) -> int:
    """The HTTP status that says who must act."""
    if isinstance(error, PermissionRefused):
        return 403
    if isinstance(error, NotFound):
        return 404
    if isinstance(error, UserError):
        return 400
    return 503 if isinstance(error, StorageUnavailable) else 500


class Errors:
    """Turns our errors, and a database that is away, into answers with the right status."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, http_request: HttpRequest) -> HttpResponse:
        return self.get_response(http_request)

    def process_exception(
        self, http_request: HttpRequest, exception: Exception
    ) -> HttpResponse | None:
        """An error of ours as a page; others go Django's way."""
        if isinstance(exception, _AWAY):
            return answer(http_request, 503)
        if not isinstance(exception, TourniquetError):
            note_fault(exception)
            return None
        status = status_of(exception)
        reference = note_fault(exception) if status >= 500 else ""
        what = f"{exception.where}: {exception.what}" if exception.where else exception.what
        return answer(http_request, status, what=what, remedy=exception.remedy, reference=reference)
