"""The downtime desk's index: whose entries lie where, and the few fields by which people search.

Held in memory, kept on the disk only encrypted, so that a desk that starts again is ready at once:
1. Take each entry of the vault in order: its header names a key, and so, for whoever has the ring,
   a patient. Entries that a history is made of are noted under it.
2. Of the patient index's own entries open the content, and keep what a search needs.
3. Each whole part of the vault becomes one file: positions under a key of the index, what names a
   patient under a key derived from that patient's own. A key that is destroyed takes it along.

Invariants:
- An index is a shortcut and never a source: what it does not say is read from the vault again.
- Its files tell sizes, and nothing that could be counted by name or by patient.
- Searching finds whom `patients.queries.search_patients` finds (a generative test compares them).
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import msgspec
import zstandard
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from tourniquet.kernel.errors import IntegrityError
from tourniquet.kernel.identifiers import NhsNumber
from tourniquet.patients.entries import (
    Demographics,
    IdentifierFact,
    PatientAbsorbed,
    PatientIdentified,
    PatientMerged,
    PatientRegistered,
    PatientUpdated,
)
from tourniquet.patients.queries import Wanted
from tourniquet.patients.rules import (
    ACTIVE,
    CURRENT,
    DOUBTFUL,
    MERGE_STEPS_MAX,
    MERGED,
    NHS,
    family_key,
)
from tourniquet.record.bodies import derive
from tourniquet.record.disk import Disk
from tourniquet.record.registry import Entry

FORM = 1
FOLDER = "index"
PART_BYTES_MOST = 256 * 1024 * 1024
FOUND_MOST = 200
_INDEX_KEY = b"tourniquet desk index v1\x00"
_FACT_KEY = b"tourniquet desk search v1\x00"
_NONCE, _SALT_BYTES = bytes(12), 16
_TABLES = """
CREATE TABLE entry (key BLOB, position INTEGER, PRIMARY KEY (key, position)) WITHOUT ROWID;
CREATE TABLE common (position INTEGER PRIMARY KEY, kind TEXT NOT NULL);
CREATE TABLE person (
    id TEXT PRIMARY KEY, key BLOB NOT NULL, state TEXT NOT NULL, merged_into TEXT,
    family_name TEXT, given_names TEXT, title TEXT, family_key TEXT, given_key TEXT,
    birth_date TEXT, sex TEXT, practice TEXT
);
CREATE INDEX person_by_name ON person (family_key);
CREATE INDEX person_by_merge ON person (merged_into) WHERE merged_into IS NOT NULL;
CREATE TABLE number (
    value TEXT, system TEXT, person TEXT, state TEXT, PRIMARY KEY (value, system, person)
) WITHOUT ROWID;
CREATE INDEX number_by_person ON number (person);
"""


class Fact(msgspec.Struct, frozen=True, array_like=True):
    """What one entry of the patient index says, as far as a search needs it.

    An empty state leaves the one that is known; `name` is family, given names, title, sex,
    practice. Numbers are system, value, state.
    """

    subject: str
    state: str = ""
    merged_into: str | None = None
    name: tuple[str, str, str, str, str] | None = None
    birth_date: date | None = None
    numbers: tuple[tuple[str, str, str], ...] = ()


class Part(msgspec.Struct, frozen=True, array_like=True):
    """One file of the index: positions `first` to `last`, both ends at bundles of the vault.

    `frontier` is that of the tree at `last`. `entries` are position and key, `facts` position, key
    and sealed fact; `missing` are entries whose key had not come, with their keys.
    """

    form: int
    origin: str
    first: int
    last: int
    frontier: list[list[bytes]]
    as_of: datetime | None
    digests: list[bytes]
    entries: list[tuple[int, bytes]]
    common: list[tuple[int, str]]
    facts: list[tuple[int, bytes, bytes]]
    missing: list[tuple[int, bytes]]


@dataclass(frozen=True)
class Found:
    """A patient found: enough to tell two people apart."""

    id: str
    state: str
    family_name: str
    given_names: str
    title: str
    birth_date: date | None
    sex: str
    practice: str
    nhs_number: str
    local_numbers: tuple[str, ...]


def fact_of(entry: Entry[Any]) -> Fact | None:
    """What a search needs of an entry; None where that is nothing."""
    body, subject = entry.body, entry.subject or ""
    if isinstance(body, PatientRegistered):
        return _described(subject, body.person, body.identifiers, body.state)
    if isinstance(body, PatientUpdated):
        return _described(subject, body.person, body.identifiers, "")
    if isinstance(body, PatientIdentified):
        return Fact(subject, ACTIVE, numbers=_numbers(body.identifiers))
    if isinstance(body, PatientAbsorbed):
        return Fact(subject, numbers=_numbers(body.identifiers))
    if isinstance(body, PatientMerged):
        return Fact(subject, MERGED, merged_into=body.into)
    return None


def _described(
    subject: str, person: Demographics, identifiers: Sequence[IdentifierFact], state: str
) -> Fact:
    return Fact(
        subject,
        state,
        name=(
            person.family_name,
            person.given_names,
            person.title,
            person.sex,
            person.registered_organisation,
        ),
        birth_date=person.birth_date,
        numbers=_numbers(identifiers),
    )


def _numbers(identifiers: Sequence[IdentifierFact]) -> tuple[tuple[str, str, str], ...]:
    return tuple((one.system, one.value, one.state) for one in identifiers)


class Index:
    """Positions by patient, and the people. Safe for several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._database = sqlite3.connect(":memory:", check_same_thread=False, isolation_level=None)
        self._database.executescript(_TABLES)
        self._people = self._entries = 0  # counting millions of rows would take longer than a page

    def add(
        self,
        entries: Iterable[tuple[int, bytes]],
        common: Iterable[tuple[int, str]],
        facts: Iterable[tuple[bytes, Fact]],
    ) -> None:
        """Add what was read; facts in the order of their positions."""
        with self._lock:
            run = self._database
            run.execute("BEGIN")
            added = run.executemany("INSERT OR IGNORE INTO entry VALUES (?2, ?1)", entries)
            self._entries += max(added.rowcount, 0)
            run.executemany("INSERT OR REPLACE INTO common VALUES (?, ?)", common)
            for key, fact in facts:
                self._apply(key, fact)
            run.execute("COMMIT")

    def _apply(self, key: bytes, fact: Fact) -> None:
        run = self._database
        made = run.execute(
            "INSERT INTO person (id, key, state, family_key, given_key) VALUES (?, ?, '', '', '')"
            " ON CONFLICT DO NOTHING",
            (fact.subject, key),
        )
        self._people += max(made.rowcount, 0)
        if fact.name is not None:
            family, given, title, sex, practice = fact.name
            born = fact.birth_date.isoformat() if fact.birth_date else None
            run.execute(
                "UPDATE person SET family_name = ?, given_names = ?, title = ?, sex = ?,"
                " practice = ?, family_key = ?, given_key = ?, birth_date = ? WHERE id = ?",
                (
                    *(family, given, title, sex, practice),
                    *(family_key(family), given.lower(), born, fact.subject),
                ),
            )
        if fact.state == MERGED:
            query = "UPDATE person SET state = ?1 WHERE id = ?2 AND state <> ?1"
            self._people -= run.execute(query, (MERGED, fact.subject)).rowcount
        if fact.state:
            run.execute(
                "UPDATE person SET state = ?, merged_into = coalesce(?, merged_into) WHERE id = ?",
                (fact.state, fact.merged_into, fact.subject),
            )
        run.executemany(
            "INSERT OR REPLACE INTO number VALUES (?2, ?1, ?4, ?3)",
            [(*number, fact.subject) for number in fact.numbers],
        )

    def forget(self, key: bytes) -> None:
        """Forget somebody whose key was destroyed."""
        with self._lock:
            ids = self._all("SELECT id FROM person WHERE key = ?", (key,))
            for (patient,) in ids:
                self._database.execute("DELETE FROM number WHERE person = ?", (patient,))
            alive = "SELECT count(*) FROM person WHERE key = ? AND state <> ?"
            self._people -= self._all(alive, (key, MERGED))[0][0]
            self._database.execute("DELETE FROM person WHERE key = ?", (key,))

    def search(self, wanted: Wanted, *, limit: int = FOUND_MOST) -> list[Found]:
        """People by number, or by family name and birth date, by id; see `patients.queries`."""
        ids: set[str] | None = None
        terms, values = ["state <> ?"], [MERGED]
        with self._lock:
            if wanted.number.strip():
                ids = self._holders(wanted.number)
            elif not wanted.family_name.strip():
                return []
            if ids is not None:
                terms.append(f"id IN ({','.join('?' * len(ids))})")
                values += sorted(ids)
            if wanted.family_name.strip():
                key = family_key(wanted.family_name)
                if wanted.birth_date:
                    terms.append("family_key = ?")
                    values.append(key)
                else:
                    terms.append("family_key >= ? AND family_key < ?")
                    values += [key, key + chr(0x10FFFF)]
            if wanted.given_names.strip():
                given = wanted.given_names.strip().lower()  # no "ss" for a sharp s
                terms.append(f"substr(given_key, 1, {len(given)}) = ?")
                values.append(given)
            if wanted.birth_date is not None:
                terms.append("birth_date = ?")
                values.append(wanted.birth_date.isoformat())
            rows = self._all(
                "SELECT id, state, family_name, given_names, title, birth_date, sex, practice"  # noqa: S608 (terms hold marks alone)
                f" FROM person WHERE {' AND '.join(terms)} ORDER BY id LIMIT ?",
                (*values, min(limit, FOUND_MOST)),
            )
            return [self._found(row) for row in rows]

    def find(self, patient_id: str) -> Found | None:
        """The person whom an id stands for today, along its merges; None where there is none."""
        with self._lock:
            for _ in range(MERGE_STEPS_MAX):
                rows = self._all("SELECT merged_into FROM person WHERE id = ?", (patient_id,))
                if not rows or rows[0][0] is None:
                    break
                patient_id = rows[0][0]
            rows = self._all(
                "SELECT id, state, family_name, given_names, title, birth_date, sex, practice"
                " FROM person WHERE id = ? AND state <> ?",
                (patient_id, MERGED),
            )
            return self._found(rows[0]) if rows else None

    def positions(self, patient_id: str, *, most: int) -> list[int]:
        """Where the entries lie of which a patient's history is made, merges included, in order.

        Raises: IntegrityError when there are more than `most`.
        """
        with self._lock:
            ids, new = {patient_id}, {patient_id}
            for _ in range(MERGE_STEPS_MAX):
                marks = ",".join("?" * len(new))
                new = {
                    row[0]
                    for row in self._all(
                        f"SELECT id FROM person WHERE merged_into IN ({marks})",  # noqa: S608 (marks alone)
                        tuple(new),
                    )
                } - ids
                if not new:
                    break
                ids |= new
            found: list[int] = []
            for one in ids:
                found += [
                    row[0]
                    for row in self._all(
                        "SELECT position FROM entry WHERE key ="
                        " (SELECT key FROM person WHERE id = ?) LIMIT ?",
                        (one, most + 1),
                    )
                ]
        if len(found) > most:
            raise IntegrityError(
                f"The patient has more than {most} entries, more than the desk opens at once.",
                remedy="Restore the record elsewhere and read it there.",
            )
        return sorted(found)

    def common(self, kinds: Iterable[str]) -> list[int]:
        """Where the entries of these kinds lie that are about nobody, in order."""
        wanted = tuple(kinds)
        with self._lock:
            return [
                row[0]
                for row in self._all(
                    f"SELECT position FROM common WHERE kind IN ({','.join('?' * len(wanted))})"  # noqa: S608 (marks alone)
                    " ORDER BY position",
                    wanted,
                )
            ]

    def count(self) -> tuple[int, int]:
        """How many people are known, and how many entries of theirs."""
        with self._lock:
            return self._people, self._entries

    def people_of(self, practice: str, *, limit: int) -> list[str]:
        """Ids of the people registered at a practice, or of everybody where it is ""."""
        with self._lock:
            rows = self._all(
                "SELECT id FROM person WHERE state <> ?1 AND (?2 = '' OR practice = ?2)"
                " ORDER BY id LIMIT ?3",
                (MERGED, practice, limit),
            )
            return [row[0] for row in rows]

    def _holders(self, number: str) -> set[str]:
        text = number.strip()
        nhs = NhsNumber.find(text)
        rows = self._all(
            "SELECT person FROM number WHERE state <> ? AND value = ?", (DOUBTFUL, text)
        )
        if nhs is not None:
            rows += self._all(
                "SELECT person FROM number WHERE state <> ? AND system = ? AND value = ?",
                (DOUBTFUL, NHS, nhs.digits),
            )
        ids = {row[0] for row in rows[:FOUND_MOST]}
        out = set(ids)
        for _ in range(MERGE_STEPS_MAX):
            moved = {
                row[0]
                for one in ids
                for row in self._all("SELECT merged_into FROM person WHERE id = ?", (one,))
                if row[0] is not None
            }
            ids = moved - out
            if not ids:
                break
            out |= ids
        return out

    def _found(self, row: Sequence[Any]) -> Found:
        numbers = self._all(
            "SELECT system, value FROM number WHERE person = ? AND state = ? ORDER BY system",
            (row[0], CURRENT),
        )
        nhs = [value for system, value in numbers if system == NHS]
        return Found(
            id=row[0],
            state=row[1],
            family_name=row[2] or "",
            given_names=row[3] or "",
            title=row[4] or "",
            birth_date=date.fromisoformat(row[5]) if row[5] else None,
            sex=row[6] or "",
            practice=row[7] or "",
            nhs_number=nhs[0] if nhs else "",
            local_numbers=tuple(f"{system} {value}" for system, value in numbers if system != NHS),
        )

    def _all(self, query: str, values: tuple[Any, ...]) -> list[tuple[Any, ...]]:
        return self._database.execute(query, values).fetchall()


# On the disk --------------------------------------------------------------------------------------


def seal_fact(fact: Fact, patient_key: bytes) -> bytes:
    """A fact under a key derived from its patient's own: `salt (16) ‖ ciphertext`."""
    salt = os.urandom(_SALT_BYTES)
    key = derive(patient_key, _FACT_KEY + salt)
    return salt + AESGCM(key).encrypt(_NONCE, msgspec.msgpack.encode(fact), None)


def open_fact(sealed: bytes, patient_key: bytes) -> Fact:
    """The fact. Raises: IntegrityError when it is not as it was written."""
    key = derive(patient_key, _FACT_KEY + sealed[:_SALT_BYTES])
    try:
        return _fact_decoder.decode(AESGCM(key).decrypt(_NONCE, sealed[_SALT_BYTES:], None))
    except (InvalidTag, msgspec.MsgspecError):
        raise IntegrityError("A part of the index is not as it was written.") from None


_fact_decoder = msgspec.msgpack.Decoder(Fact)
_part_decoder = msgspec.msgpack.Decoder(Part)


def part_path(first: int) -> str:
    """The file of the part that begins at a position."""
    return f"{FOLDER}/{first:015d}"


def write_part(disk: Disk, root: bytes, part: Part) -> None:
    """Write a part of the index, flushed. Raises: StorageUnavailable."""
    salt = os.urandom(_SALT_BYTES)
    content = zstandard.ZstdCompressor(level=1).compress(msgspec.msgpack.encode(part))
    key = derive(root, _INDEX_KEY + part.first.to_bytes(8, "big") + salt)
    disk.replace(part_path(part.first), salt + AESGCM(key).encrypt(_NONCE, content, None))


def read_part(disk: Disk, root: bytes, first: int) -> Part | None:
    """The part that begins at a position; None where there is none that this release can read.

    Raises: IntegrityError when it is not as it was written, or another root key wrote it.
    """
    if disk.size(part_path(first)) is None:
        return None
    whole = disk.read(part_path(first), bytes_most=PART_BYTES_MOST)
    key = derive(root, _INDEX_KEY + first.to_bytes(8, "big") + whole[:_SALT_BYTES])
    try:
        content = AESGCM(key).decrypt(_NONCE, whole[_SALT_BYTES:], None)
        unpacked = zstandard.ZstdDecompressor().decompress(content, PART_BYTES_MOST)
        part = _part_decoder.decode(unpacked)
    except (InvalidTag, zstandard.ZstdError, msgspec.MsgspecError):
        raise IntegrityError(
            "A part of the index is not as it was written.", where=part_path(first)
        ) from None
    return part if part.form == FORM and part.first == first else None
