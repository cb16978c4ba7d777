"""A replica on a bad disk, and with a source that lies."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.generative.test_vault import BATCHES, KEY, OTHER, SIGNER
from tests.support.effort import effort
from tests.support.simulated_files import PowerCut, SimulatedFiles
from tests.support.vault_lives import bodies_from
from tourniquet.kernel.errors import (
    IntegrityError,
    OperatorError,
    StorageUnavailable,
    UserError,
)
from tourniquet.record import leaves, vault
from tourniquet.record.disk import Disk, Files, LocalFiles
from tourniquet.record.log import CHECKPOINT
from tourniquet.record.notes import WITNESS_KEY, Checkpoint, Signer, check, read_checkpoint
from tourniquet.record.replica import EVIDENCE, LAST, Replica, Rewritten
from tourniquet.record.vault import Vault
from tourniquet.record.verification import verify_vault

pytestmark = pytest.mark.no_cover  # a tracer would triple its time; flows cover the lines
WITNESS = Signer("witness.example", WITNESS_KEY, Ed25519PrivateKey.from_private_bytes(b"W" * 32))
NOW = datetime(2024, 6, 3, 6, tzinfo=UTC)
SEEDS = effort(150, 10_000)
LIVES = 4
SIZE = 700


@pytest.fixture(autouse=True)
def _small_segments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leaves, "SEGMENT_BYTES_MOST", 4_000)


class NoKeys:
    """A ring that never has a new key."""

    def pull(self) -> int:
        return 0


class Below:
    """The files below a folder of others'."""

    def __init__(self, files: Files, folder: str) -> None:
        self._files, self._folder = files, folder

    def _at(self, path: str) -> str:
        return f"{self._folder}/{path}" if path else self._folder

    def write_at(self, path: str, at: int, content: bytes) -> None:
        self._files.write_at(self._at(path), at, content)

    def read_at(self, path: str, at: int, length: int) -> bytes:
        return self._files.read_at(self._at(path), at, length)

    def size(self, path: str) -> int | None:
        return self._files.size(self._at(path))

    def names(self, folder: str) -> list[str]:
        return self._files.names(self._at(folder))

    def flush(self, path: str) -> None:
        self._files.flush(self._at(path))

    def flush_folder(self, folder: str) -> None:
        self._files.flush_folder(self._at(folder))

    def make_folder(self, folder: str) -> None:
        self._files.make_folder(self._at(folder))

    def link(self, path: str, target: str) -> None:
        self._files.link(self._at(path), self._at(target))

    def rename(self, path: str, target: str) -> None:
        self._files.rename(self._at(path), self._at(target))

    def remove(self, path: str) -> None:
        self._files.remove(self._at(path))


def test_what_was_countersigned_outlives_power_cuts_kills_and_failures() -> None:
    assert max(live(seed) for seed in range(SEEDS)) > 600


def live(seed: int) -> int:
    """Some lives of a replica, while its source grows; what it countersigned stands. Its size."""
    random = Random(seed)
    source = Vault.begin(Disk(SimulatedFiles(Random(seed))), SIGNER)
    files = SimulatedFiles(random)
    _make_folders(files)
    last: Checkpoint | None = None
    for life in range(LIVES):
        strike = files.calls + random.randrange(1, 150)
        fails = random.random() < 0.4
        files.cut_at, files.fail_at = (None, strike) if fails else (strike, None)
        try:
            for minutes in range(random.randrange(1, 4)):
                count = random.choice(BATCHES)
                source.publish(bodies_from(source.checkpoint.size, count, random))
                replica = opened(files)
                now = NOW + timedelta(hours=life, minutes=2 * minutes)
                last = replica.pull(disk_of(source), NoKeys(), now=now).checkpoint
                assert last == source.checkpoint
        except StorageUnavailable:
            assert fails, seed
        except PowerCut:
            assert not fails, seed
        files.cut_at = files.fail_at = None
        if files.is_shut or random.random() < 0.6:
            files.cut_power()
        if last is not None:
            found = verify_vault(Disk(Below(files, "vault")), KEY, since=last)
            assert found.checkpoint.size >= last.size, seed
    replica = opened(files)
    last = replica.pull(disk_of(source), NoKeys(), now=NOW + timedelta(days=1)).checkpoint
    assert check(replica.countersigned(), WITNESS.verifier) is not None
    assert verify_vault(Disk(Below(files, "vault")), KEY).beyond == [], seed
    return last.size


def _make_folders(files: Files) -> None:
    """What the installer makes."""
    for name in ("vault", "own"):
        files.make_folder(name)
    files.flush_folder("")


def disk_of(source: Vault) -> Disk:
    return source._disk


def opened(files: Files) -> Replica:
    return Replica(Disk(Below(files, "vault")), Disk(Below(files, "own")), KEY, WITNESS)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A vault of SIZE entries in real files."""
    place = tmp_path / "source"
    place.mkdir()
    one = Vault.begin(Disk(LocalFiles(place)), SIGNER)
    grow(place, 300)
    grow(place, SIZE - 300)
    assert one.checkpoint.size == 0
    return place


def grow(place: Path, count: int, seed: int = 1) -> Checkpoint:
    one = Vault(Disk(LocalFiles(place)), SIGNER)
    one.publish(bodies_from(one.checkpoint.size, count, Random(seed)))
    return one.checkpoint


@pytest.fixture
def home(tmp_path: Path, source: Path) -> Path:
    """A replica of it."""
    place = tmp_path / "replica"
    place.mkdir()
    _make_folders(LocalFiles(place))
    pull(place, source)
    return place


def pull(place: Path, source: Path, *, hours: int = 0) -> Checkpoint:
    replica = opened(LocalFiles(place))
    now = NOW + timedelta(hours=hours)
    return replica.pull(Disk(LocalFiles(source)), NoKeys(), now=now).checkpoint


def content(place: Path) -> dict[str, bytes]:
    """What counts of a replica: its checkpoints, and whatever lies below them."""
    return {
        str(path.relative_to(place)): path.read_bytes()
        for path in place.rglob("*")
        if path.is_file() and path.name in {CHECKPOINT, LAST}
    }


def test_a_replica_is_a_vault_that_anybody_can_verify(home: Path, source: Path) -> None:
    found = verify_vault(Disk(LocalFiles(home / "vault")), KEY)
    assert found.checkpoint.size == SIZE
    assert found.beyond == []
    note = opened(LocalFiles(home)).countersigned()
    assert read_checkpoint(note, KEY) == found.checkpoint
    assert check(note, WITNESS.verifier) == int(NOW.timestamp())
    checkpoint = grow(source, 400)
    assert pull(home, source, hours=1) == checkpoint
    assert verify_vault(Disk(LocalFiles(home / "vault")), KEY).checkpoint.size == SIZE + 400
    ours = {path.name: path.read_bytes() for path in (home / "vault/body").iterdir()}
    assert ours == {path.name: path.read_bytes() for path in (source / "body").iterdir()}


def test_a_source_that_grew_and_was_tampered_with_is_refused(home: Path, source: Path) -> None:
    before = content(home)
    grow(source, 300)
    chance = Random(3)
    kept = {path: path.read_bytes() for path in source.rglob("*") if path.is_file()}
    read = _read_by_a_pull(source)
    for name in sorted(read):
        path = source / name
        for at in {0, len(kept[path]) - 1, *(chance.randrange(len(kept[path])) for _ in range(4))}:
            changed = bytearray(kept[path])
            changed[at] ^= 1 << chance.randrange(8)
            path.write_bytes(changed)
            if _is_new(name, at, kept[path]):
                with pytest.raises(IntegrityError):
                    pull(home, source, hours=1)
                shutil.rmtree(home / "own" / EVIDENCE, ignore_errors=True)
                assert content(home) == before, (name, at)
        path.write_bytes(kept[path])
    assert pull(home, source, hours=2).size == SIZE + 300


def _read_by_a_pull(source: Path) -> set[str]:
    """The files that a pull of what is new has to believe."""
    names = {str(path.relative_to(source)) for path in source.rglob("*") if path.is_file()}
    bundles = {"tile/entries/002", "tile/entries/003.p/232"}
    segments = sorted(name for name in names if name.startswith("body/"))[-3:]
    assert bundles < names
    return {CHECKPOINT, *bundles, *segments}


def _is_new(name: str, at: int, before: bytes) -> bool:
    """Whether a byte lies in what is pulled, and not before it."""
    if name == "tile/entries/002":
        return at >= (SIZE - 512) * (len(before) // 256)
    return True


def test_a_shorter_history_is_refused_and_kept(home: Path, source: Path, tmp_path: Path) -> None:
    older = tmp_path / "older"
    shutil.copytree(source, older)
    grow(source, 10)
    pull(home, source, hours=1)
    before = content(home)
    with pytest.raises(Rewritten, match="700 entries, fewer than before"):
        pull(home, older, hours=2)
    assert content(home) == before
    with pytest.raises(OperatorError, match="Nothing is pulled until a person has looked"):
        pull(home, source, hours=3)
    (home / "own" / EVIDENCE).rename(tmp_path / "kept")
    assert pull(home, source, hours=3).size == SIZE + 10


@pytest.mark.parametrize("more", [10, 300])
def test_a_forked_history_is_refused_and_kept(
    home: Path, source: Path, tmp_path: Path, more: int
) -> None:
    forked = tmp_path / "forked"
    shutil.copytree(source, forked)
    grow(source, 10)
    pull(home, source, hours=1)
    before = content(home)
    theirs = grow(forked, more, seed=9)
    with pytest.raises(Rewritten):
        pull(home, forked, hours=2)
    assert content(home) == before
    (evidence,) = (home / "own" / EVIDENCE).iterdir()
    assert str(theirs.size) in (evidence / "theirs").read_text()
    assert str(SIZE + 10) in (evidence / "ours").read_text()


def test_a_clock_that_went_back_is_refused(home: Path, source: Path) -> None:
    grow(source, 10)
    before = content(home)
    with pytest.raises(UserError, match="clock went back: it was 3600 seconds later"):
        pull(home, source, hours=-1)
    assert content(home) == before


def test_a_copy_that_was_put_back_is_refused(home: Path, source: Path, tmp_path: Path) -> None:
    older = tmp_path / "older"
    shutil.copytree(home / "vault", older)
    grow(source, 10)
    pull(home, source, hours=1)
    shutil.rmtree(home / "vault")
    older.rename(home / "vault")
    with pytest.raises(IntegrityError, match="ends at 700; it had 710"):
        pull(home, source, hours=2)
    shutil.rmtree(home / "vault")
    (home / "vault").mkdir()
    with pytest.raises(IntegrityError, match="missing"):
        pull(home, source, hours=2)


def test_another_log_is_refused(home: Path, source: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    Vault.begin(Disk(LocalFiles(other)), OTHER)
    with pytest.raises(IntegrityError):
        pull(home, other, hours=1)


def test_nothing_new_is_countersigned_only_now_and_then(home: Path, source: Path) -> None:
    replica = opened(LocalFiles(home))
    note = replica.countersigned()
    disk = Disk(LocalFiles(source))
    assert replica.pull(disk, NoKeys(), now=NOW + timedelta(seconds=59)).entries == 0
    assert replica.countersigned() == note
    replica.pull(disk, NoKeys(), now=NOW + timedelta(seconds=60))
    assert check(replica.countersigned(), WITNESS.verifier) == int(NOW.timestamp()) + 60


class Changing(Disk):
    """A source that gives other leaves the second time."""

    reads = 0

    def read(self, path: str, *, bytes_most: int) -> bytes:
        found = super().read(path, bytes_most=bytes_most)
        if path == "tile/entries/002.p/188":
            self.reads += 1
            if self.reads > 1:
                return found[:-1] + bytes([found[-1] ^ 1])
        return found


def test_a_source_that_changes_its_mind_is_refused(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vault, "BUNDLES_HELD", 1)
    place = tmp_path / "replica"
    place.mkdir()
    _make_folders(LocalFiles(place))
    replica = opened(LocalFiles(place))
    changing = Changing(LocalFiles(source))
    with pytest.raises(IntegrityError, match="other leaves than a moment ago"):
        replica.pull(changing, NoKeys(), now=NOW)
    assert not (place / "vault" / CHECKPOINT).exists()
    assert pull(place, source).size == SIZE
