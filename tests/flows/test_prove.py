"""Bundles of proofs, checked by a program that has nothing of ours, and by sigstore's code."""

from __future__ import annotations

import base64
import copy
import json
import random
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from django.db import connection
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sigstore._internal.merkle import verify_merkle_inclusion
from sigstore._internal.rekor.checkpoint import LogCheckpoint, SignedNote
from sigstore.errors import VerificationError

import tourniquet_verify
from tests.flows.test_cli_record import NHS, answer, tourniquet
from tests.flows.test_cli_vault import take
from tests.flows.test_seal import OTHER, PATIENT, append, applied, received
from tests.support.console import NOW
from tests.support.database import Database
from tests.support.sealing import opened, seal
from tourniquet.cli.record_prove import READ_KINDS, demand_one, ids_in_tables, parse_positions
from tourniquet.flows.note_proof import note_proof
from tourniquet.kernel.errors import UserError
from tourniquet.patients.entries import (
    Demographics,
    IdentifierFact,
    PatientMerged,
    PatientRegistered,
    PatientUpdated,
    RecordRead,
)
from tourniquet.patients.models import Identifier, Patient, Reading
from tourniquet.patients.rules import NHS as NHS_SYSTEM
from tourniquet.patients.vault_people import VaultPeople, find_vault_people
from tourniquet.record import proof
from tourniquet.record.comparison import NAMED_MOST, Named, compare_database
from tourniquet.record.disk import Disk, LocalFiles
from tourniquet.record.keys import make_signer
from tourniquet.record.log import CHECKPOINT
from tourniquet.record.models import JournalEntry
from tourniquet.record.notes import WITNESS_KEY, cosign, read_checkpoint, read_note
from tourniquet.record.opening import open_entry
from tourniquet.record.proof import (
    ENTRIES_MOST,
    Bundle,
    Shown,
    Wanted,
    choose,
    make_bundle,
    read_verified,
    write_bundle,
)
from tourniquet.record.ring import KeyRing, copy_ring
from tourniquet.record.sealer import keys_folder, vault_folder
from tourniquet.record.vault import VaultReader

Json = dict[str, Any]  # Any: JSON as it is read
THIRD = "01j00000000000000000000003"
SECOND_NHS = "9990000026"
WITNESS = make_signer("witness.example", WITNESS_KEY)
SCRIPT = Path(tourniquet_verify.__file__)
SECONDS = int((NOW + timedelta(minutes=1)).timestamp())


@pytest.fixture
def bundle(sqlite_database: Database) -> Json:
    """A bundle of some entries, with an earlier checkpoint, countersigned."""
    append(applied(PATIENT, "A"), applied(OTHER, "B"), received("C"))
    seal()
    old = _countersigned()
    append(*(applied(PATIENT, f"D{number}") for number in range(20)))
    seal()
    reader, keys = opened()
    note = _countersigned()
    entries = [open_entry(reader, keys.ring, position) for position in (1, 2, 3, 20, 21)]
    shown = [Shown(entries[0]), Shown(entries[1], content=False), Shown(entries[2])]
    shown += [Shown(entries[3], header=False), Shown(entries[4])]
    key = keys.signer.verifier
    made = make_bundle(
        Disk(LocalFiles(vault_folder())),
        Bundle(read_checkpoint(note, key), note, shown, (read_checkpoint(old, key), old)),
    )
    found: Json = json.loads(json.dumps(made))
    found["key"] = str(key)  # for the tests; a bundle says nothing of keys
    return found


def _countersigned() -> Any:
    note = read_note((vault_folder() / CHECKPOINT).read_bytes())
    return note.with_signature(cosign(note.text, WITNESS, seconds=SECONDS))


def verified(bundle: Json, *, witness: bool = True) -> list[str]:
    """What the verifier says of a bundle. Raises: what it raises."""
    log = _key(bundle["key"])
    said: list[str] = []
    own = {name: value for name, value in bundle.items() if name != "key"}
    seen = _key(str(WITNESS.verifier)) if witness else None
    tourniquet_verify.verify(json.loads(json.dumps(own)), log, seen, said.append)
    return said


def _key(line: str) -> tuple[str, bytes, bytes]:
    name, key_id, encoded = line.split("+", 2)
    return name, bytes.fromhex(key_id), base64.b64decode(encoded)[1:]


def test_a_bundle_holds_and_says_what(bundle: Json) -> None:
    said = "\n".join(verified(bundle))
    assert "had 23 entries, seen by witness.example/" in said
    assert "the first 3 entries are untouched since the earlier checkpoint" in said
    assert "Added since: 20." in said
    assert (
        f"1: message.applied recorded 2024-06-03T07:30:00.000000Z by tester, about {PATIENT}"
        in said
    )
    assert "2: message.applied recorded 2024-06-03T07:30:00.000000Z by tester; its content" in said
    assert (
        "3: message.received recorded 2024-06-03T07:30:00.000000Z by tester, about nobody" in said
    )
    assert "20: in the tree; nothing of it is shown" in said
    assert OTHER not in said
    assert "HOLDS: from 1 to 3 every entry is here: 2 message.applied, 1 message.received." in said
    assert (
        "HOLDS: from 20 to 21 every entry is here: 1 message.applied, 1 of which nothing is shown."
        in said
    )
    assert f"Headers here under the key of {PATIENT}, content not: none." in said


def _strings(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    if isinstance(value, dict):
        return [p for name, one in value.items() for p in _strings(one, (*path, name))]
    if isinstance(value, list):
        return [p for at, one in enumerate(value) for p in _strings(one, (*path, at))]
    return [path] if isinstance(value, str) else []


def _changed(bundle: Json, path: tuple[Any, ...], change: Callable[[Any], Any]) -> Json:
    found = copy.deepcopy(bundle)
    at: Any = found
    for name in path[:-1]:
        at = at[name]
    at[path[-1]] = change(at[path[-1]])
    return found


def test_every_changed_character_is_found(bundle: Json) -> None:
    chance = random.Random(7)
    tried = 0
    for path in _strings(bundle):
        if path == ("key",):
            continue
        for _ in range(6):
            tampered = _changed(bundle, path, lambda text: _flip(text, chance))
            if tampered == bundle:
                continue
            with pytest.raises(ValueError, match=r"\S"):
                verified(tampered)
            tried += 1
    assert tried > 200


def _flip(text: str, chance: random.Random) -> str:
    at = chance.randrange(len(text)) if text else 0
    return text[:at] + chance.choice("AZaz09+/\n ") + text[at + 1 :]


STRANGE = (None, 0, -1, 2**70, 1.5, True, "", "AA==", [], {}, [[]], "x" * 300)


@settings(
    max_examples=300,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(data=st.data())
def test_a_malformed_bundle_is_refused_and_never_breaks(bundle: Json, data: st.DataObject) -> None:
    paths = _paths(bundle)
    path = data.draw(st.sampled_from(paths))
    value = data.draw(st.sampled_from(STRANGE))
    tampered = _changed(bundle, path, lambda _: value)
    optional = path[-1] in {"header", "content"} and value is None
    try:
        verified(tampered)
    except (ValueError, RecursionError):
        return
    same = tampered == bundle or path == ("key",)
    emptied = path in {("entries",), ("reports",)} and value == []
    assert same or optional or emptied, path


def _paths(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    own = [path] if path and path != ("key",) else []
    if isinstance(value, dict):
        return own + [p for name, one in value.items() for p in _paths(one, (*path, name))]
    if isinstance(value, list):
        return own + [p for at, one in enumerate(value) for p in _paths(one, (*path, at))]
    return own


def test_entries_of_another_tree_or_order_are_refused(bundle: Json) -> None:
    swapped = copy.deepcopy(bundle)
    swapped["entries"].reverse()
    with pytest.raises(ValueError, match="out of order"):
        verified(swapped)
    moved = copy.deepcopy(bundle)
    moved["entries"][0]["content"] = moved["entries"][4]["content"]
    with pytest.raises(ValueError, match="the content is not the leaf's"):
        verified(moved)
    older = copy.deepcopy(bundle)
    older["checkpoint"], older["before"] = older["before"], older["checkpoint"]
    with pytest.raises(ValueError, match=r"not signed once|larger"):
        verified(older)


def test_a_bundle_without_the_witness_says_so(bundle: Json, tmp_path: Path) -> None:
    alone = copy.deepcopy(bundle)
    for name in ("checkpoint", "before"):
        alone[name] = alone[name].rsplit("— witness", 1)[0]
    assert verified(alone, witness=False)
    with pytest.raises(ValueError, match="not signed once by witness"):
        verified(alone)
    done = _run(tmp_path, alone, "--no-witness")
    assert done.returncode == 0
    assert done.stdout.startswith("NO WITNESS: ")
    assert done.stdout.splitlines()[-2].startswith("NO WITNESS: ")
    assert done.stdout.endswith("\nEverything in the bundle holds.\n")
    assert _run(tmp_path, alone).returncode == 2, "a witness is demanded"


def _run(tmp_path: Path, bundle: Json, *more: str) -> subprocess.CompletedProcess[str]:
    file, log, witness = (tmp_path / name for name in ("bundle.json", "log.vkey", "w.vkey"))
    file.write_text(json.dumps({n: v for n, v in bundle.items() if n != "key"}))
    log.write_text(f"{bundle['key']}\n")
    witness.write_text(f"{WITNESS.verifier}\n")
    more = tuple(str(witness) if one == "W" else one for one in more)
    # -I: neither this folder nor the environment is on the path, so nothing of ours is found.
    return subprocess.run(
        [sys.executable, "-I", SCRIPT, file, "--log-key", log, *more],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize(
    "content",
    ["", "[]", "{}", "nul", "[" * 100_000, '{"form": "tourniquet bundle v1"}', "9" * 5000],
)
def test_what_is_no_bundle_is_refused_in_one_line(
    bundle: Json, tmp_path: Path, content: str
) -> None:
    _run(tmp_path, bundle, "--no-witness")
    (tmp_path / "bundle.json").write_text(content)
    done = subprocess.run(
        [
            *(sys.executable, "-I", SCRIPT, tmp_path / "bundle.json"),
            *("--log-key", tmp_path / "log.vkey", "--witness-key", tmp_path / "w.vkey"),
        ],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr == ""
    assert done.stdout.startswith("DOES NOT HOLD: ")


def test_the_command_holds_and_exits_1_where_it_does_not(bundle: Json, tmp_path: Path) -> None:
    assert _run(tmp_path, bundle, "--witness-key", "W").returncode == 0
    tampered = _changed(bundle, ("entries", 0, "content", "subject"), lambda _: OTHER)
    done = _run(tmp_path, tampered, "--witness-key", "W")
    assert (done.returncode, done.stderr) == (1, "")
    assert "DOES NOT HOLD: position 1: the content is not the leaf's" in done.stdout


def test_sigstore_takes_our_checkpoint_and_proofs(bundle: Json) -> None:
    """A tool that we did not write: sigstore-python's note parser and its Merkle code."""
    SignedNote.from_text(bundle["checkpoint"])
    text = bundle["checkpoint"].split("\n\n")[0] + "\n"
    found = LogCheckpoint.from_text(text)
    assert found.log_size == 23
    for row in bundle["entries"]:
        proof = SimpleNamespace(
            log_index=row["position"] - 1,
            tree_size=found.log_size,
            hashes=[base64.b64decode(one) for one in row["proof"]],
            root_hash=bytes.fromhex(found.log_hash),
        )
        leaf = base64.b64decode(row["leaf"])
        entry: Any = SimpleNamespace(
            _inner=SimpleNamespace(inclusion_proof=proof, canonicalized_body=leaf)
        )
        verify_merkle_inclusion(entry)
        entry._inner.canonicalized_body = leaf[:-1] + bytes([leaf[-1] ^ 1])
        with pytest.raises(VerificationError):
            verify_merkle_inclusion(entry)


def test_a_database_is_compared_with_the_vault(database: Database) -> None:
    append(*(applied(PATIENT, f"A{number}") for number in range(9)))
    seal()
    append(applied(PATIENT, "late"))
    reader, keys = opened()
    found = compare_database(reader, keys.ring)
    assert (found.same, found.changed.count, found.missing.count, found.unsealed) == (9, 0, 0, 1)
    JournalEntry.objects.filter(position=2).update(body=b"{}")
    JournalEntry.objects.filter(position=3).update(actor="somebody else")
    JournalEntry.objects.filter(position=4).update(chain=b"x" * 32)
    JournalEntry.objects.filter(position=5).update(subject=None, body=None, salt=None)
    JournalEntry.objects.filter(position=6).delete()
    JournalEntry.objects.filter(position=7).update(body=None, salt=None)
    JournalEntry.objects.filter(position=8).update(subject=OTHER)
    JournalEntry.objects.filter(position=10).update(position=-1)
    found = compare_database(reader, keys.ring)
    assert found.changed.first == [2, 3, 4, 7, 8]
    assert found.missing.first == [6]
    assert found.emptied.first == [5], "gone here, and the vault still has it"
    assert (found.same, found.erased, found.unsealed, found.foreign) == (2, 0, 0, 1)


def test_what_was_erased_in_the_vault_too_is_as_sealed(database: Database) -> None:
    append(applied(PATIENT, "A"), applied(OTHER, "B"))
    JournalEntry.objects.filter(position=2).update(subject=None, body=None, salt=None)
    seal()
    reader, keys = opened()
    found = compare_database(reader, keys.ring)
    assert (found.same, found.erased, found.emptied.count) == (2, 1, 0)


def test_rows_of_any_content_are_changed_rows_and_stop_nothing(database: Database) -> None:
    """Whoever had the database could write past Django, and past its types."""
    append(*(applied(PATIENT, f"A{number}") for number in range(9)))
    seal()
    reader, keys = opened()
    strange = (
        ("recorded_at = 'garbage'", "chain = 5", "commitment = 1000000000000", "subject = 7")
        if database.vendor == "sqlite"
        else ("recorded_at = 'infinity'", "happened_at = '-infinity'", "subject = ''", "kind = ''")
    )
    with connection.cursor() as cursor:
        for position, change in enumerate(strange, 2):
            cursor.execute(f"UPDATE record_journalentry SET {change} WHERE position = {position}")
    found = compare_database(reader, keys.ring)
    assert found.changed.first == [2, 3, 4, 5]
    assert found.same == 5


def test_only_so_many_positions_are_named() -> None:
    named = Named()
    for position in range(1, NAMED_MOST + 1):
        named.add(position)
    assert str(named).endswith(f", {NAMED_MOST}")
    named.add(NAMED_MOST + 1)
    assert str(named).endswith(f", {NAMED_MOST}, and 1 more")
    assert str(Named()) == "none"


def test_who_opened_this_patient_goes_to_an_outsider(
    sqlite_database: Database, tmp_path: Path
) -> None:
    take(sqlite_database, tmp_path, 1)
    answer(tourniquet(sqlite_database, "record", "seal", "--json"))
    before = tmp_path / "before"
    before.write_bytes((sqlite_database.home / "vault/checkpoint").read_bytes())
    out = tmp_path / "bundle.json"
    asked = ("record", "prove", "--patient", NHS, "--out", out, "--json")
    for options in ((), ("--headers-only",), ("--why", " "), ("--why", "w" * 501)):
        refused = tourniquet(sqlite_database, *asked, *options)
        assert refused.returncode == 1, options
        assert b"say why" in refused.stderr or b"Too long" in refused.stderr
        assert refused.stderr.count(b"\n") == 1
    assert not out.exists()
    assert Reading.objects.count() == 0
    whole = answer(tourniquet(sqlite_database, *asked, "--why", "complaint 12"))
    assert len(whole["entries"]) > 2
    answer(tourniquet(sqlite_database, "record", "seal", "--json"))
    more = ("--reads", "--why", "complaint 12", "--before", before, "--compare")
    reads = answer(tourniquet(sqlite_database, *asked, *more))
    readings = set(reads["entries"]) - set(reads["identity"])
    assert len(readings) == 1, "the first bundle was a reading"
    assert len(reads["identity"]) == 1, "the entry that gave the patient the number"
    assert set(reads["identity"]) < set(whole["entries"])
    assert "changed: 0\n" in reads["reports"][0]
    reading = Reading.objects.order_by("position").first()
    assert reading is not None
    assert (reading.what, reading.channel, reading.words) == ("proof", "command", "complaint 12")
    told = _checked(out, sqlite_database.home)
    assert "record.read recorded" in told
    assert "complaint 12" in told
    assert "tourniquet comparison report v1" in told
    assert Patient.objects.get().pk in told
    every = answer(tourniquet(sqlite_database, *asked, *more, "--headers", "1-"))
    assert every["entries"] == list(range(1, every["checkpoint"] + 1))
    told = _checked(out, sqlite_database.home)
    assert f"HOLDS: from 1 to {every['checkpoint']} every entry is here: " in told
    withheld = [one for one in whole["entries"] if one not in reads["identity"]]
    others = ", ".join(str(position) for position in withheld)
    patient = Patient.objects.get().pk
    assert f"Headers here under the key of {patient}, content not: {others}.\n" in told
    assert Reading.objects.count() == 3, "each bundle was one"
    answer(tourniquet(sqlite_database, *asked, "--headers-only", "--why", "who"))
    assert Reading.objects.count() == 4, "whoever gets the headers knows whose they are"
    assert patient not in _checked(out, sqlite_database.home)


def test_a_restore_report_verifies(sqlite_database: Database, tmp_path: Path) -> None:
    take(sqlite_database, tmp_path, 1)
    answer(tourniquet(sqlite_database, "record", "seal", "--json"))
    home, new, out = sqlite_database.home, tmp_path / "new", tmp_path / "bundle.json"
    answer(tourniquet(sqlite_database, "record", "restore", "--from", home / "vault",
                      "--into", new, "--key", home / "vault.vkey", "--json"))  # fmt: skip
    report = new / "restore-report.note"
    asked = ("record", "prove", "--out", out, "--json", "--report")
    answer(tourniquet(sqlite_database, *asked, report))
    told = _checked(out, home)
    assert "SIGNED by the log, whose word it is:\n  | tourniquet restore report v1\n" in told
    report.write_text(report.read_text().replace("erased before: 0", "erased before: 1"))
    refused = tourniquet(sqlite_database, *asked, report)
    assert refused.returncode == 1
    assert b"does not fit the note" in refused.stderr


def _checked(bundle: Path, home: Path) -> str:
    """What the checker says of a bundle that holds."""
    command = (sys.executable, "-I", SCRIPT, bundle, "--no-witness")
    done = subprocess.run(
        [*command, "--log-key", home / "vault.vkey"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def test_a_person_who_had_two_ids_has_two_keys(sqlite_database: Database) -> None:
    """Who read the record before a merge read it under the id that is gone."""
    numbers = (IdentifierFact(system=NHS_SYSTEM, value=NHS),)
    append(
        (PATIENT, PatientRegistered(Demographics(family_name="ONE"), numbers)),
        (OTHER, PatientRegistered(Demographics(family_name="ONE"))),
        (OTHER, RecordRead()),
        (OTHER, PatientMerged(PATIENT)),
        (PATIENT, RecordRead()),
        (THIRD, PatientRegistered(Demographics(family_name="THREE"))),
    )
    seal()
    reader, keys = opened()
    for asked in (NHS, PATIENT, OTHER):
        assert _readings_of(reader, keys.ring, asked) == [3, 5]
        assert find_vault_people(reader, keys.ring, asked).ties == {1, 4}
    for nobody in ("9990000026", "nobody"):
        with pytest.raises(UserError, match="0 patients"):
            demand_one(find_vault_people(reader, keys.ring, nobody))


def _readings_of(reader: VaultReader, ring: KeyRing, asked: str) -> list[int]:
    """Positions of the readings that a bundle shows."""
    people = find_vault_people(reader, ring, asked)
    demand_one(people)
    found = choose(reader, ring, _reads(people))
    everywhere = choose(reader, ring, Wanted(keys=people.keys, kinds=READ_KINDS))
    assert found == everywhere, "the candidates leave nothing out"
    return [one.entry.fields.position for one in found]


def _reads(people: VaultPeople) -> Wanted:
    return Wanted(keys=people.keys, kinds=READ_KINDS, within=people.candidates)


def test_whose_a_number_is_the_vault_says_and_no_table(sqlite_database: Database) -> None:
    """Whoever holds production gives the number to another id, and takes a merge away."""
    numbers = (IdentifierFact(system=NHS_SYSTEM, value=NHS),)
    others = (IdentifierFact(system=NHS_SYSTEM, value=SECOND_NHS),)
    append(
        (PATIENT, PatientRegistered(Demographics(family_name="ONE"), numbers)),
        (OTHER, PatientRegistered(Demographics(family_name="ONE"))),
        (OTHER, RecordRead(words="before the merge")),
        (OTHER, PatientMerged(PATIENT)),
        (THIRD, PatientRegistered(Demographics(family_name="THREE"), others)),
        (THIRD, RecordRead(words="somebody else's")),
    )
    seal()
    assert ids_in_tables(NHS) == {PATIENT, OTHER}
    Identifier.objects.filter(value=NHS).update(patient_id=THIRD)
    Patient.objects.filter(pk=OTHER).update(merged_into=None, state="active")
    assert ids_in_tables(NHS) == {THIRD}, "this is what the proof must not follow"
    out = sqlite_database.home / "bundle.json"
    asked = ("record", "prove", "--patient", NHS, "--reads", "--why", "complaint", "--out", out)
    done = tourniquet(sqlite_database, *asked, "--json")
    assert json.loads(done.stdout)["entries"] == [1, 3, 4]
    assert json.loads(done.stdout)["identity"] == [1, 4]
    assert b"The database names other patients here than the vault" in done.stderr
    told = _checked(out, sqlite_database.home)
    assert NHS in told, "the entry that ties the id to the number"
    assert "before the merge" in told
    assert "somebody else's" not in told
    assert f'about {OTHER}: {{"into":"{PATIENT}"' in told


def test_a_number_that_moved_on_is_whose_the_last_entry_says(sqlite_database: Database) -> None:
    numbers = (IdentifierFact(system=NHS_SYSTEM, value=NHS),)
    doubtful = (IdentifierFact(system=NHS_SYSTEM, value=NHS, state="doubtful"),)
    append(
        (PATIENT, PatientRegistered(Demographics(family_name="ONE"), numbers)),
        (OTHER, PatientRegistered(Demographics(family_name="TWO"), numbers)),
    )
    seal()
    reader, keys = opened()
    with pytest.raises(UserError, match="2 patients"):
        demand_one(find_vault_people(reader, keys.ring, NHS))
    append((OTHER, PatientUpdated(Demographics(family_name="TWO"), doubtful)))
    seal()
    reader, keys = opened()
    people = find_vault_people(reader, keys.ring, f" {NHS[:3]} {NHS[3:6]} {NHS[6:]}")
    assert (people.alive, people.ids, people.ties) == ({PATIENT}, {PATIENT}, {1})


def test_an_entry_whose_key_has_not_come_is_counted(
    sqlite_database: Database, tmp_path: Path
) -> None:
    """It could be the one that names somebody else, or merges."""
    numbers = (IdentifierFact(system=NHS_SYSTEM, value=NHS),)
    append((PATIENT, PatientRegistered(Demographics(family_name="ONE"), numbers)))
    seal()
    _, keys = opened()
    copy_ring(keys_folder() / "ring.sqlite3", tmp_path / "older.sqlite3")
    append((OTHER, PatientRegistered(Demographics(family_name="TWO"), numbers)))
    seal()
    reader, keys = opened()
    older = KeyRing(tmp_path / "older.sqlite3", keys.root)
    people = find_vault_people(reader, older, NHS)
    assert (people.ids, people.unreadable) == ({PATIENT}, 1)
    assert find_vault_people(reader, keys.ring, NHS).unreadable == 0


def test_a_patient_is_found_though_the_tables_are_gone(sqlite_database: Database) -> None:
    append(applied(PATIENT, "A"), applied(OTHER, "B"))
    seal()
    reader, keys = opened()
    people = find_vault_people(reader, keys.ring, PATIENT)
    assert people.ties == frozenset()
    found = choose(reader, keys.ring, Wanted(keys=people.keys, within=people.candidates))
    assert [one.entry.fields.position for one in found] == [1]


def test_positions_are_read_as_written_and_no_others() -> None:
    def parse(text: str) -> list[int]:
        return sorted(parse_positions(text, 20, where="--positions"))

    assert parse("5,7-9, 19-") == [5, 7, 8, 9, 19, 20]
    assert parse("20") == [20]
    for text in ("", "0", "21", "5-3", "-3", "3--4", "a", "1,,2", "\u0663", "9" * 5000, "1-9e3"):
        with pytest.raises(UserError) as caught:
            parse(text)
        assert caught.value.where == "--positions"
    most = ENTRIES_MOST
    assert len(parse_positions(f"1-{most}", most + 1, where="")) == most
    with pytest.raises(UserError, match="More than"):
        parse_positions("1-", most + 1, where="")


def test_what_is_asked_wrongly_writes_no_bundle(sqlite_database: Database, tmp_path: Path) -> None:
    take(sqlite_database, tmp_path, 1)
    answer(tourniquet(sqlite_database, "record", "seal", "--json"))
    out = tmp_path / "bundle.json"
    for options, said in (
        (("--reads",), b"Whose readings"),
        (("--patient", "nobody", "--why", "w"), b"0 patients"),
        (("--positions", "1-99", "--why", "w"), b"has positions 1 to"),
        (("--positions", "1"), b"say why"),
        (("--before", tmp_path / "nothing"), b"can't be read"),
        (("--report", tmp_path / "nothing"), b"can't be read"),
        (("--vault", tmp_path / "nothing"), b"no vault"),
    ):
        done = tourniquet(sqlite_database, "record", "prove", "--out", out, *options)
        assert done.returncode == 1, options
        assert said in done.stderr, done.stderr
        assert done.stderr.count(b"\n") == 1
    assert not out.exists()
    assert Reading.objects.count() == 0


def test_a_bundle_ends_where_the_checker_does(
    sqlite_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert proof.BYTES_MOST == tourniquet_verify.BUNDLE_BYTES_MOST
    append(*(applied(PATIENT, f"A{number}") for number in range(4)))
    seal()
    reader, keys = opened()
    monkeypatch.setattr(proof, "ENTRIES_MOST", 3)
    three = choose(reader, keys.ring, Wanted(positions=frozenset({1, 2, 4})))
    assert len(three) == 3
    with pytest.raises(UserError, match="at most 3 entries"):
        choose(reader, keys.ring, Wanted(headers=frozenset({1, 2, 3, 4})))
    disk = Disk(LocalFiles(vault_folder()))
    checkpoint, note, _ = read_verified(disk, keys.signer.verifier)
    bundle = Bundle(checkpoint, note, three)
    most = len(write_bundle(disk, bundle))
    monkeypatch.setattr(proof, "BYTES_MOST", most)
    assert len(write_bundle(disk, bundle)) == most
    monkeypatch.setattr(proof, "BYTES_MOST", most - 1)
    with pytest.raises(UserError, match=f"{most - 1} bytes"):
        write_bundle(disk, bundle)


class GrowingVault(Disk):
    """A vault into which a sealer publishes each time that somebody has read its checkpoint."""

    def read(self, path: str, *, bytes_most: int) -> bytes:
        """See `Disk`."""
        found = super().read(path, bytes_most=bytes_most)
        if path == CHECKPOINT:
            append(*(applied(PATIENT, f"more {number}") for number in range(300)))
            seal()
        return found


def test_a_vault_that_grows_meanwhile_is_proved_as_it_was(sqlite_database: Database) -> None:
    append(applied(PATIENT, "A"), applied(OTHER, "B"))
    seal()
    _, keys = opened()
    disk = GrowingVault(LocalFiles(vault_folder()))
    checkpoint, note, _ = read_verified(disk, keys.signer.verifier)
    assert checkpoint.size == 2
    chosen = choose(VaultReader(disk, 2), keys.ring, Wanted(positions=frozenset({1, 2})))
    bundle = json.loads(write_bundle(disk, Bundle(checkpoint, note, chosen)))
    assert len(bundle["entries"]) == 2
    bundle["key"] = str(keys.signer.verifier)
    assert "had 2 entries" in verified(bundle, witness=False)[0]


def test_readings_are_noted_a_few_at_a_time(
    sqlite_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tourniquet.flows.note_proof.PATIENTS_AT_ONCE", 2)
    people = [f"{number:026}" for number in range(5)]
    assert note_proof([*people, people[0]], why=" w ", actor="cli:a", now=NOW) == 5
    assert sorted(Reading.objects.values_list("patient_id", "words")) == [
        (one, "w") for one in people
    ]
