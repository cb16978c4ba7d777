"""unit: a vault read over HTTP from servers that are slow, wrong, or lie."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import msgspec
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tourniquet.kernel.errors import IntegrityError, OperatorError, StorageUnavailable
from tourniquet.record.notes import Note
from tourniquet.record.remote import (
    RANGE_BYTES_MOST,
    TRIES,
    News,
    Piece,
    Remote,
    RemoteRing,
    RemoteVault,
)
from tourniquet.record.ring import WrappedKey

CONTENT = bytes(range(256)) * 40
NOTE = Note("log\n7\nAAAA\n", ())


@dataclass
class Simulated:
    """A server that says what a test wants."""

    answers: list[Any] = field(default_factory=list)
    seen: list[tuple[str, str, str]] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    port: int = 0
    pauses: list[float] = field(default_factory=list)

    def remote(self) -> Remote:
        return Remote(f"http://127.0.0.1:{self.port}/", "secret", pause=self.pauses.append)


@contextmanager
def simulated(*answers: Any, certificate: Path | None = None) -> Iterator[Simulated]:
    """Each answer: status, headers, content; or a function of the handler. The last one repeats."""
    state = Simulated(list(answers))

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            state.seen.append((self.command, self.path, self.headers.get("Authorization", "")))
            answer = state.answers[0] if len(state.answers) == 1 else state.answers.pop(0)
            if callable(answer):
                answer(self)
                return
            status, headers, content = answer
            self.send_response(status)
            for name, value in {"Content-Length": str(len(content)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(content)

        do_HEAD = do_GET  # noqa: N815 (http.server's name)

        def do_POST(self) -> None:
            state.bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.do_GET()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    state.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def hang_up(handler: BaseHTTPRequestHandler) -> None:
    """End without an answer."""
    handler.close_connection = True


def cut(handler: BaseHTTPRequestHandler) -> None:
    """End within an answer."""
    handler.send_response(200)
    handler.send_header("Content-Length", "100")
    handler.end_headers()
    handler.wfile.write(b"x" * 50)
    handler.close_connection = True


def ranged(handler: BaseHTTPRequestHandler) -> None:
    """The range that is asked for."""
    first, last = map(int, handler.headers["Range"].removeprefix("bytes=").split("-"))
    handler.send_response(206)
    handler.send_header("Content-Length", str(last + 1 - first))
    handler.end_headers()
    handler.wfile.write(bytes(last + 1 - first))


def test_a_file_and_a_part_of_one() -> None:
    with simulated((200, {}, CONTENT)) as server:
        vault = RemoteVault(server.remote())
        assert vault.read("tile/0/000", bytes_most=len(CONTENT)) == CONTENT
        assert vault.size("tile/0/000") == len(CONTENT)
        assert server.seen == [
            ("GET", "/vault/tile/0/000", "Bearer secret"),
            ("HEAD", "/vault/tile/0/000", "Bearer secret"),
        ]
        with pytest.raises(IntegrityError, match=r"does not give \d+ bytes from 5 on"):
            vault.read_part("body/000000000", 5, len(CONTENT) + 10)
    with simulated((206, {}, CONTENT[:10])) as server:
        assert RemoteVault(server.remote()).read_part("body/000000000", 0, 10) == CONTENT[:10]


def test_a_large_part_comes_in_ranges_that_a_server_gives() -> None:
    with simulated(ranged) as server:
        vault = RemoteVault(server.remote())
        assert len(vault.read_part("body/000000000", 7, RANGE_BYTES_MOST + 1)) == (
            RANGE_BYTES_MOST + 1
        )
        assert len(server.seen) == 2
        assert len(vault.read_part("body/000000000", 7, RANGE_BYTES_MOST)) == RANGE_BYTES_MOST
        assert len(server.seen) == 3


def test_news_are_read_from_one_answer_and_what_is_not_in_it_is_asked_for() -> None:
    key = WrappedKey(3, bytes(16), b"wrapped", "2024-06-03T08:00:00+00:00")
    found = News(
        b"first", keys=[key], files={"tile/0/000": b"tile"}, pieces=[Piece("body/0", 10, b"abcdef")]
    )
    news = (200, {}, msgspec.msgpack.encode(found))
    with simulated(news, (200, {}, b"second"), (206, {}, b"ef-"), (404, {}, b"")) as server:
        vault = RemoteVault(server.remote())
        assert vault.wait(7, NOTE, seconds=3)
        assert vault.refusal == ""
        assert vault.read("checkpoint", bytes_most=100) == b"first"
        assert vault.read("tile/0/000", bytes_most=4) == b"tile"
        assert vault.read_part("body/0", 12, 3) == b"cde"
        assert vault.rows(after=0, most=10) == [key]
        assert [path for _, path, _ in server.seen] == ["/vault/news?after=7&keys=0&wait=3"]
        assert server.bodies == [str(NOTE).encode()]
        assert vault.read("checkpoint", bytes_most=100) == b"second"
        assert vault.read_part("body/0", 14, 3) == b"ef-"
        with pytest.raises(OperatorError, match="serves no wrapped keys"):
            vault.rows(after=3, most=10)


def test_news_say_why_a_cosignature_was_not_taken() -> None:
    answer = msgspec.msgpack.encode(News(b"first", refused="No witness\nis pinned."))
    with simulated((200, {}, answer)) as server:
        vault = RemoteVault(server.remote())
        assert vault.wait(7, NOTE)
        assert vault.refusal == "No witness is pinned."


def test_keys_are_asked_for_behind_the_last() -> None:
    key = WrappedKey(9, bytes(16), b"wrapped", "2024-06-03T08:00:00+00:00")
    answer = msgspec.msgpack.encode(News(b"first", keys=[key]))
    with simulated(page(8), (200, {}, answer)) as server:
        vault = RemoteVault(server.remote())
        vault.rows(after=5, most=10)
        vault.wait(7)
        assert vault.rows(after=5, most=10) == [key]
        assert server.seen[-1][1].startswith("/vault/news?after=7&keys=5&")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no news",
        msgspec.msgpack.encode({"checkpoint": 5}),
        msgspec.msgpack.encode({"checkpoint": b"", "keys": [{"number": 1}]}),
    ],
)
def test_what_are_no_news(content: bytes) -> None:
    with simulated((200, {}, content)) as server, pytest.raises(IntegrityError, match="no news"):
        RemoteVault(server.remote()).wait(7)


def test_keys_among_the_news_are_checked() -> None:
    key = WrappedKey(3, b"short", b"wrapped", "2024")
    with simulated((200, {}, msgspec.msgpack.encode(News(b"", keys=[key])))) as server:
        vault = RemoteVault(server.remote())
        vault.wait(7)
        with pytest.raises(IntegrityError, match="not wrapped keys"):
            vault.rows(after=0, most=10)


def test_an_older_server_is_asked_for_its_checkpoint() -> None:
    answers = ((404, {}, b""), (200, {}, b"first"), (200, {}, b"second"))
    with simulated(*answers) as server:
        vault = RemoteVault(server.remote())
        assert not vault.wait(7, NOTE, seconds=3)
        assert not vault.takes_notes
        assert not vault.wait(7, seconds=3)
        assert vault.read("checkpoint", bytes_most=100) == b"first"
        assert vault.read("checkpoint", bytes_most=100) == b"second"
        paths = [path for _, path, _ in server.seen]
        assert paths[1:] == ["/vault/checkpoint?after=7&wait=3", "/vault/checkpoint"]


def test_what_is_not_there() -> None:
    with simulated((404, {}, b"no")) as server:
        vault = RemoteVault(server.remote())
        assert vault.size("tile/0/000") is None
        with pytest.raises(IntegrityError, match="missing"):
            vault.read("checkpoint", bytes_most=10)
        with pytest.raises(OperatorError, match="serves no wrapped keys"):
            RemoteRing(server.remote()).rows(after=0, most=10)
        with pytest.raises(IntegrityError, match="not listed"):
            vault.names("body")


def test_an_answer_that_is_too_long_is_refused_at_the_limit() -> None:
    with simulated((200, {}, CONTENT)) as server:
        vault = RemoteVault(server.remote())
        assert vault.read("checkpoint", bytes_most=len(CONTENT)) == CONTENT
        with pytest.raises(IntegrityError, match=f"more than {len(CONTENT) - 1} bytes"):
            vault.read("checkpoint", bytes_most=len(CONTENT) - 1)


@pytest.mark.parametrize("trouble", [hang_up, cut, (503, {}, b""), (502, {}, b""), (429, {}, b"")])
def test_what_may_pass_is_tried_again_and_not_for_ever(trouble: Any) -> None:
    good = (200, {}, CONTENT)
    with simulated(*([trouble] * (TRIES - 1)), good) as server:
        assert RemoteVault(server.remote()).read("checkpoint", bytes_most=99_999) == CONTENT
        assert len(server.seen) == TRIES
        assert server.pauses == [0.3, 1.2]
    with simulated(trouble) as server:
        with pytest.raises(StorageUnavailable, match="does not answer"):
            RemoteVault(server.remote()).read("checkpoint", bytes_most=99_999)
        assert len(server.seen) == TRIES


def test_nobody_there() -> None:
    with simulated((200, {}, b"")) as server:
        pass
    with pytest.raises(StorageUnavailable, match="does not answer"):
        RemoteVault(server.remote()).size("checkpoint")


@pytest.mark.parametrize(
    ("status", "error", "words"),
    [
        (401, OperatorError, "does not accept the token"),
        (403, OperatorError, "does not accept the token"),
        (302, OperatorError, "refused .status 302."),
        (400, OperatorError, "refused .status 400.: no good"),
        (500, StorageUnavailable, "has a fault .status 500."),
    ],
)
def test_refusals_say_who_must_act(status: int, error: type[Exception], words: str) -> None:
    with simulated((status, {"Location": "http://127.0.0.1:1/"}, b"no\x1bgood\n")) as server:
        with pytest.raises(error, match=words):
            RemoteVault(server.remote()).read("checkpoint", bytes_most=99)
        assert len(server.seen) == 1


def test_giving_up_ends_the_call_at_hand_and_later_ones() -> None:
    asked, free = threading.Event(), threading.Event()

    def wait(_: BaseHTTPRequestHandler) -> None:
        asked.set()
        free.wait(20)

    with simulated(wait) as server:
        remote = server.remote()
        failed: list[Exception] = []

        def call() -> None:
            try:
                RemoteVault(remote).wait(5)
            except StorageUnavailable as error:
                failed.append(error)

        thread = threading.Thread(target=call)
        thread.start()
        assert asked.wait(10)
        remote.give_up()
        thread.join(10)
        assert not thread.is_alive()
        assert len(failed) == 1
        with pytest.raises(StorageUnavailable):
            RemoteVault(remote).size("checkpoint")
        assert len(server.seen) == 1
        free.set()


@pytest.mark.parametrize(
    "url",
    [
        "ftp://127.0.0.1/",
        "https://",
        "https://127.0.0.1:99999/",
        "https://me@127.0.0.1/",
        "https://127.0.0.1/?a=b",
        "https://127.0.0.1/#a",
        "http://pathology.example/",
        "http://127.0.0.1.example/",
    ],
)
def test_addresses_that_are_refused(url: str) -> None:
    with pytest.raises(OperatorError):
        Remote(url, "secret")


@pytest.mark.parametrize("token", ["", "two words", "line\nbreak", "grün"])
def test_tokens_that_are_refused(token: str) -> None:
    with pytest.raises(OperatorError, match="no token"):
        Remote("https://127.0.0.1/", token)


def certificate_for(name: str, file: Path) -> Path:
    """A certificate that signs itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a test")])
    now = datetime.now(UTC)
    names = x509.SubjectAlternativeName([x509.DNSName(name)])
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(names, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + made.public_bytes(serialization.Encoding.PEM)
    )
    return file


def test_the_servers_name_and_certificate_are_checked(tmp_path: Path) -> None:
    right = certificate_for("localhost", tmp_path / "right.pem")
    other = certificate_for("other.example", tmp_path / "other.pem")
    with simulated((200, {}, CONTENT), certificate=right) as server:
        url = f"https://localhost:{server.port}"
        trusting = RemoteVault(Remote(url, "secret", ca=right))
        assert trusting.read("checkpoint", bytes_most=99_999) == CONTENT
        for ca in (None, other):
            with pytest.raises(OperatorError, match="certificate is not one that is trusted"):
                RemoteVault(Remote(url, "secret", ca=ca)).size("checkpoint")
        assert len(server.seen) == 1  # the token went to nobody else
    with simulated((200, {}, CONTENT), certificate=other) as server:
        wrong = RemoteVault(Remote(f"https://localhost:{server.port}", "secret", ca=other))
        with pytest.raises(OperatorError, match="certificate is not one that is trusted"):
            wrong.size("checkpoint")
        assert server.seen == []
    with pytest.raises(OperatorError, match="can't be read"):
        Remote("https://localhost/", "secret", ca=tmp_path / "none.pem")


def page(number: int = 3, *, id_: str = "MDEyMzQ1Njc4OWFiY2RlZg==", wrapped: str = '"AAAA"') -> Any:
    """A page of one row."""
    row = f'{{"number":{number},"id":"{id_}","wrapped":{wrapped},"made_at":"2024-06-03"}}'
    return (200, {}, f'{{"rows":[{row}]}}'.encode())


def test_wrapped_keys_are_read() -> None:
    with simulated(page()) as server:
        (row,) = RemoteRing(server.remote()).rows(after=2, most=10)
        assert (row.number, row.id, row.wrapped) == (3, b"0123456789abcdef", bytes(3))
    with simulated(page(wrapped="null")) as server:
        assert RemoteRing(server.remote()).rows(after=2, most=10)[0].wrapped is None


@pytest.mark.parametrize(
    "bad",
    [
        page(2),
        page(id_="AAAA"),
        page(wrapped='""'),
        page(wrapped=f'"{"AAAA" * 100}"'),
        page(wrapped="5"),
        (200, {}, b"{}"),
        (200, {}, b"\xff"),
        (200, {}, b"[" * 1000),
    ],
)
def test_what_are_no_wrapped_keys(bad: Any) -> None:
    with simulated(bad) as server, pytest.raises(IntegrityError, match="not wrapped keys"):
        RemoteRing(server.remote()).rows(after=2, most=10)
