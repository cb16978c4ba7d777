"""A child whose readers of text do what the content asks for: hang, eat, flood, crash, exit.

Run as a program in the place of `breach/child.py`; the same code serves the tasks.
"""

from __future__ import annotations

import ctypes
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "src"))

from tourniquet.breach import child
from tourniquet.breach.pieces import Inner, Passage, Piece, Shape
from tourniquet.breach.readers import registry
from tourniquet.breach.readers.source import CannotRead, Source

SECRET = "9990000000 SECRET"


def _said(text: str) -> Passage:
    return Passage("text", Shape.TEXT, text)


def hostile(source: Source) -> Iterator[Piece]:  # noqa: C901, PLR0912 # a list of mischiefs
    """Do as the first word of the content says."""
    yield _said("begun")
    match source.file.read_text().split()[0]:
        case "hang":
            while True:
                time.sleep(1)
        case "spin":
            while True:
                yield _said("x")
                time.sleep(0.02)
        case "eat":
            kept = [bytearray(64 * 1024 * 1024) for _ in range(1_000)]
            yield _said(str(len(kept)))
        case "flood":
            while True:
                yield _said("x" * 100_000)
        case "crash":
            ctypes.string_at(0)
        case "exit":
            os._exit(3)
        case "print":
            print(SECRET, flush=True)
            os.write(1, SECRET.encode())
            os.write(2, SECRET.encode())
            yield _said("printed")
        case "raise":
            raise ValueError(SECRET)
        case "garbage":
            raise SystemExit(SECRET)
        case "network":
            yield from _network()
        case "elsewhere":
            yield Inner("x", "/etc/hostname", 1)
        case "child":
            subprocess.Popen(["/bin/sleep", "600"])
            while True:
                time.sleep(1)
        case "halves":
            yield _said("\ud83d\ude00 \ud83d")
        case _:
            yield _said("well")


def _network() -> Iterator[Piece]:
    try:
        socket.socket()
    except PermissionError as error:
        yield _said(f"python refused: {type(error).__name__}")
    libc = ctypes.CDLL(None, use_errno=True)
    yield _said(f"kernel gave {libc.socket(2, 1, 0)}")


def second(source: Source) -> Iterator[Piece]:
    """The second reader, which manages unless the content says that it must not."""
    if "twice" in source.file.read_text():
        raise CannotRead("the second does not do either")
    yield _said("second")


if __name__ == "__main__":
    name = "hostile_child"
    sys.modules[name] = sys.modules["__main__"]
    registry.READERS["text"] = (f"{name}:hostile", f"{name}:second")
    child.main()
