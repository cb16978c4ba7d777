"""Signing in at the desk, signing out, and unlocking it.

Invariants:
- What is said of a wrong name and of a wrong password is the same; after several failures a name
  must wait.
- What was typed as a name and is no account is written down nowhere: it may be a password.
- Sessions are in memory: when the desk starts again, everybody signs in again.
- The words of a share are never shown again, logged, or kept but in memory.
"""

from __future__ import annotations

from math import ceil

from django.http import HttpRequest, HttpResponse
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.csrf import csrf_protect

from tourniquet.directory.desk_roles import DeskUser
from tourniquet.kernel.errors import TourniquetError
from tourniquet.web.access import public
from tourniquet.web.desk import addresses
from tourniquet.web.desk.access import SESSION_NAME, desk, desk_page
from tourniquet.web.desk.errors import method_not_allowed
from tourniquet.web.desk.presenters import DeskSignIn, UnlockPage
from tourniquet.web.desk.rendering import render, say_done
from tourniquet.web.presenters.shell import BLANK_FORM, FieldError, Form
from tourniquet.web.throttle import Throttle
from tourniquet.web.views.typed import LONGEST_LINE, clean, see_other

_WRONG = "The user name or the password is not right. Both must be typed exactly."
FIRST_LOOK_SECONDS = 3.0  # a small record is ready at once; a large one says how far it is
DESK_SIGN_INS = Throttle()
UNKNOWN_NAME = "unknown name"


@public
@csrf_protect
def sign_in(http_request: HttpRequest) -> HttpResponse:
    """The form, and what it posts."""
    if http_request.method in ("GET", "HEAD"):
        return _form(http_request, BLANK_FORM, _onward(http_request.GET.get("next", "")))
    if http_request.method != "POST":
        return method_not_allowed(http_request, ("GET", "HEAD", "POST"))
    name = clean(http_request.POST.get("username", ""))[:LONGEST_LINE].casefold()
    onward = _onward(http_request.POST.get("next", ""))
    wait = DESK_SIGN_INS.wait_seconds(name)
    if wait > 0:
        text = f"Too many wrong passwords for this name. Try again in {ceil(wait)} seconds."
        return _refused(http_request, name, onward, text, status=429)
    user = desk().accounts.check(name, http_request.POST.get("password", ""))
    if user is None:
        DESK_SIGN_INS.failed(name)
        known = desk().accounts.find(name) is not None  # else it may be a password, or a patient
        desk().note_access("sign-in refused", name if known else UNKNOWN_NAME)
        return _refused(http_request, name, onward, _WRONG, status=400)
    DESK_SIGN_INS.passed(name)
    desk().note_access("signed in", user.name)
    http_request.session.flush()
    http_request.session[SESSION_NAME] = user.name
    return see_other(onward)


def _onward(wanted: str) -> str:
    """Where to go after signing in: only ever a page of ours."""
    safe = url_has_allowed_host_and_scheme(wanted, allowed_hosts=None)
    return wanted if safe and wanted.startswith("/") else addresses.HOME


def _refused(
    http_request: HttpRequest, name: str, onward: str, text: str, *, status: int
) -> HttpResponse:
    form = Form({"username": name}, (FieldError("username", text),))
    return _form(http_request, form, onward, status=status)


def _form(http_request: HttpRequest, form: Form, onward: str, *, status: int = 200) -> HttpResponse:
    return render(
        http_request,
        "desk/sign_in.html",
        DeskSignIn(form, onward, locked=desk().unlocked is None),
        title="Sign in",
        form_errors=form.errors,
        status=status,
    )


@public
def sign_out(http_request: HttpRequest) -> HttpResponse:
    """Ends the session; only ever by a form."""
    if http_request.method != "POST":
        return method_not_allowed(http_request, ("POST",))
    http_request.session.flush()
    return see_other(addresses.SIGN_IN)


@desk_page(None, methods=("GET", "HEAD", "POST"), while_locked=True)
@csrf_protect
def unlock(http_request: HttpRequest, user: DeskUser) -> HttpResponse:
    """Who unlocks the desk, and the form for one person's words."""
    form = BLANK_FORM
    if http_request.method == "POST" and desk().unlocked is None:
        try:
            unlocked = desk().offer_share(user, clean(http_request.POST.get("words", "")))
        except TourniquetError as error:
            text = f"{error.what} {error.remedy}".strip()
            form = Form(errors=(FieldError("words", text),))
        else:
            if unlocked:
                desk().follow(most_seconds=FIRST_LOOK_SECONDS)
            say_done(
                http_request,
                "The desk is unlocked." if unlocked else "Your words were taken.",
            )
            return see_other(addresses.HOME if unlocked else addresses.UNLOCK)
    return render(
        http_request,
        "desk/unlock.html",
        UnlockPage(
            form,
            desk().accounts.holders(),
            desk().people_ready(),
            is_holder=user.holder,
            unlocked=desk().unlocked is not None,
        ),
        title="Unlock the desk",
        form_errors=form.errors,
        status=400 if form.errors else 200,
    )
