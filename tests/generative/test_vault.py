"""A vault on a bad disk, and with any byte of any file changed."""

from __future__ import annotations

import shutil
from pathlib import Path
from random import Random

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.support.effort import effort
from tests.support.narrow_vault import narrow
from tests.support.simulated_files import SECTOR_BYTES
from tests.support.vault_lives import Kind, bodies_from, live
from tourniquet.kernel.errors import IntegrityError, OperatorError
from tourniquet.record import leaves
from tourniquet.record.disk import Disk, LocalFiles
from tourniquet.record.log import CHECKPOINT
from tourniquet.record.notes import LOG_KEY, Checkpoint, Signer, read_checkpoint
from tourniquet.record.vault import Vault, VaultReader
from tourniquet.record.verification import verify_vault

pytestmark = pytest.mark.no_cover  # a tracer would triple its time; flows cover the lines
SIGNER = Signer("log.example", LOG_KEY, Ed25519PrivateKey.from_private_bytes(b"L" * 32))
OTHER = Signer("log.example", LOG_KEY, Ed25519PrivateKey.from_private_bytes(b"O" * 32))
KEY = SIGNER.verifier
SEEDS = 1_000  # and a million in `make soak`, by tests/generative/soak_vault.py
WIDE_SEEDS = effort(20, 2_000)
FULL_LEVELS = 4**2 + 4  # narrow tiles: one of level 1 is full, one of level 2 begun
BATCHES = (0, 1, 2, 7, 40, 200, 256, 300)
SMALL_SEGMENT = 4_000
SIZE = 700
AS_IT_IS = Kind(batches=BATCHES, sector_bytes=SECTOR_BYTES, signer=SIGNER)


@pytest.fixture(autouse=True)
def _small_segments(monkeypatch: pytest.MonkeyPatch) -> None:
    """Segments of a few thousand bytes, so that going over to the next one is tried often."""
    monkeypatch.setattr(leaves, "SEGMENT_BYTES_MOST", SMALL_SEGMENT)


def test_what_was_sealed_outlives_power_cuts_kills_and_failures() -> None:
    with narrow():
        ends = [live(seed) for seed in range(SEEDS)]
    assert max(ends) > FULL_LEVELS


def test_so_it_does_with_tiles_and_signatures_as_they_are() -> None:
    ends = [live(seed, AS_IT_IS) for seed in range(WIDE_SEEDS)]
    assert max(ends) > 600


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A vault of SIZE entries in real files, grown in uneven steps, some of them interrupted."""
    random = Random(3)
    place = tmp_path / "vault"
    place.mkdir()
    one = Vault.begin(Disk(LocalFiles(place)), SIGNER)
    for size in (1, 30, 254, 300, 600, SIZE):
        start = one.checkpoint.size
        one.publish(bodies_from(start, size - start, random))
        one = Vault(Disk(LocalFiles(place)), SIGNER)
    assert one.checkpoint.size == SIZE
    return place


def check(place: Path, since: Checkpoint | None = None) -> int:
    """Verify a vault in real files; its size."""
    found = verify_vault(Disk(LocalFiles(place)), KEY, since=since)
    assert found.beyond == []
    return found.checkpoint.size


def _names(place: Path) -> list[str]:
    return sorted(str(path.relative_to(place)) for path in place.rglob("*") if path.is_file())


def test_a_vault_in_real_files_verifies(folder: Path) -> None:
    assert check(folder) == SIZE
    names = _names(folder)
    assert len([name for name in names if name.startswith("body/")]) > 5
    # Of partial tiles, those of full ones are gone, and the older ones of the last are there.
    partial = [name for name in names if ".p/" in name]
    assert partial
    assert not [name for name in partial if "/000.p/" in name and "tile/1/" not in name]


def test_any_changed_byte_of_any_file_is_found(folder: Path) -> None:
    random = Random(5)
    for name in _names(folder):
        content = (folder / name).read_bytes()
        places = {0, len(content) - 1, *(random.randrange(len(content)) for _ in range(8))}
        for at in sorted(places):
            bit = 1 << random.randrange(8)
            (folder / name).write_bytes(
                content[:at] + bytes([content[at] ^ bit]) + content[at + 1 :]
            )
            with pytest.raises(IntegrityError) as caught:
                check(folder)
            assert caught.value.where, (name, at)
        (folder / name).write_bytes(content)
    assert check(folder) == SIZE


def test_any_missing_or_cut_file_is_found(folder: Path) -> None:
    optional = {name for name in _names(folder) if _is_older(folder, name)}
    for name in _names(folder):
        content = (folder / name).read_bytes()
        (folder / name).write_bytes(content[:-1])
        with pytest.raises(IntegrityError):
            check(folder)
        (folder / name).unlink()
        if name not in optional:
            with pytest.raises(IntegrityError):
                check(folder)
        (folder / name).write_bytes(content)
    assert check(folder) == SIZE


def _is_older(place: Path, name: str) -> bool:
    """Whether a partial tile is not that of the checkpoint; it may be cleared."""
    path, _, width = name.rpartition("/")
    widths = [int(one.name) for one in (place / path).iterdir()] if path.endswith(".p") else []
    return bool(widths) and int(width) < max(widths)


def test_foreign_files_are_found(folder: Path) -> None:
    for name in ("note.txt", "tile/0/note", "tile/0/1", "body/7", "body/000000001x", "tile/70/000"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(b"x")
        with pytest.raises(IntegrityError, match="does not belong"):
            check(folder)
        (folder / name).unlink()
    assert check(folder) == SIZE


class Growing(Disk):
    """A vault in which a sealer publishes once the checkpoint has been read."""

    def __init__(self, place: Path, counts: tuple[int, ...]) -> None:
        super().__init__(LocalFiles(place))
        self._place = place
        self._counts = counts
        self.grown = 0

    def read(self, path: str, *, bytes_most: int) -> bytes:
        found = super().read(path, bytes_most=bytes_most)
        if path == CHECKPOINT and not self.grown:
            one = Vault(Disk(LocalFiles(self._place)), SIGNER)
            for count in self._counts:
                one.publish(bodies_from(one.checkpoint.size, count, Random(8)))
            self.grown = one.checkpoint.size
        return found


@pytest.mark.parametrize("counts", [(300,), (5, 300), (300, 5), (1, 1, 1)])
def test_a_vault_that_grows_meanwhile_is_verified_up_to_where_it_was(
    folder: Path, counts: tuple[int, ...]
) -> None:
    """However often; and 300 clear the partial tiles of before."""
    disk = Growing(folder, counts)
    found = verify_vault(disk, KEY)
    assert found.checkpoint.size == SIZE
    assert disk.grown == SIZE + sum(counts)
    assert any(one.startswith("body/") for one in found.beyond)
    assert any(one.startswith("pending") for one in found.beyond)
    assert check(folder) == SIZE + sum(counts)


def test_leaves_written_down_behind_nothing_are_found(folder: Path) -> None:
    pending = (folder / "pending").read_bytes()
    (folder / "pending").write_bytes((SIZE + 1).to_bytes(8, "big"))
    with pytest.raises(IntegrityError, match="No leaf is there before 701"):
        check(folder)
    (folder / "pending").write_bytes((SIZE - 1).to_bytes(8, "big"))
    with pytest.raises(IntegrityError, match="Its leaves end at 699, those of the tree at 700"):
        check(folder)
    (folder / "pending").write_bytes(pending)
    assert check(folder) == SIZE


def test_swapped_segments_are_found(folder: Path) -> None:
    first, second = folder / "body/000000000", folder / "body/000000001"
    content = first.read_bytes()
    first.write_bytes(second.read_bytes())
    second.write_bytes(content)
    with pytest.raises(IntegrityError, match="position 1 was changed"):
        check(folder)


def test_a_rolled_back_vault_is_found_by_an_earlier_checkpoint(
    folder: Path, tmp_path: Path
) -> None:
    old = tmp_path / "old"
    shutil.copytree(folder, old)
    one = Vault(Disk(LocalFiles(folder)), SIGNER)
    newer = read_checkpoint(one.publish(bodies_from(SIZE, 5, Random(1))), KEY)
    assert check(folder, since=newer) == SIZE + 5
    assert check(old) == SIZE
    with pytest.raises(IntegrityError, match=r"ends at 700; it had 705") as caught:
        check(old, since=newer)
    assert caught.value.where == "position 701"
    forked = Vault(Disk(LocalFiles(old)), SIGNER)
    forked.publish(bodies_from(SIZE, 9, Random(2)))
    with pytest.raises(IntegrityError, match="first 705 entries are not those"):
        check(old, since=newer)


def test_the_key_of_another_log_is_refused(folder: Path) -> None:
    with pytest.raises(IntegrityError):
        verify_vault(Disk(LocalFiles(folder)), OTHER.verifier)
    with pytest.raises(IntegrityError):
        Vault(Disk(LocalFiles(folder)), OTHER)


def test_a_body_is_read_by_its_position(folder: Path) -> None:
    reader = VaultReader.at_checkpoint(Disk(LocalFiles(folder)), KEY)
    leaf = reader.leaf(SIZE)
    assert leaf.content_commitment == SIZE.to_bytes(32, "big")
    assert len(reader.body(leaf)) == leaf.place.length
    for position in (0, SIZE + 1):
        with pytest.raises(IntegrityError, match="no such position"):
            reader.leaf(position)


def test_a_vault_does_not_begin_where_something_lies(folder: Path) -> None:
    with pytest.raises(OperatorError, match="files already"):
        Vault.begin(Disk(LocalFiles(folder)), SIGNER)
