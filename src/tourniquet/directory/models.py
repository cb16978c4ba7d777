"""Tables of the directory.

Invariants:
- Organisation and Account are journalled and written by directory.apply alone.
- SignIn (password hashes) and Token (digests) are not journalled: they are issued anew after a
  restore.
"""

from __future__ import annotations

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.db import models


class Organisation(models.Model):
    """A practice, clinic, hospital or laboratory."""

    code = models.TextField(primary_key=True)
    name = models.TextField()
    kind = models.TextField()
    address = models.TextField()
    postcode = models.TextField()
    phone = models.TextField()
    borough = models.TextField()
    zone = models.TextField()
    parent = models.TextField()
    source = models.TextField()
    open = models.BooleanField()

    class Meta:
        indexes = [models.Index(fields=["kind", "code"], name="organisation_kind")]


class Account(models.Model):
    """A person, or a system, that may sign in: what they may do and for whom."""

    name = models.TextField(primary_key=True)
    role = models.TextField()
    organisation = models.TextField()
    display_name = models.TextField()
    active = models.BooleanField()
    added_at = models.DateTimeField()


class SignInManager(BaseUserManager["SignIn"]):
    """Finds sign-ins by name."""

    def get_by_natural_key(self, username: str | None) -> SignIn:
        return self.get(pk=username)


class SignIn(AbstractBaseUser):
    """Password hash of an account, kept by Django's own hashers. Not journalled."""

    name = models.TextField(primary_key=True)

    USERNAME_FIELD = "name"
    objects = SignInManager()

    @property
    def is_active(self) -> bool:  # type: ignore[override] # derived from the account, never set
        return Account.objects.filter(name=self.name, active=True).exists()


class Token(models.Model):
    """SHA-256 of a bearer token; the token itself is shown once and never kept."""

    digest = models.TextField(primary_key=True)
    account = models.TextField()
    issued_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True)
