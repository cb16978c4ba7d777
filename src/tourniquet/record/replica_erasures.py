"""Erasures at a replica: wrapped keys destroyed in its copy, by its own clock and limit.

One look at the list that the source published, against a source in others' hands:
1. Check each opening against our own copy of the tree: header and body are those of the leaf. What
   lies behind our countersigned checkpoint waits.
2. An erasure counts only when it was asked for by one account and approved by another, in that
   order. When we first saw that is written down, by our clock.
3. It is due when it was carried out at the source, and so many days after we first saw the
   approval. It was in our tree all that time, for people to see.
4. A key can be destroyed only when the header of a leaf names it, and it is neither the site's nor
   the log's first: rows 1 and 2 of the ring, which were copied when it began. An erasure's own
   entries are under the site's key. What a header says about itself proves nothing: whoever runs
   the sealer chooses it.
5. Where more keys are due than may go on one day, none goes: we stop until a person here has
   allowed or refused each of them. Who allows one has seen where it stands and how many keys it
   takes; for anything else the permission does not hold.
6. Count, destroy, note that it is done; each durable before the next.

Invariants:
- Nothing here believes the source: the list only says where to look.
- An erasure that a person here refused is never carried out here, however often it is approved
  again at the source.
- Without the root key nobody can tell a later key of the log from a patient's: such a one can go,
  counted as a patient's; two holders' words make a new one (docs/reference/vault.md).
"""

from __future__ import annotations

import hashlib
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


class Extent(msgspec.Struct, frozen=True):
    """What an erasure takes: where it was carried out, how many keys, and SHA-256 of their ids."""

    position: int
    keys: int
    digest: str


class Watched(msgspec.Struct):
    """An erasure whose approval was seen here. `first_seen`: of the newest approval.

    `extent`: what it takes, once it was carried out at the source; `allowed` and `counted`: for
    what a person's permission holds, and what was counted. `is_again`: refused here, and approved
    again at the source since.
    """

    approved_position: int
    asked_by: str
    approved_by: str
    first_seen: datetime
    extent: Extent | None = None
    allowed: Extent | None = None
    counted: Extent | None = None
    is_refused: bool = False
    is_again: bool = False
    done_at: datetime | None = None

    @property
    def is_free(self) -> bool:
        """Whether it may go beside the day's limit: by a person's word, or counted before."""
        return self.extent is not None and self.extent in (self.allowed, self.counted)


class Book(msgspec.Struct):
    """What the replica keeps of erasures. `keys_by_day`: how many keys went, by day in UTC."""

    watched: dict[str, Watched] = msgspec.field(default_factory=dict)
    keys_by_day: dict[str, int] = msgspec.field(default_factory=dict)
    is_stopped: bool = False


@dataclass(frozen=True)
class Looked:
    """What one look did: erasures by their ids; how many keys were destroyed.

    `again`: those of `seen` that were refused here, which they stay.
    """

    seen: tuple[str, ...] = ()
    done: tuple[str, ...] = ()
    keys: int = 0
    again: tuple[str, ...] = ()


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

    @property
    def extent(self) -> Extent | None:
        """What it takes; None before it was carried out."""
        if self.carried_out is None:
            return None
        ids = sorted(set(self.keys))
        return Extent(
            self.carried_out.position, len(ids), hashlib.sha256(b"".join(ids)).hexdigest()
        )


class KeysCopy(Protocol):
    """Where a replica keeps wrapped keys: a file, or that and object storage."""

    def held(self, key_ids: Iterable[bytes]) -> list[bytes]:
        """Those of these ids whose wrapped key lies here."""

    def lasting(self) -> tuple[bytes, ...]:
        """The ids of the site's key and the log's first, which stay."""

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
        claims = read_claims(published, reader, self._ring.lasting())
        seen = [name for name, one in claims.items() if _note(book, name, one, now)]
        told = [name for name, one in claims.items() if _note_extent(book, name, one)]
        if seen or told:
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
        again = tuple(name for name in seen if book.watched[name].is_again)
        return Looked(tuple(seen), tuple(due), sum(map(len, due.values())), again)

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
        """What a person here decides; a permission holds for what is known to go, and no more.

        Raises: NotFound when no such erasure was seen here; UserError when one is to be allowed of
        which nobody knows yet what it takes.
        """
        book = self.read()
        for name in allow:
            one = _get_watched(book, name)
            if one.extent is None:
                raise UserError(
                    "It was not carried out at the source, as far as this replica has seen, so "
                    "nobody knows how many keys it takes. Nothing was decided.",
                    where=name,
                    remedy="Allow it when 'tourniquet record erase replica' says how many.",
                )
            one.allowed, one.is_refused, one.is_again = one.extent, False, False
        for name in refuse:
            one = _get_watched(book, name)
            one.allowed, one.is_refused, one.is_again = None, True, False
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
        free = {name: keys for name, keys in due.items() if not book.watched[name].is_free}
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
        if one.counted != one.extent:
            one.counted = one.extent
            book.keys_by_day[_day(now)] = book.keys_by_day.get(_day(now), 0) + len(keys)
            self._write(book)
        self._ring.destroy(keys, now=now)
        one.done_at = now
        self._write(book)

    def _write(self, book: Book) -> None:
        self._own.replace(STATE_FILE, msgspec.json.encode(book))


def _note(book: Book, name: str, claim: Claim, now: datetime) -> bool:
    """Write down when an approval was first seen; a newer one begins anew. Whether it is new.

    What a person here allowed was another approval's; what they refused stays refused.
    """
    if claim.asked is None or claim.approved is None or claim.is_ended:
        return False
    before = book.watched.get(name)
    if before is not None and before.approved_position >= claim.approved.position:
        return False
    if before is not None and before.done_at is not None:
        return False
    is_refused = before is not None and before.is_refused
    book.watched[name] = Watched(
        claim.approved.position,
        claim.asked.actor,
        claim.approved.actor,
        now,
        is_refused=is_refused,
        is_again=is_refused,
    )
    return True


def _note_extent(book: Book, name: str, claim: Claim) -> bool:
    """Write down what an erasure takes. Whether that was not known."""
    one = book.watched.get(name)
    if one is None or claim.approved is None or claim.approved.position != one.approved_position:
        return False
    if one.done_at is not None or claim.extent in (None, one.extent):
        return False
    one.extent = claim.extent
    return True


def _get_watched(book: Book, name: str) -> Watched:
    found = book.watched.get(name)
    if found is None:
        raise NotFound("This replica has seen no such erasure.", where=name)
    return found


def _day(now: datetime) -> str:
    return now.astimezone(UTC).date().isoformat()


# What the list proves -----------------------------------------------------------------------------


def read_claims(
    published: Published, reader: VaultReader, lasting: Sequence[bytes]
) -> dict[str, Claim]:
    """Each erasure as far as our own tree proves it. Raises: IntegrityError naming a position.

    `lasting`: the ids of the site's key and the log's first, from our own copy of the ring.
    """
    claims: dict[str, Claim] = {}
    for opening in sorted(published.entries, key=lambda one: one.at.position):
        if opening.at.position > reader.size:
            continue  # not countersigned yet
        fields, body = _check_entry(reader, opening)
        if opening.at.key_id not in lasting[:1]:
            raise IntegrityError(
                f"In {_LIST}, an entry is not under the site's key.",
                where=f"position {fields.position}",
                remedy="No sealer of ours writes that. Find out who runs the source.",
            )
        keys = _proved_keys(reader, opening, body, lasting)
        _take(claims, fields, body, keys)
    return claims


def _take(claims: dict[str, Claim], fields: sealing.Header, body: Body, keys: list[bytes]) -> None:
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
        claim.keys = keys
    else:
        claim.is_ended = True


def _proved_keys(
    reader: VaultReader, opening: EntryOpening, body: Body, lasting: Sequence[bytes]
) -> list[bytes]:
    """The keys that leaves name at the positions that the entry names."""
    # 4. Named by a leaf, and neither the site's nor the log's first.
    found: list[bytes] = []
    if not isinstance(body, ErasureCarriedOut):
        return found
    for one in opening.keys:
        where = f"position {one.position}"
        if one.position not in body.keys or one.position >= opening.at.position:
            raise IntegrityError("A key is to go that the erasure does not name.", where=where)
        _check_header(reader, one)
        if one.key_id in (*lasting, bodies.NO_KEY):
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
