"""The files of the record: the one way in which they are read and written.

Everything that must outlive a power cut goes through `Disk`, and `Disk` through the few calls of
`Files`; so tests run the same code on files that lose, tear and reorder what was not flushed.

1. A new file is written under a name of its own, flushed, linked to its name, and its folder is
   flushed: it is there whole, or not at all. It is never overwritten; the same content again is no
   change.
2. A file that is replaced is written beside, flushed, renamed over the old one, its folder flushed.
3. What is appended counts only once `flush` has returned.

Invariants:
- After a write or a flush failed, nothing is written any more, and nothing is tried again: what a
  failed flush left behind is not known (the kernel may have dropped it and report success next
  time). Reading goes on. Only a new `Disk`, after somebody looked, writes again.
- A path is a name below the root; none leads out of it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from stat import S_ISREG
from typing import Protocol, TypeVar

from tourniquet.kernel.errors import IntegrityError, StorageUnavailable

PART_ENDING = ".part"
FILES_AT_ONCE = 64  # open at the same time
PATH_CHARACTERS_MOST = 1024
NAME_CHARACTERS_MOST = 255 - len(PART_ENDING)  # file systems take 255
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*", re.ASCII)
_FILE_MODE = 0o600
_FOLDER_MODE = 0o700

T = TypeVar("T")


class Files(Protocol):
    """The calls on files that a `Disk` needs. Paths are relative, with `/`. All raise OSError."""

    def write_at(self, path: str, at: int, content: bytes) -> None:
        """Write all of it at this offset; the file is made where there is none."""

    def read_at(self, path: str, at: int, length: int) -> bytes:
        """So many bytes from this offset on, fewer at the end of the file."""

    def size(self, path: str) -> int | None:
        """How long the file is; None where there is none."""

    def names(self, folder: str) -> list[str]:
        """What lies in the folder, sorted; nothing where there is none."""

    def flush(self, path: str) -> None:
        """Return once the file's content outlives a power cut."""

    def flush_folder(self, folder: str) -> None:
        """Return once the names in the folder outlive a power cut."""

    def make_folder(self, folder: str) -> None:
        """Make it in a folder that is there; nothing happens where it is there itself."""

    def link(self, path: str, target: str) -> None:
        """Give the file a second name. Raises: FileExistsError."""

    def rename(self, path: str, target: str) -> None:
        """Give the file another name, in place of what had it."""

    def remove(self, path: str) -> None:
        """Take the name away; nothing happens where there is none."""


class Reader(Protocol):
    """Files below one root that are only read: a folder, a bucket, a server."""

    def read(self, path: str, *, bytes_most: int) -> bytes:
        """A whole file. Raises: IntegrityError when there is none or it is longer than allowed."""

    def read_part(self, path: str, at: int, length: int) -> bytes:
        """So many bytes from this offset on. Raises: IntegrityError when there are fewer."""

    def size(self, path: str) -> int | None:
        """How long a file is; None where there is none."""

    def names(self, folder: str) -> list[str]:
        """What lies in a folder, sorted, without what an interrupted write left there."""


class Keeper(Reader, Protocol):
    """Files below one root that are also written: a folder by `Disk`, a bucket by `BucketDisk`."""

    @property
    def failure(self) -> str:
        """Why nothing is written any more; empty while all is well."""

    def create(self, files: Mapping[str, bytes]) -> None:
        """Make files that are never changed. Raises: IntegrityError when another has a name."""

    def replace(self, path: str, content: bytes) -> None:
        """Put a file in place of the one with that name, whole."""

    def append(self, path: str, content: bytes, *, at: int) -> None:
        """Write on at the end, which is `at`. Raises: IntegrityError."""

    def go_on(self, path: str, *, at: int) -> None:
        """Let a file that another process began be appended to, cut to `at` bytes."""

    def discard(self, path: str) -> None:
        """Take a file away that nothing names."""

    def drop(self, *paths: str) -> None:
        """Take files away that nobody needs; they may come back, as they were."""

    def flush(self, path: str) -> None:
        """Return once what was appended outlives a power cut."""

    def keep(self, path: str) -> None:
        """Make a file that is there outlive a power cut, whoever wrote it."""


class Disk:
    """Files below one root that outlive a power cut once a call has returned."""

    def __init__(self, files: Files) -> None:
        self._files = files
        self._failed = ""
        self._kept: set[str] = set()  # names that this disk has made outlive a power cut

    @property
    def failure(self) -> str:
        """Why nothing is written any more; empty while all is well."""
        return self._failed

    def read(self, path: str, *, bytes_most: int) -> bytes:
        """A whole file. Raises: IntegrityError when there is none or it is longer than allowed."""
        size = self.size(path)
        if size is None:
            raise IntegrityError("The file is missing.", where=path)
        if size > bytes_most:
            raise IntegrityError(f"The file has {size} bytes, more than {bytes_most}.", where=path)
        return self._reading(path, lambda: self._files.read_at(path, 0, size))

    def read_part(self, path: str, at: int, length: int) -> bytes:
        """So many bytes from this offset on. Raises: IntegrityError when there are fewer."""
        found = self._reading(path, lambda: self._files.read_at(_checked(path), at, length))
        if len(found) != length:
            raise IntegrityError(
                f"The file ends after {at + len(found)} bytes; {at + length} were expected.",
                where=path,
            )
        return found

    def size(self, path: str) -> int | None:
        """How long a file is; None where there is none."""
        return self._reading(path, lambda: self._files.size(_checked(path)))

    def names(self, folder: str) -> list[str]:
        """What lies in a folder, sorted, without what an interrupted write left there."""
        found = self._reading(folder, lambda: self._files.names(folder and _checked(folder)))
        return [name for name in found if not name.endswith(PART_ENDING)]

    def create(self, files: Mapping[str, bytes]) -> None:
        """Make files, by their paths, that are never changed.

        Until it returns any of them may be there, each whole. Raises: IntegrityError when another
        has the name of one; nothing is written then.
        """
        for path in files:
            _checked(path)
        self._writing(next(iter(files), ""), lambda: self._create(files))

    def replace(self, path: str, content: bytes) -> None:
        """Put a file in place of the one with that name, whole."""
        self._writing(path, lambda: self._replace(_checked(path), content))

    def append(self, path: str, content: bytes, *, at: int) -> None:
        """Write on at the end, which is `at`, of a file that this disk has begun.

        Raises: IntegrityError. One that another process began may end in what a flush of its lost.
        """
        self._writing(path, lambda: self._append(_checked(path), content, at))

    def go_on(self, path: str, *, at: int) -> None:
        """Let a file that another process began be appended to, cut to `at` bytes.

        The caller knows that these bytes were flushed; what lies behind them is dropped. Raises:
        IntegrityError when there are fewer.
        """
        self._writing(path, lambda: self._go_on(_checked(path), at))

    def discard(self, path: str) -> None:
        """Take a file away that nothing names. Nothing happens where there is none."""
        self._writing(path, lambda: self._discard(_checked(path)))

    def drop(self, *paths: str) -> None:
        """Take files away that nobody needs. A power cut may bring them back, as they were."""
        for path in paths:
            _checked(path)
        self._writing(next(iter(paths), ""), lambda: self._drop(paths))

    def flush(self, path: str) -> None:
        """Return once what was appended outlives a power cut. Raises: IntegrityError."""
        self._writing(path, lambda: self._flush(_checked(path)))

    def keep(self, path: str) -> None:
        """Make a file that is there outlive a power cut, whoever wrote it. Raises: IntegrityError.

        A process that was killed may have put it in place and not flushed its folder.
        """
        self._writing(path, lambda: self._keep(_checked(path)))

    def _create(self, files: Mapping[str, bytes]) -> None:
        there = {path for path, content in files.items() if self._is_there(path, content)}
        new = [path for path in files if path not in there]
        for path in files:
            self._keep_folders(path)
        for at in range(0, len(new), FILES_AT_ONCE):
            some = new[at : at + FILES_AT_ONCE]
            parts = [self._write_part(path, files[path]) for path in some]
            for part in parts:  # one after the other they would be so many commits of the disk's
                self._files.flush(part)
            for path, part in zip(some, parts, strict=True):
                self._files.link(part, path)
                self._files.remove(part)
        for folder in sorted({_folder_of(path) for path in files}):
            self._files.flush_folder(folder)

    def _is_there(self, path: str, content: bytes) -> bool:
        size = self._files.size(path)
        if size is None:
            return False
        if size != len(content) or self._files.read_at(path, 0, size) != content:
            raise IntegrityError(
                "Another file has this name already; nothing was changed.",
                where=path,
                remedy="Keep both, and see what wrote it.",
            )
        return True

    def _replace(self, path: str, content: bytes) -> None:
        self._keep_folders(path)
        self._files.rename(self._write_beside(path, content), path)
        self._files.flush_folder(_folder_of(path))

    def _write_beside(self, path: str, content: bytes) -> str:
        part = self._write_part(path, content)
        self._files.flush(part)
        return part

    def _write_part(self, path: str, content: bytes) -> str:
        part = path + PART_ENDING
        self._files.remove(part)  # an interrupted write's; it was never under the file's own name
        self._files.write_at(part, 0, content)
        return part

    def _append(self, path: str, content: bytes, at: int) -> None:
        size = self._files.size(path)
        if (size or 0) != at:
            raise IntegrityError(
                f"The file has {size or 0} bytes; it was to go on at {at}. Nothing was written.",
                where=path,
            )
        if size is not None and path not in self._kept:
            raise IntegrityError(
                "The file was begun by another process. Nothing was written.",
                where=path,
                remedy="Go on in a new file.",
            )
        self._keep_folders(path)
        self._files.write_at(path, at, content)
        if size is None:
            self._files.flush_folder(_folder_of(path))
            self._kept.add(path)

    def _go_on(self, path: str, at: int) -> None:
        size = self._files.size(path) or 0
        if size < at:
            raise IntegrityError(f"The file has {size} bytes, fewer than {at}.", where=path)
        if size > at:
            self._replace(path, self._files.read_at(path, 0, at))
        else:
            self._keep(path)
        self._kept.add(path)

    def _discard(self, path: str) -> None:
        if self._files.size(path) is not None:
            self._files.remove(path)
            self._files.flush_folder(_folder_of(path))
        self._kept.discard(path)

    def _drop(self, paths: Sequence[str]) -> None:
        for path in paths:
            self._files.remove(path)
            self._kept.discard(path)

    def _flush(self, path: str) -> None:
        if self._files.size(path) is None:
            raise IntegrityError("The file is missing.", where=path)
        self._files.flush(path)

    def _keep(self, path: str) -> None:
        self._flush(path)
        self._keep_folders(path)
        self._files.flush_folder(_folder_of(path))

    def _keep_folders(self, path: str) -> None:
        """Make the folders above a file, and their names outlive a power cut."""
        above = ""
        for name in path.split("/")[:-1]:
            folder = f"{above}/{name}" if above else name
            if folder not in self._kept:
                self._files.make_folder(folder)
                self._files.flush_folder(above)  # also one that an earlier process did not flush
                self._kept.add(folder)
            above = folder

    def _writing(self, path: str, work: Callable[[], None]) -> None:
        if self._failed:
            raise StorageUnavailable(
                f"Nothing is written since a write failed: {self._failed}.",
                where=path,
                remedy="Look at the disk, then start again.",
            )
        try:
            work()
        except IntegrityError:
            raise
        except OSError as error:
            self._failed = error.strerror or type(error).__name__
            raise StorageUnavailable(
                f"The file could not be written: {self._failed}.",
                where=path,
                remedy="Nothing more is written. Look at the disk, then start again.",
            ) from error
        except BaseException:
            self._failed = "it was interrupted"
            raise

    def _reading(self, path: str, work: Callable[[], T]) -> T:
        try:
            return work()
        except FileNotFoundError as error:
            raise IntegrityError("The file is missing.", where=path) from error
        except OSError as error:
            raise StorageUnavailable(
                f"The file could not be read: {error.strerror or type(error).__name__}.",
                where=path,
                remedy="Look at the disk.",
            ) from error


def _folder_of(path: str) -> str:
    return path.rpartition("/")[0]


@lru_cache(maxsize=4096)  # the same few names are asked for again and again
def _checked(path: str) -> str:
    if len(path) > PATH_CHARACTERS_MOST or not all(
        _NAME.fullmatch(name)
        and len(name) <= NAME_CHARACTERS_MOST
        and not name.endswith(PART_ENDING)
        for name in path.split("/")
    ):
        raise IntegrityError("This is not a name in the record.", where=path[:200])
    return path


class LocalFiles:
    """Files of the operating system, below a folder.

    A file stays open from a write to its flush: the kernel reports what went wrong in between to
    those who had it open.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._open: dict[str, int] = {}

    def write_at(self, path: str, at: int, content: bytes) -> None:
        """See `Files`."""
        number = self._open.get(path)
        if number is None:
            flags = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC
            number = self._open[path] = os.open(self._root / path, flags, _FILE_MODE)
        try:
            done = 0
            while done < len(content):
                done += os.pwrite(number, memoryview(content)[done:], at + done)
        except BaseException:
            self._close(path)
            raise

    def read_at(self, path: str, at: int, length: int) -> bytes:
        """See `Files`."""
        with (self._root / path).open("rb") as file:
            file.seek(at)
            return file.read(length)

    def size(self, path: str) -> int | None:
        """See `Files`."""
        try:
            found = (self._root / path).stat()
        except (FileNotFoundError, NotADirectoryError):
            return None
        return found.st_size if S_ISREG(found.st_mode) else None

    def names(self, folder: str) -> list[str]:
        """See `Files`."""
        try:
            return sorted(path.name for path in (self._root / folder).iterdir())
        except (FileNotFoundError, NotADirectoryError):
            return []

    def flush(self, path: str) -> None:
        """See `Files`."""
        number = self._open.pop(path, None)
        _flush(os.open(self._root / path, os.O_RDWR | os.O_CLOEXEC) if number is None else number)

    def flush_folder(self, folder: str) -> None:
        """See `Files`."""
        _flush(os.open(self._root / folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC))

    def make_folder(self, folder: str) -> None:
        """See `Files`."""
        (self._root / folder).mkdir(mode=_FOLDER_MODE, exist_ok=True)

    def link(self, path: str, target: str) -> None:
        """See `Files`."""
        self._close(path)
        os.link(self._root / path, self._root / target)

    def rename(self, path: str, target: str) -> None:
        """See `Files`."""
        self._close(path)
        self._close(target)
        (self._root / path).replace(self._root / target)

    def remove(self, path: str) -> None:
        """See `Files`."""
        self._close(path)
        (self._root / path).unlink(missing_ok=True)

    def _close(self, path: str) -> None:
        number = self._open.pop(path, None)
        if number is not None:
            os.close(number)


def _flush(number: int) -> None:
    """Flush an open file, and close it whatever came of it."""
    try:
        os.fsync(number)
    finally:
        os.close(number)
