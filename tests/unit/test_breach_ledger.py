"""The ledger lists everything, in a stable order, under names that can be turned back."""

from __future__ import annotations

import csv
import os
from pathlib import Path

import hypothesis.strategies as st
import pytest
from hypothesis import given

from tourniquet.breach import ledger
from tourniquet.breach.ledger import (
    DEPTH_MOST,
    Entry,
    Ledger,
    LedgerRow,
    Member,
    Outcome,
    member_names,
    raw_path,
    shown_path,
    walk,
    write_ledger,
)
from tourniquet.breach.pieces import State


def test_walk_follows_nothing(tmp_path: Path) -> None:
    inside = tmp_path / "files"
    (inside / "b").mkdir(parents=True)
    (tmp_path / "outside.txt").write_text("outside")
    (inside / "b" / "two.txt").write_text("22")
    (inside / "a.txt").write_text("1")
    (inside / "link").symlink_to(tmp_path / "outside.txt")
    (inside / "folder-link").symlink_to(tmp_path)
    os.mkfifo(inside / "pipe")
    (tmp_path / "files" / os.fsdecode(b"r\xe9sultats.csv")).write_text("x")
    found = {one.path: (one.size, one.type, one.why) for one in walk(inside)}
    assert list(found) == ["a.txt", "b/two.txt", "folder-link", "link", "pipe", "r\\xe9sultats.csv"]
    assert found["b/two.txt"] == (2, "", "")
    assert (
        found["link"] == found["folder-link"] == (0, "link", "it is a link, which is not followed")
    )
    assert found["pipe"][1] == "device"


def test_walk_of_no_folder(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="gone"):
        list(walk(tmp_path / "gone"))


@given(st.binary(min_size=1, max_size=30).filter(lambda raw: b"\0" not in raw))
def test_names_turn_back(raw: bytes) -> None:
    shown = shown_path(raw)
    shown.encode("utf-8")
    assert raw_path(shown) == raw


def test_names_that_look_escaped() -> None:
    assert shown_path(b"r\\xe9") == "r\\\\xe9"
    assert raw_path("r\\\\xe9") == b"r\\xe9"


def outcome(sha256: str, *members: Member, kind: str = "zip") -> Outcome:
    return Outcome(sha256, 10, kind, State.PARSED, members=members)


def entry(path: str, why: str = "") -> Entry:
    return Entry(path, Path(path), 10, why=why)


def test_copies_list_their_members_on_every_path() -> None:
    inner = Member("list.csv", "b", 5)
    held = Ledger(
        [(entry("a.zip"), "a"), (entry("copy.zip"), "a"), (entry("gone", "it vanished"), "")],
        {"a": outcome("a", inner, Member("secret", "", 7, State.UNREADABLE, "it is encrypted")),
         "b": outcome("b", kind="table")},
    )  # fmt: skip
    rows = [(one.path, one.sha256, one.state, one.why) for one in held.rows()]
    assert rows == [
        ("a.zip", "a", State.PARSED, ""),
        ("a.zip!/list.csv", "b", State.PARSED, ""),
        ("a.zip!/secret", "", State.UNREADABLE, "it is encrypted"),
        ("copy.zip", "a", State.PARSED, ""),
        ("copy.zip!/list.csv", "b", State.PARSED, ""),
        ("copy.zip!/secret", "", State.UNREADABLE, "it is encrypted"),
        ("gone", "", State.UNREADABLE, "it vanished"),
    ]


def test_a_container_that_holds_itself_ends() -> None:
    held = Ledger([(entry("quine.zip"), "a")], {"a": outcome("a", Member("quine.zip", "a", 10))})
    rows = list(held.rows())
    assert len(rows) == DEPTH_MOST + 1
    assert rows[-1].why == f"containers lie in it deeper than the limit of {DEPTH_MOST}"
    assert rows[-2].why == ""


def test_what_nobody_read_is_listed() -> None:
    assert [one.why for one in Ledger([(entry("x"), "a")]).rows()] == ["it was not read"]


def test_members_of_one_name() -> None:
    members = [Member(name, "a", 1) for name in ("a", "a", "a (2)", "a")]
    assert member_names(members) == ["a", "a (2)", "a (2) (2)", "a (3)"]


def test_written_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "files.csv"
    rows = [LedgerRow(f"a,{n}\n", "s", 1, "table", State.PARSED) for n in range(4)]
    monkeypatch.setattr(ledger, "ROWS_MOST", 4)
    assert write_ledger(rows, file) == 4
    with file.open(newline="") as opened:
        found = list(csv.DictReader(opened))
    assert found[0]["path"] == "a,0\n"
    assert len(found) == 4

    monkeypatch.setattr(ledger, "ROWS_MOST", 3)
    write_ledger(rows, file)
    with file.open(newline="") as opened:
        last = list(csv.DictReader(opened))[-1]
    assert last["why"] == "there are more rows than the limit of 3; the rest is not listed"
    assert [one.name for one in tmp_path.iterdir()] == ["files.csv"]
