"""A home restored from a vault in whose midst a publication, or a pull, was cut off."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest

from tests.flows.test_change_signing_key import PEOPLE, add_people
from tests.flows.test_cli_record import answer, tourniquet
from tests.flows.test_seal import PATIENT, append, applied
from tests.support.console import NOW
from tests.support.database import Database
from tests.support.effort import effort
from tests.support.sealing import seal
from tests.support.simulated_files import PowerCut, SimulatedFiles
from tests.support.simulated_objects import SimulatedObjects
from tourniquet.flows.change_signing_key import change_signing_key
from tourniquet.kernel.errors import StorageUnavailable
from tourniquet.record import finishing
from tourniquet.record import replica as replica_module
from tourniquet.record.beyond import read_beyond
from tourniquet.record.bucket import BucketDisk, BucketVault
from tourniquet.record.copying import copy_vault
from tourniquet.record.disk import Disk, LocalFiles
from tourniquet.record.finishing import finish_vault
from tourniquet.record.journal import read_head
from tourniquet.record.keys import make_signer, open_keys, read_signer
from tourniquet.record.leaves import LEAF_BYTES
from tourniquet.record.moment import VaultMoment
from tourniquet.record.notes import WITNESS_KEY
from tourniquet.record.replica import LAST, Replica
from tourniquet.record.sealer import keys_folder, vault_folder
from tourniquet.record.vault import KEY_FILE
from tourniquet.record.verification import verify_vault

SIGNED, WHOLE = 10, 700


class NoKeys:
    """A ring that never has a new key."""

    def pull(self) -> int:
        return 0


class Ending(Disk):
    """A source that ends once so many bodies were read of it."""

    def __init__(self, place: Path, reads: int) -> None:
        super().__init__(LocalFiles(place))
        self.reads = reads

    def read_part(self, path: str, at: int, length: int) -> bytes:
        self.reads -= 1
        if self.reads < 0:
            raise StorageUnavailable("The source does not answer.")
        return super().read_part(path, at, length)


def sealed(count: int) -> Path:
    """Seal so many entries more; the vault."""
    first = read_head().position
    append(*(applied(PATIENT, f"A{first + number}") for number in range(count)))
    seal()
    return vault_folder()


def killed_before_the_checkpoint(tmp_path: Path) -> Path:
    """Production's vault: everything is written but the checkpoint."""
    kept = (sealed(SIGNED) / "checkpoint").read_bytes()
    (sealed(WHOLE - SIGNED) / "checkpoint").write_bytes(kept)
    return vault_folder()


def killed_before_the_leaves(tmp_path: Path) -> Path:
    """Production's vault: bodies and `pending` are written, nothing behind."""
    shutil.copytree(sealed(SIGNED), tmp_path / "early")
    shutil.copytree(sealed(WHOLE - SIGNED) / "body", tmp_path / "early/body", dirs_exist_ok=True)
    shutil.copy(vault_folder() / "pending", tmp_path / "early/pending")
    return tmp_path / "early"


def pulled(home: Path, source: Disk) -> int:
    """Pull into a replica; how far it came."""
    for name in ("vault", "own"):
        (home / name).mkdir(parents=True, exist_ok=True)
    if not (home / "witness.key").exists():
        WITNESSES.setdefault(home, make_signer("witness.example", WITNESS_KEY))
    key = open_keys(keys_folder()).signer.verifier
    disks = [Disk(LocalFiles(home / name)) for name in ("vault", "own")]
    one = Replica(disks[0], disks[1], key, WITNESSES[home])
    return one.pull(source, NoKeys(), now=NOW).checkpoint.size


WITNESSES: dict[Path, Any] = {}


def left_by_its_source(tmp_path: Path) -> Path:
    """A replica's vault: some parts of the pull are in place, and one is written down."""
    home = tmp_path / "replica"
    assert pulled(home, Disk(LocalFiles(sealed(SIGNED)))) == SIGNED
    with pytest.raises(StorageUnavailable):
        pulled(home, Ending(sealed(WHOLE - SIGNED), 2))
    assert (home / "vault/tile/entries/001").exists()
    assert not (home / "vault/tile/entries/002").exists()
    return home / "vault"


def whole_of(place: Callable[[Path], Path]) -> int:
    """How many entries lie whole in a place."""
    return 512 if place is left_by_its_source else WHOLE


@pytest.mark.parametrize(
    "place", [killed_before_the_checkpoint, killed_before_the_leaves, left_by_its_source]
)
def test_what_is_whole_is_restored_and_the_home_seals_on(
    database: Database,
    tmp_path: Path,
    place: Callable[[Path], Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(replica_module, "LEAVES_AT_ONCE", 256)
    vault, whole, new = place(tmp_path), whole_of(place), tmp_path / "new"
    pinned = keys_folder().parent / "vault.vkey"
    said = ("--keys", keys_folder(), "--key", pinned)
    result = tourniquet(database, "record", "restore", "--from", vault, "--into", new, *said)
    assert result.returncode == 0, result.stderr
    assert f"{whole} entries restored".encode() in result.stdout
    assert f"{whole - SIGNED} entries lay whole behind the checkpoint".encode() in result.stdout
    report = (new / "restore-report.note").read_text()
    assert f"checkpoint size: {SIGNED}\n" in report
    assert f"whole behind the checkpoint, restored too: {whole - SIGNED}\n" in report
    key = open_keys(new / "keys").signer.verifier
    found = verify_vault(Disk(LocalFiles(new / "vault")), key)
    assert (found.checkpoint.size, found.beyond) == (whole, [])

    home = Database("sqlite", "", new)
    told = answer(tourniquet(home, "record", "seal", "--json"))
    assert told["position"] == whole
    if place is left_by_its_source:  # and the replica follows
        assert pulled(vault.parent, Disk(LocalFiles(new / "vault"))) == whole


def test_what_is_not_whole_is_left_out_and_named(database: Database, tmp_path: Path) -> None:
    vault = killed_before_the_leaves(tmp_path)
    pending, last = vault / "pending", vault / "body/000000000"
    last.write_bytes(last.read_bytes()[:-1])
    content = pending.read_bytes()
    middle = 8 + 300 * LEAF_BYTES + 90
    pending.write_bytes(content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :])
    said = ("--keys", keys_folder(), "--key", keys_folder().parent / "vault.vkey")
    new = tmp_path / "new"
    result = tourniquet(database, "record", "restore", "--from", vault, "--into", new, *said)
    assert result.returncode == 0, result.stderr
    assert f"{SIGNED + 300} entries restored".encode() in result.stdout
    assert b"left out: body/000000000" in result.stdout
    home = Database("sqlite", "", new)
    assert answer(tourniquet(home, "record", "seal", "--json"))["position"] == SIGNED + 300


def test_keys_that_saw_a_longer_vault_do_not_keep_a_home_from_sealing(
    database: Database, tmp_path: Path
) -> None:
    shutil.copytree(sealed(SIGNED), tmp_path / "early")
    sealed(5)
    said = ("--keys", keys_folder(), "--key", keys_folder().parent / "vault.vkey")
    new = tmp_path / "new"
    place = ("--from", tmp_path / "early", "--into", new)
    result = tourniquet(database, "record", "restore", *place, *said)
    assert result.returncode == 0, result.stderr
    assert b"saw a vault of 15 entries; 5 are lost" in result.stdout
    home = Database("sqlite", "", new)
    assert answer(tourniquet(home, "record", "seal", "--json"))["position"] == SIGNED


def test_a_change_of_the_key_behind_the_checkpoint_is_signed_where_it_was(
    database: Database, tmp_path: Path
) -> None:
    """A replica's pull ended between the list of keys and the checkpoint."""
    add_people()
    kept = (sealed(SIGNED) / "checkpoint").read_bytes()
    sealed(290)
    pinned = read_signer(keys_folder()).verifier
    changed = change_signing_key(PEOPLE, reason="Yearly change.", now=NOW)
    whole = read_head().position + 200
    sealed(200)
    (vault_folder() / "checkpoint").write_bytes(kept)
    new = tmp_path / "new"
    for key in (pinned, changed.new):
        line = tmp_path / "line"
        line.write_text(f"{key}\n")
        into = new / key.key_id.hex()
        place = ("--from", vault_folder(), "--into", into, "--key", line)
        found = answer(tourniquet(database, "record", "restore", *place, "--json"))
        assert (found["position"], found["left_out"]) == (whole, [])
        copied = verify_vault(Disk(LocalFiles(into / "vault")), pinned)
        assert (copied.checkpoint.size, copied.beyond) == (whole, [])
        told = answer(tourniquet(Database("sqlite", "", into), "record", "seal", "--json"))
        assert told["position"] == whole


def test_signing_what_was_written_down_is_gone_on_with(
    sqlite_database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(finishing, "ENTRIES_AT_ONCE", 100)
    source = VaultMoment(Disk(LocalFiles(killed_before_the_leaves(tmp_path))))
    keys = open_keys(keys_folder())
    key = keys.signer.verifier
    reader = read_beyond(source, SIGNED, keys.ring)
    for seed in range(effort(15, 500)):
        random = Random(seed)
        files = SimulatedFiles(random)
        for _ in range(200):
            strike = files.calls + random.randrange(1, 200)
            files.cut_at, files.fail_at = random.choice(((None, strike), (strike, None)))
            try:
                copy_vault(source, Disk(files), key)
                finish_vault(Disk(files), reader, (), keys, key)
            except (StorageUnavailable, PowerCut):
                if files.is_shut or random.random() < 0.5:
                    files.cut_at = files.fail_at = None
                    files.cut_power()
                continue
            break
        files.cut_at = files.fail_at = None
        found = verify_vault(Disk(files), key)
        assert (found.checkpoint.size, found.beyond) == (WHOLE, []), seed


def test_what_a_pull_left_in_object_storage_is_restored_and_the_replica_follows(
    sqlite_database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replica_module, "LEAVES_AT_ONCE", 256)
    keys = open_keys(keys_folder()) if sealed(SIGNED) else None
    assert keys is not None
    key, witness = keys.signer.verifier, make_signer("witness.example", WITNESS_KEY)
    objects, own = SimulatedObjects(), tmp_path / "own"
    own.mkdir()

    def pull(source: Disk) -> int:
        disk = BucketDisk(objects, key, witness.verifier, until=lambda: NOW + timedelta(days=9))
        disk.put(KEY_FILE, f"{key}\n".encode())
        try:
            one = Replica(disk, Disk(LocalFiles(own)), key, witness)
            return one.pull(source, NoKeys(), now=NOW).checkpoint.size
        finally:
            disk.close()

    assert pull(Disk(LocalFiles(vault_folder()))) == SIGNED
    sealed(WHOLE - SIGNED)
    bare, last = dict(objects.versions), (own / LAST).read_bytes()
    assert pull(Disk(LocalFiles(vault_folder()))) == WHOLE
    newest = [name for name in objects.versions if name not in bare and "checkpoint" in name]
    for name in newest:  # as if it had ended before it countersigned
        del objects.versions[name]
    (own / LAST).write_bytes(last)

    reader = BucketVault(objects, key)
    moment = VaultMoment(reader)
    assert verify_vault(moment, key).checkpoint.size == SIGNED
    found = read_beyond(moment, SIGNED, keys.ring)
    assert found.size == WHOLE
    target = tmp_path / "target"
    target.mkdir()
    copy_vault(moment, Disk(LocalFiles(target)), key)
    finish_vault(Disk(LocalFiles(target)), found, (), keys, key)
    reader.close()
    assert pull(Disk(LocalFiles(target))) == WHOLE


def test_a_home_that_lost_its_database_alone_is_restored_where_it_lies(
    sqlite_database: Database, tmp_path: Path
) -> None:
    vault, home = killed_before_the_leaves(tmp_path), tmp_path / "home"
    shutil.copytree(vault, home / "vault")
    shutil.copytree(keys_folder(), home / "keys")
    place = ("--from", home / "vault", "--into", home, "--json")
    found = answer(tourniquet(sqlite_database, "record", "restore", *place))
    assert (found["position"], found["beyond"]) == (WHOLE, WHOLE - SIGNED)
    told = answer(tourniquet(Database("sqlite", "", home), "record", "seal", "--json"))
    assert (told["position"], told["sealed"]) == (WHOLE, 0)


def test_a_replicas_vault_in_the_midst_of_a_pull_is_not_gone_on_with_where_it_lies(
    sqlite_database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replica_module, "LEAVES_AT_ONCE", 256)
    vault, home = left_by_its_source(tmp_path), tmp_path / "home"
    shutil.copytree(vault, home / "vault")
    shutil.copytree(keys_folder(), home / "keys")
    place = ("--from", home / "vault", "--into", home)
    result = tourniquet(sqlite_database, "record", "restore", *place)
    assert result.returncode == 1
    assert b"can't be gone on with where it lies" in result.stderr
    found = answer(
        tourniquet(sqlite_database, "record", "restore", *place[:3], tmp_path / "new", "--json")
    )
    assert found["position"] == whole_of(left_by_its_source)


def test_a_vault_that_grows_is_restored_as_it_was_verified(
    sqlite_database: Database, tmp_path: Path
) -> None:
    """The drill with a replica that still follows: what is copied is what was restored."""
    vault, new = sealed(250), tmp_path / "new"
    words = ("record", "restore", "--from", vault, "--into", new, "--keys", keys_folder(), "--json")
    with subprocess.Popen(
        [sys.executable, "-m", "tourniquet.cli.main", *map(str, words)],
        env={**os.environ, **sqlite_database.environment()},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        while process.poll() is None:
            sealed(7)
        assert process.stdout is not None
        assert process.stderr is not None
        told, wrong = process.stdout.read(), process.stderr.read()
    assert process.returncode == 0, wrong
    found = json.loads(told)
    copied = verify_vault(Disk(LocalFiles(new / "vault")), open_keys(new / "keys").signer.verifier)
    assert (copied.checkpoint.size, copied.beyond) == (found["position"], [])
    assert 250 <= found["position"] < read_head().position
    again = answer(tourniquet(Database("sqlite", "", new), "record", "seal", "--json"))
    assert (again["position"], again["sealed"]) == (found["position"], 0)
