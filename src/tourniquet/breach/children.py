"""Children that read, and how they are kept within limits and ended.

1. A child is started when there is something to read, and used again until it fails or has read
   CHILD_BYTES_MOST or CHILD_CONTENTS_MOST.
2. A content is read by its first reader. Where that fails, gives nothing, or takes its child down,
   it is read by its second; and where nothing came of it, for whatever is written in it.
3. What was said of it is kept in a file of the parent's until it has been used.

Invariants:
- Memory is limited by the kernel, time by the parent's clock, output by the parent's count. Which
  of them was reached is said, with the limit, and never a word of the content.
- A child leads a group of its own; the group is killed, so that no program of a reader is left.
- Every answer ends with a state. Members of an attempt that is not used are removed.
"""

from __future__ import annotations

import os
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import SpooledTemporaryFile
from types import TracebackType
from typing import IO, Self

import msgspec

from tourniquet.breach.child import ENDED, FRAME, MEMBER, PIECE, TYPE
from tourniquet.breach.limits import DEFAULT, Limits
from tourniquet.breach.pieces import Ended, Inner, Piece, Shut, State
from tourniquet.breach.readers.registry import LAST_RESORT, SCRATCH_FULL, readers_of
from tourniquet.kernel.errors import OperatorError, StorageUnavailable

CHILD_BYTES_MOST = 1024 * 1024 * 1024
CHILD_CONTENTS_MOST = 2_000
FRAME_BYTES_MOST = 64 * 1024 * 1024
SPOOLED_BYTES = 8 * 1024 * 1024
PROGRAMS = "/usr/local/bin:/usr/bin:/bin"  # where readers may find programs: tesseract
PROGRAM = Path(__file__).with_name("child.py")
_READ_AT_ONCE = 256 * 1024
VANISHED = "it vanished before it was read"
_ENDING_SECONDS = 2.0
_GOOD = (State.PARSED, State.OCR)
_NO_LAST_RESORT = frozenset(
    {"zip", "gzip", "bzip2", "xz", "zstd", "7z", "cab", "jpeg", "png", "gif", "tiff", "bmp", "webp"}
)


class Task(msgspec.Struct, frozen=True, kw_only=True):
    """What a child is told. Paths as bytes: their names are whatever the disk says."""

    file: bytes
    name: str
    scratch: bytes
    limits: Limits
    kind: str = ""
    attempt: int = 0


@dataclass
class Reading:
    """What became of one content, and what was said of it.

    `inners` lie in files that are the caller's to remove, or are removed by `close`.
    """

    kind: str = "unknown"
    ended: Ended = field(default_factory=lambda: Ended(State.SWEPT, "", "it was not read"))
    members: list[Inner | Shut] = field(default_factory=list)
    folder: Path | None = None
    said_bytes: int = 0
    is_killed: bool = False
    _spool: IO[bytes] | None = None

    @property
    def is_good(self) -> bool:
        """Whether its reader understood it."""
        return self.ended.state in _GOOD

    def keep(self, content: bytes) -> None:
        """Keep one piece as it came."""
        if self._spool is None:
            self._spool = SpooledTemporaryFile(SPOOLED_BYTES)  # noqa: SIM115 # close() closes it
        self._spool.write(FRAME.pack(len(content), PIECE))
        self._spool.write(content)
        self.said_bytes += len(content)

    def pieces(self) -> Iterator[Piece]:
        """All pieces in order, members too; the last is how it ended."""
        decoder = msgspec.msgpack.Decoder(Piece)
        if self._spool is not None:
            self._spool.seek(0)
            while head := self._spool.read(FRAME.size):
                yield decoder.decode(self._spool.read(FRAME.unpack(head)[0]))
        yield from self.members
        yield self.ended

    def close(self) -> None:
        """Forget what was said, and remove what is left of its members."""
        if self._spool is not None:
            self._spool.close()
        if self.folder is not None:
            shutil.rmtree(self.folder, ignore_errors=True)


class Abandoned(Exception):
    """Somebody else gave up the whole work."""


class _Gone(Exception):
    """The child has ended, or must be ended; why."""


class Child:
    """One child process, started anew as often as needed. For one thread at a time."""

    def __init__(self, scratch: Path, *, limits: Limits = DEFAULT, program: Path = PROGRAM) -> None:
        self._scratch = scratch.absolute()  # the child stands there
        self._program = program
        self._is_abandoned = False
        self._limits = limits
        self._process: subprocess.Popen[bytes] | None = None
        self._kept = b""
        self._read_bytes = 0
        self._read_contents = 0
        self._folders = 0
        self.started = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:  # fmt: skip
        self.close()

    def abandon(self) -> None:
        """From another thread: end what is being read; `read_content` raises Abandoned."""
        self._is_abandoned = True
        process = self._process
        if process is not None:
            process.kill()

    def close(self) -> None:
        """End the child; it is started again when there is something to read."""
        process, self._process = self._process, None
        self._kept = b""
        if process is None:
            return
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                with suppress(OSError):
                    pipe.close()
        process.wait()

    def read_content(self, file: Path, *, name: str) -> Reading:
        """Read one content, with its second reader where the first does not do.

        Raises: StorageUnavailable where scratch is full; OperatorError where no child starts;
        Abandoned.
        """
        # 2.
        best = self._attempt(file, name, "", 0)
        tries = 2 if len(readers_of(best.kind)) > 1 or best.is_killed else 1
        if best.is_good or best.ended.state is State.UNREADABLE:
            return best
        for attempt in range(1, tries):
            if attempt >= len(readers_of(best.kind)):
                break
            best = _better(best, self._attempt(file, name, best.kind, attempt))
        if best.is_good or best.said_bytes or best.members:
            return best
        if best.kind == LAST_RESORT or not readers_of(best.kind) or best.kind in _NO_LAST_RESORT:
            return best
        last = self._attempt(file, name, LAST_RESORT, 0)
        last.kind = best.kind
        last.ended = Ended(State.SWEPT, last.ended.reader, best.ended.why)
        best.close()
        return last

    def _attempt(self, file: Path, name: str, kind: str, attempt: int) -> Reading:
        self._folders += 1
        folder = self._scratch / f"{os.getpid()}-{id(self):x}-{self._folders}"
        reading = Reading(kind=kind or "unknown", folder=folder)
        try:
            folder.mkdir(mode=0o700)
        except OSError as error:
            raise _no_room(self._scratch, error) from None
        try:
            size = file.stat().st_size
        except OSError as error:
            is_gone = isinstance(error, FileNotFoundError)
            why = VANISHED if is_gone else f"it could not be read: {error.strerror}"
            reading.ended = Ended(State.UNREADABLE, "", why)
            return reading
        task = Task(file=os.fsencode(file.absolute()), name=name, scratch=os.fsencode(folder),
                    limits=self._limits, kind=kind, attempt=attempt)  # fmt: skip
        try:
            self._ask(task)
            self._listen(reading, size)
        except _Gone as gone:
            if self._is_abandoned:
                reading.close()
                raise Abandoned from None
            reading.is_killed = True
            reading.ended = Ended(State.SWEPT, "", str(gone))
            self.close()
        except OSError as error:
            self.close()
            reading.close()
            raise _no_room(self._scratch, error) from None
        if reading.ended.why == SCRATCH_FULL:
            reading.close()
            raise _no_room(self._scratch, OSError(SCRATCH_FULL))
        self._count(size)
        return reading

    def _count(self, size: int) -> None:
        self._read_bytes += size
        self._read_contents += 1
        if self._read_bytes > CHILD_BYTES_MOST or self._read_contents > CHILD_CONTENTS_MOST:
            self.close()

    def _start(self) -> subprocess.Popen[bytes]:
        # 1.
        command = [sys.executable, "-I", str(self._program), str(self._limits.memory_bytes_most)]
        try:
            process = subprocess.Popen(  # noqa: S603 # our own program with a number
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                start_new_session=True, cwd=self._scratch,
                env=self._environment(),
            )  # fmt: skip
        except OSError as error:
            raise OperatorError(
                f"No process could be started to read files in ({error.strerror}).",
                remedy="Free memory or raise the limit of processes, then run it again.",
            ) from None
        self._read_bytes = self._read_contents = 0
        self._kept = b""
        self.started += 1
        return process

    def _environment(self) -> dict[str, str]:
        """Nothing of our own settings: where programs are, and where to leave what is temporary."""
        return {"PATH": PROGRAMS, "LC_ALL": "C.UTF-8", "TMPDIR": str(self._scratch)}

    def _ask(self, task: Task) -> None:
        if self._is_abandoned:
            raise Abandoned
        if self._process is None or self._process.poll() is not None:
            self.close()
            self._process = self._start()
        content = msgspec.msgpack.encode(task)
        assert self._process.stdin is not None  # a pipe, as asked for
        try:
            self._process.stdin.write(FRAME.pack(len(content), 0) + content)
            self._process.stdin.flush()
        except BrokenPipeError:
            raise _Gone(self._how_it_ended()) from None

    def _listen(self, reading: Reading, size: int) -> None:
        """Take frames until the content has ended. Raises: _Gone, OSError."""
        # 3.
        limits = self._limits
        begun = time.monotonic()
        most = limits.output_bytes_most(size)
        output = 0
        while True:
            kind, content = self._frame(begun, limits.seconds_most(size))
            output += len(content)
            if output > most:
                raise _Gone(f"its reader gave more than the limit of {most:,} bytes")
            if kind == PIECE:
                reading.keep(content)
            elif kind == TYPE:
                reading.kind = content.decode("utf-8", "replace")
            elif kind in {MEMBER, ENDED}:
                try:
                    piece = msgspec.msgpack.decode(content, type=Inner | Shut | Ended)
                except (msgspec.DecodeError, msgspec.ValidationError):
                    raise _Gone("its reader gave no answer that can be understood") from None
                if isinstance(piece, Ended):
                    reading.ended = piece
                    return
                self._keep_member(reading, piece)
            else:
                raise _Gone("its reader gave no answer that can be understood")

    def _keep_member(self, reading: Reading, piece: Inner | Shut) -> None:
        """Only what lies in the folder that this content was given."""
        if isinstance(piece, Inner) and Path(piece.file).parent != reading.folder:
            raise _Gone("its reader gave no answer that can be understood")
        reading.members.append(piece)

    def _frame(self, begun: float, seconds_most: float) -> tuple[int, bytes]:
        head = self._exactly(FRAME.size, begun, seconds_most)
        size, kind = FRAME.unpack(head)
        if size > FRAME_BYTES_MOST:
            raise _Gone("its reader gave no answer that can be understood")
        return kind, self._exactly(size, begun, seconds_most)

    def _exactly(self, size: int, begun: float, seconds_most: float) -> bytes:
        process = self._process
        assert process is not None  # started by _ask
        assert process.stdout is not None  # a pipe, as asked for
        if len(self._kept) >= size:
            content, self._kept = self._kept[:size], self._kept[size:]
            return content
        parts = [self._kept]
        had = len(self._kept)
        handle = process.stdout.fileno()
        waiting = select.poll()
        waiting.register(handle, select.POLLIN | select.POLLHUP)
        silent_most = self._limits.silent_seconds_most
        while had < size:
            left = begun + seconds_most - time.monotonic()
            if left <= 0 or not waiting.poll(1000 * min(left, silent_most)):
                if time.monotonic() - begun >= seconds_most:
                    raise _Gone(f"reading it took longer than the limit of {seconds_most:.0f} s")
                raise _Gone(f"its reader gave nothing for {silent_most:g} s, which is the limit")
            block = os.read(handle, _READ_AT_ONCE)
            if not block:
                raise _Gone(self._how_it_ended())
            parts.append(block)
            had += len(block)
        whole = b"".join(parts)
        self._kept = whole[size:]
        return whole[:size]

    def _how_it_ended(self) -> str:
        """In words, of a child that is gone or about to be."""
        assert self._process is not None  # it was asked
        try:
            status = self._process.wait(_ENDING_SECONDS)
        except subprocess.TimeoutExpired:
            return "its reader closed the pipe without an answer"
        if status >= 0:
            return f"its reader ended without an answer (exit status {status})"
        try:
            name = signal.Signals(-status).name
        except ValueError:
            name = str(-status)
        return f"its reader was ended by {name}"


def _better(first: Reading, second: Reading) -> Reading:
    """The reading to keep; the other is closed. Where both failed both reasons are kept."""
    keep = second if second.is_good or second.said_bytes > first.said_bytes else first
    drop = first if keep is second else second
    if keep is second:
        keep.kind = first.kind if keep.kind == "unknown" else keep.kind
        why = "; ".join(one for one in (_reason(first, keep), keep.ended.why) if one)
        keep.ended = Ended(keep.ended.state, keep.ended.reader, why)
    elif second.ended.why and second.ended.why != first.ended.why:
        why = f"{first.ended.why}; its second reader: {second.ended.why}"
        keep.ended = Ended(first.ended.state, first.ended.reader, why)
    drop.close()
    return keep


def _reason(first: Reading, second: Reading) -> str:
    """Why the second reader was needed."""
    if first.ended.why in second.ended.why:
        return ""
    return f"read by its second reader: {first.ended.why}"


def _no_room(scratch: Path, error: OSError) -> StorageUnavailable:
    return StorageUnavailable(
        f"The scratch folder can't be written to ({error.strerror or error}).",
        where=str(scratch),
        remedy="Free space there or name another folder, then run it again with --resume.",
    )
