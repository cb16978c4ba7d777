"""The replica benchmark: how long AA takes where it waits for a copy out of reach.

The real server, the sealer beside it, and a replica that follows it over HTTP, each a process. A
message is sent when it is due, whatever became of those before; its time runs from when it was due.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from tourniquet.cli import bench_client, output
from tourniquet.cli.bench_intake import machine
from tourniquet.kernel.errors import OperatorError
from tourniquet.kernel.identifiers import synthetic_nhs_numbers
from tourniquet.kernel.settings import environment_with

PEOPLE = 500
CONNECTIONS = 64
WARM_SECONDS = 3
END_SECONDS = 30
LEVELS = ("local", "replica")
_COMMAND = (sys.executable, "-m", "tourniquet.cli.main")
Figures = dict[str, Any]  # Any: numbers, texts and objects of them, as they go to JSON


@dataclass
class _Sent:
    """What came of the messages: answers by code, milliseconds from when each was due."""

    answers: dict[str, int] = field(default_factory=dict)
    latencies: list[float] = field(default_factory=list)


def measure(*, seconds: int, rate: int) -> Figures:
    """The figures of one run at each level. Raises: OperatorError when something did not start."""
    folder = Path(tempfile.mkdtemp(prefix="tourniquet-bench-"))
    people = [number.digits for number in islice(synthetic_nhs_numbers(), PEOPLE)]
    try:
        with output.progress("Measuring acknowledgement", None):
            home, target = folder / "home", folder / "replica"
            key = _begin(home, target)
            levels = {
                level: _measure_level(home, target, key, level, people, seconds, rate)
                for level in LEVELS
            }
        return {"rate_per_second": rate, "levels": levels, "machine": machine(folder)}
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def tell(figures: Figures) -> None:
    """Print them for a person."""
    output.say(f"{figures['rate_per_second']} reports of 4 kB a second, over loopback:")
    for level, one in figures["levels"].items():
        output.say(
            f"AA at level {level}: p50 {one['p50_ms']} ms, p99 {one['p99_ms']} ms, worst "
            f"{one['worst_ms']} ms; {one['messages']} messages, {one['unprotected']} of them "
            f"acknowledged without the replica."
        )
    output.say("Machine: " + ", ".join(f"{k} {v}" for k, v in figures["machine"].items()) + ".")


def _begin(home: Path, target: Path) -> str:
    """A home with a replica that has pulled once; the witness's key."""
    target.mkdir(parents=True)
    with _serving(home, "local", "") as (url, _):
        _run(home, "users", "add", "copier", "--role", "replica", "--json")
        token = _run(home, "users", "token", "copier", "--json")["token"]
        (target / "token").touch(mode=0o600)
        (target / "token").write_text(token)
        until = time.monotonic() + END_SECONDS
        while not (home / "vault" / "checkpoint").exists() and time.monotonic() < until:
            time.sleep(0.1)
        key = ("--key", str(home / "vault.vkey"))
        _run(home, "record", "replica", "--from", url, "--to", str(target), *key, "--json")
    return (target / "witness.vkey").read_text().strip()


def _measure_level(  # noqa: PLR0917 (one run's order)
    home: Path, target: Path, key: str, level: str, people: list[str], seconds: int, rate: int
) -> Figures:
    run = secrets.token_hex(3)
    with _serving(home, level, key) as (url, address), _following(home, target, url):
        bench_client.drive(
            address,
            bench_client.registrations(people, run),
            connections=CONNECTIONS,
            seconds=END_SECONDS,
        )
        reports = bench_client.reports(people, run, 1)
        asyncio.run(_send(address, reports, rate, WARM_SECONDS))
        before = _unprotected(url)
        sent = asyncio.run(_send(address, reports, rate, seconds))
        without = _unprotected(url) - before
    latencies = sorted(sent.latencies)
    if set(sent.answers) != {"AA"}:
        raise OperatorError(f"Not every message was accepted: {sent.answers}.", where=level)
    return {
        "messages": len(latencies),
        "unprotected": without if level == "replica" else 0,
        "p50_ms": round(latencies[len(latencies) // 2], 1),
        "p99_ms": round(latencies[int(len(latencies) * 0.99)], 1),
        "worst_ms": round(latencies[-1], 1),
    }


async def _send(
    address: tuple[str, int], messages: Iterator[bytes], rate: int, seconds: int
) -> _Sent:
    """Send at a steady rate over some connections."""
    due: asyncio.Queue[tuple[float, bytes] | None] = asyncio.Queue()
    sent = _Sent()
    senders = [asyncio.create_task(_sender(address, due, sent)) for _ in range(CONNECTIONS)]
    begun = time.perf_counter()
    for number, message in enumerate(islice(messages, rate * seconds)):
        at = begun + number / rate
        await asyncio.sleep(max(0.0, at - time.perf_counter()))
        due.put_nowait((at, message))
    for _ in senders:
        due.put_nowait(None)
    await asyncio.gather(*senders)
    return sent


async def _sender(
    address: tuple[str, int], due: asyncio.Queue[tuple[float, bytes] | None], sent: _Sent
) -> None:
    reader, writer = await asyncio.open_connection(*address)
    while (item := await due.get()) is not None:
        at, message = item
        writer.write(message)
        answer = await asyncio.wait_for(reader.readuntil(b"\x1c\r"), END_SECONDS)
        sent.latencies.append((time.perf_counter() - at) * 1000)
        place = answer.find(b"\rMSA|") + 5
        code = answer[place : place + 2].decode("ascii", "replace")
        sent.answers[code] = sent.answers.get(code, 0) + 1
    writer.close()


@contextmanager
def _serving(home: Path, level: str, key: str) -> Iterator[tuple[str, tuple[str, int]]]:
    """The server's address for HTTP, and for MLLP."""
    environment = environment_with(
        TOURNIQUET_HOME=str(home),
        TOURNIQUET_DATABASE_URL="",
        TOURNIQUET_MLLP_CERTIFICATE="",
        TOURNIQUET_ACKNOWLEDGE=level,
        TOURNIQUET_WITNESS_KEY=key,
    )
    server = subprocess.Popen(  # noqa: S603 (our own interpreter and module)
        [*_COMMAND, "serve", "--port", "0", "--mllp-port", "0", "--json"],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        assert server.stdout is not None
        line = server.stdout.readline()
        if not line:
            raise OperatorError("The server did not start.", where="bench replica")
        ready = json.loads(line)
        host, _, port = ready["mllp"].rpartition(":")
        yield ready["url"].rstrip("/"), (host, int(port))
    finally:
        _end(server)


@contextmanager
def _following(home: Path, target: Path, url: str) -> Iterator[None]:
    replica = subprocess.Popen(  # noqa: S603 (our own interpreter and module)
        [*_COMMAND, "record", "replica", "--from", url, "--to", str(target), "--follow"],
        env=environment_with(TOURNIQUET_HOME=str(home)),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert replica.stderr is not None
        if "following" not in (line := replica.stderr.readline()):
            raise OperatorError(f"The replica did not start: {line.strip()}", where="bench replica")
        yield
    finally:
        _end(replica)


def _end(process: subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(END_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _run(home: Path, *arguments: str) -> Figures:
    done = subprocess.run(  # noqa: S603 (our own interpreter and module)
        [*_COMMAND, *arguments],
        env=environment_with(TOURNIQUET_HOME=str(home), TOURNIQUET_DATABASE_URL=""),
        capture_output=True,
        text=True,
        check=False,
        timeout=END_SECONDS,
    )
    if done.returncode:
        raise OperatorError(done.stderr.strip(), where=" ".join(arguments[:2]))
    answer: Figures = json.loads(done.stdout)
    return answer


def _unprotected(url: str) -> int:
    """How many messages were acknowledged without the replica so far."""
    from urllib.request import urlopen

    with urlopen(f"{url}/metrics", timeout=END_SECONDS) as answer:  # noqa: S310 (our own address)
        rows = (line.split() for line in answer.read().decode().splitlines())
        return int(next(row[1] for row in rows if row[0] == "tourniquet_mllp_unprotected_total"))
