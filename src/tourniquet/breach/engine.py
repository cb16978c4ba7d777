"""Where tasks of a review run: in processes of this machine, or on a Ray cluster.

A task is a function of one small value. Its result lies in a file that it puts in place whole
(decision 0023), so that a task may be run twice, by anybody, and what comes back is small.

Invariants:
- Tasks are handed out a few at a time: memory does not grow with their number.
- A worker that dies takes down what it had at hand; that is run again, alone, twice at most, and if
  the worker dies each time it is told as failed, with the task's value, and the others go on.
- Results come as they are ready, in no order.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from itertools import islice
from multiprocessing import get_context
from typing import Generic, Protocol, TypeVar

AHEAD = 2  # tasks at hand for each worker, so that none waits
WORKERS_MOST = 256
TRIES_ALONE = 2

S = TypeVar("S")
T = TypeVar("T")


@dataclass(frozen=True)
class Done(Generic[S, T]):
    """A task that was done, and its result."""

    task: S
    result: T


@dataclass(frozen=True)
class Failed(Generic[S]):
    """A task whose worker died twice; nothing is known of its result."""

    task: S


class Engine(Protocol):
    """Runs tasks somewhere."""

    def run(self, work: Callable[[S], T], tasks: Iterable[S]) -> Iterator[Done[S, T] | Failed[S]]:
        """Run all; `work` is a function of a module, tasks and results can be pickled."""


class Here:
    """Runs tasks one after the other in this process: for tests, and for a debugger."""

    def run(self, work: Callable[[S], T], tasks: Iterable[S]) -> Iterator[Done[S, T] | Failed[S]]:
        """See `Engine`."""
        for task in tasks:
            yield Done(task, work(task))


class LocalPool:
    """Processes of this machine, each with a fresh interpreter."""

    def __init__(self, workers: int | None = None) -> None:
        """As many as there are cores where no number is given."""
        self.workers = min(workers or os.cpu_count() or 1, WORKERS_MOST)

    def run(self, work: Callable[[S], T], tasks: Iterable[S]) -> Iterator[Done[S, T] | Failed[S]]:
        """See `Engine`."""
        waiting = iter(tasks)
        while suspects := (yield from self._run_until_death(work, waiting)):
            for task in suspects:
                yield self._run_alone(work, task)

    def _run_until_death(
        self, work: Callable[[S], T], waiting: Iterator[S]
    ) -> Generator[Done[S, T], None, list[S]]:
        """Run tasks until all are done or a worker dies; what was at hand then."""
        at_hand: dict[Future[T], S] = {}
        refused: list[S] = []  # by a pool whose worker had just died
        with self._pool(self.workers) as pool:
            try:
                while True:
                    room = self.workers * AHEAD - len(at_hand)
                    for task in islice(waiting, room):
                        refused.append(task)
                        at_hand[pool.submit(work, task)] = refused.pop()
                    if not at_hand:
                        return []
                    ready, _ = wait(at_hand, return_when=FIRST_COMPLETED)
                    for future in ready:
                        result = future.result()
                        yield Done(at_hand.pop(future), result)
            except BrokenProcessPool:
                return [*at_hand.values(), *refused]

    def _run_alone(self, work: Callable[[S], T], task: S) -> Done[S, T] | Failed[S]:
        """Run one task; twice, for it may only have waited when its worker died."""
        for _ in range(TRIES_ALONE):
            with self._pool(1) as pool:
                try:
                    return Done(task, pool.submit(work, task).result())
                except BrokenProcessPool:
                    continue
        return Failed(task)

    @staticmethod
    def _pool(workers: int) -> ProcessPoolExecutor:
        return ProcessPoolExecutor(workers, mp_context=get_context("spawn"))
