"""A file system in memory that loses what was not flushed, mounted by FUSE for real processes.

    python -m tests.support.losing_disk MOUNT LEFT --seed 7 [--cut-after CALLS] [--fail-after CALLS]

It begins with what lies in LEFT, as a machine does with its disk. When it is unmounted the power
goes: of what was not flushed any may be there, in part or not at all (`SimulatedFiles`, by seed),
and what is there is written to LEFT for the next mount. `--cut-after` lets the power go in the
middle of a call that changes something; from then on every call fails, so that nobody can say more
of the disk than was said before. `--fail-after` lets every change fail from one call on, while
reading goes on; so does `fail_from_now`, until `mend_now`.

Locks, shared memory and the names of deleted open files are the kernel's and libfuse's.
"""

from __future__ import annotations

import argparse
import ctypes
import errno
import os
import shutil
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import wraps
from pathlib import Path
from random import Random
from typing import Any, TypeVar

from tests.support.simulated_files import PowerCut, SimulatedFiles, _File, _Folder

COMMAND = "user.disk"
FAIL, MEND, CUT = b"fail", b"mend", b"cut"
PR_SET_PDEATHSIG = 1
MOUNT_SECONDS = 20.0
UNMOUNT_SECONDS = 20.0

Call = TypeVar("Call", bound=Callable[..., Any])


class NoFuse(Exception):
    """There is no FUSE here; the words say what is missing."""


# The one who mounts ------------------------------------------------------------------------------


@contextmanager
def mounted(place: Path, left: Path, *options: str, seed: int) -> Iterator[None]:
    """The disk, mounted at `place` with what lies in `left`; the power goes at the end.

    Whoever has files open there must have ended by then. Raises: NoFuse.
    """
    for folder in (place, left):
        folder.mkdir(exist_ok=True)
    command = [sys.executable, "-m", "tests.support.losing_disk", str(place), str(left)]
    server = subprocess.Popen(
        [*command, "--seed", str(seed), *options],
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    try:
        _wait_for_mount(place, server)
        yield
    finally:
        if server.poll() is None:
            _unmount(place)
            server.wait(UNMOUNT_SECONDS)
        if server.stderr is not None:
            server.stderr.close()


def _wait_for_mount(place: Path, server: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + MOUNT_SECONDS
    while not os.path.ismount(place):
        if server.poll() is not None or time.monotonic() > deadline:
            server.kill()
            _, said = server.communicate()
            raise NoFuse(f"no FUSE here: {(said.strip().splitlines() or ['not mounted'])[-1]}")
        time.sleep(0.02)


def _unmount(place: Path) -> None:
    deadline = time.monotonic() + UNMOUNT_SECONDS
    while True:
        done = subprocess.run(["umount", str(place)], capture_output=True, text=True, check=False)
        if done.returncode and shutil.which("fusermount3"):
            command = ["fusermount3", "-u", str(place)]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
        if not done.returncode:
            return
        assert time.monotonic() < deadline, done.stderr  # a process that was killed is still ending
        time.sleep(0.05)


def fail_from_now(place: Path) -> None:
    """Let every change fail from now on."""
    os.setxattr(place, COMMAND, FAIL)


def mend_now(place: Path) -> None:
    """Let changes succeed again."""
    os.setxattr(place, COMMAND, MEND)


def cut_now(place: Path) -> None:
    """Let the power go now, if it has not: every call fails until it is mounted again."""
    with suppress(OSError):  # the disk does not answer even that once the power is gone
        os.setxattr(place, COMMAND, CUT)


# The one who serves ------------------------------------------------------------------------------


class Disk(SimulatedFiles):
    """Files that come from a folder, and go back there."""

    def load(self, folder: Path) -> None:
        """Begin with what lies in a folder; all of it is flushed."""
        self._root = _loaded(folder)

    def dump(self, folder: Path) -> None:
        """Write what would be there after a power cut."""
        self.cut_power()
        _dump(self._root, folder)

    def node(self, path: str) -> _File | _Folder:
        """What lies there. Raises: OSError when there is nothing."""
        found = self._find(path)
        if found is None:
            raise OSError(errno.ENOENT, path)
        return found

    def remove_folder(self, path: str) -> None:
        """Take an empty folder away."""
        if self.names(path):
            raise OSError(errno.ENOTEMPTY, path)
        self.remove(path)


def _loaded(folder: Path) -> _Folder:
    found = _Folder()
    for one in folder.iterdir():
        if one.is_dir():
            found.names[one.name] = _loaded(one)
        else:
            content = one.read_bytes()
            found.names[one.name] = _File(bytearray(content), bytearray(content))
    found.kept = dict(found.names)
    return found


def _dump(found: _Folder, folder: Path) -> None:
    for one in folder.iterdir():
        if one.name not in found.kept:
            _take_away(one)
    for name, what in found.kept.items():
        path = folder / name
        if isinstance(what, _Folder):
            path.mkdir(exist_ok=True)
            _dump(what, path)
        else:
            path.write_bytes(what.kept)


def _take_away(path: Path) -> None:
    if path.is_dir():
        for one in path.iterdir():
            _take_away(one)
        path.rmdir()
    else:
        path.unlink()


def _answering(call: Call) -> Call:
    """Answer a call: an error's number where it fails, and EIO once the power is gone."""

    @wraps(call)
    def answer(self: Operations, path: str, *rest: Any) -> Any:
        if self.is_cut:
            raise OSError(errno.EIO, "the power is gone")
        try:
            return call(self, path.lstrip("/"), *rest)
        except PowerCut:
            self.is_cut = True
            raise OSError(errno.EIO, "the power went") from None

    return answer  # type: ignore[return-value] # as `call`, for libfuse


class Operations:
    """What libfuse asks for, answered from the `Disk`."""

    use_ns = True

    def __init__(self, disk: Disk, left: Path) -> None:
        self._disk = disk
        self._left = left
        self.is_cut = False
        self.fails = False

    def _change(self) -> None:
        if self.fails:
            raise OSError(errno.EIO, "failing")

    @_answering
    def getattr(self, path: str, fh: int | None = None) -> dict[str, int]:
        found = self._disk.node(path)
        if isinstance(found, _Folder):
            kind = {"st_mode": stat.S_IFDIR | 0o700, "st_nlink": 2, "st_size": 0}
        else:
            kind = {"st_mode": stat.S_IFREG | 0o600, "st_nlink": 1, "st_size": len(found.content)}
        return {**kind, "st_uid": os.getuid(), "st_gid": os.getgid()}

    @_answering
    def readdir(self, path: str, fh: int) -> list[str]:
        return [".", "..", *self._disk.names(path)]

    @_answering
    def open(self, path: str, flags: int) -> int:
        self._disk.node(path)
        return 0

    @_answering
    def create(self, path: str, mode: int, fi: Any = None) -> int:
        self._change()
        self._disk.write_at(path, 0, b"")
        return 0

    @_answering
    def read(self, path: str, size: int, offset: int, fh: int) -> bytes:
        return self._disk.read_at(path, offset, size)

    @_answering
    def write(self, path: str, data: bytes, offset: int, fh: int) -> int:
        self._change()
        self._disk.write_at(path, offset, data)
        return len(data)

    @_answering
    def truncate(self, path: str, length: int, fh: int | None = None) -> int:
        self._change()
        self._disk.cut(path, length)
        return 0

    @_answering
    def fsync(self, path: str, datasync: int, fh: int) -> int:
        self._change()
        self._disk.flush(path)
        return 0

    @_answering
    def fsyncdir(self, path: str, datasync: int, fh: int) -> int:
        self._change()
        self._disk.flush_folder(path)
        return 0

    @_answering
    def mkdir(self, path: str, mode: int) -> int:
        self._change()
        self._disk.make_folder(path)
        return 0

    @_answering
    def rmdir(self, path: str) -> int:
        self._change()
        self._disk.remove_folder(path)
        return 0

    @_answering
    def unlink(self, path: str) -> int:
        self._change()
        self._disk.remove(path)
        return 0

    @_answering
    def link(self, target: str, source: str) -> int:
        self._change()
        self._disk.link(source.lstrip("/"), target)
        return 0

    @_answering
    def rename(self, old: str, new: str) -> int:
        self._change()
        new = new.lstrip("/")
        if old.rpartition("/")[0] != new.rpartition("/")[0]:
            raise OSError(errno.EXDEV, old)
        self._disk.rename(old, new)
        return 0

    @_answering
    def chmod(self, path: str, mode: int) -> int:
        return 0

    @_answering
    def chown(self, path: str, uid: int, gid: int) -> int:
        return 0

    @_answering
    def utimens(self, path: str, times: Any = None) -> int:
        return 0

    @_answering
    def statfs(self, path: str) -> dict[str, int]:
        return {"f_bsize": 4096, "f_frsize": 4096, "f_blocks": 1 << 20, "f_bavail": 1 << 19}

    @_answering
    def setxattr(self, path: str, name: str, value: bytes, *_: int) -> int:
        if name != COMMAND:
            raise OSError(errno.ENOTSUP, name)
        self.fails = value == FAIL
        self.is_cut = value == CUT
        return 0

    def destroy(self, path: str) -> None:
        """Unmounted: the power goes, and what is left is left."""
        self._disk.dump(self._left)


def main() -> None:
    """Mount, and serve until unmounted."""
    import mfusepy

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("mount", type=Path)
    parser.add_argument("left", type=Path)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--cut-after", type=int)
    parser.add_argument("--fail-after", type=int)
    given = parser.parse_args()
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)  # a test that was killed ends it
    disk = Disk(Random(given.seed))
    disk.load(given.left)
    disk.cut_at, disk.fail_at = given.cut_after, given.fail_after

    class Served(Operations, mfusepy.Operations):
        """The operations, as the binding wants them."""

    mfusepy.FUSE(
        Served(disk, given.left),
        str(given.mount),
        foreground=True,
        nothreads=True,
        fsname="losing",
        default_permissions=True,
    )


if __name__ == "__main__":
    main()
