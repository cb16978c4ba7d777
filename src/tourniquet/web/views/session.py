"""Signing in and out.

Invariants:
- What is said of a wrong name and of a wrong password is the same.
- After several failures a name must wait (web.throttle); until then no password is looked at.
"""

from __future__ import annotations

from math import ceil

from django.contrib.auth import authenticate, login, logout
from django.http import HttpRequest, HttpResponse
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.csrf import csrf_protect

from tourniquet.directory.models import SignIn
from tourniquet.web import addresses
from tourniquet.web.access import public
from tourniquet.web.errors import method_not_allowed
from tourniquet.web.presenters.shell import FieldError, Form, SignInPage
from tourniquet.web.throttle import SIGN_INS
from tourniquet.web.views.rendering import render
from tourniquet.web.views.typed import LONGEST_LINE, clean, see_other

_WRONG = "The user name or the password is not right. Both must be typed exactly."


@public
@csrf_protect
def sign_in(http_request: HttpRequest) -> HttpResponse:
    """The form, and what it posts."""
    if http_request.method in ("GET", "HEAD"):
        onward = _onward(http_request, http_request.GET.get("next", ""))
        return _form(http_request, SignInPage(next_address=onward))
    if http_request.method != "POST":
        return method_not_allowed(http_request, ("GET", "HEAD", "POST"))
    name = clean(http_request.POST.get("username", ""))[:LONGEST_LINE]
    onward = _onward(http_request, http_request.POST.get("next", ""))
    wait = SIGN_INS.wait_seconds(name)
    if wait > 0:
        text = f"Too many wrong passwords for this name. Try again in {_in_words(wait)}."
        return _refused(http_request, name, onward, text, status=429)
    user = authenticate(http_request, username=name, password=http_request.POST.get("password", ""))
    if not isinstance(user, SignIn):
        SIGN_INS.failed(name)
        return _refused(http_request, name, onward, _WRONG, status=400)
    SIGN_INS.passed(name)
    login(http_request, user)
    return see_other(onward)


def _in_words(seconds: float) -> str:
    if seconds <= 90:  # below a minute and a half, seconds say more
        return f"{ceil(seconds)} seconds"
    return f"{ceil(seconds / 60)} minutes"


def _onward(http_request: HttpRequest, wanted: str) -> str:
    """Where to go after signing in: only ever a page of ours."""
    safe = url_has_allowed_host_and_scheme(wanted, allowed_hosts=None)
    return wanted if safe and wanted.startswith("/") else addresses.HOME


def _refused(
    http_request: HttpRequest, name: str, onward: str, text: str, *, status: int
) -> HttpResponse:
    form = Form({"username": name}, (FieldError("username", text),))
    return _form(http_request, SignInPage(form, onward), status=status)


def _form(http_request: HttpRequest, page: SignInPage, *, status: int = 200) -> HttpResponse:
    return render(
        http_request,
        "sign_in.html",
        page,
        title="Sign in",
        form_errors=page.form.errors,
        status=status,
    )


@public
def sign_out(http_request: HttpRequest) -> HttpResponse:
    """Ends the session; only ever by a form."""
    if http_request.method != "POST":
        return method_not_allowed(http_request, ("POST",))
    logout(http_request)
    return see_other(addresses.SIGN_IN)
