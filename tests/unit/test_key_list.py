"""The list of a log's keys: a pinned key leads to the others, and no further than it may."""

from __future__ import annotations

from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from tourniquet.kernel.errors import IntegrityError, OperatorError
from tourniquet.record.key_list import (
    STEPS_MOST,
    KeyList,
    KeyStep,
    WrongKey,
    make_step,
    newest_of,
    parse_steps,
    write_steps,
)
from tourniquet.record.notes import LOG_KEY, Checkpoint, Note, Signer, sign
from tourniquet.record.tree import Frontier, Tree, hash_leaf

ORIGIN = "log.example"
SIZES = (5, 9, 300)


def signer(letter: str, name: str = ORIGIN) -> Signer:
    return Signer(name, LOG_KEY, Ed25519PrivateKey.from_private_bytes(letter.encode() * 32))


A, B, C, D, FOREIGN = map(signer, "ABCDF")


def tree(size: int) -> Checkpoint:
    hashes = [hash_leaf(bytes([at % 251])) for at in range(size)]
    return Checkpoint(ORIGIN, size, Frontier().grow(hashes)[0].root())


def step(size: int, old: Signer, new: Signer, *, lost: bool = False) -> KeyStep:
    return make_step(tree(size), old.verifier, new, None if lost else old)


STEPS = (step(5, A, B), step(9, B, C), step(300, C, D))


def signed(size: int, *signers: Signer) -> Note:
    text = tree(size).text()
    return Note(text, tuple(sign(text, one) for one in signers))


def test_a_list_comes_back_as_it_was_written() -> None:
    for count in range(4):
        assert parse_steps(write_steps(STEPS[:count])) == STEPS[:count]


@pytest.mark.parametrize("pinned", [A, B, C, D])
def test_each_key_leads_to_all_and_signs_its_own_sizes(pinned: Signer) -> None:
    keys = KeyList.follow(pinned.verifier, STEPS)
    assert keys.keys == tuple(one.verifier for one in (A, B, C, D))
    assert (keys.newest, keys.start) == (D.verifier, A.verifier)
    assert keys.onward == STEPS[(A, B, C, D).index(pinned) :]
    charge = {0: A, 5: A, 6: B, 9: B, 10: C, 300: C, 301: D, 10**9: D}
    for size, one in charge.items():
        assert keys.in_charge(size) == one.verifier
    for size in (0, 5, 6, 9, 10, 300, 301):
        for one in (A, B, C, D):
            if one is charge[size]:
                assert keys.read_checkpoint(signed(size, one)).size == size
            else:
                with pytest.raises(WrongKey, match=f"of {size} entries is signed by"):
                    keys.read_checkpoint(signed(size, one))
    assert keys.read_checkpoint(signed(6, A, B)) == tree(6)
    with pytest.raises(IntegrityError, match="not signed"):
        keys.read_checkpoint(signed(6, FOREIGN))


def test_a_log_whose_key_was_never_changed_needs_no_list() -> None:
    keys = KeyList.follow(A.verifier, parse_steps(b""))
    assert keys.read_checkpoint(signed(7, A)) == tree(7)
    assert keys.newest == keys.start == keys.in_charge(1) == A.verifier


MUTANTS = {
    "a step by a foreign key": ((STEPS[0], step(9, FOREIGN, C), STEPS[2]), 2),
    "a step to a foreign key that the former did not sign": (
        (STEPS[0], replace(STEPS[1], note=step(9, FOREIGN, C).note), STEPS[2]),
        2,
    ),
    "a step missing": ((STEPS[0], STEPS[2]), 2),
    "the first step missing": (STEPS[1:], 1),
    "steps swapped": ((STEPS[1], STEPS[0], STEPS[2]), 2),
    "a step twice": ((STEPS[0], STEPS[0]), 2),
    "sizes that do not grow": ((STEPS[0], step(5, B, C)), 2),
    "size zero": ((step(5, A, B), step(0, B, C)), 2),
    "another log": ((step(5, A, signer("B", "other.example")),), 1),
    "from a key to itself": ((step(5, A, A),), 1),
}


@pytest.mark.parametrize("name", MUTANTS)
def test_a_list_that_does_not_hold_is_refused_with_the_step(name: str) -> None:
    steps, place = MUTANTS[name]
    with pytest.raises(IntegrityError, match="keys, step") as caught:
        KeyList.follow(A.verifier, parse_steps(write_steps(steps)))
    assert caught.value.where == f"keys, step {place}"


@pytest.mark.parametrize("pinned", [A, D])
@pytest.mark.parametrize(
    ("old", "new"),
    [("\n9\n", "\n8\n"), (str(B.verifier), str(FOREIGN.verifier)), ("log key v1", "log key v2")],
)
def test_what_both_keys_signed_is_not_changed(pinned: Signer, old: str, new: str) -> None:
    content = write_steps(STEPS).decode()
    assert old in content
    with pytest.raises(IntegrityError, match="keys, step"):
        KeyList.follow(pinned.verifier, parse_steps(content.replace(old, new, 1).encode()))


@given(st.data())
def test_any_changed_byte_is_found_whoever_pinned_which_key(data: st.DataObject) -> None:
    content = bytearray(write_steps(STEPS))
    content[data.draw(st.integers(0, len(content) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    pinned = data.draw(st.sampled_from([A, B, C, D]))
    with pytest.raises((IntegrityError, OperatorError)):
        KeyList.follow(pinned.verifier, parse_steps(bytes(content)))


def test_a_lowered_size_that_the_thief_signed_again_is_refused() -> None:
    """Whoever stole the new key alone can't move the change to an earlier tree."""
    earlier = make_step(tree(3), A.verifier, B, None)
    forged = replace(earlier, note=earlier.note.with_signature(STEPS[0].note.signatures[0]))
    with pytest.raises(IntegrityError, match="step 1"):
        KeyList.follow(A.verifier, parse_steps(write_steps((forged,))))


def test_a_change_without_the_former_key_leads_nobody_on() -> None:
    steps = (STEPS[0], step(9, B, C, lost=True), STEPS[2])
    for pinned in (A, B):
        with pytest.raises(OperatorError, match="changed without the former key") as caught:
            KeyList.follow(pinned.verifier, steps)
        assert caught.value.where == "keys, step 2"
        assert "pin it by hand" in str(caught.value)
    for pinned in (C, D):
        keys = KeyList.follow(pinned.verifier, parse_steps(write_steps(steps)))
        assert (keys.start, keys.newest) == (C.verifier, D.verifier)
        assert keys.read_checkpoint(signed(9, B)) == tree(9)
        with pytest.raises(WrongKey):
            keys.read_checkpoint(signed(10, B))


def test_a_stripped_signature_of_the_former_key_is_no_lesser_change() -> None:
    bare = replace(STEPS[0], note=Note(STEPS[0].note.text, STEPS[0].note.signatures[1:]))
    with pytest.raises(OperatorError, match="without the former key"):
        KeyList.follow(A.verifier, (bare,))
    none = replace(STEPS[0], note=Note(STEPS[0].note.text, STEPS[0].note.signatures[:1]))
    with pytest.raises(IntegrityError, match="step 1"):
        parse_steps(write_steps((none,)))


def test_a_key_that_is_in_no_step_is_refused() -> None:
    with pytest.raises(IntegrityError, match="not one of the log's list"):
        KeyList.follow(FOREIGN.verifier, STEPS)


def test_of_several_pinned_keys_the_newest_known_counts() -> None:
    pinned = (A.verifier, C.verifier)
    assert newest_of(pinned, ()) == A.verifier
    assert newest_of(pinned, STEPS[:1]) == A.verifier
    assert newest_of(pinned, STEPS) == C.verifier


def test_a_step_must_tell_the_root_that_the_tree_had() -> None:
    size = 12
    hashes = [hash_leaf(bytes([at % 251])) for at in range(size)]
    _, tiles = Frontier().grow(hashes)
    kept = {(one.level, one.number): one.hashes for one in tiles}
    grown = Tree(size, lambda level, number, width: kept[level, number][: 32 * width])
    KeyList.follow(A.verifier, STEPS).demand_roots(grown)
    other = make_step(Checkpoint(ORIGIN, 9, b"r" * 32), B.verifier, C, B)
    with pytest.raises(IntegrityError, match="another root than the tree of 9") as caught:
        KeyList.follow(A.verifier, (STEPS[0], other)).demand_roots(grown)
    assert caught.value.where == "keys, step 2"


def test_a_list_has_a_limit() -> None:
    keys = [signer(chr(33 + at)) for at in range(STEPS_MOST + 2)]
    steps = [
        make_step(Checkpoint(ORIGIN, at + 1, b"r" * 32), keys[at].verifier, keys[at + 1], keys[at])
        for at in range(STEPS_MOST + 1)
    ]
    content = write_steps(steps[:STEPS_MOST])
    assert KeyList.follow(keys[0].verifier, parse_steps(content)).newest == keys[-2].verifier
    with pytest.raises(IntegrityError, match="not in its form"):
        parse_steps(write_steps(steps))


@pytest.mark.parametrize("content", [b"\xff", b"\n", b"\n\n", b"a\n\nb\n\nc", b"x" * 300_000])
def test_noise_is_no_list(content: bytes) -> None:
    with pytest.raises(IntegrityError):
        parse_steps(content)
