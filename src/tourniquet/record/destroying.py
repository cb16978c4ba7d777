"""Keys destroyed because the record says so, and the list by which a replica can follow.

The order of an erasure, so that nothing is half erased without anybody's knowing:
1. One transaction of the journal takes content and rows away, and says so at a position P, naming
   positions whose entries were sealed under the keys that are to go (flows.carry_out_erasures).
2. The sealer seals up to P, and nothing beyond, under the keys as they were.
3. It destroys the keys that the headers at those positions name, in the ring. What is sealed after
   P about the same person gets a key of a new id.
4. It publishes the openings of the erasure's entries, for replicas.
Whoever opens the vault with a ring repeats 3 and 4 for every such entry: an older ring put back,
or a process that died in between, changes nothing.

Invariants:
- Which keys go is said by the sealed record alone, by positions: no name, no subject.
- The site's key and the log's are never destroyed, whatever an entry says.
- A destruction counts only behind an approval by another account than the one that asked.
- An entry that is not in its form destroys nothing, holds up nothing, and is told to a person.
- Of entries under the site's key, which stays, only those of kinds that an erasure empties
  (record.strays) can be left out by a destruction.

The form of the list: docs/reference/vault.md.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import msgspec

from tourniquet.kernel.errors import IntegrityError
from tourniquet.record import bodies, sealing
from tourniquet.record.disk import Disk, LocalFiles, Reader
from tourniquet.record.entries import (
    ErasureApproved,
    ErasureAsked,
    ErasureCarriedOut,
    ErasureRefused,
    ErasureWithdrawn,
)
from tourniquet.record.leaves import Leaf
from tourniquet.record.registry import Body, get_kind
from tourniquet.record.ring import KeyRing, NamedKey
from tourniquet.record.unsealing import Leaves, Unsealed, open_sealed
from tourniquet.record.vault import VaultReader

FILE = "vault-erasures"
IGNORED_FILE = "ignored-erasures"  # in the folder of keys: ids, one a line, that are nobody's
IGNORED_BYTES_MOST = 1024 * 1024
FORM = 1
FILE_BYTES_MOST = 8 * 1024 * 1024  # some thousand erasures; the newest are kept
CARRIED_OUT = "erasure.carried_out"
PUBLISHED = ("erasure.asked", "erasure.approved", "erasure.withdrawn", "erasure.refused")
ENTRIES_AT_ONCE = 2000
KEYS_MOST = 10_000  # of one erasure
UNHEEDED_KEYS_MOST = 20  # heeded without asking a person, though the ring still has them
NOT_HEEDED_MOST = 10_000  # named in the list, the newest
# Kinds about nobody that record.strays finds and that were sealed under the site's key once:
# reviews, before they had keys of their own. Whatever else is emptied has a key to be destroyed.
EMPTIED_UNDER_SITE = frozenset({"message.reviewed"})


class HeaderOpening(msgspec.Struct, frozen=True):
    """What opens the header of one leaf, and nothing else."""

    position: int
    header: bytes
    chain: bytes
    key_id: bytes
    salt: bytes


class EntryOpening(msgspec.Struct, frozen=True):
    """What opens one entry about nobody: header, body and the body's salt.

    `keys`: of an `erasure.carried_out`, the headers of the entries that name the keys.
    """

    at: HeaderOpening
    body: bytes
    salt: bytes
    keys: list[HeaderOpening] = msgspec.field(default_factory=list)


class Published(msgspec.Struct, frozen=True):
    """The list. `destroyed`: what was carried out up to this position has no key here any more,
    but for what stands at the positions `not_heeded`, which destroyed nothing.
    """

    form: int = FORM
    destroyed: int = 0
    entries: list[EntryOpening] = msgspec.field(default_factory=list)
    not_heeded: list[int] = msgspec.field(default_factory=list)


log = logging.getLogger(__name__)
_decoder = msgspec.json.Decoder(Published)
_headers = msgspec.json.Decoder(sealing.Header)


def read_published(files: Reader, name: str = FILE) -> Published:
    """The list as it was published; an empty one where there is none. Raises: IntegrityError."""
    if files.size(name) is None:
        return Published()
    return parse_published(files.read(name, bytes_most=FILE_BYTES_MOST))


def parse_published(content: bytes) -> Published:
    """The list from its bytes. Raises: IntegrityError when they are not in its form."""
    try:
        found = _decoder.decode(content)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        raise IntegrityError("The list of erasures is not in its form.", where=FILE) from None
    if found.form != FORM:
        raise IntegrityError(
            f"The list of erasures is of form {found.form}; this release knows {FORM}.",
            where=FILE,
            remedy="Use the release that wrote it, or a later one.",
        )
    return found


@dataclass(frozen=True)
class _Listed:
    """An entry of an erasure, and its opening for the list."""

    opening: EntryOpening
    fields: sealing.Header
    body: Body


class Destroyer:
    """Destroys keys and keeps the list, for the one process that writes ring and vault."""

    def __init__(self, home: Path, ring: KeyRing, *, ignored: Iterable[str] = ()) -> None:
        """`ignored`: erasures that are nobody's, whose keys stay."""
        self._disk = Disk(LocalFiles(home))
        self._ring = ring
        self._ignored = frozenset(ignored)
        self._listed: dict[int, _Listed | None] = {}  # None: not in its form
        self._said: set[int] = set()

    def heed(self, reader: VaultReader, positions: Iterable[int], *, now: datetime) -> None:
        """Steps 3 and 4 for the entries at these positions, which are all that the vault has.

        What is not in its form, or not behind an approval by another account, destroys nothing, and
        the log says so: it must not hold up what comes behind it. Raises: StorageUnavailable: ask
        again; IntegrityError when the vault is not what was verified.
        """
        last, not_heeded = 0, []
        approvals = _Approvals()
        for position in sorted(set(positions)):
            if position not in self._listed:
                self._listed[position] = self._find_listed(reader, position)
            one = self._listed[position]
            if one is None:
                not_heeded.append(position)
            elif approvals.take(one.body, one.fields.actor):
                self._ring.erase_where_held((at.key_id for at in one.opening.keys), now=now)
                last = position
            elif one.fields.kind == CARRIED_OUT:
                not_heeded.append(position)
                self._say(position, "it was not approved by another account than who asked for it")
        self._publish(last, not_heeded[-NOT_HEEDED_MOST:])

    def _publish(self, last: int, not_heeded: list[int]) -> None:
        entries = [one.opening for _, one in sorted(self._listed.items()) if one is not None]
        content = msgspec.json.encode(Published(FORM, last, entries, not_heeded))
        while entries and len(content) > FILE_BYTES_MOST:  # the oldest were heeded long ago
            entries = entries[len(entries) // 10 + 1 :]
            content = msgspec.json.encode(Published(FORM, last, entries, not_heeded))
        is_there = self._disk.size(FILE) is not None
        if is_there and self._disk.read(FILE, bytes_most=FILE_BYTES_MOST) == content:
            return
        if entries or not_heeded or is_there:
            self._disk.replace(FILE, content)

    def _find_listed(self, reader: VaultReader, position: int) -> _Listed | None:
        """The entry of a position with its opening; None where it is not in its form."""
        leaf = reader.leaf(position)
        sealed = reader.body(leaf)
        site = self._ring.site
        try:
            fields, content, body = _read_entry(leaf, sealed, site)
            keys: list[HeaderOpening] = []
            if isinstance(body, ErasureCarriedOut) and body.erasure not in self._ignored:
                named = _named_headers(reader, self._ring, body, position)
                lasting = (bodies.NO_KEY, site.id)
                keys = [_opening(at, one) for at, one in named if one.key_id not in lasting]
        except MalformedErasure as error:
            self._say(position, error.what)
            return None
        at_entry = _opening(position, bodies.open_header(leaf, sealed, site.key))
        return _Listed(EntryOpening(at_entry, content.body, content.salt, keys), fields, body)

    def _say(self, position: int, why: str) -> None:
        if position not in self._said:
            self._said.add(position)
            log.error("erasure at position %d destroys nothing: %s", position, why)


def read_ignored(keys: Path) -> list[str]:
    """The erasures that somebody said are nobody's, from the folder of keys."""
    disk = Disk(LocalFiles(keys))
    if disk.size(IGNORED_FILE) is None:
        return []
    text = disk.read(IGNORED_FILE, bytes_most=IGNORED_BYTES_MOST).decode("utf-8", "replace")
    return text.split()


def ignore_erasures(keys: Path, erasures: Iterable[str]) -> None:
    """Write down that these erasures are nobody's."""
    lines = sorted({*read_ignored(keys), *erasures})
    Disk(LocalFiles(keys)).replace(IGNORED_FILE, "".join(f"{one}\n" for one in lines).encode())


def fields_of(opening: HeaderOpening) -> sealing.Header:
    """The fields of an opened header. Raises: IntegrityError when it is not in its form."""
    try:
        return _headers.decode(opening.header)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        raise IntegrityError(
            "The header is not in its form.", where=f"position {opening.position}"
        ) from None


class MalformedErasure(IntegrityError):
    """An entry of an erasure that no sealer of ours writes so: it destroys nothing."""

    def __init__(self, what: str, position: int) -> None:
        super().__init__(what, where=f"position {position}")
        self.position = position


@contextmanager
def _form_of(position: int) -> Iterator[None]:
    """What is wrong with what an entry says, as `MalformedErasure`. Nothing is read in here."""
    try:
        yield
    except (IntegrityError, msgspec.MsgspecError, UnicodeDecodeError) as error:
        why = error.what if isinstance(error, IntegrityError) else "It is not in its form."
        raise MalformedErasure(why, position) from error


def _opening(position: int, one: bodies.Header) -> HeaderOpening:
    return HeaderOpening(position, one.content, one.chain, one.key_id, one.salt)


def _read_entry(
    leaf: Leaf, sealed: bytes, site: NamedKey
) -> tuple[sealing.Header, bodies.Content, Body]:
    """An entry of an erasure, from the body of its leaf. Raises: MalformedErasure."""
    with _form_of(leaf.position):
        header = bodies.open_header(leaf, sealed, site.key)
        fields = _headers.decode(header.content)
        if header.key_id != site.id:
            raise IntegrityError("It is not under the site's key.")
        if fields.position != leaf.position:
            raise IntegrityError("Its header is that of another position.")
        if fields.kind not in (*PUBLISHED, CARRIED_OUT):
            raise IntegrityError("It is of another kind.")
        content = bodies.open_content(leaf, sealed, site.key)
        if content.subject is not None:
            raise IntegrityError("It is about a patient.")
        body: Body = get_kind(fields.kind, fields.kind_version).decoder.decode(content.body)
    return fields, content, body


def _named_headers(
    leaves: Leaves, ring: KeyRing, body: ErasureCarriedOut, position: int
) -> list[tuple[int, bodies.Header]]:
    """The headers at the positions that a destruction names. Raises: MalformedErasure."""
    if len(body.keys) > KEYS_MOST or not all(0 < one < position for one in body.keys):
        raise MalformedErasure("It names positions that can't be its own.", position)
    of_log = ring.log_ids()
    found = []
    for at in body.keys:
        leaf = leaves.leaf(at)
        sealed = leaves.body(leaf)
        with _form_of(position):
            header = bodies.open_header(leaf, sealed, ring.site.key)
            if header.key_id in of_log:
                raise IntegrityError("It names a key that signs the log.")
        found.append((at, header))
    return found


class _Approvals:
    """Who asked for an erasure, and whether somebody else approved it: told in order."""

    def __init__(self) -> None:
        self._asked: dict[str, str] = {}
        self._approved: set[str] = set()

    def take(self, body: Body, actor: str) -> bool:
        """Heed an entry of an erasure; whether it is a destruction, and counts."""
        if isinstance(body, ErasureAsked):
            self._asked.setdefault(body.erasure, actor)
        elif isinstance(body, ErasureApproved):
            if self._asked.get(body.erasure, actor) != actor:
                self._approved.add(body.erasure)
        elif isinstance(body, ErasureWithdrawn | ErasureRefused):
            self._approved.discard(body.erasure)
        elif isinstance(body, ErasureCarriedOut):
            return body.erasure in self._approved
        return False


@dataclass(frozen=True)
class Destruction:
    """What one `erasure.carried_out` says is gone: keys, and entries under the site's key."""

    erasure: str
    position: int
    keys: frozenset[bytes]
    positions: frozenset[int]


Malformed = Callable[[MalformedErasure], None]


def _nobody_told(_: MalformedErasure) -> None:
    """Nobody wants to know."""


class Destructions:
    """The destructions of a vault, told of its entries in their order.

    One counts only behind an approval by another account than the one that asked, as at a replica.
    What is not in its form is none: `malformed` is told of it.
    """

    def __init__(
        self,
        leaves: Leaves,
        ring: KeyRing,
        *,
        ignored: Iterable[str] = (),
        malformed: Malformed = _nobody_told,
    ) -> None:
        """`ignored`: erasures that a person says are nobody's."""
        self._leaves, self._ring = leaves, ring
        self._ignored = frozenset(ignored)
        self._malformed = malformed
        self._approvals = _Approvals()

    def tell(self, unsealed: Unsealed) -> Destruction | None:
        """The destruction that this entry is, if it is one that counts.

        Raises: StorageUnavailable; IntegrityError when the vault is not what was verified.
        """
        if unsealed.header.kind not in (*PUBLISHED, CARRIED_OUT):
            return None
        position = unsealed.leaf.position
        try:
            fields, _, body = _read_entry(unsealed.leaf, unsealed.sealed, self._ring.site)
            counts = self._approvals.take(body, fields.actor)
            if counts and isinstance(body, ErasureCarriedOut) and body.erasure not in self._ignored:
                return self._destruction(body, position)
        except MalformedErasure as error:
            self._malformed(error)
        return None

    def _destruction(self, body: ErasureCarriedOut, position: int) -> Destruction:
        keys, positions, kept = set(), set(), 0
        for at, header in _named_headers(self._leaves, self._ring, body, position):
            if header.key_id == self._ring.site.id:
                with _form_of(position):
                    is_emptied = _headers.decode(header.content).kind in EMPTIED_UNDER_SITE
                if is_emptied:
                    positions.add(at)
                else:
                    kept += 1
            elif header.key_id != bodies.NO_KEY:
                keys.add(header.key_id)
        if kept:
            what = f"It names {kept} entries about nobody that no erasure takes: they are kept."
            self._malformed(MalformedErasure(what, position))
        return Destruction(body.erasure, position, frozenset(keys), frozenset(positions))


def list_destructions(
    reader: VaultReader,
    ring: KeyRing,
    *,
    ignored: Iterable[str] = (),
    malformed: Malformed = _nobody_told,
) -> list[Destruction]:
    """What the vault itself says is gone, in order. Every header is looked at, so that nothing
    beside the vault can leave one out. One that does not open is told to `malformed`: it may stand
    behind all that is to be restored.

    Raises: StorageUnavailable; IntegrityError when the vault is not what was verified.
    """
    destructions = Destructions(reader, ring, ignored=ignored, malformed=malformed)
    found = []
    for first in range(1, reader.size + 1, ENTRIES_AT_ONCE):
        last = min(first + ENTRIES_AT_ONCE - 1, reader.size)
        for leaf, sealed in reader.bodies(range(first, last + 1)):
            try:
                with _form_of(leaf.position):
                    unsealed = open_sealed(leaf, sealed, ring.site.key)
            except MalformedErasure as error:
                malformed(error)
                continue
            one = destructions.tell(unsealed)
            if one is not None:
                found.append(one)
    return found


def list_held(destructions: Iterable[Destruction], ring: KeyRing) -> list[Destruction]:
    """Those of whose keys this copy of the ring has some still: it is older, or they are nobody's.

    A production in others' hands can seal destructions that name everybody; whoever heeds what a
    ring does not say demands that they are few (UNHEEDED_KEYS_MOST), or asks a person.
    """
    return [one for one in destructions if any(ring.has_key(key_id) for key_id in one.keys)]


def list_unheeded(destructions: Iterable[Destruction], ring: KeyRing) -> list[Destruction]:
    """Those, and all that name entries under the site's key: no ring says that these are gone."""
    return [one for one in destructions if one.positions or list_held([one], ring)]
