"""Tasks of a review in processes that are killed: none is lost, and a bad one is told."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tourniquet.breach.engine import Done, Engine, Failed, Here, LocalPool


def square(number: int) -> int:
    """A task."""
    return number * number


def die_at_seven(number: int) -> int:
    """A task that takes its worker down each time."""
    if number == 7:
        os.kill(os.getpid(), signal.SIGKILL)
    return number * number


def die_once(task: tuple[str, int]) -> int:
    """Tasks of which one in ten takes its worker down the first time."""
    folder, number = task
    mark = Path(folder) / str(number)
    if number % 10 == 3 and not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return number


@pytest.mark.parametrize("engine", [Here(), LocalPool(2)])
def test_every_task_is_done_once(engine: Engine) -> None:
    done = list(engine.run(square, range(40)))

    assert sorted(one.task for one in done) == list(range(40))
    assert all(isinstance(one, Done) and one.result == one.task**2 for one in done)


def test_no_tasks() -> None:
    assert list(LocalPool(2).run(square, [])) == []


def test_a_task_that_kills_its_worker_is_told_and_the_others_go_on() -> None:
    done = list(LocalPool(2).run(die_at_seven, range(20)))

    assert [one.task for one in done if isinstance(one, Failed)] == [7]
    assert sorted(one.task for one in done if isinstance(one, Done)) == [
        number for number in range(20) if number != 7
    ]


def test_workers_that_die_now_and_then_cost_nothing_but_time(tmp_path: Path) -> None:
    tasks = [(str(tmp_path), number) for number in range(25)]

    done = list(LocalPool(2).run(die_once, tasks))

    assert sorted(one.task for one in done) == tasks
    assert all(isinstance(one, Done) for one in done)


def test_tasks_are_taken_a_few_at_a_time() -> None:
    taken = []

    def tasks() -> Iterator[int]:
        for number in range(50):
            taken.append(number)
            yield number

    running = LocalPool(2).run(square, tasks())
    next(running)
    assert len(taken) <= 6
    assert len(list(running)) == 49
