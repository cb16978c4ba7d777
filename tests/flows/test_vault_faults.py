"""`record seal` under faults that strace injects: the Nth flush or write of the process fails.

A few places in `make test`, every one in `make faults`.
"""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.flows.test_cli_record import NHS, answer, tourniquet
from tests.support.database import Database
from tests.support.effort import effort
from tests.support.mllp import person, report

PLACES = effort(1, 10_000)
SEAL = [sys.executable, "-m", "tourniquet.cli.main", "record", "seal"]

pytestmark = [
    pytest.mark.no_cover,
    pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed"),
]


@dataclass(frozen=True)
class Fault:
    """A call that fails, and how."""

    call: str
    error: str


FAULTS = (
    Fault("fsync", "EIO"),
    Fault("fdatasync", "EIO"),
    Fault("pwrite64", "ENOSPC"),
    Fault("link", "EIO"),
    Fault("rename", "ENOSPC"),
    Fault("openat", "EMFILE"),
)


def prepared(database: Database, tmp_path: Path) -> int:
    """A home with a vault and more entries to seal; the head of its journal."""
    first, second = tmp_path / "first.hl7", tmp_path / "second.hl7"
    first.write_bytes(person("A", NHS))
    second.write_bytes(
        b"".join(b"\x0b" + report(f"R{n}", NHS, f"F{n}") + b"\x1c\r" for n in (1, 2))
    )
    answer(tourniquet(database, "intake", first, "--json"))
    answer(tourniquet(database, "record", "seal", "--json"))
    answer(tourniquet(database, "intake", second, "--json"))
    head: int = answer(tourniquet(database, "record", "status", "--json"))["position"]
    return head


def sealing(home: Path, call: str, *strace: str) -> subprocess.CompletedProcess[str]:
    """Seal a home under strace."""
    environment = {**os.environ, "TOURNIQUET_HOME": str(home), "TOURNIQUET_DATABASE_URL": ""}
    # The interpreter opens thousands of files of its own; every other call here is the record's.
    paths = _paths(home) if call == "openat" else []
    return subprocess.run(
        ["strace", "-f", "-qq", "--seccomp-bpf", *paths, *strace, *SEAL],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def _paths(home: Path) -> list[str]:
    names = [*home.rglob("*"), home / "vault/checkpoint.part", home / "vault/pending.part"]
    return [part for path in names for part in ("-P", str(path))]


def count_calls(home: Path, call: str, log: Path) -> int:
    """How many of these calls sealing makes."""
    done = sealing(home, call, "-o", str(log), "-e", f"trace={call}")
    assert done.returncode == 0, done.stderr
    return sum(1 for line in log.read_text().splitlines() if f" {call}(" in line)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: f"{fault.call}-{fault.error}")
def test_a_call_that_fails_stops_the_sealer_and_loses_nothing(
    sqlite_database: Database, tmp_path: Path, fault: Fault, seed: int
) -> None:
    head = prepared(sqlite_database, tmp_path)
    home, log = tmp_path / "copy", tmp_path / "calls"
    shutil.copytree(sqlite_database.home, home)
    total = count_calls(home, fault.call, log)
    if total == 0:
        pytest.skip(f"sealing makes no call of {fault.call} on this system")
    places = range(1, total + 1)
    if total > PLACES:
        places = sorted(random.Random(seed).sample(places, PLACES))  # type: ignore[assignment] # ints all the same
    for place in places:
        shutil.rmtree(home)
        shutil.copytree(sqlite_database.home, home)
        inject = f"inject={fault.call}:error={fault.error}:when={place}"
        failed = sealing(
            home, fault.call, "-o", str(log), "-e", f"trace={fault.call}", "-e", inject
        )
        assert "Traceback" not in failed.stderr, (place, failed.stderr)
        if failed.returncode:
            assert failed.stderr.startswith("tourniquet: "), (place, failed.stderr)
            assert failed.stderr.count("\n") == 1
        after = Database("sqlite", "", home)
        found = answer(tourniquet(after, "record", "seal", "--json"))
        assert found["position"] == head, place
        verified = answer(tourniquet(after, "record", "verify", "--json"))
        assert (verified["position"], verified["beyond"]) == (head, []), place
    print(f"{fault}: {len(places)} of {total} places")
