"""A listener in a thread, and senders: what tests of the wire have in common."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

WAIT_SECONDS = 20.0
MOMENT = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)


@dataclass
class Running:
    """A listener that runs, and its counters."""

    port: int
    counters: Any
    loop: asyncio.AbstractEventLoop
    stop: Callable[[], None]
    stopped: bool = False


@contextlib.contextmanager
def listening(
    receive: Any, *, tls: Any = None, now: Any = None, **limits: Any
) -> Iterator[Running]:
    """Run a real listener on a free loopback port."""
    from tourniquet.edge.counters import MllpCounters
    from tourniquet.edge.mllp import Limits, Listener

    started = threading.Event()
    found: list[Running] = []
    counters = MllpCounters()

    async def main() -> None:
        listener = Listener(
            receive, now=now or (lambda: MOMENT), limits=Limits(**limits), counters=counters
        )
        port = await listener.start("127.0.0.1", 0, tls)
        loop = asyncio.get_running_loop()
        over = asyncio.Event()
        found.append(Running(port, counters, loop, lambda: loop.call_soon_threadsafe(over.set)))
        started.set()
        await over.wait()
        await listener.stop()

    thread = threading.Thread(target=lambda: asyncio.run(main()), daemon=True)
    thread.start()
    assert started.wait(WAIT_SECONDS)
    running = found[0]
    try:
        yield running
    finally:
        if not running.stopped:
            with contextlib.suppress(RuntimeError):
                running.stop()
        thread.join(WAIT_SECONDS)
        assert not thread.is_alive(), "the listener did not stop"


@dataclass
class Sender:
    """One connection, blocking, which reads whole frames."""

    port: int
    socket: socket.socket = field(init=False)
    _buffer: bytes = b""

    def __post_init__(self) -> None:
        self.socket = socket.create_connection(("127.0.0.1", self.port), WAIT_SECONDS)

    def send(self, *messages: bytes) -> None:
        """Send messages, framed."""
        self.raw(b"".join(b"\x0b" + message + b"\x1c\r" for message in messages))

    def raw(self, data: bytes) -> None:
        """Send bytes as they are."""
        self.socket.sendall(data)

    def answer(self) -> str | None:
        """The next answer, or None where the listener has closed."""
        while b"\x1c\r" not in self._buffer:
            try:
                data = self.socket.recv(65536)
            except ConnectionError:
                data = b""
            if not data:
                return None
            self._buffer += data
        one, _, self._buffer = self._buffer.partition(b"\x1c\r")
        assert one.startswith(b"\x0b")
        return one[1:].decode("utf-8", "replace")

    def answers(self) -> list[str]:
        """Every answer until the listener closes."""
        found = []
        while (one := self.answer()) is not None:
            found.append(one)
        return found

    def close(self) -> None:
        """Close."""
        self.socket.close()

    def __enter__(self) -> Sender:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def outcome(answer: str | None) -> tuple[str, str]:
    """Code and control id of an answer: MSA-1 and MSA-2."""
    assert answer is not None, "the listener closed without an answer"
    line = next(line for line in answer.split("\r") if line.startswith("MSA"))
    parts = [*line.split(line[3]), "", ""]
    return parts[1], parts[2]


def message(control_id: str, *, body: str = "", kind: str = "ADT^A28") -> bytes:
    """A small message."""
    header = f"MSH|^~\\&|PAS|RJ1|T|R|20260302090000||{kind}|{control_id}|P|2.5.1||||||UNICODE UTF-8"
    return f"{header}\r{body or 'EVN|A28'}\r".encode()


def person(control_id: str, nhs_number: str, family: str = "JONES") -> bytes:
    """A registration."""
    pid = f"PID|1||{nhs_number}^^^NHS^NH||{family}^MARY||19450714|F|||1 High St^^London^^SE1 7EH"
    return message(control_id, body=f"EVN|A28|20260302090000\r{pid}")


def report(control_id: str, nhs_number: str, filler: str, value: str = "131") -> bytes:
    """A report of one result."""
    body = "\r".join(
        [
            f"PID|1||{nhs_number}^^^NHS^NH||JONES^MARY||19450714|F",
            f"ORC|RE||{filler}^LIMS",
            (
                f"OBR|1||{filler}^LIMS|FBC^Full blood count^LOCAL|||20260302081500|||||||||||||||"
                "20260302092500||LAB|F"
            ),
            f"OBX|1|NM|HB^Haemoglobin^LOCAL||{value}|g/L|115-165|N|||F",
        ]
    )
    return message(control_id, body=body, kind="ORU^R01")


class Recorder:
    """A flow that keeps nothing but a list. For tests of the listener itself."""

    def __init__(self, code: str = "AA") -> None:
        self.code = code
        self.groups: list[int] = []
        self.seen: list[bytes] = []
        self.gate: threading.Event | None = None
        self.fail_with: list[Exception] = []

    def __call__(self, messages: Sequence[Any], *, now: datetime) -> list[Any]:
        from tourniquet.flows.receive_messages import Answer
        from tourniquet.wire.acknowledgement import AckCode, acknowledge
        from tourniquet.wire.hl7v2 import peek_header

        if self.gate is not None:
            assert self.gate.wait(WAIT_SECONDS)
        if self.fail_with:
            raise self.fail_with.pop(0)
        self.groups.append(len(messages))
        self.seen += [one.raw for one in messages]
        return [
            Answer(
                self.code,
                acknowledge(
                    peek_header(one.raw), code=AckCode(self.code), control_id="1", moment=now
                ),
                1,
            )
            for one in messages
        ]
