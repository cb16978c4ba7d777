"""Readers that hang, eat memory, flood, crash and exit take down one content and nothing else."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.repo.tree import ROOT
from tests.support.hostile_child import SECRET
from tourniquet.breach.children import Abandoned, Child, Reading
from tourniquet.breach.limits import Limits
from tourniquet.breach.pieces import Passage, State
from tourniquet.kernel.errors import StorageUnavailable

PROGRAM = ROOT / "tests/support/hostile_child.py"
LIMITS = Limits(
    memory_bytes_most=512 * 1024 * 1024,
    seconds_least=5.0,
    silent_seconds_most=3.0,
    output_bytes_least=2 * 1024 * 1024,
)


@dataclass
class Bench:
    """One child and a place for contents."""

    child: Child
    folder: Path

    def read(self, text: str) -> Reading:
        file = self.folder / "content"
        file.write_text(text)
        return self.child.read_content(file, name="content")


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    with Child(scratch, limits=LIMITS, program=PROGRAM) as child:
        yield Bench(child, tmp_path)
    assert list(scratch.iterdir()) == [] or all(one.is_dir() for one in scratch.iterdir())


def texts(reading: Reading) -> list[str]:
    return [one.text for one in reading.pieces() if isinstance(one, Passage)]


@pytest.mark.parametrize(
    ("what", "why"),
    [
        ("hang", "its reader gave nothing for 3 s, which is the limit"),
        ("spin", "reading it took longer than the limit of 5 s"),
        ("flood", "its reader gave more than the limit of 2,097,152 bytes"),
        ("crash", "its reader was ended by SIGSEGV"),
        ("exit", "its reader ended without an answer (exit status 3)"),
        ("eat", "it needs more memory than the limit of 512 MB"),
        ("raise", "its reader failed (ValueError)"),
        ("garbage", "its reader ended without an answer (exit status 1)"),
        ("elsewhere", "its reader gave no answer that can be understood"),
    ],
)
def test_hostile(bench: Bench, what: str, why: str) -> None:
    assert texts(bench.read("well")) == ["begun", "well"]
    saved = bench.read(f"{what} once")
    assert saved.ended.state is State.PARSED
    assert saved.ended.why == f"read by its second reader: {why}"
    assert texts(saved) == ["second"]

    lost = bench.read(f"{what} twice")
    assert lost.ended.state is State.SWEPT
    assert lost.ended.why.startswith(why)
    assert "the second does not do either" in lost.ended.why
    assert texts(lost)[:1] == ["begun"], "what was said before is kept"
    assert SECRET not in lost.ended.why
    assert texts(bench.read("well")) == ["begun", "well"]


def test_reused_until_it_fails(bench: Bench) -> None:
    for _ in range(5):
        bench.read("well")
    assert bench.child.started == 1
    bench.read("exit once")
    bench.read("well")
    assert bench.child.started == 2


def test_nothing_printed_comes_through(bench: Bench, capfd: pytest.CaptureFixture[str]) -> None:
    reading = bench.read("print")
    assert texts(reading) == ["begun", "printed"]
    assert SECRET not in "".join(capfd.readouterr())


def test_no_network(bench: Bench) -> None:
    said = texts(bench.read("network"))
    assert said[1] == "python refused: PermissionError"
    if sys.platform == "linux" and os.uname().machine in {"x86_64", "aarch64"}:
        assert said[2] == "kernel gave -1"


def test_halves_of_letters(bench: Bench) -> None:
    assert texts(bench.read("halves")) == ["begun", "\U0001f600 \ufffd"]


def test_programs_of_a_reader_end_with_it(bench: Bench) -> None:
    bench.read("child once")
    deadline = time.monotonic() + 5
    while sleepers(bench) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not sleepers(bench)


def sleepers(bench: Bench) -> list[int]:
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            command = (folder / "cmdline").read_bytes()
            cwd = (folder / "cwd").readlink()
        except OSError:
            continue
        if b"sleep" in command and cwd == bench.folder / "scratch":
            found.append(int(folder.name))
    return found


def test_abandoned(bench: Bench) -> None:
    threading.Timer(0.2, bench.child.abandon).start()
    begun = time.monotonic()
    with pytest.raises(Abandoned):
        bench.read("spin")
    assert time.monotonic() - begun < 4


def test_ends_with_its_parent(tmp_path: Path) -> None:
    file = tmp_path / "content"
    file.write_text("spin")
    code = (
        "import sys; from pathlib import Path; from tourniquet.breach.children import Child;"
        "child = Child(Path(sys.argv[1]), program=Path(sys.argv[2]));"
        "child.read_content(Path(sys.argv[3]), name='x')"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path), str(PROGRAM), str(file)],
        env={"PYTHONPATH": str(ROOT / "src"), "PATH": ""},
    )
    deadline = time.monotonic() + 10
    while not readers(file) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert readers(file)
    parent.kill()
    parent.wait()
    while readers(file) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not readers(file)


def readers(file: Path) -> list[str]:
    """Processes that stand in the scratch folder, which is where children stand."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if (folder / "cwd").readlink() == file.parent:
                found.append(folder.name)
        except OSError:
            continue
    return found


def test_file_that_vanished(bench: Bench, tmp_path: Path) -> None:
    reading = bench.child.read_content(tmp_path / "gone", name="gone")
    assert reading.ended.state is State.UNREADABLE
    assert "vanished" in reading.ended.why


def test_scratch_that_is_no_folder(tmp_path: Path) -> None:
    file = tmp_path / "content"
    file.write_text("well")
    with Child(file, limits=LIMITS) as child, pytest.raises(StorageUnavailable, match="scratch"):
        child.read_content(file, name="content")
