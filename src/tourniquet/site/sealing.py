"""The sealer beside a server: a process of its own, so that sealing takes no time of the server's.

Invariants:
- It ends with the server, however that ends: it looks whether its parent is there.
- One that was killed is started again: opening the vault finishes what was interrupted. One that
  refused to go on (a disk that failed, a vault that does not fit) is not: a person looks first.
- Care does not depend on it: what is not sealed yet is in the journal.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
from pathlib import Path

from django.db import connection

from tourniquet.edge.log import log_event, log_fault
from tourniquet.flows.note_sealer import note_sealer_ended
from tourniquet.kernel import settings
from tourniquet.kernel.errors import TourniquetError
from tourniquet.record.home import clock

EVERY_SECONDS = 0.5
HURRY_SECONDS = 0.05  # where senders wait for the replica, and what is new did not wake it
LOOK_SECONDS = 1.0
STOP_SECONDS = 5.0
RESTARTS_MOST = 20
LOG_BYTES_MOST = 1_000_000
BESIDE, APART = "beside", "apart"


class SealerProcess:
    """Starts the sealer, looks after it, and stops it."""

    def __init__(self, home: Path, *, hurries: bool = False) -> None:
        self._home = home
        self._every_seconds = HURRY_SECONDS if hurries else EVERY_SECONDS
        self._process: subprocess.Popen[bytes] | None = None
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
            self._thread.join(STOP_SECONDS + LOOK_SECONDS)

    def _run(self) -> None:
        for _ in range(RESTARTS_MOST):
            self._process = self._started()
            status = self._wait()
            if status is None or self._stop.is_set():
                self._end()
                return
            log_event("sealer.ended", status=status, log="logs/sealer.log")
            if status > 0:
                self._raise_alarm()
                return
            if self._stop.wait(LOOK_SECONDS):
                return

    def _raise_alarm(self) -> None:
        try:
            note_sealer_ended(now=clock().now())
        except TourniquetError as error:
            log_fault("sealer.no_alarm", error)
        finally:
            connection.close()

    def _wait(self) -> int | None:
        """How the process ended; None where it is to be stopped."""
        assert self._process is not None
        while (status := self._process.poll()) is None:
            if self._stop.wait(LOOK_SECONDS):
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
                [
                    *(sys.executable, "-m", "tourniquet.cli.main", "record", "seal", "--follow"),
                    *("--parent", str(os.getpid()), "--home", str(self._home)),
                    *("--every", str(self._every_seconds)),
                ],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                bufsize=0,
            )
        assert process.stdin is not None
        os.set_blocking(process.stdin.fileno(), False)
        return process


def sealer_beside(*, hurries: bool = False) -> SealerProcess | None:
    """The sealer of this home, where it is to run beside the server; `hurries`: somebody waits."""
    if settings.read_choice("TOURNIQUET_SEALER", (BESIDE, APART)) == APART:
        return None
    return SealerProcess(settings.home(), hurries=hurries)
