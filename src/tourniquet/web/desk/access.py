"""Who may open a page of the desk: every view says it here, and a repo test checks that each does.

Invariants:
- A view gets a user whose account is still in the desk's file, or is never called.
- While the desk is locked, every page that reads leads to the page that unlocks it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect

from tourniquet.directory.desk_roles import DeskTask, DeskUser
from tourniquet.flows.downtime_desk import DowntimeDesk
from tourniquet.kernel.errors import OperatorError
from tourniquet.web.desk import addresses
from tourniquet.web.desk.errors import method_not_allowed

View = Callable[..., HttpResponse]
SESSION_NAME = "desk_account"
_USER = "tourniquet_desk_user"
_running: list[DowntimeDesk] = []


def run_desk(desk: DowntimeDesk | None) -> None:
    """Say which desk this process is. One process is one desk."""
    _running.clear()
    if desk is not None:
        _running.append(desk)


def desk() -> DowntimeDesk:
    """The desk that this process is."""
    if not _running:
        raise OperatorError(
            "This process is no downtime desk.", remedy="Run `tourniquet record history --serve`."
        )
    return _running[0]


def find_user(http_request: HttpRequest) -> DeskUser | None:
    """Who has signed in; looked up once for each HTTP request."""
    if not hasattr(http_request, _USER):
        name = http_request.session.get(SESSION_NAME, "")
        setattr(http_request, _USER, desk().accounts.find(name) if name else None)
    found: DeskUser | None = getattr(http_request, _USER)
    return found


def desk_page(
    task: DeskTask | None,
    *,
    methods: tuple[str, ...] = ("GET", "HEAD"),
    while_locked: bool = False,
) -> Callable[[View], View]:
    """A view for people of the desk whose role allows the task (None: any role).

    The view is called as `view(http_request, user, **kwargs)`.
    """

    def declare(view: View) -> View:
        @wraps(view)
        def checked(http_request: HttpRequest, **kwargs: object) -> HttpResponse:
            if http_request.method not in methods:
                return method_not_allowed(http_request, methods)
            user = find_user(http_request)
            if user is None:
                back = http_request.get_full_path() if http_request.method != "POST" else ""
                return HttpResponseRedirect(addresses.with_query(addresses.SIGN_IN, next=back))
            if task is not None:
                user.demand(task)
            if desk().unlocked is None and not while_locked:
                return HttpResponseRedirect(addresses.UNLOCK)
            return view(http_request, user, **kwargs)

        checked.tourniquet_access = task.value if task else "signed in at the desk"  # type: ignore[attr-defined] # functions take attributes
        return checked

    return declare
