"""When an erasure is due, by whose clock; carried out through every interruption; and its proof."""

from __future__ import annotations

import base64
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from django.db import connection

import tourniquet_verify
from tests.flows.test_cli_record import answer, tourniquet
from tests.flows.test_erasure import ALL, BEN, DUE, approved, heard
from tests.support.console import NOW, PASSWORD, seed_region
from tests.support.database import Database
from tests.support.sealing import opened, seal
from tourniquet.flows import carry_out_erasures as carrying
from tourniquet.flows.ask_erasure import approve_erasure
from tourniquet.flows.carry_out_erasures import carry_out_erasures
from tourniquet.flows.keep_cosignature import keep_cosignature
from tourniquet.flows.manage_accounts import add_account
from tourniquet.kernel.errors import OperatorError
from tourniquet.patients.models import Identifier, Patient
from tourniquet.record import destroying
from tourniquet.record.disk import Disk, LocalFiles
from tourniquet.record.emptying import Emptied, empty_patient
from tourniquet.record.erasure_rules import State, Waiting, due_at, is_due
from tourniquet.record.erasures import erasure_days, get_erasure
from tourniquet.record.journal import read_head
from tourniquet.record.keys import make_signer
from tourniquet.record.log import CHECKPOINT
from tourniquet.record.models import Erasure, JournalEntry
from tourniquet.record.notes import WITNESS_KEY, cosign, read_note
from tourniquet.record.opening import open_entry
from tourniquet.record.proof import Bundle, Shown, make_bundle, read_verified
from tourniquet.record.ring import KeyRing
from tourniquet.record.sealer import vault_folder
from tourniquet.record.strays import Stray
from tourniquet.record.verification import verify_vault

WITNESS = make_signer("witness.example", WITNESS_KEY)
WAIT = timedelta(days=14)
FAR = NOW + timedelta(days=4000)  # a clock that somebody set forward


# Whose clock --------------------------------------------------------------------------------------


def countersign(moment: datetime) -> None:
    """The witness countersigns what is sealed now, by its clock."""
    note = read_note((vault_folder() / CHECKPOINT).read_bytes())
    signed = note.with_signature(cosign(note.text, WITNESS, seconds=int(moment.timestamp())))
    keep_cosignature(str(signed).encode())


@pytest.fixture
def witnessed(database: Database, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A region whose witness is pinned."""
    people = seed_region()
    monkeypatch.setenv("TOURNIQUET_WITNESS_KEY", str(WITNESS.verifier))
    seal()
    return people


def test_both_clocks_must_have_waited(witnessed: list[str]) -> None:
    patient, *_ = witnessed
    countersign(NOW)
    erasure = approved(patient)
    assert carry_out_erasures(now=FAR).carried_out == ()  # not sealed, not seen
    seal()
    assert carry_out_erasures(now=FAR).carried_out == ()
    assert get_erasure(erasure).witnessed_at is None
    seen = NOW + timedelta(days=2)
    countersign(seen)
    assert carry_out_erasures(now=FAR).carried_out == ()
    assert get_erasure(erasure).witnessed_at == seen
    seal()
    countersign(seen + WAIT - timedelta(seconds=1))
    assert carry_out_erasures(now=FAR).carried_out == ()
    countersign(seen + WAIT)  # the witness's clock, set forward by whoever holds it
    assert carry_out_erasures(now=NOW).carried_out == ()
    assert carry_out_erasures(now=DUE - timedelta(microseconds=1)).carried_out == ()
    assert carry_out_erasures(now=DUE).carried_out == (erasure,)


def test_a_checkpoint_that_does_not_cover_the_approval_counts_for_nothing(
    witnessed: list[str],
) -> None:
    patient, *_ = witnessed
    erasure = approved(patient)
    countersign(NOW + 2 * WAIT)
    assert carry_out_erasures(now=FAR).carried_out == ()
    assert get_erasure(erasure).witnessed_at is None


def test_a_witness_s_file_that_does_not_fit_makes_nothing_due(witnessed: list[str]) -> None:
    patient, *_ = witnessed
    erasure = approved(patient)
    seal()
    countersign(NOW)
    carry_out_erasures(now=NOW)
    countersign(NOW + WAIT)
    file = vault_folder().parent / "witnessed"
    kept = file.read_bytes()
    file.write_bytes(kept.replace(b"\n", b"\n ", 1))
    assert carry_out_erasures(now=FAR).carried_out == ()
    file.unlink()
    assert carry_out_erasures(now=FAR).carried_out == ()
    file.write_bytes(kept)
    assert carry_out_erasures(now=DUE).carried_out == (erasure,)


def test_without_a_witness_this_clock_counts(database: Database) -> None:
    patient, *_ = seed_region()
    erasure = approved(patient)
    assert carry_out_erasures(now=DUE - timedelta(microseconds=1)).carried_out == ()
    assert carry_out_erasures(now=DUE).carried_out == (erasure,)


@pytest.mark.parametrize(
    ("pinned", "witnessed_days", "newest_days", "now_days", "due"),
    [
        (False, None, None, 14, True),
        (False, None, None, 13, False),
        (False, 0, 14, 13, False),  # a witness that is pinned no longer
        (True, None, None, 99, False),
        (True, None, 99, 99, False),
        (True, 3, 16, 99, False),
        (True, 3, 17, 0, False),  # the witness's clock alone
        (True, 3, 17, 13, False),
        (True, 3, 17, 14, True),
        (True, -3, 11, 14, True),  # clocks that differ
        (True, 3, None, 99, False),
    ],
)
def test_when_it_is_due(
    pinned: bool,  # noqa: FBT001 (a table)
    witnessed_days: int | None,
    newest_days: int | None,
    now_days: int,
    due: bool,  # noqa: FBT001 (a table)
) -> None:
    def day(number: int | None) -> datetime | None:
        return None if number is None else NOW + timedelta(days=number)

    waiting = Waiting(NOW, 14, pinned, day(witnessed_days), day(newest_days))
    assert is_due(waiting, now=NOW + timedelta(days=now_days)) is due
    if pinned and witnessed_days is None:
        assert due_at(waiting) is None


@pytest.mark.parametrize("text", ["0", "31", "two"])
def test_the_waiting_time_has_bounds(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("TOURNIQUET_ERASURE_DAYS", text)
    with pytest.raises(OperatorError, match="from 1 to 30"):
        erasure_days()


def test_an_erasure_keeps_the_waiting_time_that_it_was_approved_with(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    patient, *_ = seed_region()
    monkeypatch.setenv("TOURNIQUET_ERASURE_DAYS", "30")
    erasure = approved(patient)
    monkeypatch.setenv("TOURNIQUET_ERASURE_DAYS", "1")
    assert carry_out_erasures(now=DUE).carried_out == ()
    assert carry_out_erasures(now=NOW + timedelta(days=30)).carried_out == (erasure,)


# Interrupted --------------------------------------------------------------------------------------


class Killed(Exception):
    """The process ends here."""


def killed(*_: object, **__: object) -> None:
    raise Killed


def run_all() -> None:
    """What the server does every few minutes, and the sealer beside it."""
    carry_out_erasures(now=DUE)
    seal()
    carry_out_erasures(now=DUE)


def state_of(erasure: str) -> tuple[object, ...]:
    """All that must be the same, however often it was interrupted."""
    _, keys = opened()
    rows = Erasure.objects.filter(pk=erasure).values_list("state", "entries", "rows", "keys")
    return (
        *rows.get(),
        JournalEntry.objects.filter(kind="erasure.carried_out").count(),
        JournalEntry.objects.filter(kind="erasure.finished").count(),
        sorted(keys.ring.list_erased()) != [],
    )


@pytest.mark.parametrize("step", range(6))
def test_interrupted_between_any_two_steps_it_goes_on(
    database: Database, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    patient, *_ = seed_region()
    heard(patient, "A1")
    seal()
    erasure = approved(patient)
    seal()
    points: list[tuple[object, str]] = [
        (carrying, "get_erasure"),
        (carrying, "ErasureCarriedOut"),
        (carrying, "finish_erasures"),
        (KeyRing, "erase_where_held"),
        (Disk, "replace"),
        (carrying, "ErasureFinished"),
    ]
    with monkeypatch.context() as patch:
        if step == 0:  # after the emptying, inside the transaction

            def emptied_then_killed(subject: str, looked: Stray) -> Emptied:
                empty_patient(subject, looked=looked)
                raise Killed

            with pytest.raises(Killed):
                carry_out_erasures(now=DUE, empty=emptied_then_killed)
        else:
            owner, name = points[step]
            if step == 4:
                run = _replace_killed_for_the_list(patch)
            else:
                patch.setattr(owner, name, killed)
                run = run_all
            with pytest.raises(Killed):
                run()
    half = get_erasure(erasure)
    _, keys = opened()
    is_key_there = keys.ring.find_key(keys.ring.patient_id(patient)) is not None
    is_content_there = JournalEntry.objects.filter(subject=patient).exists()
    # Never is a key gone before the entry is sealed, nor content without the entry.
    assert is_content_there == (half.state == State.APPROVED)
    if not is_key_there:
        assert half.ended_position is not None
        assert opened()[0].size >= half.ended_position
    run_all()
    state = state_of(erasure)
    assert state[0] == State.FINISHED
    assert state[4:] == (1, 1, True)
    assert not Patient.objects.filter(pk=patient).exists()
    _, keys = opened()
    assert keys.ring.find_key(keys.ring.patient_id(patient)) is None
    run_all()
    assert state_of(erasure) == state


def _replace_killed_for_the_list(patch: pytest.MonkeyPatch) -> Callable[[], None]:
    real = Disk.replace

    def replace(self: Disk, path: str, content: bytes) -> None:
        if path == destroying.FILE and b'"destroyed":0' not in content:
            raise Killed
        real(self, path, content)

    patch.setattr(Disk, "replace", replace)
    return run_all


def test_killed_for_real_at_any_moment(database: Database, seed: int) -> None:
    """`record erase carry-out`, struck down with kill -9 after ever longer times."""
    patient, *_ = seed_region()
    from tourniquet.record.home import set_clock

    erasure = approved(patient)
    seal()
    set_clock(DUE)
    connection.close()  # it was the sealer's
    command = [sys.executable, "-m", "tourniquet.cli.main", "record", "erase", "carry-out"]
    environment = {**os.environ, **database.environment()}
    for tenths in range(4, 20, 2):
        process = subprocess.Popen(
            command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        time.sleep((tenths + seed % 2) / 10)
        process.send_signal(signal.SIGKILL)
        process.wait()
    found = answer(tourniquet(database, "record", "erase", "carry-out", "--json"))
    assert found["waiting_for_sealer"] == []
    assert get_erasure(erasure).state == State.FINISHED
    assert JournalEntry.objects.filter(kind="erasure.carried_out").count() == 1
    answer(tourniquet(database, "record", "verify", "--json"))


# The command line, and proofs ---------------------------------------------------------------------


def test_on_the_command_line_from_asking_to_the_end(database: Database, tmp_path: Path) -> None:
    from tourniquet.record.home import set_clock

    patient, *_ = seed_region()
    for name in ("ada", "ben"):
        add_account(
            name=name,
            role="data_protection",
            organisation=None,
            password=PASSWORD,
            actor="test",
        )
    word = f"{PASSWORD}\n".encode()
    number = Identifier.objects.get(patient_id=patient, system="NHS").value
    ask = ("record", "erase", "ask", number, "--account", "ada", "--ground", "b")
    facts = ("--asked-for", "person", "--identity", "in_person", "--words", "By letter.")
    exempt = ("care=no", "public_health=no", "archiving=no", "legal_claims=no")
    answers = [part for one in exempt for part in ("--exempt", one)]
    seen = [part for one in ALL for part in ("--acknowledge", one)]
    wrong = tourniquet(database, *ask, *facts, *answers, *seen, stdin=b"wrong\n")
    assert wrong.returncode == 1
    assert b"account or the password is not right" in wrong.stderr
    asked = answer(tourniquet(database, *ask, *facts, *answers, *seen, "--json", stdin=word))
    erasure = asked["erasure"]
    approve = ("record", "erase", "approve", erasure, "--account")
    same = tourniquet(database, *approve, "ada", stdin=word)
    assert same.returncode == 1
    assert b"Somebody else must approve" in same.stderr
    told = answer(tourniquet(database, *approve, "ben", *seen, "--json", stdin=word))
    assert (told["state"], told["due_at"]) == ("approved", "2024-06-17T07:30:00+00:00")
    assert tourniquet(database, "record", "erase", "carry-out").stdout == b"Nothing is due.\n"
    set_clock(DUE)
    done = answer(tourniquet(database, "record", "erase", "carry-out", "--json"))
    assert done["carried_out"] == done["finished"] == [erasure]
    listed = answer(tourniquet(database, "record", "erase", "list", "--json"))["erasures"]
    assert [(one["state"], one["asked_by"], one["approved_by"]) for one in listed] == [
        ("finished", "ada", "ben")
    ]
    assert patient.encode() not in tourniquet(database, "record", "erase", "list").stdout
    answer(tourniquet(database, "record", "verify", "--json"))
    into = tmp_path / "again"
    restored = answer(
        tourniquet(
            database, "record", "restore", "--from", vault_folder(), "--into", into, "--json"
        )
    )
    assert restored["erased"] >= listed[0]["entries"]


def test_withdrawn_and_refused_on_the_command_line(database: Database) -> None:
    first, second, *_ = seed_region()
    add_account(
        name="ada", role="data_protection", organisation=None, password=PASSWORD, actor="test"
    )
    word = f"{PASSWORD}\n".encode()
    for patient, end in (
        (first, ("withdraw", "--why", "asker")),
        (second, ("refuse", "--exemption", "care")),
    ):
        erasure = approved(patient)
        command = ("record", "erase", end[0], erasure, "--account", "ada", *end[1:])
        told = answer(tourniquet(database, *command, "--json", stdin=word))
        assert told["why"] == end[2]
        again = tourniquet(database, *command, stdin=word)
        assert again.returncode == 1
        assert b"nothing can be changed any more" in again.stderr


def test_the_inclusion_of_an_erased_entry_is_proved_to_an_outsider(database: Database) -> None:
    """By `tourniquet-verify`'s own code; and the whole vault still verifies."""
    patient, *_ = seed_region()
    position = heard(patient, "A1")
    seal()
    approved(patient)
    carry_out_erasures(now=DUE)
    seal()
    reader, keys = opened()
    entry = open_entry(reader, keys.ring, position)
    assert entry.content is None
    disk = Disk(LocalFiles(vault_folder()))
    checkpoint, note, _ = read_verified(disk, keys.signer.verifier)
    shown = [
        Shown(entry, content=False),
        Shown(open_entry(reader, keys.ring, read_head().position)),
    ]
    made = json.loads(json.dumps(make_bundle(disk, Bundle(checkpoint, note, shown))))
    said: list[str] = []
    name, key_id, encoded = str(keys.signer.verifier).split("+", 2)
    key = (name, bytes.fromhex(key_id), base64.b64decode(encoded)[1:])
    tourniquet_verify.verify(made, key, None, said.append)
    assert any(str(position) in line for line in said)
    assert verify_vault(disk, keys.signer.verifier).checkpoint.size == reader.size


def test_approving_again_after_it_was_carried_out_is_refused(database: Database) -> None:
    patient, *_ = seed_region()
    erasure = approved(patient)
    carry_out_erasures(now=DUE)
    with pytest.raises(Exception, match="nothing can be changed"):
        approve_erasure(erasure, viewer=BEN, now=DUE, acknowledged=ALL)


def test_a_sweep_writes_the_tables_anew(database: Database) -> None:
    seed_region()
    found = answer(tourniquet(database, "record", "erase", "sweep", "--json"))
    assert found["rebuilt"]
    assert ("write-ahead log" in found["left"]) == (database.vendor == "postgresql")
    said = tourniquet(database, "record", "erase", "sweep").stdout
    assert b"written anew" in said
