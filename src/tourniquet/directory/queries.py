"""Bounded reads of the directory."""

from __future__ import annotations

import hashlib

from tourniquet.directory.models import Account, Organisation, SignIn, Token
from tourniquet.directory.roles import Role, Viewer
from tourniquet.kernel.errors import NotFound

MOST = 5000


def get_organisation(code: str) -> Organisation:
    """Raises: NotFound."""
    found = Organisation.objects.filter(pk=code).first()
    if found is None:
        raise NotFound("There is no organisation with that code.", where=code)
    return found


def find_organisation(code: str) -> Organisation | None:
    """The organisation with that code, or None."""
    return Organisation.objects.filter(pk=code).first()


def list_organisations(kind: str = "", *, limit: int = MOST) -> list[Organisation]:
    """Organisations by code, of one kind or of all."""
    found = Organisation.objects.all()
    if kind:
        found = found.filter(kind=kind)
    return list(found.order_by("code")[: min(limit, MOST)])


def names_of(codes: set[str]) -> dict[str, str]:
    """Names of organisations by code; codes not listed are left out."""
    return dict(Organisation.objects.filter(code__in=codes).values_list("code", "name"))


def phones_of(codes: set[str]) -> dict[str, str]:
    """Phone numbers of organisations by code; codes not listed are left out."""
    return dict(Organisation.objects.filter(code__in=codes).values_list("code", "phone"))


def roles_of(accounts: set[str]) -> dict[str, str]:
    """Roles of accounts by name; names that are no account are left out."""
    return dict(Account.objects.filter(name__in=accounts).values_list("name", "role"))


def organisations_of(accounts: set[str]) -> dict[str, str]:
    """Organisations of accounts by name, "" for the whole region; no account: left out."""
    return dict(Account.objects.filter(name__in=accounts).values_list("name", "organisation"))


def find_viewer(account: str) -> Viewer | None:
    """The viewer that an active account is, or None."""
    found = Account.objects.filter(name=account, active=True).first()
    return Viewer(found.name, Role(found.role), found.organisation) if found else None


def find_viewer_by_token(token: str) -> Viewer | None:
    """The viewer whose bearer token this is, or None."""
    digest = hashlib.sha256(token.encode()).hexdigest()
    found = Token.objects.filter(digest=digest, revoked_at__isnull=True).first()
    return find_viewer(found.account) if found else None


def find_by_password(account: str, password: str) -> Viewer | None:
    """The viewer that an active account is, once its password was compared, or None."""
    found = SignIn.objects.filter(pk=account).first()
    if found is None or not found.check_password(password):
        return None
    return find_viewer(account)


def list_accounts(*, limit: int = MOST) -> list[Account]:
    """Accounts by name."""
    return list(Account.objects.order_by("name")[: min(limit, MOST)])
