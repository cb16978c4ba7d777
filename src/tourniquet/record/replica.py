"""A replica: another's vault pulled, checked byte by byte, kept, and countersigned.

One pull, against what a forger, a thief or a bad disk could have done in between:
1. Read the source's checkpoint: signed by the pinned key, or nothing further is read.
2. Refuse a clock that went back, a history that is shorter, or another one of the same length.
3. Copy the wrapped keys, so that no entry is kept whose key is not.
4. Read the new leaves, only to hash them: grown from our own tree they must have the signed root.
   Otherwise the history was rewritten: the evidence is kept, and nothing more is pulled.
5. Read leaves and bodies again, a part at a time: the same leaves, each body with the hash of its
   leaf, right behind the one before. Append, flush, write leaves and tiles.
6. Stamp our own time, countersign, put the checkpoint in place.

Invariants:
- It holds no key that opens anything, and asks the source for none but wrapped ones.
- What was kept is never changed, however the source behaves; there is no call here that shortens.
- Once a rewritten history was seen, nothing is pulled until a person has moved the evidence away.
- After an error the replica is opened anew: what lies beyond the checkpoint is dropped, and pulled
  again. After a failed write nothing more is written (record.disk).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NoReturn, Protocol

from tourniquet.kernel.errors import IntegrityError, OperatorError, UserError
from tourniquet.record.disk import Keeper, Reader
from tourniquet.record.leaves import Leaf, Place, follows, parse_leaf, segment_path
from tourniquet.record.log import CHECKPOINT, LogFiles
from tourniquet.record.notes import (
    NOTE_BYTES_MOST,
    Checkpoint,
    Note,
    Signature,
    Signer,
    VerifierKey,
    check,
    cosign,
    read_checkpoint,
    read_note,
)
from tourniquet.record.ring import ChangedKey
from tourniquet.record.tree import TILE_WIDTH, hash_leaf
from tourniquet.record.vault import (
    KEY_FILE,
    Broom,
    VaultReader,
    append_bodies,
    drop_unnamed,
    find_last,
    write_pending,
)

LAST = "last-checkpoint"
EVIDENCE = "evidence"
LEAVES_AT_ONCE = 16 * TILE_WIDTH
BODY_BYTES_AT_ONCE = 16 * 1024 * 1024
NOTE_SECONDS = 1.0  # how far the note of where we were may be behind, which costs two flushes
REFRESH_SECONDS = 60
EVIDENCE_LEAVES_MOST = 64 * TILE_WIDTH


class Keys(Protocol):
    """Where the wrapped keys go."""

    def pull(self) -> int:
        """Copy those that are new, durably; how many. Raises: ChangedKey when one changed."""


@dataclass(frozen=True)
class Pulled:
    """How far the copy has come; how many entries were new, and wrapped keys."""

    checkpoint: Checkpoint
    entries: int
    keys: int


class Rewritten(IntegrityError):
    """The source's history, or its ring, is not a longer one of the same."""


class Replica:
    """The one writer of a replica. `vault` holds the copy, `own` what belongs to it."""

    def __init__(
        self,
        vault: Keeper,
        own: Keeper,
        log_key: VerifierKey,
        witness: Signer,
        *,
        refresh_seconds: int = REFRESH_SECONDS,
    ) -> None:
        """Go on with a replica, or begin one in an empty place.

        `refresh_seconds`: how old a cosignature may be while nothing is new. Raises:
        IntegrityError when it is not as it was left.
        """
        self._vault, self._own = vault, own
        self._key, self._witness = log_key, witness
        self._refresh_seconds = refresh_seconds
        if own.names(EVIDENCE):
            raise OperatorError(
                "A rewritten history was seen here. Nothing is pulled until a person has looked.",
                where=f"{EVIDENCE}/{own.names(EVIDENCE)[-1]}",
                remedy="Compare it with the source; move it elsewhere, and keep it.",
            )
        last = _read_last(own, log_key, witness.verifier)
        vault.create({KEY_FILE: f"{log_key}\n".encode()})
        self._log = LogFiles(vault, log_key, may_be_new=last is None)
        if last is not None and self._log.checkpoint.size < last.size:
            raise IntegrityError(
                f"The copy ends at {self._log.checkpoint.size}; it had {last.size} entries.",
                where=CHECKPOINT,
                remedy="Somebody put an older one in its place. Bring back the newest.",
            )
        self._last = find_last(vault, self._log.checkpoint.size)
        drop_unnamed(vault, self._last)
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
        checkpoint = read_checkpoint(note, self._key)
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
        reader = VaultReader(source, checkpoint.size)
        hashes = self._hash(reader, note, checkpoint)
        # 5. Copy.
        for first, expected in hashes:
            self._copy(source, reader, first, expected, checkpoint.size)
            progress(self._log.frontier.size)
        # 6. Countersign.
        self._conclude(note, now)
        self._broom.sweep(before.size, checkpoint.size)
        return Pulled(checkpoint, checkpoint.size - before.size, pulled)

    def countersigned(self) -> Note:
        """The checkpoint that was countersigned last. Raises: IntegrityError when there is none."""
        return read_note(self._vault.read(CHECKPOINT, bytes_most=NOTE_BYTES_MOST))

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

    def _hash(
        self, reader: VaultReader, note: Note, checkpoint: Checkpoint
    ) -> list[tuple[int, bytes]]:
        """Where each part begins, and a hash over its leaves, once the root was compared."""
        frontier = self._log.frontier
        found = []
        for first in _parts(frontier.size, checkpoint.size):
            leaves = _read_leaves(reader, first, checkpoint.size)
            frontier, _ = frontier.grow([hash_leaf(leaf) for leaf in leaves])
            found.append((first, hashlib.sha256(b"".join(leaves)).digest()))
        if frontier.root() != checkpoint.root:
            self._accuse(note, self._new_leaves(reader), "The entries do not have the signed root")
        return found

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
        for run in _runs(leaves):
            append_bodies(self._vault, _read_bodies(source, run))
        write_pending(self._vault, first, packed)
        self._log.write(packed)
        self._last = before

    def _conclude(self, note: Note, now: datetime) -> None:
        own = Note(note.text, tuple(one for one in note.signatures if _is_by(one, self._key)))
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


def _is_by(signature: Signature, key: VerifierKey) -> bool:
    return (signature.name, signature.key_id) == (key.name, key.key_id)


def _read_last(own: Reader, log_key: VerifierKey, witness: VerifierKey) -> Checkpoint | None:
    if own.size(LAST) is None:
        return None
    note = read_note(own.read(LAST, bytes_most=NOTE_BYTES_MOST))
    check(note, witness)
    return read_checkpoint(note, log_key)


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
