"""A vault read for the downtime desk: followed, indexed, and ready when people ask.

1. Load what the index keeps on the disk, and go on from there.
2. Verify what the vault's checkpoint covers since (record.following).
3. Index it, entry by entry, up to the last that was verified.
4. Write each whole part of the index down.

Invariants:
- Whatever is shown comes from entries that a signed checkpoint covered, opened with both
  commitments compared.
- No patient's data is written to a disk but under that patient's own key.
- An index that is damaged or cannot be written keeps nobody out: it is made again from the vault,
  and is in memory alone where the disk takes none.
- The main database is never asked: vault, a copy of the key ring and the root key are enough.
- Whoever the record says was erased is not found, though an older copy of the ring has their key;
  unless it names more than UNHEEDED_KEYS_MOST keys that are here still. A production in others'
  hands could seal that: then care goes first, nobody is left out, and the desk says so.
- An entry of an erasure that is not in its form leaves nobody out and stops nothing; the desk says
  so on every page.
- An entry whose key has not come with the copy of the ring is counted, tried again when the ring
  changes, and said on every page.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from tourniquet.kernel.errors import IntegrityError, StorageUnavailable, TourniquetError
from tourniquet.pathology.desk_index import (
    FOLDER,
    FORM,
    Fact,
    Index,
    Part,
    fact_of,
    open_fact,
    read_part,
    seal_fact,
    write_part,
)
from tourniquet.record.destroying import (
    CARRIED_OUT,
    PUBLISHED,
    UNHEEDED_KEYS_MOST,
    Destruction,
    Destructions,
    MalformedErasure,
    list_held,
)
from tourniquet.record.disk import Disk, LocalFiles, Reader
from tourniquet.record.following import Follower
from tourniquet.record.notes import Checkpoint, VerifierKey
from tourniquet.record.registry import Entry, Kind
from tourniquet.record.ring import KeyRing
from tourniquet.record.tree import Frontier
from tourniquet.record.unsealing import (
    KeyNotHere,
    Unsealed,
    find_key,
    open_entry,
    open_header,
    open_sealed,
)

_log = logging.getLogger("tourniquet.desk")
FAMILIES = frozenset({"patient", "order", "specimen", "report", "call", "history"})
COMMON = frozenset({"organisation.listed", "numbers.reserved"})
ERASURES = frozenset({*PUBLISHED, CARRIED_OUT})
NO_END = 10.0 * 365 * 86_400  # seconds
ENTRIES_AT_ONCE = 2000  # indexed together, so that searches wait for no more
_log = logging.getLogger("tourniquet.desk")


@dataclass(frozen=True)
class Standing:
    """How far the desk has read. `as_of`: when the last entry that it knows was recorded.

    `fault`: why it reads no further. `notice`: what else a person must look at.
    """

    checkpoint: Checkpoint
    position: int
    as_of: datetime | None
    missing: int
    people: int
    entries: int
    fault: str = ""
    notice: str = ""

    @property
    def is_complete(self) -> bool:
        """Everything that was verified has been indexed, too."""
        return self.position == self.checkpoint.size


class Rings:
    """The copy of the key ring, opened in each thread, and opened anew when it was replaced."""

    def __init__(self, path: Path, root: bytes) -> None:
        self._path, self._root = path, root
        self._held = threading.local()
        self._left_out: frozenset[bytes] = frozenset()
        self.get()

    def get(self) -> KeyRing:
        """The ring as it lies there now. Raises: OperatorError when it does not open."""
        stamp = self.stamp()
        if getattr(self._held, "stamp", None) != stamp:
            old = getattr(self._held, "ring", None)
            self._held.ring = KeyRing(self._path, self._root)
            self._held.stamp = stamp
            if old is not None:
                old.close()
        ring: KeyRing = self._held.ring
        ring.leave_out(self._left_out)
        return ring

    def leave_out(self, key_ids: frozenset[bytes]) -> None:
        """Let these keys count as erased, in every thread."""
        self._left_out = key_ids

    def stamp(self) -> tuple[tuple[int, int, int], ...]:
        """What changes when the ring does."""
        files = (self._path, self._path.with_name(self._path.name + "-wal"))
        found = [file.stat() for file in files if file.exists()]
        return tuple((one.st_ino, one.st_mtime_ns, one.st_size) for one in found if one.st_size)


@dataclass
class _Pending:
    """What was indexed since the last part was written down."""

    first: int
    entries: list[tuple[int, bytes]] = field(default_factory=list)
    common: list[tuple[int, str]] = field(default_factory=list)
    facts: list[tuple[int, bytes, bytes]] = field(default_factory=list)
    as_of: datetime | None = None


class DeskReading:
    """A vault, its index, and the keys to open what people ask for."""

    carried = False
    keyed_left_out = 0

    def __init__(
        self, vault: Path, ring: Path, folder: Path, *, key: VerifierKey, root: bytes
    ) -> None:
        """Open the index. Raises: OperatorError, IntegrityError when something does not fit."""
        self.rings = Rings(ring, root)
        self._root = root
        self._disk = Disk(LocalFiles(folder))
        source: Reader = Disk(LocalFiles(vault))
        self.follower = Follower(source, key)
        self.index = Index()
        self._position = 0
        self._as_of: datetime | None = None
        self._missing: dict[int, bytes] = {}
        self._ring_stamp: object = None
        self._fault = ""
        self._malformed: dict[int, MalformedErasure] = {}
        self._destructions = Destructions(
            self.follower, self.rings.get(), malformed=self._note_malformed
        )
        self._destroyed: list[Destruction] = []
        self._following = threading.Lock()
        self._pending = _Pending(1)
        self._load(key.name)

    @property
    def standing(self) -> Standing:
        """How far the desk has read."""
        people, entries = self.index.count()
        return Standing(
            self.follower.checkpoint,
            self._position,
            self._as_of,
            len(self._missing),
            people,
            entries,
            self._fault,
            self._notice(),
        )

    def follow(self, *, most_seconds: float = NO_END) -> None:
        """Verify and index what came since; what was read before stands whatever happens.

        One thread at a time; another waits, and ends with it. With `most_seconds` it stops there,
        and the next call goes on. Raises: IntegrityError, StorageUnavailable; also kept as the
        standing's fault.
        """
        until = time.monotonic() + most_seconds
        if not self._following.acquire(timeout=min(most_seconds, threading.TIMEOUT_MAX)):
            return
        try:
            self._follow(until)
            self._fault = self._heed_destructions()
        except TourniquetError as error:
            self._fault = str(error)
            raise
        except Exception as error:
            self._fault = f"An unforeseen fault ({type(error).__name__}); its text may name people."
            raise
        finally:
            self._following.release()

    def _follow(self, until: float) -> None:
        self._heed_ring()
        # 2. Verify.
        self.follower.look()
        # 3. Index.
        while self._position < self.follower.size and time.monotonic() < until:
            last = min(self._position + ENTRIES_AT_ONCE, self.follower.size)
            self._index(range(self._position + 1, last + 1))

    def _index(self, positions: range) -> None:
        ring = self.rings.get()
        site_key, pending = ring.site.key, self._pending
        entries: list[tuple[int, bytes]] = []
        common: list[tuple[int, str]] = []
        facts: list[tuple[int, bytes, bytes]] = []
        opened: list[tuple[bytes, Fact]] = []
        as_of = self._as_of
        for leaf, sealed in self.follower.bodies(positions):
            unsealed = open_sealed(leaf, sealed, site_key)
            position = leaf.position
            as_of = unsealed.recorded_at
            kind = unsealed.header.kind
            family = kind.partition(".")[0]
            if kind in COMMON or kind in ERASURES:
                common.append((position, kind))
                self._take_destruction(unsealed)
            elif family in FAMILIES:
                entries.append((position, unsealed.key_id))
                if family == "patient":
                    found = self._fact(unsealed, ring)
                    if found is not None:
                        key, fact = found
                        facts.append((position, unsealed.key_id, seal_fact(fact, key)))
                        opened.append((unsealed.key_id, fact))
        self.index.add(entries, common, opened)
        pending.entries += entries
        pending.common += common
        pending.facts += facts
        pending.as_of = as_of
        self._as_of = as_of
        self._position = positions[-1]
        self._write_down()

    def _fact(self, unsealed: Unsealed, ring: KeyRing) -> tuple[bytes, Fact] | None:
        """What a search needs of an entry, with its patient's key."""
        position = unsealed.leaf.position
        try:
            entry = open_entry(unsealed, ring)
        except KeyNotHere:
            self._missing[position] = unsealed.key_id
            return None
        self._missing.pop(position, None)
        fact = fact_of(entry[1]) if entry is not None else None
        key = ring.find_key(unsealed.key_id) if fact is not None else None
        return None if fact is None or key is None else (key, fact)

    def _heed_ring(self) -> None:
        """Open what waited for a key, and forget those whose key was destroyed."""
        stamp = self.rings.stamp()
        if stamp == self._ring_stamp:
            return
        ring = self.rings.get()
        for position in sorted(self._missing):
            key_id = self._missing[position]
            found = self._fact(open_header(self.follower, position, ring.site.key), ring)
            if found is not None:
                key, fact = found
                self.index.add([], [], [(key_id, fact)])
                self._pending.facts.append((position, key_id, seal_fact(fact, key)))
        for key_id in ring.list_erased():
            self.index.forget(key_id)
        self._ring_stamp = stamp

    def _take_destruction(self, unsealed: Unsealed) -> None:
        found = self._destructions.tell(unsealed)
        if found is not None:
            self._destroyed.append(found)

    def _note_malformed(self, error: MalformedErasure) -> None:
        if error.position not in self._malformed:
            _log.error("desk.erasure not heeded: %s", error)
        self._malformed[error.position] = error

    def _notice(self) -> str:
        """What is wrong with entries of erasures, if anything."""
        if not self._malformed:
            return ""
        first = min(self._malformed)
        return (
            f"Entries of erasures that are not as a sealer writes them: {len(self._malformed)}, "
            f"the first at position {first}. They leave nobody out here. Tell data protection."
        )

    def _heed_destructions(self) -> str:
        """Leave out whom the record says was erased; what a person must know, if anything."""
        ring = self.rings.get()
        unheeded = list_held(self._destroyed, ring)
        keys = frozenset(key_id for one in unheeded for key_id in one.keys)
        if len(keys) > UNHEEDED_KEYS_MOST:
            return (
                f"The record names {len(unheeded)} erasures whose keys are here still "
                f"({len(keys)}). They are not heeded by themselves: ask whether they are right."
            )
        self.rings.leave_out(keys)
        for key_id in keys:
            self.index.forget(key_id)
        return ""

    def read_entries(self, positions: Sequence[int]) -> tuple[list[tuple[Kind, Entry[Any]]], int]:
        """These entries in order, the erased ones left out, and how many want a key.

        Raises: IntegrityError when one does not hold.
        """
        ring = self.rings.get()
        found, missing = [], 0
        for position in positions:
            unsealed = open_header(self.follower, position, ring.site.key)
            try:
                entry = open_entry(unsealed, ring)
            except KeyNotHere:
                missing += 1
                continue
            if entry is not None:
                found.append(entry)
        return found, missing

    # 1 and 4: the disk ----------------------------------------------------------------------------

    def _load(self, origin: str) -> None:
        # 1.
        ring = self.rings.get()
        frontier, digests = Frontier(), list[bytes]()
        while (part := self._find_part(origin, ring)) is not None:
            frontier = Frontier(part.last, tuple(tuple(row) for row in part.frontier))
            digests += part.digests
        if frontier.size:
            self.follower.go_on_from(frontier, digests)
        for position in self.index.common(ERASURES):
            self._take_destruction(open_header(self.follower, position, ring.site.key))
        self._pending = _Pending(self._position + 1)
        self._heed_destructions()
        self._ring_stamp = None if self._missing else self.rings.stamp()

    def _find_part(self, origin: str, ring: KeyRing) -> Part | None:
        """The next part, taken; None behind the last one, or where one is damaged.

        From a damaged part on the vault is read again, and parts are written over: the index is a
        shortcut. Raises: IntegrityError when it is of another vault.
        """
        try:
            part = read_part(self._disk, self._root, self._position + 1)
            if part is not None and part.origin == origin:
                self._take(part, ring)
        except (IntegrityError, StorageUnavailable) as error:
            _log.error("desk.index is read from the vault again: %s", error)
            return None
        if part is not None and part.origin != origin:
            raise IntegrityError(
                "The index is of another vault.",
                where=FOLDER,
                remedy="Name another folder for this desk, or empty this one's index.",
            )
        return part

    def _take(self, part: Part, ring: KeyRing) -> None:
        opened: list[tuple[bytes, Fact]] = []
        for position, key_id, sealed in part.facts:
            try:
                key = find_key(ring, key_id)
            except KeyNotHere:
                self._missing[position] = key_id
                continue
            if key is not None:
                self._missing.pop(position, None)
                opened.append((key_id, open_fact(sealed, key)))
        self.index.add(part.entries, part.common, opened)
        self._missing |= dict(part.missing)
        self._position, self._as_of = part.last, part.as_of

    def _write_down(self) -> None:
        """Write the parts that are whole now; they end where a mark is."""
        # 4.
        for mark in self.follower.take_marks(up_to=self._position):
            pending, last = self._pending, mark.size
            if last < pending.first:
                continue
            part = Part(
                FORM,
                self.follower.checkpoint.origin,
                pending.first,
                last,
                [list(row) for row in mark.partial],
                pending.as_of,
                self.follower.digests(pending.first, last),
                [one for one in pending.entries if one[0] <= last],
                [one for one in pending.common if one[0] <= last],
                [one for one in pending.facts if one[0] <= last],
                [one for one in self._missing.items() if pending.first <= one[0] <= last],
            )
            self._write_part(part)
            self._pending = _Pending(
                last + 1,
                [one for one in pending.entries if one[0] > last],
                [one for one in pending.common if one[0] > last],
                [one for one in pending.facts if one[0] > last],
                pending.as_of,
            )

    def _write_part(self, part: Part) -> None:
        """Write a part; a disk that takes none keeps nobody from reading on."""
        if self._disk.failure:
            return  # a later part without this one would never be found
        try:
            write_part(self._disk, self._root, part)
        except StorageUnavailable as error:
            _log.error("desk.index is in memory alone from here on: %s", error)


def make_folder(folder: Path) -> None:
    """Make the desk's own folder, which nobody else may look into."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    os.chmod(folder, 0o700)  # noqa: PTH101 (also one that was there)
