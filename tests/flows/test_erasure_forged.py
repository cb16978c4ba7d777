"""Erasures that no sealer of ours seals so, at a replica, and what a person there decides."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec
import pytest

from tests.flows.test_cli_record import tourniquet
from tests.flows.test_erasure import (
    ALL,
    BEN,
    DUE,
    approved,
)
from tests.flows.test_erasure_replica import LATER, WAIT, Place, first_about
from tests.support.console import NOW, seed_region
from tests.support.database import Database
from tests.support.forging import (
    THROWN_AWAY,
    ask_and_approve,
    carry_out,
    forged,
    under,
    unheeding,
)
from tests.support.sealing import opened, seal
from tourniquet.flows.ask_erasure import approve_erasure
from tourniquet.flows.carry_out_erasures import carry_out_erasures, finish_erasures
from tourniquet.kernel.errors import IntegrityError, UserError
from tourniquet.patients.models import Patient
from tourniquet.record import bodies
from tourniquet.record.destroying import (
    CARRIED_OUT,
    EntryOpening,
    HeaderOpening,
    Published,
)
from tourniquet.record.entries import (
    AlarmRaised,
)
from tourniquet.record.erasure_rules import State
from tourniquet.record.erasures import get_erasure
from tourniquet.record.journal import Act, writing
from tourniquet.record.keys import RING_FILE, open_keys
from tourniquet.record.models import JournalEntry
from tourniquet.record.replica_erasures import ErasuresStopped, Looked
from tourniquet.record.replica_home import open_replica_home
from tourniquet.record.ring import NamedKey, RingFile
from tourniquet.record.sealer import find_log_key, keys_folder, vault_folder


@pytest.fixture
def people(database: Database) -> list[str]:
    found = seed_region()
    seal()
    return found


@pytest.fixture
def place(people: list[str], tmp_path: Path) -> Iterator[Place]:
    with open_replica_home(tmp_path / "replica", None, find_log_key()) as home:
        yield Place(home, home.ring(RingFile(keys_folder() / RING_FILE)))


def liars_list(**keys: Sequence[int]) -> Published:
    """The list of who holds every key: of each erasure all entries, with the headers named."""
    reader, held = opened()
    site = held.ring.site.key

    def at(position: int) -> HeaderOpening:
        leaf = reader.leaf(position)
        one = bodies.open_header(leaf, reader.body(leaf), site)
        return HeaderOpening(position, one.content, one.chain, one.key_id, one.salt)

    entries = []
    for row in JournalEntry.objects.filter(kind__startswith="erasure.").order_by("position"):
        named: Sequence[int] = ()
        assert row.body is not None
        assert row.salt is not None
        if row.kind == CARRIED_OUT:
            named = keys[msgspec.json.decode(bytes(row.body))["erasure"]]
        if row.kind != "erasure.concerns":
            opening = EntryOpening(
                at(row.pk), bytes(row.body), bytes(row.salt), [at(one) for one in named]
            )
            entries.append(opening)
    held.ring.close()
    return Published(entries=entries)


# A replica ----------------------------------------------------------------------------------------


def test_a_header_of_the_liars_own_does_not_make_the_sites_key_a_patients(
    place: Place, people: list[str]
) -> None:
    """HAZ-063: whoever runs the sealer chooses the key id in the header of the entry itself."""
    place.pull(NOW)
    ask_and_approve("x")
    carry_out("x", [1, first_about(people[0])])
    with forged(CARRIED_OUT, under(THROWN_AWAY)), unheeding():
        seal()
    given = liars_list(x=[1, first_about(people[0])])
    for moment in (LATER, LATER + WAIT):
        with pytest.raises(IntegrityError, match="not under the site's key"):
            place.look(moment, given=given)
    assert place.site_and_log_are_there()
    assert place.opens(people[0])


def test_an_entry_that_says_it_is_under_the_logs_key_destroys_it_nowhere(
    place: Place, people: list[str]
) -> None:
    """Neither at the replica nor in production's own ring; and the sealer goes on."""
    place.pull(NOW)
    ring = open_keys(keys_folder()).ring
    (log_id,) = {row.id for row in RingFile(keys_folder() / RING_FILE).rows(after=1, most=1)}
    log_key = NamedKey(log_id, ring.get_key(log_id))
    ring.close()
    with writing(Act("tester", NOW)) as journal:
        named = journal.append(AlarmRaised("a", "test", "A test."))
    with forged("alarm.raised", under(log_key)):
        seal()
    ask_and_approve("x")
    carry_out("x", [named, first_about(people[0])])
    with unheeding():
        seal()
    with pytest.raises(IntegrityError, match="no patient's"):
        place.look(LATER, given=liars_list(x=[named]))
    assert place.site_and_log_are_there()
    # Production's own sealer, in good hands again.
    patient, *_ = people[1:]
    erasure = approved(patient)
    carry_out_erasures(now=DUE)
    seal()
    ring = open_keys(keys_folder()).ring
    assert ring.find_key(log_id) is not None
    assert ring.find_key(ring.patient_id(people[0])) is not None
    assert ring.find_key(ring.patient_id(patient)) is None
    ring.close()
    assert finish_erasures(now=DUE).finished == (erasure,)
    assert get_erasure("x").state == State.CARRIED_OUT  # nobody says that its keys are gone
    assert place.look(LATER).seen == ("x", erasure)  # its own list holds up no replica


def test_it_may_be_allowed_once_it_is_known_what_goes_and_for_that_alone(
    place: Place, people: list[str]
) -> None:
    place.pull(NOW)
    positions = [first_about(one) for one in people[:5]]
    ask_and_approve("x")
    seal()
    place.look(LATER)
    with pytest.raises(UserError, match="nobody knows how many keys it takes"):
        place.erasures().decide(allow=["x"])
    carry_out("x", positions)
    seal()
    with pytest.raises(ErasuresStopped):
        place.look(LATER + WAIT, most=0, given=liars_list(x=positions[:1]))
    allowed = place.erasures().decide(allow=["x"]).watched["x"]
    assert allowed.allowed == allowed.extent
    assert allowed.extent is not None
    assert allowed.extent.keys == 1
    with pytest.raises(ErasuresStopped, match="5 keys of 1 erasures"):
        place.look(LATER + WAIT, most=3, given=liars_list(x=positions))
    with pytest.raises(ErasuresStopped, match="1 keys of 1 erasures"):  # as many, of others
        place.look(LATER + WAIT, most=3, given=liars_list(x=positions[1:2]))
    assert all(place.opens(one) for one in people[:5])
    assert place.look(LATER + WAIT, most=0, given=liars_list(x=positions[:1])).keys == 1
    assert [place.opens(one) for one in people[:2]] == [False, True]


def test_what_was_counted_before_a_crash_is_free_for_that_alone(
    place: Place, people: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(Exception):
        pass

    def killed(*_: object, **__: object) -> None:
        raise Killed

    place.pull(NOW)
    positions = [first_about(one) for one in people[:5]]
    ask_and_approve("x")
    carry_out("x", positions)
    seal()
    place.look(LATER, given=liars_list(x=positions[:1]))
    with monkeypatch.context() as patch:
        patch.setattr(type(place.ring), "destroy", killed)
        with pytest.raises(Killed):
            place.look(LATER + WAIT, most=3, given=liars_list(x=positions[:1]))
    with pytest.raises(ErasuresStopped, match="5 keys"):
        place.look(LATER + WAIT, most=3, given=liars_list(x=positions))
    assert all(place.opens(one) for one in people[:5])


def test_a_veto_outlives_another_approval_and_somebody_is_told(
    place: Place, people: list[str]
) -> None:
    patient, *_ = people
    erasure = approved(patient)
    seal()
    first = place.look(LATER)
    place.erasures().decide(refuse=[erasure])
    approve_erasure(erasure, viewer=BEN, now=DUE, acknowledged=ALL)
    seal()
    second = place.look(LATER)
    one = place.erasures().read().watched[erasure]
    carry_out_erasures(now=DUE + WAIT)
    seal()
    assert place.look(LATER + 3 * WAIT) == Looked()
    assert place.opens(patient)
    assert (first.seen, first.again) == ((erasure,), ())
    assert (second.seen, second.again) == ((erasure,), (erasure,))
    assert (one.is_refused, one.is_again) == (True, True)
    place.erasures().decide(allow=[erasure])
    assert place.look(LATER + 3 * WAIT).done == (erasure,)


def test_the_command_says_what_an_erasure_takes_and_that_a_refused_one_came_again(
    database: Database, tmp_path: Path
) -> None:
    patient, *_ = seed_region()
    erasure = approved(patient)
    seal()
    folder = tmp_path / "replica"
    key = ("--key", vault_folder().parent / "vault.vkey")
    pull = ("record", "replica", "--from", vault_folder(), "--to", folder)
    book = ("record", "erase", "replica", "--of", folder)
    assert tourniquet(database, *pull, *key).returncode == 0
    early = tourniquet(database, *book, "--allow", erasure)
    assert early.returncode == 1
    assert b"nobody knows how many keys it takes" in early.stderr
    tourniquet(database, *book, "--refuse", erasure)
    approve_erasure(erasure, viewer=BEN, now=NOW, acknowledged=ALL)
    seal()
    again = tourniquet(database, *pull)
    assert b"it was refused here before, and stays so" in again.stderr
    told = tourniquet(database, *book).stdout.decode()
    assert "refused here, and approved again at the source since: it stays refused" in told
    carry_out_erasures(now=DUE)
    seal()
    tourniquet(database, *pull)
    told = tourniquet(database, *book, "--allow", erasure).stdout.decode()
    position = get_erasure(erasure).ended_position
    assert f"waits, takes 1 keys, by position {position}, allowed here" in told


# The ring -----------------------------------------------------------------------------------------


def test_the_first_two_rows_are_the_sites_and_the_logs(place: Place) -> None:
    place.pull(NOW)
    keys = open_keys(keys_folder())
    site, log = place.ring.lasting()
    assert site == keys.ring.site.id
    assert log in keys.ring.log_ids()
    assert keys.ring.get_key(log) == keys.ring.log_seeds()[0]
    patient = keys.ring.patient_id(Patient.objects.values_list("pk", flat=True)[0])
    for one in (site, log):
        with pytest.raises(IntegrityError, match="no patient's"):
            place.ring.destroy([patient, one], now=NOW)
    assert place.ring.held([patient]) == [patient]
    keys.ring.close()
