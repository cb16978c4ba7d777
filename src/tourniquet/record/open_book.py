"""A book that goes on after its disk failed, and says of each line whether it was kept.

To write a line:
1. After a failure open the book anew (record.book writes what it trusts into a new file first).
2. Write what had to wait, then the line.
3. Where that failed, open the book anew at once, and look whether the line is in it.

Invariants:
- A number is returned only for a line that outlives a power cut. Else the error says that the line
  was not kept, or that this is not known.
- Whoever read the lines before a book was opened anew, and found to hold more, is refused: what
  they decided by those lines may be wrong (a number would be given out twice).
- Lines that only say what somebody did (`note`) wait in memory, and go first when the book can be
  written again: nobody is kept from a record because a disk is full.
- A book that cannot be opened can be neither read nor written, and never counts as empty.
"""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress

from tourniquet.kernel.errors import IntegrityError, StorageUnavailable
from tourniquet.record.book import Book

WAITING_MOST = 10_000  # lines in memory
_NOT_KEPT = "Nothing was kept of this."
_DO_AGAIN = "Look at the disk, then do it again; until then write it on paper."
_UNKNOWN = "It is not known whether this was kept."
_LOOK_FIRST = (
    "Write it on paper. When the disk is mended, look whether it is there before you do it again."
)
_log = logging.getLogger("tourniquet.desk")


class _Grown(StorageUnavailable):
    """The book was opened anew, and holds more than was known."""


class OpenBook:
    """The one writer of a book, whatever its disk does."""

    def __init__(self, open_: Callable[[], Book]) -> None:
        """`open_` opens the book on a new `Disk`. One that does not open is tried at each write."""
        self._open = open_
        self._lock = threading.Lock()
        self._waiting: list[bytes] = []
        self._book: Book | None = None
        self._fault = self._refused = ""
        try:
            self._book = open_()
        except (StorageUnavailable, IntegrityError) as error:
            self._fault = str(error)
            _log.error("desk.book failed: %s", error)

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._readable())

    def __len__(self) -> int:
        return len(self._readable())

    @property
    def is_readable(self) -> bool:
        """Its lines are known."""
        return self._book is not None

    @property
    def fault(self) -> str:
        """Why nothing can be written, or the last line was not; empty while all is well."""
        if self._book is None:
            return self._fault
        return self._book.failure or self._refused

    @property
    def waiting(self) -> int:
        """How many lines wait in memory."""
        return len(self._waiting)

    def add(self, line: bytes) -> int:
        """Write a line, flushed; its number, from 1.

        Raises: StorageUnavailable, IntegrityError; what they say tells whether the line was kept.
        """
        with self._lock:
            return self._add(line)

    def note(self, line: bytes) -> bool:
        """Write a line that says what somebody did; False where it waits in memory for now."""
        with self._lock:
            try:
                with suppress(_Grown):  # it decided nothing by the lines that it knew
                    self._add(line)
                    return True
                self._add(line)
            except (StorageUnavailable, IntegrityError) as error:
                _log.error("desk.book failed: %s", error)
                if len(self._waiting) < WAITING_MOST:
                    self._waiting.append(line)
                return False
            return True

    def _readable(self) -> list[bytes]:
        if self._book is None:
            raise StorageUnavailable(
                f"The book cannot be read: {self._fault}",
                remedy="Nothing is keyed or given out here now: use paper, and note it there.",
            )
        return list(self._book)

    def _add(self, line: bytes) -> int:
        # 1.
        book = self._mended()
        # 2.
        while self._waiting:
            self._write(book, self._waiting[0])
            del self._waiting[0]
            book = self._mended()
        return self._write(book, line)

    def _mended(self) -> Book:
        if self._book is not None and not self._book.failed:
            return self._book
        before = len(self._book) if self._book is not None else -1
        try:
            opened = self._open()
        except (StorageUnavailable, IntegrityError) as error:
            self._fault = str(error)
            raise type(error)(
                f"The book cannot be opened: {self._fault} {_NOT_KEPT}", remedy=_DO_AGAIN
            ) from error
        if opened.failed:
            raise StorageUnavailable(
                f"The book cannot be written: {opened.failure}. {_NOT_KEPT}", remedy=_DO_AGAIN
            )
        self._book, self._fault = opened, ""
        if self._take_news(list(opened)[max(before, 0) :]) or before < 0:
            raise _Grown(
                f"The book holds what was not known to be kept. {_NOT_KEPT}",
                remedy="Load the page again, look what is there, and do this again if need be.",
            )
        return opened

    def _take_news(self, lines: list[bytes]) -> bool:
        """Whether there is more among new lines than what waited; that waits no longer."""
        new = Counter(lines)
        for line in self._waiting[:]:
            if new[line]:
                new[line] -= 1
                self._waiting.remove(line)
        return any(new.values())

    def _write(self, book: Book, line: bytes) -> int:
        before = len(book)
        try:
            number = book.add(line)
        except StorageUnavailable as error:
            self._refused = book.failure or error.what
            if not book.failed:
                raise  # the book is full
            # 3.
            number = self._look_again(line, before, error)
        self._refused = ""
        return number

    def _look_again(self, line: bytes, before: int, error: StorageUnavailable) -> int:
        try:
            opened = self._open()
        except (StorageUnavailable, IntegrityError) as again:
            raise StorageUnavailable(f"{error.what} {_UNKNOWN}", remedy=_LOOK_FIRST) from again
        is_there = list(opened)[before:] == [line]
        if opened.failed and is_there:
            raise StorageUnavailable(f"{error.what} {_UNKNOWN}", remedy=_LOOK_FIRST) from error
        if not opened.failed:
            self._book = opened
            if is_there:
                _log.error("desk.book was written anew after a failure: %s", error)
                return len(opened)
        raise StorageUnavailable(f"{error.what} {_NOT_KEPT}", remedy=_DO_AGAIN) from error
