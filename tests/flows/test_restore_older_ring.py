"""A vault restored with a key ring that is older than it."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from tests.flows.test_cli_record import answer, tourniquet
from tests.flows.test_seal import OTHER, PATIENT, append, applied, received
from tests.support.console import NOW
from tests.support.database import Database
from tests.support.sealing import seal
from tourniquet.record.keys import copy_keys, open_keys, read_signer
from tourniquet.record.notes import check, read_note
from tourniquet.record.sealer import keys_folder, vault_folder

MADE_SINCE = [3, 5, 6]


@pytest.fixture
def yesterdays(database: Database, tmp_path: Path) -> Path:
    """A copy of the keys, from before a patient came and two messages were kept."""
    append(applied(PATIENT, "A"), applied(PATIENT, "B"))
    seal()
    copy_keys(keys_folder(), tmp_path / "yesterdays")
    append(applied(OTHER, "C"), applied(PATIENT, "D"), received("E"), applied(OTHER, "F"))
    seal()
    return tmp_path / "yesterdays"


def words(keys: Path, into: Path) -> tuple[str | Path, ...]:
    pinned = keys_folder().parent / "vault.vkey"
    place = ("--from", vault_folder(), "--into", into)
    return ("record", "restore", *place, "--keys", keys, "--key", pinned)


def bodies(home: Path) -> list[tuple[int, bool]]:
    """Which positions of a home have their content."""
    with sqlite3.connect(home / "tourniquet.sqlite3") as database:
        query = "SELECT position, body IS NOT NULL FROM record_journalentry ORDER BY position"
        found = database.execute(query).fetchall()
    database.close()
    return [(position, bool(there)) for position, there in found]


def test_it_is_said_before_anything_is_restored(
    database: Database, yesterdays: Path, tmp_path: Path
) -> None:
    result = tourniquet(database, *words(yesterdays, tmp_path / "new"))
    assert result.returncode == 1
    assert b"no key for 3 entries, the first at position 3" in result.stderr
    assert b"--without-missing-keys" in result.stderr
    assert result.stderr.count(b"\n") == 1
    assert not (tmp_path / "new/vault").exists()
    # Nothing hinders to look at the time before, or to bring the newer ring then.
    early = answer(
        tourniquet(database, *words(yesterdays, tmp_path / "two"), "--at", "2", "--json")
    )
    assert (early["position"], early["unreadable"]) == (2, 0)
    found = answer(tourniquet(database, *words(keys_folder(), tmp_path / "new"), "--json"))
    assert (found["position"], found["unreadable"], found["erased"]) == (6, 0, 0)


def test_where_it_is_asked_for_everything_else_is_restored(
    database: Database, yesterdays: Path, tmp_path: Path
) -> None:
    new = tmp_path / "new"
    result = tourniquet(database, *words(yesterdays, new), "--without-missing-keys")
    assert result.returncode == 0, result.stderr
    assert b"3 entries were restored WITHOUT their content" in result.stdout
    assert b"3, 5 to 6" in result.stdout
    assert bodies(new) == [(position, position not in MADE_SINCE) for position in range(1, 7)]
    note = read_note((new / "restore-report.note").read_bytes())
    check(note, read_signer(new / "keys").verifier)
    assert "entries erased before: 0\n" in note.text
    assert "key was missing, restored without content: 3\n" in note.text
    assert "\nwithout content: 3, 5 to 6\n" in note.text


def test_no_key_is_made_twice_under_one_id(
    database: Database, yesterdays: Path, tmp_path: Path
) -> None:
    new, third = tmp_path / "new", tmp_path / "third"
    result = tourniquet(database, *words(yesterdays, new), "--without-missing-keys")
    assert result.returncode == 0, result.stderr
    ring = open_keys(new / "keys").ring
    first = ring.patient_id(OTHER)
    assert ring.find_key(first) is None
    (made,) = ring.provide([OTHER], own=0, now=NOW)
    ring.close()
    assert made.id != first
    # The home's own vault and ring can be restored again, without a word.
    home = Database("sqlite", "", new)
    answer(tourniquet(home, "record", "seal", "--json"))
    place = ("--from", new / "vault", "--into", third, "--key", new / "vault.vkey")
    found = answer(tourniquet(home, "record", "restore", *place, "--json"))
    assert (found["position"], found["erased"], found["unreadable"]) == (6, 3, 0)


def test_a_target_begun_without_a_key_is_not_gone_on_with_once_it_is_here(
    database: Database, yesterdays: Path, tmp_path: Path
) -> None:
    new = tmp_path / "new"
    first = tourniquet(database, *words(yesterdays, new), "--without-missing-keys")
    assert first.returncode == 0, first.stderr
    with sqlite3.connect(new / "tourniquet.sqlite3") as made:  # as if it had been cut off
        made.execute("DELETE FROM record_home")
    made.close()
    result = tourniquet(database, *words(keys_folder(), new))
    assert result.returncode == 1
    assert b"begun without the key of position 3, which is here now" in result.stderr
    again = tourniquet(database, *words(yesterdays, new), "--without-missing-keys")
    assert again.returncode == 0, again.stderr
    assert b"3 entries were restored WITHOUT" in again.stdout
