"""Erasures that can't go as they were listed: each says so, and keeps no other one waiting."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

import psycopg
import pytest
from django.db import connection

from tests.flows.test_cli_record import answer, tourniquet
from tests.flows.test_erasure import ADA, ALL, BEN, DUE, approved, numbers_of, published
from tests.flows.test_erasure_carrying import WITNESS, countersign
from tests.support import small_region
from tests.support.console import NOW, seed_region
from tests.support.database import Database
from tests.support.erasing import list_found, read_outbox
from tests.support.sealing import seal
from tourniquet.flows import carry_out_erasures as carrying
from tourniquet.flows.ask_erasure import approve_erasure, withdraw_erasure
from tourniquet.flows.carry_out_erasures import NOBODY_LEFT, carry_out_erasures
from tourniquet.flows.daily_work import erasures, morning
from tourniquet.kernel.errors import StorageUnavailable, UserError
from tourniquet.notices.models import Notice
from tourniquet.patients.models import Patient
from tourniquet.record import destroying
from tourniquet.record.emptying import Emptied, empty_patient
from tourniquet.record.entries import MessageReceived
from tourniquet.record.erasure_rules import State
from tourniquet.record.erasures import get_erasure
from tourniquet.record.journal import Act, Writer, writing
from tourniquet.record.models import Alarm, Erasure, ErasureSubject, JournalEntry
from tourniquet.record.strays import Stray

KEYS = 4  # instead of KEYS_MOST


# Too many keys ------------------------------------------------------------------------------------


def receive_strays(patient: str, count: int) -> None:
    """Messages of nobody's that carry the person, each under a key of its own."""
    number = next(one for one in numbers_of(patient) if len(one) == 10)
    with writing(Act("tester", NOW)) as journal:
        for at in range(count):
            raw = f"PID|{number}|{at}".encode()
            journal.append(MessageReceived("LAB|X1", f"C{at}", f"d{at}", "ORU^R01", "AR", raw))


def content_of(patient: str) -> int:
    return JournalEntry.objects.filter(subject=patient, body__isnull=False).count()


def test_as_many_keys_as_the_sealer_destroys_and_one_more(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (carrying, destroying):
        monkeypatch.setattr(module, "KEYS_MOST", KEYS)
    patient, other, *_ = seed_region()
    receive_strays(patient, KEYS - 1)
    receive_strays(other, KEYS)
    fits, too_many = approved(patient), approved(other)
    before = content_of(other)
    done = carry_out_erasures(now=DUE)
    assert (done.carried_out, done.held) == ((fits,), (too_many,))
    assert get_erasure(too_many).state == State.APPROVED
    assert content_of(other) == before
    assert Patient.objects.filter(pk=other).exists()
    (alarm,) = Alarm.objects.filter(kind=carrying.HELD_ALARM)
    assert f"it names {KEYS + 1} keys" in alarm.text
    assert "withdraws it" in alarm.text
    seal()  # the sealer destroys the one, and goes on
    assert published() == get_erasure(fits).ended_position
    withdraw_erasure(too_many, why="changed", viewer=ADA, now=DUE)


# Nobody is left -----------------------------------------------------------------------------------


def without_subjects() -> str:
    """An approved erasure as a database has it that was restored to a day before it went."""
    patient, *_ = seed_region()
    erasure = approved(patient)
    ErasureSubject.objects.all().delete()
    return erasure


def test_one_without_anybody_is_told_and_can_be_withdrawn(database: Database) -> None:
    erasure = without_subjects()
    done = carry_out_erasures(now=DUE)
    assert (done.carried_out, done.held, done.nobody) == ((), (), (erasure,))
    (alarm,) = Alarm.objects.filter(kind=carrying.HELD_ALARM)
    assert NOBODY_LEFT in alarm.text
    with pytest.raises(UserError, match="Nobody is left"):
        approve_erasure(erasure, viewer=BEN, now=DUE, acknowledged=ALL)
    withdraw_erasure(erasure, why="changed", viewer=ADA, now=DUE)
    assert carry_out_erasures(now=DUE).nobody == ()


def test_one_without_anybody_on_the_command_line(database: Database) -> None:
    from tourniquet.record.home import set_clock

    erasure = without_subjects()
    set_clock(DUE)
    connection.close()
    told = tourniquet(database, "record", "erase", "carry-out")
    assert told.returncode == 0
    assert f"{erasure}: HELD: nobody is left whom it is about. Withdraw it." in told.stdout.decode()
    assert b"are gone" not in told.stdout
    found = answer(tourniquet(database, "record", "erase", "carry-out", "--json"))
    assert (found["carried_out"], found["nobody_left"]) == ([], [erasure])


# Between the list and the lock --------------------------------------------------------------------


def meanwhile(patch: pytest.MonkeyPatch, act: Callable[[], object]) -> None:
    """Let somebody else act once, after the worker has read and before it has the lock."""
    left = [act]

    @contextmanager
    def writing_later(who: Act) -> Iterator[Writer]:
        if left:
            left.pop()()
        with writing(who) as journal:
            yield journal

    patch.setattr(carrying, "writing", writing_later)


def withdrawn(erasure: str) -> None:
    withdraw_erasure(erasure, why="asker", viewer=ADA, now=NOW)


def approved_again(erasure: str) -> None:
    approve_erasure(erasure, viewer=BEN, now=DUE, acknowledged=ALL)


@pytest.mark.parametrize("act", [withdrawn, approved_again])
def test_what_changed_before_the_lock_is_not_told_as_done(
    database: Database, monkeypatch: pytest.MonkeyPatch, act: Callable[[str], None]
) -> None:
    patient, *_ = seed_region()
    erasure = approved(patient)
    meanwhile(monkeypatch, lambda: act(erasure))
    done = carry_out_erasures(now=DUE)
    assert (done.carried_out, done.held, done.nobody, done.failed) == ((), (), (), ())
    assert Patient.objects.filter(pk=patient).exists()


@pytest.mark.parametrize("act", [withdrawn, approved_again])
def test_a_cosignature_counts_only_for_the_approval_that_it_covers(
    database: Database, monkeypatch: pytest.MonkeyPatch, act: Callable[[str], None]
) -> None:
    patient, *_ = seed_region()
    monkeypatch.setenv("TOURNIQUET_WITNESS_KEY", str(WITNESS.verifier))
    erasure = approved(patient)
    seal()
    countersign(NOW)
    with monkeypatch.context() as patch:
        meanwhile(patch, lambda: act(erasure))
        carry_out_erasures(now=NOW)
    assert not JournalEntry.objects.filter(kind="erasure.witnessed").exists()
    assert get_erasure(erasure).witnessed_at is None
    seal()
    countersign(NOW + timedelta(hours=1))
    carry_out_erasures(now=NOW)
    count = JournalEntry.objects.filter(kind="erasure.witnessed").count()
    assert count == (1 if act is approved_again else 0)


# One that goes wrong ------------------------------------------------------------------------------


def test_what_goes_wrong_with_one_keeps_no_other_waiting(database: Database) -> None:
    people = seed_region()[:3]
    first, bad, last = (
        approved(one, moment=NOW + timedelta(hours=at)) for at, one in enumerate(people)
    )
    moment = DUE + timedelta(days=1)

    def empty(subject: str, looked: Stray) -> Emptied:
        if subject == people[1]:
            raise StorageUnavailable("The disk is full.")
        return empty_patient(subject, looked=looked)

    done = carry_out_erasures(now=moment, empty=empty)
    assert set(done.carried_out) == {first, last}
    assert [(one.erasure, one.error.what) for one in done.failed] == [(bad, "The disk is full.")]
    assert get_erasure(bad).state == State.APPROVED
    seal()
    assert set(carry_out_erasures(now=moment, empty=empty).finished) == {first, last}
    assert carry_out_erasures(now=moment).carried_out == (bad,)


def test_the_daily_work_does_what_it_can_and_then_fails(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    patient, *_ = seed_region()
    approved(patient)
    carry_out_erasures(now=DUE)
    seal()
    monkeypatch.setenv("TOURNIQUET_WITNESS_KEY", "not a key")
    with pytest.raises(Exception, match="key"):
        erasures(DUE)
    assert Erasure.objects.get().state == State.FINISHED


# The outbox ---------------------------------------------------------------------------------------


def tell_two(database: Database) -> tuple[str, set[str], set[str], datetime]:
    """Somebody with a text and a letter in the outbox, and somebody else; when it is due."""
    region = small_region.set_up()
    patient, other = region.person(), region.person()
    for one in (patient, other):
        region.need(one, "CKD", in_days=3)
    morning(region.now)
    Patient.objects.filter(pk=patient).update(phone="")
    region.need(patient, "AKI", in_days=1)
    morning(region.go_to(1))
    assert {one.parent.name for one in (database.home / "outbox").glob("*/*")} == {"letter", "text"}
    gone, kept = (
        set(Notice.objects.filter(patient_id=one).values_list("id", flat=True))
        for one in (patient, other)
    )
    assert (len(gone), len(kept)) == (2, 1)
    approved(patient, moment=region.now)
    return patient, gone, kept, region.now + timedelta(days=14)


def found_in_outbox(database: Database, notices: set[str]) -> list[str]:
    names = b"".join(str(path).encode() for path in (database.home / "outbox").glob("*/*"))
    return list_found(read_outbox(database) + names, notices)


def test_the_outbox_is_swept_at_once_without_any_sealer(database: Database) -> None:
    _, gone, kept, due = tell_two(database)
    assert found_in_outbox(database, gone | kept) == sorted(gone | kept)
    assert len(carry_out_erasures(now=due).carried_out) == 1
    assert found_in_outbox(database, gone | kept) == sorted(kept)


def test_the_outbox_is_swept_by_the_next_call_when_this_one_was_killed(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, gone, _, due = tell_two(database)

    def killed() -> int:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(carrying, "sweep_outbox", killed)
        with pytest.raises(KeyboardInterrupt):
            carry_out_erasures(now=due)
    assert found_in_outbox(database, gone) == sorted(gone)
    carry_out_erasures(now=due)
    assert found_in_outbox(database, gone) == []


def test_an_outbox_that_does_not_give_leaves_it_unfinished(database: Database) -> None:
    *_, due = tell_two(database)
    (lot,) = (database.home / "outbox" / "text").iterdir()
    content = lot.read_bytes()
    lot.unlink()
    lot.mkdir()  # a file that cannot be read
    done = carry_out_erasures(now=due)
    assert len(done.carried_out) == 1
    assert "could not be taken out of the outbox" in done.failed[0].error.what
    seal()
    assert carry_out_erasures(now=due).finished == ()
    lot.rmdir()
    lot.write_bytes(content)
    assert carry_out_erasures(now=due).finished == done.carried_out


# Who still sees it -------------------------------------------------------------------------------


@pytest.mark.parametrize("begin", ["REPEATABLE READ", "READ COMMITTED"])
def test_it_is_not_finished_while_an_older_transaction_sees_the_rows(
    postgresql_database: Database, begin: str
) -> None:
    """VACUUM succeeds meanwhile, plain or FULL, and leaves them where they are."""
    patient, other, *_ = seed_region()
    earlier = approved(other)
    carry_out_erasures(now=DUE)
    seal()
    erasure = approved(patient, moment=DUE)
    with psycopg.connect(postgresql_database.url) as onlooker:
        onlooker.execute(f"SET TRANSACTION ISOLATION LEVEL {begin}")
        onlooker.execute("SELECT pg_current_xact_id()")  # seen by VACUUM also without a snapshot
        process = onlooker.info.backend_pid
        moment = DUE + timedelta(days=14)
        first = carry_out_erasures(now=moment)
        assert (first.carried_out, first.finished) == ((erasure,), (earlier,))
        seal()
        waits = carry_out_erasures(now=moment)
        assert waits.finished == ()
        assert waits.unfinished is not None
        assert waits.unfinished.where == f"session of process {process}"
        with pytest.raises(StorageUnavailable, match="older transaction still sees"):
            erasures(moment)
        assert get_erasure(erasure).state == State.CARRIED_OUT
        told = tourniquet(postgresql_database, "record", "erase", "sweep")
        assert told.returncode == 1
        assert b"older transaction still sees" in told.stderr
        rows = onlooker.execute("SELECT count(*) FROM patients_patient WHERE id = %s", [patient])
        assert rows.fetchone() == ((1 if begin == "REPEATABLE READ" else 0),)
    assert carry_out_erasures(now=moment).finished == (erasure,)
