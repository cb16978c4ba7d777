"""Pages for what went wrong: what, and what to do; never a traceback."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse


def _page(status: int, text: str) -> HttpResponse:
    return HttpResponse(text + "\n", status=status, content_type="text/plain; charset=utf-8")


def bad_request(http_request: HttpRequest, exception: Exception) -> HttpResponse:
    """400."""
    return _page(400, "The address or the form is not right. Go back and try again.")


def forbidden(http_request: HttpRequest, exception: Exception) -> HttpResponse:
    """403."""
    return _page(403, "Your account may not see this. Ask your administrator.")


def not_found(http_request: HttpRequest, exception: Exception) -> HttpResponse:
    """404."""
    return _page(404, "There is no page at this address.")


def server_error(http_request: HttpRequest) -> HttpResponse:
    """500."""
    return _page(500, "Something went wrong here. Nothing was half-written. Try again.")
