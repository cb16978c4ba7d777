"""Whom a number names, by the vault's own entries: for proofs, which must not believe a table.

1. Read every header of the vault once; of the patient index's entries open the content. Keep who
   has the number asked for, who was merged into whom, and under which key each entry lies.
2. From who has the number go to whom they were merged into, and on to everybody merged with those.
3. Name the entries that tie these ids to their numbers and to each other, for them to be shown.

Invariants:
- The database is never asked.
- What an outsider needs to see why an id is this number's goes by position, and can be proved.
- Memory: eight bytes for each entry of the vault, and what is kept of merges and of one number.
- An entry whose key is not in this copy of the ring is counted: it could name somebody.
"""

from __future__ import annotations

from array import array
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from tourniquet.kernel.identifiers import NhsNumber
from tourniquet.patients.entries import (
    IdentifierFact,
    PatientAbsorbed,
    PatientIdentified,
    PatientMerged,
    PatientRegistered,
    PatientUpdated,
)
from tourniquet.patients.rules import DOUBTFUL, NHS
from tourniquet.record.registry import Entry
from tourniquet.record.ring import KeyRing
from tourniquet.record.unsealing import KeyNotHere, open_entry, open_header
from tourniquet.record.vault import VaultReader

KINDS = frozenset(
    {
        "patient.registered",
        "patient.updated",
        "patient.identified",
        "patient.absorbed",
        "patient.merged",
    }
)
_PREFIX_BYTES = 8  # of a key's id, to find candidates by; whoever opens them compares the whole


@dataclass(frozen=True)
class VaultPeople:
    """Those whom a number or an id names, with everybody merged with them.

    `alive`: ids that were not merged into another; exactly one where the number is one person's.
    `candidates`: positions among which all entries under `keys` are. `ties`: positions of entries
    that give the ids an NHS number, or merge them. `unreadable`: entries of the patient index whose
    key this copy of the ring does not have.
    """

    alive: frozenset[str]
    ids: frozenset[str]
    keys: frozenset[bytes]
    candidates: frozenset[int]
    ties: frozenset[int]
    unreadable: int


class _Index:
    """What the patient index's entries say, as far as it is about a number and about merges."""

    def __init__(self, number: NhsNumber | None) -> None:
        self._number = number
        self._states: dict[tuple[str, str], str] = {}  # (id, system): of the number asked for
        self._into: dict[str, str] = {}
        self.keys: defaultdict[str, set[bytes]] = defaultdict(set)

    def take(self, entry: Entry[Any], key_id: bytes) -> None:
        """Take an entry in, in the order of positions."""
        subject, body = entry.subject or "", entry.body
        if isinstance(body, PatientMerged):
            self._into[subject] = body.into
            self.keys[subject].add(key_id)
            return
        for one in _identifiers(body):
            if self._number is not None and one.value == self._number.digits:
                self._states[subject, one.system] = one.state
                self.keys[subject].add(key_id)

    def holders(self) -> set[str]:
        """Who has the number, with those whom they were merged into."""
        found = {who for (who, _), state in self._states.items() if state != DOUBTFUL}
        edge = found
        while edge := {self._into[one] for one in edge if one in self._into} - found:
            found = found | edge
        return found

    def alive(self, ids: Iterable[str]) -> frozenset[str]:
        """Those of them who were not merged into another."""
        return frozenset(one for one in ids if one not in self._into)

    def joined(self, ids: Iterable[str]) -> frozenset[str]:
        """These ids, and every id that was merged with one of them."""
        out_of: defaultdict[str, set[str]] = defaultdict(set)
        for one, into in self._into.items():
            out_of[into].add(one)
        found = set(ids)
        edge = set(found)
        while edge:
            onward = {self._into[one] for one in edge if one in self._into}
            edge = onward.union(*(out_of[one] for one in edge)) - found
            found |= edge
        return frozenset(found)


def find_vault_people(
    reader: VaultReader,
    ring: KeyRing,
    asked: str,
    *,
    progress: Callable[[int], None] = lambda _: None,
) -> VaultPeople:
    """Whom an NHS number or an id names, by a verified vault. Raises: IntegrityError."""
    # 1.
    number = NhsNumber.find(asked)
    index, prefixes, unreadable = _Index(number), array("Q"), 0
    for position in range(1, reader.size + 1):
        unsealed = open_header(reader, position, ring.site.key)
        prefixes.append(_prefix(unsealed.key_id))
        if unsealed.header.kind in KINDS:
            try:
                opened = open_entry(unsealed, ring)
            except KeyNotHere:
                opened, unreadable = None, unreadable + 1
            if opened is not None:
                index.take(opened[1], unsealed.key_id)
        progress(position)
    # 2.
    named = index.holders() if number is not None else {asked}
    ids = index.joined(named)
    keys = {key_id for one in ids for key_id in ring.patient_ids(one)}
    keys |= {key_id for one in ids for key_id in index.keys.get(one, ())}
    wanted = {_prefix(key_id) for key_id in keys}
    candidates = frozenset(at for at, prefix in enumerate(prefixes, 1) if prefix in wanted)
    # 3.
    alive = index.alive(named) if number is not None else frozenset(named)
    ties = frozenset(at for at in candidates if _ties(reader, ring, at, ids))
    return VaultPeople(alive, ids, frozenset(keys), candidates, ties, unreadable)


def _prefix(key_id: bytes) -> int:
    return int.from_bytes(key_id[:_PREFIX_BYTES], "big")


def _identifiers(body: object) -> tuple[IdentifierFact, ...]:
    if isinstance(body, PatientRegistered | PatientUpdated | PatientIdentified | PatientAbsorbed):
        return body.identifiers
    return ()


def _ties(reader: VaultReader, ring: KeyRing, position: int, ids: frozenset[str]) -> bool:
    """Whether an entry gives one of these ids an NHS number, or merges two of them."""
    unsealed = open_header(reader, position, ring.site.key)
    if unsealed.header.kind not in KINDS:
        return False
    try:
        opened = open_entry(unsealed, ring)
    except KeyNotHere:
        return False
    if opened is None or opened[1].subject not in ids:
        return False
    body = opened[1].body
    return isinstance(body, PatientMerged) or any(one.system == NHS for one in _identifiers(body))
