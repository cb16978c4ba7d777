"""A replica in object storage: killed, failed and lied to at every call; whole afterwards."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from random import Random

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.generative.test_replica import NoKeys, disk_of
from tests.generative.test_vault import BATCHES, KEY, OTHER, SIGNER
from tests.support.effort import effort
from tests.support.simulated_files import SimulatedFiles
from tests.support.simulated_objects import START, Killed, SimulatedObjects
from tests.support.vault_lives import bodies_from
from tourniquet.kernel.errors import (
    IntegrityError,
    OperatorError,
    StorageUnavailable,
    TourniquetError,
)
from tourniquet.record import bucket_upkeep, leaves
from tourniquet.record.bucket import VAULT, BucketVault
from tourniquet.record.copying import copy_vault
from tourniquet.record.disk import Disk, LocalFiles
from tourniquet.record.key_list import KEYS_FILE, make_step
from tourniquet.record.moment import VaultMoment
from tourniquet.record.notes import LOG_KEY, Checkpoint, Note, Signature, Signer, sign
from tourniquet.record.objects import Stored
from tourniquet.record.replica import Rewritten
from tourniquet.record.replica_home import ReplicaHome, open_replica_home
from tourniquet.record.store_home import StoreHome
from tourniquet.record.vault import Vault
from tourniquet.record.verification import verify_vault

pytestmark = pytest.mark.no_cover  # a tracer would triple its time; flows cover the lines
SEEDS = effort(40, 3_000)
LIVES = 5
RETENTION = timedelta(days=90)


@pytest.fixture(autouse=True)
def _small_segments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leaves, "SEGMENT_BYTES_MOST", 4_000)


@dataclass
class World:
    """A source, a replica's folder, a store, and the time."""

    folder: Path
    objects: SimulatedObjects
    source: Vault = field(
        default_factory=lambda: Vault.begin(Disk(SimulatedFiles(Random(1))), SIGNER)
    )
    now: datetime = START

    def grow(self, count: int, random: Random) -> None:
        """Seal so many more entries."""
        self.source.publish(bodies_from(self.source.checkpoint.size, count, random))

    def home(self, home: ReplicaHome) -> StoreHome:
        """The replica as the command opens it."""
        return StoreHome(home, self.objects, None, RETENTION, clock=lambda: self.now)

    def pull(self, *, upkeep: bool = True) -> Checkpoint:
        """One run of the command, a minute later."""
        self.now += timedelta(minutes=1)
        self.objects.now = self.now
        with open_replica_home(self.folder, None, KEY) as home:
            stored = self.home(home)
            replica, vault = stored.open()
            try:
                found = replica.pull(disk_of(self.source), NoKeys(), now=self.now)
                if upkeep:
                    stored.keep_up()
            finally:
                vault.close()
            return found.checkpoint

    def verify(self, since: Checkpoint | None = None, *, pieces_only: bool = False) -> int:
        """Read every byte back as anybody would; how many entries there are."""
        reader = BucketVault(self.objects, KEY, pieces_only=pieces_only)
        try:
            return verify_vault(reader, KEY, since=since).checkpoint.size
        finally:
            reader.close()


@pytest.fixture
def world(tmp_path: Path) -> World:
    (tmp_path / "own").mkdir()
    return World(tmp_path / "own", SimulatedObjects())


def test_what_was_countersigned_outlives_kills_and_failures() -> None:
    assert max(live(seed) for seed in range(SEEDS)) > 300


def live(seed: int) -> int:
    """Some lives of a replica in a store that fails; what it countersigned stands. Its size."""
    random = Random(seed)
    with tempfile.TemporaryDirectory() as folder:
        world = World(Path(folder), SimulatedObjects(conditions=random.random() < 0.7))
        last: Checkpoint | None = None
        for _ in range(LIVES):
            store = world.objects
            store.fails_after = random.random() < 0.5
            strike = store.calls + random.randrange(1, 120)
            store.kill_at, store.fail_at, store.full_at = random.choice(
                [(strike, None, None), (None, strike, None), (None, None, strike)]
            )
            try:
                for _ in range(random.randrange(1, 4)):
                    world.grow(random.choice(BATCHES), random)
                    last = world.pull()
                    assert last == world.source.checkpoint
            except (Killed, StorageUnavailable):
                pass
            store.kill_at = store.fail_at = store.full_at = None
            if last is not None:
                assert world.verify(last) >= last.size, seed
        world.grow(random.choice(BATCHES), random)
        last = world.pull()
        assert last == world.source.checkpoint, seed
        assert world.verify(last) == last.size
        assert world.verify(last, pieces_only=True) == last.size
        assert all(len(some) == 1 for some in world.objects.versions.values()) or (
            not world.objects.conditions
        )
        return last.size


def test_a_copy_goes_back_into_a_folder(world: World, tmp_path: Path) -> None:
    world.grow(700, Random(2))
    world.pull()
    target = tmp_path / "vault"
    target.mkdir()
    reader = BucketVault(world.objects, KEY)
    copy_vault(VaultMoment(reader), Disk(LocalFiles(target)), KEY)
    reader.close()
    assert verify_vault(Disk(LocalFiles(target)), KEY).checkpoint == world.source.checkpoint
    grown = Vault(Disk(LocalFiles(target)), SIGNER)  # the log goes on from it
    assert grown.checkpoint == world.source.checkpoint
    world.source = grown
    world.grow(400, Random(3))
    last = world.pull()
    assert world.verify(last) == last.size == 1_100


@pytest.mark.parametrize("conditions", [True, False])
def test_what_is_put_over_an_object_changes_nothing(world: World, *, conditions: bool) -> None:
    world.objects.conditions = conditions
    world.grow(700, Random(3))
    last = world.pull()
    for name in list(world.objects.versions):
        world.objects.plant(name, b"something else")
    assert world.verify(last) == last.size
    world.grow(300, Random(4))
    last = world.pull()
    assert world.verify(last) == last.size


def test_foreign_objects_keep_nobody_from_reading(world: World) -> None:
    world.grow(700, Random(5))
    last = world.pull()
    first = world.objects.versions[f"{VAULT}tile/entries/000"][0].content
    for name in (
        f"{VAULT}checkpoint/000000000000000-00000000000",
        f"{VAULT}rubbish",
        f"{VAULT}tile/entries/002.p/3",
        f"{VAULT}tile/x/000",
        f"{VAULT}body/000000000.from/000000001",
        f"{VAULT}body/rubbish",
    ):
        world.objects.plant(name, first)
    assert world.verify(last) == last.size
    assert world.pull() == last


def test_an_object_under_a_name_that_we_want_is_refused_and_stays(world: World) -> None:
    world.grow(300, Random(6))
    last = world.pull()
    world.objects.plant(f"{VAULT}tile/0/001", b"not the leaves")
    world.grow(400, Random(7))
    with pytest.raises(IntegrityError, match="Another object has this name") as caught:
        world.pull()
    assert "new prefix" in caught.value.remedy
    assert world.verify(last) == last.size
    assert world.objects.versions[f"{VAULT}tile/0/001"][0].content == b"not the leaves"


def test_a_planted_piece_is_refused(world: World) -> None:
    world.grow(5, Random(8))
    world.pull()
    end = world.source.last.place.end if world.source.last else 0
    world.objects.plant(f"{VAULT}body/000000000.from/{end:09d}", b"not a body")
    world.grow(1, Random(9))
    with pytest.raises(IntegrityError, match="Another object has this name"):
        world.pull()


def test_the_same_bytes_put_by_another_are_locked_before_they_count(world: World) -> None:
    """A thief puts what we are about to put, without a lock, to take it away later."""
    world.grow(300, Random(10))
    other = World(world.folder.parent / "other", SimulatedObjects(), world.source)
    other.folder.mkdir()
    other.pull()
    for name, some in other.objects.versions.items():
        if name.startswith((f"{VAULT}tile", f"{VAULT}body")):
            world.objects.plant(name, some[0].content)
    last = world.pull()
    world.objects.expire()
    assert world.verify(last) == last.size


def test_every_changed_object_is_found(world: World) -> None:
    world.grow(700, Random(11))
    last = world.pull()
    vault = [name for name in world.objects.versions if name.startswith(VAULT)]
    segments = {name[:-15] for name in vault if ".from/" in name}
    tried = 0
    for name in vault:
        first = world.objects.versions[name][0]
        kept = first.content
        if name[:-15] in segments and name[:-15] in vault:
            continue  # the whole segment is read
        first.content = bytes([kept[0] ^ 1]) + kept[1:]
        if "/checkpoint/" in name:
            with pytest.raises(IntegrityError):
                world.verify()
        else:
            with pytest.raises(IntegrityError):
                world.verify(last)
            tried += 1
        first.content = kept
    assert tried > 10
    assert world.verify(last) == last.size


def test_a_missing_object_is_found(world: World) -> None:
    world.grow(700, Random(12))
    last = world.pull()
    for name in (f"{VAULT}tile/0/000", f"{VAULT}tile/entries/001", f"{VAULT}body/000000002"):
        kept = world.objects.versions.pop(name)
        if "body" in name:
            assert world.verify(last) == last.size  # its pieces are there still
        else:
            with pytest.raises(IntegrityError):
                world.verify(last)
        world.objects.versions[name] = kept


def test_two_replicas_on_one_prefix(world: World, tmp_path: Path) -> None:
    world.grow(300, Random(13))
    world.pull()
    (tmp_path / "second").mkdir()
    second = World(tmp_path / "second", world.objects, world.source, world.now)
    with pytest.raises(OperatorError, match="Another witness's replica"):
        second.pull()
    # The same folder copied to another machine: both put the same, none loses anything.
    for name in ("witness.key", "log.vkey", "last-checkpoint"):
        (second.folder / name).write_bytes((world.folder / name).read_bytes())
    (second.folder / "witness.vkey").unlink()
    for count in (10, 300, 90):
        world.grow(count, Random(count))
        world.pull()
        second.now = world.now
        world.grow(7, Random(count))
        second.pull()
        world.now = second.now
    last = world.pull()
    assert world.verify(last) == last.size


def test_a_bucket_put_back_to_an_older_state_is_refused(world: World) -> None:
    world.grow(300, Random(14))
    world.pull()
    older = {name: list(some) for name, some in world.objects.versions.items()}
    world.grow(300, Random(15))
    world.pull()
    world.objects.versions = older
    with pytest.raises(IntegrityError, match="Somebody put an older one"):
        world.pull()


def test_a_rewritten_source_is_refused_and_the_evidence_is_in_the_bucket(world: World) -> None:
    world.grow(300, Random(16))
    last = world.pull()
    world.source = Vault.begin(Disk(SimulatedFiles(Random(2))), SIGNER)
    world.grow(310, Random(17))
    with pytest.raises(Rewritten):
        world.pull()
    kept = sorted(name for name in world.objects.versions if name.startswith("evidence/"))
    assert [name.rpartition("/")[2] for name in kept] == ["leaves", "ours", "theirs"]
    assert all(world.objects.versions[name][0].until for name in kept)
    assert world.verify(last) == last.size
    with pytest.raises(OperatorError, match="until a person has looked"):
        world.pull()


def test_a_store_that_does_not_lock_is_refused(world: World) -> None:
    world.objects.locks = False
    world.grow(3, Random(18))
    with pytest.raises(OperatorError, match="did not lock it"):
        world.pull()


def test_a_store_that_locks_for_a_shorter_time_is_refused(world: World) -> None:
    class Short(SimulatedObjects):
        def retain(self, stored: Stored, until: datetime) -> None:
            """Says yes, and does nothing."""

    world.objects = Short()
    world.grow(3, Random(32))
    world.pull()
    world.now += timedelta(days=60)
    with pytest.raises(OperatorError, match="did not lock it"):
        world.pull()


def test_a_store_that_does_not_show_what_it_took_is_refused(world: World) -> None:
    world.objects.shows = False
    world.grow(3, Random(19))
    with pytest.raises(StorageUnavailable, match="does not show"):
        world.pull()


def test_a_store_that_refuses_is_an_operators_matter(world: World) -> None:
    world.objects.denied = True
    world.grow(3, Random(20))
    with pytest.raises(OperatorError, match="AccessDenied"):
        world.pull()


def test_a_clock_that_goes_back_is_refused(world: World) -> None:
    world.grow(3, Random(21))
    world.pull()
    world.now -= timedelta(days=1)
    world.grow(3, Random(22))
    with pytest.raises(TourniquetError, match="clock went back"):
        world.pull()


def test_what_is_needed_stays_locked_and_what_was_replaced_need_not(world: World) -> None:
    """A year goes by; a thief deletes whatever is not locked, every month."""
    random = Random(23)
    gone = 0
    for month in range(12):
        world.now += timedelta(days=30)
        world.objects.now = world.now
        gone += world.objects.expire()
        if month % 3 != 2:
            world.grow(random.randrange(1, 90), random)
        last = world.pull()
        assert world.verify(last) == last.size
    assert gone > 20  # old checkpoints, partial tiles, pieces of segments that are whole


def test_an_idle_replica_puts_few_objects(world: World) -> None:
    world.grow(100, Random(24))
    world.pull()
    puts = world.objects.puts
    for _ in range(30):
        world.pull(upkeep=False)
    assert world.objects.puts == puts
    world.grow(1, Random(25))
    world.pull(upkeep=False)
    assert world.objects.puts == puts + 4  # a piece, a bundle, a tile, a checkpoint


def test_another_key_reads_nothing(world: World) -> None:
    world.grow(10, Random(26))
    world.pull()
    reader = BucketVault(world.objects, OTHER.verifier)
    with pytest.raises(IntegrityError, match="not signed by the key"):
        verify_vault(reader, OTHER.verifier)
    reader.close()


def test_a_false_whole_segment_is_named_and_its_pieces_are_read(world: World) -> None:
    """A thief puts one before the replica has it; the replica does not take it for its own."""
    world.grow(40, Random(27))
    last = world.pull()
    world.objects.plant(f"{VAULT}body/000000000", b"x" * 3_000)
    with pytest.raises(IntegrityError):
        world.verify(last)
    assert world.verify(last, pieces_only=True) == last.size
    world.grow(400, Random(28))
    with pytest.raises(IntegrityError):
        world.pull()


def test_a_changed_piece_never_becomes_a_whole_segment(world: World) -> None:
    world.grow(300, Random(29))
    world.pull(upkeep=False)
    piece = world.objects.versions[f"{VAULT}body/000000000.from/000000000"][0]
    kept = piece.content
    piece.content = kept[:-1] + bytes([kept[-1] ^ 1])
    with pytest.raises(IntegrityError, match="was changed"):
        world.pull()
    assert f"{VAULT}body/000000000" not in world.objects.versions
    piece.content = kept
    last = world.pull()
    assert f"{VAULT}body/000000000" in world.objects.versions
    assert world.verify(last) == last.size


def test_an_interrupted_renewal_is_done_again(world: World) -> None:
    world.grow(700, Random(30))
    world.pull()
    world.now += timedelta(days=60)
    world.objects.kill_at = world.objects.calls + 20
    with pytest.raises(Killed):
        world.pull()
    world.objects.kill_at = None
    last = world.pull()
    world.now = world.objects.now = world.now + RETENTION - timedelta(days=1)
    world.objects.expire()
    assert world.verify(last) == last.size


def test_a_renewal_in_lots_comes_to_its_end(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bucket_upkeep, "LOOKED_AT_ONCE", 7)
    world.grow(300, Random(31))
    world.pull()
    world.now += timedelta(days=60)
    world.objects.now = world.now
    with open_replica_home(world.folder, None, KEY) as home:
        stored = world.home(home)
        _, vault = stored.open()
        renewed = [stored.keep_up(at_once=False) for _ in range(40)]
        vault.close()
    done = [number for number in renewed if number is not None]
    assert len(done) == 1
    assert done[0] > 7
    assert renewed.index(done[0]) > 1


# The log's key is changed ------------------------------------------------------------------------

THIEF = Signer("log.example", LOG_KEY, Ed25519PrivateKey.from_private_bytes(b"T" * 32))


def test_a_pinned_key_leads_to_the_one_that_signs_now(world: World) -> None:
    world.grow(30, Random(31))
    before = world.pull()
    world.source.change_key(OTHER, SIGNER)
    world.grow(20, Random(32))
    last = world.pull()
    assert world.verify(before) == last.size == 50
    world.grow(300, Random(33))
    last = world.pull()  # opened anew, its list read from the bucket
    assert world.verify(before) == world.verify(before, pieces_only=True) == last.size
    reader = BucketVault(world.objects, OTHER.verifier)  # whoever pinned the newest reads it all
    assert verify_vault(reader, OTHER.verifier).checkpoint == last
    assert not reader.foreign
    reader.close()


def test_a_list_that_a_thief_put_there_leads_nobody(world: World) -> None:
    """Under a longer one's name, with the writer's credential and without the log's key."""
    world.grow(30, Random(34))
    last = world.pull()
    step = make_step(last, KEY, THIEF, SIGNER)
    by_thief = sign(step.note.text, THIEF)
    false = Signature(SIGNER.name, SIGNER.verifier.key_id, by_thief.value)
    planted = f"{Note(step.note.text, (false, by_thief))}".encode()
    world.objects.plant(f"{VAULT}{KEYS_FILE}/63", planted)
    assert world.verify(last) == 30
    world.grow(5, Random(35))
    last = world.pull()
    assert world.verify(last) == 35
    world.source.change_key(OTHER, SIGNER)
    world.grow(5, Random(36))
    with pytest.raises(IntegrityError):  # the name is taken: loudly
        world.pull()
    assert world.verify(last) == 35


def test_a_former_key_signs_no_longer_history_in_the_bucket(world: World) -> None:
    world.grow(30, Random(37))
    world.pull()
    world.source.change_key(OTHER, SIGNER)
    world.grow(20, Random(38))
    last = world.pull()
    text = Checkpoint(SIGNER.name, 900, bytes(32)).text()
    forged = Note(text, (sign(text, SIGNER),))
    world.objects.plant(
        f"{VAULT}checkpoint/{10**15 - 1 - 900:015d}-00000000000", str(forged).encode()
    )
    assert world.verify(last) == last.size
