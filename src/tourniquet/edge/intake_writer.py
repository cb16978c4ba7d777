"""The one thread that takes messages into the record: whatever waits becomes one group.

Steps of a group:
1. Take what waits, up to 128 messages or 1 MB. Where several came together last time, those just
   answered send again at once: wait for them, but no longer than GATHER_SECONDS.
2. Hand it to the flow, which keeps, applies and commits it in one transaction.
3. Give the answers back; only then may a connection write them.

Invariants:
- The thread owns its database connection. After a failure of the database it closes it, so that
  the next group begins with a new one.
- Where the group as a whole failed, nobody of it is answered AA. A failure of the storage is AE
  for all; any other failure is tried once more one message at a time, so that a message that
  breaks us takes nobody down with it.
- No exception ends the thread.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from time import monotonic
from typing import Generic, Protocol, TypeVar

import msgspec
from django.db import connections

from tourniquet.edge.counters import MllpCounters
from tourniquet.edge.log import log_event, log_fault
from tourniquet.flows.receive_messages import Answer, Received
from tourniquet.kernel.errors import StorageUnavailable
from tourniquet.wire.acknowledgement import AckCode, ErrorCode, ErrorDetail, acknowledge
from tourniquet.wire.hl7v2 import peek_header

GROUP_MESSAGES_MOST = 128
GROUP_BYTES_MOST = 1024 * 1024
GATHER_SECONDS = 0.002
_WAIT_SECONDS = 1.0

Ticket = TypeVar("Ticket")


class ReceiveGroup(Protocol):
    """The flow that takes a group in."""

    def __call__(self, messages: Sequence[Received], *, now: datetime) -> list[Answer]: ...


class Waiting(msgspec.Struct, Generic[Ticket], frozen=True):
    """A message and what its connection needs to find it again."""

    message: Received
    ticket: Ticket


Deliver = Callable[[list[tuple[Ticket, Answer]]], None]


class IntakeWriter(Generic[Ticket]):
    """Takes messages from any thread; answers are handed to `deliver`, in the order of arrival."""

    def __init__(
        self,
        receive: ReceiveGroup,
        deliver: Deliver[Ticket],
        *,
        now: Callable[[], datetime],
        counters: MllpCounters,
    ) -> None:
        self._receive = receive
        self._deliver = deliver
        self._now = now
        self._counters = counters
        self._waiting: deque[Waiting[Ticket]] = deque()
        self._bell = threading.Condition()
        self._stopping = False
        self._crowd = 1  # how many were there at once last time
        self._thread = threading.Thread(target=self._run, name="intake-writer", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def put(self, waiting: Waiting[Ticket]) -> None:
        """Queue a message. Whoever calls bounds how many."""
        with self._bell:
            self._waiting.append(waiting)
            self._bell.notify()

    def stop(self) -> None:
        """Finish the group at hand and what waits, then end. Does not wait for it."""
        with self._bell:
            self._stopping = True
            self._bell.notify()

    def join(self, timeout_seconds: float) -> bool:
        """Wait for the end; False where it did not come in time."""
        self._thread.join(timeout_seconds)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while True:
            group = self._take()
            if not group:
                break
            answers = self._answers(group)
            self._counters.groups += 1
            pairs = [(w.ticket, answer) for w, answer in zip(group, answers, strict=True)]
            try:
                self._deliver(pairs)
            except RuntimeError as error:  # the loop has been closed: nobody is there to answer
                log_fault("mllp.deliver", error)
        _close_connection()

    def _take(self) -> list[Waiting[Ticket]]:
        """What waits, or nothing when it is over."""
        group: list[Waiting[Ticket]] = []
        size = 0
        with self._bell:
            while not self._waiting and not self._stopping:
                self._bell.wait(_WAIT_SECONDS)
            self._gather()
            while self._waiting and len(group) < GROUP_MESSAGES_MOST:
                size += len(self._waiting[0].message.raw)
                if group and size > GROUP_BYTES_MOST:
                    break
                group.append(self._waiting.popleft())
        return group

    def _gather(self) -> None:
        """Wait a moment until as many are here as last time: fewer commits, each of more."""
        most = min(self._crowd, GROUP_MESSAGES_MOST)
        until = monotonic() + GATHER_SECONDS
        while len(self._waiting) < most and not self._stopping:
            left = until - monotonic()
            if left <= 0:
                break
            self._bell.wait(left)
        self._crowd = len(self._waiting)

    def _answers(self, group: Sequence[Waiting[Ticket]]) -> list[Answer]:
        messages = [waiting.message for waiting in group]
        answers = self._try(messages)
        if answers is None and len(messages) > 1:
            answers = []
            for message in messages:
                alone = self._try([message])
                answers += alone or [try_again(message.raw, self._moment())]
        return answers or [try_again(message.raw, self._moment()) for message in messages]

    def _try(self, messages: Sequence[Received]) -> list[Answer] | None:
        """The answers, all of them AE where the storage failed; None where we failed."""
        try:
            answers = self._receive(messages, now=self._now())
            if len(answers) == len(messages):
                return answers
            log_event("mllp.group_answers_missing", messages=len(messages), answers=len(answers))
        except StorageUnavailable as error:
            log_fault("mllp.storage_unavailable", error.__cause__ or error, messages=len(messages))
            self._counters.groups_failed += 1
            _close_connection()
            return [try_again(message.raw, self._moment()) for message in messages]
        except Exception as error:  # noqa: BLE001 # the listener's loop logs, counts and lives
            log_fault("mllp.group_failed", error, messages=len(messages))
            self._counters.groups_failed += 1
        _close_connection()
        return None

    def _moment(self) -> datetime:
        """A time for an answer, even where the home's clock cannot be asked."""
        try:
            return self._now()
        except Exception:  # noqa: BLE001 # an answer is due whatever fails
            return datetime.now(UTC)


def try_again(raw: bytes, moment: datetime) -> Answer:
    """AE: nothing was kept; the sender keeps the message and sends it again."""
    return _plain_answer(
        raw,
        moment,
        AckCode.ERROR,
        ErrorDetail(ErrorCode.INTERNAL, "The message could not be kept now. Send it again later."),
    )


def never_again(raw: bytes, moment: datetime, why: str) -> Answer:
    """AR, for what cannot be taken in at all."""
    return _plain_answer(raw, moment, AckCode.REJECT, ErrorDetail(ErrorCode.DATA_TYPE, why))


def _plain_answer(raw: bytes, moment: datetime, code: AckCode, error: ErrorDetail) -> Answer:
    acknowledgement = acknowledge(
        peek_header(raw),
        code=code,
        control_id=moment.strftime("%Y%m%d%H%M%S%f"),
        moment=moment,
        error=error,
    )
    return Answer(code=code.value, acknowledgement=acknowledgement, position=None)


def _close_connection() -> None:
    """Forget this thread's connection, whatever state it is in."""
    try:
        connections["default"].close()
    except Exception as error:  # noqa: BLE001 # a broken connection may not close cleanly
        log_fault("mllp.close_connection", error)
        connections["default"].connection = None
