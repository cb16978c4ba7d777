"""Django in a fixed number of threads behind ASGI, so that database connections are kept.

Django's own ASGI handler gives every HTTP request a thread, and so a database connection, of its
own. Here few threads live as long as the process, each with its connection: SQLite keeps its page
cache, PostgreSQL sees a bounded number of sessions, and a flood of HTTP requests waits in a queue
instead of taking the processor from intake.

Invariants:
- A body has at most BODY_BYTES_MAX bytes; more is 413 and is not read.
- At most WAITING_MOST HTTP requests wait; more are 503 at once.
"""

from __future__ import annotations

import asyncio
import io
import sys
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeAlias

THREADS = 8
WAITING_MOST = 256
BODY_BYTES_MAX = 32 * 1024 * 1024
_CHUNK_BYTES = 256 * 1024

Scope: TypeAlias = MutableMapping[str, Any]  # Any: ASGI's own type of a scope and of its messages
Receive: TypeAlias = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send: TypeAlias = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Application: TypeAlias = Callable[..., Iterable[bytes]]
Headers: TypeAlias = list[tuple[bytes, bytes]]


class ThreadedApplication:
    """An ASGI application that runs a WSGI one."""

    def __init__(self, application: Application, threads: int = THREADS) -> None:
        self._application = application
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="http")
        self._waiting = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        if self._waiting >= WAITING_MOST:
            await _answer(send, 503, b"too many requests wait; try again\n")
            return
        body = await _read_body(receive)
        if body is None:
            await _answer(send, 413, b"the body is too large\n")
            return
        self._waiting += 1
        try:
            await self._run(scope, body, send)
        finally:
            self._waiting -= 1

    def close(self) -> None:
        """End the threads; work at hand is finished."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    async def _run(self, scope: Scope, body: bytes, send: Send) -> None:
        loop = asyncio.get_running_loop()
        chunks: asyncio.Queue[tuple[int, Headers, bytes] | bytes | None] = asyncio.Queue()

        def put(item: tuple[int, Headers, bytes] | bytes | None) -> None:
            loop.call_soon_threadsafe(chunks.put_nowait, item)

        done = loop.run_in_executor(self._pool, self._in_thread, environ_of(scope, body), put)
        started = False
        try:
            while (item := await chunks.get()) is not None:
                if isinstance(item, tuple):
                    status, headers, first = item
                    await send(
                        {"type": "http.response.start", "status": status, "headers": headers}
                    )
                    started = True
                    item = first
                await send({"type": "http.response.body", "body": item, "more_body": True})
        finally:
            await done
        if started:
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        else:
            await _answer(send, 500, b"something went wrong here\n")

    def _in_thread(
        self,
        environ: dict[str, Any],
        put: Callable[[tuple[int, Headers, bytes] | bytes | None], None],
    ) -> None:
        head: list[tuple[int, Headers]] = []

        def start_response(
            status: str,
            headers: list[tuple[str, str]],
            exc_info: object = None,  # noqa: ARG001 # WSGI's signature
        ) -> None:
            raw = [(k.lower().encode("latin-1"), v.encode("latin-1")) for k, v in headers]
            head.append((int(status.split(" ", 1)[0]), raw))

        try:
            result = self._application(environ, start_response)
            try:
                sent = False
                for chunk in result:
                    for at in range(0, len(chunk), _CHUNK_BYTES):
                        part = chunk[at : at + _CHUNK_BYTES]
                        put(part if sent else (*head[-1], part))
                        sent = True
                if not sent and head:
                    put((*head[-1], b""))
            finally:
                close = getattr(result, "close", None)
                if close is not None:
                    close()
        finally:
            put(None)


async def _read_body(receive: Receive) -> bytes | None:
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return b""
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > BODY_BYTES_MAX:
            return None
        if not message.get("more_body"):
            return b"".join(parts)


async def _answer(send: Send, status: int, text: bytes) -> None:
    headers = [(b"content-type", b"text/plain; charset=utf-8")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": text, "more_body": False})


def environ_of(scope: Scope, body: bytes) -> dict[str, Any]:
    """The WSGI environment of an ASGI scope.

    Source: PEP 3333; ASGI's HTTP specification, "WSGI compatibility".
    """
    server = scope.get("server") or ("localhost", 80)
    client = scope.get("client") or ("", 0)
    environ: dict[str, Any] = {
        "REQUEST_METHOD": scope["method"],
        "SCRIPT_NAME": "",
        "PATH_INFO": scope["path"].encode("utf-8").decode("latin-1"),
        "QUERY_STRING": scope["query_string"].decode("latin-1"),
        "SERVER_PROTOCOL": f"HTTP/{scope['http_version']}",
        "SERVER_NAME": server[0],
        "SERVER_PORT": str(server[1]),
        "REMOTE_ADDR": client[0],
        "REMOTE_PORT": str(client[1]),
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scope.get("scheme", "http"),
        "wsgi.input": io.BytesIO(body),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
        "CONTENT_LENGTH": str(len(body)),
    }
    for raw_name, raw_value in scope["headers"]:
        name = raw_name.decode("latin-1").upper().replace("-", "_")
        value = raw_value.decode("latin-1")
        if name == "CONTENT_LENGTH":
            continue  # what was read counts
        key = name if name == "CONTENT_TYPE" else f"HTTP_{name}"
        # Names with an underscore would pass for others with a hyphen.
        if b"_" in raw_name:
            continue
        environ[key] = f"{environ[key]},{value}" if key in environ else value
    return environ
