"""Erasures at a replica: wrapped keys destroyed in its copy, by its own clock and limit.

One look at the list that the source published, against a source in others' hands:
1. Check each opening against our own copy of the tree: header and body are those of the leaf. What
   lies behind our countersigned checkpoint waits.
2. An erasure counts only when it was asked for by one account and approved by another, in that
   order. When we first saw that is written down, by our clock.
3. It is due when it was carried out at the source, and so many days after we first saw the
   approval. It was in our tree all that time, for people to see.
4. A key can be destroyed only when the header of a leaf names it, and it is not the key that the
   erasure's own entries are under: never the site's, and the log's is named by no leaf.
5. Where more keys are due than may go on one day, none goes: we stop until a person here has
   allowed or refused each of them.
6. Count, destroy, note that it is done; each durable before the next.

Invariants:
- Nothing here believes the source: the list only says where to look.
- An erasure that a person here refused is never carried out here.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Protocol

import msgspec

from tourniquet.kernel.errors import IntegrityError, NotFound, UserError
from tourniquet.record import bodies, sealing
from tourniquet.record.destroying import (
    CARRIED_OUT,
    PUBLISHED,
    EntryOpening,
    HeaderOpening,
    Published,
    fields_of,
)
from tourniquet.record.disk import Disk
from tourniquet.record.entries import (
    ErasureApproved,
    ErasureAsked,
    ErasureCarriedOut,
    ErasureRefused,
    ErasureWithdrawn,
)
from tourniquet.record.registry import Body, get_kind
from tourniquet.record.vault import VaultReader

STATE_FILE = "erasures.json"
STATE_BYTES_MOST = 16 * 1024 * 1024
DAYS = 14
KEYS_A_DAY = 20
_LIST = "the list of erasures"


class Watched(msgspec.Struct):
    """An erasure whose approval was seen here. `first_seen`: of the newest approval."""

    approved_position: int
    asked_by: str
    approved_by: str
    first_seen: datetime
    is_allowed: bool = False
    is_refused: bool = False
    is_counted: bool = False
    done_at: datetime | None = None


class Book(msgspec.Struct):
    """What the replica keeps of erasures. `keys_by_day`: how many keys went, by day in UTC."""

    watched: dict[str, Watched] = msgspec.field(default_factory=dict)
    keys_by_day: dict[str, int] = msgspec.field(default_factory=dict)
    is_stopped: bool = False


@dataclass(frozen=True)
class Looked:
    """What one look did: erasures by their ids; how many keys were destroyed."""

    seen: tuple[str, ...] = ()
    done: tuple[str, ...] = ()
    keys: int = 0


class ErasuresStopped(UserError):
    """More is to be erased than may be on one day. A person here decides."""


@dataclass
class Claim:
    """What the list says of one erasure, as far as it was proved."""

    asked: sealing.Header | None = None
    approved: sealing.Header | None = None
    carried_out: sealing.Header | None = None
    is_ended: bool = False
    keys: list[bytes] = field(default_factory=list)


class KeysCopy(Protocol):
    """Where a replica keeps wrapped keys: a file, or that and object storage."""

    def held(self, key_ids: Iterable[bytes]) -> list[bytes]:
        """Those of these ids whose wrapped key lies here."""

    def destroy(self, key_ids: Sequence[bytes], *, now: datetime) -> None:
        """Destroy wrapped keys; their ids stay."""


class ReplicaErasures:
    """The book, and the copy of the wrapped keys that it governs."""

    def __init__(
        self, own: Disk, ring: KeysCopy | None, *, days: int = DAYS, keys_a_day: int = KEYS_A_DAY
    ) -> None:
        self._own, self._ring = own, ring
        self._days, self._keys_a_day = days, keys_a_day

    def look(self, published: Published, reader: VaultReader, *, now: datetime) -> Looked:
        """Heed what was published. Raises: IntegrityError; ErasuresStopped; StorageUnavailable."""
        assert self._ring is not None  # only a look at the book needs none
        book = self.read()
        # 1 and 2. What is proved, and since when we know.
        claims = read_claims(published, reader)
        seen = [name for name, one in claims.items() if _note(book, name, one, now)]
        if seen:
            self._write(book)
        # 3. What is due.
        due = {
            name: self._ring.held(one.keys)
            for name, one in claims.items()
            if self._is_due(book.watched.get(name), one, now)
        }
        # 5. No more than may be.
        self._demand_within(book, due, now)
        # 6. Count, destroy, note.
        for name, keys in due.items():
            self._destroy(book, name, keys, now)
        return Looked(tuple(seen), tuple(due), sum(map(len, due.values())))

    def read(self) -> Book:
        """The book. Raises: IntegrityError when it is not as it was written."""
        if self._own.size(STATE_FILE) is None:
            return Book()
        content = self._own.read(STATE_FILE, bytes_most=STATE_BYTES_MOST)
        try:
            return msgspec.json.decode(content, type=Book)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            raise IntegrityError(
                "The replica's book of erasures is not as it was written.",
                where=STATE_FILE,
                remedy="Bring it back from a copy. Nothing was destroyed.",
            ) from None

    def decide(
        self, *, allow: Iterable[str] = (), refuse: Iterable[str] = (), go_on: bool = False
    ) -> Book:
        """What a person here decides. Raises: NotFound when no such erasure was seen here."""
        book = self.read()
        for names, is_allowed in ((allow, True), (refuse, False)):
            for name in names:
                if name not in book.watched:
                    raise NotFound("This replica has seen no such erasure.", where=name)
                book.watched[name].is_allowed = is_allowed
                book.watched[name].is_refused = not is_allowed
        if go_on:
            book.is_stopped = False
        self._write(book)
        return book

    def due_at(self, watched: Watched) -> datetime:
        """When an erasure that the source has carried out is due here."""
        return watched.first_seen + timedelta(days=self._days)

    def _is_due(self, watched: Watched | None, claim: Claim, now: datetime) -> bool:
        return (
            watched is not None
            and claim.carried_out is not None
            and claim.approved is not None
            and claim.approved.position == watched.approved_position
            and not claim.is_ended
            and not watched.is_refused
            and watched.done_at is None
            and self.due_at(watched) <= now
        )

    def _demand_within(self, book: Book, due: dict[str, list[bytes]], now: datetime) -> None:
        """Demand that no more goes than may; what a person allowed, or was counted, goes."""
        free = {
            name: keys
            for name, keys in due.items()
            if not book.watched[name].is_allowed and not book.watched[name].is_counted
        }
        wanted = sum(map(len, free.values()))
        spent = book.keys_by_day.get(_day(now), 0)
        if wanted and spent + wanted > self._keys_a_day and not book.is_stopped:
            book.is_stopped = True
            self._write(book)
        if not book.is_stopped or not free:
            return
        for name in set(due) - set(free):
            self._destroy(book, name, due[name], now)
        raise ErasuresStopped(
            f"{wanted} keys of {len(free)} erasures are due here, more than may go on one day "
            f"({self._keys_a_day}). Nothing of them was destroyed.",
            where=", ".join(sorted(free)),
            remedy="Ask the source's data protection whether they are right; then "
            "'tourniquet record erase replica --of FOLDER' with --allow or --refuse for each, and "
            "--go-on.",
        )

    def _destroy(self, book: Book, name: str, keys: Sequence[bytes], now: datetime) -> None:
        assert self._ring is not None
        one = book.watched[name]
        if not one.is_counted:
            one.is_counted = True
            book.keys_by_day[_day(now)] = book.keys_by_day.get(_day(now), 0) + len(keys)
            self._write(book)
        self._ring.destroy(keys, now=now)
        one.done_at = now
        self._write(book)

    def _write(self, book: Book) -> None:
        self._own.replace(STATE_FILE, msgspec.json.encode(book))


def _note(book: Book, name: str, claim: Claim, now: datetime) -> bool:
    """Write down when an approval was first seen; a newer one begins anew. Whether it is new."""
    if claim.asked is None or claim.approved is None or claim.is_ended:
        return False
    before = book.watched.get(name)
    if before is not None and before.approved_position >= claim.approved.position:
        return False
    if before is not None and before.done_at is not None:
        return False
    book.watched[name] = Watched(
        claim.approved.position, claim.asked.actor, claim.approved.actor, now
    )
    return True


def _day(now: datetime) -> str:
    return now.astimezone(UTC).date().isoformat()


# What the list proves -----------------------------------------------------------------------------


def read_claims(published: Published, reader: VaultReader) -> dict[str, Claim]:
    """Each erasure as far as our own tree proves it. Raises: IntegrityError naming a position."""
    claims: dict[str, Claim] = {}
    for opening in sorted(published.entries, key=lambda one: one.at.position):
        if opening.at.position > reader.size:
            continue  # not countersigned yet
        fields, body = _check_entry(reader, opening)
        _take(claims, fields, body, opening, reader)
    return claims


def _take(
    claims: dict[str, Claim],
    fields: sealing.Header,
    body: Body,
    opening: EntryOpening,
    reader: VaultReader,
) -> None:
    where = f"position {fields.position}"
    if isinstance(body, ErasureAsked):
        if body.erasure in claims:
            raise IntegrityError("An erasure was asked for twice.", where=where)
        claims[body.erasure] = Claim(asked=fields)
        return
    assert isinstance(
        body, ErasureApproved | ErasureWithdrawn | ErasureRefused | ErasureCarriedOut
    )  # the list's kinds, checked
    claim = claims.get(body.erasure)
    if claim is None or claim.asked is None:
        return  # the list keeps the newest; nothing comes of what was not asked for
    if isinstance(body, ErasureApproved):
        if fields.actor == claim.asked.actor:
            raise IntegrityError("An erasure was approved by who asked for it.", where=where)
        if claim.carried_out is not None:
            raise IntegrityError("An erasure was approved after it was carried out.", where=where)
        claim.approved = fields
    elif isinstance(body, ErasureCarriedOut):
        if claim.approved is None or claim.carried_out is not None or claim.is_ended:
            raise IntegrityError("An erasure was carried out that was not approved.", where=where)
        claim.carried_out = fields
        claim.keys = _proved_keys(reader, opening, body, site=opening.at.key_id)
    else:
        claim.is_ended = True


def _proved_keys(
    reader: VaultReader, opening: EntryOpening, body: ErasureCarriedOut, *, site: bytes
) -> list[bytes]:
    """The keys that leaves name at the positions that the entry names."""
    # 4. Named by a leaf, and not the site's.
    found = []
    for one in opening.keys:
        where = f"position {one.position}"
        if one.position not in body.keys or one.position >= opening.at.position:
            raise IntegrityError("A key is to go that the erasure does not name.", where=where)
        _check_header(reader, one)
        if one.key_id in (site, bodies.NO_KEY):
            raise IntegrityError("A key is to go that is no patient's.", where=where)
        found.append(one.key_id)
    return found


def _check_entry(reader: VaultReader, opening: EntryOpening) -> tuple[sealing.Header, Body]:
    """Header and body, compared with the leaf. Raises: IntegrityError."""
    fields = _check_header(reader, opening.at)
    where = f"position {opening.at.position}"
    leaf = reader.leaf(opening.at.position)
    if sealing.commit(opening.salt, None, opening.body) != leaf.content_commitment:
        raise IntegrityError(f"In {_LIST}, a body is not the one of its leaf.", where=where)
    is_ours = fields.kind in (*PUBLISHED, CARRIED_OUT)
    if not is_ours or (opening.keys and fields.kind != CARRIED_OUT):
        raise IntegrityError(f"In {_LIST}, an entry is of another kind.", where=where)
    kind = get_kind(fields.kind, fields.kind_version)
    try:
        found: Body = kind.decoder.decode(opening.body)
    except msgspec.MsgspecError:
        raise IntegrityError(f"In {_LIST}, a body is not in its form.", where=where) from None
    return fields, found


def _check_header(reader: VaultReader, one: HeaderOpening) -> sealing.Header:
    header = bodies.Header(one.header, one.chain, one.key_id, one.salt)
    where = f"position {one.position}"
    if (
        not 0 < one.position <= reader.size
        or header.commitment != reader.leaf(one.position).header_commitment
    ):
        raise IntegrityError(f"In {_LIST}, a header is not the one of its leaf.", where=where)
    fields = fields_of(one)
    if fields.position != one.position:
        raise IntegrityError(f"In {_LIST}, a header is that of another position.", where=where)
    return fields
