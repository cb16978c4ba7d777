"""Answers that wait until the replica has countersigned what they acknowledge.

With TOURNIQUET_ACKNOWLEDGE=replica an AA is held until the witnessed part of the journal covers all
entries of its group.

Invariants:
- No answer waits longer than TOURNIQUET_ACKNOWLEDGE_SECONDS. Once one had to, none waits any more
  until the replica is back: until it has all that was given out up to half that time ago. So one
  that is away costs one wait and not one a message, and one that is back may lag behind traffic.
- AE and AR never wait: the sender keeps what they are about, or a person looks.
- What was acknowledged without the replica is counted, logged, and on every page.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import monotonic
from typing import Generic, TypeVar

from tourniquet.edge.counters import MllpCounters
from tourniquet.edge.log import log_event, log_fault
from tourniquet.flows.receive_messages import Answer
from tourniquet.kernel import settings
from tourniquet.kernel.errors import OperatorError
from tourniquet.record.witness import SETTING, ProtectionReader, find_witness_key

Ticket = TypeVar("Ticket")
Pairs = list[tuple[Ticket, Answer]]
LOCAL, REPLICA = "local", "replica"
SECONDS_MOST = 60
_IDLE_SECONDS = 1.0
_NOTE_SECONDS = 0.1


class WitnessBoard:
    """How far the witness has come, for every thread of this process."""

    def __init__(self) -> None:
        self.bell = threading.Condition()
        self.size = 0
        self.ask: Callable[[], None] = lambda: None  # tells the sealer that somebody waits

    def tell(self, size: int) -> None:
        """It has come so far."""
        with self.bell:
            self.size = max(self.size, size)
            self.bell.notify_all()


BOARD = WitnessBoard()


def wait_seconds_from_settings() -> float | None:
    """How long AA waits for the replica; None where it does not wait at all.

    Raises: OperatorError naming the setting that is wrong or missing.
    """
    key = find_witness_key()
    level = settings.read_choice("TOURNIQUET_ACKNOWLEDGE", (LOCAL, REPLICA))
    seconds = settings.read_number("TOURNIQUET_ACKNOWLEDGE_SECONDS", least=1, most=SECONDS_MOST)
    if level == LOCAL:
        return None
    if key is None:
        raise OperatorError(
            "To acknowledge only what the replica has, its key must be pinned.",
            where=SETTING,
            remedy="Set it to the line in witness.vkey, or set TOURNIQUET_ACKNOWLEDGE=local.",
        )
    return float(seconds)


def read_board(board: WitnessBoard = BOARD) -> None:
    """Begin with what was countersigned before this process."""
    found = ProtectionReader().read()
    if found is not None:
        board.tell(found.witnessed)


@dataclass(frozen=True)
class _Held(Generic[Ticket]):
    pairs: Pairs[Ticket]
    through: int
    until: float


class AnswerHold(Generic[Ticket]):
    """Stands between the intake's writer and the connections. It never makes the writer wait."""

    def __init__(
        self,
        deliver: Callable[[Pairs[Ticket]], None],
        *,
        seconds: float,
        counters: MllpCounters,
        board: WitnessBoard = BOARD,
        now: Callable[[], float] = monotonic,
    ) -> None:
        self._deliver = deliver
        self._seconds = seconds
        self._counters = counters  # held and unprotected are changed with the bell's lock alone
        self._board = board
        self._now = now
        self._held: deque[_Held[Ticket]] = deque()
        self._away = False
        self._demanded = 0  # how far it must have come to be back
        self._given: deque[tuple[float, int]] = deque()  # given out without it lately: when, what
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="answer-hold", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """Let everything go, now and later."""
        with self._board.bell:
            self._stopping = True
            self._board.bell.notify_all()
        if self._thread.is_alive():
            self._thread.join(_IDLE_SECONDS)

    def put(self, pairs: Pairs[Ticket]) -> None:
        """Take the answers of a group: deliver them now or later."""
        through = max((answer.through for _, answer in pairs if answer.code == "AA"), default=0)
        with self._board.bell:
            self._look_back()
            if through > self._board.size and not self._away and not self._stopping:
                self._held.append(_Held(pairs, through, self._now() + self._seconds))
                self._counters.held += len(pairs)
                self._board.bell.notify_all()
                self._board.ask()
                return
            if through > self._board.size:
                self._give_out(through)
                self._counters.unprotected += _count_aa(pairs)
        self._deliver(pairs)

    def _run(self) -> None:
        while True:
            with self._board.bell:
                due = self._due()
                if not due and self._stopping:
                    return
                if not due:
                    self._board.bell.wait(self._idle_seconds())
            for one in due:
                try:
                    self._deliver(one.pairs)
                except RuntimeError as error:  # the loop has been closed: nobody is there to answer
                    log_fault("mllp.deliver", error)

    def _due(self) -> list[_Held[Ticket]]:
        """What may go: the witness has it, or it has waited long enough. Under the lock."""
        self._look_back()
        due: list[_Held[Ticket]] = []
        while self._held and self._held[0].through <= self._board.size:
            due.append(self._held.popleft())
        if self._held and (self._stopping or self._now() >= self._held[0].until):
            late = list(self._held)
            self._held.clear()
            self._away = True
            self._demanded = late[0].through
            for one in late:
                self._give_out(one.through)
            self._counters.unprotected += sum(_count_aa(one.pairs) for one in late)
            log_event("mllp.replica_away", witnessed=self._board.size, last=late[-1].through)
            due += late
        self._counters.held -= sum(len(one.pairs) for one in due)
        return due

    def _give_out(self, through: int) -> None:
        """Note what was given out without the replica; few notes, however many messages."""
        now = self._now()
        if self._given and now - self._given[-1][0] < _NOTE_SECONDS:
            now, _ = self._given.pop()
        self._given.append((now, through))

    def _look_back(self) -> None:
        """See whether the replica is back."""
        while self._given and self._now() - self._given[0][0] >= self._seconds / 2:
            self._demanded = self._given.popleft()[1]
        if self._away and self._board.size >= self._demanded:
            log_event("mllp.replica_back", witnessed=self._board.size)
            self._away = False
            self._given.clear()

    def _idle_seconds(self) -> float:
        if not self._held:
            return _IDLE_SECONDS
        return max(0.0, min(_IDLE_SECONDS, self._held[0].until - self._now()))


def _count_aa(pairs: Sequence[tuple[object, Answer]]) -> int:
    return sum(answer.code == "AA" for _, answer in pairs)
