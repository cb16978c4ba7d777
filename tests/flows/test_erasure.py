"""One person's data is erased by two people: asked for, approved, waited for, carried out."""

from __future__ import annotations

import shutil
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from tests.support.console import NOW, OTHER_PRACTICE, PRACTICE, seed_region
from tests.support.database import Database, Databases
from tests.support.replaying import replay_into_new
from tests.support.sealing import opened, seal, target
from tourniquet.directory.roles import Role, Viewer
from tourniquet.flows.ask_erasure import (
    Asking,
    approve_erasure,
    ask_erasure,
    list_warnings,
    refuse_erasure,
    withdraw_erasure,
)
from tourniquet.flows.carry_out_erasures import carry_out_erasures
from tourniquet.flows.note_proof import note_proof
from tourniquet.kernel.errors import NotFound, OperatorError, PermissionRefused, UserError
from tourniquet.pathology.desk_reading import DeskReading, make_folder
from tourniquet.patients.entries import RecordRead
from tourniquet.patients.models import Identifier, Patient
from tourniquet.patients.queries import Wanted
from tourniquet.record.destroying import (
    UNHEEDED_KEYS_MOST,
    ignore_erasures,
    list_destructions,
    read_published,
)
from tourniquet.record.disk import Disk, LocalFiles
from tourniquet.record.entries import (
    AlarmRaised,
    ErasureApproved,
    ErasureAsked,
    ErasureCarriedOut,
    MessageApplied,
    MessageReceived,
    MessageReviewed,
)
from tourniquet.record.erasure_rules import EXEMPTIONS, WARNINGS, State
from tourniquet.record.erasures import find_open, get_erasure, list_subjects, read_words
from tourniquet.record.journal import Act, read_head, writing
from tourniquet.record.keys import RING_FILE, open_keys
from tourniquet.record.models import ErasureSubject, JournalEntry
from tourniquet.record.replay import compare_tables
from tourniquet.record.restoring import compare, heeded_destructions, prepare_target, restore
from tourniquet.record.ring import KeyRing, copy_ring
from tourniquet.record.sealer import keys_folder, vault_folder
from tourniquet.record.verification import verify_vault

ADA = Viewer("ada", Role.DATA_PROTECTION)
BEN = Viewer("ben", Role.DATA_PROTECTION)
DUE = NOW + timedelta(days=14)
NO_EXEMPTION = tuple(EXEMPTIONS)
ALL = tuple(WARNINGS)


def asking(**changes: object) -> Asking:
    """A full answer."""
    facts: dict[str, object] = {
        "ground": "b",
        "asked_for": "person",
        "identity": "in_person",
        "not_applies": NO_EXEMPTION,
        "words": "Ms Quill wrote on Monday.",
        "acknowledged": ALL,
    }
    return Asking(**{**facts, **changes})  # type: ignore[arg-type] # a test's own facts


def approved(patient: str, *, moment: datetime = NOW) -> str:
    erasure = ask_erasure(patient, asking(), viewer=ADA, now=moment)
    approve_erasure(erasure, viewer=BEN, now=moment, acknowledged=ALL)
    return erasure


def heard(subject: str, control_id: str) -> int:
    """An entry about somebody; its position."""
    with writing(Act("tester", NOW)) as journal:
        return journal.append(
            MessageApplied("LAB|X1", control_id, "d", "ORU^R01", "AA", b"MSH|"), subject=subject
        )


def numbers_of(patient: str) -> list[str]:
    return list(Identifier.objects.filter(patient_id=patient).values_list("value", flat=True))


def published() -> int:
    return read_published(Disk(LocalFiles(vault_folder().parent))).destroyed


# Asking and approving -----------------------------------------------------------------------------


def test_two_people_and_a_waiting_time(database: Database) -> None:
    patient, *_ = seed_region()
    erasure = ask_erasure(patient, asking(), viewer=ADA, now=NOW)
    assert get_erasure(erasure).state == State.ASKED
    assert list_subjects(erasure) == [patient]
    assert read_words(erasure) == "Ms Quill wrote on Monday."
    with pytest.raises(PermissionRefused, match="Somebody else must approve"):
        approve_erasure(erasure, viewer=ADA, now=NOW, acknowledged=ALL)
    approve_erasure(erasure, viewer=BEN, now=NOW, acknowledged=ALL)
    before = DUE - timedelta(seconds=1)
    assert carry_out_erasures(now=before).carried_out == ()
    assert carry_out_erasures(now=DUE).carried_out == (erasure,)
    assert carry_out_erasures(now=DUE).carried_out == ()


def test_two_accounts_of_one_person_do_not_make_two_people(database: Database) -> None:
    patient, *_ = seed_region()
    from tourniquet.flows.manage_accounts import add_account

    for name, shown in (("ada", "Ada Osei"), ("ada2", "ADA OSEI")):
        add_account(
            name=name,
            role="data_protection",
            organisation=None,
            password=None,
            actor="test",
            display_name=shown,
        )
    erasure = ask_erasure(patient, asking(), viewer=ADA, now=NOW)
    with pytest.raises(PermissionRefused, match="Somebody else must approve"):
        approve_erasure(
            erasure, viewer=Viewer("ada2", Role.DATA_PROTECTION), now=NOW, acknowledged=ALL
        )


@pytest.mark.parametrize("role", sorted(set(Role) - {Role.DATA_PROTECTION}))
def test_no_other_role_asks_or_approves(sqlite_database: Database, role: Role) -> None:
    patient, *_ = seed_region()
    erasure = ask_erasure(patient, asking(), viewer=ADA, now=NOW)
    other = Viewer("other", role)
    for refused in (
        lambda: ask_erasure(patient, asking(), viewer=other, now=NOW),
        lambda: approve_erasure(erasure, viewer=other, now=NOW),
        lambda: withdraw_erasure(erasure, why="asker", viewer=other, now=NOW),
        lambda: refuse_erasure(erasure, exemption="care", viewer=other, now=NOW),
    ):
        with pytest.raises(PermissionRefused):
            refused()


@pytest.mark.parametrize(
    ("changes", "where"),
    [
        ({"ground": "z"}, "ground"),
        ({"asked_for": "neighbour"}, "asked_for"),
        ({"identity": "guess"}, "identity"),
        ({"not_applies": NO_EXEMPTION[1:]}, "care"),
        ({"applies": ("care",)}, "care"),
        ({"not_applies": (*NO_EXEMPTION, "other")}, "exemptions"),
        ({"words": "x" * 2001}, "words"),
    ],
)
def test_everything_is_answered(
    sqlite_database: Database, changes: dict[str, object], where: str
) -> None:
    patient, *_ = seed_region()
    head = read_head()
    with pytest.raises(UserError) as caught:
        ask_erasure(patient, asking(**changes), viewer=ADA, now=NOW)
    assert caught.value.where == where
    assert read_head() == head


def test_a_second_one_for_the_same_person_is_refused(database: Database) -> None:
    patient, other, *_ = seed_region()
    first = ask_erasure(patient, asking(), viewer=ADA, now=NOW)
    with pytest.raises(UserError, match="open already"):
        ask_erasure(patient, asking(), viewer=BEN, now=NOW)
    ask_erasure(other, asking(), viewer=ADA, now=NOW)
    withdraw_erasure(first, why="asker", viewer=ADA, now=NOW)
    assert find_open([patient]) is None
    assert get_erasure(first).why == "asker"
    ask_erasure(patient, asking(), viewer=ADA, now=NOW)
    with pytest.raises(NotFound):
        ask_erasure("nobody", asking(), viewer=ADA, now=NOW)


def test_an_exemption_ends_in_a_refusal(database: Database) -> None:
    patient, *_ = seed_region()
    applies = asking(applies=("legal_claims",), not_applies=NO_EXEMPTION[:3])
    erasure = ask_erasure(patient, applies, viewer=ADA, now=NOW)
    with pytest.raises(UserError, match="An exemption applies"):
        approve_erasure(erasure, viewer=BEN, now=NOW, acknowledged=ALL)
    refuse_erasure(erasure, exemption="legal_claims", viewer=BEN, now=NOW)
    assert (get_erasure(erasure).state, get_erasure(erasure).why) == ("refused", "legal_claims")
    with pytest.raises(UserError, match="nothing can be changed"):
        approve_erasure(erasure, viewer=BEN, now=NOW, acknowledged=ALL)
    assert carry_out_erasures(now=DUE).carried_out == ()
    assert Patient.objects.filter(pk=patient).exists()


def test_what_stands_against_it_is_acknowledged_first(database: Database) -> None:
    people = seed_region()
    patient = next(one for one in people if list_warnings([one], now=NOW))
    found = list_warnings([patient], now=NOW)
    with pytest.raises(UserError) as caught:
        ask_erasure(patient, asking(acknowledged=()), viewer=ADA, now=NOW)
    assert caught.value.where == "acknowledge"
    assert all(one in caught.value.remedy for one in found)
    erasure = ask_erasure(patient, asking(acknowledged=tuple(found)), viewer=ADA, now=NOW)
    with pytest.raises(UserError) as caught:  # the second person looks too
        approve_erasure(erasure, viewer=BEN, now=NOW)
    assert caught.value.where == "acknowledge"
    assert get_erasure(erasure).state == "asked"
    approve_erasure(erasure, viewer=BEN, now=NOW, acknowledged=ALL)
    assert get_erasure(erasure).warnings.split(",") == found  # what is not there is not known


def test_an_account_of_an_organisation_decides_about_its_own_patients_alone(
    database: Database,
) -> None:
    patient, *_ = seed_region()
    ours = Viewer("una", Role.DATA_PROTECTION, PRACTICE)
    other = Viewer("eve", Role.DATA_PROTECTION, OTHER_PRACTICE)
    with pytest.raises(NotFound):
        ask_erasure(patient, asking(), viewer=other, now=NOW)
    erasure = ask_erasure(patient, asking(), viewer=ADA, now=NOW)
    for decide in (
        lambda: approve_erasure(erasure, viewer=other, now=NOW, acknowledged=ALL),
        lambda: refuse_erasure(erasure, exemption="care", viewer=other, now=NOW),
        lambda: withdraw_erasure(erasure, why="asker", viewer=other, now=NOW),
    ):
        with pytest.raises(NotFound, match="none that you may see"):
            decide()
    assert get_erasure(erasure).state == State.ASKED
    approve_erasure(erasure, viewer=ours, now=NOW, acknowledged=ALL)
    withdraw_erasure(erasure, why="asker", viewer=ours, now=NOW)


def test_a_merged_record_counts_where_the_one_that_stays_is_registered(
    database: Database,
) -> None:
    """An old record at another practice gives that one no say about the person."""
    from tourniquet.flows.identify_patient import merge_into

    patient, other, *_ = seed_region()
    Patient.objects.filter(pk=patient).update(state="provisional")
    merge_into(patient, other, viewer=Viewer("lab", Role.LABORATORY), comment="Same.", now=NOW)
    former = Viewer("una", Role.DATA_PROTECTION, PRACTICE)
    now_theirs = Viewer("eve", Role.DATA_PROTECTION, OTHER_PRACTICE)
    with pytest.raises(NotFound):
        ask_erasure(patient, asking(), viewer=former, now=NOW)
    erasure = ask_erasure(patient, asking(), viewer=now_theirs, now=NOW)
    with pytest.raises(NotFound):
        withdraw_erasure(erasure, why="asker", viewer=former, now=NOW)
    withdraw_erasure(erasure, why="asker", viewer=now_theirs, now=NOW)


# Carrying out -------------------------------------------------------------------------------------


def test_it_reaches_rows_bodies_keys_and_leaves_every_proof(
    databases: Databases, database: Database
) -> None:
    patient, other, *_ = seed_region()
    seal()
    names = list(Patient.objects.filter(pk=patient).values_list("family_name", flat=True))
    assert names
    erasure = approved(patient)
    message = heard(patient, "A1")
    seal()
    root, keys = opened()[0].size, opened()[1]
    patient_key = keys.ring.patient_id(patient)
    others_before = JournalEntry.objects.filter(subject=other).count()
    done = carry_out_erasures(now=DUE)
    assert (done.carried_out, done.held, done.finished) == ((erasure,), (), ())
    assert not Patient.objects.filter(pk=patient).exists()
    assert not JournalEntry.objects.filter(subject=patient).exists()
    assert not ErasureSubject.objects.filter(patient_id=patient).exists()
    assert numbers_of(patient) == []
    assert JournalEntry.objects.get(pk=message).body is None
    assert JournalEntry.objects.filter(subject=other).count() == others_before
    assert read_words(erasure) == ""
    row = get_erasure(erasure)
    assert row.state == State.CARRIED_OUT
    assert row.entries > 2
    assert row.rows > 2
    # The keys go when the sealer has sealed what says so; nothing is finished before.
    assert keys.ring.find_key(patient_key) is not None
    assert carry_out_erasures(now=DUE).finished == ()
    seal()
    reader, keys = opened()
    assert reader.size > root
    assert keys.ring.find_key(patient_key) is None
    assert published() == row.ended_position
    assert carry_out_erasures(now=DUE).finished == (erasure,)
    assert get_erasure(erasure).state == State.FINISHED
    seal()
    reader, keys = opened()  # verified again: every body, every leaf, the root
    with target(databases, database, database.vendor):
        prepare_target()
        restored = restore(reader, keys.ring, last=reader.size)
        compare(reader, last=reader.size)
        assert restored.erased >= row.entries
        assert [table for table in compare_tables() if not table.equal] == []
        assert not Patient.objects.filter(pk=patient).exists()


def test_an_older_ring_does_not_bring_the_person_back(
    databases: Databases, database: Database
) -> None:
    patient, *_ = seed_region()
    erasure = approved(patient)
    seal()
    older = keys_folder().parent / "older.sqlite3"
    copy_ring(keys_folder() / RING_FILE, older)
    carry_out_erasures(now=DUE)
    seal()
    assert carry_out_erasures(now=DUE).finished == (erasure,)
    seal()
    reader, keys = opened()
    ring = KeyRing(older, keys.root)
    key = ring.patient_id(patient)
    assert ring.find_key(key) is not None
    (found,) = list_destructions(reader, ring)
    assert (found.erasure, found.keys, found.positions) == (erasure, {key}, frozenset())
    with target(databases, database, database.vendor):
        prepare_target()
        restore(reader, ring, last=reader.size, destructions=heeded_destructions(reader, ring))
        compare(reader, last=reader.size)
        assert [table for table in compare_tables() if not table.equal] == []
        assert not Patient.objects.filter(pk=patient).exists()


def test_an_older_ring_under_the_sealer_is_brought_up_to_the_record(database: Database) -> None:
    """And whoever comes back is sealed under a key that no erasure names."""
    patient, *_ = seed_region()
    approved(patient)
    seal()
    older = keys_folder().parent / "older.sqlite3"
    copy_ring(keys_folder() / RING_FILE, older)
    carry_out_erasures(now=DUE)
    seal()
    for file in keys_folder().glob(f"{RING_FILE}-*"):
        file.unlink()
    shutil.copy(older, keys_folder() / RING_FILE)
    heard(patient, "B1")
    seal()
    _, keys = opened()
    assert keys.ring.find_key(keys.ring.patient_id(patient)) is None
    assert keys.ring.find_key(keys.ring.patient_id(patient, generation=1)) is not None


def test_somebody_who_comes_back_is_sealed_under_a_key_of_a_new_id(
    databases: Databases, database: Database
) -> None:
    patient, *_ = seed_region()
    approved(patient)
    seal()
    carry_out_erasures(now=DUE)
    again = heard(patient, "B1")  # before the sealer came to the erasure
    seal()
    reader, keys = opened()
    first, second = keys.ring.patient_id(patient), keys.ring.patient_id(patient, generation=1)
    assert keys.ring.find_key(first) is None
    assert keys.ring.find_key(second) is not None
    carry_out_erasures(now=DUE)
    erasure = approved(patient, moment=DUE) if Patient.objects.filter(pk=patient).exists() else ""
    assert erasure == ""  # the index does not know the person any more: rows came with a PID
    with target(databases, database, database.vendor):
        prepare_target()
        restore(reader, keys.ring, last=reader.size)
        compare(reader, last=reader.size)
        assert JournalEntry.objects.get(pk=again).subject == patient


def test_a_merge_meanwhile_holds_it_and_a_new_one_takes_both(database: Database) -> None:
    from tourniquet.flows.identify_patient import merge_into

    patient, other, third, *_ = seed_region()
    erasure = ask_erasure(patient, asking(), viewer=ADA, now=NOW)
    approve_erasure(erasure, viewer=BEN, now=NOW, acknowledged=ALL)
    Patient.objects.filter(pk=patient).update(state="provisional")
    merge_into(patient, other, viewer=Viewer("lab", Role.LABORATORY), comment="Same.", now=NOW)
    assert carry_out_erasures(now=DUE).held == (erasure,)
    with pytest.raises(UserError, match="merged with another"):
        approve_erasure(erasure, viewer=BEN, now=DUE, acknowledged=ALL)
    withdraw_erasure(erasure, why="changed", viewer=ADA, now=DUE)
    anew = approved(other, moment=DUE)
    assert list_subjects(anew) == sorted([patient, other])
    assert get_erasure(anew).records == 2
    later = DUE + timedelta(days=14)
    assert carry_out_erasures(now=later).carried_out == (anew,)
    assert not Patient.objects.filter(pk__in=(patient, other)).exists()
    assert Patient.objects.filter(pk=third).exists()


def test_it_replays_equal(databases: Databases, database: Database) -> None:
    patient, other, *_ = seed_region()
    approved(patient)
    erasure = ask_erasure(other, asking(), viewer=ADA, now=NOW)
    refuse_erasure(erasure, exemption="care", viewer=BEN, now=NOW)
    carry_out_erasures(now=DUE)
    assert replay_into_new(databases, database) == []


def test_the_vault_verifies_after_it(database: Database) -> None:
    patient, *_ = seed_region()
    approved(patient)
    seal()
    carry_out_erasures(now=DUE)
    seal()
    _, keys = opened()
    found = verify_vault(Disk(LocalFiles(vault_folder())), keys.signer.verifier)
    assert found.checkpoint.size == read_head().position


def test_orders_that_name_more_than_a_few_held_keys_ask_a_person(database: Database) -> None:
    """A production in others' hands seals an erasure of everybody; the replica's ring has all."""
    people = seed_region()
    seal()
    older = keys_folder().parent / "older.sqlite3"
    copy_ring(keys_folder() / RING_FILE, older)
    for one in people[: UNHEEDED_KEYS_MOST + 1]:
        approved(one)
    carry_out_erasures(now=DUE)
    seal()
    reader, keys = opened()
    ring = KeyRing(older, keys.root)
    with pytest.raises(OperatorError, match="name 21 keys that this ring still has") as caught:
        heeded_destructions(reader, ring)
    assert "--ignore-erasure" in caught.value.remedy
    destructions = heeded_destructions(reader, ring, heed=True)
    assert len(destructions) == UNHEEDED_KEYS_MOST + 1
    assert (
        len(heeded_destructions(reader, ring, ignore=[destructions[0].erasure]))
        == UNHEEDED_KEYS_MOST
    )
    assert len(heeded_destructions(reader, keys.ring)) == len(
        destructions
    )  # nothing is left to be heeded


def test_a_destruction_without_two_peoples_words_is_none(database: Database) -> None:
    patient, *_ = seed_region()
    with writing(Act("ada", NOW)) as journal:
        position = JournalEntry.objects.filter(subject=patient).order_by("position").first()
        assert position is not None
        asked = ErasureAsked(
            erasure="x", ground="b", asked_for="person", identity="known", records=1
        )
        journal.append(asked)
        journal.append(ErasureApproved(erasure="x", days=1))
        journal.append(ErasureCarriedOut(erasure="x", entries=0, rows=0, keys=(position.pk,)))
    seal()
    reader, keys = opened()
    assert list_destructions(reader, keys.ring) == []


def test_an_ignored_erasure_keeps_its_keys(database: Database) -> None:
    patient, *_ = seed_region()
    erasure = approved(patient)
    seal()
    ignore_erasures(keys_folder(), [erasure])
    carry_out_erasures(now=DUE)
    seal()
    ring = opened()[1].ring
    assert ring.find_key(ring.patient_id(patient)) is not None


def test_a_message_of_nobodys_and_its_review_go_too(
    databases: Databases, database: Database
) -> None:
    """Sealed under keys of their own: both keys are destroyed. An older review lies under the
    site's key, which stays: it is left out of a restore by its position.
    """
    patient, *_ = seed_region()
    number = next(one for one in numbers_of(patient) if len(one) == 10)
    refused = MessageReceived("LAB|X1", "C1", "d", "ORU^R01", "AR", f"PID|{number}".encode())
    with writing(Act("tester", NOW)) as journal:
        message = journal.append(refused)
        review = journal.append(MessageReviewed(message=message, note="Spoke to the ward."))
        bystander = journal.append(
            MessageReceived("LAB|X1", "C2", "d", "ORU^R01", "AR", b"PID|9990000000")
        )
    erasure = approved(patient)
    seal()
    carry_out_erasures(now=DUE)
    bodies = {e.pk: e.body for e in JournalEntry.objects.filter(pk__gte=message, pk__lte=bystander)}
    assert bodies[message] is bodies[review] is None
    assert bodies[bystander] is not None
    seal()
    reader, keys = opened()
    (found,) = list_destructions(reader, keys.ring)
    assert (found.erasure, len(found.keys)) == (erasure, 3)
    assert all(keys.ring.find_key(key) is None for key in found.keys)
    with target(databases, database, database.vendor):
        prepare_target()
        restore(
            reader,
            keys.ring,
            last=reader.size,
            destructions=[replace(found, positions=frozenset({bystander}))],
        )
        compare(reader, last=reader.size)
        assert JournalEntry.objects.get(pk=bystander).body is None
        assert JournalEntry.objects.get(pk=message).body is None


def test_what_was_handed_out_is_listed_by_the_entries_that_say_so(database: Database) -> None:
    """Their headers stay: by whom and when. What they named is gone."""
    patient, other, *_ = seed_region()
    note_proof([patient, other], why="For the coroner", actor="cli:kim", now=NOW)
    proof = JournalEntry.objects.filter(kind="record.read", subject=patient).get()
    with writing(Act("desk", NOW)) as journal:
        laptop = journal.append(
            RecordRead(what="bundle for a laptop at the downtime desk: ward round"),
            subject=patient,
        )
        journal.append(RecordRead(what="record"), subject=patient)
    erasure = approved(patient)
    carry_out_erasures(now=DUE)
    assert get_erasure(erasure).handed_out == f"{proof.pk},{laptop}"
    header = JournalEntry.objects.get(pk=proof.pk)
    assert (header.actor, header.body, header.subject) == ("cli:kim", None, None)


# The desk -----------------------------------------------------------------------------------------


def desk_over(ring: Path, folder: Path) -> DeskReading:
    """A desk whose ring is this copy."""
    make_folder(folder)
    keys = open_keys(keys_folder())
    keys.ring.close()
    return DeskReading(vault_folder(), ring, folder, key=keys.signer.verifier, root=keys.root)


def found_by(desk: DeskReading, number: str) -> list[str]:
    return [one.id for one in desk.index.search(Wanted(number=number))]


def test_a_desk_that_runs_drops_the_person_and_so_does_one_with_an_older_ring(
    database: Database, tmp_path: Path
) -> None:
    patient, other, *_ = seed_region()
    number, others = numbers_of(patient)[0], numbers_of(other)[0]
    seal()
    older = tmp_path / "older.sqlite3"
    copy_ring(keys_folder() / RING_FILE, older)
    running = desk_over(keys_folder() / RING_FILE, tmp_path / "running")
    behind = desk_over(older, tmp_path / "behind")
    for desk in (running, behind):
        desk.follow()
        assert found_by(desk, number) == [patient]
    positions = behind.index.positions(patient, most=100)
    assert len(behind.read_entries(positions)[0]) == len(positions) > 0
    approved(patient)
    carry_out_erasures(now=DUE)
    seal()
    for desk in (running, behind):
        desk.follow()
        assert found_by(desk, number) == []
        assert found_by(desk, others) == [other]
        assert desk.read_entries(positions) == ([], 0)
        assert desk.standing.fault == ""
    again = desk_over(older, tmp_path / "again")
    again.follow()
    assert found_by(again, number) == []


def test_a_desk_goes_on_from_its_index_without_the_person(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Parts of the index that were written down name the entries that say who was erased."""
    from tourniquet.record import following

    monkeypatch.setattr(following, "MARK_EVERY", 256)
    patient, *_ = seed_region()
    number = numbers_of(patient)[0]
    seal()
    older = tmp_path / "older.sqlite3"
    copy_ring(keys_folder() / RING_FILE, older)
    approved(patient)
    carry_out_erasures(now=DUE)
    with writing(Act("tester", NOW)) as journal:
        for count in range(300):
            journal.append(AlarmRaised(f"a{count}", "test", "A test."))
    seal()
    first = desk_over(older, tmp_path / "desk")
    first.follow()
    assert list((tmp_path / "desk" / "index").iterdir())
    second = desk_over(older, tmp_path / "desk")
    assert second.standing.position >= 256
    assert found_by(second, number) == []
    second.follow()
    assert found_by(second, number) == []


def test_a_desk_leaves_nobody_out_for_orders_that_name_too_many(
    database: Database, tmp_path: Path
) -> None:
    people = seed_region()
    seal()
    older = tmp_path / "older.sqlite3"
    copy_ring(keys_folder() / RING_FILE, older)
    for one in people[: UNHEEDED_KEYS_MOST + 1]:
        approved(one)
    numbers = [numbers_of(one)[0] for one in people]
    carry_out_erasures(now=DUE)
    seal()
    desk = desk_over(older, tmp_path / "desk")
    desk.follow()
    assert all(found_by(desk, number) for number in numbers)
    assert "erasures whose keys are here still (21)" in desk.standing.fault
