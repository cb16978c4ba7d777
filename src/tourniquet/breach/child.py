"""The child process in which readers run: tasks come in, pieces go out.

Run as a program by `children`, with an interpreter of its own that knows neither Django nor the
settings: `python -I child.py`. Frames are four bytes of length, one of kind, and msgpack.

1. Keep the two pipes; give readers, and what they load, nothing to write to but /dev/null.
2. Limit memory; end with the parent; have no network: no socket can be made from here on.
3. Read tasks until there are no more.

Invariants:
- Nothing of a content is written anywhere but into the pipe and the scratch folder.
- What a reader does to this process (hang, eat, crash, exit) is for the parent to see and end.
"""

from __future__ import annotations

import ctypes
import os
import platform
import resource
import signal
import struct
import sys
from pathlib import Path
from typing import IO, NoReturn

import msgspec

FRAME = struct.Struct(">IB")
TYPE, PIECE, MEMBER, ENDED = range(4)
TASK_BYTES_MOST = 1024 * 1024
_FILES_MOST = 1_024
_PR_SET_PDEATHSIG, _PR_SET_NO_NEW_PRIVS, _PR_SET_SECCOMP = 1, 38, 22
_SECCOMP_FILTER = 2
# Per machine: the mark of its system calls, and the numbers of socket and of socketpair.
_ARCHITECTURES = {"x86_64": (0xC000003E, 41, 53), "aarch64": (0xC00000B7, 198, 199)}
_DENIED = 0x0005_0000 | 13  # SECCOMP_RET_ERRNO, EACCES
_ALLOWED = 0x7FFF_0000
_LOAD, _EQUAL, _RETURN = 0x20, 0x15, 0x06


def main() -> None:
    """Serve tasks until the parent closes the pipe."""
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
    tasks, pieces = _pipes()
    _confine()
    from tourniquet.breach.children import Task  # noqa: PLC0415 # the path is made above

    decoder = msgspec.msgpack.Decoder(Task)
    while head := tasks.read(FRAME.size):
        if len(head) < FRAME.size:
            return
        size, _ = FRAME.unpack(head)
        if size > TASK_BYTES_MOST:
            return
        _serve(decoder.decode(tasks.read(size)), pieces)


def _pipes() -> tuple[IO[bytes], IO[bytes]]:
    # 1.
    tasks = os.fdopen(os.dup(0), "rb")
    pieces = os.fdopen(os.dup(1), "wb", buffering=1024 * 1024)
    nothing = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(nothing, number)
    os.close(nothing)
    return tasks, pieces


def _confine() -> None:
    # 2.
    memory = int(sys.argv[1])
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_NOFILE, (_FILES_MOST, _FILES_MOST))
    sys.addaudithook(_refuse_network)
    if sys.platform != "linux":
        return
    library = ctypes.CDLL(None, use_errno=True)
    library.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    _forbid_sockets(library)


def _refuse_network(event: str, _: tuple[object, ...]) -> None:
    if event in {"socket.__new__", "socket.connect", "socket.bind", "socket.getaddrinfo"}:
        raise PermissionError("readers have no network")


class _Filter(ctypes.Structure):
    _fields_ = (
        ("code", ctypes.c_uint16),
        ("if_true", ctypes.c_uint8),
        ("if_false", ctypes.c_uint8),
        ("value", ctypes.c_uint32),
    )


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filters", ctypes.POINTER(_Filter)))


def _forbid_sockets(library: ctypes.CDLL) -> bool:
    """Let the kernel refuse sockets, to programs started from here too; whether it will."""
    found = _ARCHITECTURES.get(platform.machine())
    if found is None:
        return False
    mark, socket_call, pair_call = found
    lines = (
        (_LOAD, 0, 0, 4),  # the machine
        (_EQUAL, 1, 0, mark),
        (_RETURN, 0, 0, _DENIED),  # another kind of calls on the same machine
        (_LOAD, 0, 0, 0),  # the call
        (_EQUAL, 2, 0, socket_call),
        (_EQUAL, 1, 0, pair_call),
        (_RETURN, 0, 0, _ALLOWED),
        (_RETURN, 0, 0, _DENIED),
    )
    filters = (_Filter * len(lines))(*(_Filter(*line) for line in lines))
    program = _Program(len(lines), filters)
    library.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    return bool(library.prctl(_PR_SET_SECCOMP, _SECCOMP_FILTER, ctypes.byref(program), 0, 0) == 0)


def _serve(task: object, pieces: IO[bytes]) -> None:
    # 3.
    from tourniquet.breach import sniff  # noqa: PLC0415
    from tourniquet.breach.children import Task  # noqa: PLC0415
    from tourniquet.breach.pieces import Ended, Inner, Shut, State  # noqa: PLC0415
    from tourniquet.breach.readers.registry import read_content  # noqa: PLC0415

    assert isinstance(task, Task)
    encoder = msgspec.msgpack.Encoder()

    def send(kind: int, content: bytes) -> None:
        try:
            pieces.write(FRAME.pack(len(content), kind))
            pieces.write(content)
            pieces.flush()  # what was said is with the parent, whatever comes next
        except BrokenPipeError:
            _leave()

    file = Path(os.fsdecode(task.file))
    try:
        kind = task.kind or sniff.sniff(file, task.name)
        send(TYPE, kind.encode())
        for piece in read_content(
            file, name=task.name, limits=task.limits, scratch=Path(os.fsdecode(task.scratch)),
            kind=kind, attempt=task.attempt,
        ):  # fmt: skip
            is_member = isinstance(piece, (Inner, Shut))
            number = ENDED if isinstance(piece, Ended) else MEMBER if is_member else PIECE
            try:
                content = encoder.encode(piece)
            except UnicodeEncodeError:  # half of a letter that UTF-16 writes as two
                content = encoder.encode(_mended(msgspec.to_builtins(piece)))
            send(number, content)
    except OSError as error:
        why = f"it could not be read: {error.strerror or type(error).__name__}"
        send(ENDED, encoder.encode(Ended(State.UNREADABLE, "", why)))


def _mended(thing: object) -> object:
    """The same with halves of letters joined, or replaced where they are alone."""
    if isinstance(thing, str):
        return thing.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(thing, list):
        return [_mended(one) for one in thing]
    if isinstance(thing, dict):
        return {key: _mended(one) for key, one in thing.items()}
    return thing


def _leave() -> NoReturn:
    os._exit(0)


if __name__ == "__main__":
    main()
