"""The outsider's checker, where the log's key was changed: pinned keys lead on, no thief does."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from random import Random
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

import tourniquet_verify as verifier
from tests.generative.test_key_changes import KEYS, change, opened
from tests.support.simulated_files import SimulatedFiles
from tests.support.vault_lives import bodies_from
from tourniquet.record.disk import Disk
from tourniquet.record.key_list import KeyList, make_step, read_key_list
from tourniquet.record.log import read_signed
from tourniquet.record.notes import (
    WITNESS_KEY,
    Checkpoint,
    Note,
    Signer,
    cosign,
    sign,
)
from tourniquet.record.proof import Bundle, make_bundle
from tourniquet.record.vault import Vault

pytestmark = pytest.mark.no_cover  # a tracer would triple its time
WITNESS = Signer("witness.example", WITNESS_KEY, Ed25519PrivateKey.from_private_bytes(b"W" * 32))
Json = dict[str, Any]
SIZES = (20, 30, 45)


def made() -> tuple[Json, list[tuple[Checkpoint, Note]], KeyList]:
    """A bundle of a vault whose key was changed at 20 and at 30, and its notes on the way."""
    disk = Disk(SimulatedFiles(Random(1)))
    one = Vault.begin(disk, KEYS[0])
    notes = []
    for at, size in enumerate((*SIZES, 50)):
        if 0 < at < len(SIZES):
            change(one)
        one.publish(bodies_from(one.checkpoint.size, size - one.checkpoint.size, Random(at)))
        checkpoint, note, _ = read_signed(disk, KEYS[0].verifier)
        notes.append((checkpoint, note.with_signature(cosign(note.text, WITNESS, seconds=1))))
    keys = read_key_list(disk, KEYS[0].verifier)
    (checkpoint, note), before = notes[-1], notes[0]
    report = Note("rows: 4\n", (sign("rows: 4\n", KEYS[2]),))
    bundle = Bundle(checkpoint, note, (), before, (report,), keys.onward)
    assert opened(disk).checkpoint == checkpoint
    return json.loads(json.dumps(make_bundle(disk, bundle))), notes, keys


def said_of(bundle: Json, key: Signer = KEYS[0]) -> list[str]:
    said: list[str] = []
    pins = [(one.name, one.key_id, one.public) for one in (key.verifier, WITNESS.verifier)]
    verifier.verify(bundle, *pins, said.append)
    return said


def by(signer: Signer, note: str) -> str:
    """The same checkpoint, signed by another, and by the witness."""
    text = note.split("\n\n", maxsplit=1)[0] + "\n"
    own = Note(text, (sign(text, signer),))
    return str(own.with_signature(cosign(text, WITNESS, seconds=1)))


def test_the_first_key_leads_to_the_newest() -> None:
    bundle, notes, keys = made()
    assert len(bundle["keys"]) == 2
    assert said_of(bundle)[0].startswith("HOLDS: log.example had 50 entries")
    assert said_of(bundle)[1].startswith("HOLDS: the first 20 entries are untouched")
    pins = [(one.name, one.key_id, one.public) for one in (KEYS[0].verifier, WITNESS.verifier)]
    followed = verifier.follow_keys(pins[0], bundle["keys"])
    for checkpoint, note in notes:
        found = verifier.check_checkpoint(str(note), followed, pins[1])
        assert found[:2] == (checkpoint.size, checkpoint.root)
        assert keys.read_checkpoint(note) == checkpoint


LIES: dict[str, tuple[Callable[[Json], Any], str]] = {
    "the first key signs on": (
        lambda b: b.update(checkpoint=by(KEYS[0], b["checkpoint"])),
        "the note is not signed once by log.example",
    ),
    "the second key signs on": (
        lambda b: b.update(checkpoint=by(KEYS[1], b["checkpoint"])),
        "the note is not signed once by log.example",
    ),
    "the newest key signs what the first was in charge of": (
        lambda b: b.update(before=by(KEYS[2], b["before"])),
        "the note is not signed once by log.example",
    ),
    "a former key signs a report": (
        lambda b: b.update(reports=[str(Note("rows: 5\n", (sign("rows: 5\n", KEYS[0]),)))]),
        "the note is not signed once by log.example",
    ),
    "a step is missing": (lambda b: b["keys"].pop(0), "not signed once by"),
    "the last step is missing": (lambda b: b["keys"].pop(), "not signed once by"),
    "steps are swapped": (lambda b: b["keys"].reverse(), "not signed once by"),
    "a step is there twice": (lambda b: b["keys"].append(b["keys"][1]), "out of order"),
    "a size is lowered": (
        lambda b: b.update(keys=[b["keys"][0].replace("\n20\n", "\n19\n"), b["keys"][1]]),
        "the signature of log.example does not hold",
    ),
    "a foreign key makes a step": (
        lambda b: b["keys"].append(
            str(
                make_step(
                    Checkpoint("log.example", 40, b"r" * 32), KEYS[2].verifier, KEYS[7], None
                ).note
            )
        ),
        "not signed once by",
    ),
    "a step goes back in size": (
        lambda b: b["keys"].append(
            str(
                make_step(
                    Checkpoint("log.example", 30, b"r" * 32), KEYS[2].verifier, KEYS[7], KEYS[2]
                ).note
            )
        ),
        "changes of the key are out of order",
    ),
    "a report is taken for a step": (
        lambda b: b["keys"].append(str(Note("rows: 4\n", (sign("rows: 4\n", KEYS[2]),)))),
        "a change of the key is none",
    ),
    "no list": (lambda b: b.update(keys="x"), "a list is missing"),
    "no bundle": (lambda b: b.pop("entries"), "not, and only"),
}


@pytest.mark.parametrize("name", LIES)
def test_lies_about_keys_do_not_hold(name: str) -> None:
    bundle = copy.deepcopy(made()[0])
    lie, words = LIES[name]
    lie(bundle)
    with pytest.raises(ValueError, match=words):
        said_of(bundle)


def test_a_change_without_the_former_key_is_not_followed() -> None:
    bundle, notes, _ = made()
    lost = make_step(notes[0][0], KEYS[0].verifier, KEYS[1], None)
    with pytest.raises(ValueError, match="not signed once by"):
        said_of({**bundle, "keys": [str(lost.note), bundle["keys"][1]]})


@pytest.mark.parametrize("value", [[], 5, None, "x"])
def test_what_is_no_object_is_no_bundle(value: Any) -> None:
    with pytest.raises(ValueError, match="this is no bundle"):
        said_of(value)
