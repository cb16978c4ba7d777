"""Erasures that no sealer of ours seals so, read by the sealer, a restore and the desk."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from tests.flows.test_cli_record import answer, tourniquet
from tests.flows.test_erasure import (
    DUE,
    approved,
    desk_over,
    found_by,
    heard,
    numbers_of,
)
from tests.flows.test_erasure_replica import first_about
from tests.support.console import NOW, seed_region
from tests.support.database import Database, Databases
from tests.support.forging import (
    THROWN_AWAY,
    Change,
    ask_and_approve,
    carry_out,
    forged,
    headed,
    saying,
    under,
)
from tests.support.sealing import opened, seal, target
from tourniquet.flows.carry_out_erasures import carry_out_erasures, finish_erasures
from tourniquet.kernel.errors import OperatorError
from tourniquet.patients.models import Patient
from tourniquet.record.destroying import (
    CARRIED_OUT,
    KEYS_MOST,
    UNHEEDED_KEYS_MOST,
    MalformedErasure,
    read_published,
)
from tourniquet.record.disk import Disk, LocalFiles
from tourniquet.record.entries import (
    AlarmRaised,
    MessageReceived,
    MessageReviewed,
)
from tourniquet.record.erasure_rules import State
from tourniquet.record.erasures import get_erasure
from tourniquet.record.journal import Act, writing
from tourniquet.record.keys import RING_FILE, open_keys
from tourniquet.record.models import JournalEntry
from tourniquet.record.restoring import compare, heeded_destructions, prepare_target, restore
from tourniquet.record.ring import copy_ring
from tourniquet.record.sealer import Sealer, keys_folder, vault_folder


@pytest.fixture
def people(database: Database) -> list[str]:
    found = seed_region()
    seal()
    return found


# The sealer's own reading -------------------------------------------------------------------------

MALFORMED: dict[str, Change] = {
    "another key": under(THROWN_AWAY),
    "unknown version": headed(b'"kind_version":1', b'"kind_version":9'),
    "no such position": headed(b'"position":', b'"position":1'),
    "a header that is no text": headed(b'"actor":"system"', b'"actor":"\xff"'),
    "no body": saying(b""),
    "another form": saying(b'{"erasure":1}'),
    "no text": saying(b'{"erasure":"\xff"}'),
    "about somebody": saying(
        b'{"entries":0,"erasure":"x","keys":[1],"rows":0}', subject="somebody"
    ),
    "a position of its own": saying(b'{"entries":0,"erasure":"x","keys":[999999],"rows":0}'),
    "too many": saying(
        msgspec.json.encode(
            {"erasure": "x", "entries": 0, "rows": 0, "keys": [1] * (KEYS_MOST + 1)}
        )
    ),
}
changes = pytest.mark.parametrize("change", MALFORMED.values(), ids=MALFORMED.keys())


@changes
def test_the_sealer_goes_on_behind_an_erasure_that_is_not_in_its_form(
    people: list[str], change: Change, caplog: pytest.LogCaptureFixture
) -> None:
    ask_and_approve("x")
    position = carry_out("x", [first_about(people[1])])
    with forged(CARRIED_OUT, change):
        seal()
    patient, *_ = people
    erasure = approved(patient)
    carry_out_erasures(now=DUE)
    seal()
    heard(patient, "B1")
    seal()
    ring = open_keys(keys_folder()).ring
    assert ring.find_key(ring.patient_id(patient)) is None
    assert ring.find_key(ring.patient_id(people[1])) is not None
    ring.close()
    assert finish_erasures(now=DUE).finished == (erasure,)
    assert get_erasure("x").state == State.CARRIED_OUT
    found = read_published(Disk(LocalFiles(vault_folder().parent)))
    assert found.not_heeded == [position]
    assert position not in [one.at.position for one in found.entries]
    assert f"position {position} destroys nothing" in caplog.text


def test_the_sealer_destroys_nothing_that_one_account_alone_wanted(people: list[str]) -> None:
    ask_and_approve("x", approver="ada")
    carry_out("x", [first_about(people[0])])
    seal()
    ring = open_keys(keys_folder()).ring
    assert ring.find_key(ring.patient_id(people[0])) is not None
    ring.close()
    assert finish_erasures(now=DUE).finished == ()


# A restore ----------------------------------------------------------------------------------------


@changes
def test_a_restore_passes_by_an_erasure_that_is_not_in_its_form(
    databases: Databases, database: Database, change: Change
) -> None:
    patient, *_ = seed_region()
    ask_and_approve("x")
    position = carry_out("x", [first_about(patient)])
    with forged(CARRIED_OUT, change):
        seal()
    reader, keys = opened()
    told: list[MalformedErasure] = []
    assert heeded_destructions(reader, keys.ring, malformed=told.append) == []
    assert [one.position for one in told] == [position]
    with target(databases, database, database.vendor):
        prepare_target()
        restore(reader, keys.ring, last=position - 1)
        compare(reader, last=position - 1)
        assert Patient.objects.filter(pk=patient).exists()


def test_an_ignored_erasure_is_not_even_looked_at(people: list[str]) -> None:
    ask_and_approve("x")
    carry_out("x", [1] * (KEYS_MOST + 1))
    seal()
    reader, keys = opened()
    told: list[MalformedErasure] = []
    assert heeded_destructions(reader, keys.ring, ignore=["x"], malformed=told.append) == []
    assert told == []


def test_a_header_that_does_not_open_behind_it_hinders_no_restore(people: list[str]) -> None:
    with writing(Act("system", NOW)) as journal:
        position = journal.append(AlarmRaised("a", "test", "A test."))
    with forged("alarm.raised", headed(b"{", b"")):
        seal()
    reader, keys = opened()
    told: list[MalformedErasure] = []
    assert heeded_destructions(reader, keys.ring, malformed=told.append) == []
    assert [one.position for one in told] == [position]


def test_entries_about_nobody_are_not_left_out_by_a_destruction(people: list[str]) -> None:
    """Accounts, clinics, alarms lie under the site's key: no erasure of ours takes them."""
    site = list(
        JournalEntry.objects.filter(subject__isnull=True)
        .exclude(kind__startswith="message.")
        .values_list("pk", flat=True)
    )
    assert len(site) > UNHEEDED_KEYS_MOST
    ask_and_approve("x")
    position = carry_out("x", [*site, first_about(people[0])])
    seal()
    reader, keys = opened()
    told: list[MalformedErasure] = []
    (found,) = heeded_destructions(reader, keys.ring, malformed=told.append)
    assert found.positions == frozenset()
    assert found.keys == {keys.ring.patient_id(people[0])}
    (one,) = told
    assert str(one) == (
        f"position {position}: It names {len(site)} entries about nobody that no erasure takes: "
        "they are kept."
    )


def test_entries_under_the_sites_key_count_like_keys(
    people: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Reviews that were sealed before they had keys of their own."""
    with writing(Act("tester", NOW)) as journal:
        message = journal.append(MessageReceived("LAB|X1", "C1", "d", "ORU^R01", "AR", b"MSH|"))
        reviews = [
            journal.append(MessageReviewed(message=message, note=f"Note {one}."))
            for one in range(UNHEEDED_KEYS_MOST + 1)
        ]
    with monkeypatch.context() as patch:
        patch.setattr(Sealer, "_has_own_key", lambda *_: False)
        seal()
    ask_and_approve("x")
    carry_out("x", reviews[1:])
    seal()
    reader, keys = opened()
    (found,) = heeded_destructions(reader, keys.ring)
    assert found.positions == set(reviews[1:])
    ask_and_approve("y")
    carry_out("y", reviews[:1])
    seal()
    reader, keys = opened()
    with pytest.raises(
        OperatorError, match=r"2 erasures .* name 0 keys .* 21 entries about nobody"
    ):
        heeded_destructions(reader, keys.ring)
    assert len(heeded_destructions(reader, keys.ring, heed=True)) == 2
    assert len(heeded_destructions(reader, keys.ring, ignore=["y"])) == 1


def test_the_command_restores_the_time_before_and_says_what_it_did_not_heed(
    database: Database, tmp_path: Path
) -> None:
    patient, *_ = seed_region()
    ask_and_approve("x")
    position = carry_out("x", [first_about(patient)])
    with forged(CARRIED_OUT, under(THROWN_AWAY)):
        seal()
    home = vault_folder().parent
    command = ("record", "restore", "--from", home / "vault", "--keys", keys_folder())
    done = tourniquet(
        database, *command, "--at", str(position - 1), "--into", tmp_path / "before", "--json"
    )
    assert done.returncode == 0, done.stderr
    assert answer(done)["malformed_erasures"] == [position]
    assert f"not heeded as an erasure: position {position}:".encode() in done.stderr
    report = (tmp_path / "before" / "restore-report.note").read_text()
    assert f"erasures not in their form, not heeded: 1, at position {position}\n" in report


# The desk -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "change", [one for name, one in MALFORMED.items() if name != "a header that is no text"]
)
def test_a_desk_reads_on_and_says_so(database: Database, tmp_path: Path, change: Change) -> None:
    patient, other, *_ = seed_region()
    number, others = numbers_of(patient)[0], numbers_of(other)[0]
    seal()
    older = tmp_path / "older.sqlite3"
    copy_ring(keys_folder() / RING_FILE, older)
    ask_and_approve("x")
    position = carry_out("x", [first_about(patient)])
    with forged(CARRIED_OUT, change):
        seal()
    approved(other)
    carry_out_erasures(now=DUE)
    seal()
    desk = desk_over(older, tmp_path / "desk")
    desk.follow()
    assert desk.standing.is_complete
    assert desk.standing.fault == ""
    assert f"the first at position {position}" in desk.standing.notice
    assert found_by(desk, number) == [patient]
    assert found_by(desk, others) == []


def test_a_desk_without_such_entries_says_nothing(database: Database, tmp_path: Path) -> None:
    patient, *_ = seed_region()
    approved(patient)
    carry_out_erasures(now=DUE)
    seal()
    desk = desk_over(keys_folder() / RING_FILE, tmp_path / "desk")
    desk.follow()
    assert (desk.standing.fault, desk.standing.notice) == ("", "")
