"""The key that signs the log is changed by two people, and the journal says so first.

1. Two people show who they are: accounts that may administer, each with its password. Where the
   directory has but one such account, that one is enough, and the entry says that there was no
   second.
2. The new key is made in the ring.
3. Append `signing_key.changed`. The sealer carries it out where the entry lies.
4. Where the former key is lost: the words of two holders of the root key are needed too, no sealer
   may run, and the vault's list of keys is written here, behind the entry.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from tourniquet.directory.queries import find_by_password, list_accounts
from tourniquet.directory.roles import Role, Task, Viewer
from tourniquet.kernel.errors import UserError
from tourniquet.record.entries import SigningKeyChanged
from tourniquet.record.journal import Act, writing
from tourniquet.record.key_change import (
    LOCK_FILE,
    NewKey,
    prepare_key,
    prepare_key_without_former,
    replace_lost_key,
)
from tourniquet.record.keys import only_one
from tourniquet.record.notes import VerifierKey
from tourniquet.record.recovery import combine
from tourniquet.record.sealer import keys_folder

REASON_CHARACTERS_MOST = 500
PEOPLE = 2


@dataclass(frozen=True)
class Person:
    """An account and the password that was typed for it; its `repr` does not show it."""

    account: str
    password: str = field(repr=False)


@dataclass(frozen=True)
class Changed:
    """The entry's position, the key that signed so far, and the one that signs from there on."""

    position: int
    former: VerifierKey
    new: VerifierKey


def change_signing_key(people: Sequence[Person], *, reason: str, now: datetime) -> Changed:
    """Change the key; it signs as soon as the entry is sealed.

    Raises: UserError, PermissionRefused; OperatorError when keys or vault are not as they were.
    """
    # 1. People.
    by, second = _demand_people(people)
    words = _checked_reason(reason)
    with only_one(keys_folder(), LOCK_FILE):
        # 2. The key.
        new = prepare_key(now=now)
        # 3. The entry.
        return _note(new, by, second, words, now, lost=False)


def replace_lost_signing_key(
    people: Sequence[Person], typed: Sequence[str], *, reason: str, now: datetime
) -> Changed:
    """Change the key without the former one; `typed` are the words of two holders.

    Raises: as above; UserError while a sealer runs, or when the words are not right.
    """
    by, second = _demand_people(people)
    words = _checked_reason(reason)
    root = combine(typed)
    with only_one(keys_folder()), only_one(keys_folder(), LOCK_FILE):
        new = prepare_key_without_former(root, now=now)
        found = _note(new, by, second, words, now, lost=True)
        # 4. The list.
        replace_lost_key(new)
        return found


def _note(
    new: NewKey, by: Viewer, second: Viewer | None, reason: str, now: datetime, *, lost: bool
) -> Changed:
    body = SigningKeyChanged(
        former=str(new.former),
        new=str(new.signer.verifier),
        reason=reason,
        second=second.account if second else "",
        lost=lost,
    )
    with writing(Act(by.account, now)) as journal:
        position = journal.append(body)
    return Changed(position, new.former, new.signer.verifier)


def _demand_people(people: Sequence[Person]) -> tuple[Viewer, Viewer | None]:
    """Who does it, and who with them. Raises: UserError, PermissionRefused."""
    if len({one.account for one in people}) != len(people) or not 1 <= len(people) <= PEOPLE:
        raise UserError(
            "A key is changed by two different people.",
            where="--second",
            remedy="Name each once, with --by and --second.",
        )
    found = [_checked(one) for one in people]
    if len(found) == 1:
        there = [one for one in list_accounts() if one.active and one.role == Role.ADMINISTRATOR]
        if len(there) >= PEOPLE:
            raise UserError(
                f"A key is changed by two people; {len(there)} accounts may.",
                where="--second",
                remedy="Name the second, who types their own password.",
            )
        return found[0], None
    return found[0], found[1]


def _checked(person: Person) -> Viewer:
    viewer = find_by_password(person.account, person.password)
    if viewer is None:
        raise UserError("Name or password is not right.", where=person.account)
    viewer.demand(Task.ADMINISTER)
    return viewer


def _checked_reason(reason: str) -> str:
    words = reason.strip()
    if not 0 < len(words) <= REASON_CHARACTERS_MOST:
        raise UserError(
            f"A reason has 1 to {REASON_CHARACTERS_MOST} characters.",
            where="--reason",
            remedy="Say why the key is changed; it is journalled.",
        )
    return words
