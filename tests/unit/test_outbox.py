"""unit: the outbox: lots that appear whole, and finding what none of them holds."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import date
from pathlib import Path

import pytest

from tourniquet.notices.outbox import Outgoing, find_missing, take_out, write_outbox
from tourniquet.notices.rendering import EXERCISE_MARK


def outgoing(notice: str, position: int, channel: str = "text") -> Outgoing:
    return Outgoing(
        notice=notice,
        position=position,
        kind="appointment_booked",
        channel=channel,
        text=f"{EXERCISE_MARK}\n\nDear Ann\n\nYour test is on Monday.\n\n{EXERCISE_MARK}",
        name="Ann TEST",
        phone="07700 900001",
        address_lines=("1 High Street", "SE1 1AA"),
        practice="G85001 The Surgery",
        written_on=date(2024, 6, 3),
        exercise=True,
    )


def test_one_transaction_is_one_lot_a_channel_and_a_page_a_letter(tmp_path: Path) -> None:
    lot = [
        outgoing("a", 11),
        outgoing("b", 14),
        outgoing("c", 12, "call_list"),
        outgoing("d", 13, "letter"),
    ]
    assert write_outbox(tmp_path, lot) == 4
    files = {str(path.relative_to(tmp_path)) for path in tmp_path.glob("**/*") if path.is_file()}
    assert files == {
        "text/000000000011-000000000014.jsonl",
        "call-list/000000000012-000000000012.jsonl",
        "letter/d.html",
    }
    lines = (tmp_path / "text" / "000000000011-000000000014.jsonl").read_text().splitlines()
    assert [json.loads(line)["notice"] for line in lines] == ["a", "b"]
    assert {json.loads(line)["to"] for line in lines} == {"07700 900001"}
    for path in tmp_path.glob("**/*"):
        assert path.stat().st_mode & 0o077 == 0 or path.is_dir()


def test_writing_again_changes_nothing(tmp_path: Path) -> None:
    lot = [outgoing("a", 11), outgoing("d", 13, "letter")]
    assert write_outbox(tmp_path, lot) == 2
    before = {path: path.read_bytes() for path in tmp_path.glob("*/*")}
    assert write_outbox(tmp_path, lot) == 0
    assert {path: path.read_bytes() for path in tmp_path.glob("*/*")} == before


@pytest.mark.parametrize(
    ("position", "is_missing"),
    [(1, True), (5, False), (7, False), (9, False), (10, True), (20, False), (21, True)],
)
def test_a_notice_is_missing_where_no_lot_covers_it(
    tmp_path: Path, *, position: int, is_missing: bool
) -> None:
    write_outbox(tmp_path, [outgoing("a", 5), outgoing("b", 9)])
    write_outbox(tmp_path, [outgoing("c", 20)])
    (tmp_path / "text" / ".000000000021-000000000021.jsonl.part").write_text("half written")
    found = find_missing(tmp_path, [("x", "text", position)])
    assert found == (["x"] if is_missing else [])


def test_lots_of_one_channel_say_nothing_of_another(tmp_path: Path) -> None:
    write_outbox(tmp_path, [outgoing("a", 5), outgoing("d", 6, "letter")])
    waiting = [("a", "text", 5), ("b", "call_list", 5), ("d", "letter", 6), ("e", "letter", 5)]
    assert find_missing(tmp_path, waiting) == ["b", "e"]
    assert find_missing(tmp_path / "nowhere", waiting) == ["a", "b", "d", "e"]


def test_who_was_erased_is_taken_out_and_nobody_else(tmp_path: Path) -> None:
    write_outbox(tmp_path, [outgoing("a", 11), outgoing("b", 14), outgoing("d", 13, "letter")])
    write_outbox(tmp_path, [outgoing("e", 20), outgoing("f", 21, "letter")])
    write_outbox(tmp_path, [outgoing("g", 30, "call_list")])
    known = {"a", "e", "f"}
    asked: list[str] = []

    def find_known(notices: Sequence[str]) -> set[str]:
        asked.extend(notices)
        return known & set(notices)

    assert take_out(tmp_path, emptied=[], find_known=find_known) == 0
    assert asked == []
    assert take_out(tmp_path, emptied=[13, 14, 30], find_known=find_known) == 3
    assert "e" not in asked  # no position of that lot was emptied
    first = tmp_path / "text" / "000000000011-000000000014.jsonl"
    assert [json.loads(line)["notice"] for line in first.read_text().splitlines()] == ["a"]
    [calls] = (tmp_path / "call-list").iterdir()
    assert calls.read_bytes() == b""
    assert [path.stem for path in (tmp_path / "letter").iterdir()] == ["f"]
    assert not list(tmp_path.glob("*/.*"))
    assert take_out(tmp_path, emptied=[13, 14, 30], find_known=find_known) == 0
    # What was taken out is not missing, and is not written again.
    assert find_missing(tmp_path, [("b", "text", 14)]) == []
