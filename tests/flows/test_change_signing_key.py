"""The key that signs the log is changed, on both databases, and everybody who reads goes on."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sigstore._internal.rekor.checkpoint import LogCheckpoint, SignedNote

import tourniquet_verify
from tests.flows.test_cli_keys import HOLDERS, words_on
from tests.flows.test_cli_record import NHS, answer, tourniquet
from tests.flows.test_cli_vault import take
from tests.flows.test_replica_served import begun, send
from tests.flows.test_seal import alarm, append
from tests.support.console import NOW
from tests.support.database import Database
from tests.support.mllp import person, report
from tests.support.sealing import seal
from tests.support.serving import serving, until
from tourniquet.flows.change_signing_key import Person, change_signing_key
from tourniquet.flows.manage_accounts import add_account
from tourniquet.kernel.errors import IntegrityError, PermissionRefused, UserError
from tourniquet.record.disk import Disk, LocalFiles
from tourniquet.record.entries import SigningKeyChanged
from tourniquet.record.key_list import read_key_list, read_steps
from tourniquet.record.keys import LOG_FILE, make_signer, open_keys, read_signer, rebuild_keys
from tourniquet.record.log import CHECKPOINT, read_signed
from tourniquet.record.models import JournalEntry
from tourniquet.record.notes import LOG_KEY, VerifierKey, parse_verifier_key
from tourniquet.record.ring import KeyRing
from tourniquet.record.sealer import find_sealed, keys_folder, vault_folder
from tourniquet.record.vault import KEY_FILE
from tourniquet.record.verification import verify_vault

PASSWORDS = {"ann": "the first one's words", "bob": "the other one's words"}
PEOPLE = [Person(name, word) for name, word in PASSWORDS.items()]
BOTH = ("--by", "ann", "--second", "bob", "--reason", "Yearly change.")
TYPED = "\n".join(PASSWORDS.values()).encode() + b"\n"


@pytest.fixture
def people(database: Database) -> None:
    """Two who may administer."""
    add_people()


def add_people() -> None:
    for name, word in PASSWORDS.items():
        add_account(
            name=name, role="administrator", organisation=None, password=word, actor="tester"
        )


def vault() -> Disk:
    return Disk(LocalFiles(vault_folder()))


def first_key() -> VerifierKey:
    keys = read_key_list(vault(), read_signer(keys_folder()).verifier)
    return keys.keys[0]


@pytest.mark.usefixtures("people")
def test_a_changed_key_signs_from_its_entry_on(database: Database) -> None:
    append(alarm("one"))
    seal()
    pinned = first_key()
    append(alarm("two"))
    found = change_signing_key(PEOPLE, reason="Yearly change.", now=NOW)
    append(alarm("three"))
    with pytest.raises(UserError, match="last change of the key is not sealed"):
        change_signing_key(PEOPLE, reason="Again.", now=NOW)
    assert found.former == pinned == read_signer(keys_folder()).verifier
    seal()
    assert read_signer(keys_folder()).verifier == found.new
    (step,) = read_steps(vault())
    assert (step.size, step.former, step.new) == (found.position - 1, pinned, found.new)
    checkpoint, note, keys = read_signed(vault(), pinned)
    assert [one.key_id for one in note.signatures] == [pinned.key_id, found.new.key_id]
    assert checkpoint.size == found.position + 1
    assert (database.home / KEY_FILE).read_text() == f"{pinned}\n"
    entry = JournalEntry.objects.get(position=found.position)
    assert entry.actor == "ann"
    assert json.loads(bytes(entry.body or b""))["second"] == "bob"
    # Later ones by the new key alone, and a second change leads on from the first.
    append(alarm("four"))
    seal()
    assert len(read_signed(vault(), pinned)[1].signatures) == 1
    again = change_signing_key(PEOPLE, reason="Once more.", now=NOW)
    seal()
    assert again.former == found.new
    keys = read_key_list(vault(), pinned)
    assert keys.keys == (pinned, found.new, again.new)
    for key in keys.keys:
        assert verify_vault(vault(), key).beyond == []
    assert find_sealed() == read_signed(vault(), again.new)[0]


@pytest.mark.usefixtures("people")
def test_sigstore_takes_the_checkpoint_that_both_keys_signed(database: Database) -> None:
    append(alarm("one"))
    seal()
    change_signing_key(PEOPLE, reason="Yearly change.", now=NOW)
    seal()
    text = (database.home / "vault" / CHECKPOINT).read_text()
    note = SignedNote.from_text(text)
    assert len(note.signatures) == 2
    assert len({one.sig_hash for one in note.signatures}) == 2
    found = LogCheckpoint.from_text(text.split("\n\n")[0] + "\n")
    sealed = find_sealed()
    assert sealed is not None
    assert (found.log_size, found.log_hash) == (sealed.size, sealed.root.hex())


@pytest.mark.usefixtures("people")
def test_a_change_that_stops_anywhere_is_finished(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before the list, behind it, behind the checkpoint: the next sealer goes on."""
    from tourniquet.record import sealer
    from tourniquet.record.log import Log

    append(alarm("one"))
    seal()
    pinned = first_key()

    class Stopped(BaseException):
        pass

    def stop(*_: object) -> None:
        raise Stopped

    places = [(Log, "change_key"), (Log, "conclude"), (sealer, "keep_signer"), (Log, "_sign")]
    for number, (where, name) in enumerate(places, 1):
        found = change_signing_key(PEOPLE, reason=f"Change {number}.", now=NOW)
        append(alarm(f"more {number}"))
        with monkeypatch.context() as patched:
            patched.setattr(where, name, stop)
            with pytest.raises(Stopped):
                seal()
        sealed = seal()
        assert sealed == (2 if name == "change_key" else 0), name  # opening finished the others
        assert read_signer(keys_folder()).verifier == found.new
        assert len(read_steps(vault())) == number
        checkpoint, note, _ = read_signed(vault(), pinned)
        assert checkpoint.size == found.position + 1
        assert {one.key_id for one in note.signatures} == {found.former.key_id, found.new.key_id}
    assert verify_vault(vault(), pinned).beyond == []


@pytest.mark.usefixtures("people")
def test_an_unfinished_request_uses_the_key_that_was_made(database: Database) -> None:
    append(alarm("one"))
    seal()
    keys = open_keys(keys_folder())
    seed = keys.ring.provide_log_seed(1, now=NOW)  # and the process was killed
    assert keys.ring.provide_log_seed(1, now=NOW) == seed
    keys.ring.close()
    found = change_signing_key(PEOPLE, reason="Yearly change.", now=NOW)
    seal()
    assert read_signer(keys_folder()).private.private_bytes_raw() == seed
    assert read_signer(keys_folder()).verifier == found.new


@pytest.mark.usefixtures("people")
def test_a_lost_folder_is_made_again_with_the_newest_key(
    database: Database, tmp_path: Path
) -> None:
    append(alarm("one"))
    seal()
    pinned = first_key()
    found = change_signing_key(PEOPLE, reason="Yearly change.", now=NOW)
    lost = keys_folder().rename(tmp_path / "before")
    root = open_keys(lost).root
    # Journalled and not sealed: the newest key of the ring does not sign yet.
    keys = rebuild_keys(keys_folder(), lost / "ring.sqlite3", root, pinned)
    assert keys.signer.verifier == found.new
    keys.ring.close()
    append(alarm("two"))
    assert seal() == 2
    shutil.rmtree(keys_folder())
    for key in (pinned, found.new):
        keys = rebuild_keys(keys_folder(), lost / "ring.sqlite3", root, key)
        assert keys.signer.verifier == found.new
        keys.ring.close()
        shutil.rmtree(keys_folder())
    shutil.copytree(lost, keys_folder())  # with the former key's file
    append(alarm("three"))
    assert seal() == 1
    assert verify_vault(vault(), pinned).beyond == []
    assert read_signer(keys_folder()).verifier == found.new


def test_an_entry_that_names_a_foreign_key_stops_the_sealer(database: Database) -> None:
    append(alarm("one"))
    seal()
    pinned = first_key()
    foreign = make_signer("x", LOG_KEY).verifier
    foreign = VerifierKey(pinned.name, LOG_KEY, foreign.public)
    last = append((None, SigningKeyChanged(former=str(pinned), new=str(foreign), reason="Mine.")))
    with pytest.raises(IntegrityError, match="not in the ring") as caught:
        seal()
    assert caught.value.where == f"position {last}"
    assert read_steps(vault()) == ()
    assert verify_vault(vault(), pinned).checkpoint.size == last - 1


def test_who_may_change_it(database: Database) -> None:
    with pytest.raises(UserError, match="Name or password"):
        change_signing_key(PEOPLE, reason="x", now=NOW)
    add_account(
        name="ann",
        role="administrator",
        organisation=None,
        password=PASSWORDS["ann"],
        actor="tester",
    )
    with pytest.raises(UserError, match="Nothing is sealed"):
        change_signing_key(PEOPLE[:1], reason="x", now=NOW)
    seal()
    change_signing_key(PEOPLE[:1], reason="One alone administers.", now=NOW)
    seal()
    add_account(
        name="bob", role="laboratory", organisation=None, password=PASSWORDS["bob"], actor="tester"
    )
    with pytest.raises(PermissionRefused):
        change_signing_key(PEOPLE, reason="x", now=NOW)
    add_account(
        name="bob",
        role="administrator",
        organisation=None,
        password=PASSWORDS["bob"],
        actor="tester",
    )
    for people, reason, match in (
        (PEOPLE[:1], "x", "by two people; 2 accounts may"),
        ([PEOPLE[0], PEOPLE[0]], "x", "two different people"),
        ([PEOPLE[0], Person("bob", "wrong")], "x", "Name or password"),
        (PEOPLE, " ", "A reason has"),
        (PEOPLE, "x" * 501, "A reason has"),
    ):
        with pytest.raises(UserError, match=match):
            change_signing_key(people, reason=reason, now=NOW)
    assert JournalEntry.objects.filter(kind="signing_key.changed").count() == 1


# As people type it --------------------------------------------------------------------------------


def checked(home: Path, *options: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-I", tourniquet_verify.__file__, *map(str, options)]
    return subprocess.run(
        command, cwd=home, capture_output=True, text=True, timeout=60, check=False
    )


@pytest.mark.usefixtures("people")
def test_a_server_a_replica_an_outsider_and_a_restore_follow(
    database: Database, tmp_path: Path
) -> None:
    take(database, tmp_path, 1)
    answer(tourniquet(database, "record", "seal", "--json"))
    pinned = tmp_path / "pinned.vkey"
    shutil.copy(database.home / "vault.vkey", pinned)
    replica = tmp_path / "replica"
    pull = ("record", "replica", "--from", database.home / "vault", "--to", replica)
    answer(tourniquet(database, *pull, "--key", pinned, "--json"))
    before = tmp_path / "before"
    shutil.copy(replica / "vault/checkpoint", before)
    done = tourniquet(database, "record", "keys", "rotate", *BOTH, stdin=TYPED)
    assert done.returncode == 0, done.stderr
    assert b"the keys that were pinned lead to it" in done.stdout
    take(database, tmp_path, 2)
    size = answer(tourniquet(database, "record", "seal", "--json"))["position"]
    assert answer(tourniquet(database, *pull, "--json"))["position"] == size
    told = ("record", "verify", "--vault", replica / "vault", "--key", pinned, "--since", before)
    assert answer(tourniquet(database, *told, "--json"))["beyond"] == []

    bundle = tmp_path / "bundle.json"
    prove = ("record", "prove", "--positions", f"1-{size}", "--before", before)
    where = ("--why", "A test.", "--vault", replica / "vault", "--key", pinned)
    done = tourniquet(database, *prove, *where, "--out", bundle)
    assert done.returncode == 0, done.stderr
    keys = ("--log-key", pinned, "--witness-key", replica / "witness.vkey")
    held = checked(tmp_path, bundle, *keys)
    assert (held.returncode, held.stderr) == (0, ""), held.stdout
    assert "Everything in the bundle holds." in held.stdout
    spoilt = json.loads(bundle.read_text())
    assert len(spoilt.pop("keys")) == 1
    bundle.write_text(json.dumps(spoilt))
    assert checked(tmp_path, bundle, *keys).returncode == 0, "both keys signed this checkpoint"
    take(database, tmp_path, 3)
    answer(tourniquet(database, "record", "seal", "--json"))
    answer(tourniquet(database, *pull, "--json"))
    assert tourniquet(database, *prove, *where, "--compare", "--out", bundle).returncode == 0
    assert checked(tmp_path, bundle, *keys).returncode == 0
    spoilt = json.loads(bundle.read_text())
    spoilt.pop("keys")
    bundle.write_text(json.dumps(spoilt))
    assert "is not signed once by" in checked(tmp_path, bundle, *keys).stdout

    into = tmp_path / "restored"
    restore = ("record", "restore", "--from", replica / "vault", "--keys", database.home / "keys")
    done = tourniquet(database, *restore, "--key", pinned, "--into", into)
    assert done.returncode == 0, done.stderr
    again = answer(tourniquet(database, "record", "verify", "--home", into, "--json"))
    assert again["beyond"] == []


def test_a_server_changes_its_key_while_it_serves_and_is_witnessed(
    database: Database, tmp_path: Path
) -> None:
    add_people()
    with serving(database) as served:
        send(served, person("A", NHS))
        target = begun(database, served, tmp_path)
    pinned = first_key_of(database)
    witness = (target / "witness.vkey").read_text().strip()
    with serving(database, TOURNIQUET_WITNESS_KEY=witness) as served:
        pull = ("record", "replica", "--from", served.url, "--to", target, "--json")
        done = tourniquet(database, "record", "keys", "rotate", *BOTH, "--json", stdin=TYPED)
        position = answer(done)["position"]
        until(lambda: len(_steps(database)) == 1)
        assert answer(tourniquet(database, *pull))["position"] >= position
        send(served, report("R1", NHS, "F1"))
        until(lambda: (served.metric("tourniquet_unprotected_entries") or 0) > 0)
        until(lambda: _sealed(database) > position)
        assert answer(tourniquet(database, *pull))["position"] > position
        until(lambda: served.metric("tourniquet_unprotected_entries") == 0)
        assert served.metric("tourniquet_witness_fits") == 1
    assert (target / "log.vkey").read_text() == f"{pinned}\n"
    for folder in (target / "vault", database.home / "vault"):
        found = verify_vault(Disk(LocalFiles(folder)), pinned)
        assert (len(read_steps(Disk(LocalFiles(folder)))), found.beyond) == (1, [])


def first_key_of(database: Database) -> VerifierKey:
    return parse_verifier_key((database.home / "vault.vkey").read_text())


def _sealed(database: Database) -> int:
    size: int = answer(tourniquet(database, "record", "status", "--json"))["sealed"]
    return size


@pytest.mark.usefixtures("people")
def test_a_lost_key_takes_two_holders_and_a_new_pin(database: Database, tmp_path: Path) -> None:
    take(database, tmp_path, 1)
    answer(tourniquet(database, "record", "seal", "--json"))
    pinned = tmp_path / "pinned.vkey"
    shutil.copy(database.home / "vault.vkey", pinned)
    replica = tmp_path / "replica"
    pull = ("record", "replica", "--from", database.home / "vault", "--to", replica)
    answer(tourniquet(database, *pull, "--key", pinned, "--json"))
    out = tmp_path / "sheets"
    made = answer(
        tourniquet(database, "record", "keys", "shares", "--out", out, *HOLDERS, "--json")
    )
    words = [words_on(Path(file)).encode() for file in made["files"]]
    keys = database.home / "keys"
    ring = KeyRing(keys / "ring.sqlite3", open_keys(keys).root)
    ring.erase(ring._label(b"log\0"), now=datetime.now(UTC))
    ring.close()
    (keys / LOG_FILE).unlink()
    rotate = ("record", "keys", "rotate", *BOTH, "--old-key-lost")
    alone = tourniquet(database, *rotate, stdin=TYPED + words[0] + b"\n")
    assert alone.returncode == 1
    done = tourniquet(database, *rotate, "--json", stdin=TYPED + words[0] + b"\n" + words[2])
    new = answer(done)["new"]
    assert tourniquet(database, *rotate, stdin=TYPED + words[0] + b"\n" + words[2]).returncode == 1
    take(database, tmp_path, 2)
    size = answer(tourniquet(database, "record", "seal", "--json"))["position"]
    assert (database.home / "vault.vkey").read_text() == f"{new}\n"
    told = ("record", "verify", "--vault", database.home / "vault")
    assert answer(tourniquet(database, *told, "--json"))["position"] == size
    refused = tourniquet(database, *told, "--key", pinned)
    assert refused.returncode == 1
    assert b"without the former key" in refused.stderr
    assert b"pin it by hand" in tourniquet(database, *pull).stderr
    by_hand = tmp_path / "new.vkey"
    by_hand.write_text(new + "\n")
    assert b"--pin-again" in tourniquet(database, *pull, "--key", by_hand).stderr
    again = tourniquet(database, *pull, "--key", by_hand, "--pin-again", "--json")
    assert answer(again)["position"] == size
    assert answer(tourniquet(database, *pull, "--json"))["position"] == size
    # The next change is an ordinary one again.
    assert tourniquet(database, "record", "keys", "rotate", *BOTH, stdin=TYPED).returncode == 0
    answer(tourniquet(database, "record", "seal", "--json"))
    assert answer(tourniquet(database, *pull, "--json"))["position"] == size + 1


def test_a_sealer_that_is_killed_while_the_key_changes_goes_on(
    sqlite_database: Database, tmp_path: Path
) -> None:
    database = sqlite_database
    add_people()
    take(database, tmp_path, 1)
    answer(tourniquet(database, "record", "seal", "--json"))
    pinned = tmp_path / "pinned.vkey"
    shutil.copy(database.home / "vault.vkey", pinned)
    verify = ("record", "verify", "--key", pinned, "--json")
    for number in range(5):
        assert tourniquet(database, "record", "keys", "rotate", *BOTH, stdin=TYPED).returncode == 0
        take(database, tmp_path, 10 + number)
        with subprocess.Popen(
            [sys.executable, "-m", "tourniquet.cli.main", "record", "seal"],
            env={**os.environ, "TOURNIQUET_HOME": str(database.home)},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        ) as sealer:
            deadline = time.monotonic() + 10
            while len(_steps(database)) == number and time.monotonic() < deadline:
                time.sleep(0.0005 * (number % 4))
            sealer.send_signal(signal.SIGKILL)
        answer(tourniquet(database, *verify))
        answer(tourniquet(database, "record", "seal", "--json"))
        assert len(_steps(database)) == number + 1
        assert answer(tourniquet(database, *verify))["beyond"] == []


def _steps(database: Database) -> tuple[object, ...]:
    try:
        return read_steps(Disk(LocalFiles(database.home / "vault")))
    except IntegrityError:
        return ()
