"""Answers that wait until the replica has countersigned what they acknowledge.

With TOURNIQUET_ACKNOWLEDGE=replica an AA is held until the witnessed part of the journal covers all
entries of its group.

Invariants:
- No answer waits longer than TOURNIQUET_ACKNOWLEDGE_SECONDS. Once one had to, none waits any more
  until the replica is back: until it has all that was given out up to half that time ago. So one
  that is away costs one wait and not one a message, and one that is back may lag behind traffic.
- AE and AR never wait: the sender keeps what they are about, or a person looks.
- What was acknowledged without the replica is counted, logged, and on every page.
- A position alone says nothing: the database may be put back, or fail over to a copy that lacks the
  newest, under a server that runs, and its positions are then given out again. Where they go back,
  and before an answer leaves at once because its position is covered, the journal is asked whether
  the entry that the witness came to is still in it; where not, nothing counts as witnessed. Answers
  that had to wait need no such question: what lets them go was compared after they were committed.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import monotonic
from typing import Generic, TypeVar

from django.db import connection

from tourniquet.edge.counters import MllpCounters
from tourniquet.edge.log import log_event, log_fault
from tourniquet.flows.receive_messages import Answer
from tourniquet.kernel import settings
from tourniquet.kernel.errors import OperatorError, StorageUnavailable
from tourniquet.record.witness import (
    NOTHING,
    SETTING,
    Mark,
    ProtectionReader,
    find_witness_key,
    is_in_journal,
)

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
        self.mark = NOTHING
        self.resets = 0
        self.ask: Callable[[], None] = lambda: None  # tells the sealer that somebody waits

    @property
    def size(self) -> int:
        """The position to which it has come."""
        return self.mark.position

    def tell(self, mark: Mark, *, since: int | None = None) -> None:
        """It has come so far; `since`: how often it was reset when this began to be compared."""
        with self.bell:
            if since is not None and since != self.resets:
                return  # compared with a journal that is gone
            if mark.position > self.size:
                self.mark = mark
            self.bell.notify_all()

    def reset(self) -> None:
        """The journal is another one: nothing counts as witnessed until it is told anew."""
        with self.bell:
            self.mark = NOTHING
            self.resets += 1


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
    reader = ProtectionReader()
    if reader.read() is not None:
        board.tell(reader.mark)


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
        in_journal: Callable[[Mark], bool] = is_in_journal,
    ) -> None:
        """`in_journal` is asked in the writer's thread, through its connection."""
        self._deliver = deliver
        self._in_journal = in_journal
        self._last = 0  # what the group before wrote last
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
        if through:
            self._look_at_journal(through)
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

    def _look_at_journal(self, through: int) -> None:
        """Reset the board where the journal went back under us. Free for what is new."""
        went_back, self._last = through < self._last, through
        mark = self._board.mark
        if not went_back and through <= mark.position:  # a repeat, or a position given out twice
            try:
                went_back = not self._in_journal(mark)
            except StorageUnavailable as error:  # nobody can say: as if it were gone
                log_fault("mllp.journal_not_asked", error.__cause__ or error)
                connection.close()
                self._board.reset()
                return
        if went_back:
            self._counters.journal_went_back += 1
            log_event("mllp.journal_went_back", witnessed=mark.position, through=through)
            self._board.reset()

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
