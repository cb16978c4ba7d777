"""The sealer beside a server: a process of its own, so that sealing takes no time of the server's.

Invariants:
- It ends with the server, however that ends: it looks whether its parent is there.
- One that was killed is started again: opening the vault finishes what was interrupted. So is one
  that could not be started. Where that happens often within an hour an alarm is raised, and it is
  tried more slowly, but for ever.
- One that refused to go on (a disk that failed, a vault that does not fit) is not started again: an
  alarm is raised, and a person looks first.
- An alarm that cannot be written down is tried again until it is: a disk that is full stops the
  sealer and the journal alike.
- Care does not depend on it: what is not sealed yet is in the journal.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic
from typing import Protocol

from django.db import connection

from tourniquet.edge.log import log_event, log_fault
from tourniquet.flows.note_sealer import note_sealer_ended
from tourniquet.kernel import settings
from tourniquet.kernel.errors import TourniquetError
from tourniquet.record.home import clock
from tourniquet.record.sealing_meter import APART, BESIDE, SEALER, SEALER_SETTING, SealerState

EVERY_SECONDS = 0.5
HURRY_SECONDS = 0.05  # where senders wait for the replica, and what is new did not wake it
STOP_SECONDS = 5.0
ENDS_MOST = 20  # within ENDS_SECONDS, before it is tried more slowly
ENDS_SECONDS = 3600.0
LOG_BYTES_MOST = 1_000_000


@dataclass(frozen=True)
class Pauses:
    """Seconds between looks at the process, between slow starts, and between tries of an alarm."""

    look_seconds: float = 1.0
    slow_seconds: float = 60.0
    alarm_seconds: float = 10.0


class Note(Protocol):
    """The flow that notes an end of the sealer."""

    def __call__(self, *, now: datetime, ended_at: datetime, killed: bool) -> str:
        """Raise the alarm. Raises: TourniquetError where it can't be written down now."""


class SealerProcess:
    """Starts the sealer, looks after it, and stops it."""

    def __init__(
        self,
        home: Path,
        *,
        hurries: bool = False,
        command: Sequence[str] | None = None,
        pauses: Pauses | None = None,
        state: SealerState = SEALER,
        note: Note = note_sealer_ended,
    ) -> None:
        """`command` is what is started in place of `tourniquet record seal`, in tests."""
        self._home = home
        self._command = command or seal_command(home, hurries=hurries)
        self._pauses = pauses or Pauses()
        self._state = state
        self._note = note
        self._process: subprocess.Popen[bytes] | None = None
        self._ends: deque[float] = deque()  # of the last ENDS_SECONDS, by the monotonic clock
        self._often_since: datetime | None = None
        self._often_noted = False
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sealer", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def wake(self) -> None:
        """Let it look at once. Never waits: one that is at work looks again by itself."""
        process = self._process
        if process is not None and process.stdin is not None:
            with contextlib.suppress(OSError, ValueError):  # full, or ended
                process.stdin.write(b".")

    def stop(self) -> None:
        """End after the publication at hand."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(STOP_SECONDS + self._pauses.look_seconds)

    def _run(self) -> None:
        while not self._stop.is_set():
            status = self._run_once()
            if self._stop.is_set():
                return
            if status is not None and status > 0:
                self._state.tell(running=False, gave_up=True)
                self._insist_on_alarm(datetime.now(UTC))
                return
            self._pause()

    def _run_once(self) -> int | None:
        """Start it and wait for its end; how it ended, None where it could not be started."""
        self._state.tell(running=False)
        try:
            self._process = self._started()
        except OSError as error:  # no memory, no room, too many files: it may pass
            log_fault("sealer.not_started", error)
            return None
        self._state.tell(running=True)
        status = self._wait()
        if status is None:
            self._end()
        else:
            log_event("sealer.ended", status=status, log="logs/sealer.log")
        self._state.tell(running=False)
        return status

    def _pause(self) -> None:
        """Wait before the next start: longer, and with an alarm, where it ends too often."""
        now = monotonic()
        self._ends.append(now)
        while now - self._ends[0] >= ENDS_SECONDS:
            self._ends.popleft()
        if len(self._ends) < ENDS_MOST:
            self._often_since, self._often_noted = None, False
            self._stop.wait(self._pauses.look_seconds)
            return
        self._often_since = self._often_since or datetime.now(UTC)
        self._often_noted = self._often_noted or self._raise_alarm(self._often_since, killed=True)
        self._stop.wait(self._pauses.slow_seconds)

    def _insist_on_alarm(self, ended_at: datetime) -> None:
        while not self._raise_alarm(ended_at, killed=False):
            if self._stop.wait(self._pauses.alarm_seconds):
                return

    def _raise_alarm(self, ended_at: datetime, *, killed: bool) -> bool:
        """Whether it is written down."""
        try:
            self._note(now=clock().now(), ended_at=ended_at, killed=killed)
        except TourniquetError as error:
            log_fault("sealer.no_alarm", error)
            return False
        finally:
            connection.close()
        return True

    def _wait(self) -> int | None:
        """How the process ended; None where it is to be stopped."""
        assert self._process is not None
        while (status := self._process.poll()) is None:
            if self._stop.wait(self._pauses.look_seconds):
                return None
        return status

    def _end(self) -> None:
        assert self._process is not None
        self._process.terminate()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _started(self) -> subprocess.Popen[bytes]:
        logs = self._home / "logs"
        logs.mkdir(mode=0o700, exist_ok=True)
        path = logs / "sealer.log"
        if path.exists() and path.stat().st_size > LOG_BYTES_MOST:
            path.replace(logs / "sealer.log.1")
        with path.open("ab") as log:
            process = subprocess.Popen(  # noqa: S603 (our own interpreter and module)
                self._command, stdin=subprocess.PIPE, stdout=log, stderr=log, bufsize=0
            )
        assert process.stdin is not None
        os.set_blocking(process.stdin.fileno(), False)
        return process


def seal_command(home: Path, *, hurries: bool) -> tuple[str, ...]:
    """`tourniquet record seal` as a child of this process."""
    return (
        *(sys.executable, "-m", "tourniquet.cli.main", "record", "seal", "--follow"),
        *("--parent", str(os.getpid()), "--home", str(home)),
        *("--every", str(HURRY_SECONDS if hurries else EVERY_SECONDS)),
    )


def sealer_beside(*, hurries: bool = False) -> SealerProcess | None:
    """The sealer of this home, where it is to run beside the server; `hurries`: somebody waits."""
    if settings.read_choice(SEALER_SETTING, (BESIDE, APART)) == APART:
        return None
    return SealerProcess(settings.home(), hurries=hurries)
