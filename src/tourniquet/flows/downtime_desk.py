"""The downtime desk: unlocked by two named people, read by many, every opening written down first.

To unlock:
1. Two people whom the desk names as holders each type the words of their share.
2. The root key is put together in memory; the key ring must open with it. The words are forgotten.
3. The index is loaded and goes on; the book is opened, and says who unlocked the desk.
To open a record:
4. Write down who, whose, when and why, flushed.
5. Make the history anew in memory (pathology.desk_history).

Invariants:
- The root key, the words and every patient's data are in memory alone.
- Where the book cannot be written or opened, care is not refused: the desk is unlocked, the record
  is shown, every page says so, and the fault goes to the log of the machine. Who unlocked the desk
  and opened records waits in memory, and is written first once the book takes lines again.
- Nothing is keyed or given out by a book that cannot be read: it never counts as empty.
- Nothing here touches the main database, nor needs a network.
"""

from __future__ import annotations

import json
import logging
import os
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

from tourniquet.directory.desk_roles import DeskUser
from tourniquet.flows.desk_accounts import DeskAccounts
from tourniquet.flows.desk_id import BOOK_FILE, begin_id
from tourniquet.kernel.errors import TourniquetError, UserError
from tourniquet.pathology.desk_history import Histories, HistorySource, Opened
from tourniquet.pathology.desk_lines import (
    AnyLine,
    DeskUnlocked,
    RecordOpened,
    decode_line,
    encode_line,
)
from tourniquet.pathology.desk_reading import NO_END, DeskReading, Standing, make_folder
from tourniquet.record.bodies import derive
from tourniquet.record.book import Book
from tourniquet.record.disk import Disk, LocalFiles
from tourniquet.record.keys import exercise_of
from tourniquet.record.notes import VerifierKey
from tourniquet.record.open_book import OpenBook
from tourniquet.record.recovery import combine, plain_words

ACCESS_FILE = "access.jsonl"
PEOPLE_LEAST = 2
WORDS_HELD_SECONDS = 15 * 60.0
_BOOK_KEY = b"tourniquet desk book v1\x00"
EXPORT_KEY = b"tourniquet desk export v1\x00"
_log = logging.getLogger("tourniquet.desk")


@dataclass(frozen=True)
class DeskPlaces:
    """Where a desk finds what it reads, and keeps what is its own."""

    vault: Path
    ring: Path
    folder: Path


@dataclass(frozen=True)
class _Share:
    holder: str
    words: str
    until: float


class Reading(HistorySource, Protocol):
    """What a desk reads: a vault that grows, or a bundle that was carried away."""

    @property
    def standing(self) -> Standing:
        """How far it has been read."""

    @property
    def carried(self) -> bool:
        """It was carried away from a desk, and does not grow."""

    @property
    def keyed_left_out(self) -> int:
        """How many results of these people had been keyed at that desk, and did not come along."""

    def follow(self, *, most_seconds: float = NO_END) -> None:
        """Read what came since, for so long at most. Raises: IntegrityError, StorageUnavailable."""


class Unlocked:
    """What an unlocked desk has: something to read, and a book to write in."""

    def __init__(
        self, folder: Path, reading: Reading, *, book_key: bytes, export_key: bytes
    ) -> None:
        """Open the book; one that does not open or takes no lines keeps nobody out."""
        self.reading = reading
        self.histories = Histories(reading)
        self.book_key, self.export_key = book_key, export_key
        self.book = OpenBook(lambda: Book(Disk(LocalFiles(folder)), BOOK_FILE, book_key))

    def write(self, line: AnyLine) -> int:
        """Write a line into the book, flushed; its number.

        Raises: StorageUnavailable, IntegrityError; what they say tells whether the line was kept.
        """
        return self.book.add(encode_line(line))

    def note(self, line: AnyLine) -> bool:
        """Write down what somebody did; False where it waits in memory for now."""
        return self.book.note(encode_line(line))

    def lines(self) -> list[AnyLine]:
        """Every line of the book, in order. Raises: StorageUnavailable when it cannot be read."""
        return [decode_line(line) for line in self.book]


class DowntimeDesk:
    """One desk, locked or not."""

    def __init__(
        self,
        places: DeskPlaces,
        key: VerifierKey,
        *,
        key_pinned: bool,
        now: Callable[[], datetime],
        seconds: Callable[[], float] = time.monotonic,
    ) -> None:
        make_folder(places.folder)
        self.places, self.key, self.key_pinned = places, key, key_pinned
        self.now = now
        self.id = begin_id(places.folder)
        self.accounts = DeskAccounts(places.folder)
        self.exercise = exercise_of(key.name)
        self._seconds = seconds
        self._shares: dict[str, _Share] = {}
        self._lock = threading.Lock()
        self._unlocked: Unlocked | None = None

    @property
    def unlocked(self) -> Unlocked | None:
        """What it has once it is unlocked."""
        return self._unlocked

    def demand(self) -> Unlocked:
        """The unlocked desk. Raises: UserError while it is locked."""
        if self._unlocked is None:
            raise UserError("The desk is locked.", remedy="Two of its named people unlock it.")
        return self._unlocked

    def people_ready(self) -> tuple[str, ...]:
        """Whose words the desk holds while it waits for a second person."""
        with self._lock:
            return tuple(self._fresh_shares())

    def _fresh_shares(self) -> dict[str, _Share]:
        now = self._seconds()
        self._shares = {name: one for name, one in self._shares.items() if one.until > now}
        return self._shares

    def offer_share(self, user: DeskUser, words: str) -> bool:
        """Take one person's words; True once the desk is unlocked.

        Raises: UserError when the person is none of the named ones, or the words are not a share;
        OperatorError when the shares give a key that is not the ring's.
        """
        # 1.
        if not user.holder:
            raise UserError(
                "You are not one of the people who unlock this desk.",
                remedy=f"They are: {', '.join(self.accounts.holders()) or 'nobody yet'}.",
            )
        plain = plain_words(words)
        with self._lock:
            shares = self._fresh_shares()
            if any(one.words == plain and one.holder != user.name for one in shares.values()):
                raise UserError("Somebody else has typed this share already.")
            shares[user.name] = _Share(user.name, plain, self._seconds() + WORDS_HELD_SECONDS)
            people = tuple(sorted(shares))
            self.note_access("share offered", user.name)
            if len(people) < PEOPLE_LEAST:
                return False
            # 2.
            given = [shares[name].words for name in people]
            try:
                self._unlock(combine(given), people)
            except TourniquetError:
                self.note_access("unlocking failed", ", ".join(people))
                raise
            finally:
                self._shares = {}
            return True

    def unlock_with_root(self, root: bytes, people: Sequence[str]) -> None:
        """Unlock with the root key itself: for exercises, drills and the laptop's bundle."""
        with self._lock:
            self._unlock(root, tuple(people))

    def _unlock(self, root: bytes, people: tuple[str, ...]) -> None:
        if self._unlocked is not None:
            return
        # 3.
        places = self.places
        reading = DeskReading(places.vault, places.ring, places.folder, key=self.key, root=root)
        book_key, export_key = derive(root, _BOOK_KEY), derive(root, EXPORT_KEY)
        self._open(reading, people, book_key=book_key, export_key=export_key)

    def unlock_with(
        self, reading: Reading, people: Sequence[str], *, book_key: bytes, export_key: bytes
    ) -> None:
        """Unlock with what a bundle brought: no vault, no ring, no root key."""
        with self._lock:
            self._open(reading, tuple(people), book_key=book_key, export_key=export_key)

    def _open(
        self, reading: Reading, people: tuple[str, ...], *, book_key: bytes, export_key: bytes
    ) -> None:
        opened = Unlocked(self.places.folder, reading, book_key=book_key, export_key=export_key)
        as_of = opened.reading.standing.as_of
        opened.note(
            DeskUnlocked(at=self.now(), who=", ".join(people), people=people, data_as_of=as_of)
        )
        self.note_access("unlocked", ", ".join(people))
        self._unlocked = opened

    def follow(self, *, most_seconds: float = NO_END) -> None:
        """Read what the vault has beyond what is known; a fault is kept and shown, not raised.

        Nor one that nobody foresaw: this is the worker's loop, and the next look may succeed. The
        log says its kind, not its text, which may hold what an entry says.
        """
        opened = self._unlocked
        if opened is None:
            return
        try:
            opened.reading.follow(most_seconds=most_seconds)
        except TourniquetError as error:
            _log.error("desk.follow failed: %s", error)
        except Exception as error:  # noqa: BLE001 (the worker's loop: it is logged, shown, and goes on)
            _log.error("desk.follow failed: %s", type(error).__name__)

    # Reading --------------------------------------------------------------------------------------

    def note_opening(
        self, user: DeskUser, patient_id: str, *, why: str, what: str = "record"
    ) -> bool:
        """Write down that a record is opened; False where the book could not be written."""
        # 4.
        line = RecordOpened(at=self.now(), who=user.account, patient=patient_id, why=why, what=what)
        return self.demand().note(line)

    def open_history(self, patient_id: str) -> Opened:
        """Put a patient's history into this thread's scratch database. Raises: IntegrityError."""
        # 5.
        return self.demand().histories.open(patient_id)

    def note_access(self, what: str, account: str) -> None:
        """Write down who came in and who unlocked, before there is a key to write with.

        Names of accounts alone. A disk that is full does not keep anybody out; the log says so.
        """
        line = json.dumps({"at": self.now().isoformat(), "what": what, "account": account})
        try:
            path = self.places.folder / ACCESS_FILE
            number = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
            try:
                os.write(number, f"{line}\n".encode())
                os.fsync(number)
            finally:
                os.close(number)
        except OSError as error:
            _log.error("desk.access failed: %s", error.strerror)
