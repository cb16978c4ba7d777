"""unit: what of a key ring no erasure may take."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tourniquet.kernel.errors import IntegrityError
from tourniquet.record.ring import KeyRing

NOW = datetime(2024, 6, 3, 6, tzinfo=UTC)


@pytest.fixture
def ring(tmp_path: Path) -> KeyRing:
    return KeyRing.begin(tmp_path / "ring.sqlite3", b"R" * 32, log_seed=os.urandom(32), now=NOW)


def test_an_erasure_takes_no_key_of_the_site_or_of_the_log(ring: KeyRing) -> None:
    (patient,) = ring.provide(["A"], own=0, now=NOW)
    seeds = [ring.log_seeds()[0], *(ring.provide_log_seed(at, now=NOW) for at in (1, 2))]
    of_log = [key_id for key_id in ring_ids(ring) if key_id not in {patient.id, ring.site.id}]
    assert len(of_log) == 3
    for key_id in (ring.site.id, *of_log):
        with pytest.raises(IntegrityError, match="no patient's"):
            ring.erase_where_held([patient.id, key_id], now=NOW)
    assert ring.log_seeds() == seeds
    assert ring.find_key(patient.id) == patient.key
    assert ring.erase_where_held([patient.id], now=NOW) == 1
    assert ring.find_key(patient.id) is None


def test_a_seed_of_the_log_is_made_once(ring: KeyRing) -> None:
    made = ring.provide_log_seed(1, now=NOW)
    assert ring.provide_log_seed(1, now=NOW) == made
    assert len(ring.log_seeds()) == 2


def test_whoever_comes_back_has_a_key_of_another_id(ring: KeyRing) -> None:
    (first,) = ring.provide(["A"], own=0, now=NOW)
    ring.erase_where_held([first.id], now=NOW)
    (second,) = ring.provide(["A"], own=0, now=NOW)
    assert second.id != first.id
    assert ring.patient_ids("A") == [first.id, second.id]
    assert ring.patient_ids("B") == []


def ring_ids(ring: KeyRing) -> list[bytes]:
    return [bytes(row[0]) for row in ring._database.execute("SELECT id FROM key")]


def test_a_ring_is_opened_by_a_relative_path(
    ring: KeyRing, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert KeyRing(Path("ring.sqlite3"), b"R" * 32).site.id == ring.site.id
