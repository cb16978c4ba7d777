"""unit: a copy of the wrapped keys, and a source that changes its own."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.generative.test_replica import (
    Below,
    _make_folders,
    content,
    grow,
    opened,
)
from tests.generative.test_vault import SIGNER
from tourniquet.kernel.errors import IntegrityError, OperatorError
from tourniquet.record.disk import Disk, LocalFiles
from tourniquet.record.replica import EVIDENCE, Rewritten
from tourniquet.record.ring import (
    ROWS_AT_ONCE,
    ChangedKey,
    KeyRing,
    RingCopy,
    RingFile,
    WrappedKey,
)
from tourniquet.record.vault import Vault

NOW = datetime(2024, 6, 3, 6, tzinfo=UTC)
ROOT = b"R" * 32


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A ring of seven keys."""
    path = tmp_path / "ring.sqlite3"
    ring = KeyRing.begin(path, ROOT, log_seed=b"L" * 32, now=NOW)
    ring.provide(["p1", "p2", "p3"], own=2, now=NOW)
    ring.close()
    return path


def copied(source: Path, place: Path) -> RingCopy:
    place.mkdir(exist_ok=True)
    return RingCopy(RingFile(source), place / "ring.sqlite3")


def rows(path: Path) -> list[tuple[object, ...]]:
    """What a ring's file holds."""
    database = sqlite3.connect(path)
    try:
        return database.execute("SELECT number, id, wrapped FROM key ORDER BY number").fetchall()
    finally:
        database.close()


def change(path: Path, sql: str) -> None:
    database = sqlite3.connect(path)
    with database:
        database.execute(sql)
    database.close()


def test_rows_come_by_number_and_open_with_the_root_key_alone(source: Path, tmp_path: Path) -> None:
    place = tmp_path / "copy"
    copy = copied(source, place)
    assert copy.pull() == 7
    assert copy.pull() == 0
    ring = KeyRing(source, ROOT)
    (made,) = ring.provide(["p4"], own=0, now=NOW)
    assert copy.pull() == 1
    assert rows(place / "ring.sqlite3") == rows(source)
    opened_ring = KeyRing(place / "ring.sqlite3", ROOT)
    assert opened_ring.get_key(opened_ring.patient_id("p4")) == made.key
    with pytest.raises(OperatorError, match="does not open with this root key"):
        KeyRing(place / "ring.sqlite3", b"S" * 32)


def test_more_rows_than_a_page(source: Path, tmp_path: Path) -> None:
    ring = KeyRing(source, ROOT)
    ring.provide([], own=2 * ROWS_AT_ONCE, now=NOW)
    copy = copied(source, tmp_path / "copy")
    assert copy.pull() == 7 + 2 * ROWS_AT_ONCE
    copy.close()
    assert copied(source, tmp_path / "copy").pull() == 0  # compared anew, over several pages


def test_a_key_that_was_erased_is_not_erased_here(source: Path, tmp_path: Path) -> None:
    place = tmp_path / "copy"
    copied(source, place).pull()
    before = rows(place / "ring.sqlite3")
    ring = KeyRing(source, ROOT)
    ring.erase(ring.patient_id("p2"), now=NOW)
    assert copied(source, place).pull() == 0
    assert rows(place / "ring.sqlite3") == before


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE key SET wrapped = x'00' WHERE number = 3",
        "UPDATE key SET id = x'00112233445566778899aabbccddeeff' WHERE number = 3",
        "DELETE FROM key WHERE number = 3",
        "DELETE FROM key WHERE number = 7",
        "DELETE FROM key",
    ],
)
def test_a_key_that_changed_is_refused(source: Path, tmp_path: Path, sql: str) -> None:
    place = tmp_path / "copy"
    copied(source, place).pull()
    before = rows(place / "ring.sqlite3")
    change(source, sql)
    with pytest.raises(ChangedKey, match="another key, or none") as caught:
        copied(source, place).pull()
    for _, _, wrapped in before:
        assert isinstance(wrapped, bytes)
        assert wrapped not in caught.value.evidence
        assert wrapped.hex().encode() not in caught.value.evidence
    assert rows(place / "ring.sqlite3") == before


class Gap:
    """A source that leaves a row out."""

    def rows(self, *, after: int, most: int) -> Sequence[WrappedKey]:
        return [WrappedKey(after + 2, b"i" * 16, b"w", "2024-06-03")][:most]


def test_a_gap_is_refused(tmp_path: Path) -> None:
    copy = RingCopy(Gap(), tmp_path / "ring.sqlite3")
    with pytest.raises(IntegrityError, match="gap"):
        copy.pull()
    assert rows(tmp_path / "ring.sqlite3") == []


def test_a_changed_key_stops_the_replica_and_the_evidence_is_kept(
    source: Path, tmp_path: Path
) -> None:
    vault, place = tmp_path / "vault", tmp_path / "replica"
    vault.mkdir()
    place.mkdir()
    Vault.begin(Disk(LocalFiles(vault)), SIGNER)
    _make_folders(LocalFiles(place))
    grow(vault, 3)
    keys = copied(source, tmp_path / "copy")
    opened(LocalFiles(place)).pull(Disk(LocalFiles(vault)), keys, now=NOW)
    before = content(place)
    grow(vault, 3)
    change(source, "UPDATE key SET wrapped = x'00' WHERE number = 3")
    again = copied(source, tmp_path / "copy")
    with pytest.raises(Rewritten, match=r"key 3 was copied\. Nothing was countersigned"):
        opened(LocalFiles(place)).pull(Disk(LocalFiles(vault)), again, now=NOW)
    assert content(place) == before
    own = Disk(Below(LocalFiles(place), "own"))
    (name,) = own.names(EVIDENCE)
    told = own.read(f"{EVIDENCE}/{name}/keys", bytes_most=1000).decode()
    assert told.startswith("key 3\nours: id ")
    assert "theirs: id " in told
    with pytest.raises(OperatorError, match="until a person has looked"):
        opened(LocalFiles(place))
