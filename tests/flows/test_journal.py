"""The journal: gapless, in commit order, undone whole, found out when touched."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from django.db import connection, connections

from tests.support.database import Database, Databases
from tests.support.replaying import assert_replay_equal, replay_into_new
from tourniquet.directory.entries import AccountSet, OrganisationListed
from tourniquet.directory.models import Organisation
from tourniquet.kernel.errors import IntegrityError
from tourniquet.pathology.entries import ReportFact, ReportFiled
from tourniquet.pathology.models import DiagnosticReport
from tourniquet.record.entries import MessageApplied
from tourniquet.record.journal import Act, Writer, read_head, writing
from tourniquet.record.models import JournalEntry

NOW = datetime(2024, 6, 3, 6, 30, tzinfo=UTC)
ACT = Act(actor="tester", moment=NOW)
PATIENT = "01j00000000000000000000001"


def practice(number: int) -> OrganisationListed:
    return OrganisationListed(
        code=f"X{number:05}", name=f"Practice {number}", organisation_kind="practice"
    )


def message(control_id: str) -> MessageApplied:
    return MessageApplied(
        sender="LAB|X1",
        control_id=control_id,
        digest="d",
        message_type="ORU^R01",
        code="AA",
        raw=b"MSH|",
    )


def _add_another() -> None:
    found = Organisation.objects.get(code="X00004")
    found.code = "X00005"
    found.save(force_insert=True)


def test_positions_count_from_one_without_gaps(database: Database) -> None:
    for start in (0, 7, 9):
        with writing(ACT) as journal:
            for number in range(start, start + 3):
                journal.append(practice(number))
    positions = list(JournalEntry.objects.order_by("position").values_list("position", flat=True))
    assert positions == list(range(1, 10))
    assert Organisation.objects.count() == 8  # number 9 was listed twice: the newest stands


def test_a_failed_story_leaves_nothing(database: Database) -> None:
    def fail_mid_story() -> None:
        with writing(ACT) as journal:
            journal.append(practice(1))
            journal.flush()
            raise RuntimeError("mid-story")

    with pytest.raises(RuntimeError, match="mid-story"):
        fail_mid_story()
    assert read_head().position == 0
    assert not Organisation.objects.exists()


def test_a_failed_savepoint_takes_only_itself(databases: Databases, database: Database) -> None:
    def fail_inside(journal: Writer) -> None:
        with journal.savepoint():
            journal.append(practice(2))
            raise RuntimeError("inside")

    with writing(ACT) as journal:
        journal.append(practice(1))
        with pytest.raises(RuntimeError, match="inside"):
            fail_inside(journal)
        journal.append(practice(3))
    assert list(Organisation.objects.order_by("code").values_list("code", flat=True)) == [
        "X00001",
        "X00003",
    ]
    assert read_head().position == 2
    assert_replay_equal(databases, database)


def test_a_kind_says_whether_it_names_a_patient(database: Database) -> None:
    with writing(ACT) as journal:
        with pytest.raises(ValueError, match="subject"):
            journal.append(practice(1), subject=PATIENT)
        with pytest.raises(ValueError, match="subject"):
            journal.append(message("1"))
        journal.append(message("1"), subject=PATIENT)
    assert JournalEntry.objects.get().subject == PATIENT


def test_two_writers_at_once_keep_one_order(databases: Databases, database: Database) -> None:
    failures: list[Exception] = []

    def write(first: int) -> None:
        try:
            for step in range(10):
                with writing(ACT) as journal:
                    journal.append(practice(first + step))
        except Exception as error:  # noqa: BLE001 # whatever it is fails the test below
            failures.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=write, args=(start,)) for start in (0, 100, 200)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert read_head().position == 30
    assert_replay_equal(databases, database)


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("body", b'{"code":"X00001","name":"Other","organisation_kind":"practice"}'),
        ("salt", bytes(32)),
        ("commitment", bytes(32)),
        ("chain", bytes(32)),
        ("actor", "somebody else"),
        ("happened_at", datetime(2024, 6, 1, tzinfo=UTC)),
    ],
)
def test_a_changed_entry_is_found_and_located(
    databases: Databases, database: Database, column: str, value: object
) -> None:
    with writing(ACT) as journal:
        for number in range(3):
            journal.append(practice(number))
    JournalEntry.objects.filter(position=2).update(**{column: value})
    with pytest.raises(IntegrityError) as caught:
        replay_into_new(databases, database)
    # A changed chain value shows at its own position; everything else there, too.
    assert caught.value.where == "position 2"


def test_a_missing_entry_is_found_and_located(databases: Databases, database: Database) -> None:
    with writing(ACT) as journal:
        for number in range(3):
            journal.append(practice(number))
    JournalEntry.objects.filter(position=2).delete()
    with pytest.raises(IntegrityError) as caught:
        replay_into_new(databases, database)
    assert caught.value.where == "position 2"


def test_an_erased_entry_applies_as_nothing(databases: Databases, database: Database) -> None:
    with writing(ACT) as journal:
        journal.append(practice(1))
        journal.append(message("1"), subject=PATIENT)
        journal.append(practice(2))
    JournalEntry.objects.filter(position=2).update(subject=None, body=None, salt=None)
    differing = replay_into_new(databases, database)
    assert [comparison.table for comparison in differing] == ["record.Message"]
    assert read_head().position == 3


def test_tables_that_differ_are_named(databases: Databases, database: Database) -> None:
    with writing(ACT) as journal:
        journal.append(practice(1))
        journal.append(AccountSet(name="a", role="auditor"))
    Organisation.objects.update(name="written past the journal")
    differing = replay_into_new(databases, database)
    assert [comparison.table for comparison in differing] == ["directory.Organisation"]


@pytest.mark.parametrize(
    ("tamper", "place"),
    [
        (lambda: Organisation.objects.filter(code="X00002").update(name="other"), "row 3"),
        (lambda: Organisation.objects.filter(code="X00002").delete(), "row 3"),
        (lambda: Organisation.objects.filter(code="X00004").delete(), "row 5"),
        (_add_another, "row 6"),
    ],
    ids=["changed", "missing within", "missing at the end", "one too many"],
)
def test_the_first_row_that_differs_is_named(
    databases: Databases, database: Database, tamper: Callable[[], object], place: str
) -> None:
    with writing(ACT) as journal:
        for number in range(5):
            journal.append(practice(number))
    tamper()
    [found] = replay_into_new(databases, database)
    assert (found.table, found.first_difference) == ("directory.Organisation", place)


def test_batches_beyond_the_flush_limit_are_whole(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tourniquet.record.journal.FLUSH_AT", 10)
    flushes: list[int] = []
    real = Writer.flush

    def counted(writer: Writer) -> None:
        flushes.append(1)
        real(writer)

    monkeypatch.setattr(Writer, "flush", counted)
    with writing(ACT) as journal:
        for number in range(25):
            journal.append(practice(number))
    assert len(flushes) == 3
    assert read_head().position == Organisation.objects.count() == 25


def test_every_replayed_table_has_no_counter_of_its_own(database: Database) -> None:
    from django.db import models

    from tourniquet.record.replay import replayed_models

    counted = [
        model._meta.label
        for model in replayed_models()
        if isinstance(model._meta.pk, models.AutoField | models.BigAutoField)
    ]
    assert counted == []
    assert connection.vendor == database.vendor


@pytest.mark.parametrize(
    "currents", [(True, False, True), (True, False, False), (True, True, False)]
)
def test_versions_of_one_report_count_the_same_one_by_one_and_in_a_run(
    databases: Databases, database: Database, currents: tuple[bool, ...]
) -> None:
    """Live each came in a commit of its own; a replay applies the run of them together."""
    for version, current in enumerate(currents, 1):
        fact = ReportFact(
            id="01j00000000000000000000009",
            version=version,
            code="FBC",
            status="final",
            change="new" if version == 1 else "amended",
            content=f"{version}",
            current=current,
        )
        with writing(ACT) as journal:
            journal.append(ReportFiled(sender="LAB|X1", reports=(fact,)), subject=PATIENT)
    assert DiagnosticReport.objects.get().versions == len(currents)
    assert_replay_equal(databases, database)
