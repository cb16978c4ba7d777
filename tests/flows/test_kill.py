"""kill -9 of `tourniquet serve` during intake: nothing acknowledged is lost, nothing doubled.

Two rounds in `make test`; `make faults` asks for twenty.
"""

from __future__ import annotations

import os
import random
import re
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field

from tests.support.database import Database, Databases
from tests.support.mllp import Sender, outcome, person, report
from tests.support.sealing import opened, seal, target
from tourniquet.kernel.identifiers import synthetic_nhs_numbers

ROUNDS = int(os.environ.get("KILL_ROUNDS", "2"))
SENDERS = 4
_READY = re.compile(r"MLLP [^:]+:(\d+),")


@dataclass
class Feed:
    """One sender: like an interface engine, it repeats a message until it is accepted."""

    name: str
    accepted: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    number: int = 0
    nhs: tuple[str, ...] = ()

    def message(self) -> tuple[str, bytes]:
        """The message that is due; the same until it is accepted."""
        control_id = f"{self.name}-{self.number}"
        nhs = self.nhs[self.number % len(self.nhs)]
        if self.number < len(self.nhs):
            return control_id, person(control_id, nhs)
        return control_id, report(control_id, nhs, f"F{control_id}")

    def run(self, port: int, until: threading.Event) -> None:
        """Send until the server dies."""
        try:
            with Sender(port) as sender:
                while not until.is_set():
                    control_id, raw = self.message()
                    sender.send(raw)
                    answer = sender.answer()
                    if answer is None:
                        return
                    code, named = outcome(answer)
                    assert named == control_id
                    if code == "AA":
                        self.accepted.append(control_id)
                        self.number += 1
                    else:
                        self.refused.append(f"{control_id} {code}")
        except OSError:
            return


def _serve(database: Database) -> tuple[subprocess.Popen[str], int]:
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "tourniquet.cli.main"),
            *("serve", "--port", "0", "--mllp-port", "0", "--migrate"),
        ],
        env={**os.environ, **database.environment()},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    line = process.stdout.readline()
    found = _READY.search(line)
    assert found is not None, f"the server said {line!r}"
    return process, int(found[1])


def _round(database: Database, feeds: list[Feed], seconds: float, *, kill: bool) -> None:
    process, port = _serve(database)
    until = threading.Event()
    threads = [threading.Thread(target=feed.run, args=(port, until)) for feed in feeds]
    try:
        for thread in threads:
            thread.start()
        time.sleep(seconds)  # the power is cut at a moment that nobody chose
        process.send_signal(signal.SIGKILL if kill else signal.SIGTERM)
    finally:
        if process.poll() is None and kill:
            process.kill()
        until.set()
        began = time.monotonic()
        process.wait(20)
        if process.stdout is not None:
            process.stdout.close()
        for thread in threads:
            thread.join(20)
            assert not thread.is_alive()
    if not kill:
        assert process.returncode == 0
        assert time.monotonic() - began < 8


def test_killed_during_intake(databases: Databases, database: Database, seed: int) -> None:
    chance = random.Random(seed)
    numbers = [str(number) for number, _ in zip(synthetic_nhs_numbers(), range(40), strict=False)]
    feeds = [Feed(f"S{n}", nhs=tuple(numbers[n * 10 : n * 10 + 10])) for n in range(SENDERS)]
    for _ in range(ROUNDS):
        before = sum(len(feed.accepted) for feed in feeds)
        _round(database, feeds, chance.uniform(0.2, 1.2), kill=True)
        assert sum(len(feed.accepted) for feed in feeds) > before, "nothing was sent"
    _round(database, feeds, 0.3, kill=False)

    from tourniquet.pathology.models import DiagnosticReport
    from tourniquet.record.models import Message
    from tourniquet.record.replay import compare_tables
    from tourniquet.record.restoring import compare, prepare_target, restore

    assert [line for feed in feeds for line in feed.refused] == []
    accepted = {name for feed in feeds for name in feed.accepted}
    kept = list(Message.objects.filter(code="AA").values_list("control_id", flat=True))
    assert accepted - set(kept) == set(), "an acknowledged message was lost"
    assert len(kept) == len(set(kept)), "a message was taken twice"
    assert set(kept) - accepted <= {feed.message()[0] for feed in feeds}, "kept and never sent"
    fillers = list(DiagnosticReport.objects.values_list("filler_number", flat=True))
    assert len(fillers) == len(set(fillers)), "a report was filed twice"
    assert {f"F{name}" for name in kept if int(name.split("-")[1]) >= 10} == set(fillers)
    print(f"{ROUNDS} rounds, {len(accepted)} acknowledged, none lost, none doubled")
    sealed = seal()
    reader, keys = opened()
    print(f"{reader.size} entries in the vault, the last {sealed} sealed after the last stop")
    with target(databases, database, database.vendor):
        prepare_target()
        restore(reader, keys.ring, last=reader.size)
        compare(reader, last=reader.size)
        assert [table for table in compare_tables() if not table.equal] == []
