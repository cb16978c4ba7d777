"""The sender of `tourniquet bench intake`, in a process of its own: messages over many connections.

Each connection sends one message, waits for its answer, sends the next. Built to be cheap, because
it shares the processors with what it measures: messages are pieces put together, one thread waits
on all sockets. Run as `python -m tourniquet.cli.bench_client` with a JSON object on standard input;
the measurements come out as one on standard output.
"""

from __future__ import annotations

import json
import random
import select
import socket
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass

VARIANTS = 200
RESULTS = 20
MESSAGE_BYTES = 4096
WAIT_SECONDS = 10.0
_TESTS = (
    ("HB", "Haemoglobin", "g/L", "115-165", 120, 160),
    ("WBC", "White cell count", "10*9/L", "4.0-11.0", 4.2, 10.8),
    ("PLT", "Platelets", "10*9/L", "150-450", 160, 440),
    ("RBC", "Red cell count", "10*12/L", "3.80-5.80", 3.9, 5.7),
    ("HCT", "Haematocrit", "L/L", "0.370-0.470", 0.38, 0.46),
    ("MCV", "Mean cell volume", "fL", "80-100", 81, 99),
    ("MCH", "Mean cell haemoglobin", "pg", "27.0-32.0", 27.1, 31.9),
    ("NEUT", "Neutrophils", "10*9/L", "2.0-7.5", 2.1, 7.4),
    ("LYMP", "Lymphocytes", "10*9/L", "1.0-4.0", 1.1, 3.9),
    ("MONO", "Monocytes", "10*9/L", "0.2-1.0", 0.3, 0.9),
    ("NA", "Sodium", "mmol/L", "133-146", 134, 145),
    ("K", "Potassium", "mmol/L", "3.5-5.3", 3.6, 5.2),
    ("UREA", "Urea", "mmol/L", "2.5-7.8", 2.6, 7.7),
    ("CREA", "Creatinine", "umol/L", "45-84", 46, 83),
    ("EGFR", "Estimated GFR", "mL/min/1.73m2", ">60", 61, 110),
    ("ALT", "Alanine transaminase", "U/L", "<35", 10, 34),
    ("ALP", "Alkaline phosphatase", "U/L", "30-130", 31, 129),
    ("BILI", "Bilirubin", "umol/L", "<21", 3, 20),
    ("ALB", "Albumin", "g/L", "35-50", 36, 49),
    ("CRP", "C-reactive protein", "mg/L", "<5", 1, 12),
)


@dataclass
class _Line:
    """One connection: what it sends, what it has received, when it sent."""

    socket: socket.socket
    outgoing: bytes = b""
    incoming: bytes = b""
    sent_at: float = 0.0


@dataclass
class Driven:
    """What came of it: answers by code, and every latency in milliseconds."""

    seconds: float
    answers: dict[str, int]
    latencies: list[float]


def frame(lines: list[str]) -> bytes:
    """A message in its MLLP frame."""
    return b"\x0b" + "\r".join([*lines, ""]).encode() + b"\x1c\r"


def registrations(people: list[str], run: str) -> Iterator[bytes]:
    """An ADT^A28 for each NHS number."""
    for number, nhs_number in enumerate(people):
        yield frame(
            [
                (
                    f"MSH|^~\\&|PAS|RJ1|TOURNIQUET|REGION|20260302090000||ADT^A28|{run}A{number}|P|2.5.1"
                    "||||||UNICODE UTF-8"
                ),
                "EVN|A28|20260302090000",
                (
                    f"PID|1||{nhs_number}^^^NHS^NH~B{number:07}^^^RJ1^MR||BENCH{number:05}^PERSON||"
                    f"1960{number % 12 + 1:02}{number % 28 + 1:02}|{'MF'[number % 2]}|||"
                    "1 High Street^^London^^SE1 7EH"
                ),
            ]
        )


def _template(random_: random.Random) -> tuple[bytes, bytes, bytes, bytes]:
    """A report of 20 results in pieces: between them go control id, patient, number."""
    lines = [
        (
            "MSH|^~\\&|LIMS|RJ121|TOURNIQUET|REGION|20260302093000||ORU^R01|@C@|P|2.5.1"
            "||||||UNICODE UTF-8"
        ),
        "PID|1||@P@||1 High Street^^London^^SE1 7EH",
        "PV1|1|O|OPD^^^RJ1||||C1234567^SMITH^ALAN^^^DR",
        "ORC|RE||@N@^LIMS|||||||||C1234567^SMITH^ALAN^^^DR|||||G85001",
        (
            "OBR|1||@N@^LIMS|PANEL^Blood and chemistry^LOCAL|||20260302081500||||||Routine check"
            "|||C1234567^SMITH^ALAN^^^DR||||||20260302092500||LAB|F"
        ),
    ]
    for number, (code, name, unit, range_, low, high) in enumerate(_TESTS, 1):
        value = random_.uniform(low, high)
        shown = f"{value:.0f}" if low >= 10 else f"{value:.2f}"
        lines.append(
            f"OBX|{number}|NM|{code}^{name}^LOCAL||{shown}|{unit}|{range_}|N|||F|||20260302081500"
            "||AUTO^Analyser line 2"
        )
    pad = MESSAGE_BYTES - sum(len(line) + 1 for line in lines) - 60
    words = "Comment made by the analyser and released without review. " * 60
    while pad > 0:
        lines.append(f"NTE|1|L|{words[: min(pad, 400)]}")
        pad -= len(lines[-1]) + 1
    text = frame(lines)
    head, rest = text.split(b"@C@")
    before, rest = rest.split(b"@P@")
    middle, *tail = rest.split(b"@N@")
    return head, before, middle, b"@N@".join(tail)


def reports(people: list[str], run: str, seed: int) -> Iterator[bytes]:
    """Reports without end, each with its own control id and number."""
    random_ = random.Random(seed)  # noqa: S311 # a benchmark's choices are no secret
    templates = [_template(random_) for _ in range(VARIANTS)]
    patients = [
        f"{nhs}^^^NHS^NH~B{n:07}^^^RJ1^MR||BENCH{n:05}^PERSON||"
        f"1960{n % 12 + 1:02}{n % 28 + 1:02}|{'MF'[n % 2]}||".encode()
        for n, nhs in enumerate(people)
    ]
    number = 0
    while True:
        number += 1
        head, before, middle, tail = templates[number % VARIANTS]
        name = f"{run}-{number:08}".encode()
        patient = patients[number * 7919 % len(patients)]
        yield b"".join((head, name, before, patient, middle, name, tail.replace(b"@N@", name)))


def drive(
    address: tuple[str, int], messages: Iterator[bytes], *, connections: int, seconds: float
) -> Driven:
    """Send until the time is over or the messages are."""
    poll = select.epoll()
    lines: dict[int, _Line] = {}
    for _ in range(connections):
        line = _Line(socket.create_connection(address))
        line.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        line.socket.settimeout(0)
        lines[line.socket.fileno()] = line
    found = Driven(0.0, {}, [])
    begun = last = time.perf_counter()
    waiting = 0
    for descriptor, line in lines.items():
        poll.register(descriptor, select.EPOLLIN)
        waiting += _send_next(line, messages, poll, descriptor)
    while waiting and (ready := poll.poll(WAIT_SECONDS)):
        for descriptor, event in ready:
            line = lines[descriptor]
            if event & select.EPOLLOUT:
                _continue(line, poll, descriptor)
            if not event & select.EPOLLIN:
                continue
            state = _read(line, found)
            if state == "waiting":
                continue
            last = time.perf_counter()
            going = state == "answered" and last < begun + seconds
            if state == "closed":
                poll.unregister(descriptor)
            if not (going and _send_next(line, messages, poll, descriptor)):
                waiting -= 1
    for line in lines.values():
        line.socket.close()
    found.seconds = last - begun
    return found


def _read(line: _Line, found: Driven) -> str:
    """Read what is there: "answered" where that ends an answer, "closed" at the end."""
    data = line.socket.recv(65536)
    line.incoming += data
    if not data:
        return "closed"
    if not line.incoming.endswith(b"\x1c\r"):
        return "waiting"
    found.latencies.append((time.perf_counter() - line.sent_at) * 1000)
    at = line.incoming.find(b"\rMSA|")
    code = line.incoming[at + 5 : at + 7].decode("ascii", "replace")
    found.answers[code] = found.answers.get(code, 0) + 1
    line.incoming = b""
    return "answered"


def _send_next(line: _Line, messages: Iterator[bytes], poll: select.epoll, descriptor: int) -> bool:
    message = next(messages, None)
    if message is None:
        return False
    _send(line, message, poll, descriptor)
    return True


def _send(line: _Line, message: bytes, poll: select.epoll, descriptor: int) -> None:
    line.sent_at = time.perf_counter()
    line.outgoing = message
    _continue(line, poll, descriptor)


def _continue(line: _Line, poll: select.epoll, descriptor: int) -> None:
    had = len(line.outgoing)
    try:
        sent = line.socket.send(line.outgoing)
    except BlockingIOError:
        sent = 0
    line.outgoing = line.outgoing[sent:]
    if line.outgoing:
        poll.modify(descriptor, select.EPOLLIN | select.EPOLLOUT)
    elif sent < had or had != len(line.outgoing) + sent:
        poll.modify(descriptor, select.EPOLLIN)


def main() -> None:
    """Register the people, then send reports."""
    order = json.loads(sys.stdin.read())
    address = (order["host"], order["port"])
    people, run = order["people"], order["run"]
    registered = drive(
        address, registrations(people, run), connections=order["connections"], seconds=3600
    )
    warm = drive(
        address,
        reports(people, f"{run}W", order["seed"]),
        connections=order["connections"],
        seconds=order["warm_seconds"],
    )
    measured = drive(
        address,
        reports(people, run, order["seed"]),
        connections=order["connections"],
        seconds=order["seconds"],
    )
    latencies = sorted(measured.latencies)
    answer = {
        "registered": registered.answers,
        "warmed": warm.answers,
        "answers": measured.answers,
        "seconds": measured.seconds,
        "p50_ms": latencies[len(latencies) // 2],
        "p99_ms": latencies[int(len(latencies) * 0.99)],
        "worst_ms": latencies[-1],
    }
    json.dump(answer, sys.stdout)


if __name__ == "__main__":
    main()
