"""What every answer over HTTP passes through: security headers, and errors in plain words."""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

from tourniquet.kernel.errors import (
    NotFound,
    PermissionRefused,
    StorageUnavailable,
    TourniquetError,
    UserError,
)

GetResponse = Callable[[HttpRequest], HttpResponse]
_POLICY = (
    "default-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'; "
    "object-src 'none'"
)


class PageHeaders:
    """A strict content security policy; nothing clinical is kept by caches."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, http_request: HttpRequest) -> HttpResponse:
        response = self.get_response(http_request)
        response.headers.setdefault("Content-Security-Policy", _POLICY)
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
    """Turns our errors into answers with the right status."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, http_request: HttpRequest) -> HttpResponse:
        return self.get_response(http_request)

    def process_exception(
        self, http_request: HttpRequest, exception: Exception
    ) -> HttpResponse | None:
        """An error of ours as a page; others go Django's way."""
        if not isinstance(exception, TourniquetError):
            return None
        return HttpResponse(
            f"{exception}\n",
            status=status_of(exception),
            content_type="text/plain; charset=utf-8",
        )
