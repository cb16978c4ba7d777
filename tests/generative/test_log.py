"""A log on a bad disk, and under every kind of tampering."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.support.effort import effort
from tests.support.simulated_files import PowerCut, SimulatedFiles
from tourniquet.kernel.errors import IntegrityError, OperatorError, StorageUnavailable
from tourniquet.record.disk import Disk, LocalFiles
from tourniquet.record.log import CHECKPOINT, ENTRIES_AT_ONCE, Log, read_last, verify
from tourniquet.record.notes import LOG_KEY, Signer, read_checkpoint
from tourniquet.record.tiles import tile_path
from tourniquet.record.tree import Frontier, hash_leaf

pytestmark = pytest.mark.no_cover  # a tracer would triple its time; flows cover the lines
SIGNER = Signer("log.example", LOG_KEY, Ed25519PrivateKey.from_private_bytes(b"L" * 32))
OTHER = Signer("log.example", LOG_KEY, Ed25519PrivateKey.from_private_bytes(b"O" * 32))
SEEDS = effort(300, 20_000)
FOUND = (8746,)  # once built on a checkpoint that a power cut then took back
LIVES = 4
BATCHES = (0, 1, 3, 40, 255, 256, 300, 600)
SIZE = 1_300  # five full tiles, a partial one, a second level


def entry(number: int) -> bytes:
    """The entry at this position, always the same one, as a sealer's leaves are."""
    return b"entry %d" % number * (1 + number % 3)


def root_of(size: int) -> bytes:
    """The root over so many of them."""
    return Frontier().grow([hash_leaf(entry(number)) for number in range(size)])[0].root()


def test_what_was_published_outlives_power_cuts_kills_and_failures() -> None:
    ends = [live(seed) for seed in (*range(SEEDS), *FOUND)]
    assert max(ends) > 256


def live(seed: int) -> int:
    """Some lives of a log on one disk; every checkpoint that was given out stands. Its size.

    One that a killed process put in place, and nobody was given, may still go with the power.
    """
    random = Random(seed)
    files = SimulatedFiles(random)
    published = 0
    for _ in range(LIVES):
        strike = files.calls + random.randrange(1, 80)
        fails = random.random() < 0.4
        files.cut_at, files.fail_at = (None, strike) if fails else (strike, None)
        try:
            for size in _publish(files, random):
                published = size
        except StorageUnavailable:
            assert fails
        except PowerCut:
            assert not fails
        files.cut_at = files.fail_at = None
        if files.is_shut or random.random() < 0.6:
            files.cut_power()
        disk = Disk(files)
        if published == 0 and disk.size(CHECKPOINT) is None:
            continue
        found = verify(disk, SIGNER.verifier)
        assert found.size >= published, seed
        assert found.root == root_of(found.size), seed
    return published


def _publish(files: SimulatedFiles, random: Random) -> Iterator[int]:
    """One life: go on with the log, or begin it; the size after each publication."""
    disk = Disk(files)
    log = Log.begin(disk, SIGNER) if disk.size(CHECKPOINT) is None else Log(disk, SIGNER)
    yield log.checkpoint.size
    for _ in range(random.randrange(1, 5)):
        start = log.checkpoint.size
        log.publish([entry(start + at) for at in range(random.choice(BATCHES))])
        yield log.checkpoint.size


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A log of SIZE entries in real files, grown in uneven steps."""
    place = tmp_path / "log"
    place.mkdir()
    log = Log.begin(Disk(LocalFiles(place)), SIGNER)
    for size in (1, 254, 300, 600, SIZE):
        start = log.checkpoint.size
        note = log.publish([entry(number) for number in range(start, size)])
        assert read_checkpoint(note, SIGNER.verifier) == log.checkpoint
    assert log.checkpoint.size == SIZE
    return place


def check(place: Path) -> int:
    """Verify a log in real files; its size."""
    return verify(Disk(LocalFiles(place)), SIGNER.verifier).size


def in_use(place: Path) -> list[str]:
    """The files that the last checkpoint stands on: all but partial ones of before."""
    last = {tile_path(0, 5, SIZE % 256), tile_path(-1, 5, SIZE % 256), tile_path(1, 0, 5)}
    names = [str(path.relative_to(place)) for path in place.rglob("*") if path.is_file()]
    return sorted(name for name in names if ".p/" not in name or name in last)


def test_a_log_in_real_files_verifies_and_goes_on(folder: Path) -> None:
    assert check(folder) == SIZE
    assert len(in_use(folder)) == 1 + 6 + 6 + 1
    log = Log(Disk(LocalFiles(folder)), SIGNER)
    log.publish([])
    log.publish([entry(SIZE)])
    assert check(folder) == SIZE + 1
    assert read_last(Disk(LocalFiles(folder)), SIGNER.verifier).root == root_of(SIZE + 1)


def _flip(content: bytes, at: int) -> bytes:
    return content[:at] + bytes([content[at] ^ 1 << at % 8]) + content[at + 1 :]


TAMPERINGS: dict[str, Callable[[bytes, int], bytes]] = {
    "flipped": _flip,
    "cut": lambda content, at: content[:at],
    "lengthened": lambda content, at: content + content[:1] * (1 + at),
    "doubled": lambda content, at: content[:at] + content[at : at + 32] + content[at:],
    "emptied": lambda content, at: b"",
    "zeroed": lambda content, at: content[:at] + bytes(len(content) - at),
}


@pytest.mark.parametrize("tampering", sorted(TAMPERINGS))
def test_every_file_tampered_with_is_found_and_named(folder: Path, tampering: str) -> None:
    random = Random(7)
    for name in in_use(folder):
        content = (folder / name).read_bytes()
        places = {0, len(content) - 1, *(random.randrange(len(content)) for _ in range(20))}
        for at in sorted(places):
            changed = TAMPERINGS[tampering](content, at)
            assert changed != content
            (folder / name).write_bytes(changed)
            _must_name(folder, name)
        (folder / name).write_bytes(content)
    assert check(folder) == SIZE


def _must_name(folder: Path, name: str) -> None:
    with pytest.raises(IntegrityError) as refused:
        check(folder)
    found = refused.value.where
    # An entry changed for another shows in the tile over it; everything else in the file itself.
    assert found == name or name.replace("entries", "0") == found, (name, found)


def test_files_missing_or_swapped_are_found(folder: Path) -> None:
    names = in_use(folder)
    for name in names:
        kept = (folder / name).read_bytes()
        (folder / name).unlink()
        _must_name(folder, name)
        (folder / name).write_bytes(kept)
    for kind in ("tile/0/", "tile/entries/"):
        one, two = [name for name in names if name.startswith(kind)][:2]
        kept, other = (folder / one).read_bytes(), (folder / two).read_bytes()
        (folder / one).write_bytes(other)
        (folder / two).write_bytes(kept)
        _must_name(folder, one)
        (folder / one).write_bytes(kept)
        (folder / two).write_bytes(other)
    assert check(folder) == SIZE


def test_the_writer_refuses_an_end_that_is_not_as_signed(folder: Path) -> None:
    disk = Disk(LocalFiles(folder))
    with pytest.raises(IntegrityError, match="not signed by"):
        Log(disk, OTHER)
    for name in (tile_path(0, 5, SIZE % 256), tile_path(-1, 5, SIZE % 256), tile_path(1, 0, 5)):
        kept = (folder / name).read_bytes()
        (folder / name).write_bytes(_flip(kept, len(kept) - 1))
        with pytest.raises(IntegrityError, match=r"root|last entries"):
            Log(disk, SIGNER)
        (folder / name).write_bytes(kept)
    assert Log(disk, SIGNER).checkpoint.size == SIZE


def test_a_tile_that_is_not_as_long_as_its_name_says_is_refused(tmp_path: Path) -> None:
    """The root alone, put in place of the two hashes under it, has that root as well."""
    log = Log.begin(Disk(LocalFiles(tmp_path)), SIGNER)
    log.publish([entry(number) for number in range(512)])
    (tmp_path / tile_path(1, 0, 2)).write_bytes(log.checkpoint.root)
    with pytest.raises(IntegrityError, match="does not hold 2 hashes"):
        Log(Disk(LocalFiles(tmp_path)), SIGNER)


def test_other_entries_in_a_published_place_are_refused(folder: Path, tmp_path: Path) -> None:
    """A checkpoint put back to an earlier one makes a fork; the files that are there stop it."""
    old = tmp_path / "old"
    shutil.copytree(folder, old)
    log = Log(Disk(LocalFiles(folder)), SIGNER)
    log.publish([entry(number) for number in range(SIZE, SIZE + 300)])
    (folder / CHECKPOINT).write_bytes((old / CHECKPOINT).read_bytes())
    forked = Log(Disk(LocalFiles(folder)), SIGNER)
    for count in (300, 5, 1, 700):
        with pytest.raises(IntegrityError, match="Other entries"):
            forked.publish([b"another entry"] * count)
    assert forked.checkpoint.size == SIZE
    for size in (SIZE + 5, SIZE + 290, SIZE + 300):
        start = forked.checkpoint.size
        forked.publish([entry(number) for number in range(start, size)])
    assert check(folder) == SIZE + 300


def test_a_log_is_begun_once_and_grows_within_limits(folder: Path) -> None:
    disk = Disk(LocalFiles(folder))
    with pytest.raises(OperatorError, match="can't begin here"):
        Log.begin(disk, SIGNER)
    (folder / CHECKPOINT).unlink()
    with pytest.raises(OperatorError, match="can't begin here"):
        Log.begin(disk, SIGNER)
    with pytest.raises(IntegrityError, match="missing") as refused:
        Log(disk, SIGNER)
    assert refused.value.where == CHECKPOINT


def test_too_many_at_once_are_refused(folder: Path) -> None:
    log = Log(Disk(LocalFiles(folder)), SIGNER)
    with pytest.raises(IntegrityError, match="more than"):
        log.publish([b""] * (ENTRIES_AT_ONCE + 1))
    assert log.checkpoint.size == SIZE
