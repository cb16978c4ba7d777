"""A vault copied while it grows, and a copy that is cut off anywhere."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

from tests.generative.test_vault import KEY, SIGNER
from tests.support.effort import effort
from tests.support.simulated_files import PowerCut, SimulatedFiles
from tests.support.vault_lives import bodies_from
from tourniquet.kernel.errors import IntegrityError, StorageUnavailable
from tourniquet.record import leaves
from tourniquet.record.copying import copy_vault
from tourniquet.record.disk import Disk, LocalFiles
from tourniquet.record.moment import VaultMoment
from tourniquet.record.vault import Vault
from tourniquet.record.verification import verify_vault

pytestmark = pytest.mark.no_cover  # a tracer would triple its time
SEEDS = effort(40, 2_000)
SIZE = 250


@pytest.fixture(autouse=True)
def _small_segments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leaves, "SEGMENT_BYTES_MOST", 4_000)


class Growing(Disk):
    """A source to which somebody publishes between any two calls of its reader."""

    def __init__(self, place: Path) -> None:
        super().__init__(LocalFiles(place))
        self.vault = Vault.begin(Disk(LocalFiles(place)), SIGNER)
        self.random = Random(3)
        self.left = 0

    def grow(self, count: int) -> None:
        self.vault.publish(bodies_from(self.vault.checkpoint.size, count, self.random))

    def between(self) -> None:
        if self.left:
            self.left -= 1
            self.grow(self.random.choice((1, 7, 300)))

    def read(self, path: str, *, bytes_most: int) -> bytes:
        self.between()
        return super().read(path, bytes_most=bytes_most)

    def read_part(self, path: str, at: int, length: int) -> bytes:
        self.between()
        return super().read_part(path, at, length)

    def names(self, folder: str) -> list[str]:
        self.between()
        return super().names(folder)


@pytest.mark.parametrize("before", [SIZE, 256, 1, 0])
def test_a_source_that_grows_is_copied_as_it_was_verified(tmp_path: Path, before: int) -> None:
    place, target = tmp_path / "source", tmp_path / "target"
    place.mkdir()
    target.mkdir()
    source = Growing(place)
    if before:
        source.grow(before)
    moment = VaultMoment(source)
    source.left = 20
    verified = verify_vault(moment, KEY)
    assert verified.checkpoint.size == before
    source.left = 20
    copy_vault(moment, Disk(LocalFiles(target)), KEY)
    assert source.vault.checkpoint.size > before
    found = verify_vault(Disk(LocalFiles(target)), KEY)
    assert (found.checkpoint, found.beyond) == (verified.checkpoint, [])
    assert Vault(Disk(LocalFiles(target)), SIGNER).checkpoint == verified.checkpoint


def test_a_copy_that_was_cut_off_goes_on(tmp_path: Path) -> None:
    reached = {live(seed, tmp_path / str(seed)) for seed in range(SEEDS)}
    assert max(reached) > 1


def live(seed: int, place: Path) -> int:
    """Copy until it is done, struck again and again, while the source grows; how often."""
    random = Random(seed)
    place.mkdir()
    source = Growing(place)
    source.grow(random.choice((1, 250, 256, 300)))
    files = SimulatedFiles(random)
    for times in range(1, 100):
        strike = files.calls + random.randrange(1, 150)
        files.cut_at, files.fail_at = random.choice(((None, strike), (strike, None)))
        moment = VaultMoment(source)
        try:
            copy_vault(moment, Disk(files), KEY)
        except (StorageUnavailable, PowerCut):
            if files.is_shut or random.random() < 0.5:
                files.cut_at = files.fail_at = None
                files.cut_power()
            if random.random() < 0.3:
                source.grow(random.choice((1, 5, 300)))
            continue
        files.cut_at = files.fail_at = None
        found = verify_vault(Disk(files), KEY)
        assert found.beyond == [], seed
        assert found.checkpoint.size == source.vault.checkpoint.size, seed
        assert Vault(Disk(files), SIGNER).checkpoint == found.checkpoint, seed
        return times
    raise AssertionError(f"seed {seed} is never done")


def test_another_vault_is_not_written_over(tmp_path: Path) -> None:
    places = [tmp_path / name for name in ("one", "two", "target")]
    for place in places:
        place.mkdir()
    one, two = Growing(places[0]), Growing(places[1])
    two.random = Random(99)
    for vault in (one, two):
        vault.grow(300)
    target = Disk(LocalFiles(places[2]))
    copy_vault(VaultMoment(one), target, KEY)
    kept = {path: path.read_bytes() for path in places[2].rglob("*") if path.is_file()}
    with pytest.raises(IntegrityError, match="Another vault is there already"):
        copy_vault(VaultMoment(two), target, KEY)
    (places[2] / "checkpoint").unlink()
    with pytest.raises(IntegrityError, match="Another file has this name"):
        copy_vault(VaultMoment(two), target, KEY)
    kept.pop(places[2] / "checkpoint")
    assert kept == {path: path.read_bytes() for path in places[2].rglob("*") if path.is_file()}
