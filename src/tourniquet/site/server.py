"""One process that serves: console, public pages and FHIR over HTTP, and HL7 v2 over MLLP.

Steps of `serve`:
1. Read the settings that readings are judged by, so that a bad one is known now; open both ports.
2. Say that it is ready, once, when both answer.
3. Until a signal: serve; the background worker runs the daily work of a real home, the sealer
   seals beside.
4. Stop: MLLP takes no more, finishes its group and answers; HTTP finishes what it has; under 5 s.

Invariants:
- One home is served by one process (`home_lock`).
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import signal
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import uvicorn
from django.db import connection

from tourniquet.edge.acknowledging import BOARD, read_board, wait_seconds_from_settings
from tourniquet.edge.log import log_event
from tourniquet.edge.mllp import Limits, Listener, tls_from_settings
from tourniquet.edge.vault_files import stop_waiting
from tourniquet.edge.worker import Worker
from tourniquet.flows.break_glass import hours_held
from tourniquet.flows.receive_messages import receive_group
from tourniquet.kernel import settings
from tourniquet.kernel.errors import OperatorError
from tourniquet.patients.ceilings import (
    CEILINGS,
    LIMITS,
    REASONS,
    read_ceilings,
    read_limits,
    read_reasons,
)
from tourniquet.record.checkpoints import Checkpointer
from tourniquet.record.erasures import erasure_days
from tourniquet.record.home import clock
from tourniquet.site.memory import settle_memory
from tourniquet.site.sealing import sealer_beside
from tourniquet.site.threads import ThreadedApplication

LOCK_FILE = "serve.lock"
HTTP_STOP_SECONDS = 2
_BACKLOG = 512


@dataclass(frozen=True)
class Addresses:
    """Where the process listens; a port 0 means any free one."""

    host: str
    port: int
    mllp_port: int


@contextlib.contextmanager
def home_lock(home: Path) -> Iterator[None]:
    """Be the only process that serves this home.

    Raises: OperatorError when another one does.
    """
    home.mkdir(parents=True, exist_ok=True, mode=0o700)
    with (home / LOCK_FILE).open("a+") as file:
        _lock(file, home)
        file.seek(0)
        file.truncate()
        file.write(f"{os.getpid()}\n")
        file.flush()
        yield


def _lock(file: IO[str], home: Path) -> None:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        file.seek(0)
        owner = file.read(20).strip()
        raise OperatorError(
            f"Another server (process {owner or 'unknown'}) already serves this home.",
            where=str(home),
            remedy="Stop it, or give this one a --home of its own.",
        ) from error


class Http(uvicorn.Server):
    """uvicorn without its own signals, telling when it answers."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.answers = asyncio.Event()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals are `serve`'s affair."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, and tell."""
        await super().startup(sockets)
        self.answers.set()


def open_http(host: str, port: int) -> socket.socket:
    """Open the HTTP port. Raises: OperatorError when it cannot be had."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except OSError as error:
        raise OperatorError(
            "The HTTP port cannot be opened; perhaps another program has it.",
            where=f"{host}:{port}",
            remedy="Choose another with --port.",
        ) from error


async def serve(
    application: ThreadedApplication,
    addresses: Addresses,
    on_ready: Callable[[Addresses], None],
    *,
    daily_work: bool,
) -> None:
    """Serve until SIGTERM or SIGINT; `daily_work`: run the jobs of the day at their times.

    Raises: OperatorError when a port or a certificate cannot be had.
    """
    # 1. Read what readings are judged by, so that a bad setting is known now; open both ports.
    read_ceilings(settings.read(CEILINGS))
    read_reasons(settings.read(REASONS))
    read_limits(settings.read(LIMITS))
    hours_held()
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    wait_seconds = wait_seconds_from_settings()
    erasure_days()  # a wrong one is said now, and not when somebody approves an erasure
    await asyncio.to_thread(_read_board)
    http_socket = open_http(addresses.host, addresses.port)
    listener = Listener(
        receive_group,
        now=lambda: clock().now(),
        limits=Limits.from_settings(),
        replica_wait_seconds=wait_seconds,
    )
    mllp_port = await listener.start(addresses.host, addresses.mllp_port, tls_from_settings())
    http = Http(http_config(application))
    http_task = loop.create_task(http.serve(sockets=[http_socket]))
    answers = loop.create_task(http.answers.wait())
    await asyncio.wait([http_task, answers], return_when=asyncio.FIRST_COMPLETED)
    settle_memory()
    # 2. Ready.
    on_ready(Addresses(addresses.host, http_socket.getsockname()[1], mllp_port))
    # 3. Serve.
    worker = Worker(clock=clock)
    if daily_work:
        worker.start()
    checkpointer = _start_checkpointer()
    sealer = sealer_beside(hurries=wait_seconds is not None)
    if sealer is not None:
        BOARD.ask = sealer.wake
        sealer.start()
    stopped = loop.create_task(stop.wait())
    await asyncio.wait([http_task, stopped], return_when=asyncio.FIRST_COMPLETED)
    # 4. Stop.
    log_event("serve.stopping")
    stop_waiting()
    http.should_exit = True
    worker.stop()
    await asyncio.gather(listener.stop(), http_task)
    if sealer is not None:
        await asyncio.to_thread(sealer.stop)
    application.close()
    if checkpointer is not None:
        checkpointer.stop()
    log_event("serve.stopped")


def _read_board() -> None:
    """In a thread of its own, because it asks the database."""
    try:
        read_board()
    finally:
        connection.close()


def _start_checkpointer() -> Checkpointer | None:
    """Copies beside the writers, where the database is SQLite's."""
    if connection.vendor != "sqlite":
        return None
    checkpointer = Checkpointer(str(connection.settings_dict["NAME"]))
    checkpointer.start()
    return checkpointer


def http_config(
    application: ThreadedApplication, *, certificate: str = "", certificate_key: str = ""
) -> uvicorn.Config:
    """How HTTP is served; over TLS where a certificate is named."""
    return uvicorn.Config(
        application,
        loop="asyncio",
        http="httptools",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=15,
        timeout_graceful_shutdown=HTTP_STOP_SECONDS,
        limit_concurrency=1000,
        ssl_certfile=certificate or None,
        ssl_keyfile=certificate_key or None,
    )
