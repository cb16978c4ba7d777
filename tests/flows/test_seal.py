"""The journal sealed into a vault and restored from it, on both databases."""

from __future__ import annotations

import sqlite3
from datetime import datetime, timedelta
from pathlib import Path

import psycopg
import pytest

from tests.support.console import NOW, seed_region
from tests.support.database import Database, Databases
from tests.support.sealing import opened, seal, target
from tourniquet.kernel.errors import IntegrityError, OperatorError, UserError
from tourniquet.record.bodies import has_content, open_header
from tourniquet.record.database import SEALER_LOCK
from tourniquet.record.disk import Disk, LocalFiles
from tourniquet.record.entries import AlarmRaised, MessageApplied, MessageReceived
from tourniquet.record.home import exercise_name
from tourniquet.record.journal import Act, read_head, writing
from tourniquet.record.keys import Keys, make_signer, only_one, open_keys, rebuild_keys
from tourniquet.record.models import JournalEntry
from tourniquet.record.notes import LOG_KEY, read_checkpoint, read_note
from tourniquet.record.replay import compare_tables
from tourniquet.record.restoring import (
    compare,
    find_position,
    mark_restored,
    open_row,
    prepare_target,
    restore,
)
from tourniquet.record.sealer import keys_folder, open_sealer, vault_folder
from tourniquet.record.verification import verify_vault

LATER = NOW + timedelta(minutes=5)
PATIENT, OTHER = "01j00000000000000000000001", "01j00000000000000000000002"


def append(*bodies: tuple[str | None, object], moment: datetime = NOW) -> int:
    """Append entries, each a subject and a body; the last position."""
    with writing(Act("tester", moment)) as journal:
        for subject, body in bodies:
            journal.append(body, subject=subject)  # type: ignore[arg-type] # bodies of our own kinds
    return read_head().position


def received(control_id: str) -> tuple[None, MessageReceived]:
    return None, MessageReceived("LAB|X1", control_id, "d", "ORU^R01", "AR", b"MSH|")


def applied(subject: str, control_id: str) -> tuple[str, MessageApplied]:
    return subject, MessageApplied("LAB|X1", control_id, "d", "ORU^R01", "AA", b"MSH|")


def alarm(name: str) -> tuple[None, AlarmRaised]:
    return None, AlarmRaised(name, "test", "A test.")


@pytest.mark.parametrize("vendor", ["sqlite", "postgresql"])
def test_what_was_sealed_is_restored_row_for_row(
    databases: Databases, database: Database, vendor: str
) -> None:
    seed_region()
    append(received("A"), applied(PATIENT, "B"), alarm("one"))
    assert seal() == read_head().position
    reader, keys = opened()
    with target(databases, database, vendor):
        prepare_target()
        restored = restore(reader, keys.ring, last=reader.size)
        rows = compare(reader, last=reader.size)
        differing = [table for table in compare_tables() if not table.equal]
        assert differing == []
        assert restored.head.position == rows["record.JournalEntry"] == reader.size
        assert rows["patients.Patient"] > 20
        mark_restored(reader_origin(keys))
        assert exercise_name() == "a-test"


def reader_origin(keys: Keys) -> str:
    return keys.signer.name


def test_sealing_goes_on_where_it_ended(database: Database) -> None:
    append(applied(PATIENT, "A"), applied(OTHER, "B"))
    assert seal() == 2
    assert seal() == 0
    append(applied(PATIENT, "C"), received("D"), received("E"), alarm("one"), alarm("two"))
    assert seal() == 5
    reader, keys = opened()
    ids = [
        open_header(leaf, reader.body(leaf), keys.ring.site.key).key_id
        for leaf in (reader.leaf(position) for position in range(1, 8))
    ]
    patient = keys.ring.patient_id(PATIENT)
    assert ids[0] == ids[2] == patient
    assert ids[1] == keys.ring.patient_id(OTHER) != patient
    assert ids[5] == ids[6] == keys.ring.site.id
    assert len({*ids}) == 5  # two patients, two messages of their own, the site


def test_an_entry_erased_before_it_was_sealed_stays_so(
    databases: Databases, database: Database
) -> None:
    append(applied(PATIENT, "A"), applied(OTHER, "B"))
    JournalEntry.objects.filter(position=1).update(subject=None, body=None, salt=None)
    assert seal() == 2
    reader, keys = opened()
    assert not has_content(reader.body(reader.leaf(1)))
    with target(databases, database, database.vendor):
        prepare_target()
        assert restore(reader, keys.ring, last=2).erased == 1
        assert JournalEntry.objects.get(position=1).body is None


def test_a_destroyed_key_makes_its_entries_erased_and_leaves_the_rest(
    databases: Databases, database: Database
) -> None:
    append(applied(PATIENT, "A"), applied(OTHER, "B"), applied(PATIENT, "C"))
    seal()
    reader, keys = opened()
    wrapped = ring_rows("SELECT wrapped FROM key WHERE id = ?", keys.ring.patient_id(PATIENT))[0][0]
    assert wrapped in ring_files()
    keys.ring.erase(keys.ring.patient_id(PATIENT), now=LATER)
    assert wrapped not in ring_files()
    verify_vault(Disk(LocalFiles(vault_folder())), keys.signer.verifier)
    with target(databases, database, database.vendor):
        prepare_target()
        assert restore(reader, keys.ring, last=3).erased == 2
        compare(reader, last=3)
        rows = list(JournalEntry.objects.order_by("position").values_list("subject", flat=True))
        assert rows == [None, OTHER, None]


def test_a_destroyed_key_is_not_made_again_and_the_next_has_another_id(
    database: Database,
) -> None:
    append(applied(PATIENT, "A"))
    seal()
    _, keys = opened()
    ring = keys.ring
    ring.erase(ring.patient_id(PATIENT), now=LATER)
    with pytest.raises(IntegrityError, match="no such key"):
        ring.erase(ring.patient_id(PATIENT), now=LATER)
    append(applied(PATIENT, "D"), applied(OTHER, "E"))
    seal()
    assert ring.find_key(ring.patient_id(PATIENT)) is None
    second = ring.patient_id(PATIENT, generation=1)
    assert ring.find_key(second) is not None
    ring.erase(second, now=LATER)
    append(applied(PATIENT, "F"))
    seal()
    third = ring.patient_id(PATIENT, generation=2)
    reader, keys = opened()
    ids = [
        open_header(reader.leaf(p), reader.body(reader.leaf(p)), ring.site.key).key_id
        for p in (2, 3, 4)
    ]
    assert ids == [second, ring.patient_id(OTHER), third]
    assert len({ring.patient_id(PATIENT), second, third}) == 3


def ring_rows(query: str, *values: object) -> list[tuple[bytes, ...]]:
    with sqlite3.connect(keys_folder() / "ring.sqlite3") as ring:
        found = ring.execute(query, values).fetchall()
    ring.close()
    return found


def ring_files() -> bytes:
    return b"".join(file.read_bytes() for file in sorted(keys_folder().glob("ring*")))


def test_what_was_changed_before_it_was_sealed_stops_the_sealer(database: Database) -> None:
    append(*(applied(PATIENT, f"A{number}") for number in range(6)))
    JournalEntry.objects.filter(position=4).update(body=b"{}")
    with pytest.raises(IntegrityError, match="content of an entry was changed") as caught:
        seal()
    assert caught.value.where == "position 4"
    JournalEntry.objects.filter(position=4).delete()
    with pytest.raises(IntegrityError, match="is missing") as caught:
        seal()
    assert caught.value.where == "position 4"


def test_a_journal_that_was_not_sealed_here_is_refused(database: Database) -> None:
    append(applied(PATIENT, "A"), applied(PATIENT, "B"))
    seal()
    JournalEntry.objects.filter(position=2).update(chain=b"x" * 32)
    with pytest.raises(IntegrityError, match="not the one that was sealed here"):
        seal()
    JournalEntry.objects.filter(position=2).delete()
    with pytest.raises(IntegrityError, match="journal is shorter than the vault"):
        seal()


def test_a_journal_that_goes_back_under_the_sealer_stops_it_at_the_next_look(
    database: Database,
) -> None:
    append(*(alarm(f"a{number}") for number in range(4)))
    with only_one(keys_folder()):
        sealer = open_sealer(now=NOW)
        try:
            while sealer.seal_next(now=NOW):
                pass
            assert sealer.read_next() == []
            JournalEntry.objects.filter(position__gte=3).delete()
            with pytest.raises(IntegrityError, match="shorter than the vault"):
                sealer.read_next()
            append(alarm("b"), alarm("c"))  # as long as it was
            with pytest.raises(IntegrityError, match="not the one that was sealed here") as caught:
                sealer.read_next()
            assert caught.value.where == "position 4"
            append(alarm("d"))  # and longer
            with pytest.raises(IntegrityError, match="not the one that was sealed here"):
                sealer.read_next()
            assert sealer.position == 4
        finally:
            sealer.close()


def test_an_older_vault_is_not_written_on(database: Database, tmp_path: Path) -> None:
    append(applied(PATIENT, "A"))
    seal()
    older = tmp_path / "older"
    vault_folder().rename(older)
    with pytest.raises(OperatorError, match="vault is gone; it had 1 entries"):
        seal()
    older.rename(vault_folder())
    with sqlite3.connect(keys_folder() / "ring.sqlite3") as ring:
        ring.execute("UPDATE sealed SET size = 5")
    ring.close()
    with pytest.raises(IntegrityError, match="ends at 1; it had 5 entries before"):
        seal()
    with sqlite3.connect(keys_folder() / "ring.sqlite3") as ring:
        ring.execute("UPDATE sealed SET size = 1, root = x'00'")
    ring.close()
    with pytest.raises(IntegrityError, match="not those that were sealed"):
        seal()


@pytest.mark.parametrize("name", ["root.key", "log.key", "ring.sqlite3"])
def test_a_vault_is_not_gone_on_with_under_other_keys(database: Database, name: str) -> None:
    append(applied(PATIENT, "A"))
    seal()
    (keys_folder() / name).unlink()
    before = (vault_folder() / "checkpoint").read_bytes()
    with pytest.raises(OperatorError):
        seal()
    assert (vault_folder() / "checkpoint").read_bytes() == before
    assert not (keys_folder() / name).exists()


def test_a_ring_of_another_root_or_a_newer_form_is_refused(database: Database) -> None:
    append(applied(PATIENT, "A"))
    seal()
    root = (keys_folder() / "root.key").read_bytes()
    (keys_folder() / "root.key").write_bytes(b"A" * 43 + b"=\n")
    with pytest.raises(OperatorError, match="does not open with this root key"):
        seal()
    (keys_folder() / "root.key").write_bytes(root)
    with sqlite3.connect(keys_folder() / "ring.sqlite3") as ring:
        ring.execute("PRAGMA user_version = 2")
    ring.close()
    with pytest.raises(OperatorError, match="form 2; this release knows form 1"):
        seal()


def test_a_lost_folder_of_keys_is_made_again_from_ring_and_root(
    database: Database, tmp_path: Path
) -> None:
    append(applied(PATIENT, "A"))
    seal()
    before = open_keys(keys_folder())
    saved = keys_folder().rename(tmp_path / "saved")
    ring, key = saved / "ring.sqlite3", before.signer.verifier
    with pytest.raises(OperatorError, match="does not open with this root key"):
        rebuild_keys(keys_folder(), ring, b"w" * 32, key)
    other = make_signer("other", LOG_KEY).verifier
    with pytest.raises(OperatorError, match="ring is that of another log"):
        rebuild_keys(keys_folder(), ring, before.root, other)
    assert not keys_folder().exists()
    rebuild_keys(keys_folder(), ring, before.root, key).ring.close()
    for name in ("root.key", "log.key"):
        assert (keys_folder() / name).read_bytes() == (saved / name).read_bytes()
    append(applied(PATIENT, "B"))
    assert seal() == 1
    with pytest.raises(OperatorError, match="keys here already"):
        rebuild_keys(keys_folder(), ring, before.root, key)


def test_two_sealers_at_once_are_refused(database: Database) -> None:
    append(applied(PATIENT, "A"))
    with only_one(keys_folder()), pytest.raises(UserError, match="at work here already"):  # noqa: SIM117 (the second enters while the first holds)
        with only_one(keys_folder()):
            pass
    assert seal() == 1


def test_a_database_has_one_sealer(databases: Databases, database: Database) -> None:
    """Two machines, each with a home of its own, on one PostgreSQL."""
    if database.vendor == "sqlite":
        return  # it lies in its home
    append(applied(PATIENT, "A"))
    with psycopg.connect(database.url) as other:
        other.execute("SELECT pg_advisory_lock(%s)", [SEALER_LOCK])
        with pytest.raises(UserError, match="Another sealer is at work on this database"):
            seal()
        other.execute("SELECT pg_advisory_unlock(%s)", [SEALER_LOCK])  # a closed session may linger
    assert seal() == 1
    assert seal() == 0


def test_a_restore_goes_on_where_it_was_interrupted(
    databases: Databases, database: Database
) -> None:
    append(*(applied(PATIENT, f"A{number}") for number in range(9)))
    seal()
    reader, keys = opened()
    with target(databases, database, database.vendor):
        prepare_target()
        restore(reader, keys.ring, last=4)
        prepare_target()
        seen: list[int] = []
        restore(reader, keys.ring, last=9, progress=seen.append)
        assert seen == [9]
        assert JournalEntry.objects.count() == 9
        assert [table for table in compare_tables() if not table.equal] == []
        mark_restored("tourniquet/main/00")
        assert exercise_name() == ""
        with pytest.raises(UserError, match="not empty"):
            prepare_target()


def test_a_restore_refuses_another_journal(databases: Databases, database: Database) -> None:
    append(applied(PATIENT, "A"))
    seal()
    reader, keys = opened()
    databases.new(database.vendor)
    append(applied(OTHER, "B"))
    with pytest.raises(UserError, match="another journal"):
        restore(reader, keys.ring, last=1)


def test_what_was_known_at_a_moment(databases: Databases, database: Database) -> None:
    append(applied(PATIENT, "A"), applied(PATIENT, "B"))
    append(applied(PATIENT, "C"), moment=LATER)
    seal()
    reader, keys = opened()
    assert find_position(reader, keys.ring, NOW) == 2
    assert find_position(reader, keys.ring, LATER) == 3
    assert find_position(reader, keys.ring, NOW - timedelta(seconds=1)) == 0
    assert open_row(reader, keys.ring, 3)[0] == 3


def test_a_home_keeps_its_pinned_key_beside_the_vault(database: Database) -> None:
    append(applied(PATIENT, "A"))
    seal()
    keys = open_keys(keys_folder())
    line = f"{keys.signer.verifier}\n"
    assert (vault_folder() / "vault.vkey").read_text() == line
    assert (vault_folder().parent / "vault.vkey").read_text() == line
    note = read_note((vault_folder() / "checkpoint").read_bytes())
    assert read_checkpoint(note, keys.signer.verifier).size == 1
    assert "PRIVATE" not in repr(keys)


def test_no_identifier_lies_in_the_vault_in_the_clear(database: Database) -> None:
    append(applied(PATIENT, "VISIBLE"), received("SEEN"))
    seal()
    content = b"".join(file.read_bytes() for file in vault_folder().rglob("*") if file.is_file())
    for name in (PATIENT, "VISIBLE", "SEEN", "tester", "message.applied", "LAB|X1"):
        assert name.encode() not in content
