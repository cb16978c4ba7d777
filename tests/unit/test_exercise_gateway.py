"""The simulated message gateway: each notice answered once, the same whatever the order."""

from __future__ import annotations

import itertools
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tourniquet.exercise import gateway
from tourniquet.exercise.gateway import CALL_MINUTES, TEXT_MINUTES, Gateway
from tourniquet.exercise.partners import Console
from tourniquet.exercise.world import World, make_world

_positions = itertools.count(1)
MOMENT = datetime(2024, 6, 3, 7, tzinfo=UTC)


class RecordingConsole(Console):
    """A console that keeps what is posted."""

    def __init__(self) -> None:
        super().__init__("127.0.0.1", 0)
        self.posts: list[tuple[str, list[dict[str, str]]]] = []

    def post_json(self, path: str, value: object) -> Any:
        assert isinstance(value, list)
        self.posts.append((path, value))
        return {}

    @property
    def receipts(self) -> dict[str, dict[str, str]]:
        """Everything posted, by notice."""
        found = [row for _, rows in self.posts for row in rows]
        assert len({row["notice"] for row in found}) == len(found), "answered twice"
        return {row["notice"]: row for row in found}


@pytest.fixture(scope="module")
def world() -> World:
    return make_world("june-2024", people=1_000, seed=7)


def _write(home: Path, folder: str, notice: str, said: str) -> None:
    place = home / "outbox" / folder
    place.mkdir(parents=True, exist_ok=True)
    if folder == "letter":
        (place / f"{notice}.html").write_text(f"<p>{said}</p><p>{notice}</p>")
        return
    line = json.dumps({"notice": notice, "text": said}) + "\n"
    (place / f"{next(_positions):012}-{next(_positions):012}.jsonl").write_text(line)


def test_each_notice_is_answered_once_and_in_its_own_time(tmp_path: Path, world: World) -> None:
    post = Gateway(tmp_path, world)
    console = RecordingConsole()
    assert post.deliver(console, MOMENT) == 0
    _write(tmp_path, "text", "n1", "one")
    _write(tmp_path, "letter", "n2", "two")
    _write(tmp_path, "call-list", "n3", "three")
    (tmp_path / "outbox" / "text" / ".n4.part").write_text("half written")
    assert post.deliver(console, MOMENT) == 3
    assert post.deliver(console, MOMENT) == 0
    _write(tmp_path, "text", "n5", "five")
    assert post.deliver(console, MOMENT) == 1
    assert {path for path, _ in console.posts} == {"/notices/receipts"}
    waits = {
        notice: datetime.fromisoformat(row["at"]) - MOMENT
        for notice, row in console.receipts.items()
    }
    assert waits == {
        "n1": timedelta(minutes=TEXT_MINUTES),
        "n2": timedelta(days=world.scenario.channels.letter_days),
        "n3": timedelta(minutes=CALL_MINUTES),
        "n5": timedelta(minutes=TEXT_MINUTES),
    }


def test_what_fails_hangs_on_what_is_sent_not_on_order_or_names(
    tmp_path: Path, world: World
) -> None:
    said = [f"to person {number}" for number in range(600)]
    statuses = []
    for turn, order in enumerate((said, said[::-1])):
        home, console = tmp_path / str(turn), RecordingConsole()
        for place, text in enumerate(order):
            _write(home, "text", f"n{turn}-{place}", text)
        Gateway(home, world).deliver(console, MOMENT)
        statuses.append(
            {text: console.receipts[f"n{turn}-{at}"]["status"] for at, text in enumerate(order)}
        )
    assert statuses[0] == statuses[1]
    failed = sum(status == "failed_for_good" for status in statuses[0].values())
    assert set(statuses[0].values()) == {"delivered", "failed_for_good"}
    assert failed / len(said) == pytest.approx(world.scenario.channels.text_failure, abs=0.03)


def test_answers_go_in_bounded_posts(
    tmp_path: Path, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gateway, "RECEIPTS_AT_ONCE", 4)
    console = RecordingConsole()
    for number in range(10):
        _write(tmp_path, "text", f"n{number}", str(number))
    assert Gateway(tmp_path, world).deliver(console, MOMENT) == 10
    assert [len(rows) for _, rows in console.posts] == [4, 4, 2]
    assert len(console.receipts) == 10


def test_what_follows_from_an_answer_leaves_the_next_day(
    tmp_path: Path, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However fast the server writes the letter after a failed text: else no two runs are alike."""
    monkeypatch.setattr(gateway, "RECEIPTS_AT_ONCE", 1)

    class Following(RecordingConsole):
        def post_json(self, path: str, value: object) -> Any:
            if not self.posts:
                _write(tmp_path, "letter", "follows", "by letter then")
            return super().post_json(path, value)

    console = Following()
    _write(tmp_path, "text", "n1", "one")
    _write(tmp_path, "text", "n2", "two")
    _write(tmp_path, "letter", "n3", "three")
    post = Gateway(tmp_path, world)
    assert post.deliver(console, MOMENT) == 3
    assert set(console.receipts) == {"n1", "n2", "n3"}
    assert post.deliver(console, MOMENT) == 1
    assert "follows" in console.receipts
