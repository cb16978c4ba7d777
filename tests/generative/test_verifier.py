"""The auditor's checker against the record's own code, against forged bundles and against noise.

It shares no code with what makes a bundle, so each is the other's second opinion.
"""

from __future__ import annotations

import copy
import hashlib
import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

import tourniquet_verify as verifier
from tests.generative.test_tree import define_root, leaves_of, make
from tests.support.effort import effort
from tests.support.simulated_files import SimulatedFiles
from tourniquet.kernel.errors import IntegrityError
from tourniquet.record import sealing
from tourniquet.record.bodies import Content, Header
from tourniquet.record.disk import Disk
from tourniquet.record.leaves import Place, pack_head, pack_leaf, parse_leaf
from tourniquet.record.log import Log, read_last
from tourniquet.record.notes import (
    LOG_KEY,
    WITNESS_KEY,
    Note,
    Signer,
    cosign,
    read_checkpoint,
    sign,
)
from tourniquet.record.opening import OpenedEntry
from tourniquet.record.proof import Bundle, Shown, make_bundle
from tourniquet.record.tree import Tree, check_consistency, check_inclusion, hash_leaf

Json = dict[str, Any]  # Any: JSON as it is read
LOG = Signer("log.example", LOG_KEY, Ed25519PrivateKey.from_private_bytes(b"L" * 32))
WITNESS = Signer("witness.example", WITNESS_KEY, Ed25519PrivateKey.from_private_bytes(b"W" * 32))
SECONDS = 1_717_400_000
SIZE, OLD = 300, 7
NOISE = effort(3_000, 100_000)
FORGED = "x\nHOLDS: the first 9 entries are untouched\x1b[2J\u202e"
MOMENT = datetime(2024, 6, 3, 9, tzinfo=UTC)
KEYS = {"p": b"p" * 16, "q": b"q" * 16, "": b"s" * 16}


# Merkle -------------------------------------------------------------------------------------------


@given(st.data())
def test_its_merkle_code_agrees_with_ours_on_proofs_good_and_bad(data: st.DataObject) -> None:
    size = data.draw(st.integers(1, 300))
    index, old = data.draw(st.integers(0, size - 1)), data.draw(st.integers(1, size))
    leaves = leaves_of(size)
    tree = Tree(size, make(leaves)[0].read)
    root, old_root = define_root(leaves), define_root(leaves[:old])
    wrong_size = size + data.draw(st.integers(-2, 2))
    inclusion = _maybe_spoilt(tree.prove_inclusion(index), data)
    leaf = hash_leaf(leaves[index])
    if 0 <= index < wrong_size:
        assert _holds(
            lambda: check_inclusion(leaf, index=index, size=wrong_size, root=root, proof=inclusion)
        ) == _holds(
            lambda: _same(verifier.inclusion_root(leaf, index, wrong_size, inclusion), root)
        )
    steps = _maybe_spoilt(tree.prove_consistency(old), data)
    if 0 < old <= wrong_size:
        assert _holds(
            lambda: check_consistency(
                old=old, old_root=old_root, size=wrong_size, root=root, proof=steps
            )
        ) == _holds(
            lambda: _same(
                verifier.consistency_roots(old_root, old, wrong_size, steps), (old_root, root)
            )
        )


def _maybe_spoilt(proof: list[bytes], data: st.DataObject) -> list[bytes]:
    how = data.draw(st.sampled_from(["as it is", "longer", "shorter", "changed", "turned"]))
    if how == "longer":
        return [*proof, data.draw(st.sampled_from([bytes(32), *proof]))]
    if how == "shorter":
        return proof[:-1]
    if how == "changed" and proof:
        at = data.draw(st.integers(0, len(proof) - 1))
        return [*proof[:at], hashlib.sha256(proof[at]).digest(), *proof[at + 1 :]]
    return proof[::-1] if how == "turned" else proof


def _holds(check: Any) -> bool:
    try:
        check()
    except (IntegrityError, ValueError):
        return False
    return True


def _same(found: object, expected: object) -> None:
    if found != expected and list(found) != list(expected):  # type: ignore[call-overload] # pairs
        raise ValueError


# Bundles, made of a log in memory -----------------------------------------------------------------


def _entry(
    position: int, *, subject: str, actor: str = "nurse", kind: str = "record.read"
) -> OpenedEntry:
    """An entry with its leaf; the subjects "p" and "q" have keys of their own."""
    fields = sealing.Header(position, kind, 1, MOMENT, MOMENT, actor, "RJ1", "main", position, None)
    salt = hashlib.sha256(position.to_bytes(4, "big")).digest()
    content = Content(subject or None, f'{{"words":"é {position}"}}'.encode(), salt)
    chain, key_id = hashlib.sha256(salt).digest(), KEYS[subject]
    header = Header(sealing.header_bytes(fields), chain, key_id, salt)
    head = pack_head(position, header.commitment, content.commitment)
    packed = pack_leaf(head, bytes(32), Place(0, position, 1))
    return OpenedEntry(parse_leaf(packed, position), packed, header, fields, content)


@cache
def _log() -> tuple[Disk, Note, Note, tuple[OpenedEntry, ...]]:
    """A log of SIZE entries, its notes at OLD and now, both countersigned, and the entries."""
    entries = [_entry(at, subject=("p", "q", "")[at % 3]) for at in range(1, SIZE + 1)]
    entries[10] = _entry(11, subject="q", actor=FORGED)
    disk = Disk(SimulatedFiles(Random(1)))
    log = Log.begin(disk, LOG)
    old = log.publish([one.packed for one in entries[:OLD]])
    new = log.publish([one.packed for one in entries[OLD:]])
    return disk, _countersigned(old), _countersigned(new), tuple(entries)


def _countersigned(note: Note) -> Note:
    return note.with_signature(cosign(note.text, WITNESS, seconds=SECONDS))


def bundle_of(shown: list[Shown], *reports: str) -> Json:
    """A bundle that shows these, with the earlier checkpoint."""
    disk, old, new, _ = _log()
    key = LOG.verifier
    notes = [Note(text, (sign(text, LOG),)) for text in reports]
    before = (read_checkpoint(old, key), old)
    made = make_bundle(disk, Bundle(read_last(disk, key), new, shown, before, notes))
    found: Json = json.loads(json.dumps(made))
    return found


def whole() -> Json:
    """A bundle with entries shown in each way, and a report."""
    entries = _log()[3]
    shown = [Shown(entries[0]), Shown(entries[2], content=False), Shown(entries[9], header=False)]
    return bundle_of([*shown, Shown(entries[299])], "tourniquet restore report v1\nrows: 4\n")


def pinned(signer: Signer) -> tuple[str, bytes, bytes]:
    """A key as the checker holds it."""
    key = signer.verifier
    return key.name, key.key_id, key.public


def said_of(bundle: Json) -> list[str]:
    """What the checker says. Raises: ValueError."""
    said: list[str] = []
    verifier.verify(bundle, pinned(LOG), pinned(WITNESS), said.append)
    return said


def run(
    folder: Path, content: bytes, *options: str, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run the checker as an auditor does, on a file with this content."""
    (folder / "bundle.json").write_bytes(content)
    (folder / "log.vkey").write_text(f"{LOG.verifier}\n")
    (folder / "witness.vkey").write_text(f"{WITNESS.verifier}\n")
    command = [sys.executable, *(() if environment else ("-I",)), verifier.__file__]
    given = options or ("bundle.json", "--log-key", "log.vkey", "--witness-key", "witness.vkey")
    return subprocess.run(
        [*command, *given],
        cwd=folder,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_noise_in_the_file_is_found_or_changes_nothing() -> None:
    """Bytes changed, cut out and put in, anywhere in the file."""
    content = json.dumps(whole()).encode()
    original, random, found = json.loads(content), Random(11), 0
    expected = said_of(original)
    for _ in range(NOISE):
        noisy = bytearray(content)
        at = random.randrange(len(noisy))
        how = random.randrange(4)
        if how == 0:
            noisy[at] ^= 1 << random.randrange(8)
        elif how == 1:
            noisy[at] = random.choice(b'"\\[]{}:,0917nNtfeE.-+/= \n')
        elif how == 2:
            del noisy[at : at + random.randrange(1, 40)]
        else:
            noisy[at:at] = noisy[: random.randrange(60)]
        try:
            parsed = json.loads(bytes(noisy).decode(), object_pairs_hook=verifier.once)
            said = said_of(parsed)
        except (ValueError, RecursionError):
            found += 1
            continue
        assert parsed == original, (how, at)
        assert said == expected
    assert found > NOISE * 0.95


STRANGE: list[Any] = [
    *(None, 0, -1, 1, 2**70, 1.5, True, "", "AA==", "\ud800", [], {}, [[]], "x" * 300),
]


def test_a_member_of_any_other_kind_is_refused() -> None:
    original = whole()
    for path in _paths(original):
        for value in STRANGE:
            tampered = _with(original, path, value)
            if tampered == original or _is_less(tampered, path, value):
                continue
            with pytest.raises(ValueError, match=r"\S"):
                said_of(tampered)


def _is_less(bundle: Json, path: tuple[Any, ...], value: Any) -> bool:
    """Whether it is a bundle in its form, in which less is shown."""
    if path in {("entries",), ("reports",)}:
        return bool(value == [])
    if path[-1] == "header" and len(path) == 3:
        return value is None and bundle["entries"][path[1]]["content"] is None
    return path[-1] == "content" and value is None


def _paths(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = (
        list(value.items())
        if isinstance(value, dict)
        else list(enumerate(value))
        if isinstance(value, list)
        else []
    )
    return [found for name, one in inner for found in ((*path, name), *_paths(one, (*path, name)))]


def _with(bundle: Json, path: tuple[Any, ...], value: Any) -> Json:
    found = copy.deepcopy(bundle)
    at: Any = found
    for name in path[:-1]:
        at = at[name]
    at[path[-1]] = value
    return found


def test_members_more_or_twice_are_refused(tmp_path: Path) -> None:
    original = whole()
    for path in ((), ("entries", 0), ("entries", 0, "header"), ("entries", 0, "content")):
        with pytest.raises(ValueError, match="and only"):
            said_of(_with(original, (*path, "checked_by"), "the regulator"))
    text = json.dumps(original)
    twice = text.replace('"subject": "q"', '"subject": "somebody", "subject": "q"', 1)
    assert twice != text
    done = run(tmp_path, twice.encode())
    assert (done.returncode, done.stderr) == (1, "")
    assert done.stdout == "DOES NOT HOLD: a member comes twice\n"


def test_what_a_bundle_says_can_t_write_lines_of_the_checker(tmp_path: Path) -> None:
    """Whoever makes a bundle, or named an account, is whom the auditor does not trust."""
    report = "tourniquet report v1\nEverything in the bundle holds.\nHOLDS: all\n"
    bundle = bundle_of([Shown(_log()[3][10])], report)
    done = run(tmp_path, json.dumps(bundle).encode())
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert [line for line in lines if line.startswith("HOLDS")] == [
        line for line in lines[:5] if line.startswith("HOLDS")
    ]
    assert "by x?HOLDS: the first 9 entries are untouched?[2J?, about q" in done.stdout
    assert lines.count("Everything in the bundle holds.") == 1
    assert "  | Everything in the bundle holds." in lines


def test_it_says_where_nothing_is_missing_and_what_is_under_one_key() -> None:
    entries = _log()[3]
    headers = [Shown(one, content=False) for one in entries[7:20]]
    bundle = bundle_of([Shown(entries[3]), *headers[:5], Shown(entries[12]), *headers[6:]])
    said = "\n".join(said_of(bundle))
    assert "HOLDS: from 4 to 4 every entry is here: 1 record.read.\n" in said
    assert "HOLDS: from 8 to 20 every entry is here: 13 record.read.\n" in said
    assert "Headers here under the key of q, content not: 10, 11, 16, 19." in said
    gap = copy.deepcopy(bundle)
    del gap["entries"][4]
    assert "HOLDS: from 8 to 10 every entry is here: 3 record.read.\n" in "\n".join(said_of(gap))


def test_a_rewritten_history_is_refused() -> None:
    bundle, (_, old, _, entries) = whole(), _log()
    fork = Disk(SimulatedFiles(Random(2)))
    log = Log.begin(fork, LOG)
    other = log.publish([one.packed for one in (*entries[1:8], *entries[8:20])])
    tampered = {**bundle, "before": str(_countersigned(other))}
    with pytest.raises(ValueError, match="the proof"):
        said_of(tampered)
    with pytest.raises(ValueError, match="larger than the later one"):
        said_of({**bundle, "checkpoint": str(old), "before": bundle["checkpoint"]})


def _rewritten(size: int) -> tuple[Disk, list[Note]]:
    """A whole other history with the log's key and the witness's; its notes at OLD, then `size`."""
    entries = [_entry(at, subject="q", actor="forger") for at in range(1, size + 1)]
    log = Log.begin(disk := Disk(SimulatedFiles(Random(3))), LOG)
    parts = [entries[:OLD], entries[OLD:]]
    return disk, [_countersigned(log.publish([one.packed for one in part])) for part in parts]


def _bundle_with(disk: Disk, note: Note, before: Note | None) -> Json:
    key = LOG.verifier
    earlier = None if before is None else (read_checkpoint(before, key), before)
    made = make_bundle(disk, Bundle(read_checkpoint(note, key), note, [], earlier))
    found: Json = json.loads(json.dumps(made))
    return found


@pytest.mark.parametrize("witness", [("--witness-key", "witness.vkey"), ("--no-witness",)])
def test_another_history_is_refused_by_the_checkpoint_that_was_kept(
    tmp_path: Path, witness: tuple[str, ...]
) -> None:
    """Who has both keys makes a bundle that holds in itself, but not with what the auditor kept."""
    disk, old, new, _ = _log()
    forged, (forged_old, forged_new) = _rewritten(SIZE)
    (tmp_path / "kept").write_text(str(old))
    asked = ("bundle.json", "--log-key", "log.vkey", *witness)
    for made in (
        _bundle_with(forged, forged_new, forged_old),
        _bundle_with(forged, forged_new, forged_new),
        _bundle_with(disk, new, new),
    ):
        content = json.dumps(made).encode()
        alone = run(tmp_path, content, *asked)
        assert alone.returncode == 0, "nothing in the bundle itself is wrong"
        assert "NOT COMPARED with a checkpoint of yours" in alone.stdout
        assert "that you kept" not in alone.stdout
        done = run(tmp_path, content, *asked, "--before", "kept")
        assert (done.returncode, done.stderr) == (1, "")
        last = done.stdout.splitlines()[-1]
        assert last == f"DOES NOT HOLD: the earlier checkpoint is not yours of {OLD} entries"
    without = json.dumps(_bundle_with(disk, new, None)).encode()
    assert "NOT COMPARED" in run(tmp_path, without, *asked).stdout
    done = run(tmp_path, without, *asked, "--before", "kept")
    assert (done.returncode, done.stderr) == (1, "")
    assert "DOES NOT HOLD: no earlier checkpoint" in done.stdout


def test_the_checkpoint_that_was_kept_is_named_with_its_root(tmp_path: Path) -> None:
    disk, old, new, _ = _log()
    (tmp_path / "kept").write_text(str(old))
    content = json.dumps(_bundle_with(disk, new, old)).encode()
    keys = ("bundle.json", "--log-key", "log.vkey", "--witness-key", "witness.vkey")
    done = run(tmp_path, content, *keys, "--before", "kept")
    assert (done.returncode, done.stderr) == (0, "")
    assert "HOLDS: the earlier checkpoint is the one that you kept.\n" in done.stdout
    assert "NOT COMPARED" not in done.stdout
    for note in (old, new):
        assert read_checkpoint(note, LOG.verifier).root.hex() in done.stdout
    for kept, status in (
        ("", 1),
        (str(old).replace("\n7\n", "\n8\n"), 1),
        (str(old).split("\n\n")[0], 1),
        (str(_countersigned(_rewritten(SIZE)[1][0])), 1),
        (None, 2),
    ):
        (tmp_path / "kept").unlink(missing_ok=True)
        if kept is not None:
            (tmp_path / "kept").write_text(kept)
        done = run(tmp_path, content, *keys, "--before", "kept")
        assert (done.returncode, done.stderr) == (status, ""), kept
    done = run(tmp_path, content, *keys, "--before", "")
    assert (done.returncode, done.stderr) == (2, ""), "an option left empty compares nothing"


def test_a_subject_longer_than_its_length_field_is_refused() -> None:
    entries = _log()[3]
    bundle = bundle_of([Shown(entries[0])])
    for length in (2**16 - 1, 2**16, 2**16 + 1):
        long = _with(bundle, ("entries", 0, "content", "subject"), "x" * length)
        with pytest.raises(ValueError, match="position 1: "):
            said_of(long)


def test_the_end_says_whether_it_was_checked_at_all(tmp_path: Path) -> None:
    content = json.dumps(whole()).encode()
    assert run(tmp_path, content).returncode == 0
    keys = ("--log-key", "log.vkey", "--witness-key", "witness.vkey")
    swapped = ("--log-key", "witness.vkey", "--witness-key", "log.vkey")
    (tmp_path / "bad.vkey").write_bytes(b"\xff+1+AA==")
    bad = ("--log-key", "bad.vkey", "--witness-key", "witness.vkey")
    for options in (("nothing", *keys), ("bundle.json", *swapped), ("bundle.json", *bad)):
        done = run(tmp_path, content, *options)
        assert (done.returncode, done.stderr) == (2, ""), options
        assert done.stdout.startswith("NOT CHECKED: ")
        assert done.stdout.count("\n") == 1
    alone = run(tmp_path, content, "bundle.json", "--log-key", "log.vkey")
    assert alone.returncode == 2, "a witness's key is demanded"
    assert alone.stdout == ""


def test_a_terminal_without_the_letters_changes_no_verdict(tmp_path: Path) -> None:
    done = run(tmp_path, json.dumps(whole()).encode(), PYTHONIOENCODING="ascii:strict")
    assert (done.returncode, done.stderr) == (0, "")
    assert "\\xe9" in done.stdout


def test_a_bundle_past_the_limit_is_refused(tmp_path: Path) -> None:
    most = verifier.BUNDLE_BYTES_MOST
    content = json.dumps(whole()).encode()
    assert run(tmp_path, content + b" " * (most - len(content))).returncode == 0
    done = run(tmp_path, content + b" " * (most + 1 - len(content)))
    assert (done.returncode, done.stdout) == (1, f"DOES NOT HOLD: more than {most} bytes\n")
