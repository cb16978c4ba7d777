"""A replica: another's vault pulled, checked byte by byte, kept, and countersigned.

One pull, against what a forger, a thief or a bad disk could have done in between:
1. Read the source's checkpoint: signed by the pinned key, or by one that it leads to in the list of
   keys, and in charge of that size; or nothing further is read. A list that does not go on from
   ours, or a checkpoint by a key that was changed, is kept as evidence.
2. Refuse a clock that went back, a history that is shorter, or another one of the same length.
3. Copy the wrapped keys, so that no entry is kept whose key is not.
4. Read the new leaves, only to hash them: grown from our own tree they must have the signed root.
   Otherwise the history was rewritten: the evidence is kept, and nothing more is pulled.
   What lies here behind our checkpoint and is not what was signed is set aside.
5. Read leaves and bodies again, a part at a time: the same leaves, each body with the hash of its
   leaf, right behind the one before. Append, flush, write leaves and tiles. Changes of the key
   that are new must tell the roots that our tree had.
6. Stamp our own time, countersign, put the checkpoint in place.

Invariants:
- It holds no key that opens anything, and asks the source for none but wrapped ones.
- What was countersigned is never changed, however the source behaves; there is no call here that
  shortens it.
- Once a rewritten history was seen, nothing is pulled until a person has moved the evidence away.
- After an error the replica is opened anew and goes on: a part that lies beyond the checkpoint with
  its leaves in place is compared with the signed root and body by body, as one that is fetched is,
  and not fetched again. Leaves and bodies that are not what the source signed are set aside
  (record.setting_aside); what else lies there is dropped. Leaves are put in place once their bodies
  were flushed, so that what a failed flush left behind is not taken for kept.
- After a failed write nothing more is written (record.disk).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NoReturn, Protocol, TypeAlias

from tourniquet.kernel.errors import IntegrityError, OperatorError, UserError
from tourniquet.record.disk import Keeper, Reader
from tourniquet.record.key_list import (
    KeyList,
    KeyStep,
    WrongKey,
    newest_of,
    read_key_list,
    read_steps,
    write_steps,
)
from tourniquet.record.leaves import Leaf, Place, follows, parse_leaf, segment_path
from tourniquet.record.log import CHECKPOINT, LogFiles, read_tile
from tourniquet.record.notes import (
    NOTE_BYTES_MOST,
    Checkpoint,
    Note,
    Signer,
    VerifierKey,
    check,
    cosign,
    read_note,
)
from tourniquet.record.ring import ChangedKey
from tourniquet.record.setting_aside import PULLING, set_aside
from tourniquet.record.tiles import ENTRIES, tile_path
from tourniquet.record.tree import TILE_WIDTH, Tree, hash_leaf
from tourniquet.record.vault import (
    Broom,
    VaultReader,
    append_bodies,
    drop_unnamed,
    find_last,
    keep_key_line,
    write_pending,
)

LAST = "last-checkpoint"
EVIDENCE = "evidence"
LEAVES_AT_ONCE = 16 * TILE_WIDTH
BODY_BYTES_AT_ONCE = 16 * 1024 * 1024
NOTE_SECONDS = 1.0  # how far the note of where we were may be behind, which costs two flushes
REFRESH_SECONDS = 60
EVIDENCE_LEAVES_MOST = 64 * TILE_WIDTH
_BUNDLES = "tile/entries/"
Pinned: TypeAlias = VerifierKey | Sequence[VerifierKey]


class Keys(Protocol):
    """Where the wrapped keys go."""

    def pull(self) -> int:
        """Copy those that are new, durably; how many. Raises: ChangedKey when one changed."""


@dataclass(frozen=True)
class Pulled:
    """How far the copy has come; how many entries were new, and wrapped keys.

    `aside`: where lies what was here, and was not what the source signed; mostly empty.
    """

    checkpoint: Checkpoint
    entries: int
    keys: int
    aside: str = ""


class Rewritten(IntegrityError):
    """The source's history, or its ring, is not a longer one of the same."""


class Replica:
    """The one writer of a replica. `vault` holds the copy, `own` what belongs to it."""

    def __init__(
        self,
        vault: Keeper,
        own: Keeper,
        log_key: Pinned,
        witness: Signer,
        *,
        refresh_seconds: int = REFRESH_SECONDS,
    ) -> None:
        """Go on with a replica, or begin one in an empty place.

        `log_key` is what people pinned, in that order: the first, and each that was brought by hand
        because the key before it was lost. `refresh_seconds`: how old a cosignature may be while
        nothing is new. Raises: IntegrityError when it is not as it was left.
        """
        self._vault, self._own = vault, own
        self._pinned = (log_key,) if isinstance(log_key, VerifierKey) else tuple(log_key)
        self._witness = witness
        self._refresh_seconds = refresh_seconds
        key = newest_of(self._pinned, read_steps(vault))
        if own.names(EVIDENCE):
            raise OperatorError(
                "A rewritten history was seen here. Nothing is pulled until a person has looked.",
                where=f"{EVIDENCE}/{own.names(EVIDENCE)[-1]}",
                remedy="Compare it with the source; move it elsewhere, and keep it.",
            )
        last = _read_last(own, read_key_list(vault, key), witness.verifier)
        self._log = LogFiles(vault, key, may_be_new=last is None)
        keep_key_line(vault, self._log.keys)
        if last is not None and self._log.checkpoint.size < last.size:
            raise IntegrityError(
                f"The copy ends at {self._log.checkpoint.size}; it had {last.size} entries.",
                where=CHECKPOINT,
                remedy="Somebody put an older one in its place. Bring back the newest.",
            )
        self._last = find_last(vault, self._log.checkpoint.size)
        self._is_fit = False  # once what lies behind the checkpoint was compared with the source's
        self._appends = False  # once what lies behind the last kept body was dropped
        self._broom = Broom(vault)
        self._noted_at: datetime | None = None

    @property
    def checkpoint(self) -> Checkpoint:
        """How far the copy has come."""
        return self._log.checkpoint

    def pull(
        self,
        source: Reader,
        keys: Keys,
        *,
        now: datetime,
        progress: Callable[[int], None] = lambda _: None,
    ) -> Pulled:
        """Pull what is new. `progress` is told the position that was reached.

        Raises: Rewritten, with the evidence kept; IntegrityError; UserError when the clock went
        back; StorageUnavailable when our own disk fails.
        """
        # 1. The source's checkpoint.
        note = read_note(source.read(CHECKPOINT, bytes_most=NOTE_BYTES_MOST))
        theirs, checkpoint = self._read(note, read_steps(source))
        # 2. Not back in time.
        age_seconds = self._demand_clock(now)
        before = self._log.checkpoint
        if checkpoint.size < before.size:
            self._accuse(note, (), f"The history has {checkpoint.size} entries, fewer than before")
        if checkpoint.size == before.size and checkpoint.root != before.root:
            self._accuse(note, (), "The history has the same length and other entries")
        # 3. Keys.
        try:
            pulled = keys.pull()
        except ChangedKey as error:
            self._accuse(note, (), error.what, more={"keys": error.evidence})
        if checkpoint.size == before.size and age_seconds < self._refresh_seconds:
            return Pulled(checkpoint, 0, pulled)
        # 4. Hash.
        reader = VaultReader(_Kept(source, self._vault), checkpoint.size)
        try:
            hashes = self._hash(reader, checkpoint)
        except IntegrityError:
            hashes = None
        if hashes is None:  # ours may be to blame: from the source alone, before it is accused
            reader = VaultReader(source, checkpoint.size)
            hashes = self._hash(reader, checkpoint)
        if hashes is None:
            self._accuse(note, self._new_leaves(reader), "The entries do not have the signed root")
        aside = "" if self._is_fit else set_aside(self._vault, self._own, reader, before.size)
        self._is_fit = True
        # 5. Copy.
        if len(hashes) > 1:  # should it be cut off, and the source sign others then
            self._own.replace(PULLING, str(note).encode())
        for first, expected in hashes:
            self._copy(source, reader, first, expected, checkpoint.size)
            progress(self._log.frontier.size)
        self._begin_appending()
        self._keep_keys(theirs, checkpoint)
        # 6. Countersign.
        self._conclude(note, now)
        self._broom.sweep(before.size, checkpoint.size)
        return Pulled(checkpoint, checkpoint.size - before.size, pulled, aside)

    def countersigned(self) -> Note:
        """The checkpoint that was countersigned last. Raises: IntegrityError when there is none."""
        return read_note(self._vault.read(CHECKPOINT, bytes_most=NOTE_BYTES_MOST))

    def _read(self, note: Note, steps: Sequence[KeyStep]) -> tuple[KeyList, Checkpoint]:
        """The source's keys, up to its checkpoint, and that. Raises: Rewritten, IntegrityError."""
        ours = self._log.keys.steps
        evidence = {"keys": write_steps(steps)}
        if ours != tuple(steps)[: len(ours)]:
            self._accuse(note, (), "The list of keys does not go on from ours", more=evidence)
        keys = KeyList.follow(newest_of(self._pinned, steps), steps)
        try:
            checkpoint = keys.read_checkpoint(note)
        except WrongKey as error:
            self._accuse(note, (), error.what.rstrip("."), more=evidence)
        covered = tuple(step for step in steps if step.size <= checkpoint.size)
        pinned = newest_of(self._pinned, covered)
        return KeyList.follow(pinned, covered), checkpoint

    def _keep_keys(self, theirs: KeyList, checkpoint: Checkpoint) -> None:
        """Keep the changes of the key that are new, once our tree had the roots that they tell."""
        if theirs == self._log.keys:
            return
        theirs.demand_roots(Tree(checkpoint.size, lambda *tile: read_tile(self._vault, *tile)))
        self._log.keep_keys(theirs)
        keep_key_line(self._vault, theirs)

    def _demand_clock(self, now: datetime) -> float:
        """How many seconds ago the last cosignature was. Raises: UserError: in the future."""
        seconds = int(now.timestamp())
        if self._vault.size(CHECKPOINT) is None:
            return float("inf")
        last = check(self.countersigned(), self._witness.verifier)
        assert last is not None  # a witness's signature says when
        if seconds < last:
            raise UserError(
                f"This machine's clock went back: it was {last - seconds} seconds later before.",
                where="clock",
                remedy="Set it right. Nothing was countersigned.",
            )
        return seconds - last

    def _hash(self, reader: VaultReader, checkpoint: Checkpoint) -> list[tuple[int, bytes]] | None:
        """Where each part begins, and a hash over its leaves; None where the root is another."""
        frontier = self._log.frontier
        found = []
        for first in _parts(frontier.size, checkpoint.size):
            leaves = _read_leaves(reader, first, checkpoint.size)
            frontier, _ = frontier.grow([hash_leaf(leaf) for leaf in leaves])
            found.append((first, hashlib.sha256(b"".join(leaves)).digest()))
        return found if frontier.root() == checkpoint.root else None

    def _new_leaves(self, reader: VaultReader) -> Iterator[bytes]:
        start = self._log.checkpoint.size
        for position in range(start + 1, min(reader.size, start + EVIDENCE_LEAVES_MOST) + 1):
            yield reader.packed(position)

    def _copy(
        self, source: Reader, reader: VaultReader, first: int, expected: bytes, size: int
    ) -> None:
        packed = _read_leaves(reader, first, size)
        if hashlib.sha256(b"".join(packed)).digest() != expected:
            raise IntegrityError(
                "The source gave other leaves than a moment ago.",
                where=f"position {first + 1}",
                remedy="Nothing was countersigned. Pull again; if it stays so, keep the evidence.",
            )
        before = self._last
        leaves = [parse_leaf(one, position) for position, one in enumerate(packed, first + 1)]
        for leaf in leaves:
            if not follows(leaf.place, before.place if before else None):
                raise IntegrityError(
                    "A body does not lie right behind the one before.",
                    where=f"position {leaf.position}",
                )
            before = leaf
        if not self._is_kept(leaves):
            self._begin_appending()
            for run in _runs(leaves):
                append_bodies(self._vault, _read_bodies(source, run))
            write_pending(self._vault, first, packed)
        self._log.write(packed)
        self._last = before

    def _is_kept(self, leaves: Sequence[Leaf]) -> bool:
        """Whether an earlier pull, which was interrupted, kept this part whole, behind the last."""
        first, last = leaves[0].position - 1, leaves[-1].position
        numbers = range(first // TILE_WIDTH, last // TILE_WIDTH)
        if self._appends or last % TILE_WIDTH:  # leaves in place only: see the invariants
            return False
        if any(self._vault.size(tile_path(ENTRIES, number)) is None for number in numbers):
            return False
        try:
            for run in _runs(leaves):
                _read_bodies(self._vault, run)
        except IntegrityError:
            return False
        return True

    def _begin_appending(self) -> None:
        """Drop what lies behind the last body that is kept. Nothing happens the second time."""
        if not self._appends:
            drop_unnamed(self._vault, self._last)
            self._appends = True

    def _conclude(self, note: Note, now: datetime) -> None:
        own = Note(note.text, self._log.keys.signatures_of(note))
        countersigned = own.with_signature(
            cosign(note.text, self._witness, seconds=int(now.timestamp()))
        )
        self._log.conclude(countersigned)
        if self._noted_at is None or not 0 <= (now - self._noted_at).total_seconds() < NOTE_SECONDS:
            self._own.replace(LAST, str(countersigned).encode())
            self._noted_at = now

    def _accuse(
        self,
        note: Note,
        leaves: Iterable[bytes],
        what: str,
        *,
        more: Mapping[str, bytes] | None = None,
    ) -> NoReturn:
        """Keep the evidence and refuse."""
        name = f"{EVIDENCE}/{hashlib.sha256(str(note).encode()).hexdigest()[:16]}"
        files = {f"{name}/theirs": str(note).encode(), f"{name}/leaves": b"".join(leaves)}
        if self._vault.size(CHECKPOINT) is not None:
            files[f"{name}/ours"] = self._vault.read(CHECKPOINT, bytes_most=NOTE_BYTES_MOST)
        files |= {f"{name}/{one}": content for one, content in (more or {}).items()}
        self._own.create(files)
        raise Rewritten(
            f"{what}. Nothing was countersigned; the evidence is kept.",
            where=name,
            remedy="Believe the replica. Find out who rewrote the source.",
        )


class _Kept:
    """A source, but for whole bundles of leaves that an interrupted pull has put in place here."""

    def __init__(self, source: Reader, vault: Reader) -> None:
        self._source, self._vault = source, vault

    def read(self, path: str, *, bytes_most: int) -> bytes:
        """See `Reader`."""
        is_whole = path.startswith(_BUNDLES) and ".p/" not in path
        ours = is_whole and self._vault.size(path) is not None
        return (self._vault if ours else self._source).read(path, bytes_most=bytes_most)

    def read_part(self, path: str, at: int, length: int) -> bytes:
        """See `Reader`."""
        return self._source.read_part(path, at, length)

    def size(self, path: str) -> int | None:
        """See `Reader`."""
        return self._source.size(path)

    def names(self, folder: str) -> list[str]:
        """See `Reader`."""
        return self._source.names(folder)


def _read_last(own: Reader, keys: KeyList, witness: VerifierKey) -> Checkpoint | None:
    if own.size(LAST) is None:
        return None
    note = read_note(own.read(LAST, bytes_most=NOTE_BYTES_MOST))
    check(note, witness)
    return keys.read_checkpoint(note)


def _parts(start: int, end: int) -> Iterator[int]:
    """Where parts begin: at ours, then at whole bundles."""
    while start < end:
        yield start
        start += LEAVES_AT_ONCE - start % TILE_WIDTH


def _read_leaves(reader: VaultReader, first: int, size: int) -> list[bytes]:
    """The leaves of the part that begins behind `first`."""
    last = min(first + LEAVES_AT_ONCE - first % TILE_WIDTH, size)
    return [reader.packed(position) for position in range(first + 1, last + 1)]


def _runs(leaves: Sequence[Leaf]) -> Iterator[list[Leaf]]:
    """Neighbours in one segment, as many as are read at once."""
    run: list[Leaf] = []
    for leaf in leaves:
        if run and (
            leaf.place.segment != run[0].place.segment
            or leaf.place.end - run[0].place.offset > BODY_BYTES_AT_ONCE
        ):
            yield run
            run = []
        run.append(leaf)
    if run:
        yield run


def _read_bodies(source: Reader, run: Sequence[Leaf]) -> list[tuple[Place, bytes]]:
    """The bodies of neighbouring leaves. Raises: IntegrityError when one is not its leaf's."""
    start, path = run[0].place.offset, segment_path(run[0].place.segment)
    content = source.read_part(path, start, run[-1].place.end - start)
    found = []
    for leaf in run:
        body = content[leaf.place.offset - start : leaf.place.end - start]
        if hashlib.sha256(body).digest() != leaf.body_hash:
            raise IntegrityError(
                f"The source's body at position {leaf.position} is not the one of its leaf.",
                where=f"{path}, byte {leaf.place.offset}",
                remedy="Nothing was countersigned. Verify the source.",
            )
        found.append((leaf.place, body))
    return found
