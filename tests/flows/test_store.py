"""A replica in object storage on a server that we did not write; verify, restore, prove from it."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.flows.test_cli_record import NHS, answer, tourniquet
from tests.flows.test_replica_served import send, token_of
from tests.support.database import Database
from tests.support.mllp import person, report
from tests.support.object_store import ObjectStore, object_store
from tests.support.serving import following, serving, until

pytestmark = pytest.mark.no_cover
HOLES = {
    "delete it",
    "shorten its lock",
    "turn its lock into GOVERNANCE",
    "take its lock away",
    "suspend the bucket's versions",
    "give the bucket a rule that deletes",
}
"""What moto lets anybody do. It is a tool for tests, and says so."""


@pytest.fixture(scope="module")
def store() -> Iterator[ObjectStore]:
    with object_store() as found:
        yield found


@pytest.fixture(autouse=True)
def _settings(store: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in store.environment().items():
        monkeypatch.setenv(name, value)


def filled(database: Database, count: int, start: int = 0) -> None:
    """Take some messages and seal them."""
    some = [
        report(f"R{number}", NHS, f"F{number}") if number else person("A", NHS)
        for number in range(start, start + count)
    ]
    framed = b"".join(b"\x0b" + one + b"\x1c\r" for one in some)
    answer(tourniquet(database, "intake", "-", "--json", stdin=framed))
    assert tourniquet(database, "record", "seal").returncode == 0


def pull(
    database: Database, target: str, own: Path, *more: str | Path, status: int = 0
) -> dict[str, object]:
    """Pull once; what is said."""
    told = tourniquet(
        database,
        *("record", "replica", "--from", database.home / "vault", "--to", target, "--own", own),
        *("--key", database.home / "vault.vkey", "--json", *more),
    )
    if status:
        assert told.returncode == status
        return {"error": told.stderr.decode()}
    return answer(told)


def test_a_vault_goes_into_the_bucket_and_comes_back(
    database: Database, store: ObjectStore, tmp_path: Path
) -> None:
    bucket, keys_bucket = store.make_bucket(), store.make_bucket()
    target, own = f"s3://{bucket}/site", tmp_path / "own"
    own.mkdir()
    key = database.home / "vault.vkey"
    # 1. Two pulls; the second adds only what is new.
    filled(database, 3)
    first = pull(database, target, own, "--keys-to", f"s3://{keys_bucket}/site")
    filled(database, 2, start=3)
    second = pull(database, target, own, "--keys-to", f"s3://{keys_bucket}/site")
    assert second["pulled"] == int(str(second["position"])) - int(str(first["position"]))
    again = pull(database, target, own, "--keys-to", f"s3://{keys_bucket}/site")
    assert (again["pulled"], again["position"]) == (0, second["position"])
    # 2. Anybody reads it back.
    verify = ("record", "verify", "--vault", target, "--json")
    found = answer(tourniquet(database, *verify, "--key", key))
    assert (found["position"], found["beyond"]) == (second["position"], [])
    assert answer(tourniquet(database, *verify))["key_pinned"] is False
    pieces = ("record", "verify", "--vault", f"{target}?pieces", "--json")
    assert answer(tourniquet(database, *pieces))["body_bytes"] == found["body_bytes"]
    # 3. It is restored without the vault's folder.
    shutil.move(database.home / "vault", tmp_path / "lost")
    told = tourniquet(
        database,
        *("record", "restore", "--from", target, "--keys", database.home / "keys", "--key", key),
        *("--into", tmp_path / "new", "--json"),
    )
    assert answer(told)["position"] == second["position"]
    # 4. And a bundle for an outsider is made from it.
    told = tourniquet(
        database,
        *("record", "prove", "--vault", target, "--positions", "1-2", "--headers-only", "--json"),
        *("--key", key, "--out", tmp_path / "bundle.json"),
    )
    assert answer(told)["checkpoint"] == second["position"]
    # 5. The keys came along, and make a ring again.
    listed = store.client(store.replica).list_object_versions(Bucket=keys_bucket, Prefix="site/")
    assert len(listed["Versions"]) >= 2
    told = tourniquet(
        database,
        *("record", "keys", "fetch", "--from", f"s3://{keys_bucket}/site"),
        *("--to", tmp_path / "ring.sqlite3", "--json"),
    )
    assert answer(told)["keys"] == len(listed["Versions"])


def test_what_is_put_is_locked_and_nothing_has_two_versions(
    sqlite_database: Database, store: ObjectStore, tmp_path: Path
) -> None:
    bucket = store.make_bucket()
    (tmp_path / "own").mkdir()
    filled(sqlite_database, 2)
    pull(sqlite_database, f"s3://{bucket}", tmp_path / "own")
    client = store.client(store.replica)
    rows = client.list_object_versions(Bucket=bucket)["Versions"]
    names = [row["Key"] for row in rows]
    assert len(names) >= 5
    if store.name == "moto":  # keeps the condition; where it is ignored, the first version counts
        assert sorted(set(names)) == sorted(names)
    for row in rows:
        head = client.head_object(Bucket=bucket, Key=row["Key"], VersionId=row["VersionId"])
        assert head["ObjectLockMode"] == "COMPLIANCE"


def test_killed_in_the_middle_it_goes_on_without_a_gap(
    sqlite_database: Database, store: ObjectStore, tmp_path: Path
) -> None:
    bucket, own = store.make_bucket(), tmp_path / "own"
    own.mkdir()
    filled(sqlite_database, 2)
    pull(sqlite_database, f"s3://{bucket}/p", own)
    for turn in range(4):
        filled(sqlite_database, 1, start=2 + turn)
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "tourniquet.cli.main", "record", "replica"),
                *("--from", str(sqlite_database.home / "vault"), "--own", str(own)),
                *("--to", f"s3://{bucket}/p"),
            ],
            env={**os.environ, **sqlite_database.environment()},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        time.sleep(0.6 + 0.15 * turn)  # somewhere from its first call to its last
        process.send_signal(signal.SIGKILL)
        process.wait()
    last = pull(sqlite_database, f"s3://{bucket}/p", own)
    verify = ("record", "verify", "--vault", f"s3://{bucket}/p", "--json")
    assert answer(tourniquet(sqlite_database, *verify))["position"] == last["position"]


def test_the_doctor_names_every_hole_of_moto(
    sqlite_database: Database, store: ObjectStore, tmp_path: Path
) -> None:
    if store.name != "moto":
        pytest.skip("another store")
    doctor = ("record", "doctor", "--store", f"s3://{store.make_bucket()}/p", "--json")
    found = answer(tourniquet(sqlite_database, *doctor, "--whose", "replica"), 1)
    assert found["passed"] is False
    failed = {one["probe"] for one in found["findings"] if not one["passed"]}
    assert failed == HOLES
    lost = [one["probe"] for one in found["findings"] if "LOST" in one["note"]]
    assert "shorten its lock" in lost
    # The same key is production's here: it can do what it should not.
    found = answer(tourniquet(sqlite_database, *doctor), 1)
    failed = {one["probe"] for one in found["findings"] if not one["passed"]}
    assert failed > HOLES | {"lock an object", "read the object", "list the bucket"}


def test_the_doctor_passes_a_store_that_keeps_its_locks(
    sqlite_database: Database, store: ObjectStore, tmp_path: Path
) -> None:
    if store.name == "moto":
        pytest.skip("moto keeps none; make test-store has one that does")
    bucket = store.make_bucket()
    doctor = ("record", "doctor", "--store", f"s3://{bucket}/p", "--json")
    replica = store.credential_file(tmp_path, store.replica)
    production = store.credential_file(tmp_path, store.production)
    owner = store.credential_file(tmp_path, store.owner)
    found = answer(
        tourniquet(
            sqlite_database, *doctor, "--credentials", production, "--replica-credentials", replica
        )
    )
    assert found["passed"] is True
    assert len(found["findings"]) > 14
    found = answer(
        tourniquet(sqlite_database, *doctor, "--credentials", replica, "--whose", "replica")
    )
    assert found["passed"] is True
    # The owner of the bucket may change its rules, and still can't take what is locked.
    found = answer(
        tourniquet(sqlite_database, *doctor, "--credentials", owner, "--whose", "replica"), 1
    )
    failed = [one for one in found["findings"] if not one["passed"]]
    assert {one["probe"] for one in failed} <= {
        "delete it",
        "take the bucket's own lock rule away",
        "give the bucket a rule that deletes",
    }
    assert not any("LOST" in one["note"] for one in failed)
    # Alone, production's credential shows nothing that could be read back.
    found = answer(tourniquet(sqlite_database, *doctor, "--credentials", production), 1)
    assert "--replica-credentials" in found["findings"][0]["note"]


def test_a_wrong_place_is_one_line(
    sqlite_database: Database,
    store: ObjectStore,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    own = tmp_path / "own"
    own.mkdir()
    filled(sqlite_database, 1)

    def refused(target: str, *more: str) -> str:
        error = str(pull(sqlite_database, target, own, *more, status=1)["error"])
        assert error.count("\n") == 1, error
        return error

    assert "NoSuchBucket" in refused("s3://no-such-bucket-here/p")
    assert "object lock" in refused(f"s3://{store.make_bucket(lock=False)}/p")
    assert "does not name a place" in refused("s3://Not_A_Bucket/p")
    bucket = store.make_bucket()
    assert "share a place" in refused(f"s3://{bucket}/p", "--keys-to", f"s3://{bucket}/p")
    monkeypatch.setenv("TOURNIQUET_STORE_RETENTION_DAYS", "1")
    assert "TOURNIQUET_STORE_RETENTION_DAYS" in refused(f"s3://{bucket}/p")
    monkeypatch.setenv("TOURNIQUET_STORE_RETENTION_DAYS", "2")
    monkeypatch.setenv("TOURNIQUET_STORE_ENDPOINT", "http://storage.example")
    assert "in the clear" in refused(f"s3://{bucket}/p")
    monkeypatch.setenv("TOURNIQUET_STORE_ENDPOINT", "http://127.0.0.1:9")
    assert "does not answer" in refused(f"s3://{bucket}/p")
    monkeypatch.setenv("TOURNIQUET_STORE_SECRET_KEY", "")
    assert "One half" in refused(f"s3://{bucket}/p")
    told = tourniquet(
        sqlite_database,
        *("record", "replica", "--from", sqlite_database.home / "vault", "--to", "s3://a-bucket"),
    )
    assert told.returncode == 1
    assert b"--own" in told.stderr


def test_a_server_is_followed_into_the_bucket_and_told(
    sqlite_database: Database, store: ObjectStore, tmp_path: Path
) -> None:
    bucket, own = store.make_bucket(), tmp_path / "own"
    own.mkdir()
    target, key = f"s3://{bucket}/p", sqlite_database.home / "vault.vkey"
    with serving(sqlite_database) as served:
        assert send(served, person("A", NHS), report("R1", NHS, "F1")) == ["AA", "AA"]
        (own / "token").write_text(token_of(sqlite_database, "copier", "replica"))
        until(key.exists)
        command = ("record", "replica", "--from", served.url, "--to", target, "--own", own)
        answer(tourniquet(sqlite_database, *command, "--key", key, "--json"))
    witness = (own / "witness.vkey").read_text().strip()
    with (
        serving(sqlite_database, TOURNIQUET_WITNESS_KEY=witness) as served,
        following(served.url, target, "--own", str(own), "--every", "0.2") as replica,
    ):
        send(served, report("R2", NHS, "F2"), report("R3", NHS, "F3"))
        until(lambda: served.metric("tourniquet_unprotected_entries") == 0)
        head = int(served.metric("tourniquet_journal_position") or 0)
        replica.send_signal(signal.SIGTERM)
        assert replica.wait(30) == 0
    verify = ("record", "verify", "--vault", target, "--key", key, "--json")
    assert answer(tourniquet(sqlite_database, *verify))["position"] >= head


def test_the_doctor_looks_at_production(
    sqlite_database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    filled(sqlite_database, 1)
    found = answer(tourniquet(sqlite_database, "record", "doctor", "--json"), 1)
    failed = {one["probe"]: one["answer"] for one in found["findings"] if not one["passed"]}
    assert failed == {
        "holds no credential of object storage": "TOURNIQUET_STORE_ACCESS_KEY",
        "a witness is pinned": "none",
        "the witness was heard": "never",
    }
    told = tourniquet(sqlite_database, "record", "doctor")
    assert told.returncode == 1
    assert told.stdout.count(b"FAIL ") == 3
    assert b"testsecret" not in told.stdout + told.stderr
