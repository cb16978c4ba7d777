"""Some patients' histories in one encrypted file, for a laptop without a network.

1. Choose people; note in the book that each record was taken away, by whom and why.
2. Take their entries, opened, with what every page needs (organisations, how old the data is).
3. Encrypt for age recipients, or under a passphrase. Nothing is written but that.
To open it, on the laptop:
4. Decrypt in memory, index, and serve as the desk serves.

Invariants:
- The file holds the chosen people's entries and nobody else's, and neither the root key nor any key
  of the ring. It carries keys of its own for the laptop's book and for its export.
- What the desk warned of when it was made (not read to the end, keys that had not come, a fault,
  a key that nobody pinned) goes along and is said on every page of the laptop (HAZ-032).
- Opening needs the recipient's identity or the passphrase, and no network.

Source: age-encryption.org/v1, by pyrage.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec
import pyrage
import zstandard

from tourniquet.directory.desk_roles import DeskUser
from tourniquet.flows.downtime_desk import DowntimeDesk
from tourniquet.kernel.errors import IntegrityError, UserError
from tourniquet.pathology.desk_history import ENTRIES_MOST
from tourniquet.pathology.desk_index import Index, fact_of
from tourniquet.pathology.desk_lines import ResultKeyed
from tourniquet.pathology.desk_reading import COMMON, NO_END, Standing
from tourniquet.record.bodies import KEY_BYTES
from tourniquet.record.notes import Checkpoint
from tourniquet.record.registry import Entry, Kind, encode, get_kind

PEOPLE_MOST = 5000
BUNDLE_BYTES_MOST = 1024 * 1024 * 1024
PASSPHRASE_CHARACTERS_LEAST = 16


class BundleEntry(msgspec.Struct, frozen=True, array_like=True):
    """One entry, opened."""

    position: int
    kind: str
    version: int
    recorded_at: datetime
    happened_at: datetime
    actor: str
    organisation: str
    cause: int | None
    subject: str | None
    body: bytes


class Bundle(msgspec.Struct, frozen=True):
    """What a bundle holds. `key` is the record's verifier key line.

    `position` is the checkpoint's size, `read` how much of that the desk had read (None: all).
    """

    key: str
    position: int
    root: bytes
    as_of: datetime | None
    made_at: datetime
    made_by: str
    book_key: bytes
    export_key: bytes
    entries: list[BundleEntry]
    # How the desk stood then. A bundle of an older release does not say whether the key was pinned.
    read: int | None = None
    missing: int = 0
    fault: str = ""
    notice: str = ""
    key_pinned: bool = False
    keyed_left_out: int = 0


@dataclass(frozen=True)
class Sealing:
    """For whom a bundle is: age recipients, or a passphrase."""

    recipients: tuple[str, ...] = ()
    passphrase: str = ""


def make_bundle(
    desk: DowntimeDesk, user: DeskUser, people: Sequence[str], sealing: Sealing, *, why: str
) -> bytes:
    """The bundle of these people, encrypted.

    Raises: UserError when there are too many, or the recipient is none; StorageUnavailable when the
    book does not take that they were taken away: then nothing leaves.
    """
    if not 0 < len(people) <= PEOPLE_MOST:
        raise UserError(f"A bundle holds from 1 to {PEOPLE_MOST} people.", where="--patients")
    reading = desk.demand().reading
    positions = list(reading.index.common(sorted(COMMON)))
    for patient in people:
        # 1.
        if not desk.note_opening(user, patient, why=why, what="bundle for a laptop"):
            raise UserError("The book does not take it, so nothing was taken away.")
        # 2.
        positions += reading.index.positions(patient, most=ENTRIES_MOST)
    entries, missing = reading.read_entries(sorted(set(positions)))
    if missing:
        raise UserError(f"{missing} entries do not open yet.", remedy="Bring the newest key ring.")
    standing = reading.standing
    bundle = Bundle(
        key=str(desk.key),
        position=standing.checkpoint.size,
        root=standing.checkpoint.root,
        as_of=standing.as_of,
        made_at=desk.now(),
        made_by=user.account,
        book_key=os.urandom(KEY_BYTES),
        export_key=desk.demand().export_key,
        entries=[_bundled(kind, entry) for kind, entry in entries],
        read=standing.position,
        missing=standing.missing,
        fault=standing.fault,
        notice=standing.notice,
        key_pinned=desk.key_pinned,
        keyed_left_out=_count_keyed(desk, set(people)),
    )
    # 3.
    return _encrypt(zstandard.compress(msgspec.msgpack.encode(bundle)), sealing)


def _count_keyed(desk: DowntimeDesk, people: set[str]) -> int:
    index = desk.demand().reading.index
    lines = desk.demand().lines()
    replaced = {line.corrects for line in lines if isinstance(line, ResultKeyed)}
    found = [
        index.find(line.patient)
        for at, line in enumerate(lines, 1)
        if isinstance(line, ResultKeyed) and line.patient and at not in replaced
    ]
    return sum(one is not None and one.id in people for one in found)


def _bundled(kind: Kind, entry: Entry[Any]) -> BundleEntry:
    return BundleEntry(
        entry.position,
        kind.name,
        kind.version,
        entry.recorded_at,
        entry.happened_at,
        entry.actor,
        entry.organisation,
        entry.cause,
        entry.subject,
        encode(entry.body),
    )


def _encrypt(content: bytes, sealing: Sealing) -> bytes:
    if sealing.recipients:
        try:
            known = [pyrage.x25519.Recipient.from_str(one) for one in sealing.recipients]
        except pyrage.RecipientError:
            raise UserError(
                "This is no age recipient.", where="--for", remedy="It begins with age1."
            ) from None
        return bytes(pyrage.encrypt(content, known))
    if len(sealing.passphrase) < PASSPHRASE_CHARACTERS_LEAST:
        raise UserError(
            f"A passphrase has {PASSPHRASE_CHARACTERS_LEAST} characters or more.", where="--for"
        )
    return bytes(pyrage.passphrase.encrypt(content, sealing.passphrase))


def open_bundle(content: bytes, *, identity: str = "", passphrase: str = "") -> Bundle:
    """The bundle, by an age identity or a passphrase. Raises: UserError, IntegrityError."""
    try:
        if identity:
            opened = pyrage.decrypt(content, [pyrage.x25519.Identity.from_str(identity.strip())])
        else:
            opened = pyrage.passphrase.decrypt(content, passphrase)
        unpacked = zstandard.ZstdDecompressor().decompress(opened, BUNDLE_BYTES_MOST)
        return msgspec.msgpack.decode(unpacked, type=Bundle)
    except (pyrage.DecryptError, pyrage.IdentityError):
        raise UserError(
            "The bundle does not open.", remedy="It is for somebody else, or the words are wrong."
        ) from None
    except (zstandard.ZstdError, msgspec.MsgspecError):
        raise IntegrityError("This is no bundle that this release can read.") from None


class BundleReading:
    """A bundle as a desk reads it: it does not grow."""

    carried = True

    def __init__(self, bundle: Bundle) -> None:
        # 4.
        self.index = Index()
        self._bundle = bundle
        self._entries = {one.position: _opened(one) for one in bundle.entries}
        about = [
            (position, (entry.subject or "").encode(), fact_of(entry))
            for position, (kind, entry) in sorted(self._entries.items())
            if kind.name not in COMMON
        ]
        self.index.add(
            [(position, key) for position, key, _ in about],
            [
                (position, kind.name)
                for position, (kind, _) in self._entries.items()
                if kind.name in COMMON
            ],
            [(key, fact) for _, key, fact in about if fact is not None],
        )

    @property
    def standing(self) -> Standing:
        """As the desk stood when the bundle was made."""
        people, entries = self.index.count()
        bundle = self._bundle
        at = Checkpoint(bundle.key.partition("+")[0], bundle.position, bundle.root)
        read = bundle.position if bundle.read is None else bundle.read
        return Standing(
            at,
            read,
            bundle.as_of,
            bundle.missing,
            people,
            entries,
            bundle.fault,
            bundle.notice,
        )

    @property
    def keyed_left_out(self) -> int:
        """Results of these people that had been keyed at the desk, and are not here."""
        return self._bundle.keyed_left_out

    def follow(self, *, most_seconds: float = NO_END) -> None:
        """Nothing comes."""

    def read_entries(self, positions: Sequence[int]) -> tuple[list[tuple[Kind, Entry[Any]]], int]:
        """These entries in order; none wants a key."""
        return [self._entries[position] for position in positions], 0


def _opened(one: BundleEntry) -> tuple[Kind, Entry[Any]]:
    kind = get_kind(one.kind, one.version)
    entry = Entry(
        position=one.position,
        recorded_at=one.recorded_at,
        happened_at=one.happened_at,
        actor=one.actor,
        organisation=one.organisation,
        cause=one.cause,
        subject=one.subject,
        body=kind.decoder.decode(one.body),
    )
    return kind, entry
