"""Who may open a page: every view says it here, and a repo test checks that every route does.

Invariants:
- A view gets a Viewer of an active account, or is never called.
- Somebody who has not signed in is sent to the sign-in page and back.
- Nobody comes in by a bearer token here: tokens are for the machines' addresses (edge).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect

from tourniquet.directory.queries import find_viewer
from tourniquet.directory.roles import Task, Viewer
from tourniquet.web import addresses
from tourniquet.web.errors import method_not_allowed

ViewerView = Callable[..., HttpResponse]
PlainView = Callable[..., HttpResponse]
_KNOWN = "tourniquet_viewer"


def find_signed_in(http_request: HttpRequest) -> Viewer | None:
    """The viewer of this session, or None; looked up once for each HTTP request."""
    known: Viewer | None = getattr(http_request, _KNOWN, None)
    user = http_request.user
    if known is None and user.is_authenticated:
        known = find_viewer(user.get_username())
        setattr(http_request, _KNOWN, known)
    return known if user.is_authenticated else None


def page(
    task: Task | None, *, methods: tuple[str, ...] = ("GET", "HEAD")
) -> Callable[[ViewerView], PlainView]:
    """A view for signed-in people whose role allows the task (None: any role).

    The view is called as `view(http_request, viewer, **kwargs)`.
    """

    def declare(view: ViewerView) -> PlainView:
        @wraps(view)
        def checked(http_request: HttpRequest, **kwargs: object) -> HttpResponse:
            if http_request.method not in methods:
                return method_not_allowed(http_request, methods)
            viewer = find_signed_in(http_request)
            if viewer is None:
                # A form's own address cannot be opened, so whoever posted to it comes back to Now.
                back = http_request.get_full_path() if http_request.method != "POST" else ""
                return HttpResponseRedirect(addresses.with_query(addresses.SIGN_IN, next=back))
            if task is not None:
                viewer.demand(task)
            return view(http_request, viewer, **kwargs)

        checked.tourniquet_access = task.value if task else "signed in"  # type: ignore[attr-defined] # functions take attributes
        return checked

    return declare


def public(view: PlainView) -> PlainView:
    """A view that anybody may open."""
    view.tourniquet_access = "public"  # type: ignore[attr-defined] # functions take attributes
    return view
