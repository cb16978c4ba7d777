"""`tourniquet record seal`, `verify` and `restore`, as a person types them, on both databases."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

from tests.flows.test_cli_record import NHS, answer, tourniquet
from tests.support.database import Database
from tests.support.mllp import person, report
from tourniquet.record.keys import only_one, open_keys, read_signer
from tourniquet.record.notes import check, read_note
from tourniquet.record.restore_report import FIRST_LINE

FOLLOW_SECONDS = 20


def take(database: Database, tmp_path: Path, *numbers: int) -> None:
    """Take a person and some reports."""
    file = tmp_path / "taken.hl7"
    messages = [person("A", NHS), *(report(f"R{n}", NHS, f"F{n}") for n in numbers)]
    file.write_bytes(b"".join(b"\x0b" + one + b"\x1c\r" for one in messages))
    answer(tourniquet(database, "intake", file, "--json"))


def test_a_journal_is_sealed_and_verified(database: Database, tmp_path: Path) -> None:
    take(database, tmp_path, 1, 2)
    assert answer(tourniquet(database, "record", "status", "--json"))["sealed"] == 0
    first = answer(tourniquet(database, "record", "seal", "--json"))
    assert first["sealed"] == first["position"] > 3
    assert answer(tourniquet(database, "record", "status", "--json"))["sealed"] == first["sealed"]
    assert b", 0 not yet" in tourniquet(database, "record", "status").stdout
    since = tmp_path / "checkpoint"
    since.write_bytes((database.home / "vault/checkpoint").read_bytes())
    take(database, tmp_path, 3)
    second = answer(tourniquet(database, "record", "seal", "--json"))
    assert second["position"] == first["position"] + second["sealed"] > first["position"]

    found = answer(tourniquet(database, "record", "verify", "--since", since, "--json"))
    assert found["root"] == second["root"]
    assert (found["key_pinned"], found["beyond"]) == (False, [])
    told = tourniquet(database, "record", "verify")
    assert b"The key was not pinned" in told.stdout
    pinned = database.home / "vault.vkey"
    assert b"pinned" not in tourniquet(database, "record", "verify", "--key", pinned).stdout


def test_a_changed_byte_anywhere_exits_1_and_is_named(database: Database, tmp_path: Path) -> None:
    take(database, tmp_path, 1)
    answer(tourniquet(database, "record", "seal", "--json"))
    chance = random.Random(7)
    vault = database.home / "vault"
    for file in sorted(path for path in vault.rglob("*") if path.is_file()):
        content = file.read_bytes()
        at = chance.randrange(len(content))
        file.write_bytes(content[:at] + bytes([content[at] ^ 4]) + content[at + 1 :])
        result = tourniquet(database, "record", "verify")
        assert result.returncode == 1, file
        assert result.stderr.count(b"\n") == 1
        assert result.stdout == b""
        file.write_bytes(content)
    assert tourniquet(database, "record", "verify").returncode == 0


def test_what_is_asked_wrongly_is_answered_in_one_line(
    sqlite_database: Database, tmp_path: Path
) -> None:
    take(sqlite_database, tmp_path, 1)
    answer(tourniquet(sqlite_database, "record", "seal", "--json"))
    other = tmp_path / "other.vkey"
    other.write_text("log.example+00000000+AAAA\n")
    older = tmp_path / "older"
    older.write_text("not a note")
    home = sqlite_database.home
    from_vault = ("restore", "--from", home / "vault", "--into")
    for arguments, said in (
        (("verify", "--vault", tmp_path / "nothing"), b"There is no vault"),
        (("verify", "--key", tmp_path / "nothing"), b"no verifier key"),
        (("verify", "--key", other), b"key"),
        (("verify", "--since", older), b"older"),
        (("verify", "--since", tmp_path / "nothing"), b"can't be read"),
        (("restore", "--from", tmp_path / "nothing", "--into", tmp_path / "a"), b"no vault"),
        ((*from_vault, home), b"not empty"),
        ((*from_vault, tmp_path / "b", "--at", "99"), b"ends at"),
        (
            (*from_vault, tmp_path / "c", "--at", "noon"),
            b"offset",
        ),
        (
            (*from_vault, tmp_path / "d", "--keys", tmp_path),
            b"key is missing",
        ),
    ):
        result = tourniquet(sqlite_database, "record", *arguments)
        assert result.returncode == 1, arguments
        assert said in result.stderr, result.stderr
        assert result.stderr.count(b"\n") == 1


def test_two_sealers_are_refused(sqlite_database: Database, tmp_path: Path) -> None:
    take(sqlite_database, tmp_path, 1)
    with only_one(sqlite_database.home / "keys"):
        result = tourniquet(sqlite_database, "record", "seal")
    assert result.returncode == 1
    assert b"at work here already" in result.stderr
    assert not (sqlite_database.home / "vault").exists()


def test_a_sealer_follows_the_journal(database: Database, tmp_path: Path) -> None:
    take(database, tmp_path, 1)
    process = subprocess.Popen(
        [sys.executable, "-m", "tourniquet.cli.main", "record", "seal", "--follow", "--json"],
        env={**os.environ, **database.environment()},
        stdout=subprocess.PIPE,
    )
    try:
        before = wait_for(database, 0)
        take(database, tmp_path, 2, 3)
        after = wait_for(database, before)
    finally:
        process.send_signal(signal.SIGTERM)
        stdout, _ = process.communicate(timeout=20)
    assert process.returncode == 0
    assert json.loads(stdout)["position"] >= after > before
    answer(tourniquet(database, "record", "verify", "--json"))


def wait_for(database: Database, size: int) -> int:
    """The vault's size, once it is larger than this."""
    deadline = time.monotonic() + FOLLOW_SECONDS
    checkpoint = database.home / "vault/checkpoint"
    while time.monotonic() < deadline:
        found = int(checkpoint.read_text().split("\n")[1]) if checkpoint.exists() else 0
        if found > size:
            return found
        time.sleep(0.05)
    raise AssertionError(f"nothing was sealed beyond {size}")


def test_a_home_is_restored_and_goes_on(database: Database, tmp_path: Path) -> None:
    take(database, tmp_path, 1, 2)
    sealed = answer(tourniquet(database, "record", "seal", "--json"))
    vault, new = database.home / "vault", tmp_path / "new-home"
    pinned = database.home / "vault.vkey"
    arguments = ("record", "restore", "--from", vault, "--into", new, "--key", pinned, "--json")
    found = answer(tourniquet(database, *arguments))
    assert found["position"] == sealed["position"]
    assert found["root"] == sealed["root"]
    assert found["erased"] == 0

    keys = open_keys(new / "keys")
    note = read_note((new / "restore-report.note").read_bytes())
    check(note, keys.signer.verifier)
    assert note.text.startswith(f"{FIRST_LINE}\nlog: {keys.signer.name}\n")
    assert "verifier key: pinned\n" in note.text
    assert "rows of pathology.DiagnosticReport: 2\n" in note.text
    for name in ("root.key", "log.key", "ring.sqlite3"):
        assert (new / "keys" / name).stat().st_mode & 0o077 == 0
    keys.ring.close()

    again = tourniquet(database, *arguments)
    assert again.returncode == 1
    assert b"not empty" in again.stderr
    embedded = Database("sqlite", "", new)
    take(embedded, tmp_path, 3)
    answer(tourniquet(embedded, "record", "seal", "--json"))
    since = ("--key", pinned, "--since", vault / "checkpoint")
    later = answer(tourniquet(embedded, "record", "verify", *since, "--json"))
    assert later["position"] > sealed["position"]


def test_an_earlier_day_is_restored_to_look_at(sqlite_database: Database, tmp_path: Path) -> None:
    take(sqlite_database, tmp_path, 1, 2)
    answer(tourniquet(sqlite_database, "record", "seal", "--json"))
    vault = sqlite_database.home / "vault"
    arguments = ("record", "restore", "--from", vault, "--json", "--into")
    found = answer(tourniquet(sqlite_database, *arguments, tmp_path / "two", "--at", "2"))
    assert found["position"] == 2
    assert not (tmp_path / "two/vault").exists()
    early = ("--at", "2020-01-01T00:00:00+00:00")
    assert answer(tourniquet(sqlite_database, *arguments, tmp_path / "0", *early))["position"] == 0
    signer = read_signer(sqlite_database.home / "keys")
    check(read_note((tmp_path / "two/restore-report.note").read_bytes()), signer.verifier)
