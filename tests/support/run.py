"""One run of the tests: a folder that all its processes share, and is gone afterwards.

The process that the user started makes the folder and names it in the environment, where the
xdist workers find it. A run that was killed leaves its folder; the next run clears it away.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.support import postgres

FOLDER_VARIABLE = "TOURNIQUET_TEST_RUN"
_PREFIX = "tourniquet-test-"
_OWNER = "owner"


@dataclass(frozen=True)
class Run:
    """The folder of one run, and which of its processes this is."""

    folder: Path
    worker: str

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        """Hold what only one process of the run may do at a time."""
        with (self.folder / "lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield


def begin() -> Run:
    """Make the folder of a new run and clear away those of dead ones."""
    for leftover in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        _clear_if_dead(leftover)
    folder = Path(tempfile.mkdtemp(prefix=_PREFIX))
    folder.chmod(0o711)  # PostgreSQL's own user must pass through to its data
    (folder / _OWNER).write_text(str(os.getpid()))
    os.environ[FOLDER_VARIABLE] = str(folder)
    return Run(folder, "main")


def join(worker: str) -> Run:
    """The run that this xdist worker belongs to."""
    return Run(Path(os.environ[FOLDER_VARIABLE]), worker)


def end(run: Run) -> None:
    """Stop the run's server, if it has one, and remove its folder."""
    postgres.stop(run.folder)
    os.environ.pop(FOLDER_VARIABLE, None)
    shutil.rmtree(run.folder, ignore_errors=True)


def _clear_if_dead(folder: Path) -> None:
    try:
        owner = int((folder / _OWNER).read_text())
        os.kill(owner, 0)
    except (FileNotFoundError, ValueError, PermissionError):
        return  # being made just now, or somebody else's
    except ProcessLookupError:
        postgres.stop(folder)
        shutil.rmtree(folder, ignore_errors=True)
