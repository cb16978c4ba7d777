"""The listener itself, on a real loopback port: framing, limits, order, failures, stopping."""

from __future__ import annotations

import ssl
import threading
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from tests.support.mllp import Recorder, Sender, listening, message, outcome

pytestmark = pytest.mark.usefixtures("sqlite_database")


def _wait_for(condition: Callable[[], bool], seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)


def test_answers_come_in_order_on_each_connection() -> None:
    flow = Recorder()
    with listening(flow) as running:
        senders = [Sender(running.port) for _ in range(4)]
        for number, sender in enumerate(senders):
            sender.send(*(message(f"{number}-{n}") for n in range(50)))
        for number, sender in enumerate(senders):
            found = [outcome(sender.answer()) for _ in range(50)]
            assert found == [("AA", f"{number}-{n}") for n in range(50)]
            sender.close()
    assert sum(flow.groups) == 200
    assert max(flow.groups) > 1
    assert running.counters.aa == running.counters.received == 200


def test_groups_are_bounded() -> None:
    from tourniquet.edge.intake_writer import GROUP_MESSAGES_MOST

    flow = Recorder()  # its first group may be of any size; what comes meanwhile fills the next
    flow.gate = threading.Event()
    with listening(flow, connection_messages_max=500) as running, Sender(running.port) as sender:
        sender.send(*(message(str(n)) for n in range(300)))
        _wait_for(lambda: running.counters.received == 300)
        flow.gate.set()
        for _ in range(300):
            sender.answer()
    assert max(flow.groups) == GROUP_MESSAGES_MOST
    large = Recorder()
    large.gate = threading.Event()
    with listening(large) as running, Sender(running.port) as sender:
        sender.send(*(message(str(n), body="NTE|1||" + "x" * 400_000) for n in range(9)))
        _wait_for(lambda: running.counters.received >= 3)
        large.gate.set()
        for _ in range(9):
            sender.answer()
    assert max(large.groups) <= 2  # about 1 MB


def test_a_lone_sender_is_not_kept_waiting_for_others() -> None:
    """After a crowd the writer waits for one again, but only for a moment."""
    flow = Recorder()
    flow.gate = threading.Event()
    with listening(flow, connection_messages_max=500) as running, Sender(running.port) as sender:
        sender.send(*(message(str(n)) for n in range(60)))
        _wait_for(lambda: running.counters.received == 60)
        flow.gate.set()
        for _ in range(60):
            sender.answer()
        for number in range(3):
            sender.send(message(f"alone {number}"))
            assert outcome(sender.answer())[0] == "AA"
    assert flow.groups[-3:] == [1, 1, 1]


@pytest.mark.parametrize("step", [1, 3, 1000])
def test_frames_cut_anywhere(step: int) -> None:
    flow = Recorder()
    data = b"noise\x0b" + message("A") + b"\x1c\r\r\n\x0b" + message("B") + b"\x1c\r"
    with listening(flow) as running, Sender(running.port) as sender:
        for at in range(0, len(data), step):
            sender.raw(data[at : at + step])
        assert outcome(sender.answer()) == ("AA", "A")
        assert outcome(sender.answer()) == ("AA", "B")
        assert running.counters.noise_bytes == 5


def test_a_sender_that_omits_the_last_byte_is_answered() -> None:
    with (
        listening(Recorder(), silence_after_fs_seconds=0.1) as running,
        Sender(running.port) as sender,
    ):
        sender.raw(b"\x0b" + message("A") + b"\x1c")
        assert outcome(sender.answer()) == ("AA", "A")


def test_broken_framing_takes_nobody_down() -> None:
    flow = Recorder()
    with listening(flow) as running, Sender(running.port) as bad, Sender(running.port) as good:
        bad.raw(b"\x0b" + message("LOST")[:40] + b"\x0b" + message("A") + b"\x1c\r")
        assert outcome(bad.answer()) == ("AA", "A")
        bad.raw(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" + b"\xff\x00" * 50_000)
        good.send(message("B"))
        assert outcome(good.answer()) == ("AA", "B")
        bad.send(message("C"))
        assert outcome(bad.answer()) == ("AA", "C")
    assert running.counters.noise_bytes > 100_000
    assert not any(b"LOST" in raw for raw in flow.seen)


def test_too_large_a_frame_is_refused_and_the_connection_closed() -> None:
    flow = Recorder()
    limit = 16 * 1024 * 1024
    with listening(flow, unfinished_bytes_max=10**12) as running:
        fits = message("FITS", body="")
        fits += b"N" * (limit - len(fits))
        with Sender(running.port) as sender:
            sender.send(fits)
            assert outcome(sender.answer()) == ("AA", "FITS")
        with Sender(running.port) as sender:
            sender.send(message("BEFORE"))
            large = message("LARGE")
            try:
                sender.raw(b"\x0b" + large + b"N" * (limit + 1 - len(large)) + b"\x1c\r")
                sender.send(message("AFTER"))
            except ConnectionError:
                pass
            assert outcome(sender.answer()) == ("AA", "BEFORE")
            assert outcome(sender.answer()) == ("AR", "LARGE")
            assert sender.answer() is None
        with Sender(running.port) as sender:
            sender.send(message("ALIVE"))
            assert outcome(sender.answer()) == ("AA", "ALIVE")
    assert running.counters.too_large == 1
    assert not any(b"AFTER" in raw[:200] for raw in flow.seen)


def test_a_silent_connection_is_closed_and_a_working_one_is_not() -> None:
    with (
        listening(Recorder(), idle_seconds=0.6) as running,
        Sender(running.port) as silent,
        Sender(running.port) as busy,
    ):
        silent.raw(b"\x0bMSH|half a message")
        for number in range(8):
            busy.send(message(str(number)))
            assert outcome(busy.answer())[0] == "AA"
            time.sleep(0.15)
        assert silent.answer() is None
        assert running.counters.idle_closed == 1


def test_too_many_connections() -> None:
    with listening(Recorder(), connections_max=3) as running:
        kept = [Sender(running.port) for _ in range(3)]
        for sender in kept:
            sender.send(message("A"))
            assert outcome(sender.answer())[0] == "AA"
        with Sender(running.port) as refused:
            assert refused.answer() is None
        kept.pop().close()
        _wait_for(lambda: running.counters.open == 2)
        with Sender(running.port) as later:
            later.send(message("B"))
            assert outcome(later.answer()) == ("AA", "B")
        for sender in kept:
            sender.close()


def test_a_full_queue_holds_the_senders_back() -> None:
    flow = Recorder()
    flow.gate = threading.Event()
    with listening(flow, queue_messages_max=10, connection_messages_max=5) as running:
        senders = [Sender(running.port) for _ in range(4)]
        for sender in senders:
            sender.socket.settimeout(20)
            for number in range(4):  # each larger than what is read at once
                sender.send(message(str(number), body="NTE|1||" + "x" * 300_000))
        time.sleep(0.5)
        assert running.counters.received <= 10 + len(senders)
        flow.gate.set()
        for sender in senders:
            found = [outcome(sender.answer())[1] for _ in range(4)]
            assert found == ["0", "1", "2", "3"]
            sender.close()


def test_a_peer_that_reads_nothing_is_cut_off_and_harms_nobody() -> None:
    with (
        listening(Recorder(), slow_reader_seconds=0.5, write_buffer_bytes_max=1024) as running,
        Sender(running.port) as deaf,
        Sender(running.port) as good,
    ):
        deaf.socket.settimeout(0)
        data = b"\x0b" + message("D" * 190) + b"\x1c\r"
        deadline = time.monotonic() + 20
        while running.counters.slow_closed == 0:
            assert time.monotonic() < deadline
            try:
                deaf.socket.send(data * 50)
            except BlockingIOError:
                time.sleep(0.02)
            except ConnectionError:
                break
        good.send(message("G"))
        assert outcome(good.answer()) == ("AA", "G")
        _wait_for(lambda: running.counters.open == 1)


def test_a_half_closed_sender_still_gets_its_answers() -> None:
    import socket

    with listening(Recorder()) as running, Sender(running.port) as sender:
        sender.send(message("A"), message("B"))
        sender.socket.shutdown(socket.SHUT_WR)
        assert [outcome(one)[1] for one in sender.answers()] == ["A", "B"]


def test_failures_of_storage_are_answered_ae_and_the_listener_lives() -> None:
    from tourniquet.kernel.errors import StorageUnavailable

    flow = Recorder()
    with listening(flow) as running, Sender(running.port) as sender:
        flow.fail_with = [StorageUnavailable("gone")]
        sender.send(message("A"))
        assert outcome(sender.answer()) == ("AE", "A")
        sender.send(message("A"))
        assert outcome(sender.answer()) == ("AA", "A")
        assert running.counters.groups_failed == 1


def test_a_message_that_breaks_us_takes_nobody_of_its_group_down() -> None:
    class Poisoned(Recorder):
        def __call__(self, messages: Sequence[Any], *, now: datetime) -> list[Any]:
            if any(b"POISON" in one.raw for one in messages):
                raise ZeroDivisionError
            return super().__call__(messages, now=now)

    flow = Poisoned()
    flow.gate = threading.Event()
    with listening(flow) as running, Sender(running.port) as sender:
        sender.send(message("FIRST"), message("A"), message("POISON"), message("B"))
        _wait_for(lambda: running.counters.received == 4)
        flow.gate.set()
        found = [outcome(sender.answer()) for _ in range(4)]
    assert found == [("AA", "FIRST"), ("AA", "A"), ("AE", "POISON"), ("AA", "B")]


def test_stopping_finishes_what_was_taken() -> None:
    flow = Recorder()
    flow.gate = threading.Event()
    with listening(flow) as running, Sender(running.port) as sender:
        sender.send(*(message(str(n)) for n in range(20)))
        _wait_for(lambda: running.counters.received == 20)
        running.stop()
        running.stopped = True
        flow.gate.set()
        assert [outcome(one) for one in sender.answers()] == [("AA", str(n)) for n in range(20)]
        with pytest.raises(ConnectionError):
            Sender(running.port)


def test_tls(tmp_path: Path) -> None:
    from tourniquet.edge.mllp import tls_from_settings

    key, certificate = _certificate(tmp_path)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TOURNIQUET_MLLP_CERTIFICATE", str(certificate))
        patch.setenv("TOURNIQUET_MLLP_KEY", str(key))
        server = tls_from_settings()
        assert server is not None
        patch.setenv("TOURNIQUET_MLLP_KEY", str(certificate))
        from tourniquet.kernel.errors import OperatorError

        with pytest.raises(OperatorError):
            tls_from_settings()
    client = ssl.create_default_context(cafile=str(certificate))
    with listening(Recorder(), tls=server) as running:
        with Sender(running.port) as plain:
            plain.send(message("PLAIN"))
            assert plain.answer() is None
        with Sender(running.port) as sender:
            sender.socket = client.wrap_socket(sender.socket, server_hostname="localhost")
            sender.send(message("A"))
            assert outcome(sender.answer()) == ("AA", "A")


def _certificate(folder: Path) -> tuple[Path, Path]:
    """A key and a certificate for localhost."""
    from datetime import UTC, datetime, timedelta

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    key_file, certificate_file = folder / "key.pem", folder / "certificate.pem"
    key_file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    certificate_file.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    return key_file, certificate_file
