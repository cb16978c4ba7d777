"""What an attacker who has the whole home does not reach: other machines, and a safe.

All of it lies in one folder of the exercise, which the loss leaves alone:
- the replica's machine: vault, witness key, and, apart from it, the copy of the wrapped keys;
- the desk's machine, beside it: accounts, index, book;
- the safe: the log's pinned key, and three sheets with shares of the root key.

Invariants:
- No root key and no signing key of the log lies here, but for the minutes of a restore.
- Sheets and passwords are random, and lie in files that their owner alone reads.
"""

from __future__ import annotations

import json
import os
import re
import secrets
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from tourniquet.directory.desk_roles import DeskRole
from tourniquet.directory.roles import Role, Viewer
from tourniquet.exercise.folders import AWAY
from tourniquet.flows.desk_accounts import DeskAccounts
from tourniquet.flows.desk_id import begin_id
from tourniquet.flows.reserve_numbers import reserve_numbers
from tourniquet.flows.share_keys import note_shares
from tourniquet.kernel import settings
from tourniquet.pathology.desk_reading import make_folder
from tourniquet.record.home import exercise_name
from tourniquet.record.journal import Act
from tourniquet.record.keys import begin_keys, read_root
from tourniquet.record.recovery import check_number, split
from tourniquet.record.share_sheet import sheet

HOLDERS = ("amara", "bola", "chidi")
RECORDER = "rec"
# The sheet's instructions are numbered too, but begin with a capital.
_WORD = re.compile(r"\b(\d{1,2})\. ([a-z]+)")
_WORDS = 33


@dataclass(frozen=True)
class Away:
    """The places."""

    home: Path

    @property
    def folder(self) -> Path:
        """All of it."""
        return self.home / AWAY

    @property
    def replica(self) -> Path:
        """The replica's folder."""
        return self.folder / "replica"

    @property
    def vault(self) -> Path:
        """The replica's copy of the vault."""
        return self.replica / "vault"

    @property
    def ring(self) -> Path:
        """The folder with the copy of the wrapped keys."""
        return self.folder / "replica-keys"

    @property
    def desk(self) -> Path:
        """The desk's own folder."""
        return self.folder / "desk"

    @property
    def pinned(self) -> Path:
        """The log's key, as it was pinned on the first day."""
        return self.folder / "vault.vkey"

    @property
    def token(self) -> Path:
        """The replica's token for the server."""
        return self.folder / "replica-token"

    @property
    def recovered(self) -> Path:
        """The keys that two sheets bring back, for as long as a restore takes."""
        return self.folder / "recovered-keys"

    def passwords(self) -> dict[str, str]:
        """Of the desk's accounts, by name."""
        found = json.loads((self.folder / "desk-passwords.json").read_text(encoding="utf-8"))
        assert isinstance(found, dict)
        return found

    def words(self, number: int) -> str:
        """The words that a holder reads from their sheet."""
        page = (self.folder / f"share-{number}.txt").read_text(encoding="utf-8")
        by_place = {int(place): word for place, word in _WORD.findall(page)}
        return " ".join(by_place[place] for place in range(1, _WORDS + 1))


def put_away(home: Path, moment: datetime, *, forms: int) -> Away:
    """What an installer does on the first day: keys and their sheets, the desk and its numbers."""
    away = Away(home)
    away.folder.mkdir(mode=0o700, exist_ok=True)
    # The keys, as the sealer would begin them, so that they can be shared before anything happens.
    keys = begin_keys(
        home / "keys",
        site=settings.read("TOURNIQUET_SITE"),
        exercise=exercise_name(),
        now=moment,
    )
    away.pinned.write_text(f"{keys.signer.verifier}\n", encoding="utf-8")
    keys.ring.close()
    root = read_root(home / "keys")
    shares, check = split(root, HOLDERS), check_number(root)
    for one in shares:
        page = sheet(one, site=settings.read("TOURNIQUET_SITE"), check=check, made_at=moment)
        write_secret(away.folder / f"share-{one.number}.txt", page)
    note_shares(shares, check=check, act=Act("exercise set-up", moment))
    # The desk.
    make_folder(away.desk)
    accounts = DeskAccounts(away.desk)
    passwords = {name: secrets.token_urlsafe(12) for name in (*HOLDERS, RECORDER)}
    for name, password in passwords.items():
        role = DeskRole.KEEPER if name in HOLDERS else DeskRole.RECORDER
        accounts.put(name, role, password, holder=name in HOLDERS)
    write_secret(away.folder / "desk-passwords.json", json.dumps(passwords, indent=2))
    viewer = Viewer("exercise set-up", Role.ADMINISTRATOR)
    reserve_numbers(forms, desk=begin_id(away.desk), purpose="exercise", viewer=viewer, now=moment)
    return away


def write_secret(file: Path, text: str) -> None:
    """Write a file that its owner alone reads."""
    number = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(number, "w", encoding="utf-8") as opened:
        opened.write(text)
