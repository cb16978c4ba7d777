"""Read a folder: every content once, whatever lies in it too, and the ledger of it all.

1. Files are taken in the order of the walk; what came out of a container is read before the next
   file, pictures after everything else, those first that promise most.
2. Each content is read by one of a few threads, each with a child of its own.
3. What was read is handed on in the order in which it was done; the ledger is whole at the end.

Invariants:
- A content is read once, however many paths lead to it. What lies in it is counted against the file
  on the disk from which it came, so that boxes in boxes do not multiply.
- Members stay in scratch until they have been read, and no longer.
- An error of the scratch folder ends the whole; nothing else that is in the folder does.
"""

from __future__ import annotations

import hashlib
import queue
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from tourniquet.breach.children import VANISHED, Abandoned, Child, Reading
from tourniquet.breach.ledger import (
    INSIDE,
    Entry,
    Ledger,
    LedgerRow,
    Member,
    Outcome,
    member_names,
    walk,
)
from tourniquet.breach.limits import DEFAULT, Limits
from tourniquet.breach.pieces import Inner, Piece, Shut, State

CHILDREN = 2
HASHED_AT_ONCE = 1024 * 1024
FILE_RATIO_MOST = 1_000  # of all that comes out of one file of the disk, in boxes in boxes
FILE_BYTES_LEAST = 256 * 1024 * 1024
_PICTURE_MARKS = (b"\xff\xd8\xff", b"\x89PNG", b"II*\x00", b"MM\x00*", b"GIF8", b"BM")
_PROMISING = re.compile(
    r"scan|letter|form|fax|mfd|referral|report|result|doc|img_?\d", re.IGNORECASE
)
_WAITING_MOST = 4  # results that nobody has taken yet


@dataclass
class _Room:
    """How much may still come out of one file of the disk."""

    left: int


@dataclass
class _Job:
    """A content to read. `sha256` is "" for a file that is still to be hashed."""

    path: str
    file: Path
    size: int
    depth: int
    room: _Room
    sha256: str = ""
    entry: Entry | None = None
    is_late: bool = False


@dataclass(frozen=True)
class Read:
    """A content that was read: its row under its first path, what came out of it, its pieces."""

    row: LedgerRow
    outcome: Outcome
    _reading: Reading = field(repr=False)
    looked: object = None  # what `look` gave, for a content in which no members lie

    def pieces(self) -> Iterator[Piece]:
        """All pieces in order; good until the next content is taken."""
        return self._reading.pieces()


class FolderReader:
    """Reads one folder; iterate to have each content, then see `ledger`."""

    def __init__(
        self,
        folder: Path,
        *,
        scratch: Path,
        limits: Limits = DEFAULT,
        children: int = CHILDREN,
        hashes: Mapping[str, str] | None = None,
        is_done: Callable[[str], Outcome | None] = lambda _: None,
        look: Callable[[Path], object] = lambda _: None,
    ) -> None:
        """hashes: by shown path, of files that a sweep has hashed already. is_done: the outcome of
        a content that need not be read again; its members are then not read again either.
        look: is called with the file of each content that holds no others, in a thread."""
        self.ledger = Ledger()
        self._scratch, self._limits, self._count = scratch.absolute(), limits, children
        self._hashes, self._is_done, self._look = hashes or {}, is_done, look
        self._files = walk(folder)
        self._entries: dict[str, tuple[Entry, str]] = {}
        self._ready: list[_Job] = []
        self._late: list[_Job] = []
        self._seen: set[str] = set()
        self._busy = 0
        self._children: list[Child] = []
        self._is_over = False
        self._lock = threading.Condition()
        self._results: queue.Queue[Read | BaseException | None] = queue.Queue(_WAITING_MOST)

    def __iter__(self) -> Iterator[Read]:
        """Each content once. Raises: OperatorError, OSError of the folder itself."""
        threads = [threading.Thread(target=self._work, daemon=True) for _ in range(self._count)]
        for thread in threads:
            thread.start()
        running = len(threads)
        try:
            while running:
                result = self._results.get()
                if result is None:
                    running -= 1
                elif isinstance(result, BaseException):
                    raise result
                else:
                    yield result
                    result._reading.close()  # noqa: SLF001 # what it made
        finally:
            self._stop(threads)
        self.ledger.entries = [self._entries[path] for path in sorted(self._entries)]

    def _stop(self, threads: list[threading.Thread]) -> None:
        with self._lock:
            self._is_over = True
            self._lock.notify_all()
            for child in self._children:
                child.abandon()
        while any(thread.is_alive() for thread in threads):
            try:
                result = self._results.get(timeout=0.05)
            except queue.Empty:
                continue
            if isinstance(result, Read):
                result._reading.close()  # noqa: SLF001

    def _work(self) -> None:
        """One thread: jobs until there are none."""
        try:
            with Child(self._scratch, limits=self._limits) as child:
                self._children.append(child)
                while (job := self._take()) is not None:
                    try:
                        self._do(job, child)
                    finally:
                        with self._lock:
                            self._busy -= 1
                            self._lock.notify_all()
        except Abandoned:
            pass  # who iterates has gone
        except BaseException as error:  # noqa: BLE001 # handed to who iterates, and raised there
            self._results.put(error)
        self._results.put(None)

    def _take(self) -> _Job | None:
        """The next job; None when all is done."""
        # 1.
        with self._lock:
            while not self._is_over:
                job = self._next()
                if job is not None:
                    self._busy += 1
                    return job
                if not self._busy:
                    return None
                self._lock.wait()
        return None

    def _next(self) -> _Job | None:
        if self._ready:
            return self._ready.pop()
        for entry in self._files:
            if not entry.is_file:
                self._entries[entry.path] = (entry, "")
                continue
            most = max(FILE_BYTES_LEAST, entry.size * FILE_RATIO_MOST)
            return _Job(entry.path, entry.file, entry.size, 0, _Room(most), entry=entry)
        if self._late and not self._busy:
            self._late.sort(key=_promise)
            self._ready, self._late = self._late, []
            return self._ready.pop()
        return None

    def _do(self, job: _Job, child: Child) -> None:
        # 2.
        if not job.sha256 and not self._hash(job):
            return
        if not job.is_late:
            with self._lock:
                is_new = job.sha256 not in self._seen
                self._seen.add(job.sha256)
            if not is_new:
                _remove(job)
                return
            done = self._is_done(job.sha256)
            if done is not None:
                with self._lock:
                    self.ledger.outcomes[job.sha256] = done
                _remove(job)
                return
            if _is_picture(job.file):
                job.is_late = True
                with self._lock:
                    self._late.append(job)
                return
        reading = child.read_content(job.file, name=PurePosixPath(job.path).name)
        members, jobs = self._members(job, reading)
        outcome = Outcome(
            job.sha256, job.size, reading.kind, reading.ended.state, reading.ended.why,
            reading.ended.reader, tuple(members),
        )  # fmt: skip
        looked = None if reading.members else self._look(job.file)
        _remove(job)
        with self._lock:
            self.ledger.outcomes[job.sha256] = outcome
            self._ready.extend(reversed(jobs))
            self._lock.notify_all()
        row = LedgerRow(job.path, job.sha256, job.size, outcome.type, outcome.state, outcome.why)
        # 3.
        self._results.put(Read(row, outcome, reading, looked))

    def _hash(self, job: _Job) -> bool:
        """Hash a file of the folder, or list why it can't be; whether it could."""
        assert job.entry is not None  # members come with their hash
        known = self._hashes.get(job.path, "")
        why = ""
        try:
            job.sha256 = known or hash_file(job.file)
        except FileNotFoundError:
            why = VANISHED
        except OSError as error:
            why = f"it could not be read: {error.strerror or type(error).__name__}"
        entry = job.entry
        if why:
            entry = Entry(entry.path, entry.file, entry.size, "file", why)
        with self._lock:
            self._entries[entry.path] = (entry, job.sha256)
        return not why

    def _members(self, job: _Job, reading: Reading) -> tuple[list[Member], list[_Job]]:
        """What came out of a content, for the ledger, and what of it is to be read."""
        members: list[Member] = []
        jobs: list[_Job] = []
        for one in reading.members:
            if isinstance(one, Shut):
                members.append(Member(one.name, "", one.size, one.state, one.why))
                continue
            member, file = self._member(job, one)
            members.append(member)
            if file is not None:
                jobs.append(_Job("", file, one.size, job.depth + 1, job.room, member.sha256))
        names = dict(zip((id(one) for one in members), member_names(members), strict=True))
        paths = iter([names[id(one)] for one in members if one.sha256])
        for child_job in jobs:
            child_job.path = f"{job.path}{INSIDE}{next(paths)}"
        return members, jobs

    def _member(self, job: _Job, inner: Inner) -> tuple[Member, Path | None]:
        file = Path(inner.file)
        job.room.left -= inner.size
        why = ""
        if job.depth >= self._limits.depth_most:
            why = f"it lies deeper in containers than the limit of {self._limits.depth_most}"
        elif job.room.left < 0:
            why = "what comes out of the file that holds it goes beyond the limit"
        if why:
            file.unlink(missing_ok=True)
            return Member(inner.name, "", inner.size, State.SWEPT, why), None
        kept = self._scratch / f"{id(job):x}-{file.parent.name}-{file.name}"
        file.rename(kept)
        return Member(inner.name, hash_file(kept), inner.size, why=inner.note), kept


def _remove(job: _Job) -> None:
    if job.depth:
        job.file.unlink(missing_ok=True)


def hash_file(file: Path) -> str:
    """SHA-256 of a file. Raises: OSError."""
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def _is_picture(file: Path) -> bool:
    try:
        with file.open("rb") as opened:
            return opened.read(8).startswith(_PICTURE_MARKS)
    except OSError:
        return False


def _promise(job: _Job) -> tuple[bool, int]:
    """Last is first taken: names of scans and letters, then the larger ones."""
    return bool(_PROMISING.search(job.path)), job.size


def read_folder(
    folder: Path,
    *,
    scratch: Path,
    limits: Limits = DEFAULT,
    children: int = CHILDREN,
) -> Iterator[tuple[LedgerRow, Iterator[Piece]]]:
    """Each content of a folder with its row under its first path, as `FolderReader` reads it."""
    for one in FolderReader(folder, scratch=scratch, limits=limits, children=children):
        yield one.row, one.pieces()
