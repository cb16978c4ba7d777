"""The MLLP listener: messages come in over TCP and are answered after they are durable.

Invariants:
- Answers leave each connection in the order in which its messages came.
- Everything is bounded: connections, bytes of a frame, bytes of all unfinished frames, messages
  queued in all and on each connection, seconds of silence, seconds in which a peer reads nothing.
  Where a queue is full the listener stops reading, so that TCP holds the sender back.
- Nothing that arrives ends the listener. What goes wrong is logged and counted without a byte of
  a message.
- It writes nothing itself: `IntakeWriter` and the flow behind it do.

Source: HL7 v2 Implementation Guide, MLLP Release 1.
"""

from __future__ import annotations

import asyncio
import itertools
import ssl
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import cast

from tourniquet.edge.acknowledging import BOARD, AnswerHold, WitnessBoard
from tourniquet.edge.counters import MLLP, MllpCounters
from tourniquet.edge.intake_writer import IntakeWriter, ReceiveGroup, Waiting, never_again
from tourniquet.edge.log import log_event, log_fault
from tourniquet.flows.receive_messages import Answer, Received
from tourniquet.kernel import settings
from tourniquet.kernel.errors import OperatorError
from tourniquet.wire.mllp import Event, Frame, State, TooLarge, Unframer, frame

TICK_SECONDS = 0.25


@dataclass(frozen=True)
class Limits:
    """What the listener takes. Names end in their unit."""

    frame_bytes_max: int = 16 * 1024 * 1024
    connections_max: int = 256
    idle_seconds: float = 900.0
    silence_after_fs_seconds: float = 1.0
    slow_reader_seconds: float = 30.0
    connection_messages_max: int = 64
    queue_messages_max: int = 1024
    queue_bytes_max: int = 64 * 1024 * 1024
    unfinished_bytes_max: int = 256 * 1024 * 1024
    write_buffer_bytes_max: int = 256 * 1024
    stop_seconds: float = 4.0

    @classmethod
    def from_settings(cls) -> Limits:
        """Raises: OperatorError naming a setting that is out of bounds."""
        return cls(
            frame_bytes_max=settings.read_number(
                "TOURNIQUET_MLLP_MAX_FRAME_BYTES", least=1024, most=256 * 1024 * 1024
            ),
            connections_max=settings.read_number(
                "TOURNIQUET_MLLP_MAX_CONNECTIONS", least=1, most=10_000
            ),
            idle_seconds=settings.read_number("TOURNIQUET_MLLP_IDLE_SECONDS", least=1, most=86_400),
        )


def tls_from_settings() -> ssl.SSLContext | None:
    """TLS for the listener where a certificate is set.

    Raises: OperatorError when the files cannot be used.
    """
    certificate = settings.read("TOURNIQUET_MLLP_CERTIFICATE")
    if not certificate:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(certificate, settings.read("TOURNIQUET_MLLP_KEY") or None)
    except (OSError, ssl.SSLError) as error:
        raise OperatorError(
            "The certificate or its key cannot be read.",
            where="TOURNIQUET_MLLP_CERTIFICATE, TOURNIQUET_MLLP_KEY",
            remedy="Give PEM files that belong together.",
        ) from error
    return context


class Slot:
    """A place in a connection's row of answers."""

    __slots__ = ("answer", "closes", "connection", "size")

    def __init__(self, connection: Connection, size: int) -> None:
        self.connection = connection
        self.size = size
        self.answer: bytes | None = None
        self.closes = False


class Connection(asyncio.Protocol):
    """One sender."""

    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self._unframer = Unframer(listener.limits.frame_bytes_max)
        self._slots: deque[Slot] = deque()
        self._transport: asyncio.Transport | None = None
        self._reading = True
        self._write_blocked_since: float | None = None
        self._closing = False
        self._closing_since: float | None = None
        self.peer = ""
        self.unfinished_bytes = 0
        self._last_complete = self._last_bytes = listener.loop.time()

    # asyncio calls these ----------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the connection, or refuse it where there are too many."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop has classes of its own
        address = self._transport.get_extra_info("peername") or ("unknown", 0)
        self.peer = f"{address[0]}:{address[1]}"
        if not self._listener.join(self):
            self._closing = True
            self._transport.abort()
            return
        self._transport.set_write_buffer_limits(high=self._listener.limits.write_buffer_bytes_max)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 # asyncio's signature
        """The sender has gone; what it sent whole is still taken in, its answers fall away."""
        self._closing = True
        self._transport = None
        self._listener.leave(self)

    def data_received(self, data: bytes) -> None:
        """Unframe what came and queue it."""
        if self._closing:
            return
        try:
            self._last_bytes = self._listener.loop.time()
            self._take(self._unframer.feed(data))
        except Exception as error:  # noqa: BLE001 # the listener lives whatever arrives
            log_fault("mllp.connection_failed", error, peer=self.peer)
            self.abort()

    def eof_received(self) -> bool:
        """The sender will send no more; it may still read its answers."""
        self._take(self._unframer.end())
        self._closing = True
        # TLS knows no half-closed connection.
        tls = self._transport is not None and self._transport.get_extra_info("ssl_object")
        return bool(self._slots) and not tls

    def pause_writing(self) -> None:
        """The sender does not read its answers: read nothing more of it."""
        self._write_blocked_since = self._listener.loop.time()
        self.balance()

    def resume_writing(self) -> None:
        """It reads again."""
        self._write_blocked_since = None
        self.flush()
        self.balance()

    # the listener calls these -----------------------------------------------------------------

    def flush(self) -> None:
        """Write the answers that are due, in order."""
        due: list[bytes] = []
        closes = False
        while self._slots and self._slots[0].answer is not None:
            slot = self._slots.popleft()
            assert slot.answer is not None
            due.append(frame(slot.answer))
            closes = closes or slot.closes
        if self._transport is None:
            return
        if due:
            self._transport.write(b"".join(due))
        if closes or (self._closing and not self._slots):
            self._closing = True
            self._transport.close()

    def balance(self) -> None:
        """Read or do not read, by how much waits."""
        if self._transport is None or self._closing:
            return
        limits = self._listener.limits
        wanted = (
            self._write_blocked_since is None
            and len(self._slots) < limits.connection_messages_max
            and not self._listener.full()
        )
        if not wanted:
            self._listener.held.add(self)
        if wanted != self._reading:
            self._reading = wanted
            if wanted:
                self._transport.resume_reading()
            else:
                self._transport.pause_reading()

    def tick(self, now: float) -> None:
        """Look after silence, and after peers that do not read."""
        limits = self._listener.limits
        if self._closing and not self._slots and self._closing_since is None:
            self._closing_since = now
        blocked_since = self._write_blocked_since or self._closing_since
        if blocked_since is not None and now - blocked_since > limits.slow_reader_seconds:
            self._listener.counters.slow_closed += 1
            log_event("mllp.slow_reader", peer=self.peer)
            self.abort()
            return
        if self._closing:
            return
        silent = now - self._last_bytes > limits.silence_after_fs_seconds
        if silent and self._unframer.state is State.INSIDE_AFTER_FS:
            self._take(self._unframer.idle())
        if not self._slots and now - self._last_complete > limits.idle_seconds:
            self._listener.counters.idle_closed += 1
            log_event("mllp.idle", peer=self.peer, unfinished_bytes=self.unfinished_bytes)
            self.close()

    def close(self) -> None:
        """Close once the answers at hand are written."""
        self._closing = True
        self.flush()
        if self._transport is not None and not self._slots:
            self._transport.close()

    def abort(self) -> None:
        """Close at once."""
        self._closing = True
        if self._transport is not None:
            self._transport.abort()

    # within -----------------------------------------------------------------------------------

    def _take(self, events: list[Event]) -> None:
        listener = self._listener
        for event in events:
            if isinstance(event, Frame):
                self._last_complete = listener.loop.time()
                slot = Slot(self, len(event.payload))
                self._slots.append(slot)
                listener.queue(slot, event.payload)
            elif isinstance(event, TooLarge):
                self._refuse_large(event.head)
                break
            else:
                listener.counters.noise_bytes += event.byte_count
                log_event(
                    "mllp.noise", peer=self.peer, bytes=event.byte_count, kind=event.kind.value
                )
        self.unfinished_bytes = self._unframer.buffered_bytes
        if not listener.may_hold():
            log_event("mllp.unfinished_frames_too_large", peer=self.peer)
            self.abort()
        self.balance()

    def _refuse_large(self, head: bytes) -> None:
        """Answer AR in its turn, then close. What follows on this connection is not read."""
        listener = self._listener
        listener.counters.too_large += 1
        log_event("mllp.too_large", peer=self.peer)
        slot = Slot(self, 0)
        why = (
            f"The message is larger than {listener.limits.frame_bytes_max} bytes. Send it in parts."
        )
        answer = never_again(head, listener.now(), why)
        listener.counters.count_answer(answer.code)
        slot.answer = answer.acknowledgement
        slot.closes = True
        self._slots.append(slot)
        self._closing = True
        if self._transport is not None:
            self._transport.pause_reading()
        self.flush()


class Listener:
    """The port, its connections, and the writer behind them. Lives in one event loop."""

    def __init__(
        self,
        receive: ReceiveGroup,
        *,
        now: Callable[[], datetime],
        limits: Limits | None = None,
        counters: MllpCounters = MLLP,
        replica_wait_seconds: float | None = None,
        board: WitnessBoard = BOARD,
    ) -> None:
        """`replica_wait_seconds`: how long AA waits for the replica; None: it does not."""
        self.limits = limits or Limits()
        self.loop = asyncio.get_running_loop()
        self.counters = counters
        self.now = now
        self.held: set[Connection] = set()
        self._connections: set[Connection] = set()
        self._queued_messages = 0
        self._queued_bytes = 0
        self._drained = asyncio.Event()
        self._drained.set()
        self._server: asyncio.Server | None = None
        self._ticker: asyncio.Task[None] | None = None
        self._hold: AnswerHold[Slot] | None = None
        if replica_wait_seconds is not None:
            self._hold = AnswerHold(
                self._hand_over, seconds=replica_wait_seconds, counters=counters, board=board
            )
        self._writer: IntakeWriter[Slot] = IntakeWriter(
            receive,
            self._hand_over if self._hold is None else self._hold.put,
            now=now,
            counters=counters,
        )

    async def start(self, host: str, port: int, tls: ssl.SSLContext | None = None) -> int:
        """Listen; the port that was taken.

        Raises: OperatorError when the address cannot be had.
        """
        try:
            self._server = await self.loop.create_server(
                lambda: Connection(self), host, port, ssl=tls, backlog=512
            )
        except OSError as error:
            raise OperatorError(
                "The MLLP port cannot be opened; perhaps another program has it.",
                where=f"{host}:{port}",
                remedy="Choose another with --mllp-port.",
            ) from error
        self._writer.start()
        if self._hold is not None:
            self._hold.start()
        self._ticker = self.loop.create_task(self._tick())
        taken = self._server.sockets[0].getsockname()[1]
        assert isinstance(taken, int)
        return taken

    async def stop(self) -> None:
        """Take no more, finish what is queued, answer, close."""
        if self._server is not None:
            self._server.close()
        for connection in list(self._connections):
            connection.close()
        if self._hold is not None:  # the port on which the replica tells is closing too
            await asyncio.to_thread(self._hold.stop)
        try:
            async with asyncio.timeout(self.limits.stop_seconds):
                await self._drained.wait()
        except TimeoutError:
            log_event("mllp.stopped_with_messages_queued", queued=self._queued_messages)
        if self._ticker is not None:
            self._ticker.cancel()
        self._writer.stop()
        await asyncio.to_thread(self._writer.join, 1.0)
        await asyncio.sleep(0)  # lets the last answers leave
        for connection in list(self._connections):
            connection.close()
        for _ in range(20):
            if not self._connections:
                return
            await asyncio.sleep(0.01)
        for connection in list(self._connections):
            connection.abort()

    # connections call these -------------------------------------------------------------------

    def join(self, connection: Connection) -> bool:
        """Take a connection; False where there are as many as may be."""
        if len(self._connections) >= self.limits.connections_max:
            self.counters.connections_refused += 1
            log_event("mllp.too_many_connections", peer=connection.peer)
            return False
        self._connections.add(connection)
        self.counters.connections += 1
        self.counters.open = len(self._connections)
        return True

    def leave(self, connection: Connection) -> None:
        """A connection is gone."""
        self._connections.discard(connection)
        self.held.discard(connection)
        self.counters.open = len(self._connections)

    def queue(self, slot: Slot, payload: bytes) -> None:
        """Queue one message."""
        self._queued_messages += 1
        self._queued_bytes += slot.size
        self._drained.clear()
        self.counters.received += 1
        self.counters.queued = self._queued_messages
        self._writer.put(Waiting(Received(payload, "mllp", slot.connection.peer), slot))

    def full(self) -> bool:
        """Whether as much is queued as may be."""
        return (
            self._queued_messages >= self.limits.queue_messages_max
            or self._queued_bytes >= self.limits.queue_bytes_max
        )

    def may_hold(self) -> bool:
        """Whether all unfinished frames together are within their limit."""
        if len(self._connections) * self.limits.frame_bytes_max <= self.limits.unfinished_bytes_max:
            return True
        held = sum(connection.unfinished_bytes for connection in self._connections)
        return held <= self.limits.unfinished_bytes_max

    # within -----------------------------------------------------------------------------------

    def _hand_over(self, pairs: list[tuple[Slot, Answer]]) -> None:
        """Called in the writer's thread."""
        self.loop.call_soon_threadsafe(self._answered, pairs)

    def _answered(self, pairs: list[tuple[Slot, Answer]]) -> None:
        touched: dict[Connection, None] = {}
        for slot, answer in pairs:
            slot.answer = answer.acknowledgement
            self._queued_messages -= 1
            self._queued_bytes -= slot.size
            self.counters.count_answer(answer.code)
            touched[slot.connection] = None
        self.counters.queued = self._queued_messages
        for connection in touched:
            try:
                connection.flush()
            except Exception as error:  # noqa: BLE001 # one connection's failure is its own
                log_fault("mllp.flush_failed", error, peer=connection.peer)
                connection.abort()
        if self.held:
            held, self.held = self.held, set()
            for connection in held:
                connection.balance()
        if not self._queued_messages:
            self._drained.set()

    async def _tick(self) -> None:
        for _ in itertools.count():
            await asyncio.sleep(TICK_SECONDS)
            now = self.loop.time()
            for connection in list(self._connections):
                try:
                    connection.tick(now)
                except Exception as error:  # noqa: BLE001 # one connection's failure is its own
                    log_fault("mllp.tick_failed", error, peer=connection.peer)
                    connection.abort()
