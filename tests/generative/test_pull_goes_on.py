"""A first pull that is interrupted goes on where it was: what is kept is not fetched again."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from random import Random
from typing import Any

import pytest

from tests.generative.test_replica import NOW, NoKeys, _make_folders, opened
from tests.generative.test_vault import KEY, SIGNER
from tests.support.vault_lives import bodies_from
from tourniquet.kernel.errors import StorageUnavailable
from tourniquet.record import leaves, replica, vault
from tourniquet.record.disk import Disk, LocalFiles
from tourniquet.record.log import CHECKPOINT
from tourniquet.record.remote import Remote, RemoteVault
from tourniquet.record.setting_aside import ASIDE
from tourniquet.record.vault import Vault
from tourniquet.record.verification import verify_vault

pytestmark = pytest.mark.no_cover  # a tracer would triple its time
PART = 256
PARTS = 16
SIZE = PARTS * PART + 100
SEGMENT = 20_000
REPOSITORY = Path(__file__).parent.parent.parent


@pytest.fixture(autouse=True)
def _small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replica, "LEAVES_AT_ONCE", PART)
    monkeypatch.setattr(vault, "BUNDLES_HELD", 1)  # a large vault's leaves are not held either
    monkeypatch.setattr(leaves, "SEGMENT_BYTES_MOST", SEGMENT)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A vault of many parts."""
    place = tmp_path / "source"
    place.mkdir()
    one = Vault.begin(Disk(LocalFiles(place)), SIGNER)
    one.publish(bodies_from(0, SIZE, Random(1)))
    return place


@pytest.fixture
def home(tmp_path: Path) -> Path:
    place = tmp_path / "replica"
    place.mkdir()
    _make_folders(LocalFiles(place))
    return place


class Counted(Disk):
    """A source that counts the bytes of bodies and of leaves, and ends once it gave so many."""

    def __init__(self, place: Path, most: float = float("inf")) -> None:
        super().__init__(LocalFiles(place))
        self.bodies = self.leaves = 0
        self.most = most

    def read(self, path: str, *, bytes_most: int) -> bytes:
        found = super().read(path, bytes_most=bytes_most)
        self.leaves += len(found) if path.startswith("tile/entries") else 0
        return found

    def read_part(self, path: str, at: int, length: int) -> bytes:
        if self.bodies + length > self.most:
            self.end()
        self.bodies += length
        return super().read_part(path, at, length)

    def end(self) -> None:
        raise StorageUnavailable("The source does not answer.")


def pull(home: Path, source: Any) -> int:
    return opened(LocalFiles(home)).pull(source, NoKeys(), now=NOW).checkpoint.size


def test_what_was_kept_is_not_fetched_again(home: Path, source: Path) -> None:
    whole = Counted(source)
    total = sum(path.stat().st_size for path in (source / "body").iterdir())
    fetched = 0
    for share in (0.3, 0.3, 0.3):
        cut = Counted(source, total * share)
        with pytest.raises(StorageUnavailable):
            pull(home, cut)
        fetched += cut.bodies
        assert not (home / "vault" / CHECKPOINT).exists()
    assert pull(home, whole) == SIZE
    fetched += whole.bodies
    a_part = total / PARTS
    assert total <= fetched < total + 4 * a_part, "at each interruption a part is fetched again"
    assert whole.bodies < total * 0.4
    assert whole.leaves < 0.4 * 2 * SIZE * 119
    assert verify_vault(Disk(LocalFiles(home / "vault")), KEY).beyond == []
    ours = {path.name: path.read_bytes() for path in (home / "vault/body").iterdir()}
    assert ours == {path.name: path.read_bytes() for path in (source / "body").iterdir()}


def test_a_source_that_grew_meanwhile_is_gone_on_with(home: Path, source: Path) -> None:
    total = sum(path.stat().st_size for path in (source / "body").iterdir())
    with pytest.raises(StorageUnavailable):
        pull(home, Counted(source, total * 0.99))
    one = Vault(Disk(LocalFiles(source)), SIGNER)
    one.publish(bodies_from(SIZE, 300, Random(2)))
    more = Counted(source)
    assert pull(home, more) == SIZE + 300
    assert more.bodies < total * 0.25
    assert verify_vault(Disk(LocalFiles(home / "vault")), KEY).beyond == []


@pytest.mark.parametrize("name", ["body/000000000", "body/000000003", "tile/entries/002"])
def test_what_was_kept_is_verified_again(home: Path, source: Path, name: str) -> None:
    total = sum(path.stat().st_size for path in (source / "body").iterdir())
    with pytest.raises(StorageUnavailable):
        pull(home, Counted(source, total * 0.7))
    path = home / "vault" / name
    spoilt = bytearray(path.read_bytes())
    spoilt[len(spoilt) // 2 + 9] ^= 1
    path.write_bytes(spoilt)
    assert pull(home, Counted(source)) == SIZE
    assert not (home / "own" / replica.EVIDENCE).exists()
    aside = [
        one.read_bytes() for one in (home / "own").glob(f"{ASIDE}/*/tile/**/*") if one.is_file()
    ]
    assert (spoilt in aside) == name.startswith(
        "tile"
    )  # not the source's fault, and not thrown away
    assert verify_vault(Disk(LocalFiles(home / "vault")), KEY).beyond == []


KILLED = """
import sys
from pathlib import Path
from tests.generative import test_pull_goes_on as story
from tourniquet.record import leaves, replica
replica.LEAVES_AT_ONCE, leaves.SEGMENT_BYTES_MOST = story.PART, story.SEGMENT
story.pull(Path(sys.argv[1]), story.Killing(Path(sys.argv[2]), float(sys.argv[3])))
"""


class Killing(Counted):
    """A source whose reader is killed once it gave so many bytes."""

    def end(self) -> None:
        sys.stdout.write(str(self.bodies))
        sys.stdout.flush()
        os.kill(os.getpid(), signal.SIGKILL)


def test_a_pull_that_is_killed_goes_on(home: Path, source: Path) -> None:
    total = sum(path.stat().st_size for path in (source / "body").iterdir())
    fetched = 0
    for share in (0.25, 0.4):
        done = subprocess.run(
            [sys.executable, "-c", KILLED, home, source, str(total * share)],
            cwd=REPOSITORY,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == -signal.SIGKILL, done.stderr
        fetched += int(done.stdout)
    last = Counted(source)
    assert pull(home, last) == SIZE
    assert fetched + last.bodies < total + 3 * total / PARTS
    assert verify_vault(Disk(LocalFiles(home / "vault")), KEY).beyond == []


# Over HTTP ----------------------------------------------------------------------------------------


class Line:
    """What goes over a line that is cut after so many bytes."""

    def __init__(self, place: Path) -> None:
        self.place, self.given, self.most = place, 0, float("inf")


@contextmanager
def served(line: Line) -> Iterator[str]:
    """A server of a vault's files, as the real one serves them."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._answer(self._content())

        def do_HEAD(self) -> None:
            found = self._content()
            self.send_response(404 if found is None else 200)
            self.send_header("Content-Length", str(len(found or b"")))
            self.end_headers()

        def _content(self) -> bytes | None:
            path = line.place / self.path.removeprefix("/vault/").partition("?")[0]
            return path.read_bytes() if path.is_file() else None

        def _answer(self, found: bytes | None) -> None:
            asked = self.headers.get("Range")
            if asked and found is not None:
                first, last = asked.removeprefix("bytes=").split("-")
                found = found[int(first) : int(last) + 1]
            self.send_response(404 if found is None else 206 if asked else 200)
            found = found or b""
            self.send_header("Content-Length", str(len(found)))
            self.end_headers()
            room = int(max(0, min(len(found), line.most - line.given)))
            self.wfile.write(found[:room])
            line.given += room
            self.close_connection = room < len(found)  # in the middle of an answer

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def test_a_line_that_is_cut_costs_a_part_and_the_leaves(home: Path, source: Path) -> None:
    line = Line(source)
    with served(line) as url:
        remote = Remote(url, "token", pause=lambda _: None)
        total = sum(path.stat().st_size for path in (source / "body").iterdir())
        leaf_bytes = SIZE * 119
        line.most = leaf_bytes + (total + leaf_bytes) * 0.7
        with pytest.raises(StorageUnavailable, match="does not answer"):
            pull(home, RemoteVault(remote))
        before, line.most = line.given, float("inf")
        assert pull(home, RemoteVault(remote)) == SIZE
        again = line.given - before
        assert again < 0.45 * (total + 2 * leaf_bytes)
        assert line.given < total + 3.5 * leaf_bytes + 2 * total / PARTS
        remote.close()
    assert verify_vault(Disk(LocalFiles(home / "vault")), KEY).beyond == []
