"""Who asks, and what each machine's route demands; a repo test checks that every route says it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from django.http import HttpRequest

from tourniquet.directory.queries import find_viewer, find_viewer_by_token
from tourniquet.directory.roles import Viewer

View = TypeVar("View", bound=Callable[..., object])
_BEARER = "bearer "
TOKEN_CHARACTERS_MAX = 512


def access(rule: str) -> Callable[[View], View]:
    """Declare what a view demands: "public", or the name of a role's task."""

    def mark(view: View) -> View:
        view.tourniquet_access = rule  # type: ignore[attr-defined] # functions take attributes
        return view

    return mark


def viewer_of_token(http_request: HttpRequest) -> Viewer | None:
    """Who the bearer token is, or None."""
    header = http_request.headers.get("Authorization", "")
    if header[: len(_BEARER)].lower() != _BEARER or len(header) > TOKEN_CHARACTERS_MAX:
        return None
    return find_viewer_by_token(header[len(_BEARER) :].strip())


def is_session(http_request: HttpRequest) -> bool:
    """Whether a person's session of the console asks, and not a token."""
    return "Authorization" not in http_request.headers


def viewer_of(http_request: HttpRequest) -> Viewer | None:
    """Who asks, by bearer token or, where none is sent, by the console's session."""
    if "Authorization" in http_request.headers:
        return viewer_of_token(http_request)
    user = getattr(http_request, "user", None)
    if user is None or not user.is_authenticated:
        return None
    return find_viewer(user.get_username())
