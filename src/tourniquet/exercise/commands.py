"""Commands of Tourniquet, run by the exercise as an operator runs them.

Invariants:
- Each is a process of its own, with the exercise's settings; none outlives the exercise.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
from pathlib import Path

from tourniquet.kernel.errors import OperatorError
from tourniquet.kernel.settings import environment_with

COMMAND_SECONDS = 3600
READY_SECONDS = 60
STOP_SECONDS = 30
_PROGRAM = (sys.executable, "-m", "tourniquet.cli.main")


class Commands:
    """Runs commands on a home."""

    def __init__(self, home: Path, database_url: str) -> None:
        self._environment = environment_with(
            TOURNIQUET_HOME=str(home), TOURNIQUET_DATABASE_URL=database_url, TOURNIQUET_KEYS=""
        )

    def json(self, *arguments: object, typed: str = "") -> dict[str, object]:
        """The answer of a command. Raises: OperatorError with what it said."""
        words = [str(one) for one in arguments]
        done = subprocess.run(  # noqa: S603 (our own interpreter and module)
            [*_PROGRAM, *words, "--json"],
            env=self._environment,
            input=typed,
            capture_output=True,
            text=True,
            timeout=COMMAND_SECONDS,
            check=False,
        )
        if done.returncode:
            raise OperatorError(done.stderr.strip(), where=" ".join(words[:2]))
        found = json.loads(done.stdout)
        assert isinstance(found, dict)
        return found

    def start(self, *arguments: object, log: Path) -> subprocess.Popen[str]:
        """Start a command that goes on; what it says of itself is in its log."""
        with log.open("ab") as file:
            return subprocess.Popen(  # noqa: S603 (our own interpreter and module)
                [*_PROGRAM, *(str(one) for one in arguments)],
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=file,
                text=True,
            )


def first_line(process: subprocess.Popen[str]) -> str:
    """The first line that a process says, within READY_SECONDS; empty where it says none."""
    timer = threading.Timer(READY_SECONDS, process.kill)
    timer.start()
    try:
        return process.stdout.readline() if process.stdout else ""
    finally:
        timer.cancel()


def end(process: subprocess.Popen[str]) -> None:
    """End a process in order, or at once where it does not listen."""
    process.send_signal(signal.SIGTERM)
    try:
        process.communicate(timeout=STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()


def count(answer: dict[str, object], name: str) -> int:
    """A whole number of an answer."""
    found = answer[name]
    assert isinstance(found, int)
    return found
