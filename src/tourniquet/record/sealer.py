"""The sealer: the journal's entries into the vault, in order, a second or so behind.

1. Before it begins: the vault is not older than the ring knows, and the journal is the one that was
   sealed so far. The last again at each look: what is new continues the chain, and where nothing is
   new the last sealed entry is still there. A database may be put back under us.
2. Read the next entries. Check each commitment and link of the chain: what was changed in the
   database before it was sealed stops the sealer there.
3. Have a key for each: the patient's, its own for a message tied to nobody, else the site's.
4. Seal and publish, then note how far the vault has come.
5. Where an entry says that another key signs from there on: publish up to it, put the change in the
   vault's list of keys, signed by both, and go on under the new key.
6. Where an erasure was carried out up to here, destroy its keys before anything is sealed behind it
   (record.destroying); also what an earlier process did not come to.

Invariants:
- Positions are gapless and in commit order, so whoever tails them misses nothing.
- A vault and a journal that do not belong together are never joined.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import lru_cache
from itertools import count
from pathlib import Path
from time import monotonic
from typing import Any

import msgspec
from django.db import connection

from tourniquet.kernel import settings
from tourniquet.kernel.errors import IntegrityError, OperatorError, StorageUnavailable
from tourniquet.record import bodies, sealing
from tourniquet.record.bodies import Body, Content
from tourniquet.record.database import storage_errors, take_sealer_lock
from tourniquet.record.destroying import CARRIED_OUT, PUBLISHED, Destroyer, read_ignored
from tourniquet.record.disk import Disk, LocalFiles
from tourniquet.record.entries import SigningKeyChanged
from tourniquet.record.home import exercise_name
from tourniquet.record.journal import COLUMNS
from tourniquet.record.key_list import read_steps
from tourniquet.record.keys import Keys, begin_keys, have_keys, keep_signer, open_keys
from tourniquet.record.log import CHECKPOINT, read_last, read_tile
from tourniquet.record.models import Erasure, JournalEntry
from tourniquet.record.notes import Checkpoint, VerifierKey, parse_verifier_key
from tourniquet.record.registry import get_kind, list_kinds
from tourniquet.record.ring import NamedKey, Reached
from tourniquet.record.tables import fetch_all
from tourniquet.record.tree import Tree
from tourniquet.record.vault import KEY_FILE, Vault, VaultReader, keep_key_line, read_body

ENTRIES_AT_ONCE = 5_000
BYTES_AT_ONCE = 32 * 1024 * 1024
ROWS_A_QUERY = 500
REACHED_SECONDS = 1.0  # how far the note in the ring may be behind, which costs a flush
CHANGED = "signing_key.changed"
ERASURE_KINDS = {*PUBLISHED, CARRIED_OUT}
_CHANCE_BYTES = bodies.SALT_BYTES + bodies.SEAL_SALT_BYTES


def vault_folder() -> Path:
    """Where this home's vault lies."""
    return settings.home() / "vault"


def keys_folder() -> Path:
    """Where this home's keys lie."""
    return Path(settings.read("TOURNIQUET_KEYS") or settings.home() / "keys").expanduser().resolve()


def open_sealer(*, now: datetime) -> Sealer:
    """The sealer of this home; vault and keys are made where there are neither.

    The caller holds the folder of keys (`only_one`). Raises: OperatorError, IntegrityError.
    """
    disk = _vault_disk()
    is_new = disk.size(CHECKPOINT) is None
    if have_keys(keys_folder()):
        keys = open_keys(keys_folder())
    elif is_new and not disk.names("") and not _pinned().exists():
        keys = begin_keys(
            keys_folder(),
            site=settings.read("TOURNIQUET_SITE"),
            exercise=exercise_name(),
            now=now,
        )
    else:
        raise OperatorError(
            "There is a vault, but its keys are gone.",
            where="TOURNIQUET_KEYS",
            remedy="Bring the folder of keys back from its copy. Nothing was changed.",
        )
    if is_new and keys.ring.reached.size:
        raise OperatorError(
            f"The vault is gone; it had {keys.ring.reached.size} entries.",
            where=str(vault_folder()),
            remedy="Bring it back from the replica. Nothing was changed.",
        )
    with storage_errors():
        take_sealer_lock()
    vault = Vault.begin(disk, keys.signer) if is_new else _go_on(disk, keys)
    keep_key_line(Disk(LocalFiles(settings.home())), vault.keys)
    if vault.keys.newest != keys.signer.verifier:
        keep_signer(keys_folder(), keys.get_signer(vault.keys.newest))
    return Sealer(vault, keys, disk, now=now)


def _go_on(disk: Disk, keys: Keys) -> Vault:
    """The vault, opened with the key that its list says. Raises: OperatorError: it is gone."""
    steps = read_steps(disk)
    if not steps:
        pinned = find_log_key()
        return Vault(disk, keys.signer if pinned is None else keys.get_signer(pinned))
    return Vault(disk, keys.get_signer(steps[-1].new), keys.find_signer(steps[-1].former))


def find_sealed() -> Checkpoint | None:
    """How far this home's vault has come, by its own key; None where nothing was sealed.

    Raises: IntegrityError when the checkpoint is not one that the key beside the vault signed.
    """
    key = find_log_key()
    if key is None or not (vault_folder() / CHECKPOINT).exists():
        return None
    return read_last(Disk(LocalFiles(vault_folder())), key)


def find_log_key() -> VerifierKey | None:
    """The key of this home's log, as it was kept when the vault was begun; None before that."""
    if not _pinned().exists():
        return None
    return parse_verifier_key(_pinned().read_text(encoding="utf-8"))


def _pinned() -> Path:
    return settings.home() / KEY_FILE


def _vault_disk() -> Disk:
    vault_folder().mkdir(parents=True, exist_ok=True, mode=0o700)
    return Disk(LocalFiles(vault_folder()))


class Row(msgspec.Struct, frozen=True):
    """An entry as read from the journal."""

    header: sealing.Header
    header_bytes: bytes
    subject: str | None
    body: bytes | None
    salt: bytes | None
    commitment: bytes
    chain: bytes


class Sealer:
    """The one writer of a home's vault."""

    def __init__(self, vault: Vault, keys: Keys, disk: Disk, *, now: datetime) -> None:
        """Go on with a vault. Raises: IntegrityError when vault, ring and journal do not fit."""
        self._disk = disk
        ignored = read_ignored(keys_folder())
        self._destroyer = Destroyer(settings.home(), keys.ring, ignored=ignored)
        self._is_heeded, self._moment = False, now
        self._reached_at = -REACHED_SECONDS  # by the monotonic clock, when it was noted last
        self._vault = vault
        self._keys = keys
        self._site = keys.ring.site
        self._own_kinds = {(kind.name, kind.version) for kind in list_kinds() if kind.own_key}
        self._known = {(kind.name, kind.version) for kind in list_kinds()}
        _demand_not_older(disk, vault, keys)
        self._chain = self._sealed_chain(disk)
        self._demand_same_journal()

    @property
    def position(self) -> int:
        """The last sealed position."""
        return self._vault.checkpoint.size

    @property
    def root(self) -> bytes:
        """The root of the tree at that position."""
        return self._vault.checkpoint.root

    def seal_next(self, *, now: datetime) -> int:
        """Seal the next entries, a bounded number; how many there were.

        Raises: IntegrityError naming the position that was changed; StorageUnavailable.
        """
        rows = self.read_next()
        self.seal(rows, now=now)
        return len(rows)

    def read_next(self) -> list[Row]:
        """The next entries, checked; a bounded number. Raises: StorageUnavailable: ask again.

        Raises: IntegrityError naming the position that was changed.
        """
        if not self._is_heeded:
            self._heed_erasures()
        # 2. Entries.
        with storage_errors():
            take_sealer_lock()
        rows = list(self._read_next())
        chain = self._chain
        if not rows or not _continues(rows[0], chain):
            self._demand_same_journal()  # 1.
        for row in rows:
            _check(row, chain)
            chain = row.chain
        return rows

    def seal(self, rows: Sequence[Row], *, now: datetime) -> None:
        """Seal what `read_next` read. Raises: StorageUnavailable: open the sealer again to see."""
        start = 0
        for at, row in enumerate(rows):
            if row.header.kind == CHANGED:
                self._publish(rows[start:at], now)
                # 5. Another key.
                self._change_key(row)
                start = at
        self._publish(rows[start:], now)

    def _publish(self, rows: Sequence[Row], now: datetime) -> None:
        if not rows:
            return
        # 3. Keys.
        keys = self._keys_for(rows, now)
        # 4. Seal and publish.
        chance = memoryview(os.urandom(_CHANCE_BYTES * len(rows)))
        self._vault.publish(
            [
                self._seal(row, key, bytes(chance[at : at + _CHANCE_BYTES]))
                for row, key, at in zip(rows, keys, count(0, _CHANCE_BYTES), strict=False)
            ]
        )
        self._chain = rows[-1].chain
        if not 0 <= monotonic() - self._reached_at < REACHED_SECONDS:
            self._keep_reached()
        newest = self._vault.keys.newest
        if newest != self._keys.signer.verifier:  # it has signed, together with the former
            self._keys = replace(self._keys, signer=self._keys.get_signer(newest))
            keep_signer(keys_folder(), self._keys.signer)
        if any(row.header.kind in ERASURE_KINDS for row in rows):
            self._is_heeded, self._moment = False, now

    def _change_key(self, row: Row) -> None:
        """Change the key behind what is published, as an entry says.

        Raises: IntegrityError when it names a key that is not ours, or not the one that signs.
        """
        body = _read_change(row)
        keys = self._vault.keys
        if body.new in map(str, keys.keys):  # done before a crash, or with the former key lost
            return
        new = self._keys.find_signer(parse_verifier_key(body.new))
        if new is None or body.lost or not self.position or body.former != str(keys.newest):
            raise IntegrityError(
                "An entry changes the log's key to one that is not in the ring, or from one that "
                "does not sign.",
                where=f"position {row.header.position}",
                remedy="Nothing was sealed from there on. Find out what wrote it.",
            )
        self._vault.change_key(new, self._keys.get_signer(keys.newest))

    def _heed_erasures(self) -> None:
        """Destroy the keys of what was carried out up to here. Raises: StorageUnavailable."""
        # 6. Erasures.
        with storage_errors():
            rows = Erasure.objects.values_list(
                "asked_position", "approved_position", "ended_position"
            )
            positions = [one for row in rows for one in row if one and one <= self.position]
        reader = VaultReader(self._disk, self.position)
        self._destroyer.heed(reader, positions, now=self._moment)
        self._is_heeded = True

    def _read_next(self) -> Iterator[Row]:
        position, total = self.position, 0
        for _ in range(0, ENTRIES_AT_ONCE, ROWS_A_QUERY):
            found = _fetch(position)
            for values in found:
                position += 1
                row = _row(values)
                if row.header.position != position:
                    raise IntegrityError(
                        "An entry of the journal is missing.", where=f"position {position}"
                    )
                yield row
                if row.header.kind == CARRIED_OUT:
                    return  # nothing is sealed behind it before its keys are gone
                total += len(row.body or b"")
            if len(found) < ROWS_A_QUERY or total >= BYTES_AT_ONCE:
                return

    def _keys_for(self, rows: Sequence[Row], now: datetime) -> list[NamedKey]:
        subjects = [row.subject for row in rows if row.subject is not None and row.body is not None]
        own = [row for row in rows if self._has_own_key(row)]
        made = iter(self._keys.ring.provide(subjects, own=len(own), now=now))
        patients = [next(made) for _ in subjects]
        of_patients, of_messages = iter(patients), iter(list(made))
        nothing = NamedKey(bodies.NO_KEY, b"")
        keys = []
        for row in rows:
            if row.body is None:
                keys.append(nothing)
            elif row.subject is not None:
                keys.append(next(of_patients))
            else:
                keys.append(next(of_messages) if self._has_own_key(row) else self._site)
        return keys

    def _has_own_key(self, row: Row) -> bool:
        """Whether an entry about nobody may hold what is about somebody. Unknown kinds may."""
        kind = (row.header.kind, row.header.kind_version)
        return (
            row.subject is None
            and row.body is not None
            and (kind in self._own_kinds or kind not in self._known)
        )

    def _keep_reached(self) -> None:
        """Note in the ring how far the vault has come."""
        self._keys.ring.keep_reached(
            Reached(self._vault.checkpoint.size, self._vault.checkpoint.root)
        )
        self._reached_at = monotonic()

    def close(self) -> None:
        """Note how far the vault has come, and close the key ring."""
        with contextlib.suppress(StorageUnavailable):  # it is a note; what is sealed is sealed
            self._keep_reached()
        self._keys.ring.close()

    def _seal(self, row: Row, key: NamedKey, chance: bytes) -> Body:
        """Seal one entry, with random bytes that are for it alone."""
        header = bodies.Header(
            content=row.header_bytes,
            chain=row.chain,
            key_id=key.id,
            salt=chance[: bodies.SALT_BYTES],
        )
        content = None
        if row.body is not None and row.salt is not None:
            content = Content(row.subject, row.body, row.salt)
        return bodies.seal(
            row.header.position,
            header,
            content,
            content_commitment=row.commitment,
            site_key=self._site.key,
            content_key=key.key,
            seal_salt=chance[bodies.SALT_BYTES :],
        )

    def _sealed_chain(self, disk: Disk) -> bytes:
        last = self._vault.last
        if last is None:
            return sealing.GENESIS
        return bodies.open_header(last, read_body(disk, last), self._site.key).chain

    def _demand_same_journal(self) -> None:
        if not self.position:
            return
        with storage_errors():
            row = JournalEntry.objects.filter(position=self.position).values_list("chain").first()
        if row is None or bytes(row[0]) != self._chain:
            raise IntegrityError(
                "The journal is not the one that was sealed here."
                if row
                else "The journal is shorter than the vault.",
                where=f"position {self.position}",
                remedy="Nothing was sealed from there on. Was the database put back? Keep it, "
                "and do as in docs/how-to/restore.md.",
            )


def _read_change(row: Row) -> SigningKeyChanged:
    """What an entry of this kind says. Raises: IntegrityError: not in its form."""
    kind = get_kind(row.header.kind, row.header.kind_version)
    try:
        found = kind.decoder.decode(row.body or b"")
    except msgspec.MsgspecError:
        raise IntegrityError(
            "The body is not in its form.", where=f"position {row.header.position}"
        ) from None
    assert isinstance(found, SigningKeyChanged)  # the only body of this kind so far
    return found


def _demand_not_older(disk: Disk, vault: Vault, keys: Keys) -> None:
    reached = keys.ring.reached
    size = vault.checkpoint.size
    if reached.size > size:
        raise IntegrityError(
            f"The vault ends at {size}; it had {reached.size} entries before.",
            where=CHECKPOINT,
            remedy="It is an older copy. Bring the newest back from the replica.",
        )
    if reached.size:
        tree = Tree(size, lambda *tile: read_tile(disk, *tile))
        if tree.root(reached.size) != reached.root:
            raise IntegrityError(
                f"The first {reached.size} entries are not those that were sealed.",
                where=CHECKPOINT,
                remedy="Keep the folder as evidence; bring the vault back from the replica.",
            )


def _fetch(after: int) -> list[Sequence[Any]]:
    """The rows behind a position, in order, past the ORM: it takes as long as sealing them."""
    times = {"recorded_at", "happened_at"} if connection.vendor == "sqlite" else set()
    columns = ", ".join(f"CAST({one} AS TEXT)" if one in times else one for one in COLUMNS)
    with storage_errors():
        return fetch_all(
            f"SELECT {columns} FROM record_journalentry WHERE position > %s "  # noqa: S608 (our columns)
            f"ORDER BY position LIMIT {ROWS_A_QUERY}",
            (after,),
        )


@lru_cache(maxsize=4096)  # the entries of one commit share their moment
def _moment(value: datetime | str) -> datetime:
    if isinstance(value, datetime):
        return value
    return datetime.fromisoformat(value).replace(tzinfo=UTC)


def _row(values: Sequence[Any]) -> Row:
    fields = list(values[:10])
    fields[3:5] = _moment(values[3]), _moment(values[4])
    header = sealing.Header(*fields)
    subject, body, salt, commitment, chain = values[10:]
    return Row(
        header,
        sealing.header_bytes(header),
        subject,
        None if body is None else bytes(body),
        None if salt is None else bytes(salt),
        bytes(commitment),
        bytes(chain),
    )


def _continues(row: Row, chain: bytes) -> bool:
    return sealing.link_bytes(chain, row.header_bytes, row.commitment) == row.chain


def _check(row: Row, chain: bytes) -> None:
    """Check an entry against the chain so far. Raises: IntegrityError."""
    where = f"position {row.header.position}"
    remedy = "Nothing was sealed from there on. Keep the database, and compare it with the replica."
    if not _continues(row, chain):
        raise IntegrityError("The chain of the journal is broken.", where=where, remedy=remedy)
    if row.body is not None and (
        row.salt is None or sealing.commit(row.salt, row.subject, row.body) != row.commitment
    ):
        raise IntegrityError("The content of an entry was changed.", where=where, remedy=remedy)
