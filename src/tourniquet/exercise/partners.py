"""How the exercise talks to the running system: MLLP and HTTP, as any other system would.

Invariants:
- Only addresses on this machine's loopback are ever used.
- Every message is waited for: what was not acknowledged counts as not sent, and is sent again a
  bounded number of times, as a real sender does.
"""

from __future__ import annotations

import asyncio
import http.client
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain, islice
from urllib.parse import urlencode

import uvloop

from tourniquet.kernel.errors import OperatorError
from tourniquet.wire.hl7v2 import parse
from tourniquet.wire.mllp import Frame, Unframer, frame

CONNECTIONS = 128
ANSWER_SECONDS = 60.0
TRIES = 5
HTTP_SECONDS = 300
_TOKEN = re.compile(r'name="csrfmiddlewaretoken"[^>]*value="([^"]+)"')


@dataclass(frozen=True)
class Sent:
    """A message and what became of it."""

    control_id: str
    code: str


class MessageSender:
    """Sends messages over several MLLP connections at once, one at a time on each.

    The connections stay open from one call to the next, as partners keep theirs; `close` ends them.
    """

    def __init__(self, host: str, port: int, connections: int = CONNECTIONS) -> None:
        self._host = host
        self._port = port
        self._connections = connections
        self._runner = asyncio.Runner(loop_factory=uvloop.new_event_loop)
        self._idle: list[_Connection] = []

    def send(self, messages: Iterable[tuple[str, bytes]]) -> list[Sent]:
        """Send (control id, bytes) pairs; the acknowledgement code of each, by control id.

        Messages are taken from the iterable as connections come free, so that they are written
        while the listener works on those before them.
        Raises: OperatorError when the listener cannot be reached or stays silent.
        """
        try:
            return self._runner.run(self._send(iter(messages)))
        except (OSError, TimeoutError) as error:
            raise OperatorError(
                "The MLLP listener does not answer.",
                where=f"{self._host}:{self._port}",
                remedy="See the server's log.",
            ) from error

    def close(self) -> None:
        """Close the connections."""
        self._runner.run(self._close())
        self._runner.close()

    async def _send(self, todo: Iterator[tuple[str, bytes]]) -> list[Sent]:
        first = list(islice(todo, self._connections))
        if not first:
            return []
        rest = chain(first, todo)
        codes: dict[str, str] = {}
        await asyncio.gather(*(self._worker(rest, codes) for _ in first))
        return [Sent(control_id, codes[control_id]) for control_id in sorted(codes)]

    async def _worker(self, todo: Iterator[tuple[str, bytes]], codes: dict[str, str]) -> None:
        connection = await self._connect()
        try:
            for control_id, payload in todo:
                for _ in range(TRIES):
                    connection.writer.write(frame(payload))
                    async with asyncio.timeout(ANSWER_SECONDS):
                        code = await connection.answer()
                    codes[control_id] = code
                    if code not in ("AE", "CE"):
                        break
        except BaseException:
            connection.writer.close()
            raise
        self._idle.append(connection)

    async def _connect(self) -> _Connection:
        """One that is open already and still is, else a new one."""
        while self._idle:
            kept = self._idle.pop()
            if not (kept.reader.at_eof() or kept.writer.is_closing()):
                return kept
            kept.writer.close()
        reader, writer = await asyncio.open_connection(self._host, self._port)
        return _Connection(reader, writer)

    async def _close(self) -> None:
        idle, self._idle = self._idle, []
        for connection in idle:
            connection.writer.close()
        await asyncio.gather(
            *(connection.writer.wait_closed() for connection in idle), return_exceptions=True
        )


@dataclass
class _Connection:
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    unframer: Unframer = field(default_factory=Unframer)

    async def answer(self) -> str:
        """The code of the next acknowledgement."""
        while True:
            data = await self.reader.read(65536)
            if not data:
                raise OSError("the listener closed the connection")
            for event in self.unframer.feed(data):
                if isinstance(event, Frame):
                    return parse(event.payload).segments[1].value(1)


@dataclass
class Console:
    """A person at the console: signs in, fills in forms. Or a system, with a bearer token."""

    host: str
    port: int
    token: str = ""
    _cookies: dict[str, str] = field(default_factory=dict)
    _form_token: str = ""

    def _exchange(
        self, method: str, path: str, body: bytes | None, headers: dict[str, str]
    ) -> tuple[int, dict[str, str], bytes]:
        connection = http.client.HTTPConnection(self.host, self.port, timeout=HTTP_SECONDS)
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        if self._cookies:
            headers["Cookie"] = "; ".join(f"{k}={v}" for k, v in self._cookies.items())
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            content = answer.read()
        except OSError as error:
            raise OperatorError(
                "The console does not answer.",
                where=f"{self.host}:{self.port}",
                remedy="See the server's log.",
            ) from error
        finally:
            connection.close()
        for line in answer.headers.get_all("Set-Cookie") or []:
            name, _, rest = line.partition("=")
            self._cookies[name] = rest.partition(";")[0]
        return answer.status, dict(answer.headers), content

    def get(self, path: str) -> bytes:
        """The page at a path. Raises: OperatorError where it is not answered with 200."""
        status, _, content = self._exchange("GET", path, None, {})
        if status != http.HTTPStatus.OK:
            raise OperatorError(f"The console answered {status}.", where=f"GET {path}")
        return content

    def get_json(self, path: str) -> object:
        """The JSON at a path."""
        return json.loads(self.get(path))

    def post_json(self, path: str, value: object) -> object:
        """Post JSON; the JSON that is answered, or None."""
        status, _, content = self._exchange(
            "POST", path, json.dumps(value).encode(), {"Content-Type": "application/json"}
        )
        if status >= http.HTTPStatus.MULTIPLE_CHOICES:
            raise OperatorError(
                f"The console answered {status}: {content[:200].decode(errors='replace')}",
                where=f"POST {path}",
            )
        return json.loads(content) if content.strip() else None

    def sign_in(self, name: str, password: str) -> None:
        """Sign in as a person does. Raises: OperatorError where it is refused."""
        where = self.submit("/sign-in/", {"username": name, "password": password})
        self._form_token = ""  # signing in gives a new one
        if where.startswith("/sign-in"):
            raise OperatorError("The console refused the sign-in.", where=name)

    def submit(self, path: str, values: dict[str, str | list[str]], *, page: str = "") -> str:
        """Fill in the form that `page` (or path) shows and post it; the address it leads to.

        The form's token is good for the whole session, so the page is opened for the first only.

        Raises: OperatorError when the form is refused.
        """
        if not self._form_token:
            shown = self.get(page or path).decode()
            found = _TOKEN.search(shown)
            if found is None:
                raise OperatorError("The page has no form to fill in.", where=page or path)
            self._form_token = found[1]
        body = urlencode({**values, "csrfmiddlewaretoken": self._form_token}, doseq=True).encode()
        status, headers, content = self._exchange(
            "POST", path, body, {"Content-Type": "application/x-www-form-urlencoded"}
        )
        if status not in (http.HTTPStatus.FOUND, http.HTTPStatus.SEE_OTHER):
            text = re.sub(r"<[^>]+>", " ", content.decode(errors="replace"))
            raise OperatorError(
                f"The form was refused ({status}): {' '.join(text.split())[:400]}",
                where=f"POST {path}",
            )
        return headers.get("Location", headers.get("location", ""))
