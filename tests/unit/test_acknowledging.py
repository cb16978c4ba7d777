"""unit: answers that wait for the replica."""

from __future__ import annotations

import threading

import pytest

from tourniquet.edge.acknowledging import AnswerHold, WitnessBoard
from tourniquet.edge.counters import MllpCounters
from tourniquet.flows.receive_messages import Answer
from tourniquet.kernel.errors import StorageUnavailable
from tourniquet.record.witness import Mark

SECONDS = 5.0


def mark(position: int) -> Mark:
    """The entry at a position of the one journal of these tests."""
    return Mark(position, b"%d" % position)


class Clock:
    """A time that tests set."""

    def __init__(self) -> None:
        self.time = 100.0

    def __call__(self) -> float:
        return self.time


class Desk:
    """A hold with its witness, its time, and what it delivered."""

    def __init__(self) -> None:
        self.board, self.clock, self.counters = WitnessBoard(), Clock(), MllpCounters()
        self.delivered: list[str] = []
        self._bell = threading.Condition()
        self.hold: AnswerHold[str] = AnswerHold(
            self._deliver,
            seconds=SECONDS,
            counters=self.counters,
            board=self.board,
            now=self.clock,
            in_journal=self._in_journal,
        )
        self.asked: list[int] = []
        self.head = 1_000_000  # what the journal lacks from there on
        self.hold.start()

    def _in_journal(self, asked: Mark) -> bool:
        self.asked.append(asked.position)
        if not self.head:
            raise StorageUnavailable("The database does not answer.")
        return asked.position <= self.head

    def _deliver(self, pairs: list[tuple[str, Answer]]) -> None:
        with self._bell:
            self.delivered += [ticket for ticket, _ in pairs]
            self._bell.notify_all()

    def put(self, through: int, *tickets: str, code: str = "AA") -> None:
        self.hold.put([(ticket, Answer(code, b"", 1, "", through)) for ticket in tickets])

    def wait_until(self, seconds: float) -> None:
        """Let the time pass, and the hold see it."""
        self.clock.time += seconds
        with self.board.bell:
            self.board.bell.notify_all()

    def demand(self, *tickets: str) -> None:
        """Demand that exactly these were delivered, soon."""
        with self._bell:
            self._bell.wait_for(lambda: len(self.delivered) >= len(tickets), 5)
            assert self.delivered == list(tickets)


@pytest.fixture
def desk() -> Desk:
    return Desk()


def test_an_answer_waits_for_the_whole_of_its_group(desk: Desk) -> None:
    desk.put(10, "a", "b")
    desk.put(12, "c")
    desk.board.tell(mark(9))
    assert desk.delivered == []
    assert desk.counters.held == 3
    desk.board.tell(mark(10))
    desk.demand("a", "b")
    desk.board.tell(mark(12))
    desk.demand("a", "b", "c")
    desk.put(12, "d")
    assert desk.delivered[-1] == "d"  # at once, in the writer's own thread
    assert (desk.counters.held, desk.counters.unprotected) == (0, 0)


def test_what_does_not_accept_does_not_wait(desk: Desk) -> None:
    desk.put(0, "a", code="AE")
    desk.put(10, "b", code="AR")
    assert desk.delivered == ["a", "b"]
    assert desk.counters.unprotected == 0


def test_a_replica_that_is_away_costs_one_wait(desk: Desk) -> None:
    desk.put(10, "a")
    desk.wait_until(SECONDS - 0.1)
    assert desk.delivered == []
    desk.put(11, "b")
    desk.wait_until(0.1)
    desk.demand("a", "b")  # also the one that came later: the replica is away
    desk.put(20, "c")
    assert desk.delivered == ["a", "b", "c"]
    assert desk.counters.unprotected == 3


def test_answers_wait_again_once_the_replica_is_back(desk: Desk) -> None:
    desk.put(10, "a")
    desk.wait_until(SECONDS)
    desk.demand("a")
    desk.board.tell(mark(9))
    desk.put(20, "b")
    assert desk.delivered == ["a", "b"]
    desk.board.tell(mark(10))  # what it was waited for, and soon the rest
    desk.put(30, "c")
    assert desk.delivered == ["a", "b"]
    desk.board.tell(mark(30))
    desk.demand("a", "b", "c")
    assert desk.counters.unprotected == 2


def test_a_replica_that_lags_too_far_is_not_back(desk: Desk) -> None:
    desk.put(10, "a")
    desk.wait_until(SECONDS)
    desk.demand("a")
    desk.put(20, "b")
    desk.wait_until(SECONDS / 2)
    desk.put(30, "c")
    desk.board.tell(mark(19))
    desk.put(40, "d")
    assert desk.delivered == ["a", "b", "c", "d"]  # it lacks what was given out too long ago
    desk.board.tell(mark(20))
    desk.put(50, "e")
    assert desk.delivered == ["a", "b", "c", "d"]  # traffic goes on; it keeps up
    desk.board.tell(mark(50))
    desk.demand("a", "b", "c", "d", "e")


def test_a_long_absence_is_remembered_in_few_notes(desk: Desk) -> None:
    desk.put(10, "a")
    desk.wait_until(SECONDS)
    desk.demand("a")
    for number in range(11, 2011):
        desk.clock.time += 0.01
        desk.put(number, str(number))
    assert len(desk.delivered) == 2001
    assert len(desk.hold._given) <= SECONDS / 2 / 0.1 + 2
    desk.board.tell(mark(1700))
    desk.put(2011, "still away")
    assert desk.delivered[-1] == "still away"
    desk.board.tell(mark(1800))
    desk.put(2012, "back")
    assert desk.delivered[-1] == "still away"


def test_a_witness_never_goes_back(desk: Desk) -> None:
    desk.board.tell(mark(10))
    desk.board.tell(mark(5))
    desk.put(10, "a")
    assert desk.delivered == ["a"]


def test_a_position_that_is_given_out_again_is_not_covered(desk: Desk) -> None:
    """The database lost what lay behind 8, and the witness has another entry at 9."""
    desk.put(10, "a")
    desk.board.tell(mark(10))
    desk.demand("a")
    desk.head = 8
    desk.put(9, "b")
    desk.put(10, "c")
    desk.put(11, "d")
    assert desk.delivered == ["a"]
    assert desk.board.size == 0
    desk.wait_until(SECONDS)
    desk.demand("a", "b", "c", "d")
    assert (desk.counters.unprotected, desk.counters.journal_went_back) == (3, 1)


def test_a_journal_that_went_back_and_grew_beyond_is_not_covered(desk: Desk) -> None:
    """Others wrote before the next message came, so no position of its went back."""
    desk.put(10, "a")
    desk.board.tell(mark(20))
    desk.demand("a")
    desk.head = 8
    desk.put(15, "b")
    assert desk.delivered == ["a"]
    desk.wait_until(SECONDS)
    desk.demand("a", "b")
    assert (desk.counters.unprotected, desk.counters.journal_went_back) == (1, 1)


def test_what_was_compared_before_the_journal_went_back_comes_too_late(desk: Desk) -> None:
    desk.put(10, "a")
    desk.board.tell(mark(9))
    began = desk.board.resets
    desk.put(8, "b")
    desk.board.tell(mark(10), since=began)
    assert (desk.delivered, desk.board.size) == ([], 0)
    desk.board.tell(mark(10), since=desk.board.resets)
    desk.demand("a", "b")


def test_the_journal_is_asked_for_repeats_alone(desk: Desk) -> None:
    for position in range(10, 20):
        desk.put(position, str(position))
        desk.board.tell(mark(position))
    desk.demand(*(str(position) for position in range(10, 20)))
    assert desk.asked == []
    desk.put(19, "again")
    assert desk.delivered[-1] == "again"
    assert desk.asked == [19]


def test_where_nobody_can_say_whether_it_is_covered_it_is_not(desk: Desk) -> None:
    desk.put(10, "a")
    desk.board.tell(mark(10))
    desk.demand("a")
    desk.head = 0
    desk.put(10, "again")
    assert desk.delivered == ["a"]
    desk.wait_until(SECONDS)
    desk.demand("a", "again")
    assert (desk.counters.unprotected, desk.counters.journal_went_back) == (1, 0)


def test_stopping_lets_all_go_and_says_so(desk: Desk) -> None:
    desk.put(10, "a")
    desk.hold.stop()
    desk.demand("a")
    desk.put(11, "b")
    desk.demand("a", "b")
    assert desk.counters.unprotected == 2


def test_connections_that_are_gone_do_not_end_it() -> None:
    board, clock = WitnessBoard(), Clock()
    gone = threading.Event()

    def deliver(pairs: list[tuple[str, Answer]]) -> None:
        if pairs[0][0] == "gone":
            gone.set()
            raise RuntimeError("the loop is closed")
        arrived.set()

    arrived = threading.Event()
    hold: AnswerHold[str] = AnswerHold(
        deliver, seconds=SECONDS, counters=MllpCounters(), board=board, now=clock
    )
    hold.start()
    for through, ticket in ((1, "gone"), (2, "there")):
        hold.put([(ticket, Answer("AA", b"", 1, "", through))])
        board.tell(mark(through))
    assert gone.wait(5)
    assert arrived.wait(5)
