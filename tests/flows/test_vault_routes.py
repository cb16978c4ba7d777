"""The routes that serve the vault, and what production believes of a witness; on both databases."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.flows.test_machines import client
from tests.support.console import NOW
from tests.support.database import Database
from tests.support.mllp import person, report
from tests.support.sealing import seal
from tourniquet.edge import vault_files
from tourniquet.edge.acknowledging import AnswerHold, WitnessBoard
from tourniquet.edge.counters import MllpCounters
from tourniquet.flows import keep_cosignature as keeping
from tourniquet.flows.keep_cosignature import keep_cosignature
from tourniquet.flows.receive_messages import Answer, Received, receive_group
from tourniquet.kernel.errors import IntegrityError, NotFound, OperatorError, UserError
from tourniquet.record import witness
from tourniquet.record.disk import Disk, LocalFiles
from tourniquet.record.journal import read_head
from tourniquet.record.log import CHECKPOINT
from tourniquet.record.models import JournalEntry
from tourniquet.record.notes import (
    LOG_KEY,
    NOTE_BYTES_MOST,
    WITNESS_KEY,
    Checkpoint,
    Note,
    Signer,
    cosign,
    read_note,
    sign,
)
from tourniquet.record.remote import News
from tourniquet.record.sealer import keys_folder, vault_folder
from tourniquet.record.tree import Frontier
from tourniquet.record.witness import (
    METER,
    METER_SECONDS,
    WITNESSED_FILE,
    Mark,
    ProtectionMeter,
    ProtectionReader,
    find_witness_key,
    find_witnessed,
)

WITNESS = Signer("witness.example", WITNESS_KEY, Ed25519PrivateKey.from_private_bytes(b"W" * 32))
OTHER = Signer("witness.example", WITNESS_KEY, Ed25519PrivateKey.from_private_bytes(b"V" * 32))
AT = int(datetime(2024, 6, 3, 8, tzinfo=UTC).timestamp())
NHS = "9990000018"


@pytest.fixture
def pinned(database: Database, monkeypatch: pytest.MonkeyPatch) -> Database:
    """A home with two sealed messages, whose witness is pinned."""
    monkeypatch.setenv("TOURNIQUET_WITNESS_KEY", str(WITNESS.verifier))
    take(person("A", NHS), report("R1", NHS, "F1"))
    seal()
    return database


def take(*messages: bytes) -> list[int]:
    """Take messages in one group; what each answer vouches for."""
    answers = receive_group([Received(one, "mllp", "peer") for one in messages], now=NOW)
    assert [one.code for one in answers] == ["AA"] * len(messages)
    return [one.through for one in answers]


def note() -> Note:
    """The home's newest checkpoint."""
    disk = Disk(LocalFiles(vault_folder()))
    return read_note(disk.read(CHECKPOINT, bytes_most=NOTE_BYTES_MOST))


def cosigned(by: Signer = WITNESS, *, seconds: int = AT, of: Note | None = None) -> bytes:
    """The newest checkpoint, countersigned."""
    found = of or note()
    return str(found.with_signature(cosign(found.text, by, seconds=seconds))).encode()


def forged(size: int, root: bytes) -> Note:
    """A checkpoint that the home's own key signed, of another history."""
    from tourniquet.record.keys import read_signer

    signer = read_signer(keys_folder())
    text = Checkpoint(signer.name, size, root).text()
    return Note(text, (sign(text, signer),))


# Answers and what they vouch for ------------------------------------------------------------------


def test_an_answer_vouches_for_all_that_its_group_wrote(database: Database) -> None:
    first = take(person("A", NHS), report("R1", NHS, "F1"))
    assert first == [read_head().position] * 2
    again = take(report("R1", NHS, "F1"))  # a repeat
    assert again == [read_head().position]


# Routes -------------------------------------------------------------------------------------------


def test_the_files_of_the_vault_are_served_as_they_are(pinned: Database) -> None:
    by = client("replica")
    vault = vault_folder()
    served = 0
    for file in sorted(path for path in vault.rglob("*") if path.is_file()):
        name = str(file.relative_to(vault))
        if name == "pending" or name.startswith("body/"):
            continue
        answer = by.get(f"/vault/{name}")
        assert (answer.status_code, answer.content) == (200, file.read_bytes()), name
        immutable = "immutable" in answer["Cache-Control"]
        assert immutable == name.startswith("tile/"), name
        served += 1
    assert served >= 4
    size = (vault / "body/000000000").stat().st_size
    body = by.get("/vault/body/000000000", headers={"Range": f"bytes=16-{size - 1}"})
    assert (body.status_code, body["Content-Range"]) == (206, f"bytes 16-{size - 1}/*")
    assert body.content == (vault / "body/000000000").read_bytes()[16:]
    assert by.get("/vault/body/000000000").status_code == 400
    rows = by.get("/vault-keys?after=1").json()["rows"]
    assert [row["number"] for row in rows] == list(range(2, 2 + len(rows)))
    assert rows


@pytest.mark.parametrize(
    "path",
    [
        "/vault/checkpoint",
        "/vault/vault.vkey",
        "/vault/tile/entries/000",
        "/vault/body/000000000",
        "/vault-keys",
    ],
)
def test_only_a_token_that_may_copy_is_heard(sqlite_database: Database, path: str) -> None:
    assert client().get(path).status_code == 401
    for role in ("practice", "laboratory", "incident_lead", "communications", "data_protection"):
        assert client(role).get(path).status_code == 403, role
    for role in ("replica", "auditor", "administrator"):
        assert client(role).get(path).status_code not in (401, 403), role
    assert client("replica", "R85001").post(path).status_code == 405


def test_a_replicas_token_opens_nothing_else(pinned: Database) -> None:
    by = client("replica")
    for path in ("/fhir/Patient", "/fhir/Observation", "/diary/2024-06-03.json"):
        assert by.get(path).status_code in (403, 404), path
    for path in ("/", "/patients/", "/worklists/", "/plan/", "/incident/"):
        assert by.get(path).status_code == 302, path  # tokens are not for pages


@pytest.mark.parametrize(
    "name",
    [
        "tile/../checkpoint",
        "tile/0/../../../vault.vkey",
        "tile/%2e%2e/checkpoint",
        "tile/0/000.part",
        "tile/9/000",
        "tile/entries/999",
        "tile/entries/000",  # full, where only a part is there
        "tile/entries/000.p/200",  # beyond the checkpoint
        "tile/0/001",
        "tile/1/000",
        "pending",
        "body/../checkpoint",
        "body/1",
        "body/000000001",
        "body/00000000a",
        "keys/root.key",
        "../keys/root.key",
        "ring.sqlite3",
    ],
)
def test_no_other_file_has_an_address(pinned: Database, name: str) -> None:
    by = client("replica")
    headers = {"Range": "bytes=0-1"} if name.startswith("body/") else {}
    assert by.get(f"/vault/{name}", headers=headers).status_code == 404


def test_what_an_interrupted_sealer_left_is_not_given(pinned: Database) -> None:
    by = client("replica")
    vault = vault_folder()
    size = int(note().text.splitlines()[1])
    path = vault / f"tile/entries/000.p/{size + 1}"
    path.write_bytes(b"not signed")
    assert by.get(f"/vault/tile/entries/000.p/{size + 1}").status_code == 404
    segment = vault / "body/000000000"
    end = segment.stat().st_size
    with segment.open("ab") as file:
        file.write(b"no leaf names this")
    for wanted, status in ((f"{end - 1}-{end - 1}", 206), (f"{end - 1}-{end}", 416)):
        answer = by.get("/vault/body/000000000", headers={"Range": f"bytes={wanted}"})
        assert answer.status_code == status
    assert answer["Content-Range"] == f"bytes */{end}"


@pytest.mark.parametrize("wanted", ["bytes=5-4", "bytes=0-99999999", "bytes=9999999999-9999999999"])
def test_ranges_that_no_segment_has(pinned: Database, wanted: str) -> None:
    by = client("replica")
    assert by.get("/vault/body/000000000", headers={"Range": wanted}).status_code == 416


@pytest.mark.parametrize("wanted", ["bytes=-5", "bytes=1-", "bytes=a-b", "bytes=0-1,3-4", "0-1"])
def test_ranges_that_are_not_given(pinned: Database, wanted: str) -> None:
    by = client("replica")
    assert by.get("/vault/body/000000000", headers={"Range": wanted}).status_code == 400


@pytest.mark.parametrize("query", ["after=-1&wait=1", "after=x", "after=1&wait=9" + "9" * 30])
def test_numbers_that_are_none(pinned: Database, query: str) -> None:
    assert client("replica").get(f"/vault/checkpoint?{query}").status_code == 400


def test_waiting_ends_at_once_where_there_is_more(pinned: Database) -> None:
    by = client("replica")
    size = int(note().text.splitlines()[1])
    assert by.get(f"/vault/checkpoint?after={size - 1}&wait=20").status_code == 200


def test_a_partial_tile_that_was_cleared_is_given_from_the_full_one(pinned: Database) -> None:
    by = client("replica")
    size = int(note().text.splitlines()[1])
    before = {
        name: by.get(f"/vault/{name}").content
        for name in (f"tile/entries/000.p/{size}", f"tile/0/000.p/{size}")
    }
    take(*(report(f"R{number}", NHS, f"F{number}") for number in range(2, 130)))
    take(*(report(f"R{number}", NHS, f"F{number}") for number in range(130, 258)))
    assert read_head().position > 256
    seal()
    for name, content in before.items():
        assert not (vault_folder() / name).exists()
        assert by.get(f"/vault/{name}").content == content
        assert by.head(f"/vault/{name}")["Content-Length"] == str(len(content))


def test_nothing_is_sealed_yet(sqlite_database: Database) -> None:
    by = client("replica")
    files = ("checkpoint", "vault.vkey", "tile/entries/000", "body/000000000")
    for path in ("/vault-keys", *(f"/vault/{name}" for name in files)):
        assert by.get(path).status_code == 404, path
    assert by.post("/vault/news?after=0").status_code == 404


# News ---------------------------------------------------------------------------------------------


def ask(query: str, content: bytes = b"") -> News:
    """The news behind a size and a number of a key."""
    answer = client("replica").post(f"/vault/news?{query}", content, content_type="text/plain")
    assert answer.status_code == 200
    return msgspec.msgpack.decode(answer.content, type=News)


def test_news_are_what_the_files_are(pinned: Database) -> None:
    size = int(note().text.splitlines()[1])
    by = client("replica")
    found = ask("after=1&keys=2")
    assert found.checkpoint == by.get("/vault/checkpoint").content
    assert list(found.files) == [f"tile/entries/000.p/{size}"]
    for path, content in found.files.items():
        assert by.get(f"/vault/{path}").content == content
    (piece,) = found.pieces
    wanted = f"bytes={piece.at}-{piece.at + len(piece.content) - 1}"
    assert by.get(f"/vault/{piece.path}", headers={"Range": wanted}).content == piece.content
    rows = by.get("/vault-keys?after=2").json()["rows"]
    assert [key.number for key in found.keys or []] == [row["number"] for row in rows] != []


def test_news_take_a_cosignature_first(pinned: Database) -> None:
    size = int(note().text.splitlines()[1])
    found = ask(f"after={size}&keys=0", cosigned())
    assert (found.refused, found.files, found.pieces) == ("", {}, [])
    witnessed = find_witnessed()
    assert witnessed is not None
    assert witnessed.checkpoint.size == size
    assert ask("after=0", cosigned(OTHER)).refused
    assert ask("after=0", b"x" * (NOTE_BYTES_MOST + 1)).refused
    assert find_witnessed() == witnessed


def test_what_does_not_fit_into_the_news_is_left_to_the_files(
    pinned: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vault_files, "NEWS_BYTES_MOST", 100)
    found = ask("after=0")
    assert found.files
    assert not found.pieces
    monkeypatch.setattr(vault_files, "NEWS_ENTRIES_MOST", 1)
    found = ask("after=0")
    assert found.checkpoint
    assert not found.files
    keys_folder().joinpath("ring.sqlite3").rename(keys_folder() / "away")
    assert ask("after=0").keys is None


# Cosignatures -------------------------------------------------------------------------------------


def hand_over(content: bytes) -> Any:
    return client("replica").post("/vault/cosignature", content, content_type="text/plain")


def test_a_cosignature_is_kept_and_counts(pinned: Database) -> None:
    assert ProtectionReader().read() is not None
    head = read_head().position
    answer = hand_over(cosigned())
    JournalEntry.objects.filter(position__gt=head).delete()  # the token's account
    assert (answer.status_code, answer.json()) == (200, {"witnessed": head})
    found = ProtectionReader().read()
    assert found is not None
    assert (found.witnessed, found.unprotected, found.since, found.fits) == (head, 0, None, True)
    assert found.witnessed_at == datetime.fromtimestamp(AT, UTC)
    take(report("R2", NHS, "F2"))
    found = ProtectionReader().read()
    assert found is not None
    assert found.unprotected == read_head().position - head
    assert found.since == NOW


def test_only_the_newest_is_kept(pinned: Database) -> None:
    older = cosigned(seconds=AT + 100)
    take(report("R2", NHS, "F2"))
    seal()
    newer = cosigned()
    kept = keep_cosignature(newer)
    assert keep_cosignature(older) == kept == find_witnessed()
    assert keep_cosignature(cosigned(seconds=AT - 1)) == kept
    later = keep_cosignature(cosigned(seconds=AT + 1))
    assert later == find_witnessed() != kept


def test_what_is_not_signed_by_both_is_refused(pinned: Database) -> None:
    stranger = Signer("log", LOG_KEY, Ed25519PrivateKey.from_private_bytes(b"S" * 32))
    text = Checkpoint("log", 3, bytes(32)).text()
    for bad in (
        cosigned(OTHER),
        str(note()).encode(),
        cosigned(of=Note(text, (sign(text, stranger),))),
        cosigned()[:-10],
        b"",
        b"\xff",
    ):
        with pytest.raises(UserError):
            keep_cosignature(bad)
        assert hand_over(bad).status_code == 400
    assert hand_over(b"x" * (NOTE_BYTES_MOST + 1)).status_code == 400
    assert find_witnessed() is None


def test_another_history_under_our_key_is_refused(pinned: Database) -> None:
    size = int(note().text.splitlines()[1])
    for one in (forged(size, bytes(32)), forged(size + 1, bytes(32)), forged(1, bytes(32))):
        with pytest.raises(IntegrityError):
            keep_cosignature(cosigned(of=one))
        assert hand_over(cosigned(of=one)).status_code == 500
    assert find_witnessed() is None
    empty = keep_cosignature(cosigned(of=forged(0, Frontier().root())))
    assert empty.checkpoint.size == 0


def test_nothing_is_taken_where_no_witness_is_pinned(
    pinned: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = cosigned()
    monkeypatch.delenv("TOURNIQUET_WITNESS_KEY")
    assert hand_over(content).status_code == 404
    with pytest.raises(NotFound):
        keep_cosignature(content)
    assert ProtectionReader().read() is None


def test_a_key_that_is_no_witness(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    log = Signer("log", LOG_KEY, Ed25519PrivateKey.from_private_bytes(b"S" * 32)).verifier
    for line in ("nonsense", str(log)):
        monkeypatch.setenv("TOURNIQUET_WITNESS_KEY", line)
        with pytest.raises(OperatorError):
            find_witness_key()


# What counts as protected -------------------------------------------------------------------------


def test_a_file_that_was_changed_protects_nothing(pinned: Database) -> None:
    keep_cosignature(cosigned())
    path = pinned.home / WITNESSED_FILE
    content = path.read_bytes()
    for at in range(0, len(content), 7):
        path.write_bytes(content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :])
        found = ProtectionReader().read()
        assert found is not None
        assert (found.witnessed, found.fits) == (0, False), at
    path.write_bytes(content)
    found = ProtectionReader().read()
    assert found is not None
    assert found.fits


def test_a_database_that_was_put_back_protects_nothing(pinned: Database) -> None:
    keep_cosignature(cosigned())
    head = read_head().position
    JournalEntry.objects.filter(position=head).delete()
    found = ProtectionReader().read()
    assert found is not None
    assert (found.witnessed, found.fits, found.unprotected) == (0, False, head - 1)
    take(report("R2", NHS, "F2"), report("R3", NHS, "F3"))  # it grows again, beyond where it was
    assert read_head().position > head
    found = ProtectionReader().read()
    assert found is not None
    assert (found.witnessed, found.fits) == (0, False)
    with pytest.raises(IntegrityError, match="journal is not the one"):
        keep_cosignature(cosigned())


def test_one_that_goes_back_under_a_running_server_protects_nothing(pinned: Database) -> None:
    reader = ProtectionReader()
    keep_cosignature(cosigned())
    before = reader.read()
    assert before is not None
    assert before.fits
    head = read_head().position
    kept = list(JournalEntry.objects.filter(position=head).values())
    JournalEntry.objects.filter(position=head).delete()
    take(report("R2", NHS, "F2"), report("R3", NHS, "F3"))  # it grows beyond where it was
    for _ in range(2):
        found = reader.read()
        assert found is not None
        assert (found.witnessed, found.fits) == (0, False)
        assert reader.mark.position == 0
    JournalEntry.objects.filter(position__gte=head).delete()
    JournalEntry.objects.create(**kept[0])  # the right database is back
    assert reader.read() == before


def test_messages_on_positions_given_out_again_are_counted_as_unprotected(
    pinned: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """AA at level `replica`, through the route that takes cosignatures and the real journal."""
    board, counters, moment = WitnessBoard(), MllpCounters(), [100.0]
    delivered: list[str] = []
    hold: AnswerHold[str] = AnswerHold(
        lambda pairs: delivered.extend(ticket for ticket, _ in pairs),
        seconds=5.0,
        counters=counters,
        board=board,
        now=lambda: moment[0],
    )
    monkeypatch.setattr(vault_files, "BOARD", board)
    assert hand_over(cosigned()).status_code == 200
    head = int(note().text.splitlines()[1])
    assert board.size == head
    hold.put([("repeat", Answer("AA", b"", 1, "", head))])
    assert delivered == ["repeat"]
    JournalEntry.objects.filter(position__gte=head).delete()  # and the token's account
    through = take(report("R2", NHS, "F2"))[0]
    assert through >= head
    if through > head:  # which position a message comes to is not this test's affair
        JournalEntry.objects.filter(position__gt=head).delete()
    hold.put([("new", Answer("AA", b"", 1, "", head))])
    assert (delivered, board.size) == (["repeat"], 0)
    assert hand_over(cosigned()).status_code == 500
    assert board.size == 0
    moment[0] += 5.0
    assert [one.pairs[0][0] for one in hold._due()] == ["new"]
    assert (counters.unprotected, counters.journal_went_back) == (1, 1)


def test_an_older_cosignature_does_not_bring_the_newest_back(
    pinned: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is kept in the file may cover more than the journal still has."""
    board = WitnessBoard()
    monkeypatch.setattr(vault_files, "BOARD", board)
    older = cosigned()
    size = int(note().text.splitlines()[1])
    take(report("R2", NHS, "F2"))
    seal()
    keep_cosignature(cosigned())
    JournalEntry.objects.filter(position__gt=size).delete()
    assert hand_over(older).status_code == 200
    assert board.size == size


def test_a_vault_that_was_put_back_protects_nothing(pinned: Database) -> None:
    older = pinned.home / "older"
    shutil.copytree(vault_folder(), older)
    take(report("R2", NHS, "F2"))
    seal()
    keep_cosignature(cosigned())
    shutil.rmtree(vault_folder())
    older.rename(vault_folder())
    found = ProtectionReader().read()
    assert found is not None
    assert (found.witnessed, found.fits) == (0, False)


def test_pages_are_told_at_most_a_second_late(pinned: Database) -> None:
    moment = [100.0]
    meter = ProtectionMeter(now=lambda: moment[0])
    first = meter.read()
    assert first is not None
    assert first.witnessed == 0
    keep_cosignature(cosigned())
    moment[0] += METER_SECONDS - 0.01
    assert meter.read() == first
    moment[0] += 0.01
    later = meter.read()
    assert later is not None
    assert later.unprotected == 0


def test_metrics_say_it(pinned: Database) -> None:
    keep_cosignature(cosigned())
    take(report("R2", NHS, "F2"))
    METER._until = 0.0
    lines = client().get("/metrics").content.decode().splitlines()
    waiting = read_head().position - int(note().text.splitlines()[1])
    assert f"tourniquet_unprotected_entries {waiting}" in lines
    assert f"tourniquet_unprotected_since_seconds {NOW.timestamp():.0f}" in lines
    assert f"tourniquet_witnessed_at_seconds {AT}" in lines
    assert "tourniquet_witness_fits 1" in lines


# Pages --------------------------------------------------------------------------------------------


def strip(page: str) -> str:
    """The meter of a page; empty where there is none."""
    from html import unescape

    _, found, rest = page.partition('aria-label="Copy of the record">')
    words = rest.partition("</p>")[0].rpartition("<p>")[2] if found else ""
    return " ".join(unescape(words).replace("<strong>", "").replace("</strong>", "").split())


def test_where_no_witness_is_pinned_every_page_says_so_and_who_can_act_reads_how(
    sqlite_database: Database,
) -> None:
    from tests.support.console import client_of, seed_region, stranger
    from tourniquet.record.models import Home

    seed_region(people=2)
    assert strip(client_of("admin").get("/").content.decode()) == "", "noise in an exercise"
    Home.objects.update(exercise="", clock_at=None)
    quiet = "No copy of these records is known to be out of reach."

    def shown(role: str, address: str = "/") -> str:
        METER._until = 0.0
        return strip(client_of(role).get(address).content.decode())

    for address in ("/", "/patients/", "/worklists/critical/", "/plan/"):
        assert shown("practice", address) == quiet
    admin, lead = shown("admin"), shown("lead")
    assert admin.startswith(quiet)
    assert "TOURNIQUET_WITNESS_KEY" in admin
    assert lead.startswith(quiet)
    assert "Ask whoever runs Tourniquet" in lead
    assert "TOURNIQUET" not in lead, "no setting's name for who can't set it"
    assert strip(stranger().get("/sign-in/").content.decode()) == ""


def test_every_page_says_what_is_not_out_of_reach(
    sqlite_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tests.support.console import client_of, seed_region, stranger
    from tourniquet.record.home import set_clock

    seed_region(people=2)
    by = client_of("practice")

    def shown(address: str = "/") -> str:
        METER._until = 0.0
        return strip(by.get(address).content.decode())

    monkeypatch.setenv("TOURNIQUET_WITNESS_KEY", str(WITNESS.verifier))
    count = read_head().position
    assert shown() == f"{count:,} records not yet copied out of reach, since 03-Jun-2024 08:30."
    seal()
    keep_cosignature(cosigned())
    for address in ("/", "/patients/", "/worklists/critical/", "/plan/"):
        words = shown(address)
        assert words.startswith(("Every record is copied out of reach; last confirmed", "1 record"))
    seal()
    keep_cosignature(cosigned())
    assert shown() == "Every record is copied out of reach; last confirmed 03-Jun-2024 09:00."
    take(report("R1", NHS, "F1"))
    page = by.get("/").content.decode()
    assert "tq-protection--late" not in page
    set_clock(NOW + timedelta(minutes=2))
    METER._until = 0.0
    page = by.get("/").content.decode()
    assert "tq-protection--late" in page
    JournalEntry.objects.filter(position__gte=3).delete()
    assert shown().startswith("The copy out of reach does not fit this record. Call")
    assert "Copy of the record" not in stranger().get("/sign-in/").content.decode()


def test_what_was_handed_out_comes_back_without_a_look_at_the_tree(
    pinned: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And still not where the journal below it is another one."""
    ask("after=0&keys=0")
    monkeypatch.setattr(witness, "_commitment_in_vault", None)  # would fail if it were called
    size = keep_cosignature(cosigned()).checkpoint.size
    JournalEntry.objects.filter(position=size).update(commitment=bytes(32))
    with pytest.raises(IntegrityError, match="not the one that was countersigned"):
        keep_cosignature(cosigned(seconds=AT + 5))


def test_under_traffic_the_newest_is_written_once_a_second(
    pinned: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[Mark] = []
    first = keep_cosignature(cosigned())
    earlier = [cosigned()]
    for number in range(2, 5):
        take(report(f"R{number}", NHS, f"F{number}"))
        seal()
        earlier.append(cosigned())
    kept = keep_cosignature(earlier[1], believed=told.append)
    assert [one.position for one in told] == [kept.checkpoint.size]
    assert find_witnessed() == first  # not yet: there is more to come
    last = keep_cosignature(earlier[-1], believed=told.append)
    assert find_witnessed() == last
    monkeypatch.setattr(keeping, "monotonic", lambda: 10_000_000.0)
    take(report("R9", NHS, "F9"))
    seal()
    note_before = cosigned()
    take(report("R10", NHS, "F10"))
    seal()
    assert keep_cosignature(note_before) == find_witnessed() != last
