"""The downtime desk's own accounts: a file beside its index, with hashes of passwords.

They are not those of the main system, which may be away or in the attacker's hands.

Invariants:
- A password is kept as Django's hash of it, and nowhere else. The file names accounts, never
  patients, and is readable by its owner only.
- The file is put in place whole: a power cut leaves the accounts as they were, or as they are.
"""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
from django.contrib.auth.hashers import check_password, make_password

from tourniquet.directory.desk_roles import DeskRole, DeskUser
from tourniquet.kernel.errors import IntegrityError, UserError
from tourniquet.record.disk import Disk, LocalFiles

FILE = "accounts.json"
FILE_BYTES_MOST = 1024 * 1024
ACCOUNTS_MOST = 500
PASSWORD_CHARACTERS_LEAST = 12
PASSWORD_CHARACTERS_MOST = 200
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,39}\Z")


class DeskAccount(msgspec.Struct, frozen=True):
    """One account as it is kept."""

    name: str
    role: DeskRole
    password: str
    holder: bool = False


_decoder = msgspec.json.Decoder(list[DeskAccount])


class DeskAccounts:
    """The accounts in one desk's folder, read anew each time: few people, rarely."""

    def __init__(self, folder: Path) -> None:
        self._disk = Disk(LocalFiles(folder))

    def list_all(self) -> list[DeskAccount]:
        """Every account, by name. Raises: IntegrityError when the file is not in its form."""
        if self._disk.size(FILE) is None:
            return []
        try:
            return _decoder.decode(self._disk.read(FILE, bytes_most=FILE_BYTES_MOST))
        except msgspec.MsgspecError:
            raise IntegrityError("The file of accounts is not in its form.", where=FILE) from None

    def put(self, name: str, role: DeskRole, password: str, *, holder: bool) -> DeskUser:
        """Add an account, or give one another role and password. Raises: UserError."""
        if not _NAME.match(name):
            raise UserError(
                "An account's name is small letters, digits, dots and hyphens, at most 40.",
                where="NAME",
            )
        if not PASSWORD_CHARACTERS_LEAST <= len(password) <= PASSWORD_CHARACTERS_MOST:
            raise UserError(
                f"A password has {PASSWORD_CHARACTERS_LEAST} characters or more.", where=name
            )
        others = [one for one in self.list_all() if one.name != name]
        if len(others) >= ACCOUNTS_MOST:
            raise UserError(f"A desk has at most {ACCOUNTS_MOST} accounts.", where=name)
        account = DeskAccount(name, role, make_password(password), holder)
        self._write([*others, account])
        return DeskUser(name, role, holder)

    def remove(self, name: str) -> None:
        """Remove an account. Raises: UserError when there is none."""
        found = self.list_all()
        others = [one for one in found if one.name != name]
        if len(others) == len(found):
            raise UserError("There is no such account at this desk.", where=name)
        self._write(others)

    def _write(self, accounts: list[DeskAccount]) -> None:
        ordered = sorted(accounts, key=lambda one: one.name)
        self._disk.replace(FILE, msgspec.json.encode(ordered))

    def find(self, name: str) -> DeskUser | None:
        """The account with that name, or None."""
        found = next((one for one in self.list_all() if one.name == name), None)
        return DeskUser(found.name, found.role, found.holder) if found else None

    def check(self, name: str, password: str) -> DeskUser | None:
        """The account whose name and password these are, or None; both take as long."""
        found = next((one for one in self.list_all() if one.name == name), None)
        given = password[:PASSWORD_CHARACTERS_MOST]
        if found is None:
            make_password(given)
            return None
        if not check_password(given, found.password):
            return None
        return DeskUser(found.name, found.role, found.holder)

    def holders(self) -> tuple[str, ...]:
        """Names of the people who unlock the desk together."""
        return tuple(one.name for one in self.list_all() if one.holder)
