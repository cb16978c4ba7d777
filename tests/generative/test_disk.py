"""Files of the record, on a disk that loses, tears, reorders and fails."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import pytest

from tests.support.effort import effort
from tests.support.simulated_files import PowerCut, SimulatedFiles
from tourniquet.kernel.errors import IntegrityError, StorageUnavailable
from tourniquet.record.disk import PART_ENDING, Disk, Files, LocalFiles

SEEDS = effort(1_000, 100_000)
BYTES_MOST = 1 << 20
LIVES = 3
OPERATIONS_MOST = 12
CALLS_MOST = 60


@dataclass
class Promises:
    """What may be found of each file: of those replaced and made, what of those appended to."""

    may_be: dict[str, set[bytes | None]] = field(default_factory=dict)
    appended: dict[str, bytes] = field(default_factory=dict)
    flushed: dict[str, bytes] = field(default_factory=dict)

    def check(self, disk: Disk, *, seed: int) -> None:
        """Everything that was promised is there."""
        for path, contents in self.may_be.items():
            found = None if disk.size(path) is None else disk.read(path, bytes_most=BYTES_MOST)
            assert found in contents, (seed, path)
        for path, content in self.flushed.items():
            assert disk.read_part(path, 0, len(content)) == content, (seed, path)


class Life:
    """One process that writes until the power goes, it is killed, or the disk fails."""

    def __init__(
        self, files: SimulatedFiles, promises: Promises, random: Random, number: int
    ) -> None:
        self.disk = Disk(files)
        self.promises = promises
        self.random = random
        self.number = number

    def operate(self) -> None:
        """One operation, with what it promises written down before and after."""
        kind = self.random.choice(("create", "replace", "append", "append", "flush"))
        content = self.random.randbytes(self.random.choice((0, 1, 40, 511, 513, 3_000)))
        promises = self.promises
        if kind == "create":
            # As a log does: the same content under the same name, whoever writes it.
            path = f"tile/{self.random.randrange(3)}/{self.random.randrange(4):03}"
            content = Random(path).randbytes(700)
            promises.may_be.setdefault(path, {None}).add(content)
            self.disk.create({path: content})
            promises.may_be[path] = {content}
        elif kind == "replace":
            path = self.random.choice(("checkpoint", "state/position"))
            promises.may_be.setdefault(path, {None}).add(content)
            self.disk.replace(path, content)
            promises.may_be[path] = {content}
        else:
            path = f"body/{self.number}-{self.random.randrange(2)}"
            before = promises.appended.get(path, b"")
            if kind == "append":
                self.disk.append(path, content, at=len(before))
                promises.appended[path] = before + content
            elif path in promises.appended:
                self.disk.flush(path)
                promises.flushed[path] = before


def live(seed: int, *, is_broken: bool = False) -> None:
    """Some lives of a record on one disk, checked after each."""
    random = Random(seed)
    files = SimulatedFiles(random)
    promises = Promises()
    for number in range(LIVES):
        life = Life(files, promises, random, number)
        strike = files.calls + random.randrange(1, CALLS_MOST)
        fails = random.random() < 0.4
        files.cut_at, files.fail_at = (None, strike) if fails else (strike, None)
        try:
            for _ in range(random.randrange(1, OPERATIONS_MOST)):
                life.operate()
        except StorageUnavailable:
            assert fails
            _check_that_nothing_is_written(life.disk, files)
        except PowerCut:
            assert not fails
        files.cut_at = files.fail_at = None
        if files.is_shut or random.random() < 0.6 or is_broken:
            files.cut_power()
        promises.check(Disk(files), seed=seed)


def _check_that_nothing_is_written(disk: Disk, files: SimulatedFiles) -> None:
    calls = files.calls
    assert disk.failure == "simulated"
    for write in (
        lambda: disk.create({"tile/9/000": b"x"}),
        lambda: disk.replace("checkpoint", b"x"),
        lambda: disk.append("body/x", b"x", at=0),
        lambda: disk.flush("body/x"),
    ):
        with pytest.raises(StorageUnavailable, match="since a write failed"):
            write()
    assert files.calls == calls
    disk.names("")


def test_what_was_promised_outlives_power_cuts_kills_and_failures() -> None:
    for seed in range(SEEDS):
        live(seed)


def _no_flush(self: SimulatedFiles, path: str) -> None:
    """A flush that does nothing."""


@pytest.mark.parametrize("call", ["flush", "flush_folder"])
def test_the_simulation_finds_what_is_not_flushed(
    call: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Were either left out, the test above would fail: it can."""
    monkeypatch.setattr(SimulatedFiles, call, _no_flush)
    with pytest.raises((AssertionError, IntegrityError)):
        _live_often()


def _live_often() -> None:
    for seed in range(200):
        live(seed, is_broken=True)


@pytest.fixture(params=["local", "simulated"])
def files(request: pytest.FixtureRequest, tmp_path: Path) -> Files:
    """Real files and simulated ones, which must behave alike."""
    return LocalFiles(tmp_path) if request.param == "local" else SimulatedFiles(Random(1))


def test_files_are_made_replaced_and_appended_to(files: Files) -> None:
    disk = Disk(files)
    assert (disk.size("tile/0/000"), disk.names("tile")) == (None, [])
    disk.create({"tile/0/000": b"abc"})
    disk.create({"tile/0/000": b"abc"})
    disk.replace("checkpoint", b"one")
    disk.replace("checkpoint", b"two")
    disk.append("body/0", b"ab", at=0)
    disk.append("body/0", b"cd", at=2)
    disk.flush("body/0")
    disk.append("body/0", b"", at=4)
    again = Disk(files)
    assert again.read("tile/0/000", bytes_most=3) == b"abc"
    assert again.read("checkpoint", bytes_most=3) == b"two"
    assert again.read_part("body/0", 1, 3) == b"bcd"
    assert again.names("") == ["body", "checkpoint", "tile"]
    assert again.names("tile/0") == ["000"]
    with pytest.raises(IntegrityError, match="another process"):
        again.append("body/0", b"ef", at=4)
    again.keep("checkpoint")
    assert again.read("body/0", bytes_most=4) == b"abcd"


def test_what_is_wrong_is_refused_and_changes_nothing(files: Files) -> None:
    disk = Disk(files)
    disk.create({"tile/0/000": b"abc"})
    for work, what in (
        (lambda: disk.create({"tile/0/000": b"abd"}), "Another file"),
        (lambda: disk.create({"tile/0/000": b"abcd"}), "Another file"),
        (lambda: disk.append("tile/0/000", b"d", at=2), "go on at 2"),
        (lambda: disk.append("body/0", b"d", at=1), "go on at 1"),
        (lambda: disk.create({"tile/0/002": b"new", "tile/0/000": b"abd"}), "Another file"),
        (lambda: disk.flush("body/0"), "missing"),
        (lambda: disk.keep("checkpoint"), "missing"),
        (lambda: disk.read("tile/0", bytes_most=2), "missing"),
        (lambda: disk.read("tile/0/000/x", bytes_most=2), "missing"),
        (lambda: disk.read("tile/0/000", bytes_most=2), "more than 2"),
        (lambda: disk.read("tile/0/001", bytes_most=2), "missing"),
        (lambda: disk.read_part("tile/0/000", 1, 3), "ends after 3"),
    ):
        with pytest.raises(IntegrityError, match=what):
            work()
    assert disk.read("tile/0/000", bytes_most=3) == b"abc"
    assert (disk.failure, disk.names(""), disk.names("tile/0")) == ("", ["tile"], ["000"])


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/a",
        "a/",
        "a//b",
        ".",
        "..",
        "../a",
        "a/../b",
        "a\\b",
        "a\n",
        f"a{PART_ENDING}",
        f"a{PART_ENDING}/b",
        "a" * 251,
        "a/" * 600 + "a",
    ],
)
def test_no_path_leads_out_of_the_record(files: Files, path: str) -> None:
    disk = Disk(files)
    with pytest.raises(IntegrityError, match="not a name"):
        disk.create({path: b"x"})
    with pytest.raises(IntegrityError, match="not a name"):
        disk.size(path)


def test_an_interrupted_write_leaves_nothing_under_its_name(tmp_path: Path) -> None:
    (tmp_path / "tile").mkdir()
    (tmp_path / "tile" / f"000{PART_ENDING}").write_bytes(b"half of what was to be longer")
    disk = Disk(LocalFiles(tmp_path))
    assert (disk.size("tile/000"), disk.names("tile")) == (None, [])
    disk.create({"tile/000": b"whole"})
    assert disk.read("tile/000", bytes_most=5) == b"whole"
    assert [path.name for path in (tmp_path / "tile").iterdir()] == ["000"]


def test_a_file_replaced_while_it_was_open_is_the_one_that_is_written_to(tmp_path: Path) -> None:
    disk = Disk(LocalFiles(tmp_path))
    disk.append("a", b"x", at=0)
    disk.replace("a", b"new")
    disk.append("a", b"y", at=3)
    disk.flush("a")
    assert (tmp_path / "a").read_bytes() == b"newy"


def test_a_device_that_is_full_says_so_and_is_let_go(tmp_path: Path) -> None:
    (tmp_path / "body").symlink_to("/dev/full")
    files = LocalFiles(tmp_path)
    before = len(list(Path("/proc/self/fd").iterdir()))
    with pytest.raises(OSError, match="No space left on device"):
        files.write_at("body", 0, b"x")
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_an_interrupted_call_ends_all_writing(tmp_path: Path) -> None:
    class Interrupted(LocalFiles):
        def flush(self, path: str) -> None:
            raise KeyboardInterrupt

    disk = Disk(Interrupted(tmp_path))
    with pytest.raises(KeyboardInterrupt):
        disk.replace("checkpoint", b"x")
    with pytest.raises(StorageUnavailable, match="interrupted"):
        disk.replace("checkpoint", b"x")
    assert not (tmp_path / "checkpoint").exists()
