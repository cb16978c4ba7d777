"""The process of the downtime desk: its pages over HTTP, and the vault followed beside them.

Steps of `serve_desk`:
1. Open the port.
2. Say that it answers; while it is locked it asks for the words.
3. Until a signal: serve; once unlocked, read what the vault has anew every second.
4. Stop: HTTP finishes what it has.
"""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Callable
from dataclasses import dataclass

from django.core.wsgi import get_wsgi_application

from tourniquet.flows.downtime_desk import DowntimeDesk
from tourniquet.site.memory import YOUNG_BY_PAGES, settle_memory
from tourniquet.site.server import Http, http_config, open_http
from tourniquet.site.threads import ThreadedApplication
from tourniquet.web.desk.access import run_desk

THREADS = 4
LOOK_SECONDS = 1.0


@dataclass(frozen=True)
class DeskAddress:
    """Where the desk listens; port 0 means any free one. Certificate "": plain HTTP."""

    host: str
    port: int
    certificate: str = ""
    certificate_key: str = ""

    @property
    def url(self) -> str:
        """The address to open."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'https' if self.certificate else 'http'}://{host}:{self.port}/"


class _Follower(threading.Thread):
    """Follows the vault until it is stopped."""

    def __init__(self, desk: DowntimeDesk) -> None:
        super().__init__(name="desk-follower", daemon=True)
        self._desk = desk
        self._stop_asked = threading.Event()

    def run(self) -> None:
        """Look, wait, look again."""
        while not self._stop_asked.is_set():
            self._desk.follow()
            self._stop_asked.wait(LOOK_SECONDS)

    def stop(self) -> None:
        """End after the look at hand."""
        self._stop_asked.set()


async def serve_desk(
    desk: DowntimeDesk, address: DeskAddress, on_ready: Callable[[DeskAddress], None]
) -> None:
    """Serve until SIGTERM or SIGINT. Raises: OperatorError when the port cannot be had."""
    # 1.
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    http_socket = open_http(address.host, address.port)
    run_desk(desk)
    application = ThreadedApplication(get_wsgi_application(), THREADS)
    http = Http(
        http_config(
            application,
            certificate=address.certificate,
            certificate_key=address.certificate_key,
        )
    )
    http_task = loop.create_task(http.serve(sockets=[http_socket]))
    answers = loop.create_task(http.answers.wait())
    await asyncio.wait([http_task, answers], return_when=asyncio.FIRST_COMPLETED)
    settle_memory(young=YOUNG_BY_PAGES)
    # 2.
    port = http_socket.getsockname()[1]
    on_ready(DeskAddress(address.host, port, address.certificate, address.certificate_key))
    # 3.
    follower = _Follower(desk)
    follower.start()
    stopped = loop.create_task(stop.wait())
    await asyncio.wait([http_task, stopped], return_when=asyncio.FIRST_COMPLETED)
    # 4.
    http.should_exit = True
    follower.stop()
    await http_task
    application.close()
