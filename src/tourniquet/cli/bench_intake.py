"""The intake benchmark: the real server as a process, a sender as another, and a plain script.

What is measured is what a laboratory would see: a message over TCP, its rows in the tables, on
disk, and then AA. The comparison takes the same messages with the same database settings, one
transaction each: python-hl7 where it is installed, else plain splitting, and rows through Django.
"""

from __future__ import annotations

import json
import os
import platform
import re
import secrets
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from itertools import islice
from pathlib import Path
from typing import Any

from tourniquet.cli import output
from tourniquet.kernel.errors import OperatorError
from tourniquet.kernel.identifiers import synthetic_nhs_numbers
from tourniquet.kernel.settings import environment_with

PEOPLE = 2000
WARM_SECONDS = 2
COMPARE_SECONDS = 3
READY_SECONDS = 60
_READY = re.compile(r"MLLP ([^,]+):(\d+),")
_TABLES = {
    "entries": "record_journalentry",
    "messages": "record_message",
    "reports": "pathology_diagnosticreport",
    "observations": "pathology_observation",
}
Figures = dict[str, Any]  # Any: numbers, texts and objects of them, as they go to JSON


def measure(*, seconds: int, connections: int) -> Figures:
    """The figures of one run.

    Raises: OperatorError when the server does not start or not every message was accepted.
    """
    folder = Path(tempfile.mkdtemp(prefix="tourniquet-bench-"))
    people = [number.digits for number in islice(synthetic_nhs_numbers(), PEOPLE)]
    try:
        with output.progress("Measuring intake", None):
            sent = _serve_and_send(folder / "home", people, seconds, connections)
            rows = _count_rows(folder / "home" / "tourniquet.sqlite3")
            compared = _compare(folder / "plain", people)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    accepted = sent["answers"].get("AA", 0)
    if set(sent["answers"]) != {"AA"}:
        raise OperatorError(
            f"Not every message was accepted: {sent['answers']}.", where="bench intake"
        )
    expected = PEOPLE + sent["warmed"].get("AA", 0) + accepted
    return {
        "messages_per_second": round(accepted / sent["seconds"], 1),
        "p50_ms": round(sent["p50_ms"], 2),
        "p99_ms": round(sent["p99_ms"], 2),
        "worst_ms": round(sent["worst_ms"], 2),
        "messages": accepted,
        "seconds": round(sent["seconds"], 2),
        "connections": connections,
        "work": "ORU^R01 of 4 kB with 20 results: kept, parsed, applied, on disk, then AA",
        "rows": rows,
        "lost": expected - rows["messages"],
        "server_cpu_seconds": round(sent["server_cpu_seconds"], 2),
        "compared_with": compared,
        "times_as_fast": round(
            accepted / sent["seconds"] / max(compared["messages_per_second"], 0.1), 1
        ),
        "machine": machine(folder),
    }


def tell(figures: Figures) -> None:
    """Print them for a person."""
    rows = figures["rows"]
    compared = figures["compared_with"]
    output.say(f"{figures['messages_per_second']:,.0f} messages/s over {figures['connections']} "
               f"connections for {figures['seconds']} s; {figures['work']}.")  # fmt: skip
    output.say(f"Time to AA: p50 {figures['p50_ms']} ms, p99 {figures['p99_ms']} ms, "
               f"worst {figures['worst_ms']} ms.")  # fmt: skip
    output.say("Rows: " + ", ".join(f"{count:,} {name}" for name, count in rows.items())
               + f"; {figures['lost']} messages lost.")  # fmt: skip
    output.say(f"Compared with {compared['how']}: {compared['messages_per_second']:,.0f} "
               f"messages/s; {figures['times_as_fast']} times as fast.")  # fmt: skip
    output.say("Machine: " + ", ".join(f"{k} {v}" for k, v in figures["machine"].items()) + ".")


def machine(folder: Path) -> Figures:
    """What the figures rest on."""
    return {
        "cores": len(os.sched_getaffinity(0)),
        "processor": platform.machine(),
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        "synchronous": "FULL (fsync before every answer)",
        "disk": _filesystem(folder.parent),
    }


def _filesystem(path: Path) -> str:
    best = ("", "unknown")
    try:
        mounts = Path("/proc/mounts").read_text().splitlines()
    except OSError:
        return "unknown"
    for line in mounts:
        _, place, kind, *_ = line.split()
        inside = path == Path(place) or Path(place) in path.parents
        if inside and len(place) >= len(best[0]):
            best = (place, kind)
    return best[1]


def _serve_and_send(home: Path, people: list[str], seconds: int, connections: int) -> Figures:
    environment = environment_with(
        TOURNIQUET_HOME=str(home),
        TOURNIQUET_DATABASE_URL="",
        TOURNIQUET_MLLP_CERTIFICATE="",
        TOURNIQUET_ACKNOWLEDGE="local",
    )
    python = [sys.executable, "-m"]
    server = subprocess.Popen(  # noqa: S603 # our own interpreter and module
        [*python, "tourniquet.cli.main", "serve", "--port", "0", "--mllp-port", "0"],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        assert server.stdout is not None
        found = _READY.search(server.stdout.readline())
        if found is None:
            raise OperatorError("The server did not start.", where="bench intake")
        order = {
            "host": found[1],
            "port": int(found[2]),
            "people": people,
            "run": secrets.token_hex(3),
            "connections": connections,
            "seconds": seconds,
            "warm_seconds": WARM_SECONDS,
            "seed": 1,
        }
        before = _cpu_seconds(server.pid)
        client = subprocess.run(  # noqa: S603 # our own interpreter and module
            [*python, "tourniquet.cli.bench_client"],
            input=json.dumps(order),
            stdout=subprocess.PIPE,
            text=True,
            check=True,
            timeout=seconds * 3 + 300,
        )
        answer: Figures = json.loads(client.stdout)
        answer["server_cpu_seconds"] = _cpu_seconds(server.pid) - before
    finally:
        server.send_signal(signal.SIGTERM)
        try:
            server.wait(READY_SECONDS)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()
    return answer


def _cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _count_rows(path: Path) -> dict[str, int]:
    connection = sqlite3.connect(path)
    try:
        return {
            name: connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]  # noqa: S608 # names of ours
            for name, table in _TABLES.items()
        }
    finally:
        connection.close()


def _compare(home: Path, people: list[str]) -> Figures:
    """One transaction a message, in the process, with no network and no journal to keep."""
    from tourniquet.cli import bench_client

    output.configure_django(home=home, database_url="")
    from django.core.management import call_command
    from django.db import transaction

    from tourniquet.pathology.models import Observation
    from tourniquet.record.models import Message

    call_command("migrate", verbosity=0, interactive=False)
    parse, how = _parser()
    done = 0
    begun = time.perf_counter()
    for framed in bench_client.reports(people, "plain", 1):
        if time.perf_counter() - begun > COMPARE_SECONDS:
            break
        control_id, lines = parse(framed[1:-2])
        done += 1
        with transaction.atomic():
            Message.objects.create(**_message_values(done, control_id))
            Observation.objects.bulk_create(
                [Observation(**_line_values(done, number, line)) for number, line in lines]
            )
    return {
        "how": f"one transaction a message, {how}, rows through Django's ORM, no network",
        "messages_per_second": round(done / (time.perf_counter() - begun), 1),
    }


def _parser() -> tuple[Any, str]:  # Any: a function of two libraries' making
    try:
        import hl7
    except ImportError:
        return _split, "plain splitting"

    def parse(raw: bytes) -> tuple[str, list[tuple[int, tuple[str, str, str, str]]]]:
        message = hl7.parse(raw.decode())
        lines = [
            (number, (str(row[3][0][0]), str(row[5]), str(row[6]), str(row[7])))
            for number, row in enumerate(message.segments("OBX"), 1)
        ]
        return str(message.segment("MSH")[10]), lines

    return parse, "python-hl7"


def _split(raw: bytes) -> tuple[str, list[tuple[int, tuple[str, str, str, str]]]]:
    rows = [line.split("|") for line in raw.decode().split("\r")]
    found = [row for row in rows if row[0] == "OBX"]
    lines = [(n, (row[3].split("^")[0], row[5], row[6], row[7])) for n, row in enumerate(found, 1)]
    return rows[0][9], lines


def _message_values(position: int, control_id: str) -> Figures:
    from datetime import UTC, datetime

    return {
        "position": position,
        "sender": "LIMS",
        "control_id": control_id,
        "digest": "",
        "message_type": "ORU^R01",
        "code": "AA",
        "attempts": 1,
        "reason": "",
        "received_at": datetime.now(UTC),
        "subject": None,
        "channel": "file",
        "reviewed_by": "",
        "review_note": "",
    }


def _line_values(report: int, number: int, line: tuple[str, str, str, str]) -> Figures:
    code, value, unit, range_ = line
    return {
        "report_id": str(report),
        "version": 1,
        "sequence": number,
        "patient_id": "",
        "code": code,
        "code_system": "",
        "code_display": "",
        "sub_id": "",
        "value_type": "NM",
        "value_text": value,
        "value_number": float(value),
        "comparator": "",
        "unit": unit,
        "reference_range": range_,
        "flags": "",
        "status": "final",
        "note": "",
    }
