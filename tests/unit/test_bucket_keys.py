"""unit: wrapped keys in object storage, put once each and made a ring again."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.support.simulated_objects import START, Killed, SimulatedObjects
from tourniquet.kernel.errors import IntegrityError
from tourniquet.record.bucket_keys import BucketKeys, BucketRing
from tourniquet.record.disk import Disk, LocalFiles
from tourniquet.record.ring import KeyRing, RingCopy, RingFile

NOW = datetime(2024, 6, 3, 6, tzinfo=UTC)
ROOT = b"R" * 32


@pytest.fixture
def ring(tmp_path: Path) -> KeyRing:
    """A ring with the two keys that it begins with."""
    return KeyRing.begin(tmp_path / "ring.sqlite3", ROOT, log_seed=os.urandom(32), now=NOW)


def pull(tmp_path: Path, objects: SimulatedObjects) -> int:
    """One run of the replica."""
    copy = RingCopy(RingFile(tmp_path / "ring.sqlite3"), tmp_path / "copy.sqlite3")
    rows = RingFile(tmp_path / "copy.sqlite3")
    own = Disk(LocalFiles(tmp_path))
    return BucketKeys(copy, rows, objects, own, until=lambda: None).pull()


def rows_of(path: Path) -> list[object]:
    return list(RingFile(path).rows(after=0, most=10_000))


def test_keys_are_put_once_and_make_a_ring_again(ring: KeyRing, tmp_path: Path) -> None:
    objects = SimulatedObjects()
    begun = pull(tmp_path, objects)
    assert begun >= 2
    ring.provide(["A", "B", "C"], own=2, now=NOW)
    pull(tmp_path, objects)
    assert objects.puts == begun + 5 == len(rows_of(tmp_path / "ring.sqlite3"))
    assert all(one.until is None for some in objects.versions.values() for one in some)
    fetched = RingCopy(BucketRing(objects), tmp_path / "fetched.sqlite3")
    assert fetched.pull() == objects.puts
    assert rows_of(tmp_path / "fetched.sqlite3") == rows_of(tmp_path / "ring.sqlite3")
    assert KeyRing(tmp_path / "fetched.sqlite3", ROOT).site.id == ring.site.id


def test_interrupted_it_goes_on(ring: KeyRing, tmp_path: Path) -> None:
    objects = SimulatedObjects(kill_at=2)
    with pytest.raises(Killed):
        pull(tmp_path, objects)
    objects.kill_at = None
    pull(tmp_path, objects)
    assert BucketRing(objects).rows(after=0, most=100) == rows_of(tmp_path / "ring.sqlite3")


def test_a_lost_mark_is_no_matter_and_another_key_is_refused(ring: KeyRing, tmp_path: Path) -> None:
    objects = SimulatedObjects()
    pull(tmp_path, objects)
    (tmp_path / "keys-sent").unlink()
    pull(tmp_path, objects)
    (tmp_path / "keys-sent").unlink()
    objects.versions["keys/000000000001"][0].content = b"another"
    with pytest.raises(IntegrityError, match="Another object has this name"):
        pull(tmp_path, objects)


@pytest.mark.parametrize("content", [b"", b"{}", b"x" * 5000, b'{"number": 7}'])
def test_what_is_no_key_is_refused(content: bytes) -> None:
    objects = SimulatedObjects()
    objects.plant("keys/000000000001", content)
    with pytest.raises(IntegrityError, match="is not wrapped key 1"):
        BucketRing(objects).rows(after=0, most=10)
    assert objects.now == START


def test_an_erased_key_is_named_until_the_buckets_owner_has_deleted_it(
    ring: KeyRing, tmp_path: Path
) -> None:
    objects = SimulatedObjects()
    ring.provide(["A", "B"], own=0, now=NOW)
    copy = RingCopy(RingFile(tmp_path / "ring.sqlite3"), tmp_path / "copy.sqlite3")
    keys = BucketKeys(
        copy,
        RingFile(tmp_path / "copy.sqlite3"),
        objects,
        Disk(LocalFiles(tmp_path)),
        until=lambda: None,
    )
    keys.pull()
    gone, kept = sorted(("A", "B"), key=ring.patient_id)  # rows are in this order
    key_id = ring.patient_id(gone)
    assert keys.held([key_id]) == [key_id]
    assert keys.left_behind() == []
    keys.destroy([key_id], now=NOW)
    assert keys.held([key_id]) == []
    (name,) = keys.left_behind()
    assert keys.left_behind() == [name]
    (tmp_path / "keys-sent").unlink()  # what was put is compared again, this one too
    pull(tmp_path, objects)
    objects.versions[name] = []  # its owner, by hand
    with pytest.raises(IntegrityError, match="is missing"):
        BucketRing(objects).rows(after=0, most=10)
    assert keys.left_behind() == []
    fetched = RingCopy(BucketRing(objects), tmp_path / "fetched.sqlite3")
    assert fetched.pull() == 4
    again = KeyRing(tmp_path / "fetched.sqlite3", ROOT)
    assert again.find_key(key_id) is None
    assert again.find_key(ring.patient_id(kept)) == ring.find_key(ring.patient_id(kept))
