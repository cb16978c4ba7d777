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

The form of the list: docs/reference/vault.md.
"""

from __future__ import annotations

from collections.abc import Iterable
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
from tourniquet.record.opening import open_entry
from tourniquet.record.registry import get_kind
from tourniquet.record.ring import KeyRing, NamedKey
from tourniquet.record.unsealing import Leaves, Unsealed, open_header, open_sealed
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
    """The list. `destroyed`: what was carried out up to this position has no key here any more."""

    form: int = FORM
    destroyed: int = 0
    entries: list[EntryOpening] = msgspec.field(default_factory=list)


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


class Destroyer:
    """Destroys keys and keeps the list, for the one process that writes ring and vault."""

    def __init__(self, home: Path, ring: KeyRing, *, ignored: Iterable[str] = ()) -> None:
        """`ignored`: erasures that are nobody's, whose keys stay."""
        self._disk = Disk(LocalFiles(home))
        self._ring = ring
        self._ignored = frozenset(ignored)
        self._opened: dict[int, EntryOpening] = {}

    def heed(self, reader: VaultReader, positions: Iterable[int], *, now: datetime) -> None:
        """Steps 3 and 4 for the entries at these positions, which are all that the vault has.

        Raises: IntegrityError; StorageUnavailable: ask again.
        """
        last = 0
        for position in sorted(set(positions)):
            if position not in self._opened:
                self._opened[position] = _open(reader, self._ring, position, self._ignored)
            opening = self._opened[position]
            if fields_of(opening.at).kind == CARRIED_OUT:
                self._ring.erase_where_held((one.key_id for one in opening.keys), now=now)
                last = position
        entries = [self._opened[position] for position in sorted(self._opened)]
        content = msgspec.json.encode(Published(FORM, last, entries))
        while len(content) > FILE_BYTES_MOST:  # the oldest were heeded long ago
            entries = entries[len(entries) // 10 + 1 :]
            content = msgspec.json.encode(Published(FORM, last, entries))
        is_there = self._disk.size(FILE) is not None
        if is_there and self._disk.read(FILE, bytes_most=FILE_BYTES_MOST) == content:
            return
        if entries or is_there:
            self._disk.replace(FILE, content)


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


def _open(
    reader: VaultReader, ring: KeyRing, position: int, ignored: frozenset[str]
) -> EntryOpening:
    opened = open_entry(reader, ring, position)
    if opened.content is None or opened.content.subject is not None:
        raise IntegrityError("An erasure's entry has no content.", where=f"position {position}")
    keys: list[HeaderOpening] = []
    if opened.fields.kind == CARRIED_OUT:
        body = _carried_out(opened.fields, opened.content.body)
        for at in () if body.erasure in ignored else _checked(body.keys, position):
            one = _header_at(reader, ring, at)
            if one.key_id not in (bodies.NO_KEY, ring.site.id):
                keys.append(one)
    at_entry = HeaderOpening(
        position,
        opened.header.content,
        opened.header.chain,
        opened.header.key_id,
        opened.header.salt,
    )
    return EntryOpening(at_entry, opened.content.body, opened.content.salt, keys)


def _header_at(reader: VaultReader, ring: KeyRing, position: int) -> HeaderOpening:
    leaf = reader.leaf(position)
    one = bodies.open_header(leaf, reader.body(leaf), ring.site.key)
    return HeaderOpening(position, one.content, one.chain, one.key_id, one.salt)


def _carried_out(fields: sealing.Header, content: bytes) -> ErasureCarriedOut:
    body = get_kind(fields.kind, fields.kind_version).decoder.decode(content)
    assert isinstance(body, ErasureCarriedOut)  # its kind says so
    return body


@dataclass(frozen=True)
class Destruction:
    """What one `erasure.carried_out` says is gone: keys, and entries under the site's key."""

    erasure: str
    position: int
    keys: frozenset[bytes]
    positions: frozenset[int]


class Destructions:
    """The destructions of a vault, told of its entries in their order.

    One counts only behind an approval by another account than the one that asked, as at a replica.
    """

    def __init__(self, leaves: Leaves, site: NamedKey) -> None:
        self._leaves, self._site = leaves, site
        self._asked: dict[str, str] = {}
        self._approved: set[str] = set()

    def tell(self, unsealed: Unsealed) -> Destruction | None:
        """The order of this entry, if it is one. Raises: IntegrityError."""
        header = unsealed.header
        if header.kind not in (*PUBLISHED, CARRIED_OUT):
            return None
        content = bodies.open_content(unsealed.leaf, unsealed.sealed, self._site.key)
        body = get_kind(header.kind, header.kind_version).decoder.decode(content.body)
        if isinstance(body, ErasureAsked):
            self._asked.setdefault(body.erasure, header.actor)
        elif isinstance(body, ErasureApproved):
            if self._asked.get(body.erasure, header.actor) != header.actor:
                self._approved.add(body.erasure)
        elif isinstance(body, ErasureWithdrawn | ErasureRefused):
            self._approved.discard(body.erasure)
        elif body.erasure in self._approved:
            return self._destruction(body, header.position)
        return None

    def _destruction(self, body: ErasureCarriedOut, position: int) -> Destruction:
        site = self._site
        keys, positions = set(), set()
        for at in _checked(body.keys, position):
            key_id = open_header(self._leaves, at, site.key).key_id
            if key_id == site.id:
                positions.add(at)
            elif key_id != bodies.NO_KEY:
                keys.add(key_id)
        return Destruction(body.erasure, position, frozenset(keys), frozenset(positions))


def list_destructions(reader: VaultReader, ring: KeyRing) -> list[Destruction]:
    """What the vault itself says is gone, in order. Every header is looked at, so that nothing
    beside the vault can leave one out. Raises: IntegrityError.
    """
    destructions = Destructions(reader, ring.site)
    found = []
    for first in range(1, reader.size + 1, ENTRIES_AT_ONCE):
        last = min(first + ENTRIES_AT_ONCE - 1, reader.size)
        for leaf, sealed in reader.bodies(range(first, last + 1)):
            one = destructions.tell(open_sealed(leaf, sealed, ring.site.key))
            if one is not None:
                found.append(one)
    return found


def list_unheeded(destructions: Iterable[Destruction], ring: KeyRing) -> list[Destruction]:
    """Those of whose keys this copy of the ring has some still: it is older, or they are nobody's.

    A production in others' hands can seal destructions that name everybody; whoever heeds what a
    ring does not say demands that they are few (UNHEEDED_KEYS_MOST), or asks a person.
    """
    return [one for one in destructions if any(ring.has_key(key_id) for key_id in one.keys)]


def _checked(positions: Iterable[int], before: int) -> list[int]:
    wanted = list(positions)
    if len(wanted) > KEYS_MOST or not all(0 < one < before for one in wanted):
        raise IntegrityError(
            "An erasure names positions that can't be its own.", where=f"position {before}"
        )
    return wanted
