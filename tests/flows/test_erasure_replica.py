"""Erasures at a replica, and a production in others' hands that would erase through it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from tests.flows.test_cli_record import answer, tourniquet
from tests.flows.test_erasure import ALL, BEN, DUE, approved, heard
from tests.flows.test_machines import client as bearer
from tests.support.console import NOW, seed_region
from tests.support.database import Database
from tests.support.sealing import seal
from tourniquet.flows.ask_erasure import approve_erasure, withdraw_erasure
from tourniquet.flows.carry_out_erasures import carry_out_erasures
from tourniquet.kernel.errors import IntegrityError, NotFound, StorageUnavailable
from tourniquet.record import bodies, replica_erasures
from tourniquet.record.destroying import (
    EntryOpening,
    HeaderOpening,
    Published,
    parse_published,
    read_published,
)
from tourniquet.record.disk import Disk, LocalFiles
from tourniquet.record.entries import ErasureApproved, ErasureAsked, ErasureCarriedOut
from tourniquet.record.erasure_rules import EXEMPTIONS
from tourniquet.record.journal import Act, writing
from tourniquet.record.keys import RING_FILE, open_keys
from tourniquet.record.replica_erasures import (
    STATE_FILE,
    ErasuresStopped,
    Looked,
    ReplicaErasures,
)
from tourniquet.record.replica_home import ReplicaHome, open_replica_home
from tourniquet.record.ring import KeyRing, RingCopy, RingFile
from tourniquet.record.sealer import find_log_key, keys_folder, vault_folder
from tourniquet.record.vault import VaultReader

LATER = NOW + timedelta(minutes=10)
WAIT = timedelta(days=14)


@dataclass
class Place:
    """A replica of this home, pulled and asked as its command does."""

    home: ReplicaHome
    ring: RingCopy
    size: int = 0

    def pull(self, now: datetime) -> None:
        replica, _ = self.home.open()
        self.size = replica.pull(
            Disk(LocalFiles(vault_folder())), self.ring, now=now
        ).checkpoint.size

    def erasures(self, *, most: int = 20) -> ReplicaErasures:
        return ReplicaErasures(
            Disk(LocalFiles(self.home.folder)), self.ring, days=14, keys_a_day=most
        )

    def reader(self) -> VaultReader:
        return VaultReader(Disk(LocalFiles(self.home.folder / "vault")), self.size)

    def look(self, now: datetime, *, most: int = 20, given: Published | None = None) -> Looked:
        self.pull(now)
        return self.erasures(most=most).look(given or listed(), self.reader(), now=now)

    def opens(self, patient: str) -> bool:
        """Whether the copy, with the root key, still has a patient's key."""
        root = open_keys(keys_folder()).root
        ring = KeyRing(self.home.keys_folder / RING_FILE, root)
        try:
            return ring.find_key(ring.patient_id(patient)) is not None
        finally:
            ring.close()

    def site_and_log_are_there(self) -> bool:
        root = open_keys(keys_folder()).root
        ring = KeyRing(self.home.keys_folder / RING_FILE, root)
        try:
            return len(ring.site.key) == len(ring.log_seeds()[0]) == 32
        finally:
            ring.close()


def listed() -> Published:
    return read_published(Disk(LocalFiles(vault_folder().parent)))


@pytest.fixture
def people(database: Database) -> list[str]:
    found = seed_region()
    seal()
    return found


@pytest.fixture
def place(people: list[str], tmp_path: Path) -> Iterator[Place]:
    with open_replica_home(tmp_path / "replica", None, find_log_key()) as home:
        yield Place(home, home.ring(RingFile(keys_folder() / RING_FILE)))


def test_it_waits_by_its_own_clock_and_then_destroys(place: Place, people: list[str]) -> None:
    patient, other, *_ = people
    erasure = approved(patient)
    seal()
    seen = LATER + timedelta(days=3)  # it was out of reach meanwhile
    assert place.look(seen).seen == (erasure,)
    carry_out_erasures(now=DUE)
    seal()
    assert place.look(seen + WAIT - timedelta(seconds=1)) == Looked()
    assert place.opens(patient)
    assert place.look(seen + WAIT) == Looked((), (erasure,), 1)
    assert not place.opens(patient)
    assert place.opens(other)
    assert place.site_and_log_are_there()
    assert place.look(seen + WAIT + WAIT) == Looked()
    assert place.ring.pull() == 0  # what is destroyed here is not copied again


def test_what_was_never_carried_out_or_withdrawn_stays(place: Place, people: list[str]) -> None:
    first, second, *_ = people
    approved(first)
    withdrawn = approved(second)
    seal()
    place.look(LATER)
    withdraw_erasure(withdrawn, why="asker", viewer=BEN, now=LATER)
    seal()
    assert place.look(LATER + 2 * WAIT).done == ()
    assert place.opens(first)
    assert place.opens(second)


def test_a_second_approval_begins_the_waiting_anew(place: Place, people: list[str]) -> None:
    patient, *_ = people
    erasure = approved(patient)
    seal()
    place.look(LATER)
    approve_erasure(erasure, viewer=BEN, now=DUE, acknowledged=ALL)
    seal()
    again = DUE + timedelta(hours=1)
    assert place.look(again).seen == (erasure,)
    carry_out_erasures(now=DUE + WAIT)
    seal()
    assert place.look(again + WAIT - timedelta(hours=1)).done == ()
    assert place.look(again + WAIT).done == (erasure,)


def test_a_person_at_the_replica_refuses(place: Place, people: list[str]) -> None:
    patient, *_ = people
    erasure = approved(patient)
    seal()
    place.look(LATER)
    place.erasures().decide(refuse=[erasure])
    carry_out_erasures(now=DUE)
    seal()
    assert place.look(LATER + 2 * WAIT).done == ()
    assert place.opens(patient)
    place.erasures().decide(allow=[erasure])
    assert place.look(LATER + 2 * WAIT).done == (erasure,)
    with pytest.raises(NotFound, match="seen no such erasure"):
        place.erasures().decide(allow=["another"])


def test_more_than_a_day_may_have_stops_all_of_them(place: Place, people: list[str]) -> None:
    erasures = [approved(patient) for patient in people[:4]]
    seal()
    place.look(LATER)
    carry_out_erasures(now=DUE)
    seal()
    due = LATER + WAIT
    with pytest.raises(ErasuresStopped, match="4 keys of 4 erasures are due"):
        place.look(due, most=3)
    assert all(place.opens(patient) for patient in people[:4])
    with pytest.raises(ErasuresStopped):  # not by waiting, either
        place.look(due + WAIT, most=3)
    with pytest.raises(ErasuresStopped):  # nor by a limit that is wider later
        place.look(due + WAIT, most=30)
    place.erasures().decide(allow=erasures[:1], refuse=erasures[1:2])
    with pytest.raises(ErasuresStopped, match="2 keys of 2 erasures"):
        place.look(due + WAIT, most=3)
    assert [place.opens(patient) for patient in people[:4]] == [False, True, True, True]
    place.erasures().decide(go_on=True)
    assert len(place.look(due + WAIT, most=3).done) == 2
    assert [place.opens(patient) for patient in people[:4]] == [False, True, False, False]


def test_the_limit_is_of_a_day_whatever_process_counts(place: Place, people: list[str]) -> None:
    for patient in people[:3]:
        approved(patient)
    seal()
    place.look(LATER)
    carry_out_erasures(now=DUE)
    seal()
    due = LATER + WAIT
    book = place.erasures().read()
    book.keys_by_day[due.date().isoformat()] = 1
    Disk(LocalFiles(place.home.folder)).replace(STATE_FILE, msgspec.json.encode(book))
    with pytest.raises(ErasuresStopped):
        place.look(due, most=3)
    place.erasures().decide(go_on=True)
    assert len(place.look(due + timedelta(days=1), most=3).done) == 3


@pytest.mark.parametrize("step", range(4))
def test_killed_anywhere_it_goes_on_and_counts_once(
    place: Place, people: list[str], monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    """Before the count, after it, after the key was destroyed, at the note that it is done."""

    class Killed(Exception):
        pass

    patient, *_ = people
    erasure = approved(patient)
    seal()
    place.look(LATER)
    carry_out_erasures(now=DUE)
    seal()
    writes = iter(range(100))
    real_write, real_destroy = ReplicaErasures._write, RingCopy.destroy

    def write(self: ReplicaErasures, book: replica_erasures.Book) -> None:
        number = next(writes)
        if (step, number) in ((0, 0), (3, 1)):
            raise Killed
        real_write(self, book)

    def destroy(self: RingCopy, keys: list[bytes], *, now: datetime) -> None:
        if step == 1:
            raise Killed
        real_destroy(self, keys, now=now)
        if step == 2:
            raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(ReplicaErasures, "_write", write)
        patch.setattr(RingCopy, "destroy", destroy)
        with pytest.raises(Killed):
            place.look(LATER + WAIT, most=1)
    assert place.look(LATER + WAIT, most=1).done == (erasure,)
    assert not place.opens(patient)
    assert sum(place.erasures().read().keys_by_day.values()) == 1


# A source that lies -------------------------------------------------------------------------------


def forged(place: Place, *, approver: str, keys: Callable[[], tuple[int, ...]]) -> Published:
    """What production seals when it was taken over: two accounts' names, and keys to go.

    It destroys its own at once; the replica had copied them before.
    """
    place.pull(NOW)
    with writing(Act("ada", NOW)) as journal:
        journal.append(
            ErasureAsked(
                erasure="forged",
                ground="b",
                asked_for="person",
                identity="known",
                records=1,
                not_applies=tuple(EXEMPTIONS),
            )
        )
    with writing(Act(approver, NOW)) as journal:
        journal.append(ErasureApproved(erasure="forged", days=1))
    with writing(Act("system", NOW)) as journal:
        journal.append(ErasureCarriedOut(erasure="forged", entries=0, rows=0, keys=keys()))
    seal()
    return listed()


def first_about(patient: str) -> int:
    from tourniquet.record.models import JournalEntry

    found = JournalEntry.objects.filter(subject=patient).order_by("position").first()
    assert found is not None
    return found.position


def test_a_forged_erasure_waits_and_is_seen(place: Place, people: list[str]) -> None:
    """Production destroys what it can; here it waits in the open, and only so many go."""
    positions = tuple(map(first_about, people[:10]))
    forged(place, approver="ben", keys=lambda: positions)
    assert place.look(LATER).seen == ("forged",)
    assert all(place.opens(patient) for patient in people)
    with pytest.raises(ErasuresStopped, match="10 keys of 1 erasures"):
        place.look(LATER + WAIT, most=9)
    place.erasures().decide(refuse=["forged"], go_on=True)
    assert place.look(LATER + 2 * WAIT, most=9) == Looked()
    assert all(place.opens(patient) for patient in people)


def test_an_approval_by_who_asked_counts_for_nothing(place: Place, people: list[str]) -> None:
    forged(place, approver="ada", keys=lambda: (first_about(people[0]),))
    with pytest.raises(IntegrityError, match="approved by who asked for it"):
        place.look(LATER)
    with pytest.raises(IntegrityError, match="approved by who asked for it"):
        place.look(LATER + 2 * WAIT)
    assert place.opens(people[0])


def test_the_sites_key_never_goes(place: Place, people: list[str]) -> None:
    """Position 1 is sealed under the site's key: the source leaves it out, a liar names it."""
    given = forged(place, approver="ben", keys=lambda: (1, first_about(people[0])))
    assert [len(one.keys) for one in given.entries] == [0, 0, 1]
    place.pull(LATER)
    ring = open_keys(keys_folder()).ring
    reader = VaultReader(Disk(LocalFiles(vault_folder())), place.size)
    leaf = reader.leaf(1)
    one = bodies.open_header(leaf, reader.body(leaf), ring.site.key)
    at = HeaderOpening(1, one.content, one.chain, one.key_id, one.salt)
    ring.close()
    last = given.entries[-1]
    lying = replace_last(given, msgspec.structs.replace(last, keys=[at, *last.keys]))
    with pytest.raises(IntegrityError, match="no patient's"):
        place.look(LATER + WAIT, given=lying)
    assert place.site_and_log_are_there()


def replace_last(given: Published, last: EntryOpening) -> Published:
    return msgspec.structs.replace(given, entries=[*given.entries[:-1], last])


@pytest.mark.parametrize(
    "change",
    [
        lambda e: msgspec.structs.replace(e, body=e.body.replace(b'"rows":', b'"rowz":')),
        lambda e: msgspec.structs.replace(e, salt=bytes(32)),
        lambda e: msgspec.structs.replace(e, at=msgspec.structs.replace(e.at, key_id=b"k" * 16)),
        lambda e: msgspec.structs.replace(e, at=msgspec.structs.replace(e.at, position=3)),
        lambda e: msgspec.structs.replace(
            e, keys=[msgspec.structs.replace(e.keys[0], key_id=b"k" * 16)]
        ),
        lambda e: msgspec.structs.replace(
            e, keys=[msgspec.structs.replace(e.keys[0], position=e.at.position)]
        ),
        lambda e: msgspec.structs.replace(e, keys=[e.at]),
    ],
)
def test_every_changed_opening_is_refused(
    place: Place, people: list[str], change: Callable[[EntryOpening], EntryOpening]
) -> None:
    approved(people[0])
    seal()
    place.look(LATER)
    carry_out_erasures(now=DUE)
    seal()
    given = listed()
    with pytest.raises(IntegrityError):
        place.look(LATER + WAIT, given=replace_last(given, change(given.entries[-1])))
    assert place.opens(people[0])


def test_an_approval_that_is_left_out_or_not_countersigned_yet_destroys_nothing(
    place: Place, people: list[str]
) -> None:
    approved(people[0])
    seal()
    place.look(LATER)
    carry_out_erasures(now=DUE)
    seal()
    given = listed()
    asked, approval, done = given.entries
    for left in ([done], [asked, done][1:], [approval, done]):
        one = msgspec.structs.replace(given, entries=left)
        assert place.look(LATER + WAIT, given=one).done == ()
    with pytest.raises(IntegrityError, match="not approved"):
        place.look(LATER + WAIT, given=msgspec.structs.replace(given, entries=[asked, done]))
    behind = replace(place, size=done.at.position - 1)
    looked = behind.erasures().look(given, behind.reader(), now=LATER + WAIT)
    assert looked.done == ()
    assert place.opens(people[0])


def test_a_book_that_cannot_be_read_stops_everything(place: Place, people: list[str]) -> None:
    approved(people[0])
    seal()
    place.look(LATER)
    (place.home.folder / STATE_FILE).write_bytes(b"{")
    carry_out_erasures(now=DUE)
    seal()
    with pytest.raises(IntegrityError, match="book of erasures"):
        place.look(LATER + WAIT)
    assert place.opens(people[0])


def test_a_ring_that_is_being_read_is_tried_again(
    place: Place, people: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sealer stops at the erasure until the key is gone from the log of the ring, too."""
    from tourniquet.record import ring

    patient, *_ = people
    approved(patient)
    seal()
    carry_out_erasures(now=DUE)
    real = ring._truncate

    def busy(_: object) -> None:
        raise StorageUnavailable("The key ring is being read.")

    monkeypatch.setattr(ring, "_truncate", busy)
    with pytest.raises(StorageUnavailable):
        seal()
    monkeypatch.setattr(ring, "_truncate", real)
    heard(patient, "B1")
    seal()
    keys = open_keys(keys_folder()).ring
    assert keys.find_key(keys.patient_id(patient)) is None
    assert keys.find_key(keys.patient_id(patient, generation=1)) is not None


# The command, and HTTP ----------------------------------------------------------------------------


def test_the_command_sees_an_approval_and_a_person_decides(
    database: Database, tmp_path: Path
) -> None:
    patient, *_ = seed_region()
    erasure = approved(patient)
    seal()
    folder = tmp_path / "replica"
    pull = ("record", "replica", "--from", vault_folder(), "--to", folder)
    first = tourniquet(database, *pull, "--key", vault_folder().parent / "vault.vkey")
    assert first.returncode == 0, first.stderr
    assert f"erasure {erasure} was approved; it waits here".encode() in first.stderr
    told = tourniquet(database, "record", "erase", "replica", "--of", folder).stdout.decode()
    assert f"{erasure}: asked by ada, approved by ben, first seen" in told
    book = ("record", "erase", "replica", "--of", folder)
    refused = answer(tourniquet(database, *book, "--refuse", erasure, "--json"))
    assert refused["watched"][erasure]["is_refused"] is True
    unknown = tourniquet(database, *book, "--allow", "another")
    assert unknown.returncode == 1
    assert b"seen no such erasure" in unknown.stderr


def test_the_list_is_given_to_who_may_copy_and_read_by_a_replica(database: Database) -> None:
    people = seed_region()
    client = bearer("replica")
    assert client.get("/vault-erasures").status_code == 404
    approved(people[0])
    seal()
    answered = client.get("/vault-erasures")
    assert answered.status_code == 200
    assert parse_published(answered.content) == listed()
    assert [len(one.body) > 0 for one in listed().entries] == [True, True]
    assert people[0].encode() not in answered.content
    assert bearer("laboratory").get("/vault-erasures").status_code == 403
    assert bearer().get("/vault-erasures").status_code == 401
    assert client.post("/vault-erasures").status_code == 405


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"form":2}', b'{"entries":[{}]}', b"\xff"])
def test_a_list_that_is_not_in_its_form_is_refused(content: bytes) -> None:
    with pytest.raises(IntegrityError, match="list of erasures"):
        parse_published(content)
