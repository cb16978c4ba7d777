"""Signing in and out."""

from __future__ import annotations

from django.contrib.auth import authenticate, login, logout
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.csrf import csrf_protect

from tourniquet.directory.models import SignIn
from tourniquet.web import addresses
from tourniquet.web.access import public
from tourniquet.web.presenters.shell import FieldError, Form, SignInPage
from tourniquet.web.views.rendering import render

_WRONG = "The user name or the password is not right. Both must be typed exactly."


@public
@csrf_protect
def sign_in(http_request: HttpRequest) -> HttpResponse:
    """The form, and what it posts."""
    if http_request.method in ("GET", "HEAD"):
        onward = http_request.GET.get("next", addresses.HOME)
        return _form(http_request, SignInPage(next_address=onward))
    if http_request.method != "POST":
        return HttpResponseNotAllowed(("GET", "POST"))
    name = http_request.POST.get("username", "").strip()
    onward = http_request.POST.get("next", addresses.HOME)
    user = authenticate(
        http_request, username=name, password=http_request.POST.get("password", "")
    )
    if not isinstance(user, SignIn):
        error = FieldError("username", _WRONG)
        page = SignInPage(Form({"username": name}, (error,)), onward)
        return _form(http_request, page, status=400)
    login(http_request, user)
    safe = url_has_allowed_host_and_scheme(onward, allowed_hosts={http_request.get_host()})
    return HttpResponseRedirect(onward if safe else addresses.HOME)


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
        return HttpResponseNotAllowed(("POST",))
    logout(http_request)
    return HttpResponseRedirect(addresses.SIGN_IN)
