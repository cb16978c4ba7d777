"""The downtime desk over a sealed vault: unlocked by two, read by many, with the database gone."""

from __future__ import annotations

import re
import shutil
import threading
from datetime import timedelta
from pathlib import Path

import pytest
from django.test import Client

from tests.support.console import NOW, PASSWORD, post, seed_region, seed_results, text_of
from tests.support.database import Database
from tests.support.desk import make_desk, make_shares, open_reading, serving, signed_in
from tests.support.forging import forged, saying
from tests.support.sealing import opened, seal
from tourniquet.directory.desk_roles import DeskRole, DeskUser
from tourniquet.flows.downtime_desk import WORDS_HELD_SECONDS, DowntimeDesk
from tourniquet.kernel.errors import IntegrityError, OperatorError, UserError
from tourniquet.pathology import desk_reading
from tourniquet.pathology.desk_history import Histories
from tourniquet.pathology.desk_lines import DeskUnlocked, RecordOpened
from tourniquet.pathology.desk_reading import DeskReading
from tourniquet.patients.entries import Demographics, PatientRegistered, RecordRead
from tourniquet.patients.queries import Wanted
from tourniquet.record import following
from tourniquet.record.disk import LocalFiles
from tourniquet.record.entries import ErasureWithdrawn
from tourniquet.record.journal import Act, writing
from tourniquet.record.keys import read_root
from tourniquet.record.sealer import keys_folder, vault_folder
from tourniquet.site import desk_server
from tourniquet.web.desk.patients import REASON_HOLDS

NHS = "9990000018"  # the first of the region's people, who has results


@pytest.fixture
def people(sqlite_database: Database) -> list[str]:
    """A small region with results, sealed."""
    people = seed_region()
    seed_results(0)
    seal()
    return people


def unlocked(tmp_path: Path) -> DowntimeDesk:
    desk = make_desk(tmp_path / "desk")
    desk.unlock_with_root(read_root(keys_folder()), ("amara", "bola"))
    desk.follow()
    return desk


def test_two_named_people_unlock_it_together(people: list[str], tmp_path: Path) -> None:
    desk = make_desk(tmp_path / "desk")
    words = make_shares()
    with serving(desk):
        amara, bola, rita = signed_in("amara"), signed_in("bola"), signed_in("rita")
        for page in ("/", f"/patients/{people[0]}/", f"/patients/{people[0]}/open/"):
            assert amara.get(page).headers["Location"] == "/unlock/"
        before = amara.get("/unlock/").content.decode()
        locked = text_of(rita.get("/unlock/"))
        assert "You are none of them" in locked
        assert "While it is locked the desk does not follow the record" in locked
        assert "Key results" not in locked, "nothing leads to pages that lead back here"
        assert desk.accounts.find("rita")
        refused = post(amara, "/unlock/", {"words": words[0].replace(" ", " x", 1)})
        assert refused.status_code == 400
        assert "Word 2 is not a word of the list" in text_of(refused)
        short = " ".join(word[:4] for word in words[0].split())  # as the page says
        assert post(amara, "/unlock/", {"words": short.upper()}).status_code == 303
        assert "Words taken" in text_of(bola.get("/unlock/"))
        after = amara.get("/unlock/").content.decode()
        shown = [word for word in words[0].split() if word in after and word not in before]
        assert not shown, "a page's own mark-up has words of the list, too"
        again = post(bola, "/unlock/", {"words": words[0]})
        assert "Somebody else has typed this share" in text_of(again)
        assert desk.unlocked is None
        assert post(bola, "/unlock/", {"words": words[2]}).headers["Location"] == "/"
        assert "Data as of" in text_of(rita.get("/"))
    assert desk.unlocked is not None
    (line,) = desk.unlocked.lines()
    assert isinstance(line, DeskUnlocked)
    assert line.people == ("amara", "bola")
    kept = (tmp_path / "desk/access.jsonl").read_text()
    assert '"unlocked", "account": "amara, bola"' in kept
    assert not any(word in kept for word in words[0].split()[4:9])


def test_one_person_alone_and_words_that_waited_too_long_unlock_nothing(
    people: list[str], tmp_path: Path
) -> None:
    desk = make_desk(tmp_path / "desk")
    clock = [0.0]
    desk._seconds = lambda: clock[0]
    words = make_shares()
    amara, bola, rita = (desk.accounts.find(name) for name in ("amara", "bola", "rita"))
    assert amara
    assert bola
    assert rita
    assert not desk.offer_share(amara, words[0])
    assert not desk.offer_share(amara, words[1])
    clock[0] = WORDS_HELD_SECONDS + 1
    assert not desk.offer_share(bola, words[2])
    assert desk.people_ready() == ("bola",)
    with pytest.raises(UserError, match="not one of the people"):
        desk.offer_share(rita, words[0])
    other = make_shares()
    with pytest.raises(UserError, match="not of one set"):
        desk.offer_share(amara, other[0])
    assert desk.people_ready() == ()
    assert desk.unlocked is None


def test_another_root_key_opens_nothing(people: list[str], tmp_path: Path) -> None:
    desk = make_desk(tmp_path / "desk")
    with pytest.raises(OperatorError, match="does not open with this root key"):
        desk.unlock_with_root(bytes(32), ("amara", "bola"))
    assert desk.unlocked is None


def test_a_history_is_read_with_the_database_gone(
    sqlite_database: Database, people: list[str], tmp_path: Path
) -> None:
    Path(sqlite_database.home / "tourniquet.sqlite3").unlink()
    desk = unlocked(tmp_path)
    with serving(desk):
        rita = signed_in("rita")
        found = text_of(rita.get("/", {"number": "999 000 0018"}))
        assert "1 found" in found
        assert "OKAFOR, Mary" in found
        assert "Data as of 03-Jun-2024" in found
        assert found.index("1 found") < found.index("Search again") < found.index("By number")
        wrong = text_of(rita.get("/", {"born": "yesterday", "family": "Okafor"}))
        assert "people are known here" in wrong
        assert "0 people" not in wrong
        address = f"/patients/{people[0]}/"
        assert rita.get(address).headers["Location"] == f"{address}open/"
        assert post(rita, f"{address}open/", {"reason": ""}).status_code == 400
        assert post(rita, f"{address}open/", {"reason": "other"}).status_code == 400
        assert desk.demand().lines()[1:] == []
        asked = {"reason": "other", "words": "Ward round"}
        assert post(rita, f"{address}open/", asked).headers["Location"] == address
        page = text_of(rita.get(address))
    (line,) = desk.demand().lines()[1:]
    assert line == RecordOpened(
        at=NOW, who="desk:rita", patient=people[0], why="Something else: Ward round"
    )
    assert "No blood group is on record" in page
    assert "Nobody was told by the time the data ends" in page
    assert re.search(r"Potassium 7\.1 mmol/L", page)
    assert "Haemoglobin 129 g/L" in page
    assert "Before: 131 g/L, final" in page
    assert (
        page.index("Blood group") < page.index("Critical results") < page.index("Results, newest")
    )


def test_a_reason_holds_for_a_quarter_of_an_hour_and_for_one_patient(
    people: list[str], tmp_path: Path
) -> None:
    desk = unlocked(tmp_path)
    with serving(desk):
        rita = signed_in("rita")
        post(rita, f"/patients/{people[0]}/open/", {"reason": "treating"})
        assert rita.get(f"/patients/{people[0]}/").status_code == 200
        assert rita.get(f"/patients/{people[1]}/").status_code == 303
        desk.now = lambda: NOW + REASON_HOLDS
        assert rita.get(f"/patients/{people[0]}/").status_code == 200
        desk.now = lambda: NOW + REASON_HOLDS + timedelta(seconds=1)
        assert rita.get(f"/patients/{people[0]}/").status_code == 303


def test_a_disk_that_is_full_refuses_no_care(
    people: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = unlocked(tmp_path)
    with serving(desk):
        rita = signed_in("rita")
        with monkeypatch.context() as patch:
            patch.setattr(LocalFiles, "write_at", _full)
            post(rita, f"/patients/{people[0]}/open/", {"reason": "treating"})
            page = text_of(rita.get(f"/patients/{people[0]}/"))
            assert "This opening could not be written down" in page
            assert "Haemoglobin" in page
            assert "book cannot be written: No space left on device" in page
        post(rita, f"/patients/{people[0]}/open/", {"reason": "treating"})
        page = text_of(rita.get(f"/patients/{people[0]}/"))
        assert "could not be written down" not in page  # there is room again
        assert "cannot be written" not in page
    assert len(desk.demand().lines()) == 3, "the one that waited came first"


def test_a_desk_whose_disk_is_full_is_unlocked_and_shows_histories(
    people: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(following, "MARK_EVERY", following.TILE_WIDTH)
    fill(people[0], 300)
    desk = make_desk(tmp_path / "desk")
    with monkeypatch.context() as patch, serving(desk):
        patch.setattr(LocalFiles, "write_at", _full)
        desk.unlock_with_root(read_root(keys_folder()), ("amara", "bola"))
        desk.follow()
        assert desk.demand().reading.standing.is_complete
        assert not desk.demand().reading.standing.fault
        rita = signed_in("rita")
        assert "book cannot be written: No space left" in text_of(rita.get("/"))
        post(rita, f"/patients/{people[0]}/open/", {"reason": "treating"})
        assert "Haemoglobin" in text_of(rita.get(f"/patients/{people[0]}/"))
        rec = signed_in("rec")
        refused = rec.get("/forms/")
        assert refused.status_code == 503
        assert "Nothing was kept of this" in text_of(refused)
    desk.note_opening(rita_of(desk), people[0], why="room again")
    kinds = [type(line) for line in desk.demand().lines()]
    assert kinds == [DeskUnlocked, RecordOpened, RecordOpened]


def rita_of(desk: DowntimeDesk) -> DeskUser:
    found = desk.accounts.find("rita")
    assert found is not None
    return found


def test_a_book_that_was_changed_keeps_nobody_from_a_history(
    people: list[str], tmp_path: Path
) -> None:
    unlocked(tmp_path)
    book = tmp_path / "desk/book"
    whole = book.read_bytes()
    book.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    desk = unlocked(tmp_path)
    with serving(desk):
        rita, rec = signed_in("rita"), signed_in("rec")
        assert "book cannot be opened" in text_of(rita.get("/"))
        post(rita, f"/patients/{people[0]}/open/", {"reason": "treating"})
        page = text_of(rita.get(f"/patients/{people[0]}/"))
        assert "Haemoglobin" in page
        assert "could not be written down" in page
        for path in ("/results/", "/forms/"):
            assert rec.get(path).status_code == 503, path
    assert book.read_bytes()[:-1] == whole[:-1]
    assert len(book.read_bytes()) == len(whole), "kept as evidence"


def test_a_damaged_part_of_the_index_is_made_again_from_the_vault(
    people: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(following, "MARK_EVERY", following.TILE_WIDTH)
    fill(people[0], 600)
    first = open_reading(tmp_path / "desk")
    first.follow()
    parts = sorted((tmp_path / "desk/index").iterdir())
    assert len(parts) >= 2
    for part in parts[:2]:
        content = part.read_bytes()
        for changed in (content[:-1] + bytes([content[-1] ^ 1]), content[:40], b""):
            part.write_bytes(changed)
            again = open_reading(tmp_path / "desk")
            assert again.standing.position < first.standing.position
            again.follow()
            assert again.standing == first.standing
            assert again.index.search(Wanted(number=NHS)) == first.index.search(Wanted(number=NHS))
            assert part.read_bytes() != changed, "written anew"


def _full(*_: object) -> None:
    raise OSError(28, "No space left on device")


def test_signing_in_is_its_own_and_slowed_down(people: list[str], tmp_path: Path) -> None:
    desk = unlocked(tmp_path)
    with serving(desk):
        stranger = Client(
            enforce_csrf_checks=True, SERVER_NAME="127.0.0.1", HTTP_ACCEPT="text/html"
        )
        assert stranger.get("/").headers["Location"] == "/sign-in/?next=%2F"
        assert stranger.post("/sign-in/", {}).status_code == 403
        for name in ("lead", "rita"):  # one of the main system's, one of the desk's
            for _ in range(5):
                wrong = post(stranger, "/sign-in/", {"username": name, "password": "x"})
                assert wrong.status_code == 400
                assert "not right" in text_of(wrong)
            held = post(stranger, "/sign-in/", {"username": name, "password": PASSWORD})
            assert held.status_code == 429
        rita = signed_in("rec")
        desk.accounts.remove("rec")
        assert rita.get("/").status_code == 302
        for path in ("/incident/", "/worklists/", "/plan/", "/fhir/metadata", "/patients/"):
            assert stranger.get(path).status_code == 404, path


def test_nothing_of_anybody_lies_on_the_desks_disk(
    people: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(following, "MARK_EVERY", following.TILE_WIDTH)
    fill(people[0], 600)
    desk = unlocked(tmp_path)
    with serving(desk):
        rita = signed_in("rita")
        rita.get("/", {"family": "Okafor"})
        post(rita, f"/patients/{people[0]}/open/", {"reason": "treating"})
        assert "OKAFOR" in text_of(rita.get(f"/patients/{people[0]}/"))
    files = [path for path in (tmp_path / "desk").rglob("*") if path.is_file()]
    assert len(list((tmp_path / "desk/index").iterdir())) >= 2
    for file in files:
        content = file.read_bytes().lower()
        for secret in (b"okafor", NHS.encode(), people[0].encode(), b"haemoglobin", b"high street"):
            assert secret not in content, file
        assert file.stat().st_mode & 0o077 == 0, file


def fill(patient: str, count: int) -> None:
    """Entries, so that the vault has whole bundles; sealed."""
    with writing(Act("tester", NOW)) as journal:
        for _ in range(count):
            journal.append(RecordRead(), subject=patient)
    seal()


def test_an_index_is_gone_on_with(
    people: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(following, "MARK_EVERY", following.TILE_WIDTH)
    fill(people[0], 300)
    first = open_reading(tmp_path / "desk")
    first.follow()
    fill(people[1], 300)
    assert register("Zwart") != register("Zucker")
    seal()
    warm = open_reading(tmp_path / "desk")
    assert 0 < warm.standing.position < first.standing.position
    warm.follow()
    shutil.rmtree(tmp_path / "desk")
    cold = open_reading(tmp_path / "desk")
    cold.follow()
    assert warm.standing == cold.standing
    assert warm.standing.is_complete
    for family in ("O", "Z", "Smith"):
        wanted = Wanted(family_name=family)
        assert warm.index.search(wanted) == cold.index.search(wanted)
        assert warm.index.search(wanted)
    for patient in people:
        assert warm.index.positions(patient, most=999) == cold.index.positions(patient, most=999)


def register(family: str) -> str:
    patient = f"01j0000000000000000000{family.lower():.4}"
    with writing(Act("tester", NOW)) as journal:
        journal.append(PatientRegistered(person=Demographics(family_name=family)), subject=patient)
    return patient


def test_a_destroyed_key_takes_its_patient_out_of_the_index_and_its_files(
    people: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(following, "MARK_EVERY", following.TILE_WIDTH)
    fill(people[3], 300)
    running = open_reading(tmp_path / "desk")
    running.follow()
    gone = Wanted(family_name="Okafor", given_names="Mary")
    before = [one.id for one in running.index.search(gone)]
    assert people[0] in before
    _, keys = opened()
    keys.ring.erase(keys.ring.patient_id(people[0]), now=NOW)
    running.follow()
    again = open_reading(tmp_path / "desk")
    again.follow()
    for reading in (running, again):
        assert people[0] not in [one.id for one in reading.index.search(gone)]
        assert reading.index.search(Wanted(number=NHS)) == []


def test_a_key_that_has_not_come_is_waited_for(people: list[str], tmp_path: Path) -> None:
    copy = tmp_path / "keys"
    shutil.copytree(keys_folder(), copy)
    patient = register("Zwart")
    seal()
    reading = open_reading(tmp_path / "desk")
    reading.rings._path = copy / "ring.sqlite3"
    reading.follow()
    assert reading.standing.missing == 1
    assert reading.index.find(patient) is None
    shutil.rmtree(copy)
    shutil.copytree(keys_folder(), copy)
    reading.follow()
    assert reading.standing.missing == 0
    assert reading.index.find(patient) is not None


def test_a_vault_that_was_changed_is_said_and_what_was_verified_stays(
    people: list[str], tmp_path: Path
) -> None:
    desk = unlocked(tmp_path)
    older = tmp_path / "older"
    shutil.copytree(vault_folder(), older)
    fill(people[0], 5)
    desk.follow()
    shutil.rmtree(vault_folder())
    older.rename(vault_folder())
    desk.follow()
    assert "It is an older copy" in desk.demand().reading.standing.fault
    with serving(desk):
        rita = signed_in("rita")
        page = text_of(rita.get("/", {"number": NHS}))
        assert "The vault cannot be read further" in page
        assert "1 found" in page


def test_an_erasure_that_is_not_in_its_form_is_said_on_every_page(
    people: list[str], tmp_path: Path
) -> None:
    with writing(Act("ada", NOW)) as journal:
        journal.append(ErasureWithdrawn(erasure="x", why="asker"))
    with forged("erasure.withdrawn", saying(b"{}")):
        seal()
    desk = unlocked(tmp_path)
    with serving(desk):
        page = text_of(signed_in("rita").get("/", {"number": NHS}))
    assert (
        "Somebody must look at this: Entries of erasures that are not as a sealer writes them: 1,"
        in page
    )
    assert "The vault cannot be read further" not in page
    assert "1 found" in page


def test_a_body_that_was_changed_is_never_shown(people: list[str], tmp_path: Path) -> None:
    desk = unlocked(tmp_path)
    (segment,) = (vault_folder() / "body").iterdir()
    content = bytearray(segment.read_bytes())
    place = (
        desk.demand()
        .reading.follower.leaf(desk.demand().reading.index.positions(people[0], most=99)[-1])
        .place
    )
    content[place.offset + place.length // 2] ^= 1
    segment.write_bytes(content)
    with serving(desk):
        rita = signed_in("rita")
        post(rita, f"/patients/{people[0]}/open/", {"reason": "treating"})
        answer = rita.get(f"/patients/{people[0]}/")
        assert answer.status_code == 500
        assert "use the phone" in text_of(answer)
        assert rita.get("/").status_code == 200
    fresh = open_reading(tmp_path / "other")
    with pytest.raises(IntegrityError, match="not the one that its leaf names"):
        fresh.follow()
    assert fresh.standing.fault


def test_a_history_is_never_put_into_a_database_on_a_disk(
    people: list[str], tmp_path: Path
) -> None:
    reading = open_reading(tmp_path / "desk")
    reading.follow()
    with pytest.raises(OperatorError, match="in memory alone"):
        Histories(reading).open(people[0])


def test_roles_of_the_desk_are_its_own(
    sqlite_database: Database, people: list[str], tmp_path: Path
) -> None:
    desk = make_desk(tmp_path / "desk")
    with pytest.raises(UserError, match="no role"):
        DeskRole.parse("lead")
    with pytest.raises(UserError, match="12 characters"):
        desk.accounts.put("x", DeskRole.READER, "short", holder=False)
    with pytest.raises(UserError, match="small letters"):
        desk.accounts.put("X y", DeskRole.READER, PASSWORD, holder=False)
    assert desk.accounts.holders() == ("amara", "bola", "chidi")
    assert desk.accounts.check("rita", "nonsense") is None


def test_two_threads_that_follow_index_each_entry_once(people: list[str], tmp_path: Path) -> None:
    reading = open_reading(tmp_path / "desk")
    threads = [threading.Thread(target=reading.follow) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    alone = open_reading(tmp_path / "other")
    alone.follow()
    assert reading.standing == alone.standing
    assert reading.standing.is_complete


def test_following_stops_when_its_time_is_over_and_goes_on(
    people: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(desk_reading, "ENTRIES_AT_ONCE", 10)
    reading = open_reading(tmp_path / "desk")
    reading.follow(most_seconds=0.0)
    assert reading.standing.position < reading.standing.checkpoint.size
    reading.follow()
    assert reading.standing.is_complete


def test_what_is_typed_as_a_name_and_is_none_is_written_down_nowhere(
    people: list[str], tmp_path: Path
) -> None:
    desk = unlocked(tmp_path)
    with serving(desk):
        stranger = Client(
            enforce_csrf_checks=True, SERVER_NAME="127.0.0.1", HTTP_ACCEPT="text/html"
        )
        for name in ("correct horse battery", "rita"):
            wrong = post(stranger, "/sign-in/", {"username": name, "password": "x"})
            assert wrong.status_code == 400
    kept = (tmp_path / "desk/access.jsonl").read_text()
    assert "horse" not in kept
    assert '"account": "unknown name"' in kept
    assert '"sign-in refused", "account": "rita"' in kept


def test_a_fault_that_nobody_foresaw_stops_no_following(
    people: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    desk = unlocked(tmp_path)
    monkeypatch.setattr(desk_server, "LOOK_SECONDS", 0.001)
    reading = desk.demand().reading
    assert isinstance(reading, DeskReading)
    looked, faults, look = threading.Event(), list[str](), reading.follower.look
    failures = iter((KeyError("OKAFOR"), OSError(2, "OKAFOR"), None))

    def look_once() -> bool:
        failure = next(failures, None)
        faults.append(reading.standing.fault)
        if failure is not None:
            raise failure
        if len(faults) > 3:
            looked.set()
        return look()

    monkeypatch.setattr(reading.follower, "look", look_once)
    follower = desk_server._Follower(desk)
    follower.start()
    assert looked.wait(20)
    follower.stop()
    follower.join()
    assert ["KeyError" in faults[1], "FileNotFoundError" in faults[2]] == [True, True]
    assert faults[3] == ""
    assert not any("OKAFOR" in text for text in (*faults, caplog.text))
