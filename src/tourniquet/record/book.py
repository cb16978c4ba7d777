"""A book: a file that is only added to, encrypted, each line flushed before it counts.

What people do while the main database is away (records opened, results keyed, calls made) is
written here first. To add a line:
1. Write it behind the last one, and flush.
2. Write down, in a small file beside the book, where the book ends now, and flush.

A line is kept as `length (4) ‖ salt (16) ‖ AES-256-GCM ciphertext`, numbers big-endian, under a
key of its own: HKDF-Expand(book key, label ‖ number (8) ‖ salt). What is associated with it is the
hash of the book before it.

Invariants:
- `add` returns once the line outlives a power cut; only then does what it says count.
- What lies behind the end that was written down was never acknowledged: a whole line there is
  kept, the torn rest of one is dropped, and nothing else ever is.
- Such a line may lie in the cache alone, after a flush that failed and that the next one does not
  tell. So a book that is opened with one is written anew, into a new file, before it goes on.
- A book on a disk that cannot be written opens for reading; `failed` says so.
- A line that was changed, moved or taken out, and an end that was cut off, are IntegrityErrors
  when the book is opened. That book and end were both put back to an older state cannot be seen.
- Two processes never write one book: whoever opens it holds the folder (`record.keys.only_one`).
"""

from __future__ import annotations

import hashlib
import hmac
import os
import threading
from collections.abc import Iterator
from contextlib import suppress

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from tourniquet.kernel.errors import IntegrityError, StorageUnavailable, UserError
from tourniquet.record.bodies import derive
from tourniquet.record.disk import Disk

LINE_BYTES_MOST = 1024 * 1024
BOOK_BYTES_MOST = 256 * 1024 * 1024
_LABEL = b"tourniquet book line v1\x00"
END = ".end"
_END_LABEL = b"tourniquet book end v1\x00"
_LENGTH_BYTES, _SALT_BYTES, _TAG_BYTES, _END_BYTES, _HASH_BYTES = 4, 16, 16, 8, 32
_NONCE = bytes(12)
_FIRST = bytes(32)


class Book:
    """The one writer of a book, which holds its lines in memory, too."""

    def __init__(self, disk: Disk, path: str, key: bytes) -> None:
        """Open a book, or begin one. Raises: IntegrityError when a line is not as it was written.

        `key` encrypts nothing but this book.
        """
        self._disk, self._path, self._key = disk, path, key
        self._lock = threading.Lock()
        self._lines: list[bytes] = []
        self._last = _FIRST
        self._hashes = {_FIRST}
        self._end = 0
        kept = self._read_end()
        content = b""
        if disk.size(path) is not None:
            content = disk.read(path, bytes_most=BOOK_BYTES_MOST)
            self._read(content)
        if (self._end < kept[0]) or (kept[0] and kept[1] not in self._hashes):
            raise IntegrityError(
                f"The book ends after line {len(self._lines)}; it had more, or others.",
                where=path,
                remedy="Keep both files as evidence; bring the book back from its copy.",
            )
        with suppress(StorageUnavailable):  # `failed` says it, and so does `add`
            self._settle(content, kept[0])

    def _settle(self, content: bytes, kept_end: int) -> None:
        """Make what was read the file that is written on."""
        disk, path = self._disk, self._path
        if self._end:
            if self._end != kept_end:
                disk.replace(path, content[: self._end])
            disk.go_on(path, at=self._end)
            self._keep_end()
        elif disk.size(path) is not None:
            disk.discard(path)

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._lines[:])

    def __len__(self) -> int:
        return len(self._lines)

    @property
    def failed(self) -> bool:
        """A write failed: nothing more is written before the book is opened again."""
        return bool(self.failure)

    @property
    def failure(self) -> str:
        """Why nothing is written any more; empty while all is well."""
        return self._disk.failure

    def add(self, line: bytes) -> int:
        """Write a line, flushed; its number, from 1.

        Raises: StorageUnavailable: open the book again to see whether it was kept.
        """
        if len(line) > LINE_BYTES_MOST:
            raise UserError("This is too long to be kept.", where="book", remedy="Shorten it.")
        with self._lock:
            if self._end + len(line) > BOOK_BYTES_MOST - LINE_BYTES_MOST:
                raise StorageUnavailable(
                    "The book is full.", where=self._path, remedy="Export it, and begin another."
                )
            salt = os.urandom(_SALT_BYTES)
            sealed = AESGCM(self._line_key(salt)).encrypt(_NONCE, line, self._last)
            frame = len(sealed).to_bytes(_LENGTH_BYTES, "big") + salt + sealed
            # 1. The line.
            self._disk.append(self._path, frame, at=self._end)
            self._disk.flush(self._path)
            self._take(line, frame)
            # 2. The end.
            self._keep_end()
            return len(self._lines)

    def _take(self, line: bytes, frame: bytes) -> None:
        self._lines.append(line)
        self._last = hashlib.sha256(self._last + frame).digest()
        self._hashes.add(self._last)
        self._end += len(frame)

    def _keep_end(self) -> None:
        content = self._end.to_bytes(_END_BYTES, "big") + self._last
        check = hmac.digest(derive(self._key, _END_LABEL), content, "sha256")
        self._disk.replace(self._path + END, content + check)

    def _read_end(self) -> tuple[int, bytes]:
        """Where the book ended when it was last written, and its hash; 0 for a new one."""
        if self._disk.size(self._path + END) is None:
            return 0, _FIRST
        whole = self._disk.read(self._path + END, bytes_most=LINE_BYTES_MOST)
        content, check = whole[:-_HASH_BYTES], whole[-_HASH_BYTES:]
        wanted = hmac.digest(derive(self._key, _END_LABEL), content, "sha256")
        if not hmac.compare_digest(check, wanted):
            raise IntegrityError(
                "The book does not open with this key, or its end was changed.",
                where=self._path + END,
                remedy="Open it with the key it was made with.",
            )
        return int.from_bytes(content[:_END_BYTES], "big"), content[_END_BYTES:]

    def _line_key(self, salt: bytes) -> bytes:
        number = len(self._lines) + 1
        return derive(self._key, _LABEL + number.to_bytes(8, "big") + salt)

    def _read(self, content: bytes) -> None:
        while self._end < len(content):
            head = self._end + _LENGTH_BYTES + _SALT_BYTES
            length = int.from_bytes(content[self._end : self._end + _LENGTH_BYTES], "big")
            frame = content[self._end : head + length]
            is_whole = len(frame) == head + length - self._end and length >= _TAG_BYTES
            line = self._open(frame) if is_whole else None
            if line is None:
                return  # whether that may be is decided by the end that was written down
            self._take(line, frame)

    def _open(self, frame: bytes) -> bytes | None:
        salt = frame[_LENGTH_BYTES : _LENGTH_BYTES + _SALT_BYTES]
        sealed = frame[_LENGTH_BYTES + _SALT_BYTES :]
        try:
            return AESGCM(self._line_key(salt)).decrypt(_NONCE, sealed, self._last)
        except InvalidTag:
            return None
