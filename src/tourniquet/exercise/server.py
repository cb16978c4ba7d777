"""The running system under exercise: `tourniquet serve` as a process of its own.

Invariants:
- It listens on loopback only, on ports that the system chose.
- It ends with the exercise, however that ends.
"""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tourniquet.kernel.errors import OperatorError
from tourniquet.kernel.settings import environment_with

READY_SECONDS = 60
STOP_SECONDS = 30
_READY = re.compile(r"http://(?P<host>[^:/]+):(?P<port>\d+)/.*MLLP [^:]+:(?P<mllp>\d+)")


@dataclass(frozen=True)
class Address:
    """Where a server listens."""

    host: str
    port: int
    mllp_port: int


class Server:
    """The server of a home; started again, it listens where it did."""

    def __init__(self, home: Path, database_url: str) -> None:
        self._home = home
        self._environment = environment_with(
            TOURNIQUET_HOME=str(home), TOURNIQUET_DATABASE_URL=database_url, TOURNIQUET_KEYS=""
        )
        self._process: subprocess.Popen[str] | None = None
        self._ports = (0, 0)

    def start(self) -> Address:
        """Start it and wait until it is ready. Raises: OperatorError when it does not become so."""
        port, mllp_port = self._ports
        with (self._home / "logs" / "serve.log").open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603 (our own interpreter and module)
                [
                    *(sys.executable, "-m", "tourniquet.cli.main", "serve"),
                    *("--port", str(port), "--mllp-port", str(mllp_port)),
                ],
                env=self._environment,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        address = _wait_until_ready(self._process, self._home)
        self._ports = (address.port, address.mllp_port)
        return address

    def kill(self) -> None:
        """End it as a power cut would."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """End it in order."""
        self._end(signal.SIGTERM)

    def _end(self, number: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(number)
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdout:
            process.stdout.close()


@contextmanager
def running_server(home: Path, database_url: str) -> Iterator[Address]:
    """Start a server on a home and wait until it is ready.

    Raises: OperatorError when it does not become ready.
    """
    server = Server(home, database_url)
    try:
        yield server.start()
    finally:
        server.stop()


def _wait_until_ready(process: subprocess.Popen[str], home: Path) -> Address:
    timer = threading.Timer(READY_SECONDS, process.kill)
    timer.start()
    try:
        line = process.stdout.readline() if process.stdout else ""
    finally:
        timer.cancel()
    found = _READY.search(line)
    if found is None:
        raise OperatorError(
            "The server did not become ready.",
            where=str(home / "logs" / "serve.log"),
            remedy="Read the log and start again.",
        )
    return Address(found["host"], int(found["port"]), int(found["mllp"]))
