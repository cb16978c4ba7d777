"""Files in memory that lose, tear and reorder what was not flushed, and fail when asked to.

They implement what `tourniquet.record.disk` asks of an operating system, at its worst: after a
power cut of the writes that were not flushed any may be there, whole, in part by sectors, or not at
all, and so for the names in a folder. After a failed flush the writes are gone, though they can
still be read, and the next flush says that all is well. A folder whose flush failed either stays as
it is, or the file system shuts down, as one with a journal does: it can still be read as it was
before, nothing can be written, and once it is mounted again every name that was not flushed is as
it was. (Names that are lost while the next flush says that all is well are not simulated: folders
of file systems without a journal.)
"""

from __future__ import annotations

import errno
from dataclasses import dataclass, field
from functools import lru_cache
from random import Random

SECTOR_BYTES = 512
SHUTS_DOWN = 0.5  # of the failed flushes of a folder


class PowerCut(BaseException):
    """The machine, or the process, ends in the middle of a call."""


@lru_cache(maxsize=4096)
def _parts(path: str) -> tuple[str, ...]:
    return tuple(path.split("/"))


@dataclass
class _File:
    content: bytearray = field(default_factory=bytearray)
    kept: bytearray = field(default_factory=bytearray)
    pending: list[tuple[int, bytes | None]] = field(default_factory=list)


@dataclass
class _Folder:
    names: dict[str, _File | _Folder] = field(default_factory=dict)
    kept: dict[str, _File | _Folder] = field(default_factory=dict)
    pending: list[dict[str, _File | _Folder | None]] = field(default_factory=list)

    def change(self, **names: _File | _Folder | None) -> None:
        """Set these names, or with None take them away, at once."""
        _apply(self.names, names)
        self.pending.append(names)


def _apply(names: dict[str, _File | _Folder], change: dict[str, _File | _Folder | None]) -> None:
    for name, what in change.items():
        if what is None:
            names.pop(name, None)
        else:
            names[name] = what


def _write(content: bytearray, at: int, part: bytes | None) -> None:
    """Write a part; None cuts the file there, or fills it with zeros up to there."""
    if len(content) < at:
        content.extend(bytes(at - len(content)))
    if part is None:
        del content[at:]
        return
    content[at : at + len(part)] = part


class SimulatedFiles:
    """See the module. `cut_at` and `fail_at` count the calls that change something."""

    def __init__(self, random: Random, *, sector_bytes: int = SECTOR_BYTES) -> None:
        self._random = random
        self._sector_bytes = sector_bytes
        self.is_shut = False
        self._root = _Folder()
        self.calls = 0
        self.cut_at: int | None = None
        self.fail_at: int | None = None

    # What a `Disk` asks ---------------------------------------------------------------------------

    def write_at(self, path: str, at: int, content: bytes) -> None:
        """See `Files`."""
        folder, name = self._place(path)
        strikes = self._strikes()
        file = folder.names.get(name)
        if file is None:
            file = _File()
            folder.change(**{name: file})
        assert isinstance(file, _File)
        if strikes:
            content = content[: self._random.randrange(len(content) + 1)]
            self._write(file, at, content)
            self._strike(errno.ENOSPC)
        self._write(file, at, content)

    def cut(self, path: str, length: int) -> None:
        """Make the file so long: what lies behind is gone, what is missing is zeros.

        A `Disk` never asks for it; databases do.
        """
        file = self._find(path)
        if not isinstance(file, _File):
            raise FileNotFoundError(errno.ENOENT, "no such file")
        if self._strikes():
            self._strike(errno.EIO)
        _write(file.content, length, None)
        file.pending.append((length, None))

    def _write(self, file: _File, at: int, content: bytes) -> None:
        _write(file.content, at, content)
        file.pending.append((at, bytes(content)))

    def read_at(self, path: str, at: int, length: int) -> bytes:
        """See `Files`."""
        file = self._find(path)
        if not isinstance(file, _File):
            raise FileNotFoundError(errno.ENOENT, "no such file")
        return bytes(file.content[at : at + length])

    def size(self, path: str) -> int | None:
        """See `Files`."""
        file = self._find(path)
        return len(file.content) if isinstance(file, _File) else None

    def names(self, folder: str) -> list[str]:
        """See `Files`."""
        found = self._find(folder)
        return sorted(found.names) if isinstance(found, _Folder) else []

    def flush(self, path: str) -> None:
        """See `Files`."""
        file = self._find(path)
        assert isinstance(file, _File)
        if self._strikes():
            if self.fail_at is not None:
                file.pending.clear()
            self._strike(errno.EIO)
        for at, content in file.pending:
            _write(file.kept, at, content)
        file.pending.clear()

    def flush_folder(self, folder: str) -> None:
        """See `Files`."""
        found = self._find(folder)
        assert isinstance(found, _Folder)
        if self._strikes():
            self.is_shut = self.fail_at is not None and self._random.random() < SHUTS_DOWN
            self._strike(errno.EIO)
        for change in found.pending:
            _apply(found.kept, change)
        found.pending.clear()

    def make_folder(self, folder: str) -> None:
        """See `Files`."""
        above, name = self._place(folder)
        if self._strikes():
            self._strike(errno.ENOSPC)
        if name not in above.names:
            above.change(**{name: _Folder()})

    def link(self, path: str, target: str) -> None:
        """See `Files`."""
        folder, name = self._place(target)
        file = self._find(path)
        assert isinstance(file, _File)
        if self._strikes():
            self._strike(errno.ENOSPC)
        if name in folder.names:
            raise FileExistsError(errno.EEXIST, "file exists")
        folder.change(**{name: file})

    def rename(self, path: str, target: str) -> None:
        """See `Files`."""
        folder, name = self._place(target)
        source, old = self._place(path)
        assert source is folder
        if self._strikes():
            self._strike(errno.EIO)
        folder.change(**{name: folder.names[old], old: None})

    def remove(self, path: str) -> None:
        """See `Files`."""
        folder, name = self._place(path)
        if self._strikes():
            self._strike(errno.EIO)
        if name in folder.names:
            folder.change(**{name: None})

    # What a test asks -----------------------------------------------------------------------------

    def cut_power(self) -> None:
        """Lose what was not flushed, or some of it."""
        self._settle(self._root)
        self.is_shut = False

    def _settle(self, folder: _Folder) -> None:
        if self.is_shut:
            folder.pending.clear()
        ordered = self._random.random() < 0.5
        until = self._random.randrange(len(folder.pending) + 1)
        for number, change in enumerate(folder.pending):
            if number < until if ordered else self._random.random() < 0.5:
                _apply(folder.kept, change)
        folder.pending.clear()
        folder.names = dict(folder.kept)
        for one in folder.names.values():
            if isinstance(one, _Folder):
                self._settle(one)
            elif one.pending or one.content != one.kept:
                self._tear(one)

    def _tear(self, file: _File) -> None:
        pending = file.pending
        self._random.shuffle(pending)
        for at, content in pending:
            fate = self._random.random()
            if content is None:
                if fate < 0.5:
                    _write(file.kept, at, None)
                continue
            for start in range(0, len(content), self._sector_bytes):
                if fate < 0.4 or (fate < 0.7 and self._random.random() < 0.5):
                    _write(file.kept, at + start, content[start : start + self._sector_bytes])
        pending.clear()
        file.content = bytearray(file.kept)

    def _strikes(self) -> bool:
        """Whether this call is the one that goes wrong. Raises: OSError when none is taken."""
        if self.is_shut:
            raise OSError(errno.EROFS, "shut down")
        self.calls += 1
        return self.calls in {self.cut_at, self.fail_at}

    def _strike(self, number: int) -> None:
        if self.calls == self.cut_at:
            raise PowerCut
        raise OSError(number, "simulated")

    def _find(self, path: str) -> _File | _Folder | None:
        folder = self._root
        *above, last = _parts(path)
        for name in above:
            found = folder.names.get(name)
            if not isinstance(found, _Folder):
                return None
            folder = found
        return folder.names.get(last) if path else folder

    def _place(self, path: str) -> tuple[_Folder, str]:
        folder, _, name = path.rpartition("/")
        found = self._find(folder)
        if not isinstance(found, _Folder):
            raise FileNotFoundError(errno.ENOENT, "no such folder")
        return found, name
