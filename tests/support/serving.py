"""`tourniquet serve` in a process of its own, with a sealer beside it, for tests of whole paths."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.database import Database

WAIT_SECONDS = 30.0
_COMMAND = (sys.executable, "-m", "tourniquet.cli.main")


@dataclass(frozen=True)
class Served:
    """A server that runs."""

    url: str
    mllp_port: int
    process: subprocess.Popen[str]

    def get(self, path: str) -> str:
        """What it answers to anybody."""
        with urllib.request.urlopen(f"{self.url}{path}", timeout=WAIT_SECONDS) as answer:
            content: bytes = answer.read()
        return content.decode()

    def metric(self, name: str) -> float | None:
        """A figure of /metrics; None where it is not told."""
        rows = (line.split() for line in self.get("/metrics").splitlines())
        return next((float(row[1]) for row in rows if row[0] == name), None)


@contextmanager
def serving(database: Database, **settings: str) -> Iterator[Served]:
    """Serve a home, with these settings."""
    process = subprocess.Popen(
        [*_COMMAND, "serve", "--port", "0", "--mllp-port", "0", "--migrate", "--json"],
        env={**os.environ, **database.environment(), **settings},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    try:
        ready = json.loads(process.stdout.readline())
        port = int(ready["mllp"].rpartition(":")[2])
        yield Served(ready["url"].rstrip("/"), port, process)
    finally:
        process.terminate()
        process.wait(WAIT_SECONDS)
        process.stdout.close()


@contextmanager
def following(source: str, target: Path | str, *more: str) -> Iterator[subprocess.Popen[str]]:
    """A replica that follows, until it is told to stop."""
    process = subprocess.Popen(
        [
            *(*_COMMAND, "record", "replica", "--from", source, "--to", str(target)),
            *("--follow", "--json", *more),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.terminate()
        process.wait(WAIT_SECONDS)


def until(holds: Callable[[], bool]) -> None:
    """Wait until it holds, which other processes bring about."""
    end = time.monotonic() + WAIT_SECONDS
    while not holds():
        assert time.monotonic() < end, "it did not come about in time"
        time.sleep(0.05)
