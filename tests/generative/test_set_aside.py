"""A replica whose pull was cut off, and whose source was restored without what it had pulled."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path
from random import Random

import pytest

from tests.generative.test_replica import NOW, Below, NoKeys, _make_folders, opened
from tests.generative.test_vault import KEY, SIGNER
from tests.support.effort import effort
from tests.support.simulated_files import PowerCut, SimulatedFiles
from tests.support.vault_lives import bodies_from
from tourniquet.kernel.errors import StorageUnavailable
from tourniquet.record import leaves, replica
from tourniquet.record.disk import Disk, Files, LocalFiles
from tourniquet.record.leaves import LEAF_BYTES, parse_leaf
from tourniquet.record.replica import EVIDENCE
from tourniquet.record.setting_aside import ASIDE
from tourniquet.record.tiles import unpack_entries
from tourniquet.record.vault import Vault, VaultReader
from tourniquet.record.verification import list_files, verify_vault

pytestmark = pytest.mark.no_cover  # a tracer would triple its time
SIGNED, SIZE, PART = 10, 1200, 256
SEEDS = effort(60, 3_000)


@pytest.fixture(autouse=True)
def _small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replica, "LEAVES_AT_ONCE", PART)
    monkeypatch.setattr(leaves, "SEGMENT_BYTES_MOST", 20_000)


class Ending(Disk):
    """A source that goes away once so many bytes of bodies were read."""

    def __init__(self, files: Files, most: float) -> None:
        super().__init__(files)
        self.most = most

    def read_part(self, path: str, at: int, length: int) -> bytes:
        self.most -= length
        if self.most < 0:
            raise StorageUnavailable("The source does not answer.")
        return super().read_part(path, at, length)


def grown(place: Path, count: int, seed: int) -> Vault:
    """A vault in a folder, grown by so many."""
    disk = Disk(LocalFiles(place))
    vault = Vault(disk, SIGNER) if (place / "checkpoint").exists() else Vault.begin(disk, SIGNER)
    vault.publish(bodies_from(vault.checkpoint.size, count, Random(seed)))
    return vault


def two_histories(tmp_path: Path, common: int) -> tuple[Path, Path]:
    """A vault, and another that was restored as it was at a size, with other entries behind."""
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir(parents=True)
    grown(first, SIGNED, 1)
    shutil.copytree(first, tmp_path / "begun")
    if common > SIGNED:
        grown(first, common - SIGNED, 2)
    shutil.copytree(first, second)
    grown(first, SIZE - common, 3)
    return first, second


def cut_off(home: Files, begun: Path, first: Path, share: float) -> None:
    """Pull the beginning, and then as much of the rest as comes before the source goes away."""
    opened(home).pull(Disk(LocalFiles(begun)), NoKeys(), now=NOW)
    total = sum(path.stat().st_size for path in (first / "body").iterdir())
    with pytest.raises(StorageUnavailable):
        opened(home).pull(Ending(LocalFiles(first), total * share * 0.97), NoKeys(), now=NOW)


def whole_aside(own: Path) -> set[bytes]:
    """The hashes of leaves that were set aside with their whole bodies."""
    found = set()
    for place in (own / ASIDE).iterdir():
        packed = []
        for path in sorted((place / "tile/entries").rglob("*")):
            if path.is_file():
                width = int(path.name) if path.parent.name.endswith(".p") else 256
                packed += unpack_entries(path.read_bytes(), width)
        pending = place / "pending"
        rest = pending.read_bytes()[8:] if pending.exists() else b""
        packed += [rest[at : at + LEAF_BYTES] for at in range(0, len(rest), LEAF_BYTES)]
        segments: dict[int, dict[int, bytes]] = {}
        for path in sorted((place / "body").rglob("*")):
            if path.is_file():
                number = int(path.parent.name.removesuffix(".from"))
                segments.setdefault(number, {})[int(path.name)] = path.read_bytes()
        for one in packed:
            leaf = parse_leaf(one, int.from_bytes(one[1:9], "big"))
            for at, content in segments.get(leaf.place.segment, {}).items():
                body = content[max(leaf.place.offset - at, 0) : max(leaf.place.end - at, 0)]
                if hashlib.sha256(body).digest() == leaf.body_hash:
                    found.add(one)
    return found


@pytest.mark.parametrize("share", [0.1, 0.6, 0.999])
@pytest.mark.parametrize("common", [SIGNED, 300, 512])
@pytest.mark.parametrize("more", [1, 300, 1500])
def test_a_replica_follows_a_home_that_was_restored_without_what_it_pulled(
    tmp_path: Path, share: float, common: int, more: int
) -> None:
    home = tmp_path / "replica"
    home.mkdir()
    _make_folders(LocalFiles(home))
    first, second = two_histories(tmp_path, common)
    cut_off(LocalFiles(home), tmp_path / "begun", first, share)
    there = [leaf for leaf in _whole(home / "vault", first) if leaf.position > common]

    grown(second, more, 9)
    source = Disk(LocalFiles(second))
    assert opened(LocalFiles(home)).pull(source, NoKeys(), now=NOW).checkpoint.size == common + more
    for count in (1, 300):
        grown(second, count, count)
        opened(LocalFiles(home)).pull(Disk(LocalFiles(second)), NoKeys(), now=NOW)
    found = verify_vault(Disk(LocalFiles(home / "vault")), KEY)
    assert (found.checkpoint.size, found.beyond) == (common + more + 301, [])
    assert not (home / "own" / EVIDENCE).exists()
    reader = VaultReader(Disk(LocalFiles(first)), SIZE)
    if there:  # nothing that was whole is lost
        kept = whole_aside(home / "own")
        assert {reader.packed(leaf.position) for leaf in there} <= kept


def _whole(vault: Path, first: Path) -> list[leaves.Leaf]:
    """The entries whose leaves and bodies lie whole in a replica that was cut off."""
    ours, reader = Disk(LocalFiles(vault)), VaultReader(Disk(LocalFiles(first)), SIZE)
    start = int.from_bytes((vault / "pending").read_bytes()[:8], "big")
    end = start + (len((vault / "pending").read_bytes()) - 8) // LEAF_BYTES
    found = []
    for position in range(SIGNED + 1, end + 1):
        leaf = reader.leaf(position)
        path = leaves.segment_path(leaf.place.segment)
        if (ours.size(path) or 0) < leaf.place.end:
            break
        found.append(leaf)
    return found


def test_setting_aside_that_is_cut_off_goes_on(tmp_path: Path) -> None:
    first, second = two_histories(tmp_path, SIGNED)
    grown(second, 700, 9)
    for seed in range(SEEDS):
        live(seed, tmp_path / "begun", first, second)


def live(seed: int, begun: Path, first: Path, second: Path) -> None:
    """Set aside, struck again and again; in the end everything holds."""
    random = Random(seed)
    files = SimulatedFiles(random)
    _make_folders(files)
    cut_off(files, begun, first, random.random())
    for _ in range(100):
        strike = files.calls + random.randrange(1, 200)
        files.cut_at, files.fail_at = random.choice(((None, strike), (strike, None)))
        try:
            opened(files).pull(Disk(LocalFiles(second)), NoKeys(), now=NOW)
        except (StorageUnavailable, PowerCut):
            if files.is_shut or random.random() < 0.5:
                files.cut_at = files.fail_at = None
                files.cut_power()
            files.cut_at = files.fail_at = None
            found = verify_vault(Disk(Below(files, "vault")), KEY)
            assert found.checkpoint.size in {SIGNED, SIGNED + 700}, seed
            continue
        files.cut_at = files.fail_at = None
        found = verify_vault(Disk(Below(files, "vault")), KEY)
        assert (found.checkpoint.size, found.beyond) == (SIGNED + 700, []), seed
        assert not any(path.startswith(EVIDENCE) for path in list_files(Disk(Below(files, "own"))))
        return
    raise AssertionError(f"seed {seed} is never done")
