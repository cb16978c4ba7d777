"""The replica of an exercise: `tourniquet record replica --follow`, as it runs on another machine.

Invariants:
- It has a folder, a copy of the wrapped keys and a witness key of its own; none is in the home.
- It reads the vault's folder, or asks the server over HTTP with a token that can do nothing else.
- What it has is read from what it countersigned, never taken from the home.
"""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

from tourniquet.exercise.away import Away, write_secret
from tourniquet.exercise.commands import Commands, end
from tourniquet.exercise.server import Address
from tourniquet.kernel.errors import OperatorError

BEGUN_SECONDS = 60
LOOK_SECONDS = 0.1


class ReplicaBeside:
    """A replica that follows a home until it is stopped, and can be started again."""

    def __init__(self, away: Away, run: Commands, *, over: str) -> None:
        """`over` is one of scenario.REPLICA_SOURCES."""
        self._away, self._run, self._over = away, run, over
        self._process: subprocess.Popen[str] | None = None

    def start(self, address: Address, token: str) -> None:
        """Follow the home that is served there. Raises: OperatorError when nothing is sealed."""
        home = self._away.home
        if self._over == "http":
            write_secret(self._away.token, f"{token}\n")
            source = [f"http://{address.host}:{address.port}", "--token-file", self._away.token]
        else:
            _wait_for(home / "vault" / "checkpoint")
            source = [home / "vault"]
        self._process = self._run.start(
            *("record", "replica", "--follow", "--from", *source, "--to", self._away.replica),
            *("--keys-to", self._away.ring, "--key", self._away.pinned),
            log=self._away.folder / "replica.log",
        )

    def stop(self) -> None:
        """Stop it; what it has stays."""
        process, self._process = self._process, None
        if process is not None:
            end(process)

    @property
    def runs(self) -> bool:
        """Whether it is following."""
        return self._process is not None and self._process.poll() is None

    def size(self) -> int:
        """How many entries it has countersigned; 0 before the first."""
        file = self._away.vault / "checkpoint"
        return checkpoint_size(file) if file.exists() else 0

    def wait_until(self, size: int, *, seconds: float) -> bool:
        """Whether it has so many entries, within so long."""
        deadline = time.monotonic() + seconds
        while self.size() < size:
            if not self.runs or time.monotonic() > deadline:
                return False
            time.sleep(LOOK_SECONDS)
        return True


def checkpoint_size(file: Path) -> int:
    """The tree's size in a checkpoint's file: its second line."""
    return int(file.read_text(encoding="utf-8").split("\n")[1])


def _wait_for(file: Path) -> None:
    deadline = time.monotonic() + BEGUN_SECONDS
    while not file.exists():
        if time.monotonic() > deadline:
            raise OperatorError(
                "Nothing was sealed that could be copied.",
                where=str(file),
                remedy="Read logs/sealer.log in the exercise's home, and start again.",
            )
        time.sleep(LOOK_SECONDS)
