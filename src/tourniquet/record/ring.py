"""The key ring: a key for each patient, so that one patient's content can be made unreadable.

Invariants:
- A key is durable before anything is encrypted under it.
- Keys lie in the ring wrapped; who has the ring without the root key opens nothing, and cannot
  tell whose a key is.
- A key that was erased is not made again: its id stays, with the date. A person who comes back
  gets a key of a new id, so that care never waits for an erasure.
- A key that is left out counts as erased, whatever this copy of the ring holds.
- The first two rows are the site's key and the log's first; no copy of them is ever destroyed, by
  whoever can tell them from others: with the root key all keys of the log, without it those two.
- The ring knows how far the vault had come, so that a vault from an older copy is not written on.

It refuses a ring of a newer form, and a ring that another root key wrapped.

The form: docs/reference/vault.md. A SQLite file, because keys are looked up by id among millions.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from tourniquet.kernel.errors import IntegrityError, OperatorError, StorageUnavailable
from tourniquet.record.bodies import KEY_BYTES, KEY_ID_BYTES, derive
from tourniquet.record.disk import LocalFiles

FORM = 1
KEYS_HELD = 100_000  # unwrapped, in memory: about 20 MB
IDS_AT_ONCE = 500
LOG_KEYS_MOST = 65  # what a list of keys holds (record.key_list)
ROWS_AT_ONCE = 1000
LASTING_ROWS = 2  # the site's key and the log's first, as `KeyRing.begin` puts them
GENERATIONS_MOST = 1000  # of one patient's keys: how often somebody can come back after an erasure

NO_SUCH_KEY = "The key ring has no such key."
_NONCE_BYTES = 12
_WRAPPING = b"tourniquet key ring wrapping v1\x00"
_LABELS = b"tourniquet key ring labels v1\x00"
_PATIENT = b"patient\x00"
_AGAIN = b"patient again\x00"
_GENERATION_BYTES = 4
_SITE = b"site\x00"
_LOG = b"log\x00"
_LOG_NUMBER_BYTES = 4
_TABLES = """
CREATE TABLE key (
    number INTEGER PRIMARY KEY,
    id BLOB NOT NULL UNIQUE,
    wrapped BLOB,
    made_at TEXT NOT NULL,
    erased_at TEXT
);
CREATE TABLE sealed (only INTEGER PRIMARY KEY CHECK (only = 1), size INTEGER, root BLOB);
INSERT INTO sealed VALUES (1, 0, x'');
"""


@dataclass(frozen=True)
class NamedKey:
    """A key and its id. Its `repr` shows the id alone."""

    id: bytes
    key: bytes

    def __repr__(self) -> str:
        return f"NamedKey({self.id.hex()})"


@dataclass(frozen=True)
class Reached:
    """How far the vault had come when it was last written: size and root of its tree."""

    size: int
    root: bytes


class KeyRing:
    """The ring, opened with its root key. One process makes keys; others may read."""

    def __init__(self, path: Path, root: bytes) -> None:
        """Open a ring. Raises: OperatorError when it is missing, newer, or wrapped by another."""
        self._wrapping = AESGCM(derive(root, _WRAPPING))
        self._labels = derive(root, _LABELS)
        self._held: dict[bytes, bytes] = {}
        self._left_out: set[bytes] = set()
        self._again: dict[str, int] = {}  # which of their keys those have who came back
        self._database = _connect(path)
        try:
            self.site = NamedKey(self._label(_SITE), self.get_key(self._label(_SITE)))
        except IntegrityError as error:
            raise OperatorError(
                "The key ring does not open with this root key.",
                where=path.name,
                remedy="Bring the root key and the ring that belong together.",
            ) from error

    @classmethod
    def begin(cls, path: Path, root: bytes, *, log_seed: bytes, now: datetime) -> KeyRing:
        """Begin a ring, with the site's key and the seed of the log's signing key.

        Raises: OperatorError when there is one.
        """
        if path.exists():
            raise OperatorError("There is a key ring already.", where=path.name)
        part = _begin_part(path)
        with _errors(), sqlite3.connect(part, isolation_level=None) as database:
            database.execute("PRAGMA secure_delete=ON")
            database.executescript(f"BEGIN; {_TABLES} PRAGMA user_version={FORM}; COMMIT;")
            wrapping, labels = AESGCM(derive(root, _WRAPPING)), derive(root, _LABELS)
            # The order is kept: whoever has no root key knows them by their numbers (HAZ-063).
            for name, key in ((_SITE, os.urandom(KEY_BYTES)), (_LOG, log_seed)):
                one = NamedKey(_label(labels, name), key)
                row = (one.id, _wrap(wrapping, one), now.isoformat())
                database.execute("INSERT INTO key (id, wrapped, made_at) VALUES (?, ?, ?)", row)
        database.close()
        _keep_part(part, path)
        return cls(path, root)

    def patient_id(self, subject: str, *, generation: int = 0) -> bytes:
        """The id of a patient's key; `generation`: how many of theirs were erased before it."""
        if not generation:
            return self._label(_PATIENT + subject.encode())
        counted = generation.to_bytes(_GENERATION_BYTES, "big")
        return self._label(_AGAIN + counted + subject.encode())

    def patient_ids(self, subject: str) -> list[bytes]:
        """The ids of all keys that a patient has had here, erased ones too, in order."""
        found = []
        for generation in range(GENERATIONS_MOST):
            key_id = self.patient_id(subject, generation=generation)
            with _errors():
                row = self._database.execute("SELECT 1 FROM key WHERE id = ?", (key_id,)).fetchone()
            if row is None:
                break
            found.append(key_id)
        return found

    def log_seeds(self) -> list[bytes]:
        """The seeds of the log's signing keys, from the first: a lost folder is made of them.

        The last may be one that was made for a change which has not come about yet. One that was
        erased is left out.
        """
        found = []
        for number in range(LOG_KEYS_MOST):
            try:
                seed = self.find_key(self._label(_log_name(number)))
            except IntegrityError as error:
                if error.what != NO_SUCH_KEY:
                    raise
                break
            if seed is not None:
                found.append(seed)
        return found

    def log_ids(self) -> frozenset[bytes]:
        """The ids of the log's signing keys, those that may come yet too."""
        return frozenset(self._label(_log_name(number)) for number in range(LOG_KEYS_MOST))

    def provide_log_seed(self, number: int, *, now: datetime) -> bytes:
        """The seed of the signing key of this number, made where there is none; durable then."""
        key_id = self._label(_log_name(number))
        if not self.has_key(key_id):
            self._keep([NamedKey(key_id, os.urandom(KEY_BYTES))], now)
        return self.get_key(key_id)

    def provide(self, subjects: Iterable[str], *, own: int, now: datetime) -> list[NamedKey]:
        """The keys of these patients, made where there are none, and then `own` new keys.

        They are durable once this returns. Whose key was erased gets one of a new id.
        """
        ids = self._current(list(subjects))
        made = [
            NamedKey(one, os.urandom(KEY_BYTES)) for one in sorted(set(ids) - self._held.keys())
        ]
        lone = [NamedKey(os.urandom(KEY_ID_BYTES), os.urandom(KEY_BYTES)) for _ in range(own)]
        if made or lone:
            self._keep([*made, *lone], now)
        self._held.update((one.id, one.key) for one in made)
        found = [NamedKey(key_id, self._held[key_id]) for key_id in ids]
        self._forget_oldest()
        return [*found, *lone]

    def _current(self, subjects: Sequence[str]) -> list[bytes]:
        """The ids of the keys that these patients have now, held where they are there already."""
        ids = {
            one: self.patient_id(one, generation=self._again.get(one, 0))
            for one in dict.fromkeys(subjects)
        }
        unsettled = ids
        for _ in range(GENERATIONS_MOST):
            erased = self._load(sorted(set(unsettled.values()) - self._held.keys()))
            unsettled = {one: key_id for one, key_id in unsettled.items() if key_id in erased}
            if not unsettled:
                return [ids[one] for one in subjects]
            for one in unsettled:
                self._again[one] = self._again.get(one, 0) + 1
                ids[one] = self.patient_id(one, generation=self._again[one])
            unsettled = {one: ids[one] for one in unsettled}
        raise IntegrityError("A patient's key was erased too often.", where="key ring")

    def _forget_oldest(self) -> None:
        while len(self._held) > KEYS_HELD:
            del self._held[next(iter(self._held))]

    def find_key(self, key_id: bytes) -> bytes | None:
        """A key by its id; None where it was erased. Raises: IntegrityError when there is none."""
        if key_id in self._left_out:
            return None
        if key_id not in self._held:
            with _errors():
                row = self._database.execute(
                    "SELECT wrapped FROM key WHERE id = ?", (key_id,)
                ).fetchone()
            if row is None:
                raise IntegrityError(NO_SUCH_KEY, where=key_id.hex())
            if row[0] is None:
                return None
            self._held[key_id] = self._unwrap(key_id, row[0])
            self._forget_oldest()
        return self._held[key_id]

    def get_key(self, key_id: bytes) -> bytes:
        """A key by its id. Raises: IntegrityError when there is none or it was erased."""
        found = self.find_key(key_id)
        if found is None:
            raise IntegrityError("The key was erased.", where=key_id.hex())
        return found

    def erase(self, key_id: bytes, *, now: datetime) -> None:
        """Destroy a key, in the file too; its id stays. Raises: IntegrityError when none is so."""
        self._held.pop(key_id, None)
        with _errors():
            found = self._database.execute(
                "UPDATE key SET wrapped = NULL, erased_at = ? WHERE id = ? AND wrapped IS NOT NULL",
                (now.isoformat(), key_id),
            )
            if found.rowcount != 1:
                raise IntegrityError(NO_SUCH_KEY, where=key_id.hex())
            _truncate(self._database)

    def erase_where_held(self, key_ids: Iterable[bytes], *, now: datetime) -> int:
        """Destroy those of these keys that are still there; how many. Again and again, if need be.

        Raises: IntegrityError when the site's or the log's is among them; nothing is erased then.
        """
        wanted = set(key_ids)
        if wanted & {self.site.id, *self.log_ids()}:
            raise IntegrityError("An erasure names a key that is no patient's.", where="key ring")
        count = 0
        for key_id in sorted(wanted):
            with _errors():
                row = self._database.execute(
                    "SELECT wrapped FROM key WHERE id = ?", (key_id,)
                ).fetchone()
            if row is not None and row[0] is not None:
                self.erase(key_id, now=now)
                count += 1
        with _errors():
            _truncate(self._database)  # also what an earlier attempt could not
        return count

    def leave_out(self, key_ids: Iterable[bytes]) -> None:
        """Let these keys count as erased, whatever this copy of the ring holds of them."""
        self._left_out.update(key_ids)
        for key_id in self._left_out:
            self._held.pop(key_id, None)

    def has_key(self, key_id: bytes) -> bool:
        """Whether a key lies here, whatever is left out."""
        with _errors():
            row = self._database.execute(
                "SELECT 1 FROM key WHERE id = ? AND wrapped IS NOT NULL", (key_id,)
            ).fetchone()
        return row is not None

    def list_unknown(self, key_ids: Iterable[bytes]) -> set[bytes]:
        """Those of these ids that this copy has never heard of, erased or not."""
        wanted = sorted(set(key_ids))
        unknown = set(wanted)
        for at in range(0, len(wanted), IDS_AT_ONCE):
            some = wanted[at : at + IDS_AT_ONCE]
            marks = ",".join("?" * len(some))
            with _errors():
                rows = self._database.execute(
                    f"SELECT id FROM key WHERE id IN ({marks})",  # noqa: S608 (marks alone)
                    some,
                ).fetchall()
            unknown -= {bytes(row[0]) for row in rows}
        return unknown

    def enter_as_erased(self, key_ids: Iterable[bytes], *, now: datetime) -> None:
        """Enter ids whose keys nobody has, so that none is made again. Again and again, if need be.

        Their patients get a key of another id.
        """
        moment = now.isoformat()
        rows = [(key_id, moment, moment) for key_id in sorted(set(key_ids))]
        with _errors():
            self._database.executemany(
                "INSERT OR IGNORE INTO key (id, made_at, erased_at) VALUES (?, ?, ?)", rows
            )

    def list_erased(self) -> list[bytes]:
        """The ids of the keys that were destroyed, or are left out."""
        with _errors():
            rows = self._database.execute("SELECT id FROM key WHERE wrapped IS NULL").fetchall()
        return sorted({*(bytes(row[0]) for row in rows), *self._left_out})

    @property
    def reached(self) -> Reached:
        """How far the vault had come."""
        with _errors():
            row = self._database.execute("SELECT size, root FROM sealed").fetchone()
        return Reached(row[0], bytes(row[1]))

    def keep_reached(self, reached: Reached) -> None:
        """Note how far the vault has come."""
        with _errors():
            self._database.execute(
                "UPDATE sealed SET size = ?, root = ?", (reached.size, reached.root)
            )

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    def _label(self, name: bytes) -> bytes:
        return _label(self._labels, name)

    def _load(self, ids: Sequence[bytes]) -> set[bytes]:
        """Hold the keys of these ids that are there; the ids of those that were erased."""
        erased = {key_id for key_id in ids if key_id in self._left_out}
        wanted = [key_id for key_id in ids if key_id not in erased]
        for at in range(0, len(wanted), IDS_AT_ONCE):
            some = wanted[at : at + IDS_AT_ONCE]
            marks = ",".join("?" * len(some))
            with _errors():
                rows = self._database.execute(
                    f"SELECT id, wrapped FROM key WHERE id IN ({marks})",  # noqa: S608 (marks alone)
                    some,
                ).fetchall()
            for key_id, wrapped in rows:
                if wrapped is None:
                    erased.add(key_id)
                else:
                    self._held[key_id] = self._unwrap(key_id, wrapped)
        return erased

    def _keep(self, keys: Sequence[NamedKey], now: datetime) -> None:
        made_at = now.isoformat()
        with _errors():
            self._database.execute("BEGIN IMMEDIATE")
            try:
                self._database.executemany(
                    "INSERT INTO key (id, wrapped, made_at) VALUES (?, ?, ?)",
                    [(one.id, _wrap(self._wrapping, one), made_at) for one in keys],
                )
                self._database.execute("COMMIT")
            except BaseException:
                if self._database.in_transaction:
                    self._database.execute("ROLLBACK")
                raise

    def _unwrap(self, key_id: bytes, wrapped: bytes) -> bytes:
        try:
            return self._wrapping.decrypt(wrapped[:_NONCE_BYTES], wrapped[_NONCE_BYTES:], key_id)
        except InvalidTag:
            raise IntegrityError("A key does not unwrap.", where=key_id.hex()) from None


def copy_ring(source: Path, target: Path) -> None:
    """Copy a ring as it stands at one moment, whoever writes to it."""
    part = _begin_part(target)
    with _errors():
        old, new = _connect(source), sqlite3.connect(part)
        old.backup(new)
        new.close()
        old.close()
    _keep_part(part, target)


class RingCopy:
    """A copy of a ring's wrapped keys, without the root key: it opens nothing.

    Invariants:
    - Rows come by number, each durable before `pull` returns; none that is there is changed.
    - A key that was erased at the source is not erased here by that alone: record.replica_erasures
      decides, from the sealed record and by this machine's clock.
    - The first two rows, the site's key and the log's first, are never destroyed.
    """

    def __init__(self, source: RingSource, target: Path) -> None:
        """Go on with a copy, or begin one."""
        self._source = source
        if not target.exists():
            part = _begin_part(target)
            with _errors():
                new = sqlite3.connect(part, isolation_level=None)
                new.executescript(f"BEGIN; {_TABLES} PRAGMA user_version={FORM}; COMMIT;")
                new.close()
            _keep_part(part, target)
        self._database = _connect(target)
        self._compared = 0

    def pull(self) -> int:
        """Copy the rows that are new; how many.

        Raises: ChangedKey when the source changed or lost one that was copied.
        """
        with _errors():
            last = self._database.execute("SELECT max(number) FROM key").fetchone()[0] or 0
        while self._compared < last:
            self._compare(last)
        count = 0
        is_more = True
        while is_more and (rows := self._source.rows(after=last + count, most=ROWS_AT_ONCE)):
            numbers = [row.number for row in rows]
            if numbers != list(range(last + count + 1, last + count + len(rows) + 1)):
                raise IntegrityError(
                    "The source's ring has a gap.", where=f"key {last + count + 1}"
                )
            self._insert(rows)
            count += len(rows)
            is_more = len(rows) == ROWS_AT_ONCE
        self._compared = last + count
        return count

    def held(self, key_ids: Iterable[bytes]) -> list[bytes]:
        """Those of these ids whose wrapped key lies here."""
        with _errors():
            return [
                key_id
                for key_id in sorted(set(key_ids))
                if self._database.execute(
                    "SELECT 1 FROM key WHERE id = ? AND wrapped IS NOT NULL", (key_id,)
                ).fetchone()
            ]

    def erased_rows(self) -> list[WrappedKey]:
        """Rows without their key, in order."""
        with _errors():
            found = self._database.execute(
                "SELECT number, id, wrapped, made_at FROM key WHERE wrapped IS NULL ORDER BY number"
            ).fetchall()
        return [WrappedKey(*row) for row in found]

    def left_behind(self) -> list[str]:
        """Where else a key lies that is destroyed here: nowhere."""
        return []

    def lasting(self) -> tuple[bytes, ...]:
        """The ids of the site's key and the log's first; none before anything was copied."""
        with _errors():
            rows = self._database.execute(
                "SELECT id FROM key WHERE number <= ? ORDER BY number", (LASTING_ROWS,)
            ).fetchall()
        return tuple(bytes(row[0]) for row in rows)

    def destroy(self, key_ids: Sequence[bytes], *, now: datetime) -> None:
        """Destroy wrapped keys, in the file too; their ids stay. Those that are gone stay gone.

        Raises: IntegrityError when the site's or the log's first is among them; nothing goes then.
        """
        if set(key_ids) & set(self.lasting()):
            raise IntegrityError("An erasure names a key that is no patient's.", where="key ring")
        with _errors():
            self._database.executemany(
                "UPDATE key SET wrapped = NULL, erased_at = ? WHERE id = ? AND wrapped IS NOT NULL",
                [(now.isoformat(), key_id) for key_id in key_ids],
            )
            _truncate(self._database)

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    def _insert(self, rows: Sequence[WrappedKey]) -> None:
        with _errors():
            self._database.execute("BEGIN IMMEDIATE")
            self._database.executemany(
                "INSERT INTO key (number, id, wrapped, made_at) VALUES (?, ?, ?, ?)",
                [(row.number, row.id, row.wrapped, row.made_at) for row in rows],
            )
            self._database.execute("COMMIT")

    def _compare(self, last: int) -> None:
        """Compare the next rows that were copied earlier with the source's."""
        theirs = self._source.rows(after=self._compared, most=ROWS_AT_ONCE)
        theirs = [row for row in theirs if row.number <= last]
        with _errors():
            ours = self._database.execute(
                "SELECT number, id, wrapped FROM key WHERE number > ? ORDER BY number LIMIT ?",
                (self._compared, ROWS_AT_ONCE),
            ).fetchall()
        for at, (number, key_id, wrapped) in enumerate(ours):
            row = theirs[at] if at < len(theirs) else None
            erased = row is not None and row.wrapped is None
            same = row is not None and (row.wrapped == wrapped or wrapped is None or erased)
            if row is None or (row.number, row.id) != (number, key_id) or not same:
                raise ChangedKey(number, (key_id, wrapped), row)
        self._compared += len(ours)


class ChangedKey(IntegrityError):
    """The source's ring has another key, or none, where one was copied.

    `evidence` tells the two apart by hashes: a wrapped key is kept in its own place alone.
    """

    def __init__(
        self, number: int, ours: tuple[bytes, bytes | None], theirs: WrappedKey | None
    ) -> None:
        super().__init__(
            f"The source's ring has another key, or none, where key {number} was copied",
            where=f"key {number}",
        )
        rows = {"ours": ours, "theirs": (theirs.id, theirs.wrapped) if theirs else None}
        lines = [f"key {number}\n"]
        for name, row in rows.items():
            wrapped = row[1] if row else None
            digest = hashlib.sha256(wrapped).hexdigest() if wrapped else "none"
            lines.append(f"{name}: id {row[0].hex() if row else 'none'}, SHA-256 {digest}\n")
        self.evidence = "".join(lines).encode()


@dataclass(frozen=True)
class WrappedKey:
    """A row of a ring as it is copied."""

    number: int
    id: bytes
    wrapped: bytes | None
    made_at: str


class RingSource(Protocol):
    """Where wrapped keys come from: a file, or a server."""

    def rows(self, *, after: int, most: int) -> Sequence[WrappedKey]:
        """Rows behind a number, in order."""


class RingFile:
    """A ring's file as a source."""

    def __init__(self, path: Path) -> None:
        self._database = _connect(path)

    def rows(self, *, after: int, most: int) -> list[WrappedKey]:
        """See `RingSource`."""
        with _errors():
            found = self._database.execute(
                "SELECT number, id, wrapped, made_at FROM key WHERE number > ? "
                "ORDER BY number LIMIT ?",
                (after, most),
            ).fetchall()
        return [WrappedKey(*row) for row in found]

    def close(self) -> None:
        """Close the file."""
        self._database.close()


def _truncate(database: sqlite3.Connection) -> None:
    """Empty the write-ahead log, where the wrapped key may lie still.

    Raises: StorageUnavailable when somebody reads for so long that it can't be emptied now.
    """
    if database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]:
        raise StorageUnavailable(
            "The key ring is being read: a destroyed key may still lie in its log.",
            where="key ring",
            remedy="It is tried again; look what reads the ring for so long.",
        )


def _begin_part(target: Path) -> Path:
    part = target.with_name(f"{target.name}.part")
    part.unlink(missing_ok=True)
    part.touch(mode=0o600)
    return part


def _keep_part(part: Path, target: Path) -> None:
    part.replace(target)
    LocalFiles(target.parent).flush_folder("")


def _label(labels: bytes, name: bytes) -> bytes:
    return hmac.digest(labels, name, "sha256")[:KEY_ID_BYTES]


def _log_name(number: int) -> bytes:
    return _LOG + number.to_bytes(_LOG_NUMBER_BYTES, "big") if number else _LOG


def _wrap(wrapping: AESGCM, key: NamedKey) -> bytes:
    nonce = os.urandom(_NONCE_BYTES)
    return nonce + wrapping.encrypt(nonce, key.key, key.id)


def _connect(path: Path) -> sqlite3.Connection:
    if not path.is_file():
        raise OperatorError(
            "The key ring is missing.",
            where=path.name,
            remedy="Bring it back from its copy; without it nothing in the vault opens.",
        )
    with _errors():
        database = sqlite3.connect(
            f"{path.absolute().as_uri()}?mode=rw", uri=True, isolation_level=None
        )
        database.execute("PRAGMA journal_mode=WAL")
        database.execute("PRAGMA synchronous=FULL")
        database.execute("PRAGMA secure_delete=ON")
        database.execute("PRAGMA busy_timeout=10000")
        form = database.execute("PRAGMA user_version").fetchone()[0]
    if form != FORM:
        database.close()
        raise OperatorError(
            f"The key ring is of form {form}; this release knows form {FORM}.",
            where=path.name,
            remedy="Use the release that wrote it, or a later one.",
        )
    return database


@contextmanager
def _errors() -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise StorageUnavailable(
            "The key ring can't be read or written.",
            where=type(error).__name__,
            remedy="Look at the disk. Nothing was sealed.",
        ) from error
