"""An account is added, given a password or a token.

1. Check the role, the name and the organisation.
2. Append `account.set`, which makes the account.
3. Keep the password's hash, or the token's digest, beside it: not journalled, issued anew after a
   restore.
"""

from __future__ import annotations

import hashlib
import re
import secrets

from tourniquet.directory.entries import AccountSet
from tourniquet.directory.models import Account, SignIn, Token
from tourniquet.directory.roles import Role
from tourniquet.kernel.errors import NotFound, UserError
from tourniquet.kernel.identifiers import OdsCode
from tourniquet.record.home import clock
from tourniquet.record.journal import Act, writing

_NAME = re.compile(r"[A-Za-z0-9._@\-]{1,150}\Z")
TOKEN_BYTES = 32
LEAST_PASSWORD = 12


def add_account(
    *,
    name: str,
    role: str,
    organisation: str | None,
    password: str | None,
    actor: str,
    display_name: str = "",
) -> str:
    """Add an account, or change its role and organisation; its name.

    Raises: UserError when name, role, organisation or password is not acceptable.
    """
    # 1. Check.
    if not _NAME.match(name):
        raise UserError("An account's name has 1 to 150 letters, digits and . _ @ -.", where="NAME")
    found_role = Role.parse(role)
    code = OdsCode.parse(organisation).code if organisation else ""
    if password is not None and len(password) < LEAST_PASSWORD:
        raise UserError(f"A password has at least {LEAST_PASSWORD} characters.")
    # 2. Append.
    with writing(Act(actor=actor, moment=clock().now())) as journal:
        journal.append(
            AccountSet(
                name=name,
                role=found_role.value,
                account_organisation=code,
                display_name=display_name or name,
            )
        )
        # 3. Keep the hash.
        journal.flush()
        sign_in, _ = SignIn.objects.get_or_create(pk=name)
        if password is not None:
            sign_in.set_password(password)
        elif not sign_in.password:
            sign_in.set_unusable_password()
        sign_in.save()
    return name


def issue_token(*, name: str, actor: str) -> str:
    """A new bearer token of an active account; it is shown once and only its digest is kept.

    Raises: NotFound when there is no active account of that name.
    """
    if not Account.objects.filter(name=name, active=True).exists():
        raise NotFound(
            "There is no active account of that name.",
            where=name,
            remedy="Add it with `tourniquet users add`.",
        )
    token = secrets.token_urlsafe(TOKEN_BYTES)
    with writing(Act(actor=actor, moment=clock().now())):
        Token.objects.create(
            digest=hashlib.sha256(token.encode()).hexdigest(),
            account=name,
            issued_at=clock().now(),
            revoked_at=None,
        )
    return token
