"""`tourniquet intake` and `tourniquet record`, as a person types them, on both databases."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.support.database import Database, Databases
from tests.support.mllp import message, person, report

NHS = "9990000018"


def tourniquet(
    database: Database, *arguments: str | Path, stdin: bytes = b""
) -> subprocess.CompletedProcess[bytes]:
    """Run the command."""
    return subprocess.run(
        [sys.executable, "-m", "tourniquet.cli.main", *map(str, arguments)],
        env={**os.environ, **database.environment()},
        input=stdin,
        capture_output=True,
        timeout=120,
        check=False,
    )


def answer(result: subprocess.CompletedProcess[bytes], status: int = 0) -> dict[str, Any]:
    """The one JSON object of an answer."""
    assert result.returncode == status, result.stderr
    if status:
        assert result.stderr.count(b"\n") == 1
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def test_files_are_taken_and_replayed(
    databases: Databases, database: Database, tmp_path: Path
) -> None:
    good = tmp_path / "good.hl7"
    framed = b"".join(b"\x0b" + one + b"\x1c\r" for one in (person("A", NHS), person("B", NHS)))
    good.write_bytes(framed)
    mixed = tmp_path / "mixed.hl7"
    unknown = message("D", kind="ZZZ^Z01")
    mixed.write_bytes(b"a note\r\n" + report("C", NHS, "F1") + unknown)
    fhir = tmp_path / "bundle.json"
    fhir.write_text('{"resourceType": "Bundle"}')

    found = answer(tourniquet(database, "intake", good, "--json"))
    assert (found["messages"], found["AA"], found["unread"]) == (2, 2, 0)
    found = answer(tourniquet(database, "intake", mixed, fhir, "-", "--json", stdin=framed), 1)
    assert (found["messages"], found["AA"], found["AR"], found["unread"]) == (4, 3, 1, 2)
    refused = [one for one in found["outcomes"] if one["code"] == "AR"]
    assert refused[0]["file"].endswith("mixed.hl7")
    assert refused[0]["offset"] > 0
    assert refused[0]["position"]
    shown = tourniquet(database, "intake", good)
    assert shown.returncode == 0
    assert shown.stdout.decode().splitlines()[-1].startswith("2 messages in 1 files: 2 AA")

    status = answer(tourniquet(database, "record", "status", "--json"))
    assert status["position"] == sum(status["kinds"].values())
    assert status["kinds"]["report.filed"] == 1
    assert len(status["chain"]) == 64

    into = tmp_path / "copy"
    replayed = answer(tourniquet(database, "record", "replay", "--into", into, "--json"))
    assert replayed["equal"] is True
    assert (replayed["entries"], replayed["chain"]) == (status["position"], status["chain"])
    again = tourniquet(database, "record", "replay", "--into", into)
    assert again.returncode == 1
    assert b"not empty" in again.stderr


def test_replay_refuses_its_own_home_and_names_what_differs(
    sqlite_database: Database, tmp_path: Path
) -> None:
    import sqlite3

    assert tourniquet(sqlite_database, "intake", "-", stdin=person("A", NHS)).returncode == 0
    own = tourniquet(sqlite_database, "record", "replay", "--into", sqlite_database.home)
    assert own.returncode == 1
    with sqlite3.connect(sqlite_database.home / "tourniquet.sqlite3") as connection:
        connection.execute("UPDATE patients_patient SET family_name = 'ALTERED'")
    connection.close()
    altered = tourniquet(sqlite_database, "record", "replay", "--into", tmp_path / "copy")
    assert altered.returncode == 1
    assert b"patients.Patient" in altered.stderr


def test_missing_files_are_the_inputs_fault(sqlite_database: Database, tmp_path: Path) -> None:
    missing = tourniquet(sqlite_database, "intake", tmp_path / "nothing.hl7")
    assert missing.returncode == 1
    assert b"nothing.hl7" in missing.stderr
    assert tourniquet(sqlite_database, "intake").returncode == 2


def test_one_home_has_one_server(sqlite_database: Database) -> None:
    command = [sys.executable, "-m", "tourniquet.cli.main", "serve", "--port", "0"]
    environment = {**os.environ, **sqlite_database.environment()}
    first = subprocess.Popen(
        [*command, "--mllp-port", "0"], env=environment, stdout=subprocess.PIPE, text=True
    )
    try:
        assert first.stdout is not None
        assert first.stdout.readline().startswith("Tourniquet is ready: http://127.0.0.1:")
        second = tourniquet(sqlite_database, "serve", "--port", "0", "--mllp-port", "0")
        assert second.returncode == 1
        assert b"already serves this home" in second.stderr
    finally:
        first.send_signal(signal.SIGTERM)
        rest, _ = first.communicate(timeout=10)
    assert first.returncode == 0
    assert rest == ""
