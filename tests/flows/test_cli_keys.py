"""`tourniquet record keys`, as holders and an operator type them, on both databases."""

from __future__ import annotations

from pathlib import Path

from tests.flows.test_cli_record import answer, tourniquet
from tests.flows.test_cli_vault import take
from tests.support.database import Database

HOLDERS = ("--holder", "Ada Osei", "--holder", "Bea Lind", "--holder", "Cy Mora")


def words_on(sheet: Path) -> str:
    """The words of a sheet, as its holder reads them out: one after the other by number."""
    found: dict[int, str] = {}
    for line in sheet.read_text().splitlines():
        pieces = line.split()
        if len(pieces) in {4, 6} and pieces[0].rstrip(".").isdigit():
            found |= {int(n.rstrip(".")): w for n, w in zip(pieces[::2], pieces[1::2], strict=True)}
    return " ".join(found[at] for at in sorted(found))


def test_keys_are_split_lost_and_brought_back(database: Database, tmp_path: Path) -> None:
    take(database, tmp_path, 1)
    answer(tourniquet(database, "record", "seal", "--json"))
    out = tmp_path / "sheets"
    made = answer(
        tourniquet(database, "record", "keys", "shares", "--out", out, *HOLDERS, "--json")
    )
    assert [file.stat().st_mode & 0o777 for file in map(Path, made["files"])] == [0o600] * 3
    words = [words_on(Path(file)) for file in made["files"]]
    status = answer(tourniquet(database, "record", "status", "--json"))
    assert status["kinds"]["keys.shared"] == 1

    # No word is kept in the home: not in the journal, not in a log.
    third = words[0].split()[20].encode()
    run = b" ".join(word.encode() for word in words[0].split()[4:8])
    assert third
    for file in (path for path in database.home.rglob("*") if path.is_file()):
        assert run not in file.read_bytes()

    # The drill.
    drill = ("record", "keys", "check", "--json")
    typed = f"{words[2]}\n{words[0]}\n".encode()
    assert answer(tourniquet(database, *drill, stdin=typed))["shares"] == [1, 3]
    alone = tourniquet(database, *drill, stdin=f"{words[1]}\n".encode())
    assert alone.returncode == 1
    assert b"of 2 holders are needed, not of 1" in alone.stderr
    assert tourniquet(database, *drill).returncode == 1

    # The folder of keys is lost; a copy of the ring and two sheets bring it back.
    lost = (database.home / "keys").rename(tmp_path / "lost")
    back = database.home / "keys"
    combined = answer(
        tourniquet(
            database,
            *("record", "keys", "combine", "--ring", lost / "ring.sqlite3"),
            *("--key", database.home / "vault.vkey", "--into", back, "--json"),
            stdin=f"{words[1]}\n{words[2]}\n".encode(),
        )
    )
    assert combined["written"] == ["root.key", "log.key", "ring.sqlite3"]
    for name in ("root.key", "log.key"):
        assert (back / name).read_bytes() == (lost / name).read_bytes()
        assert (back / name).stat().st_mode & 0o777 == 0o600
    take(database, tmp_path, 2)
    assert answer(tourniquet(database, "record", "seal", "--json"))["sealed"] > 0


def test_a_wrong_key_is_not_written(database: Database, tmp_path: Path) -> None:
    from tourniquet.record.recovery import split

    take(database, tmp_path, 1)
    answer(tourniquet(database, "record", "seal", "--json"))
    keys = database.home / "keys"
    kept = (keys / "root.key").read_bytes()
    other = "\n".join(share.words for share in split(b"o" * 32, ("A", "B", "C"))[:2]).encode()
    into = tmp_path / "into"
    ring = ("--ring", keys / "ring.sqlite3")
    refused = tourniquet(database, "record", "keys", "combine", *ring, "--into", into, stdin=other)
    assert refused.returncode == 1
    assert b"does not open with this root key" in refused.stderr
    assert not into.exists()
    # Nor over a key that is there, whatever words are given.
    assert tourniquet(database, "record", "keys", "combine", "--into", keys, stdin=other).returncode
    assert (keys / "root.key").read_bytes() == kept
    # A folder of sheets is not written over.
    into.mkdir()
    told = tourniquet(database, "record", "keys", "shares", "--out", into, *HOLDERS)
    assert told.returncode == 1
    assert b"The folder is there already" in told.stderr
