"""An exercise that is ended in the middle leaves no process behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

INTERRUPTED = 130


def _is_alive(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_its_server_and_helpers_end_with_it(tmp_path: Path, number: signal.Signals) -> None:
    command = [sys.executable, "-m", "tourniquet.cli.main", "exercise", "--people", "2000"]
    with subprocess.Popen(
        [*command, "--home", str(tmp_path / "home")],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as played:
        try:
            until = time.monotonic() + 60
            while not (tmp_path / "home" / "serve.lock").exists():
                assert played.poll() is None, "it ended before it was told to"
                assert time.monotonic() < until, "its server did not begin"
                time.sleep(0.1)
            time.sleep(2)  # into the days
            played.send_signal(number)
            _, said = played.communicate(timeout=60)
            assert played.returncode == INTERRUPTED
            assert "Interrupted" in said
            assert "Traceback" not in said
            until = time.monotonic() + 10
            while _is_alive(played.pid) and time.monotonic() < until:
                time.sleep(0.1)
            assert not _is_alive(played.pid), "a process was left behind"
        finally:
            if _is_alive(played.pid):
                os.killpg(played.pid, signal.SIGKILL)
