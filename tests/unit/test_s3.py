"""unit: object storage that fails, answered by a server that says what it is told to."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tourniquet.kernel.errors import IntegrityError, OperatorError, StorageUnavailable
from tourniquet.record.objects import Stored
from tourniquet.record.s3 import (
    Credential,
    S3Client,
    S3Objects,
    StoreUrl,
    environment_credential,
    md5_of,
    parse_store_url,
    read_credential,
)

UNTIL = datetime(2030, 1, 1, tzinfo=UTC)
STORED = Stored("name", "v1", 10, UNTIL)


class Script(ThreadingHTTPServer):
    """A server that gives the same answer to all, and counts."""

    daemon_threads = True
    status = 200
    code = ""
    headers: dict[str, str] = {}
    body = b""
    cuts = False  # the connection ends before the body does
    asked: list[tuple[str, str, dict[str, str]]] = []


class _Handler(BaseHTTPRequestHandler):
    server: Script

    def _answer(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        self.rfile.read(length)
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.server.asked.append((self.command, self.path, headers))
        body = self.server.body
        if self.server.code:
            body = f"<Error><Code>{self.server.code}</Code></Error>".encode()
        self.send_response(self.server.status)
        for name, value in self.server.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body) + (5 if self.server.cuts else 0)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
        self.close_connection = True

    do_GET = do_PUT = do_HEAD = do_POST = _answer  # noqa: N815 (the standard library's names)

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Script]:
    with Script(("127.0.0.1", 0), _Handler) as made:
        made.asked = []
        thread = threading.Thread(target=made.serve_forever, args=(0.05,))
        thread.start()
        port = made.server_address[1]
        monkeypatch.setenv("TOURNIQUET_STORE_ENDPOINT", f"http://127.0.0.1:{port}")
        yield made
        made.shutdown()
        thread.join()


@pytest.fixture
def objects(server: Script) -> S3Objects:
    client = S3Client(Credential("name", "secret"), tries=2)
    return S3Objects(client, StoreUrl("bucket", "some/prefix"))


def test_a_put_asks_for_a_new_name_a_lock_and_a_checksum(
    server: Script, objects: S3Objects
) -> None:
    server.headers = {"x-amz-version-id": "v7"}
    assert objects.put("a/b", b"content", until=UNTIL) == "v7"
    method, path, headers = server.asked[0]
    assert (method, path) == ("PUT", "/bucket/some/prefix/a/b")
    assert headers["if-none-match"] == "*"
    assert headers["content-md5"] == md5_of(b"content")
    assert headers["x-amz-object-lock-mode"] == "COMPLIANCE"
    assert headers["x-amz-object-lock-retain-until-date"].startswith("2030-01-01T00:00:00")


def test_a_name_that_is_taken_is_told(server: Script, objects: S3Objects) -> None:
    server.status, server.code = 412, "PreconditionFailed"
    assert objects.put("a", b"content", until=UNTIL) is None


def test_a_store_without_conditions_is_asked_without(server: Script, objects: S3Objects) -> None:
    server.status, server.code = 501, "NotImplemented"
    with pytest.raises(StorageUnavailable):
        objects.put("a", b"content", until=UNTIL)
    assert "if-none-match" in server.asked[0][2]
    assert "if-none-match" not in server.asked[-1][2]


@pytest.mark.parametrize(
    ("status", "code", "kind", "words"),
    [
        (403, "AccessDenied", OperatorError, "AccessDenied"),
        (403, "InvalidAccessKeyId", OperatorError, "which rights"),
        (403, "SignatureDoesNotMatch", OperatorError, "which rights"),
        (403, "RequestTimeTooSkewed", OperatorError, "clock right"),
        (404, "NoSuchBucket", OperatorError, "Make the bucket"),
        (400, "InvalidRequest", OperatorError, "object lock"),
        (403, "QuotaExceeded", StorageUnavailable, "more room"),
        (507, "InsufficientStorage", StorageUnavailable, "more room"),
        (503, "SlowDown", StorageUnavailable, "asked again"),
        (409, "OperationAborted", StorageUnavailable, "asked again"),
        (500, "InternalError", StorageUnavailable, "asked again"),
    ],
)
def test_a_refusal_says_who_must_act(
    server: Script,
    objects: S3Objects,
    *,
    status: int,
    code: str,
    kind: type[OperatorError],
    words: str,
) -> None:
    server.status, server.code = status, code
    with pytest.raises(kind, match=words) as caught:
        objects.put("a", b"content", until=UNTIL)
    assert type(caught.value) is kind
    assert "secret" not in str(caught.value)
    with pytest.raises(kind):
        list(objects.list("a"))


def test_a_body_that_ends_early_is_no_body(server: Script, objects: S3Objects) -> None:
    server.status, server.body, server.cuts = 206, b"12345", True
    with pytest.raises((StorageUnavailable, IntegrityError)):
        objects.get(STORED, 0, 10)


def test_a_body_of_another_length_is_no_body(server: Script, objects: S3Objects) -> None:
    server.status, server.body = 206, b"12345678901"
    with pytest.raises(IntegrityError, match="11 bytes and not 10"):
        objects.get(STORED, 0, 10)
    server.status, server.body = 404, b""
    server.code = "NoSuchVersion"
    with pytest.raises(IntegrityError, match="gone"):
        objects.get(STORED, 0, 10)


def test_no_answer_is_storage_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOURNIQUET_STORE_ENDPOINT", "http://127.0.0.1:9")
    objects = S3Objects(S3Client(Credential("name", "secret"), tries=1), StoreUrl("bucket", ""))
    with pytest.raises(StorageUnavailable, match="does not answer"):
        objects.put("a", b"", until=None)


def test_the_first_of_many_versions_is_found_over_pages(server: Script, objects: S3Objects) -> None:
    rows = "".join(
        f"<Version><Key>some/prefix/a</Key><VersionId>v{number}</VersionId><Size>1</Size>"
        "<LastModified>2024-06-03T06:00:00Z</LastModified></Version>"
        for number in (3, 2, 1)
    )
    after = rows.replace("prefix/a<", "prefix/ab<").replace(">v1<", ">w1<")
    server.body = f"<ListVersionsResult>{rows}{after}</ListVersionsResult>".encode()
    found = objects.find("a")
    assert found is not None
    assert found.version == "v1"
    assert [one.version for one in objects.list("a") if isinstance(one, Stored)] == ["v1", "w1"]


@pytest.mark.parametrize(
    "text", ["s3://", "s3://B", "s3://ab/../c", "s3://bucket/a//b", "s3://bucket/a b", "/folder"]
)
def test_what_names_no_place_is_refused(text: str) -> None:
    with pytest.raises(OperatorError, match="does not name a place"):
        parse_store_url(text, where="--to")


def test_a_place_has_a_bucket_and_a_prefix() -> None:
    assert parse_store_url("s3://the-bucket/a/b/", where="--to") == StoreUrl("the-bucket", "a/b")
    assert str(parse_store_url("s3://the-bucket", where="--to")) == "s3://the-bucket"


@pytest.mark.parametrize(
    "text", ["", "no section", "[default]\n", "[default]\naws_access_key_id=a\n", "\xff"]
)
def test_a_file_without_a_credential_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "credential"
    file.write_text(text, encoding="latin-1")
    with pytest.raises(OperatorError, match="holds no credential"):
        read_credential(file, where="--credentials")


def test_a_credential_shows_no_secret(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "credential"
    file.write_text("[x]\naws_access_key_id = a\naws_secret_access_key = hidden%1\n")
    found = read_credential(file, where="--credentials")
    assert found.secret == "hidden%1"
    assert "hidden" not in repr(found)
    monkeypatch.setenv("TOURNIQUET_STORE_ACCESS_KEY", "a")
    with pytest.raises(OperatorError, match="One half"):
        environment_credential()


def test_a_lock_that_is_refused_is_an_operators_matter(server: Script, objects: S3Objects) -> None:
    server.status, server.code = 403, "AccessDenied"
    server.headers = {}
    with pytest.raises(OperatorError):
        objects.retain(STORED, UNTIL)
