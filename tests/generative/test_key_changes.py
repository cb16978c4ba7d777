"""The log's key is changed, on a bad disk and before readers that a thief lies to."""

from __future__ import annotations

import shutil
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from random import Random

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.generative.test_replica import (
    NOW,
    WITNESS,
    Below,
    NoKeys,
    _make_folders,
)
from tests.support.effort import effort
from tests.support.narrow_vault import narrow
from tests.support.simulated_files import PowerCut, SimulatedFiles
from tests.support.vault_lives import bodies_from
from tourniquet.kernel.errors import IntegrityError, OperatorError, StorageUnavailable
from tourniquet.record.disk import Disk, LocalFiles
from tourniquet.record.following import Follower
from tourniquet.record.key_list import (
    KEYS_FILE,
    KeyList,
    WrongKey,
    make_step,
    read_key_list,
    read_steps,
    write_steps,
)
from tourniquet.record.log import CHECKPOINT, read_last, read_signed
from tourniquet.record.notes import (
    LOG_KEY,
    Checkpoint,
    Note,
    Signer,
    VerifierKey,
    check,
    read_note,
    sign,
)
from tourniquet.record.replica import EVIDENCE, Replica, Rewritten
from tourniquet.record.vault import KEY_FILE, Vault
from tourniquet.record.verification import verify_vault

pytestmark = pytest.mark.no_cover  # a tracer would triple its time; flows cover the lines
SEEDS = effort(80, 20_000)
LIVES = 4
KEYS = [
    Signer("log.example", LOG_KEY, Ed25519PrivateKey.from_private_bytes(bytes([65 + at]) * 32))
    for at in range(LIVES * 2 + 1)
]
FIRST = KEYS[0].verifier


def signers_of(disk: Disk) -> tuple[Signer, Signer | None]:
    """The key that the list says, and the one before, as a ring would bring them."""
    by_key = {one.verifier: one for one in KEYS}
    steps = read_steps(disk)
    return (by_key[steps[-1].new], by_key[steps[-1].former]) if steps else (KEYS[0], None)


def opened(disk: Disk) -> Vault:
    return Vault(disk, *signers_of(disk))


def change(one: Vault) -> None:
    """Hand over to the next key."""
    at = [key.verifier for key in KEYS].index(one.keys.newest)
    one.change_key(KEYS[at + 1], KEYS[at])


def test_no_two_keys_sign_different_trees_whenever_it_stops() -> None:
    changes = [live(seed) for seed in range(SEEDS)]
    assert max(changes) >= 3
    assert sum(changes) > SEEDS


def live(seed: int) -> int:
    """Lives of a vault whose key is changed now and then; how many changes there were."""
    random = Random(seed)
    files = SimulatedFiles(random)
    notes: list[Note] = []
    with narrow():
        Vault.begin(Disk(files), KEYS[0])
        for _ in range(LIVES):
            strike = files.calls + random.randrange(1, 150)
            fails = random.random() < 0.4
            files.cut_at, files.fail_at = (None, strike) if fails else (strike, None)
            try:
                one = opened(Disk(files))
                notes.append(_last(files))  # opening finishes what was interrupted
                for at in range(random.randrange(1, 5)):
                    if one.checkpoint.size and at == 1:
                        _change_unless_at_one(one)
                    count = random.choice((1, 2, 5, 17))
                    notes.append(one.publish(bodies_from(one.checkpoint.size, count, random)))
            except StorageUnavailable:
                assert fails, seed
            except PowerCut:
                assert not fails, seed
            files.cut_at = files.fail_at = None
            if files.is_shut or random.random() < 0.6:
                files.cut_power()
            notes += _whole(Disk(files), notes)
        one = opened(Disk(files))
        notes.append(_last(files))
        notes.append(one.publish(bodies_from(one.checkpoint.size, 1, random)))
        notes += _whole(Disk(files), notes)
        return _demand_one_tree(Disk(files), notes, seed)


def _change_unless_at_one(one: Vault) -> None:
    """Two changes at one size are none: the second waits until something is sealed."""
    if not one.keys.steps or one.keys.steps[-1].size < one.checkpoint.size:
        change(one)


def _last(files: SimulatedFiles) -> Note:
    return read_signed(Disk(files), FIRST)[1]


def _whole(disk: Disk, notes: list[Note]) -> list[Note]:
    """Verify the vault from the first key; its note."""
    earlier = [read_key_list(disk, FIRST).read_checkpoint(note) for note in notes]
    for one in earlier[-3:]:
        verify_vault(disk, FIRST, since=one)
    return [read_signed(disk, FIRST)[1]]


def _demand_one_tree(disk: Disk, notes: list[Note], seed: int) -> int:
    """Every note that ever stood is one of this tree, by the key of its size, and by no other."""
    keys = read_key_list(disk, FIRST)
    firsts = {step.size: step for step in keys.steps}
    found = sorted({keys.read_checkpoint(note).size: note for note in notes}.items())
    for (before, _), (size, note) in pairwise([(0, notes[0]), *found]):
        whose = {keys.in_charge(size).key_id}
        if before in firsts:
            whose.add(firsts[before].former.key_id)
        assert {one.key_id for one in note.signatures} <= whose, seed
    for size, step in firsts.items():
        behind = min((one for one in found if one[0] > size), default=None)
        assert behind is not None, seed
        check(behind[1], step.new)
        check(behind[1], step.former)  # the first checkpoint behind a change has both
    return len(keys.steps)


# Readers ------------------------------------------------------------------------------------------


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A vault of 500 entries whose key was changed at 200 and at 300."""
    place = tmp_path / "source"
    place.mkdir()
    one = Vault.begin(Disk(LocalFiles(place)), KEYS[0])
    for at, count in enumerate((200, 100, 200)):
        if at:
            change(one)
        one.publish(bodies_from(one.checkpoint.size, count, Random(at)))
    return place


def disk_of(place: Path) -> Disk:
    return Disk(LocalFiles(place))


def grow(place: Path, count: int = 10) -> Checkpoint:
    one = opened(disk_of(place))
    one.publish(bodies_from(one.checkpoint.size, count, Random(count)))
    return one.checkpoint


def begun(place: Path, *pinned: VerifierKey) -> Replica:
    files = LocalFiles(place)
    own = Disk(Below(files, "own"))
    return Replica(Disk(Below(files, "vault")), own, pinned or FIRST, WITNESS)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    place = tmp_path / "replica"
    place.mkdir()
    _make_folders(LocalFiles(place))
    return place


def pull(home: Path, source: Path, *pinned: VerifierKey, hours: int = 0) -> Checkpoint:
    now = NOW + timedelta(hours=hours)
    return begun(home, *pinned).pull(disk_of(source), NoKeys(), now=now).checkpoint


@pytest.mark.parametrize("pinned", KEYS[:3])
def test_whoever_pinned_any_of_the_keys_reads_it(pinned: Signer, source: Path) -> None:
    assert verify_vault(disk_of(source), pinned.verifier).checkpoint.size == 500
    follower = Follower(disk_of(source), pinned.verifier)
    assert follower.look()
    assert follower.size == 500
    with pytest.raises(IntegrityError, match="not one of the log's list"):
        verify_vault(disk_of(source), KEYS[5].verifier)


def test_a_vault_is_not_gone_on_with_under_a_former_key(source: Path) -> None:
    for one in KEYS[:2]:
        with pytest.raises(OperatorError, match="this one signs no more"):
            Vault(disk_of(source), one)


def test_a_replica_follows_from_its_first_key_through_every_change(
    home: Path, tmp_path: Path
) -> None:
    place = tmp_path / "source"
    place.mkdir()
    one = Vault.begin(disk_of(place), KEYS[0])
    for hours in range(4):
        one.publish(bodies_from(one.checkpoint.size, 30, Random(hours)))
        assert pull(home, place, hours=hours) == one.checkpoint
        change(one)
    kept = verify_vault(disk_of(home / "vault"), FIRST)
    assert (kept.checkpoint.size, kept.beyond) == (120, [])
    assert len(read_steps(disk_of(home / "vault"))) == 3
    note = begun(home).countersigned()
    assert len(note.signatures) == 3  # the former key, the new one, the witness


@pytest.mark.parametrize("keys", [0, 1])
def test_a_stolen_former_key_is_useless_and_what_it_signed_is_kept(
    keys: int, home: Path, source: Path
) -> None:
    pull(home, source)
    longer = grow(source)
    text = longer.text()
    disk_of(source).replace(CHECKPOINT, str(Note(text, (sign(text, KEYS[keys]),))).encode())
    key = KEYS[keys].verifier.key_id.hex()
    for pinned in KEYS[:3]:
        with pytest.raises(WrongKey, match=f"of 510 entries is signed by the key {key}"):
            read_last(disk_of(source), pinned.verifier)
        with pytest.raises(WrongKey):
            verify_vault(disk_of(source), pinned.verifier)
        with pytest.raises(WrongKey):
            Follower(disk_of(source), pinned.verifier).look()
    with pytest.raises(Rewritten, match="is signed by the key"):
        pull(home, source, hours=1)
    (evidence,) = (home / "own" / EVIDENCE).iterdir()
    assert (evidence / "theirs").read_bytes() == (source / CHECKPOINT).read_bytes()
    assert (evidence / "keys").read_bytes() == (source / KEYS_FILE).read_bytes()


def test_a_source_that_hides_or_forges_a_change_is_refused_and_kept(
    home: Path, source: Path, tmp_path: Path
) -> None:
    pull(home, source)
    thief = KEYS[7]
    steps = read_steps(disk_of(source))
    text = grow(source).text()
    at = Checkpoint("log.example", 200, steps[0].root)
    forged = make_step(at, FIRST, thief, KEYS[0])
    lies = [((), KEYS[0]), ((forged,), thief), (steps[:1], KEYS[1])]
    for number, (list_, who) in enumerate(lies):
        disk_of(source).replace(KEYS_FILE, write_steps(list_))
        disk_of(source).replace(CHECKPOINT, str(Note(text, (sign(text, who),))).encode())
        with pytest.raises(Rewritten, match="does not go on from ours"):
            pull(home, source, hours=1 + number)
        (home / "own" / EVIDENCE).rename(tmp_path / f"kept-{number}")
    assert read_steps(disk_of(home / "vault")) == steps


def test_a_change_that_tells_another_root_is_refused_by_every_reader(
    home: Path, source: Path
) -> None:
    former, new = KEYS[2], KEYS[3]
    other = make_step(Checkpoint("log.example", 400, b"r" * 32), former.verifier, new, former)
    disk_of(source).replace(KEYS_FILE, write_steps([*read_steps(disk_of(source)), other]))
    text = read_note((source / CHECKPOINT).read_bytes()).text
    disk_of(source).replace(CHECKPOINT, str(Note(text, (sign(text, new),))).encode())
    for read in (
        lambda: verify_vault(disk_of(source), FIRST),
        lambda: Follower(disk_of(source), FIRST).look(),
        lambda: pull(home, source),
    ):
        with pytest.raises(IntegrityError, match="another root than the tree of 400") as caught:
            read()
        assert caught.value.where == "keys, step 3"
    assert not (home / "vault" / CHECKPOINT).exists()


def test_after_a_lost_key_only_who_pins_by_hand_goes_on(home: Path, source: Path) -> None:
    pull(home, source)
    one = opened(disk_of(source))
    lost, new = KEYS[2], KEYS[3]
    one.change_key(new, None)
    one.publish(bodies_from(500, 20, Random(9)))
    assert len(read_signed(disk_of(source), new.verifier)[1].signatures) == 1
    for pinned in KEYS[:3]:
        with pytest.raises(OperatorError, match="changed without the former key") as caught:
            verify_vault(disk_of(source), pinned.verifier)
        assert caught.value.where == "keys, step 3"
    with pytest.raises(OperatorError, match="pin it by hand"):
        pull(home, source, hours=1)
    assert not (home / "own" / EVIDENCE).exists()
    assert pull(home, source, FIRST, new.verifier, hours=1).size == 520
    assert verify_vault(disk_of(home / "vault"), new.verifier).beyond == []
    assert (home / "vault" / KEY_FILE).read_text() == f"{new.verifier}\n"
    assert pull(home, source, FIRST, new.verifier, hours=2).size == 520
    text = grow(source).text()
    disk_of(source).replace(CHECKPOINT, str(Note(text, (sign(text, lost),))).encode())
    with pytest.raises(Rewritten, match="is signed by the key"):
        pull(home, source, FIRST, new.verifier, hours=3)


def test_a_replica_whose_list_was_put_back_says_so(home: Path, source: Path) -> None:
    pull(home, source)
    (home / "vault" / KEYS_FILE).unlink()
    with pytest.raises(IntegrityError, match="is not signed by log"):
        pull(home, source, hours=1)
    shutil.copy(source / KEYS_FILE, home / "vault" / KEYS_FILE)
    assert pull(home, source, hours=1).size == 500
    assert KeyList.follow(FIRST, read_steps(disk_of(home / "vault"))).newest == KEYS[2].verifier
