"""A replica of a running server, over HTTP: pulled, countersigned, told, shown."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from tests.flows.test_cli_record import NHS, answer, tourniquet
from tests.support.database import Database
from tests.support.mllp import Sender, outcome, person, report
from tests.support.serving import Served, following, serving, until

pytestmark = pytest.mark.no_cover


def token_of(database: Database, name: str, role: str) -> str:
    """A new account's bearer token."""
    answer(tourniquet(database, "users", "add", name, "--role", role, "--json"))
    found: str = answer(tourniquet(database, "users", "token", name, "--json"))["token"]
    return found


def send(served: Served, *messages: bytes) -> list[str]:
    """Send messages one after the other; the codes of their answers."""
    codes = []
    with Sender(served.mllp_port) as sender:
        for one in messages:
            sender.send(one)
            codes.append(outcome(sender.answer())[0])
    return codes


def begun(database: Database, served: Served, tmp_path: Path) -> Path:
    """A replica of what is sealed so far, with its token in its folder; its log's key pinned."""
    target = tmp_path / "replica"
    target.mkdir()
    (target / "token").write_text(token_of(database, "copier", "replica") + "\n")
    until((database.home / "vault.vkey").exists)
    pull = ("record", "replica", "--from", served.url, "--to", str(target), "--json")
    found = answer(tourniquet(database, *pull, "--key", database.home / "vault.vkey"))
    assert found["keys"] >= 2
    return target


def verified(database: Database, target: Path) -> int:
    """The size of a replica whose every byte holds."""
    key = database.home / "vault.vkey"
    told = tourniquet(
        database, "record", "verify", "--vault", target / "vault", "--key", key, "--json"
    )
    found = answer(told)
    assert found["beyond"] == []
    size: int = found["position"]
    return size


def test_a_server_is_copied_and_told_what_was_countersigned(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(database) as served:
        assert send(served, person("A", NHS), report("R1", NHS, "F1")) == ["AA", "AA"]
        assert served.metric("tourniquet_unprotected_entries") is None  # no witness is pinned
        target = begun(database, served, tmp_path)
        told = tourniquet(database, "record", "replica", "--from", served.url, "--to", target)
        assert told.returncode == 0
        assert b"pins no witness" in told.stderr
    witness = (target / "witness.vkey").read_text().strip()
    with serving(database, TOURNIQUET_WITNESS_KEY=witness) as served:
        assert (served.metric("tourniquet_unprotected_entries") or 0) > 0
        with following(served.url, target) as replica:
            send(served, report("R2", NHS, "F2"), report("R3", NHS, "F3"))
            until(lambda: served.metric("tourniquet_unprotected_entries") == 0)
            head = int(served.metric("tourniquet_journal_position") or 0)
            assert served.metric("tourniquet_witnessed_position") == head
            assert served.metric("tourniquet_witness_fits") == 1
            replica.send_signal(signal.SIGTERM)
            out, err = replica.communicate(timeout=20)
        assert (replica.returncode, json.loads(out)["position"]) == (0, head), err
        send(served, report("R4", NHS, "F4"))
        until(lambda: (served.metric("tourniquet_unprotected_entries") or 0) > 0)
    assert verified(database, target) == head
    status = ("record", "status")
    assert answer(tourniquet(database, *status, "--json"))["protection"] is None
    assert b"no replica is pinned" in tourniquet(database, *status).stdout
    monkeypatch.setenv("TOURNIQUET_WITNESS_KEY", witness)
    found = answer(tourniquet(database, *status, "--json"))
    assert found["protection"]["witnessed"] == head
    waiting = found["position"] - head
    assert f"{waiting} unprotected since".encode() in tourniquet(database, *status).stdout
    (database.home / "witnessed").write_text("nonsense")
    assert b"DOES NOT FIT" in tourniquet(database, *status).stdout
    (database.home / "witnessed").unlink()
    assert b"countersigned nothing yet" in tourniquet(database, *status).stdout
    for file in ("witness.key", "token"):
        assert (target / file).exists()
    assert (target / "witness.key").stat().st_mode & 0o077 == 0


def test_only_who_may_copy_is_heard_and_no_name_leaves_the_vault(
    sqlite_database: Database, tmp_path: Path
) -> None:
    with serving(sqlite_database) as served:
        send(served, person("A", NHS))
        target = begun(sqlite_database, served, tmp_path)
        (target / "token").write_text(token_of(sqlite_database, "desk", "laboratory"))
        pull = ("record", "replica", "--from", served.url, "--to", str(target))
        refused = tourniquet(sqlite_database, *pull)
        assert (refused.returncode, refused.stdout) == (1, b"")
        assert b"does not accept the token" in refused.stderr
        (target / "token").unlink()
        assert b"no token" in tourniquet(sqlite_database, *pull).stderr
        paths = ("record", "replica", "--from", "http://pathology.example", "--to", str(target))
        (target / "token").write_text("x")
        assert b"in the clear" in tourniquet(sqlite_database, *paths).stderr


def test_a_server_whose_vault_was_put_back_is_refused(
    sqlite_database: Database, tmp_path: Path
) -> None:
    older = tmp_path / "older"
    with serving(sqlite_database) as served:
        send(served, person("A", NHS))
        target = begun(sqlite_database, served, tmp_path)
    shutil.copytree(sqlite_database.home, older)
    pull = ("record", "replica", "--to", str(target), "--from")
    with serving(sqlite_database) as served:
        send(served, report("R1", NHS, "F1"))
        size = answer(tourniquet(sqlite_database, *pull, served.url, "--json"))["position"]
        position = served.metric("tourniquet_journal_position")
        while size != position:
            size = answer(tourniquet(sqlite_database, *pull, served.url, "--json"))["position"]
    before = (target / "vault/checkpoint").read_bytes()
    with serving(Database("sqlite", "", older)) as served:
        told = tourniquet(sqlite_database, *pull, served.url)
        assert told.returncode == 1
        assert b"fewer than before" in told.stderr
        assert told.stderr.count(b"\n") == 1
    assert (target / "vault/checkpoint").read_bytes() == before
    with serving(sqlite_database) as served:
        told = tourniquet(sqlite_database, *pull, served.url)
        assert b"until a person has looked" in told.stderr


def test_two_replicas_in_one_folder_are_refused(sqlite_database: Database, tmp_path: Path) -> None:
    with serving(sqlite_database) as served:
        send(served, person("A", NHS))
        target = begun(sqlite_database, served, tmp_path)
        with following(served.url, target) as first:
            assert first.stderr is not None
            assert "following" in first.stderr.readline()
            pull = ("record", "replica", "--from", served.url, "--to", str(target))
            second: subprocess.CompletedProcess[bytes] = tourniquet(sqlite_database, *pull)
            assert second.returncode == 1
            assert b"Another process is at work here" in second.stderr


def test_what_is_acknowledged_lies_in_the_replica(database: Database, tmp_path: Path) -> None:
    with serving(database) as served:
        send(served, person("A", NHS))
        target = begun(database, served, tmp_path)
    settings = {
        "TOURNIQUET_WITNESS_KEY": (target / "witness.vkey").read_text().strip(),
        "TOURNIQUET_ACKNOWLEDGE": "replica",
        "TOURNIQUET_ACKNOWLEDGE_SECONDS": "20",
    }
    with serving(database, **settings) as served, following(served.url, target) as replica:
        for number in range(5):
            before = served.metric("tourniquet_journal_position")
            assert send(served, report(f"R{number}", NHS, f"F{number}")) == ["AA"]
            copied = int((target / "vault/checkpoint").read_text().splitlines()[1])
            assert copied > (before or 0)  # before the sender has heard AA
        assert served.metric("tourniquet_mllp_unprotected_total") == 0
        replica.kill()
        replica.wait(20)
    with serving(database, **settings | {"TOURNIQUET_ACKNOWLEDGE_SECONDS": "1"}) as served:
        codes = send(served, *(report(f"S{n}", NHS, f"G{n}") for n in range(20)))
        assert codes == ["AA"] * 20  # one wait, not twenty
        assert served.metric("tourniquet_mllp_unprotected_total") == 20
        assert (served.metric("tourniquet_unprotected_entries") or 0) >= 20
        with following(served.url, target):
            until(lambda: served.metric("tourniquet_unprotected_entries") == 0)
            assert send(served, report("T", NHS, "H")) == ["AA"]
            assert served.metric("tourniquet_mllp_unprotected_total") == 20


def test_the_level_replica_needs_a_pinned_witness(
    sqlite_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOURNIQUET_ACKNOWLEDGE", "replica")
    for key, words in (("", b"must be pinned"), ("nonsense", b"is not one")):
        monkeypatch.setenv("TOURNIQUET_WITNESS_KEY", key)
        told = tourniquet(sqlite_database, "serve", "--port", "0", "--mllp-port", "0")
        assert told.returncode == 1
        assert words in told.stderr
