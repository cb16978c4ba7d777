"""What would be written about a person after they were erased: refused, or without whose it was."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from tests.flows.test_desk_work import keyed
from tests.flows.test_erasure import ADA, ALL, BEN, DUE, approved, asking, heard
from tests.support.console import NOW, seed_region
from tests.support.database import Database, Databases
from tests.support.desk import make_desk
from tests.support.replaying import assert_replay_equal
from tests.support.sealing import seal
from tourniquet.directory.desk_roles import DeskUser
from tourniquet.directory.roles import Role, Viewer
from tourniquet.flows import read_record as reading
from tourniquet.flows.ask_erasure import approve_erasure, ask_erasure
from tourniquet.flows.break_glass import break_glass
from tourniquet.flows.carry_out_erasures import carry_out_erasures
from tourniquet.flows.desk_export import export_book, open_export
from tourniquet.flows.desk_id import begin_id
from tourniquet.flows.desk_work import issue_numbers, note_call
from tourniquet.flows.downtime_desk import DowntimeDesk
from tourniquet.flows.moving import Moving, PlannedLine, apply_lines
from tourniquet.flows.note_proof import note_proof
from tourniquet.flows.read_by_machine import read_by_machine
from tourniquet.flows.reconcile_desk import Reconciled, reconcile_desk
from tourniquet.flows.reserve_numbers import reserve_numbers
from tourniquet.flows.see_access import see_access
from tourniquet.kernel.errors import NotFound, StorageUnavailable, UserError
from tourniquet.pathology.desk_numbers import FormNumber
from tourniquet.pathology.desk_reading import make_folder
from tourniquet.pathology.models import CriticalCall, DiagnosticReport
from tourniquet.patients.entries import ReadingUnnamed
from tourniquet.patients.grounds import CARE, GLASS, Why
from tourniquet.patients.models import BrokenGlass, Patient, Reading
from tourniquet.record.journal import Act, read_head, writing
from tourniquet.record.keys import read_root
from tourniquet.record.models import Alarm, JournalEntry
from tourniquet.record.registry import get_kind
from tourniquet.record.sealer import keys_folder

LAB = Viewer("ann", Role.LABORATORY)
REGIONAL = Viewer("regional", Role.HOSPITAL)
FIRST, SECOND = (str(FormNumber("R0001", serial)) for serial in (1, 2))
WHY = Why(GLASS, "other", "Mr Quill's notes, of all people")
LATER = DUE + timedelta(hours=1)


def erase(patient: str) -> None:
    approved(patient)
    assert len(carry_out_erasures(now=DUE).carried_out) == 1


def finish() -> None:
    seal()
    assert len(carry_out_erasures(now=LATER).finished) == 1


def nothing_about(patient: str) -> bool:
    """Whether no entry and no row of a reading is about them."""
    entries = JournalEntry.objects.filter(subject=patient)
    rows = (Reading, BrokenGlass, CriticalCall)
    return not entries.exists() and not any(
        model.objects.filter(patient_id=patient).exists()  # type: ignore[attr-defined] # tables of ours
        for model in rows
    )


def unnamed() -> list[tuple[str, ReadingUnnamed]]:
    """Who opened a record that is not named, and what is said of it."""
    found = []
    for entry in JournalEntry.objects.filter(kind="reading.unnamed").order_by("position"):
        body = get_kind(entry.kind, entry.kind_version).decoder.decode(bytes(entry.body or b""))
        assert isinstance(body, ReadingUnnamed)
        found.append((entry.actor, body))
    return found


# A page that waited for the lock ------------------------------------------------------------------


@pytest.mark.parametrize(
    "write",
    [
        lambda one: reading.read_record(one, viewer=REGIONAL, why=WHY, now=LATER),
        lambda one: break_glass(one, viewer=REGIONAL, why=WHY, now=LATER),
        lambda one: read_by_machine([one], viewer=Viewer("feed", Role.HOSPITAL, "RJ1"), now=LATER),
        lambda one: note_proof([one], why="Asked for.", actor="cli:a", now=LATER),
        lambda one: see_access(viewer=ADA, now=LATER, patient_ids=[one]),
    ],
)
def test_who_waited_for_the_lock_meanwhile_writes_nothing(
    database: Database, write: Callable[[str], object]
) -> None:
    patient, *_ = seed_region()
    erase(patient)
    head = read_head()
    with pytest.raises(NotFound):
        write(patient)
    assert read_head() == head
    assert nothing_about(patient)


def test_lines_of_a_plan_that_are_older_than_the_erasure_write_nothing(database: Database) -> None:
    patient, other, *_ = seed_region()
    erase(patient)
    lines = [
        PlannedLine("gone", one, "keep", "", "", None, "", None, None, "", "P3")
        for one in (patient, other)
    ]
    work = Moving("plan", LATER, LATER.date(), None, {}, {}, None)  # type: ignore[arg-type] # no id is made
    with writing(Act("test", LATER)) as journal:
        apply_lines(journal, work, lines, is_last=True)
    assert nothing_about(patient)
    assert JournalEntry.objects.filter(subject=other, recorded_at=LATER).count() == 1


# The files beside the journal ---------------------------------------------------------------------


def keep_late(patient: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A reading that the journal could not take."""
    with monkeypatch.context() as patch:
        patch.setattr(reading, "writing", _unavailable)
        assert not reading.read_record(
            patient, viewer=REGIONAL, why=WHY, now=NOW, what="paper pack for Mr Quill"
        )


def _unavailable(*_: object) -> None:
    raise StorageUnavailable("the disk is full")


def test_a_late_reading_says_who_and_when_and_no_more(
    database: Database, databases: Databases, monkeypatch: pytest.MonkeyPatch
) -> None:
    patient, other, *_ = seed_region()
    keep_late(patient, monkeypatch)
    keep_late(other, monkeypatch)
    erase(patient)
    assert reading.read_record(other, viewer=LAB, why=Why(CARE), now=LATER)
    assert nothing_about(patient)
    body = ReadingUnnamed(what="paper pack", role="hospital", late_by="ann")
    assert unnamed() == [("regional", body)]
    entry = JournalEntry.objects.get(kind="reading.unnamed")
    assert (entry.subject, entry.happened_at) == (None, NOW)
    assert Reading.objects.filter(patient_id=other, words=WHY.words).count() == 1
    assert not reading.late_file().exists()
    assert_replay_equal(databases, database)


def test_where_nobody_was_erased_an_unknown_id_is_somebody_a_restore_lost(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    patient, *_ = seed_region()
    keep_late("lost-in-a-restore", monkeypatch)
    reading.read_record(patient, viewer=LAB, why=Why(CARE), now=LATER)
    assert Reading.objects.filter(patient_id="lost-in-a-restore", words=WHY.words).exists()


def test_the_sweep_takes_the_person_out_of_the_files(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    patient, other, *_ = seed_region()
    keep_late(patient, monkeypatch)
    keep_late(other, monkeypatch)
    late, torn = reading.late_file(), reading.torn_file()
    whole = late.read_text().splitlines()
    hers, his = whole
    torn.write_text(
        "\n".join(
            [
                hers[:-20],  # broken off
                his[:-20],
                hers[:-20] + his,  # ran into one another
                his[:60] + hers[:-3],
                hers[40:],  # its beginning is lost, and it has words
                '{"patient": "torn',
            ]
        )
        + "\n"
    )
    with late.open("a") as file:
        file.write(f"{hers[:-20]}\n")
    erase(patient)
    finish()
    for path in (late, torn):
        assert patient not in path.read_text()
        assert path.stat().st_mode & 0o777 == 0o600
    swept, kept = late.read_text().splitlines()
    assert kept == his
    row = json.loads(swept)
    assert (row["patient"], row["actor"], row["what"]) == ("", "regional", "paper pack")
    assert not {"words", "reason", "ground"} & set(row)
    assert torn.read_text().splitlines() == [his[:-20], his, his[:60], '{"patient": "torn']
    assert reading.list_late("regional", NOW.date()) == {other}
    # And into the journal, when it can be written.
    reading.read_record(other, viewer=LAB, why=Why(CARE), now=LATER)
    assert [actor for actor, _ in unnamed()] == ["regional"]
    assert nothing_about(patient)


def test_without_a_file_the_sweep_makes_none(database: Database) -> None:
    patient, *_ = seed_region()
    erase(patient)
    finish()
    assert not reading.late_file().exists()
    assert not reading.torn_file().exists()


# The downtime desk --------------------------------------------------------------------------------


@pytest.fixture
def desk(database: Database, tmp_path: Path) -> DowntimeDesk:
    seed_region()
    admin = Viewer("admin", Role.ADMINISTRATOR)
    make_folder(tmp_path / "desk")
    own = begin_id(tmp_path / "desk")
    reserve_numbers(2, desk=own, purpose="a drill", viewer=admin, now=NOW)
    seal()
    desk = make_desk(tmp_path / "desk")
    desk.unlock_with_root(read_root(keys_folder()), ("amara", "bola"))
    desk.follow()
    issue_numbers(desk, user(desk), 2)
    return desk


def user(desk: DowntimeDesk) -> DeskUser:
    found = desk.accounts.find("rec")
    assert found is not None
    return found


def take_in(desk: DowntimeDesk) -> Reconciled:
    export = open_export(export_book(desk), read_root(keys_folder()))
    return reconcile_desk(export, record=desk.key.name, viewer=LAB, now=LATER)


def test_a_result_of_somebody_erased_meanwhile_is_told_by_its_number(
    desk: DowntimeDesk, database: Database, databases: Databases
) -> None:
    patient, other = Patient.objects.order_by("pk").values_list("pk", flat=True)[:2]
    assert desk.note_opening(user(desk), patient, why="Mr Quill asked", what="paper pack")
    hers = keyed(desk, patient, "7.4", number=FIRST)
    note_call(desk, user(desk), hers, "K", told="Dr A", read_back=True, comment="His wife")
    keyed(desk, other, "4.1", number=SECOND)
    erase(patient)
    people = Patient.objects.count()
    found = take_in(desk)
    assert (found.erased, found.results, found.provisional, found.readings) == ((FIRST,), 1, 0, 1)
    assert found.account.open == []
    assert Patient.objects.count() == people
    assert nothing_about(patient)
    assert [(actor, body.what) for actor, body in unnamed()] == [("desk:rec", "paper pack")]
    assert DiagnosticReport.objects.get(sender__startswith="DESK|").patient_id == other
    assert FIRST in Alarm.objects.get(kind="desk-erased").text
    # A correction of it, for her or for somebody else, in a later export.
    again = keyed(desk, patient, "4.2", number=FIRST, corrects=hers)
    keyed(desk, other, "4.3", number=FIRST, corrects=again)
    found = take_in(desk)
    assert (found.erased, found.results, found.new) == ((FIRST,), 1, 2)
    assert nothing_about(patient)
    assert_replay_equal(databases, database)


def test_corrections_and_calls_for_somebody_erased_since_write_nothing(desk: DowntimeDesk) -> None:
    patient, other = Patient.objects.order_by("pk").values_list("pk", flat=True)[:2]
    hers = keyed(desk, patient, "7.4")
    take_in(desk)  # in time
    assert CriticalCall.objects.filter(patient_id=patient, state="open").exists()
    erase(patient)
    note_call(desk, user(desk), hers, "K", told="Dr A", read_back=True, comment="His wife")
    keyed(desk, other, "4.3", corrects=hers)
    assert take_in(desk).results == 1
    assert nothing_about(patient)
    assert DiagnosticReport.objects.get(sender__startswith="DESK|").patient_id == other


def test_an_erasure_between_two_transactions_is_seen(
    desk: DowntimeDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tourniquet.flows import reconcile_desk as flow

    patient = Patient.objects.order_by("pk").values_list("pk", flat=True)[0]
    keyed(desk, patient, "4.1", number=FIRST)
    keyed(desk, patient, "4.2", number=SECOND)
    monkeypatch.setattr(flow, "BATCH", 1)
    export = open_export(export_book(desk), read_root(keys_folder()))
    erased: list[str] = []

    def between(_: int) -> None:
        if not erased and DiagnosticReport.objects.filter(sender__startswith="DESK|").exists():
            erased.append(patient)
            erase(patient)

    found = reconcile_desk(export, record=desk.key.name, viewer=LAB, now=LATER, progress=between)
    assert erased
    assert found.erased == (SECOND,)
    assert nothing_about(patient)


# Asking again -------------------------------------------------------------------------------------


def test_an_erasure_can_be_asked_for_whoever_has_entries_left(
    database: Database, databases: Databases
) -> None:
    patient, *_ = seed_region()
    erase(patient)
    with pytest.raises(NotFound):
        ask_erasure(patient, asking(), viewer=ADA, now=LATER)
    left = heard(patient, "B1")
    with pytest.raises(NotFound):  # an organisation's own patients alone
        ask_erasure(patient, asking(), viewer=Viewer("ada", Role.DATA_PROTECTION, "RJ1"), now=LATER)
    again = ask_erasure(patient, asking(), viewer=ADA, now=LATER)
    with pytest.raises(UserError, match="open already"):
        ask_erasure(patient, asking(), viewer=ADA, now=LATER)
    approve_erasure(again, viewer=BEN, now=LATER, acknowledged=ALL)
    done = carry_out_erasures(now=LATER + timedelta(days=14))
    assert (done.carried_out, done.held) == ((again,), ())
    assert JournalEntry.objects.get(pk=left).body is None
    assert nothing_about(patient)
    assert_replay_equal(databases, database)
