"""A disk that fails while everything runs: nothing more is acknowledged there, reading goes on.

The disk is a real mount (`tests.support.losing_disk`) whose every write and flush fails from one
moment on. The database lies on it in the first story, the vault in the second.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from django.db import connections

from tests.flows.test_cli_record import NHS, answer, tourniquet
from tests.flows.test_power_cuts import serving
from tests.flows.test_serve_sealer import sealed, take, until
from tests.support.console import client_of, reader, seed_region, seed_results, sent_pid
from tests.support.database import Database, Databases
from tests.support.losing_disk import NoFuse, fail_from_now, mend_now, mounted
from tests.support.messages import codes, oru
from tests.support.mllp import Sender, outcome, person
from tourniquet.kernel.errors import StorageUnavailable

pytestmark = pytest.mark.no_cover
DATABASE_FILE = "tourniquet.sqlite3"


@pytest.fixture
def disk(tmp_path: Path) -> tuple[Path, Path]:
    """Where the disk is mounted, and what is left of it when it is not."""
    place, left = tmp_path / "disk", tmp_path / "left"
    try:
        with mounted(place, left, seed=0):
            pass
    except NoFuse as error:
        pytest.skip(str(error))
    return place, left


def _on_disk(databases: Databases, place: Path, left: Path) -> Database:
    """A home whose database lies on the disk, and nothing else."""
    database = databases.new("sqlite")
    file = database.home / DATABASE_FILE
    shutil.move(file, left / DATABASE_FILE)
    file.symlink_to(place / DATABASE_FILE)
    return database


def test_when_the_databases_disk_fails_records_are_shown_and_the_reading_is_journalled_later(
    databases: Databases, disk: tuple[Path, Path]
) -> None:
    from tourniquet.record.models import JournalEntry

    place, left = disk
    database = _on_disk(databases, place, left)
    late = database.home / "readings-not-journalled.jsonl"
    with mounted(place, left, seed=1):
        people = seed_region()
        seed_results(0)
        lead = reader("lead", people[0])
        practice = client_of("practice")
        record = f"/patients/{people[0]}/"
        assert lead.get(record).status_code == 200
        head = JournalEntry.objects.count()
        fail_from_now(place)
        for who in (lead, practice, lead):
            shown = who.get(record)
            assert shown.status_code == 200
            assert "OKAFOR" in shown.content.decode()
        with pytest.raises(StorageUnavailable):  # which the listener answers with AE
            codes(oru("M-late", sent_pid(0), number="M-late"))
        kept = [json.loads(line) for line in late.read_text().splitlines()]
        assert [line["actor"] for line in kept] == ["lead", "practice", "lead"]
        assert {line["patient"] for line in kept} == {people[0]}
        assert JournalEntry.objects.count() == head
        mend_now(place)
        assert lead.get(record).status_code == 200
        assert not late.exists()
        noted = JournalEntry.objects.filter(kind="record.read", position__gt=head)
        actors = noted.order_by("position").values_list("actor", flat=True)
        assert list(actors) == ["lead", "practice", "lead", "lead"]
        assert codes(oru("M-late", sent_pid(0), number="M-late")) == ["AA"]
        connections.close_all()


def _sent(sender: Sender, control_id: str) -> str:
    """Send a message; the code of its answer."""
    sender.send(person(control_id, NHS))
    found = sender.answer()
    assert found is not None
    code, named = outcome(found)
    assert named == control_id
    return code


def _vault_on_disk(home: Path, place: Path, left: Path) -> None:
    """Let the vault of a home lie on the disk, and nothing else."""
    (left / "vault").mkdir()
    (home / "vault").symlink_to(place / "vault")


def test_when_the_vaults_disk_fails_the_sealer_stops_and_care_goes_on(
    sqlite_database: Database, disk: tuple[Path, Path]
) -> None:
    from tourniquet.record.journal import read_head
    from tourniquet.record.models import Alarm

    place, left = disk
    home = sqlite_database.home
    _vault_on_disk(home, place, left)
    with mounted(place, left, seed=1):
        with serving(home) as (_, _, port), Sender(port) as sender:
            assert _sent(sender, "A") == "AA"
            until(lambda: sealed(home) == read_head().position, "the sealer did not follow")
            before = _files(home / "vault")
            fail_from_now(place)
            assert _sent(sender, "B") == "AA"
            until(Alarm.objects.exists, "no alarm was raised")
            assert Alarm.objects.get().kind == "sealer ended"
            assert _sent(sender, "C") == "AA"
            assert _files(home / "vault") == before
        assert answer(tourniquet(sqlite_database, "record", "verify", "--json"))["position"]
    with mounted(place, left, seed=2):
        _goes_on(sqlite_database)


def test_a_sealer_that_follows_ends_at_the_first_failed_write(
    sqlite_database: Database, disk: tuple[Path, Path], tmp_path: Path
) -> None:
    place, left = disk
    home = sqlite_database.home
    _vault_on_disk(home, place, left)
    with mounted(place, left, seed=3):
        follower = subprocess.Popen(
            [sys.executable, "-m", "tourniquet.cli.main", "record", "seal", "--follow"],
            env={**os.environ, **sqlite_database.environment()},
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            head = take(sqlite_database, tmp_path, "A")
            until(lambda: sealed(home) >= head, "the sealer did not follow")
            before = _files(home / "vault")
            fail_from_now(place)
            take(sqlite_database, tmp_path, "B")
            _, said = follower.communicate(timeout=30)
        finally:
            if follower.poll() is None:
                follower.send_signal(signal.SIGKILL)
                follower.communicate()
        assert follower.returncode == 1, said
        assert said.startswith("tourniquet: ")
        assert said.count("\n") == 1
        assert "Input/output error" in said
        assert NHS not in said
        assert _files(home / "vault") == before
    with mounted(place, left, seed=4):
        _goes_on(sqlite_database)


def _files(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def _goes_on(database: Database) -> None:
    """On another disk the sealer goes on to the head, and the vault holds."""
    answer(tourniquet(database, "record", "seal", "--json"))
    head = answer(tourniquet(database, "record", "status", "--json"))["position"]
    found = answer(tourniquet(database, "record", "verify", "--json"))
    assert (found["position"], found["beyond"]) == (head, [])
