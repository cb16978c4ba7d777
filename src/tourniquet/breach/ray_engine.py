"""A review's tasks on a Ray cluster: the same tasks, on many machines.

Every machine has this package installed, and sees the stolen files and the folder of the answer
under the same paths: tasks carry paths and hashes, never contents.

Invariants:
- As `Engine` says; Ray itself runs again what a dying worker or machine had at hand, a few times.
- Ray is imported when a cluster is used, and no earlier.
- It connects to a cluster that is there; it starts none, and opens no port.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import TYPE_CHECKING, TypeVar

from tourniquet.breach.engine import AHEAD, Done, Failed
from tourniquet.kernel.errors import OperatorError

if TYPE_CHECKING:
    from ray import ObjectRef

TRIES_AGAIN = 3
AT_HAND_LEAST = 4

S = TypeVar("S")
T = TypeVar("T")


class RayCluster:
    """A cluster that runs already. Used by one thread."""

    def __init__(self, address: str = "auto") -> None:
        """`address`: `auto` for the cluster of this machine, or HOST:PORT of its head.

        Raises: OperatorError when Ray is not installed or no cluster answers.
        """
        try:
            import ray  # noqa: PLC0415 (a second, and not installed everywhere)
        except ImportError:
            raise OperatorError(
                "Ray is not installed.",
                where="--engine ray",
                remedy="Install the package with its extra: pip install 'tourniquet[ray]'.",
            ) from None
        self._ray = ray
        try:
            ray.init(address, log_to_driver=False, logging_level=logging.ERROR)
        except (ConnectionError, RuntimeError, ValueError) as error:
            raise OperatorError(
                f"No Ray cluster answers: {type(error).__name__}.",
                where=address,
                remedy="Start one with 'ray start --head', or name its head with --ray-address.",
            ) from None

    def close(self) -> None:
        """Leave the cluster; it goes on."""
        self._ray.shutdown()

    def run(self, work: Callable[[S], T], tasks: Iterable[S]) -> Iterator[Done[S, T] | Failed[S]]:
        """See `Engine`."""
        remote = self._ray.remote(work).options(max_retries=TRIES_AGAIN)
        waiting = iter(tasks)
        at_hand: dict[ObjectRef[T], S] = {}
        while True:
            for task in islice(waiting, self._room() - len(at_hand)):
                at_hand[remote.remote(task)] = task
            if not at_hand:
                return
            ready, _ = self._ray.wait(list(at_hand), num_returns=1)
            for one in ready:
                yield self._ended(one, at_hand.pop(one))

    def _ended(self, reference: ObjectRef[T], task: S) -> Done[S, T] | Failed[S]:
        try:
            return Done(task, self._ray.get(reference))
        except self._ray.exceptions.RayTaskError:
            raise  # the task's own error
        except self._ray.exceptions.RayError:
            return Failed(task)

    def _room(self) -> int:
        """How many tasks may be at hand: a few for each core that is there now."""
        found: dict[str, float] = self._ray.cluster_resources()
        cores = int(found.get("CPU", 0))
        return max(cores * AHEAD, AT_HAND_LEAST)
