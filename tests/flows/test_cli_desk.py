"""`tourniquet record history` and what goes with it, as a person types them, the database gone."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pyrage

from tests.flows.test_cli_record import NHS, answer, tourniquet
from tests.flows.test_cli_vault import take
from tests.support.database import Database
from tourniquet.flows.desk_id import begin_id
from tourniquet.pathology.desk_reading import make_folder
from tourniquet.record.keys import only_one


def sealed(database: Database, tmp_path: Path) -> tuple[str | Path, ...]:
    """A home with a sealed record; the arguments that name it for a desk."""
    take(database, tmp_path, 1, 2)
    make_folder(tmp_path / "east")
    own = begin_id(tmp_path / "east")
    answer(tourniquet(database, "record", "reserve-numbers", "20", "--for-desk", own, "--json"))
    answer(tourniquet(database, "record", "seal", "--json"))
    home = database.home
    return (
        *("--vault", home / "vault", "--keys", home / "keys", "--key", home / "vault.vkey"),
        *("--desk", tmp_path / "east", "--root-key", home / "keys/root.key"),
    )


def history(
    database: Database, *arguments: str | Path, stdin: bytes = b""
) -> subprocess.CompletedProcess[bytes]:
    return tourniquet(database, "record", "history", *arguments, stdin=stdin)


def test_find_export_and_reconcile(sqlite_database: Database, tmp_path: Path) -> None:
    desk = sealed(sqlite_database, tmp_path)
    export = tmp_path / "east.export"
    database = sqlite_database.home / "tourniquet.sqlite3"
    away = tmp_path / "away.sqlite3"
    database.rename(away)
    found = answer(history(sqlite_database, *desk, "--find", NHS, "--json"))
    assert (len(found["patients"]), found["people"]) == (1, 1)
    assert b"1 found among 1 people" in history(sqlite_database, *desk, "--find", NHS).stdout
    assert found["warnings"] == []
    unpinned = (*desk[:4], *desk[6:])
    said = history(sqlite_database, *unpinned, "--find", NHS).stdout
    assert b"Warning: The key of the record is not pinned." in said
    written = answer(history(sqlite_database, *desk, "--export", export, "--json"))
    assert written["lines"] == 5  # begun, and unlocked four times
    away.rename(database)
    taken = answer(tourniquet(sqlite_database, "record", "reconcile", export, "--json"))
    assert (taken["new"], taken["issued"], taken["not_accounted"]) == (5, 0, [])
    again = tourniquet(sqlite_database, "record", "reconcile", export)
    assert b"0 of 5 lines were new" in again.stdout
    assert NHS.encode() not in export.read_bytes()


def test_a_bundle_and_a_paper_pack(sqlite_database: Database, tmp_path: Path) -> None:
    desk = sealed(sqlite_database, tmp_path)
    people, bundle, pack = tmp_path / "ward.txt", tmp_path / "ward.age", tmp_path / "ward.pdf"
    people.write_text(f"{NHS}\n\n9990000999\n")
    identity = pyrage.x25519.Identity.generate()
    key = tmp_path / "identity.txt"
    key.write_text(f"# made for a test\n{identity}\n")
    chosen = ("--patients", people, "--why", "Clinic day")
    made = answer(
        history(
            *(sqlite_database, *desk, "--bundle", bundle, *chosen),
            *("--for", str(identity.to_public()), "--json"),
        )
    )
    assert (made["people"], made["lines_without_patient"]) == (1, [3])
    printed = answer(history(sqlite_database, *desk, "--pack", pack, *chosen, "--json"))
    assert printed["people"] == 1
    assert pack.read_bytes().startswith(b"%PDF")
    laptop = ("--open-bundle", bundle, "--identity", key, "--desk", tmp_path / "laptop")
    found = answer(history(sqlite_database, *laptop, "--find", NHS, "--json"))
    assert len(found["patients"]) == 1
    for file in (bundle, pack):
        assert file.stat().st_mode & 0o077 == 0


def test_what_is_asked_wrongly_is_answered_in_one_line(
    sqlite_database: Database, tmp_path: Path
) -> None:
    desk = sealed(sqlite_database, tmp_path)
    nothing = tmp_path / "nothing"
    for arguments, said in (
        (desk, b"Say one thing to do"),
        ((*desk, "--serve", "--find", NHS), b"Say one thing to do"),
        ((*desk, "--serve", "--certificate", nothing), b"go together"),
        ((*desk, "--vault", nothing, "--find", NHS), b"There is no vault"),
        ((*desk, "--keys", nothing, "--find", NHS), b"no copy of the key ring"),
        ((*desk, "--root-key", nothing, "--find", NHS), b"root key can't be read"),
        ((*desk[:-2], "--find", NHS), b"The desk is locked"),
        ((*desk, "--bundle", nothing, "--all"), b"Say why"),
        ((*desk, "--pack", nothing, "--why", "x"), b"Say whose"),
        ((*desk, "--open-bundle", nothing, "--identity", nothing, "--find", "1"), b"can't be read"),
        (("--vault", sqlite_database.home / "vault", "--words", "--find", NHS), b""),
    ):
        result = history(sqlite_database, *arguments)
        assert result.returncode in (1, 130), (arguments, result.stdout, result.stderr)
        assert said in result.stderr, result.stderr
        assert b"Traceback" not in result.stderr
    other = tmp_path / "other"
    other.write_bytes(b"not an export")
    refused = tourniquet(sqlite_database, "record", "reconcile", other)
    assert refused.returncode == 1
    assert b"no export of a desk" in refused.stderr
    with only_one(tmp_path / "east", "desk.lock"):
        for work in (("--find", NHS), ("--export", tmp_path / "east.export")):
            refused = history(sqlite_database, *desk, *work)
            assert refused.returncode == 1
            assert b"This desk is being served" in refused.stderr
            assert b"stop the serving desk" in refused.stderr
    for time in ("2024-06-19T20:00:00+01:00", "yesterday"):
        refused = history(sqlite_database, *desk, "--find", NHS, "--exercise-clock", time)
        assert refused.returncode == 1
        assert b"no exercise's record" in refused.stderr  # a real desk goes by the real time


def test_accounts_of_the_desk(sqlite_database: Database, tmp_path: Path) -> None:
    own = ("--desk", tmp_path / "east")
    account = ("record", "desk-account", "amara")
    made = answer(
        tourniquet(sqlite_database, *account, "--role", "keeper", "--holder", *own, "--json")
    )
    assert len(made["password"]) >= 12
    assert made["desk_id"] == begin_id(tmp_path / "east")
    named = tourniquet(sqlite_database, "record", "reserve-numbers", "20", "--for-desk", "east")
    assert named.returncode == 1
    assert b"not the id of a desk" in named.stderr
    assert made["password"].encode() not in (tmp_path / "east/accounts.json").read_bytes()
    wrong = tourniquet(sqlite_database, *account, "--role", "lead", *own)
    assert wrong.returncode == 1
    assert b"no role" in wrong.stderr
    short = tourniquet(sqlite_database, *account, "--password-stdin", *own, stdin=b"short\n")
    assert b"12 characters" in short.stderr
    assert answer(tourniquet(sqlite_database, *account, "--remove", *own, "--json"))["removed"]
    assert b"no such account" in tourniquet(sqlite_database, *account, "--remove", *own).stderr


def test_the_desks_benchmark_measures(sqlite_database: Database) -> None:
    found = answer(tourniquet(sqlite_database, "bench", "desk", "--people", "10", "--json"))
    assert (found["entries"], found["observations"]) == (211, 4000)
    assert 0 < found["opening_ms_p50"] < found["page_ms_most"]
    assert found["warm_seconds"] >= 0
    assert found["machine"]["cores"]
