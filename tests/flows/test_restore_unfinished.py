"""A home restored from a vault in whose midst a publication, or a pull, was cut off."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.flows.test_cli_record import answer, tourniquet
from tests.flows.test_seal import PATIENT, append, applied
from tests.support.console import NOW
from tests.support.database import Database
from tests.support.sealing import seal
from tourniquet.kernel.errors import StorageUnavailable
from tourniquet.record import replica as replica_module
from tourniquet.record.disk import Disk, LocalFiles
from tourniquet.record.journal import read_head
from tourniquet.record.keys import make_signer, open_keys
from tourniquet.record.leaves import LEAF_BYTES
from tourniquet.record.notes import WITNESS_KEY
from tourniquet.record.replica import Replica
from tourniquet.record.sealer import keys_folder, vault_folder
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
